package watch

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/policy"
)

func guardQueueCases() []selfCase {
	const id = "guard-queue"
	return []selfCase{
		{
			setting: id, name: "deleted", want: guard.ActionRequired, says: "queue icaguard-requests in us-east-1 does not exist",
			breakIt: func(w *selfEnv) {
				w.must(
					queueClient(w.stranger, inHome).DeleteQueue(
						w.t.Context(), &sqs.DeleteQueueInput{QueueUrl: w.url(inHome, guard.RequestQueue)},
					),
				)
			},
		},
		{
			setting: id,
			name:    "another region's dead-letter queue deleted",
			want:    guard.ActionRequired,
			says:    "queue icaguard-dead-letters in eu-central-1 does not exist",
			breakIt: func(w *selfEnv) {
				w.must(
					queueClient(w.stranger, away).DeleteQueue(
						w.t.Context(), &sqs.DeleteQueueInput{QueueUrl: w.url(away, guard.DeadLetterQueue)},
					),
				)
			},
		},
		{
			setting: id,
			name:    "dead-letter queue taken away",
			want:    guard.ActionRequired,
			says:    "queue icaguard-requests in us-east-1 has lost its dead-letter queue",
			breakIt: func(w *selfEnv) { w.setAttribute("RedrivePolicy", "") },
		},
		{
			setting: id,
			name:    "another attribute set",
			want:    guard.ActionRequired,
			says:    "SetQueueAttributes by arn:aws:iam::123456789012:user/AKIASTRANGER",
			breakIt: func(w *selfEnv) { w.setAttribute("VisibilityTimeout", "1") },
		},
		{
			setting: id, name: "purged", want: guard.ActionRequired, says: "PurgeQueue by arn:aws:iam::123456789012:user/AKIASTRANGER",
			breakIt: func(w *selfEnv) {
				w.must(
					queueClient(w.stranger, inHome).PurgeQueue(w.t.Context(), &sqs.PurgeQueueInput{QueueUrl: w.url(inHome, guard.RequestQueue)}),
				)
			},
		},
		{
			setting: id, name: "a message in another region's dead-letter queue", want: guard.ActionRequired, unreported: true,
			says: "queue icaguard-dead-letters in eu-central-1 holds 1 messages",
			breakIt: func(w *selfEnv) {
				w.must(
					queueClient(w.stranger, away).SendMessage(
						w.t.Context(), &sqs.SendMessageInput{QueueUrl: w.url(away, guard.DeadLetterQueue), MessageBody: aws.String("{}")},
					),
				)
			},
		},
		{
			setting: id, name: "rules may send no more", want: guard.ActionRequired,
			says:    "the policy of queue icaguard-requests in us-east-1: statement 2 (Sid IcaguardRules): statement Allow sqs:",
			breakIt: func(w *selfEnv) { w.setPolicy(inHome, guard.RequestQueue, "IcaguardRules") },
		},
		{
			setting: id, name: "others may receive", want: guard.ActionRequired,
			says:    "the policy of queue icaguard-requests in us-east-1: statement 4 (Sid IcaguardReceiver): statement Deny",
			breakIt: func(w *selfEnv) { w.setPolicy(inHome, guard.RequestQueue, "IcaguardReceiver") },
		},
		{
			setting: id, name: "another region's dead letters open", want: guard.ActionRequired,
			says:    "the policy of queue icaguard-dead-letters in eu-central-1: statement 3 (Sid IcaguardSenders): statement Deny",
			breakIt: func(w *selfEnv) { w.setPolicy(away, guard.DeadLetterQueue, "IcaguardSenders") },
		},
		{
			setting: id, name: "another account may send", want: guard.ActionRequired, says: "(Sid another): statement Allow",
			breakIt: func(w *selfEnv) {
				w.must(queueClient(w.stranger, inHome).AddPermission(w.t.Context(), &sqs.AddPermissionInput{
					QueueUrl: w.url(inHome, guard.RequestQueue), Label: aws.String("another"), AWSAccountIds: []string{"999999999999"},
					Actions: []string{"SendMessage"},
				}))
			},
		},
	}
}

// setPolicy puts the queue's policy without a statement.
func (w *selfEnv) setPolicy(region, queue, without string) {
	w.t.Helper()
	text := policy.New(self.Policies(w.home)[w.home.ARN("sqs", region, queue)]...).Without(without).JSON()
	w.must(queueClient(w.stranger, region).SetQueueAttributes(w.t.Context(), &sqs.SetQueueAttributesInput{
		QueueUrl: w.url(region, queue), Attributes: map[string]string{"Policy": text},
	}))
}

func (w *selfEnv) url(region, queue string) *string {
	w.t.Helper()
	out, err := queueClient(w.stranger, region).GetQueueUrl(w.t.Context(), &sqs.GetQueueUrlInput{QueueName: &queue})
	w.must(out, err)
	return out.QueueUrl
}

func (w *selfEnv) setAttribute(name, value string) {
	w.t.Helper()
	w.must(queueClient(w.stranger, inHome).SetQueueAttributes(w.t.Context(), &sqs.SetQueueAttributesInput{
		QueueUrl: w.url(inHome, guard.RequestQueue), Attributes: map[string]string{name: value},
	}))
}
