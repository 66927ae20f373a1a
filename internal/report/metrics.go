package report

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/icaguard/icaguard/internal/guard"
)

// Names of what is measured, in guard.MetricNamespace. A custom metric costs money for every hour in which it is
// written, so all but the first are written only when something drifted.
const (
	Unhealthy      = "Unhealthy"      // by storage: 1 when something of it needs attention, else 0
	Drift          = "Drift"          // by storage and setting: something differed
	Restored       = "Restored"       // by storage and setting
	RestoreSeconds = "RestoreSeconds" // by storage and setting: from the event to the restored state
	FoundByAudit   = "FoundByAudit"   // by storage: restored, but only an audit had found it
)

// The dimensions in which it is measured.
const (
	ByStorage = "Storage"
	BySetting = "Setting"
)

// Meter writes measurements as log lines in CloudWatch's embedded metric format, which needs no call and no permission.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
type Meter struct {
	Log *slog.Logger
	Now func() time.Time
}

// Health writes for every storage of an audit, and for the guard itself, whether it is well.
func (m Meter) Health(ctx context.Context, outcomes []guard.Outcome) {
	var storages []string
	unhealthy := map[string]int{}
	for _, o := range outcomes {
		for _, storage := range o.Storages {
			if !slices.Contains(storages, storage) {
				storages = append(storages, storage)
			}
			if guard.ExitCode([]guard.Outcome{o}) != 0 {
				unhealthy[storage] = 1
			}
		}
	}
	for _, storage := range storages {
		m.write(ctx, dimensions{storage: storage}, measure{Unhealthy, "Count", float64(unhealthy[storage])})
	}
}

// Outcome writes what a check found and did, for each storage that it concerns, once for each drift, and nothing for
// what is in sync.
func (m Meter) Outcome(ctx context.Context, o guard.Outcome) {
	measures := m.measures(o)
	for _, storage := range o.Storages {
		if o.Status == guard.Restored && o.FoundByAudit {
			m.write(ctx, dimensions{storage: storage}, measure{FoundByAudit, "Count", 1})
		}
		if len(measures) > 0 {
			m.write(ctx, dimensions{storage, o.Setting}, measures...)
		}
	}
}

func (m Meter) measures(o guard.Outcome) []measure {
	var measures []measure
	if len(o.Diffs) > 0 && o.Attempt == 0 {
		measures = append(measures, measure{Drift, "Count", 1})
	}
	if o.Status == guard.Restored {
		measures = append(measures, measure{Restored, "Count", 1})
		if took, known := m.since(o.Events); known {
			measures = append(measures, measure{RestoreSeconds, "Seconds", took.Seconds()})
		}
	}
	return measures
}

// since is how long ago the first event was, as far as its time can be true: it is as reported.
func (m Meter) since(events []guard.Event) (time.Duration, bool) {
	const longest = 14 * 24 * time.Hour // more than a message stays on a queue
	if len(events) == 0 {
		return 0, false
	}
	took := m.Now().Sub(events[0].Time)
	return max(0, took), took < longest && took > -time.Minute // CloudTrail's clock is another
}

// dimensions of a metric; the setting may be left out.
type dimensions struct{ storage, setting string }

type measure struct {
	name, unit string
	value      float64
}

func (m Meter) write(ctx context.Context, by dimensions, measures ...measure) {
	names, attributes := []string{ByStorage}, []slog.Attr{slog.String(ByStorage, by.storage)}
	if by.setting != "" {
		names, attributes = append(names, BySetting), append(attributes, slog.String(BySetting, by.setting))
	}
	var metrics []map[string]string
	for _, one := range measures {
		metrics = append(metrics, map[string]string{"Name": one.name, "Unit": one.unit})
		attributes = append(attributes, slog.Float64(one.name, one.value))
	}
	attributes = append(attributes, slog.Any("_aws", map[string]any{
		"Timestamp": m.Now().UnixMilli(),
		"CloudWatchMetrics": []any{map[string]any{
			"Namespace": guard.MetricNamespace, "Dimensions": [][]string{names},
			"Metrics": metrics,
		}},
	}))
	m.Log.LogAttrs(ctx, slog.LevelInfo, "metrics", attributes...)
}
