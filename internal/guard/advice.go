package guard

import (
	"cmp"
	"fmt"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// advised adds the words that people need.
func advised(t Target, o Outcome) Outcome {
	if o.Status != InSync && o.Status != Accepted {
		o.Effect = t.Effect
	}
	o.Remediation = remediationFor(o, t.Remediation(t.Storage), t.Mode)
	return o
}

// remediationFor advises a person; the cause of a failure comes first, because doing by hand may fail for the same reason.
func remediationFor(o Outcome, remediation string, mode icaconfig.Mode) string {
	switch o.Status {
	case InSync, Accepted, Restored:
		return ""
	case Drifted:
		if mode == icaconfig.Enforce { // an audit found it
			return "let the deployed guard restore it: icaguard reconcile --all; or by hand: " + remediation
		}
		return remediation + "; or set the storage's mode to enforce and deploy"
	case Unverified:
		return remediation + "; something may be changing it back: find out in CloudTrail who does"
	case Deferred:
		return cmp.Or(o.hold.Remediation, "nothing now: icaguard checks again by itself")
	case ActionRequired, Unknown, RestoreFailed:
	}
	return adviceFor(o, remediation)
}

func adviceFor(o Outcome, remediation string) string {
	switch awserr.Classify(o.err) {
	case awserr.Gone:
		return fmt.Sprintf(
			"%s does not exist: if it was deleted, create it again now (a bucket's name can be taken by anyone), then: icaguard "+
				"reconcile --all",
			o.Resource,
		)
	case awserr.ExplicitDeny:
		return "a policy of your organisation, a boundary or a bucket policy forbids the call; icaguard never works around one. Ask " +
			"its owner for an exception"
	case awserr.Denied:
		return "icaguard lacks a permission, or the bucket belongs to another account: compare its role with the deployed template, " +
			"then: icaguard reconcile --all"
	case awserr.Transient:
		return "AWS did not answer properly; see the AWS Health Dashboard, then: icaguard reconcile --all"
	case awserr.Final:
	}
	return remediation
}
