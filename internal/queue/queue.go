// Package queue is icaguard's own SQS queue, on which events arrive and to which it posts to itself.
//
// Invariant: a message that SQS did not take is an error, never lost in silence.
package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"

	"github.com/icaguard/icaguard/internal/guard"
)

// Queue is the queue of requests with its dead-letter queue.
type Queue struct {
	SQS           *sqs.Client
	URL           string
	DeadLetterURL string
}

const (
	// maxDelay is SQS's limit for a delayed message.
	maxDelay = 15 * time.Minute
	// batch is how many messages SQS takes in one call, sideBySide how many calls are made at once.
	batch, sideBySide = 10, 8
)

// Post puts requests on the queue, each to arrive after its time, at most 15 minutes. It returns an error for each, nil
// where it was taken.
func (q Queue) Post(ctx context.Context, requests []guard.Delayed) []error {
	errs := make([]error, len(requests))
	var group errgroup.Group
	group.SetLimit(sideBySide)
	for from := 0; from < len(requests); from += batch {
		to := min(from+batch, len(requests))
		group.Go(func() error {
			q.postBatch(ctx, requests[from:to], errs[from:to])
			return nil
		})
	}
	_ = group.Wait() // each message's error is in errs
	return errs
}

func (q Queue) postBatch(ctx context.Context, requests []guard.Delayed, errs []error) {
	var entries []types.SendMessageBatchRequestEntry
	for i, r := range requests {
		body, err := guard.Encode(r.Request)
		if err != nil {
			errs[i] = err
			continue
		}
		entries = append(entries, types.SendMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), MessageBody: &body, DelaySeconds: seconds(r.After),
		})
	}
	out, err := q.SQS.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &q.URL, Entries: entries})
	if err != nil {
		for i := range errs {
			errs[i] = errors.Join(errs[i], fmt.Errorf("queue: send to %s: %w", q.URL, err))
		}
		return
	}
	for _, refused := range out.Failed {
		if i, err := strconv.Atoi(aws.ToString(refused.Id)); err == nil && i < len(errs) {
			errs[i] = fmt.Errorf(
				"queue: send to %s: %w: %s %s",
				q.URL,
				errRefused,
				aws.ToString(refused.Code),
				aws.ToString(refused.Message),
			)
		}
	}
}

var errRefused = errors.New("SQS did not take the message")

func seconds(d time.Duration) int32 { return int32(min(d, maxDelay) / time.Second) }

// Renotify posts a notice that could not be delivered, to be tried again after the given time.
func (q Queue) Renotify(ctx context.Context, notice guard.Notice, after time.Duration) error {
	body, err := guard.Encode(notice)
	if err != nil {
		return err
	}
	return q.send(ctx, &sqs.SendMessageInput{QueueUrl: &q.URL, MessageBody: &body, DelaySeconds: seconds(after)})
}

// SendToDeadLetters puts a message that cannot be understood into the dead-letter queue, with the reason as an attribute.
func (q Queue) SendToDeadLetters(ctx context.Context, body, reason string) error {
	return q.send(ctx, &sqs.SendMessageInput{
		QueueUrl: &q.DeadLetterURL, MessageBody: &body,
		MessageAttributes: map[string]types.MessageAttributeValue{"reason": {DataType: aws.String("String"), StringValue: &reason}},
	})
}

func (q Queue) send(ctx context.Context, message *sqs.SendMessageInput) error {
	if _, err := q.SQS.SendMessage(ctx, message); err != nil {
		return fmt.Errorf("queue: send to %s: %w", aws.ToString(message.QueueUrl), err)
	}
	return nil
}
