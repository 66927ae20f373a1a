package report_test

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/report"
	"github.com/icaguard/icaguard/internal/testlab"
)

// measured is what CloudWatch makes of an outcome's lines.
func measured(t *testing.T, now time.Time, o guard.Outcome) map[string]float64 {
	t.Helper()
	var log bytes.Buffer
	meter := report.Meter{Log: slog.New(slog.NewJSONHandler(&log, nil)), Now: func() time.Time { return now }}
	meter.Outcome(t.Context(), o)
	found := map[string]float64{}
	for _, m := range testlab.Metrics(t, log.String()) {
		if m.Namespace != guard.MetricNamespace {
			t.Errorf("namespace %q", m.Namespace)
		}
		found[m.Name+" "+m.Dimensions] = m.Value
	}
	return found
}

func TestMeasured(t *testing.T) {
	const setting, storage = " Storage=lab Setting=bucket-cors", " Storage=lab"
	of := func(status guard.Status, change func(*guard.Outcome)) guard.Outcome {
		o := guard.Outcome{Storages: []string{"lab"}, Setting: "bucket-cors", Status: status, Diffs: []guard.Diff{{Path: "x"}}}
		if change != nil {
			change(&o)
		}
		return o
	}
	for name, c := range map[string]struct {
		outcome guard.Outcome
		want    map[string]float64
	}{
		"in sync costs nothing": {guard.Outcome{
			Storages: []string{"lab"}, Setting: "bucket-cors",
			Status: guard.InSync,
		}, map[string]float64{}},
		"drifted":        {of(guard.Drifted, nil), map[string]float64{"Drift" + setting: 1}},
		"deferred":       {of(guard.Deferred, nil), map[string]float64{"Drift" + setting: 1}},
		"still deferred": {of(guard.Deferred, func(o *guard.Outcome) { o.Attempt = 1 }), map[string]float64{}},
		"restored after deferral": {
			of(guard.Restored, func(o *guard.Outcome) { o.Attempt = 1 }),
			map[string]float64{"Restored" + setting: 1},
		},
		"restored": {of(guard.Restored, nil), map[string]float64{"Drift" + setting: 1, "Restored" +
			setting: 1}},
		"restored, found by the audit": {
			of(guard.Restored, func(o *guard.Outcome) { o.FoundByAudit = true }),
			map[string]float64{"Drift" + setting: 1, "Restored" + setting: 1, "FoundByAudit" + storage: 1},
		},
		"found by the audit, not restored yet": {
			of(guard.RestoreFailed, func(o *guard.Outcome) { o.FoundByAudit = true }),
			map[string]float64{"Drift" + setting: 1},
		},
	} {
		if diff := cmp.Diff(c.want, measured(t, time.Now(), c.outcome)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	shared := of(guard.Restored, func(o *guard.Outcome) { o.Storages, o.FoundByAudit = []string{"a", "b"}, true })
	want := map[string]float64{
		"Drift Storage=a Setting=bucket-cors": 1, "Restored Storage=a Setting=bucket-cors": 1, "FoundByAudit Storage=a": 1,
		"Drift Storage=b Setting=bucket-cors": 1, "Restored Storage=b Setting=bucket-cors": 1, "FoundByAudit Storage=b": 1,
	}
	if diff := cmp.Diff(want, measured(t, time.Now(), shared)); diff != "" {
		t.Errorf("of what two storages share (-want +got):\n%s", diff)
	}
	now := time.Now()
	restored := of(guard.Restored, func(o *guard.Outcome) {
		o.Events = []guard.Event{
			{Time: now.Add(-7 * time.Second)},
			{Time: now},
		}
	})
	if seconds := measured(t, now, restored)["RestoreSeconds"+setting]; seconds != 7 {
		t.Errorf("from the first event to restored %v s, want 7", seconds)
	}
}

// TestHealth: what storages share is each one's health, and a storage is as well as its worst outcome.
func TestHealth(t *testing.T) {
	var log bytes.Buffer
	meter := report.Meter{Log: slog.New(slog.NewJSONHandler(&log, nil)), Now: time.Now}
	meter.Health(t.Context(), []guard.Outcome{
		{Storages: []string{"a"}, Status: guard.InSync},
		{Storages: []string{"a", "b"}, Status: guard.Drifted},
		{Storages: []string{"b"}, Status: guard.Restored},
		{Storages: []string{"c"}, Status: guard.InSync},
		{Storages: []string{guard.SelfName}, Status: guard.InSync},
	})
	want := []testlab.Metric{
		{Namespace: "icaguard", Name: report.Unhealthy, Unit: "Count", Dimensions: "Storage=a", Value: 1},
		{Namespace: "icaguard", Name: report.Unhealthy, Unit: "Count", Dimensions: "Storage=b", Value: 1},
		{Namespace: "icaguard", Name: report.Unhealthy, Unit: "Count", Dimensions: "Storage=c", Value: 0},
		{Namespace: "icaguard", Name: report.Unhealthy, Unit: "Count", Dimensions: "Storage=icaguard", Value: 0},
	}
	if diff := cmp.Diff(want, testlab.Metrics(t, log.String())); diff != "" {
		t.Errorf("measured (-want +got):\n%s", diff)
	}
}

// TestReportedTimesAreNotMeasured where they cannot be true: an event's time is as reported.
func TestReportedTimesAreNotMeasured(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	for at, want := range map[time.Time]float64{
		{}: -1, now.Add(time.Hour): -1, now.AddDate(8000, 0, 0): -1, now.AddDate(-50, 0, 0): -1, now.Add(-time.Hour): 3600,
		now.Add(time.Second): 0,
	} {
		got, known := measured(t, now, guard.Outcome{
			Storages: []string{"lab"}, Setting: "bucket-cors", Status: guard.Restored, Events: []guard.Event{{Time: at}},
		})["RestoreSeconds Storage=lab Setting=bucket-cors"]
		if known != (want >= 0) || known && got != want {
			t.Errorf("%s: measured %v, %v; want %v", at, got, known, want)
		}
	}
}
