// Command validate is the Lambda that audits every setting of every storage. It writes nothing.
package main

import (
	"context"
	"encoding/json"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/icaguard/icaguard/internal/report"
	"github.com/icaguard/icaguard/internal/wiring"
)

func main() {
	function, startErr := wiring.Start(context.Background())
	lambda.Start(func(ctx context.Context, _ json.RawMessage) (report.Report, error) {
		if startErr != nil {
			return report.Report{}, startErr
		}
		return audit(ctx, function)
	})
}

func audit(ctx context.Context, function wiring.Function) (report.Report, error) {
	self, err := wiring.SelfFrom(ctx)
	if err != nil {
		return report.Report{}, err
	}
	engine, err := function.Engine(self)
	if err != nil {
		return report.Report{}, err
	}
	outcomes := engine.Audit(ctx)
	for _, outcome := range outcomes {
		report.Log(ctx, function.Log, outcome)
	}
	return report.New(function.File, outcomes), nil
}
