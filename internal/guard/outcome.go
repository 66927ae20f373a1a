package guard

import (
	"errors"
	"fmt"

	"github.com/icaguard/icaguard/internal/awslore"
)

// Status is the result of a look. The set is closed; every switch over it is exhaustive.
type Status string

// The results of a look.
const (
	Clean         Status = "clean"
	Reported      Status = "reported"       // worth knowing, no drift
	Drifted       Status = "drifted"        // differs, and the mode is observe
	Restored      Status = "restored"       // differed, was put right and read back right
	StillDrifted  Status = "still-drifted"  // was put right, but does not read back right
	Unrecoverable Status = "unrecoverable"  // only a person can help
	Held          Status = "held"           // differs, but acting has to wait
	Unknown       Status = "unknown"        // could not look
	Failed        Status = "restore-failed" // differs and could not be put right yet
)

// Outcome is what a look found and what became of it.
type Outcome struct {
	Storage  string  `json:"storage"`
	Setting  string  `json:"setting"`
	Title    string  `json:"title"`
	Resource string  `json:"resource"`
	Status   Status  `json:"status"`
	Diffs    []Diff  `json:"diffs,omitempty"`
	Causes   []Cause `json:"causes,omitempty"`
	Problem  string  `json:"problem,omitempty"` // the error, or why it is held
	Breaks   string  `json:"breaks,omitempty"`  // what stops working in ICA without it; only where it was not clean
	ToDo     string  `json:"toDo,omitempty"`    // what a person should do, only where one is needed

	err error
}

// ExitCode is the exit status of a run with these outcomes: 0 all is well, 1 something differs, 2 something is not known.
func ExitCode(outcomes []Outcome) int {
	code := 0
	for _, o := range outcomes {
		switch o.Status {
		case Clean, Reported, Restored:
		case Drifted, StillDrifted, Unrecoverable, Held:
			code = max(code, 1)
		case Unknown, Failed:
			code = 2
		}
	}
	return code
}

var errFull = errors.New("no room for ICA's part")

// fail turns an error into the outcome: what may pass by itself keeps the status given, all else needs a person.
func (o Outcome) fail(status Status, err error) Outcome {
	o.Status, o.err, o.Problem = status, err, err.Error()
	switch awslore.Classify(err) {
	case awslore.Transient, awslore.Denied:
	case awslore.Final, awslore.ExplicitDeny, awslore.Gone:
		o.Status = Unrecoverable
	}
	return o
}

// toDo advises a person; the cause of a failure comes first, because doing by hand may fail for the same reason.
func toDo(o Outcome, byHand string) string {
	switch o.Status {
	case Clean, Reported, Restored:
		return ""
	case Drifted:
		return byHand + "; or set the storage's mode to enforce and deploy"
	case StillDrifted:
		return byHand + "; something may be changing it back: look who did, in CloudTrail"
	case Held:
		return "nothing now: icaguard looks again by itself"
	case Unrecoverable, Unknown, Failed:
	}
	return adviceFor(o, byHand)
}

func adviceFor(o Outcome, byHand string) string {
	switch awslore.Classify(o.err) {
	case awslore.Gone:
		return fmt.Sprintf("%s does not exist: if it was deleted, create it again now (a bucket's name can be taken by anyone), then: icaguard look --all", o.Resource)
	case awslore.ExplicitDeny:
		return "a policy of your organisation, a boundary or a bucket policy forbids the call; icaguard never works around one. Ask its owner for an exception"
	case awslore.Denied:
		return "icaguard lacks a permission, or the bucket belongs to another account: compare its role with the deployed template, then: icaguard look --all"
	case awslore.Transient:
		return "AWS did not answer properly; look at the AWS Health Dashboard, then: icaguard look --all"
	case awslore.Final:
	}
	return byHand
}
