package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/policy"
)

// scope is a setting, or all, of a storage, or all, as validate takes it.
type scope struct {
	Storage string `json:"storage,omitempty"`
	Setting string `json:"setting,omitempty"`
}

var errFunction = errors.New("the function failed")

// invoke asks validate, as deployed, and reads its answer. An audit may take minutes.
func (s session) invoke(ctx context.Context, payload, answer any) error {
	body, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("invoke %s: %w", guard.ValidateFunction, err)
	}
	client := lambda.NewFromConfig(s.aws, func(o *lambda.Options) {
		o.HTTPClient = awshttp.NewBuildableClient().WithTimeout(5 * time.Minute)
	})
	name := guard.ValidateFunction
	out, err := client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: body})
	switch {
	case awserr.Classify(err) == awserr.Gone:
		return fmt.Errorf("invoke %s in %s: %w: is icaguard deployed in account %s? make deploy",
			name, s.baseline.HomeRegion, err, s.baseline.Account)
	case err != nil:
		return fmt.Errorf("invoke %s in %s: %w", name, s.baseline.HomeRegion, err)
	case out.FunctionError != nil:
		var failure struct{ ErrorMessage string }
		_ = json.Unmarshal(out.Payload, &failure) // what is no JSON is shown as it is
		if failure.ErrorMessage == "" {
			failure.ErrorMessage = string(out.Payload)
		}
		return fmt.Errorf("invoke %s in %s: %w: %s", name, s.baseline.HomeRegion, errFunction, policy.Mask(failure.ErrorMessage))
	}
	if err := json.Unmarshal(out.Payload, answer); err != nil {
		return fmt.Errorf("invoke %s in %s: read its answer: %w", name, s.baseline.HomeRegion, err)
	}
	return nil
}
