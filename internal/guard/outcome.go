package guard

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// Status is the result of a check. The set is closed; every switch over it is exhaustive.
type Status string

// The results of a check.
const (
	InSync         Status = "in-sync"
	Drifted        Status = "drifted"         // differs, and the mode is observe
	Restored       Status = "restored"        // differed, was restored and read back
	Unverified     Status = "unverified"      // was written, but does not read back
	ActionRequired Status = "action-required" // only a person can help
	Deferred       Status = "deferred"        // differs, but acting has to wait
	Unknown        Status = "unknown"         // could not check
	RestoreFailed  Status = "restore-failed"  // differs and could not be restored yet
)

// Outcome is what a check found and what became of it.
type Outcome struct {
	Storage  string  `json:"storage"`
	Setting  string  `json:"setting"`
	Title    string  `json:"title"`
	Resource string  `json:"resource"`
	Status   Status  `json:"status"`
	Diffs    []Diff  `json:"diffs,omitempty"` // what differed
	Events   []Event `json:"events,omitempty"`
	// Alerts need a person, Notes are worth knowing; no restore puts them right.
	Alerts          []Finding `json:"alerts,omitempty"`
	Notes           []Finding `json:"notes,omitempty"`
	Problem         string    `json:"problem,omitempty"`         // the error, or why it is held
	BackupError     string    `json:"backupError,omitempty"`     // why the value that was replaced is not in the ledger
	GateSkipped     string    `json:"gateSkipped,omitempty"`     // why it was restored without knowing whether it had to wait
	DeferredTooLong bool      `json:"deferredTooLong,omitempty"` // it is held for so long that people have to know
	FoundByAudit    bool      `json:"foundByAudit,omitempty"`    // no event told of it
	Effect          string    `json:"effect,omitempty"`          // what stops working in ICA without it; only where it was not clean
	Remediation     string    `json:"remediation,omitempty"`     // what a person should do, only where one is needed

	// RootCause is the setting that tells people about the cause, when this one only suffers from it.
	RootCause string `json:"rootCause,omitempty"`

	Attempt int `json:"attempt,omitempty"` // how often it was checked before
	// Again: the guard checks again by itself.
	Again bool `json:"again,omitempty"`

	on         Kind
	err        error
	wrote      bool // a write may have arrived that was not read back
	hold       Hold
	gateFailed bool
}

// ExitCode is the exit status of a run with these outcomes: 0 all is well, 1 something differs, 2 something is not known.
func ExitCode(outcomes []Outcome) int {
	code := 0
	for _, o := range outcomes {
		switch o.Status {
		case InSync, Restored:
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

var errFull = errors.New("no room for ICA's part")

// found is the outcome of comparing: it takes over the comparison, and no restore is needed or allowed.
func (o Outcome) found(v Comparison) Outcome {
	o.Diffs, o.Alerts, o.Notes = v.Diffs, v.Alerts, v.Notes
	switch {
	case len(v.Alerts) > 0:
		o.Status = ActionRequired
	case len(v.Diffs) > 0:
		o.Status = Drifted
	default:
		o.Status = InSync
	}
	return o
}

// restored is the outcome after a restore that was read back: what differed stays told, what a person must do stays open.
func (o Outcome) restored(v Comparison) Outcome {
	differed := o.Diffs
	o = o.found(v)
	o.Diffs = differed
	if len(v.Alerts) == 0 {
		o.Status = Restored
	}
	return o
}

// fail turns an error into the outcome: what may pass by itself keeps the status given, all else needs a person.
func (o Outcome) fail(status Status, err error) Outcome {
	// AWS may quote in an error what it was sent, a trust policy with its prefix too.
	o.Status, o.err, o.Problem = status, err, policy.Mask(err.Error())
	if errors.Is(err, errOtherPath) && o.Setting != OnRole.rootCause() {
		o.RootCause = OnRole.rootCause()
	}
	switch awserr.Classify(err) {
	case awserr.Transient, awserr.Denied:
	case awserr.Gone:
		if status == Unknown {
			return o.gone()
		}
		// A write that misses something (a policy to attach, a boundary to set) is this setting's own trouble, and may pass.
		if !o.on.recreated() {
			o.Status = ActionRequired
		}
	case awserr.Final, awserr.ExplicitDeny:
		o.Status = ActionRequired
	}
	return o
}

// gone: what the guard recreates will be there at the next check. All else is told once, by the setting of the resource
// itself, not by every setting on it.
func (o Outcome) gone() Outcome {
	if cause := o.on.rootCause(); cause != o.Setting {
		o.RootCause = cause
	}
	if !o.on.recreated() {
		o.Status = ActionRequired
	}
	return o
}

// remediation advises a person; the cause of a failure comes first, because doing by hand may fail for the same reason.
func remediationFor(o Outcome, remediation string, mode icaconfig.Mode) string {
	switch o.Status {
	case InSync, Restored:
		return ""
	case Drifted:
		if mode == icaconfig.Enforce { // an audit found it
			return "let the deployed guard restore it: icaguard reconcile --all; or by hand: " + remediation
		}
		return remediation + "; or set the storage's mode to enforce and deploy"
	case Unverified:
		return remediation + "; something may be changing it back: look who did, in CloudTrail"
	case Deferred:
		return cmp.Or(o.hold.Remediation, "nothing now: icaguard checks again by itself")
	case ActionRequired, Unknown, RestoreFailed:
	}
	return adviceFor(o, remediation)
}

func adviceFor(o Outcome, remediation string) string {
	switch awserr.Classify(o.err) {
	case awserr.Gone:
		return fmt.Sprintf("%s does not exist: if it was deleted, create it again now (a bucket's name can be taken by anyone), then: icaguard reconcile --all", o.Resource)
	case awserr.ExplicitDeny:
		return "a policy of your organisation, a boundary or a bucket policy forbids the call; icaguard never works around one. Ask its owner for an exception"
	case awserr.Denied:
		return "icaguard lacks a permission, or the bucket belongs to another account: compare its role with the deployed template, then: icaguard reconcile --all"
	case awserr.Transient:
		return "AWS did not answer properly; look at the AWS Health Dashboard, then: icaguard reconcile --all"
	case awserr.Final:
	}
	return remediation
}
