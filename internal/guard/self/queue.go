package self

import "github.com/icaguard/icaguard/internal/guard"

// Queue also watches the dead-letter queues of all regions: an alarm there could reach people only by the relay, which
// is what may be broken.
func Queue() guard.SelfCheck {
	return guard.SelfCheck{
		Row: guard.Row{
			ID:          "guard-queue",
			Title:       "The guard's queues and their policies are as deployed, and no message lies in a dead-letter queue",
			Effect:      "events are lost: drift is found only by the scheduled audit; or others can speak as the guard",
			Remediation: Redeploy,
			On:          OnQueues,
			Triggers: []guard.Trigger{
				alwaysAlert(
					ownEvents("aws.sqs", "queueUrl", []string{guard.RequestQueue, guard.DeadLetterQueue}, "SetQueueAttributes", "DeleteQueue",
						"PurgeQueue", "AddPermission", "RemovePermission"),
				),
			},
			Reads: guard.Actions(OnQueues, "sqs:GetQueueAttributes", "sqs:GetQueueUrl"),
		},
		PastRemediate: true,
	}
}
