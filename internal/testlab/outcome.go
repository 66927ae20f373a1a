package testlab

import (
	"time"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
)

// Statuses are all that an outcome can have.
func Statuses() []guard.Status {
	return []guard.Status{
		guard.InSync, guard.Accepted, guard.Drifted, guard.Restored, guard.Unverified, guard.ActionRequired, guard.Deferred,
		guard.Unknown, guard.RestoreFailed,
	}
}

// Outcome is a role's with everything that an outcome of this status can say.
func Outcome(status guard.Status) guard.Outcome {
	o := guard.Outcome{
		Storages: []string{"lab-prod"}, Setting: "role-session-duration", Title: "Maximum session duration of the IAM role is 12 hours",
		Resource: "arn:aws:iam::123456789012:role/Illumina_ICA_Role", Status: status,
		Events: []guard.Event{{
			EventID: "1c6f1f0e-6f0a-4d44-9b1c-2f64f2c4d003", Event: "UpdateRole",
			Time: time.Date(2026, 1, 15, 10, 12, 33, 0, time.FixedZone("CET", 3600)),
			Actor: cloudtrail.Actor{
				ARN: "arn:aws:sts::123456789012:assumed-role/Admin/console-session", Issuer: "arn:aws:iam::123456789012:role/Admin",
				From: "198.51.100.7",
			},
		}},
	}
	if status == guard.InSync {
		return o
	}
	if status == guard.Accepted {
		found := guard.Finding{What: "statement 2 (Sid LabDeny) denies ICA's role s3:PutObject"}.About("LabDeny", "the statement")
		o.Accepted = []guard.Excepted{{Finding: found, Reason: "ticket LAB-12", Until: "2027-02-28"}}
		return o
	}
	o.Effect = "the storage configuration goes offline"
	o.Diffs = []guard.Diff{{Path: "MaxSessionDuration", Expected: "43200 s", Found: "3600 s"}}
	if status != guard.Restored {
		o.Problem, o.Remediation = "why it is "+string(status), "what to do when it is "+string(status)
	}
	return o
}
