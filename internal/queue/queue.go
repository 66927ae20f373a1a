// Package queue is icaguard's own SQS queue, on which events arrive and to which it posts to itself.
//
// Invariant: a message that SQS did not take is an error, never lost in silence.
package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
)

// Queue is the queue of requests with its dead-letter queue.
type Queue struct {
	SQS           *sqs.Client
	URL           string
	DeadLetterURL string
}

// Is reports whether an ARN is the queue's: both the ARN and the URL end with account and name.
func (q Queue) Is(arn string) bool {
	account, name := lastTwo(arn, ":")
	wantedAccount, wantedName := lastTwo(q.URL, "/")
	return name != "" && account == wantedAccount && name == wantedName
}

func lastTwo(text, separator string) (before, last string) {
	parts := strings.Split(text, separator)
	if len(parts) < 2 {
		return "", ""
	}
	return parts[len(parts)-2], parts[len(parts)-1]
}

const (
	// maxDelay is SQS's limit for a delayed message.
	maxDelay = 15 * time.Minute
	// batch is how many messages SQS takes in one call, sideBySide how many calls are made at once.
	batch, sideBySide = 10, 8
	// batchBytes is SQS's limit for one call, less some room for what is around the bodies.
	batchBytes = 250_000
)

// Post puts requests on the queue, each to arrive after its time, at most 15 minutes. It returns an error for each, nil
// where it was taken.
func (q Queue) Post(ctx context.Context, requests []guard.Delayed) []error {
	errs := make([]error, len(requests))
	var group errgroup.Group
	group.SetLimit(sideBySide)
	for _, entries := range batches(requests, errs) {
		group.Go(func() error {
			q.postBatch(ctx, entries, errs)
			return nil
		})
	}
	_ = group.Wait() // each message's error is in errs
	return errs
}

// batches are as many messages each as SQS takes in one call, by number and by size. An entry's id is the index of its request.
func batches(requests []guard.Delayed, errs []error) [][]types.SendMessageBatchRequestEntry {
	var all [][]types.SendMessageBatchRequestEntry
	room := 0
	for i, r := range requests {
		body, err := guard.Encode(r.Request)
		if err != nil {
			errs[i] = err
			continue
		}
		if room -= len(body); len(all) == 0 || len(all[len(all)-1]) == batch || room < 0 {
			all, room = append(all, nil), batchBytes-len(body)
		}
		last := &all[len(all)-1]
		*last = append(*last, types.SendMessageBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), MessageBody: &body, DelaySeconds: seconds(r.After),
		})
	}
	return all
}

// postBatch writes the errors of its own entries only, so batches need no lock.
func (q Queue) postBatch(ctx context.Context, entries []types.SendMessageBatchRequestEntry, errs []error) {
	out, err := q.SQS.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &q.URL, Entries: entries})
	if err != nil {
		for _, entry := range entries {
			errs[index(entry.Id)] = fmt.Errorf("queue: send to %s: %w", q.URL, err)
		}
		return
	}
	for _, refused := range out.Failed {
		errs[index(refused.Id)] = fmt.Errorf("queue: send to %s: %w: %s %s",
			q.URL, errRefused, aws.ToString(refused.Code), aws.ToString(refused.Message))
	}
}

// index is what an entry's id says; SQS answers with the ids that it was given.
func index(id *string) int {
	i, err := strconv.Atoi(aws.ToString(id))
	if err != nil {
		return 0
	}
	return i
}

var errRefused = errors.New("SQS did not take the message")

func seconds(d time.Duration) int32 { return int32(min(d, maxDelay) / time.Second) }

// Send posts a message that is no request, to arrive after its time, at most 15 minutes.
func (q Queue) Send(ctx context.Context, m guard.Message, after time.Duration) error {
	body, err := guard.Encode(m)
	if err != nil {
		return err
	}
	return q.send(ctx, &sqs.SendMessageInput{QueueUrl: &q.URL, MessageBody: &body, DelaySeconds: seconds(after)})
}

// SendToDeadLetters puts a message that cannot be understood into the dead-letter queue, with the reason as an attribute.
func (q Queue) SendToDeadLetters(ctx context.Context, body, reason string) error {
	reason = cloudtrail.Plain(reason) // it may quote the body, and SQS takes no control characters
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
