// Command remediate is the Lambda that receives events and restores what drifted. This file is wiring only.
package main

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/notify"
	"github.com/icaguard/icaguard/internal/queue"
	"github.com/icaguard/icaguard/internal/report"
	"github.com/icaguard/icaguard/internal/wiring"
)

func main() {
	function, startErr := wiring.Start(context.Background())
	lambda.Start(func(ctx context.Context, payload json.RawMessage) (events.SQSEventResponse, error) {
		// A faulty start is answered to whoever invokes, where it can be read, rather than by a crash.
		if startErr != nil {
			return events.SQSEventResponse{}, startErr
		}
		h, err := newHandler(ctx, function)
		if err != nil {
			return events.SQSEventResponse{}, err
		}
		return h.handle(ctx, payload)
	})
}

func newHandler(ctx context.Context, function wiring.Function) (*handler, error) {
	self, err := wiring.SelfFrom(ctx)
	if err != nil {
		return nil, err
	}
	engine, err := function.Engine(self)
	if err != nil {
		return nil, err
	}
	requests := queue.Queue{
		SQS:           sqs.NewFromConfig(engine.Clients.Config),
		URL:           os.Getenv(guard.EnvQueueURL),
		DeadLetterURL: os.Getenv(guard.EnvDeadLetterURL),
	}
	engine.Queue = requests
	return &handler{
		engine: engine.Engine, deploys: engine.Deploys, queue: requests, ledger: engine.Ledger,
		topic: notify.Topic{SNS: sns.NewFromConfig(engine.Clients.Config), ARN: os.Getenv(guard.EnvTopicARN)},
		meter: report.Meter{Log: function.Log, Now: time.Now}, self: self.Session(), log: function.Log,
	}, nil
}
