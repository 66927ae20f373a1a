package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/golden"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

var update = flag.Bool("update", false, "rewrite golden files")

// statuses are all of them, each with the severity of its notice.
func statuses() map[guard.Status]string {
	return map[guard.Status]string{
		guard.InSync: "", guard.Deferred: "", guard.Unknown: "", guard.RestoreFailed: "",
		guard.Restored: "info",
		guard.Drifted:  "critical", guard.Unverified: "critical", guard.ActionRequired: "critical",
	}
}

// outcome is a role's with everything that an outcome of this status can say.
func outcome(status guard.Status) guard.Outcome {
	o := guard.Outcome{
		Storage: "lab-prod", Setting: "role-session-duration", Title: "Maximum session duration of the IAM role is 12 hours",
		Resource: "arn:aws:iam::123456789012:role/Illumina_ICA_Role", Status: status,
		Events: []guard.Event{{
			EventID: "1c6f1f0e-6f0a-4d44-9b1c-2f64f2c4d003", Event: "UpdateRole",
			Time: time.Date(2026, 1, 15, 10, 12, 33, 0, time.FixedZone("CET", 3600)),
			Actor: cloudtrail.Actor{
				ARN: "arn:aws:sts::123456789012:assumed-role/Admin/console-session", Issuer: "arn:aws:iam::123456789012:role/Admin", From: "198.51.100.7",
			},
		}},
	}
	if status == guard.InSync {
		return o
	}
	o.Effect = "the storage configuration goes offline"
	o.Diffs = []guard.Diff{{Path: "MaxSessionDuration", Expected: "43200 s", Found: "3600 s"}}
	if status != guard.Restored {
		o.Problem, o.Remediation = "why it is "+string(status), "what to do when it is "+string(status)
	}
	return o
}

func TestNotices(t *testing.T) {
	for status, severity := range statuses() {
		notice, wanted := NoticeFor(outcome(status))
		if wanted != (severity != "") || notice.Filter["severity"] != severity {
			t.Errorf("%s: notice %v of severity %q, want %q", status, wanted, notice.Filter["severity"], severity)
		}
		if wanted {
			text, err := json.MarshalIndent(notice.Filter, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, *update, filepath.Join("testdata", "notices", string(status)+".txt"),
				notice.Subject+"\n\n"+notice.Body+"\n"+string(text)+"\n")
		}
	}
}

// SNS refuses a subject that is longer, or that holds anything but ASCII without control characters.
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
func TestSubjectIsWhatSNSTakes(t *testing.T) {
	long := outcome(guard.ActionRequired)
	long.Storage, long.Setting = strings.Repeat("s", 32), strings.Repeat("long-", 20)
	for _, o := range []guard.Outcome{outcome(guard.Restored), long} {
		notice, _ := NoticeFor(o)
		if len(notice.Subject) > 100 || !strings.HasPrefix(notice.Subject, "[icaguard] "+o.Storage) {
			t.Errorf("subject of %d characters: %s", len(notice.Subject), notice.Subject)
		}
		for _, r := range notice.Subject {
			if r < ' ' || r > '~' {
				t.Errorf("subject has %q: %s", r, notice.Subject)
			}
		}
	}
}

func TestTable(t *testing.T) {
	cors := guard.Outcome{Storage: "lab-prod", Setting: "bucket-cors", Title: "Bucket CORS", Resource: "arn:aws:s3:::lab-prod-ica", Status: guard.InSync}
	var table bytes.Buffer
	if err := Table(&table, []guard.Outcome{cors, outcome(guard.Drifted), outcome(guard.Unknown)}); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, *update, "testdata/table.txt", table.String())
}

func TestPrint(t *testing.T) {
	file, err := icaconfig.Parse("ica.yaml", []byte(`storages:
  - {name: lab-prod, icaRegion: US, bucket: {name: lab-prod-ica, folder: ica}, role: {sessionNamePrefix: "ssm:/ica/prefix"}}
`))
	if err != nil {
		t.Fatal(err)
	}
	report := New(file, []guard.Outcome{outcome(guard.Restored), outcome(guard.Unverified)})
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
		guard.InSync: "INFO", guard.Restored: "INFO",
		guard.Drifted: "WARN", guard.Deferred: "WARN", guard.Unknown: "WARN", guard.RestoreFailed: "WARN",
		guard.Unverified: "ERROR", guard.ActionRequired: "ERROR",
	}
	for status := range statuses() {
		var line bytes.Buffer
		Log(t.Context(), slog.New(slog.NewJSONHandler(&line, nil)), outcome(status))
		var got struct {
			Level, Status, Setting, Storage, Resource, Problem string
			Diffs                                              []guard.Diff
			Events                                             []guard.Event
		}
		if err := json.Unmarshal(line.Bytes(), &got); err != nil {
			t.Fatalf("%v: %s", err, line.Bytes())
		}
		want := outcome(status)
		if got.Level != levels[status] || got.Status != string(status) || got.Resource != want.Resource || got.Problem != want.Problem ||
			len(got.Events) != 1 || len(got.Diffs) != len(want.Diffs) {
			t.Errorf("%s: want level %s and all that the outcome says: %s", status, levels[status], line.Bytes())
		}
	}
}

// withNote is the outcome with something that is worth knowing.
func withNote(o guard.Outcome) guard.Outcome {
	o.Notes = []guard.Finding{{What: "versioning is suspended"}}
	return o
}
