package guard

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// functionState is one of the guard's functions. What code it runs, only its events tell.
type functionState struct {
	Name     string
	Exists   bool
	State    string
	Stopped  bool // a reserved concurrency of 0
	Mappings int  // by which it reads the queue
}

func guardFunction() Setting {
	functions := []string{RemediateFunction, ValidateFunction}
	return define(Setting{
		ID:          "guard-function",
		Title:       "The guard's functions are there as deployed, may run, and remediate reads the queue",
		Effect:      "nothing is restored, or nothing is checked",
		Remediation: redeploy,
		On:          OnFunctions,
		Triggers: []Trigger{
			alwaysAlert(ownEvents("aws.lambda", "functionName", functions, "UpdateFunctionCode20150331v2", "UpdateFunctionConfiguration20150331v2",
				"DeleteFunction20150331", "PutFunctionConcurrency20171031", "AddPermission20150331v2", "RemovePermission20150331v2")),
			// These name a mapping by an id that nobody knows in advance.
			{Source: "aws.lambda", Events: []string{"UpdateEventSourceMapping20150331", "DeleteEventSourceMapping20150331"}, AnyResource: true},
		},
		Reads: append(on(OnAccount, "lambda:ListEventSourceMappings"), on(OnFunctions, "lambda:GetFunctionConcurrency", "lambda:GetFunctionConfiguration")...),
	}, spec[[]functionState]{read: readFunctions, compare: compareFunctions})
}

func readFunctions(ctx context.Context, c Clients, s icaconfig.Storage) ([]functionState, error) {
	all := []functionState{{Name: RemediateFunction}, {Name: ValidateFunction}}
	for i := range all {
		if err := readFunction(ctx, c.lambda(s), &all[i]); err != nil {
			return nil, err
		}
	}
	return all, readMappings(ctx, c.lambda(s), s.Home, &all[0])
}

func readFunction(ctx context.Context, client *lambda.Client, f *functionState) error {
	out, err := client.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &f.Name})
	if awserr.Classify(err) == awserr.Gone {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read function %s: %w", f.Name, err)
	}
	f.Exists, f.State = true, string(out.State)
	concurrency, err := client.GetFunctionConcurrency(ctx, &lambda.GetFunctionConcurrencyInput{FunctionName: &f.Name})
	if err != nil {
		return fmt.Errorf("read the concurrency of function %s: %w", f.Name, err)
	}
	f.Stopped = concurrency.ReservedConcurrentExecutions != nil && *concurrency.ReservedConcurrentExecutions == 0
	return nil
}

// readMappings counts those by which remediate reads the guard's queue.
func readMappings(ctx context.Context, client *lambda.Client, h icaconfig.Home, f *functionState) error {
	mappings, err := client.ListEventSourceMappings(ctx, &lambda.ListEventSourceMappingsInput{
		FunctionName: &f.Name, EventSourceArn: aws.String(h.ARN("sqs", h.HomeRegion, RequestQueue)),
	})
	if awserr.Classify(err) == awserr.Gone {
		return nil // the function is
	}
	if err != nil {
		return fmt.Errorf("list the event source mappings of function %s: %w", f.Name, err)
	}
	for _, mapping := range mappings.EventSourceMappings {
		if state := aws.ToString(mapping.State); state == "Enabled" || state == "Enabling" || state == "Creating" || state == "Updating" {
			f.Mappings++
		}
	}
	return nil
}

func compareFunctions(s icaconfig.Storage, got []functionState) Comparison {
	var v Comparison
	for _, f := range got {
		var fault string
		switch {
		case !f.Exists:
			fault = "does not exist"
		case f.Stopped:
			fault = "may not run: its reserved concurrency is 0"
		case f.State == string(types.StateFailed):
			fault = "is in state " + f.State
		case f.Name == RemediateFunction && f.Mappings == 0:
			fault = "does not read the queue: its event source mapping is missing or disabled"
		default:
			continue
		}
		v.Alerts = append(v.Alerts, Finding{What: "function " + f.Name + " " + fault, Remediation: redeploy(s)})
	}
	return v
}
