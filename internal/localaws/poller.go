package localaws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// PollerConfig describes an event source mapping from a queue to a function, with ReportBatchItemFailures.
type PollerConfig struct {
	SQS       *sqs.Client
	QueueURL  string
	QueueARN  string
	Function  *Function
	BatchSize int         // 1 to 10; default: 10
	Observe   func(Batch) // called after every batch; may be nil
	// AwaitAll makes Drain wait for delayed messages and for those that come back, too.
	AwaitAll bool
}

// Batch is what became of the messages of one invocation.
type Batch struct {
	Messages []events.SQSMessage
	Result   Result
	Failed   []string // message ids that stay in the queue
}

// Poll plays Lambda's pollers until ctx ends, which is no error: it receives, invokes, and deletes what succeeded.
// What failed comes back after the queue's visibility timeout.
func Poll(ctx context.Context, config PollerConfig) error {
	for {
		if _, err := pollOnce(ctx, config, 1); err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // the end of ctx is how polling ends
			}
			return fmt.Errorf("localaws: poll %s: %w", config.QueueURL, err)
		}
	}
}

// Drain polls until the queue has no visible message, and answers how many batches there were.
func Drain(ctx context.Context, config PollerConfig) (batches int, err error) {
	for {
		received, err := pollOnce(ctx, config, 0)
		if err != nil {
			return batches, fmt.Errorf("localaws: drain %s: %w", config.QueueURL, err)
		}
		if received > 0 {
			batches++
			continue
		}
		more, err := config.more(ctx)
		if err != nil {
			return batches, fmt.Errorf("localaws: drain %s: %w", config.QueueURL, err)
		}
		if !more {
			return batches, nil
		}
	}
}

// more waits up to a second for delayed and returning messages, if there are any.
func (c PollerConfig) more(ctx context.Context) (bool, error) {
	if !c.AwaitAll {
		return false, nil
	}
	const delayed, notVisible = types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible
	output, err := c.SQS.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &c.QueueURL, AttributeNames: []types.QueueAttributeName{delayed, notVisible},
	})
	if err != nil {
		return false, err
	}
	if output.Attributes[string(delayed)] == "0" && output.Attributes[string(notVisible)] == "0" {
		return false, nil
	}
	_, err = pollOnce(ctx, c, 1)
	return true, err
}

// pollOnce handles one batch and answers how many messages it had. wait is in seconds.
func pollOnce(ctx context.Context, config PollerConfig, wait int32) (int, error) {
	size := config.BatchSize
	if size == 0 {
		size = 10
	}
	output, err := config.SQS.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &config.QueueURL, MaxNumberOfMessages: int32(min(size, 10)), WaitTimeSeconds: wait,
		MessageAttributeNames:       []string{"All"},
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
	})
	if err != nil || len(output.Messages) == 0 {
		return 0, err
	}
	batch := Batch{Messages: lambdaMessages(output.Messages, config.QueueARN)}
	payload, err := json.Marshal(events.SQSEvent{Records: batch.Messages})
	if err != nil {
		return 0, err
	}
	if batch.Result, err = config.Function.Invoke(ctx, payload); err != nil {
		return 0, err
	}
	batch.Failed = failedItems(batch.Result, batch.Messages)
	err = config.deleteDone(ctx, batch)
	if config.Observe != nil {
		config.Observe(batch)
	}
	return len(batch.Messages), err
}

func (c PollerConfig) deleteDone(ctx context.Context, batch Batch) error {
	var entries []types.DeleteMessageBatchRequestEntry
	for i, message := range batch.Messages {
		if !slices.Contains(batch.Failed, message.MessageId) {
			entries = append(entries, types.DeleteMessageBatchRequestEntry{
				Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(message.ReceiptHandle),
			})
		}
	}
	if len(entries) == 0 {
		return nil
	}
	output, err := c.SQS.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &c.QueueURL, Entries: entries})
	if err == nil && len(output.Failed) > 0 {
		err = errors.New("delete: " + aws.ToString(output.Failed[0].Message))
	}
	return err
}

// failedItems tells which messages an invocation leaves in the queue. Everything, when the function failed or when
// its answer is not what Lambda understands: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
func failedItems(result Result, messages []events.SQSMessage) []string {
	all := make([]string, 0, len(messages))
	known := map[string]bool{}
	for _, message := range messages {
		all = append(all, message.MessageId)
		known[message.MessageId] = true
	}
	if result.FunctionError != "" {
		return all
	}
	var response events.SQSEventResponse
	if len(result.Payload) > 0 && json.Unmarshal(result.Payload, &response) != nil {
		return all
	}
	var failed []string
	for _, item := range response.BatchItemFailures {
		if !known[item.ItemIdentifier] {
			return all
		}
		failed = append(failed, item.ItemIdentifier)
	}
	return failed
}

// lambdaMessages writes received messages as Lambda passes them to a function.
// https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
func lambdaMessages(received []types.Message, queueARN string) []events.SQSMessage {
	messages := make([]events.SQSMessage, 0, len(received))
	for _, message := range received {
		attributes := map[string]events.SQSMessageAttribute{}
		for name, value := range message.MessageAttributes {
			attributes[name] = events.SQSMessageAttribute{
				StringValue: value.StringValue, BinaryValue: value.BinaryValue, DataType: aws.ToString(value.DataType),
				StringListValues: []string{}, BinaryListValues: [][]byte{},
			}
		}
		messages = append(messages, events.SQSMessage{
			MessageId: aws.ToString(message.MessageId), ReceiptHandle: aws.ToString(message.ReceiptHandle),
			Body: aws.ToString(message.Body), Md5OfBody: aws.ToString(message.MD5OfBody),
			Md5OfMessageAttributes: aws.ToString(message.MD5OfMessageAttributes),
			Attributes:             message.Attributes, MessageAttributes: attributes,
			EventSource: "aws:sqs", EventSourceARN: queueARN, AWSRegion: strings.Split(queueARN+":::::", ":")[3],
		})
	}
	return messages
}
