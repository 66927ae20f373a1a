package localawstest

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/icaguard/icaguard/internal/localaws"
)

// Queue is a queue, past the recorder.
type Queue struct {
	URL, ARN string
	SQS      *sqs.Client

	t testing.TB
}

// NewQueue makes a queue of that name.
func NewQueue(t testing.TB, local *localaws.AWS, name string, attributes map[string]string) *Queue {
	t.Helper()
	q := &Queue{
		ARN: "arn:aws:sqs:" + Region + ":" + local.Account() + ":" + name, SQS: sqs.NewFromConfig(local.DirectConfig(Region)), t: t,
	}
	out, err := q.SQS.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	q.must(err)
	q.URL = aws.ToString(out.QueueUrl)
	return q
}

func (q *Queue) must(err error) {
	q.t.Helper()
	if err != nil {
		q.t.Fatal(err)
	}
}

// Send puts messages on the queue, in order.
func (q *Queue) Send(bodies ...string) {
	q.t.Helper()
	for _, body := range bodies {
		_, err := q.SQS.SendMessage(q.t.Context(), &sqs.SendMessageInput{QueueUrl: &q.URL, MessageBody: &body})
		q.must(err)
	}
}

// Take receives and deletes what the queue holds.
func (q *Queue) Take() []types.Message {
	q.t.Helper()
	var all []types.Message
	for {
		out, err := q.SQS.ReceiveMessage(q.t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: &q.URL, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"},
		})
		q.must(err)
		if len(out.Messages) == 0 {
			return all
		}
		for _, message := range out.Messages {
			_, err := q.SQS.DeleteMessage(
				q.t.Context(), &sqs.DeleteMessageInput{QueueUrl: &q.URL, ReceiptHandle: message.ReceiptHandle},
			)
			q.must(err)
		}
		all = append(all, out.Messages...)
	}
}
