package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
)

// deadQueue is a dead-letter queue and what was received from it, which nobody else receives until it is released or removed.
type deadQueue struct {
	client   *sqs.Client
	region   string
	url      *string
	messages []deadMessage
}

// deadMessage is a message in a dead-letter queue.
type deadMessage struct {
	id, receipt, body string
	attributes        map[string]string
	sent              time.Time
	receives          int // before ours, in all queues
}

// hidden is for how long others do not receive what we did: time to show it and to delete it.
const hidden = 5 * time.Minute

// openDead receives all that a region's queue holds. It answers the queue beside an error, if something was received.
func (s session) openDead(ctx context.Context, region string) (*deadQueue, error) {
	client := sqs.NewFromConfig(s.aws, func(o *sqs.Options) { o.Region = region })
	out, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(guard.DeadLetterQueue)})
	if awserr.Classify(err) == awserr.Gone {
		return nil, fmt.Errorf(
			"dead-letters: find queue %s in %s: %w: is icaguard deployed in account %s? make deploy", guard.DeadLetterQueue, region,
			err, s.baseline.Account,
		)
	}
	if err != nil {
		return nil, fmt.Errorf("dead-letters: find queue %s in %s: %w", guard.DeadLetterQueue, region, err)
	}
	q := &deadQueue{client: client, region: region, url: out.QueueUrl}
	for {
		received, err := q.receive(ctx)
		if err != nil || received == 0 {
			return q, err
		}
	}
}

// receive takes up to ten messages. It waits a second for some, because only then SQS asks all of its servers
// (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html).
func (q *deadQueue) receive(ctx context.Context) (int, error) {
	out, err := q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: q.url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1, VisibilityTimeout: int32(hidden / time.Second),
		MessageAttributeNames:       []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	if err != nil {
		return 0, fmt.Errorf("dead-letters: receive from %s in %s: %w", guard.DeadLetterQueue, q.region, err)
	}
	for _, m := range out.Messages {
		q.keep(newDeadMessage(m))
	}
	return len(out.Messages), nil
}

// keep has each message once, with its newest receipt: SQS may deliver one twice.
func (q *deadQueue) keep(m deadMessage) {
	if i := slices.IndexFunc(q.messages, func(other deadMessage) bool { return other.id == m.id }); i >= 0 {
		q.messages[i].receipt = m.receipt
		return
	}
	q.messages = append(q.messages, m)
}

func newDeadMessage(m types.Message) deadMessage {
	dead := deadMessage{
		id:         aws.ToString(m.MessageId),
		receipt:    aws.ToString(m.ReceiptHandle),
		body:       aws.ToString(m.Body),
		attributes: map[string]string{},
	}
	for name, value := range m.MessageAttributes {
		dead.attributes[name] = aws.ToString(value.StringValue)
	}
	sent, _ := strconv.ParseInt(m.Attributes["SentTimestamp"], 10, 64) // AWS's own numbers
	count, _ := strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
	dead.sent, dead.receives = time.UnixMilli(sent), count-1
	return dead
}

// release lets others receive the messages again at once, also after an interrupt.
func (q *deadQueue) release(ctx context.Context) error {
	var errs []error
	for batch := range slices.Chunk(q.messages, 10) {
		var entries []types.ChangeMessageVisibilityBatchRequestEntry
		for i, m := range batch {
			entries = append(
				entries,
				types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(m.receipt)},
			)
		}
		out, err := q.client.ChangeMessageVisibilityBatch(
			context.WithoutCancel(ctx), &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: q.url, Entries: entries},
		)
		if err == nil && len(out.Failed) > 0 {
			err = refused(out.Failed)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("dead-letters: the messages in %s come back only after %s: %w", q.region, hidden, err))
		}
	}
	return errors.Join(errs...)
}

// remove deletes the messages, and nothing that came meanwhile. It keeps those that are still there.
func (q *deadQueue) remove(ctx context.Context) error {
	var errs []error
	var left []deadMessage
	for batch := range slices.Chunk(q.messages, 10) {
		var entries []types.DeleteMessageBatchRequestEntry
		for i, m := range batch {
			entries = append(
				entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(m.receipt)},
			)
		}
		out, err := q.client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: q.url, Entries: entries})
		switch {
		case err != nil:
			left = append(left, batch...)
		case len(out.Failed) > 0:
			err = refused(out.Failed)
			for _, failure := range out.Failed {
				i, _ := strconv.Atoi(aws.ToString(failure.Id)) // ours
				left = append(left, batch[i])
			}
		default:
			continue
		}
		errs = append(errs, fmt.Errorf("dead-letters: not all messages in %s were deleted: %w", q.region, err))
	}
	q.messages = left
	return errors.Join(errs...)
}

var errRefused = errors.New("refused by SQS")

func refused(entries []types.BatchResultErrorEntry) error {
	return fmt.Errorf("%d %w: %s: %s", len(entries), errRefused, aws.ToString(entries[0].Code), aws.ToString(entries[0].Message))
}
