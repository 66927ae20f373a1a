// The function that the runtime's and the poller's tests run. What it does is said by the body of the first message.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type answer struct {
	BatchItemFailures []events.SQSBatchItemFailure `json:"batchItemFailures"`
	Event             json.RawMessage              `json:"event"`
	Env               []string                     `json:"env"`
	ARN               string                       `json:"arn"`
	Remaining         time.Duration                `json:"remaining"`
}

func main() {
	if os.Getenv("FAIL_INIT") != "" {
		os.Exit(7)
	}
	lambda.Start(handle)
}

func handle(ctx context.Context, event json.RawMessage) (any, error) {
	var batch events.SQSEvent
	if err := json.Unmarshal(event, &batch); err != nil {
		return nil, err
	}
	reply := answer{Event: event, Env: os.Environ(), BatchItemFailures: []events.SQSBatchItemFailure{}}
	for _, message := range batch.Records {
		if line, ok := strings.CutPrefix(message.Body, "log "); ok {
			_, _ = os.Stderr.WriteString(line)
		}
		switch {
		case message.Body == "hang":
			time.Sleep(time.Minute)
		case message.Body == "crash":
			os.Exit(3)
		case message.Body == "panic":
			panic("as told")
		case message.Body == "error":
			return nil, errors.New("as told")
		case message.Body == "malformed":
			return map[string]any{"batchItemFailures": "all of them"}, nil
		case message.Body == "unknown item":
			return events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{{ItemIdentifier: "no such"}}}, nil
		case strings.HasPrefix(message.Body, "fail"):
			reply.BatchItemFailures = append(reply.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: message.MessageId})
		}
	}
	if deadline, ok := ctx.Deadline(); ok {
		reply.Remaining = time.Until(deadline)
	}
	if invoked, ok := lambdacontext.FromContext(ctx); ok {
		reply.ARN = invoked.InvokedFunctionArn
	}
	return reply, nil
}
