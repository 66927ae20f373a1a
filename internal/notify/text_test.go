package notify

import (
	"bytes"
	"encoding/json"
	"flag"
	"path/filepath"
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/golden"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/testlab"
)

var update = flag.Bool("update", false, "rewrite golden files")

// severities are those of the notice of each status; a status that makes no notice has none.
func severities() map[guard.Status]Severity {
	return map[guard.Status]Severity{
		guard.InSync: "", guard.Deferred: "", guard.Unknown: "", guard.RestoreFailed: "",
		guard.Restored: "info",
		guard.Drifted:  "critical", guard.Unverified: "critical", guard.ActionRequired: "critical",
	}
}

// noticeOf is the notice that people get of an outcome, if they get one.
func noticeOf(o guard.Outcome) (guard.Notice, bool) {
	decision := Decide(o)
	return NoticeFor(o, decision.Severity), decision.Notify
}

func TestNotices(t *testing.T) {
	for _, status := range testlab.Statuses() {
		severity := severities()[status]
		notice, wanted := noticeOf(testlab.Outcome(status))
		if wanted != (severity != "") || notice.Filter["severity"][0] != string(severity) {
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

// TestSharedNotice: one notice names all storages that share what it is about, and subscribers can choose by each.
func TestSharedNotice(t *testing.T) {
	for _, c := range []struct {
		storages []string
		subject  string
	}{
		{[]string{"lab-prod", "lab-test"}, "[icaguard] lab-prod, lab-test: role-session-duration drifted"},
		{[]string{"a", "b", "c", "d"}, "[icaguard] a and 3 more: role-session-duration drifted"},
	} {
		o := testlab.Outcome(guard.Drifted)
		o.Storages = c.storages
		notice := NoticeFor(o, Critical)
		if all := strings.Join(c.storages, ", "); notice.Subject != c.subject || !strings.Contains(notice.Body, "storage   "+all+"\n") {
			t.Errorf("%q, want %q and %s in:\n%s", notice.Subject, c.subject, all, notice.Body)
		}
		if got := strings.Join(notice.Filter[Storage], " "); got != strings.Join(c.storages, " ") {
			t.Errorf("attribute %q, want %v", got, c.storages)
		}
	}
}

// SNS refuses a subject that is longer, or that holds anything but ASCII without control characters.
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
func TestSubjectIsWhatSNSTakes(t *testing.T) {
	long, shared := testlab.Outcome(guard.ActionRequired), testlab.Outcome(guard.Drifted)
	long.Storages, long.Setting = []string{strings.Repeat("s", 32)}, strings.Repeat("long-", 20)
	shared.Storages = []string{strings.Repeat("s", 32), strings.Repeat("t", 32), "u"}
	for _, o := range []guard.Outcome{testlab.Outcome(guard.Restored), long, shared} {
		notice, _ := noticeOf(o)
		if len(notice.Subject) > 100 || !strings.HasPrefix(notice.Subject, "[icaguard] "+o.Storages[0]) {
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
	cors := guard.Outcome{
		Storages: []string{"lab-prod"}, Setting: "bucket-cors", Title: "Bucket CORS", Resource: "arn:aws:s3:::lab-prod-ica",
		Status: guard.InSync,
	}
	var table bytes.Buffer
	if err := Table(&table, []guard.Outcome{cors, testlab.Outcome(guard.Drifted), testlab.Outcome(guard.Unknown)}); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, *update, "testdata/table.txt", table.String())
}

// TestDeferredTooLongIsReported, and so is what was done without an answer.
func TestDeferredTooLongIsReported(t *testing.T) {
	deferred := testlab.Outcome(guard.Deferred)
	deferred.DeferredTooLong = true
	if notice, wanted := noticeOf(deferred); !wanted || notice.Filter["severity"][0] != "critical" ||
		!strings.Contains(notice.Body, "why it is deferred") {
		t.Errorf("%v %+v", wanted, notice)
	}
	restored := testlab.Outcome(guard.Restored)
	restored.GateSkipped = "asked 3 times in vain"
	if notice, _ := noticeOf(restored); !strings.Contains(notice.Body, "gates     asked 3 times in vain") {
		t.Errorf("%s", notice.Body)
	}
}
