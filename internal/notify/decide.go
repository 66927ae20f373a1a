// Package notify decides whether people are notified of an outcome, writes the text, and publishes it to the topic.
//
// Invariant: whether people are notified is decided by one pure function that says why; no text holds more than the outcome says.
package notify

import "github.com/icaguard/icaguard/internal/guard"

// Severity sorts notices for subscribers.
type Severity string

// The severities: who is woken.
const (
	Critical Severity = "critical" // needs a person
	Info     Severity = "info"     // is good to know
)

// Decision is whether people are notified of an outcome, and why.
type Decision struct {
	Notify   bool
	Severity Severity
	Reason   string
}

// Decide decides whether people are notified of an outcome. What is checked again by itself is not news yet: what remains of it
// ends as another status.
func Decide(o guard.Outcome) Decision {
	switch {
	case o.RootCause != "":
		return silent("setting " + o.RootCause + " reports the cause")
	case o.DeferredTooLong:
		return Decision{true, Critical, "a restore has been deferred for too long"}
	case o.Status == guard.RestoreFailed && o.Untold():
		return Decision{true, Critical, "it may have been restored, and no later check can tell"}
	}
	switch o.Status {
	case guard.ActionRequired, guard.Drifted:
		return Decision{true, Critical, "a person is needed"}
	case guard.Unverified:
		if o.Requeued && o.Attempt > 0 {
			return silent("it was reported at the first check; the last one, and the restore, are reported again")
		}
		return Decision{true, Critical, "what was written does not read back"}
	case guard.Restored:
		return Decision{true, Info, "something was changed by others and restored"}
	case guard.Accepted:
		return silent("exceptions of ica.yaml accept it")
	case guard.InSync:
		return silent("nothing happened")
	case guard.Deferred, guard.Unknown, guard.RestoreFailed:
	}
	return silent("it is checked again")
}

func silent(reason string) Decision { return Decision{Reason: reason} }
