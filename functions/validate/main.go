// Command validate is the Lambda that audits every setting of every storage, by hand and on a schedule. It writes to
// nothing that is guarded: what the scheduled audit finds drifted goes to remediate's queue, and so does what `icaguard
// reconcile` asks for. This file is wiring only.
package main

import (
	"context"
	"encoding/json"
	"os"
	"time"

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
	lambda.Start(func(ctx context.Context, payload json.RawMessage) (any, error) {
		if startErr != nil {
			return nil, startErr
		}
		a, err := newAuditor(ctx, function)
		if err != nil {
			return nil, err
		}
		return a.handle(ctx, payload)
	})
}

func newAuditor(ctx context.Context, function wiring.Function) (*auditor, error) {
	self, err := wiring.SelfFrom(ctx)
	if err != nil {
		return nil, err
	}
	engine, err := function.Engine(self)
	if err != nil {
		return nil, err
	}
	cfg := engine.Clients.Config
	return &auditor{
		engine: engine.Engine, file: function.File, log: function.Log, meter: report.Meter{Log: function.Log, Now: time.Now},
		pauses: engine.Pauses,
		queue:  queue.Queue{SQS: sqs.NewFromConfig(cfg), URL: os.Getenv(guard.EnvQueueURL)},
		topic:  notify.Topic{SNS: sns.NewFromConfig(cfg), ARN: os.Getenv(guard.EnvTopicARN)},
	}, nil
}
