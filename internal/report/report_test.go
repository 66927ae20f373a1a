package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"log/slog"
	"slices"
	"testing"

	"github.com/icaguard/icaguard/internal/golden"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/testlab"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestPrint(t *testing.T) {
	file, err := icaconfig.Parse("ica.yaml", []byte(`storages:
  - {name: lab-prod, icaRegion: US, bucket: {name: lab-prod-ica, folder: ica}, role: {sessionNamePrefix: "ssm:/ica/prefix"}}
`))
	if err != nil {
		t.Fatal(err)
	}
	open := testlab.Outcome(guard.ActionRequired)
	open.Accept = []string{`- {storage: lab-prod, setting: role-session-duration, match: "a: b"}`}
	report := New(file, []guard.Outcome{
		testlab.Outcome(guard.Restored), testlab.Outcome(guard.Unverified), testlab.Outcome(guard.Accepted), open,
	}).WithUnmatched([]icaconfig.Exception{{Place: "ica.yaml:7"}})
	if report.ExitCode != 1 {
		t.Errorf("exit code %d, want 1", report.ExitCode)
	}
	var text bytes.Buffer
	if err := report.Print(&text); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, *update, "testdata/report.txt", text.String())
}

func TestLogLevels(t *testing.T) {
	levels := map[guard.Status]string{
		guard.InSync: "INFO", guard.Accepted: "INFO", guard.Restored: "INFO",
		guard.Drifted: "WARN", guard.Deferred: "WARN", guard.Unknown: "WARN", guard.RestoreFailed: "WARN",
		guard.Unverified: "ERROR", guard.ActionRequired: "ERROR",
	}
	for _, status := range testlab.Statuses() {
		var line bytes.Buffer
		Log(t.Context(), slog.New(slog.NewJSONHandler(&line, nil)), testlab.Outcome(status))
		var got struct {
			Level, Status, Setting, Resource, Problem string
			Storages                                  []string
			Diffs                                     []guard.Diff
			Accepted                                  []guard.Excepted
			Events                                    []guard.Event
		}
		if err := json.Unmarshal(line.Bytes(), &got); err != nil {
			t.Fatalf("%v: %s", err, line.Bytes())
		}
		want := testlab.Outcome(status)
		if got.Level != levels[status] || got.Status != string(status) || got.Resource != want.Resource || !slices.Equal(got.Storages,
			want.Storages) || got.Problem != want.Problem ||
			len(got.Events) != 1 || len(got.Diffs) != len(want.Diffs) || !slices.Equal(got.Accepted, want.Accepted) {
			t.Errorf("%s: want level %s and all that the outcome says: %s", status, levels[status], line.Bytes())
		}
	}
}
