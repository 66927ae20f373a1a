package testlab

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// Metric is one measurement as CloudWatch takes it from a log line.
type Metric struct {
	Namespace  string
	Name, Unit string
	Dimensions string // "Storage=lab-prod Setting=bucket-cors"
	Value      float64
}

// Metrics reads a function's log as CloudWatch does, and fails the test where a line of the embedded metric format is
// not as specified.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
func Metrics(t testing.TB, log string) []Metric {
	t.Helper()
	var all []Metric
	for line := range strings.Lines(log) {
		var root map[string]json.RawMessage
		if json.Unmarshal([]byte(line), &root) != nil || root["_aws"] == nil {
			continue // no measurement
		}
		all = append(all, metricsOf(t, root)...)
	}
	return all
}

func metricsOf(t testing.TB, root map[string]json.RawMessage) []Metric {
	t.Helper()
	var meta struct {
		Timestamp         int64
		CloudWatchMetrics []struct {
			Namespace  string
			Dimensions [][]string
			Metrics    []struct{ Name, Unit string }
		}
	}
	if err := json.Unmarshal(root["_aws"], &meta); err != nil {
		t.Fatalf("%v: %s", err, root["_aws"])
	}
	if age := time.Since(time.UnixMilli(meta.Timestamp)); age < -time.Hour || age > time.Hour || len(meta.CloudWatchMetrics) == 0 {
		t.Errorf("measured %s ago, %d directives: %s", age, len(meta.CloudWatchMetrics), root["_aws"])
	}
	var all []Metric
	for _, directive := range meta.CloudWatchMetrics {
		if directive.Namespace == "" || len(directive.Metrics) == 0 || len(directive.Dimensions) == 0 {
			t.Errorf("not complete: %s", root["_aws"])
		}
		for _, set := range directive.Dimensions {
			dimensions := dimensionsOf(t, root, set)
			for _, metric := range directive.Metrics {
				all = append(all, Metric{directive.Namespace, metric.Name, unitOf(t, metric.Unit), dimensions, member[float64](t, root,
					metric.Name)})
			}
		}
	}
	return all
}

func dimensionsOf(t testing.TB, root map[string]json.RawMessage, names []string) string {
	t.Helper()
	if len(names) == 0 || len(names) > 30 {
		t.Errorf("%d dimensions", len(names))
	}
	var parts []string
	for _, name := range names {
		value := member[string](t, root, name)
		if value == "" || len(value) > 1024 {
			t.Errorf("dimension %s is %q", name, value)
		}
		parts = append(parts, name+"="+value)
	}
	return strings.Join(parts, " ")
}

func unitOf(t testing.TB, unit string) string {
	t.Helper()
	if !slices.Contains([]string{"Count", "Seconds"}, unit) { // of those that CloudWatch knows, the ones in use here
		t.Errorf("unit %q", unit)
	}
	return unit
}

// member is a target member at the root of the line, as every named dimension and metric has to be.
func member[T any](t testing.TB, root map[string]json.RawMessage, name string) T {
	t.Helper()
	var value T
	if err := json.Unmarshal(root[name], &value); err != nil {
		t.Errorf("root member %s: %v", name, err)
	}
	return value
}
