package guard

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Queue is the guard's own SQS queue, on which events arrive and to which it posts to itself.
type Queue struct {
	SQS           *sqs.Client
	URL           string
	DeadLetterURL string
}

// maxDelay is SQS's limit for a delayed message.
const maxDelay = 15 * time.Minute

// Requeue posts a check that arrives after the given time, at most 15 minutes.
func (q Queue) Requeue(ctx context.Context, request Request, after time.Duration) error {
	body, err := EncodeRequest(request)
	if err != nil {
		return err
	}
	return q.send(ctx, q.URL, body, min(after, maxDelay), nil)
}

// NotifyAgain posts a notice that could not be delivered, to be tried again after the given time.
func (q Queue) NotifyAgain(ctx context.Context, notice Notice, after time.Duration) error {
	body, err := EncodeNotice(notice)
	if err != nil {
		return err
	}
	return q.send(ctx, q.URL, body, min(after, maxDelay), nil)
}

// SendToDeadLetters puts a message that cannot be understood into the dead-letter queue, with the reason as an attribute.
func (q Queue) SendToDeadLetters(ctx context.Context, body, reason string) error {
	return q.send(ctx, q.DeadLetterURL, body, 0, map[string]types.MessageAttributeValue{
		"reason": {DataType: aws.String("String"), StringValue: &reason},
	})
}

func (q Queue) send(ctx context.Context, url, body string, after time.Duration, attributes map[string]types.MessageAttributeValue) error {
	_, err := q.SQS.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl:          &url,
		MessageBody:       &body,
		DelaySeconds:      int32(after / time.Second),
		MessageAttributes: attributes,
	})
	if err != nil {
		return fmt.Errorf("queue: send to %s: %w", url, err)
	}
	return nil
}
