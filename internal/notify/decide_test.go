package notify

import (
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/testlab"
)

// TestDecide lists for every status who is woken: at the first check, at the first check when another one follows, at a
// later check, and at a later check when another one follows.
func TestDecide(t *testing.T) {
	const nobody = Severity("")
	table := map[guard.Status][4]Severity{
		guard.InSync:         {nobody, nobody, nobody, nobody},
		guard.Accepted:       {nobody, nobody, nobody, nobody},
		guard.Drifted:        {Critical, Critical, Critical, Critical},
		guard.Restored:       {Info, Info, Info, Info},
		guard.Unverified:     {Critical, Critical, Critical, nobody}, // reported once while it is tried, and when it is given up
		guard.ActionRequired: {Critical, Critical, Critical, Critical},
		guard.Deferred:       {nobody, nobody, nobody, nobody},
		guard.Unknown:        {nobody, nobody, nobody, nobody},
		guard.RestoreFailed:  {nobody, nobody, nobody, nobody},
	}
	if len(table) != len(testlab.Statuses()) {
		t.Errorf("%d statuses are decided here, there are %d", len(table), len(testlab.Statuses()))
	}
	for _, status := range testlab.Statuses() {
		for column, want := range table[status] {
			for _, rootCause := range []string{"", "bucket"} {
				for _, tooLong := range []bool{false, true} {
					o := testlab.Outcome(status)
					o.Requeued, o.Attempt = column%2 == 1, column/2
					o.RootCause, o.DeferredTooLong = rootCause, tooLong
					testDecision(t, o, want)
				}
			}
		}
	}
}

func testDecision(t *testing.T, o guard.Outcome, want Severity) {
	t.Helper()
	reason := ""
	switch {
	case o.RootCause != "":
		want, reason = "", "setting "+o.RootCause // one mail for one cause
	case o.DeferredTooLong:
		want, reason = Critical, "deferred"
	}
	got := Decide(o)
	if got.Notify != (want != "") || got.Severity != want || got.Reason == "" || !strings.Contains(got.Reason, reason) {
		t.Errorf("%s, again %v, attempt %d, root cause %q, deferred too long %v: %+v, want severity %q and a reason with %q",
			o.Status, o.Requeued, o.Attempt, o.RootCause, o.DeferredTooLong, got, want, reason)
	}
}
