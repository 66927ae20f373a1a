package guard

import (
	"errors"
	"slices"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/policy"
)

// Status is the result of a check. The set is closed; every switch over it is exhaustive.
type Status string

// The results of a check.
const (
	InSync         Status = "in-sync"         // with or without notes
	Drifted        Status = "drifted"         // differs, and nothing was done: the mode is observe, or it was an audit
	Accepted       Status = "accepted"        // differs only in what exceptions of ica.yaml accept
	Restored       Status = "restored"        // differed, was restored and read back
	Unverified     Status = "unverified"      // was written, but does not read back
	ActionRequired Status = "action-required" // only a person can help
	Deferred       Status = "deferred"        // differs, but acting has to wait
	Unknown        Status = "unknown"         // could not be checked
	RestoreFailed  Status = "restore-failed"  // differs and could not be restored yet
)

// Outcome is what a check found and what became of it.
type Outcome struct {
	Storages []string `json:"storages"` // all that depend on the resource; SelfName where it is icaguard's own
	Setting  string   `json:"setting"`
	Title    string   `json:"title"`
	Resource string   `json:"resource"`
	Status   Status   `json:"status"`
	Diffs    []Diff   `json:"diffs,omitempty"` // what differed
	Events   []Event  `json:"events,omitempty"`
	// Alerts need a person, Notes are worth knowing; no restore repairs them.
	Alerts          []Finding  `json:"alerts,omitempty"`
	Notes           []Finding  `json:"notes,omitempty"`
	Accepted        []Excepted `json:"accepted,omitempty"`        // what ica.yaml accepts; neither alert nor note
	Accept          []string   `json:"accept,omitempty"`          // lines for exceptions in ica.yaml that would accept what is not
	Problem         string     `json:"problem,omitempty"`         // the error, or why it is deferred
	Backup          string     `json:"-"`                         // key in the store of what was replaced
	BackupError     string     `json:"backupError,omitempty"`     // why the value that was replaced is not in the ledger
	GateSkipped     string     `json:"gateSkipped,omitempty"`     // why it was restored without knowing whether it had to wait
	DeferredTooLong bool       `json:"deferredTooLong,omitempty"` // it is deferred for so long that people have to know
	FoundByAudit    bool       `json:"foundByAudit,omitempty"`    // no event reported it
	Effect          string     `json:"effect,omitempty"`          // what stops working in ICA; only where it was not in sync
	Remediation     string     `json:"remediation,omitempty"`     // what a person should do, only where one is needed

	// RootCause is the setting that reports the cause, when this one only suffers from it.
	RootCause string `json:"rootCause,omitempty"`

	Attempt int `json:"attempt,omitempty"` // how often it was checked before
	// Requeued: icaguard checks again by itself.
	Requeued bool `json:"requeued,omitempty"`

	on    *Kind
	err   error
	wrote bool // a write may have arrived that was not read back
	hold  Hold

	exceptions excepting
}

// ExitCode is the exit status of a run with these outcomes: 0 all is well, 1 something differs, 2 something is not known.
func ExitCode(outcomes []Outcome) int {
	code := 0
	for _, o := range outcomes {
		switch o.Status {
		case InSync, Accepted, Restored:
		case Drifted, Unverified, ActionRequired, Deferred:
			code = 1
		case Unknown, RestoreFailed:
			if o.RootCause == "" {
				return 2
			}
			code = 1 // what is not known here has its cause in another setting's outcome
		}
	}
	return code
}

// Errors that several settings share.
var (
	// ErrFull says that AWS's quota leaves no room for ICA's part.
	ErrFull = errors.New("no room for ICA's part")
	// ErrOtherPath says that our role's name stands at another path. Setting role reports it; no setting touches that role.
	ErrOtherPath = errors.New("the role of this name stands at another path and is not ours")
)

// found is the outcome of comparing: it takes over the comparison, and no restore is needed or allowed.
func (o Outcome) found(c Comparison) Outcome {
	c, o.Accepted, o.Accept = o.exceptions.apply(c)
	o.Diffs, o.Alerts, o.Notes = c.Diffs, c.Alerts, c.Notes
	switch {
	case len(c.Alerts) > 0:
		o.Status = ActionRequired
	case len(c.Diffs) > 0:
		o.Status = Drifted
	case len(o.Accepted) > 0:
		o.Status = Accepted
	default:
		o.Status = InSync
	}
	return o
}

// restored is the outcome after a restore that was read back: what differed stays reported, what a person must do stays open.
func (o Outcome) restored(c Comparison) Outcome {
	differed := o.Diffs
	o = o.found(c)
	o.Diffs = differed
	if len(o.Alerts) == 0 {
		o.Status = Restored
	}
	return o
}

// compared is the outcome of comparing after what an attempt before wrote without reading it back: in sync now means
// restored, with the differences and events that the store has of it.
func (o Outcome) compared(j job, c Comparison) Outcome {
	switch {
	case len(c.Diffs) > 0:
		return o.found(c)
	case j.beforeErr != nil:
		return o.failed(Unknown, j.beforeErr)
	case len(j.before.Diffs) == 0:
		return o.found(c)
	}
	o.Diffs, o.Events, o.Backup = j.before.Diffs, j.before.Events, j.request.Backup
	return o.restored(c)
}

// Untold reports whether something may have been restored that no later check can tell of: it was not read back, and the
// store does not have it.
func (o Outcome) Untold() bool { return o.wrote && o.Backup == "" }

// written is what differed in all: what attempts before wrote, and what is written now.
func written(before, now []Diff) []Diff {
	return append(slices.DeleteFunc(slices.Clone(before), func(d Diff) bool { return slices.Contains(now, d) }), now...)
}

// failed is the outcome after an error: what is not known, or not restored. What follows from it, next decides.
func (o Outcome) failed(status Status, err error) Outcome {
	// AWS may quote in an error what it was sent, a trust policy with its prefix too.
	o.Status, o.err, o.Problem = status, err, policy.Mask(err.Error())
	gone := status == Unknown && awserr.Classify(err) == awserr.Gone
	switch {
	case errors.Is(err, ErrOtherPath) && o.Setting != OnRole.RootCause:
		o.RootCause = OnRole.RootCause
	case gone && o.on.RootCause != o.Setting:
		o.RootCause = o.on.RootCause
	}
	return o
}

// deferred is the outcome of a restore that has to wait.
func (o Outcome) deferred(hold Hold) Outcome {
	o.Status, o.Problem, o.hold = Deferred, hold.Reason, hold
	return o
}
