package notify

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/testlab"
)

func TestSummary(t *testing.T) {
	const occasion = "first check after stack icaguard-guard in us-east-1 is in status UPDATE_ROLLBACK_COMPLETE"
	well := []guard.Outcome{testlab.Outcome(guard.InSync), withNote(testlab.Outcome(guard.InSync)), testlab.Outcome(guard.Restored)}
	for _, c := range []struct {
		outcomes          []guard.Outcome
		subject, severity string
	}{
		{well, "[icaguard] all 3 settings are well: " + occasion, "info"},
		{append(well, testlab.Outcome(guard.Deferred)), "[icaguard] 1 of 4 settings need attention: " + occasion, "critical"},
		{append(well, testlab.Outcome(guard.Unknown), testlab.Outcome(guard.Drifted)), "[icaguard] 2 of 5 settings need attention: " +
			occasion, "critical"},
	} {
		notice, err := Summary(occasion, c.outcomes, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(notice.Subject) > 100 || !strings.HasPrefix(c.subject, notice.Subject) || notice.Filter["severity"][0] != c.severity ||
			notice.Filter["status"][0] != "summary" {
			t.Errorf("notice %q %v, want %q, %s", notice.Subject, notice.Filter, c.subject, c.severity)
		}
		if !strings.Contains(notice.Body, guard.NotVisible) {
			t.Errorf("the body does not say what cannot be seen:\n%s", notice.Body)
		}
		for _, o := range c.outcomes {
			if !strings.Contains(notice.Body, string(o.Status)) {
				t.Errorf("the body does not name %s:\n%s", o.Status, notice.Body)
			}
		}
	}
}

func TestFingerprint(t *testing.T) {
	broken := testlab.Outcome(guard.Unknown)
	for name, c := range map[string]struct {
		change func(*guard.Outcome)
		same   bool
	}{
		"another request id in the error": {func(o *guard.Outcome) { o.Problem = errors.New("RequestID: 2").Error() }, true},
		"another attempt":                 {func(o *guard.Outcome) { o.Attempt = 3 }, true},
		"another status":                  {func(o *guard.Outcome) { o.Status = guard.Drifted }, false},
		"another difference": {func(o *guard.Outcome) {
			o.Diffs = []guard.Diff{{
				Path:  "MaxSessionDuration",
				Found: "1 s",
			}}
		}, false},
		"an alert":                             {func(o *guard.Outcome) { o.Alerts = []guard.Finding{{What: "gone"}} }, false},
		"a note":                               {func(o *guard.Outcome) { o.Notes = []guard.Finding{{What: "not confirmed"}} }, false},
		"another storage":                      {func(o *guard.Outcome) { o.Storages = []string{"lab-test"} }, false},
		"an exception, instead of its finding": {func(o *guard.Outcome) { o.Accepted = []guard.Excepted{{Reason: "why"}} }, false},
		"another day on a line to paste":       {func(o *guard.Outcome) { o.Accept = []string{"until: 2027-02-28"} }, true},
		"a finding whose exception ended": {
			func(o *guard.Outcome) { o.Notes = []guard.Finding{{Exception: "ended on 2027-02-28"}} }, false,
		},
		"a storage more": {func(o *guard.Outcome) { o.Storages = []string{"lab-prod", "lab-test"} }, false},
	} {
		changed := broken
		c.change(&changed)
		if same := Fingerprint([]guard.Outcome{broken}) == Fingerprint([]guard.Outcome{changed}); same != c.same {
			t.Errorf("%s: people would read the same: %v, want %v", name, same, c.same)
		}
	}
}

// withNote is the outcome with something that is worth knowing.
func withNote(o guard.Outcome) guard.Outcome {
	o.Notes = []guard.Finding{{What: "versioning is suspended"}}
	return o
}

// TestSummaryOfAPart: what was not reached is never well.
func TestSummaryOfAPart(t *testing.T) {
	notice, err := Summary("first check", []guard.Outcome{testlab.Outcome(guard.InSync)}, 12)
	if err != nil {
		t.Fatal(err)
	}
	if notice.Subject != "[icaguard] all 1 settings are well, 12 are not checked yet: first check" ||
		notice.Filter["severity"][0] != "critical" {
		t.Errorf("notice %q %v", notice.Subject, notice.Filter)
	}
}

// TestMailsFitIntoSNS: it takes 262,144 bytes, attributes and subject included.
func TestMailsFitIntoSNS(t *testing.T) {
	o := testlab.Outcome(guard.Drifted)
	o.Diffs = append(o.Diffs, guard.Diff{Path: "x", Expected: "1", Found: strings.Repeat("研", 200_000)})
	summary, err := Summary("audit", []guard.Outcome{o}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []guard.Notice{summary, NoticeFor(o, Critical), GuardChanged(guard.Event{}, []guard.Outcome{o})} {
		if len(n.Body) > 260_000 || !strings.HasSuffix(n.Body, "icaguard validate\n") || !utf8.ValidString(n.Body) {
			t.Errorf("%s: %d bytes, valid %v", n.Subject, len(n.Body), utf8.ValidString(n.Body))
		}
	}
}
