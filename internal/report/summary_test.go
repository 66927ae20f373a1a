package report

import (
	"errors"
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/guard"
)

func TestSummary(t *testing.T) {
	const occasion = "first check after stack icaguard-guard in us-east-1 is in status UPDATE_ROLLBACK_COMPLETE"
	well := []guard.Outcome{outcome(guard.InSync), withNote(outcome(guard.InSync)), outcome(guard.Restored)}
	for _, c := range []struct {
		outcomes          []guard.Outcome
		subject, severity string
	}{
		{well, "[icaguard] all 3 settings are well: " + occasion, "info"},
		{append(well, outcome(guard.Deferred)), "[icaguard] 1 of 4 settings need attention: " + occasion, "critical"},
		{append(well, outcome(guard.Unknown), outcome(guard.Drifted)), "[icaguard] 2 of 5 settings need attention: " + occasion, "critical"},
	} {
		notice, err := Summary(occasion, c.outcomes)
		if err != nil {
			t.Fatal(err)
		}
		if len(notice.Subject) > 100 || !strings.HasPrefix(c.subject, notice.Subject) || notice.Filter["severity"] != c.severity || notice.Filter["status"] != "summary" {
			t.Errorf("notice %q %v, want %q, %s", notice.Subject, notice.Filter, c.subject, c.severity)
		}
		for _, o := range c.outcomes {
			if !strings.Contains(notice.Body, string(o.Status)) {
				t.Errorf("the body does not tell of %s:\n%s", o.Status, notice.Body)
			}
		}
	}
}

func TestFingerprint(t *testing.T) {
	broken := outcome(guard.Unknown)
	for name, c := range map[string]struct {
		change func(*guard.Outcome)
		same   bool
	}{
		"another request id in the error": {func(o *guard.Outcome) { o.Problem = errors.New("RequestID: 2").Error() }, true},
		"another attempt":                 {func(o *guard.Outcome) { o.Attempt = 3 }, true},
		"another status":                  {func(o *guard.Outcome) { o.Status = guard.Drifted }, false},
		"another difference":              {func(o *guard.Outcome) { o.Diffs = []guard.Diff{{Path: "MaxSessionDuration", Found: "1 s"}} }, false},
		"an alert":                        {func(o *guard.Outcome) { o.Alerts = []guard.Finding{{What: "gone"}} }, false},
		"a report":                        {func(o *guard.Outcome) { o.Notes = []guard.Finding{{What: "not confirmed"}} }, false},
		"another storage":                 {func(o *guard.Outcome) { o.Storage = "lab-test" }, false},
	} {
		changed := broken
		c.change(&changed)
		if same := Fingerprint([]guard.Outcome{broken}) == Fingerprint([]guard.Outcome{changed}); same != c.same {
			t.Errorf("%s: people would read the same: %v, want %v", name, same, c.same)
		}
	}
}

// TestHeldForTooLongIsTold, and so is what was done without an answer.
func TestHeldForTooLongIsTold(t *testing.T) {
	held := outcome(guard.Deferred)
	held.DeferredTooLong = true
	if notice, wanted := NoticeFor(held); !wanted || notice.Filter["severity"] != "critical" || !strings.Contains(notice.Body, "why it is deferred") {
		t.Errorf("%v %+v", wanted, notice)
	}
	restored := outcome(guard.Restored)
	restored.GateSkipped = "asked 3 times in vain"
	if notice, _ := NoticeFor(restored); !strings.Contains(notice.Body, "gates     asked 3 times in vain") {
		t.Errorf("%s", notice.Body)
	}
}
