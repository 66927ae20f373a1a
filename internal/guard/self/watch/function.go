package watch

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
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

func readFunctions(ctx context.Context, c guard.Clients, s icaconfig.Storage) ([]functionState, error) {
	all := []functionState{{Name: guard.RemediateFunction}, {Name: guard.ValidateFunction}}
	for i := range all {
		if err := readFunction(ctx, lambdaClient(c, s), &all[i]); err != nil {
			return nil, err
		}
	}
	return all, readMappings(ctx, lambdaClient(c, s), s.Home, &all[0])
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
		FunctionName: &f.Name, EventSourceArn: aws.String(h.ARN("sqs", h.HomeRegion, guard.RequestQueue)),
	})
	if awserr.Classify(err) == awserr.Gone {
		return nil // the function is
	}
	if err != nil {
		return fmt.Errorf("list the event source mappings of function %s: %w", f.Name, err)
	}
	for _, mapping := range mappings.EventSourceMappings {
		if state := aws.ToString(mapping.State); state == "Enabled" || state == "Enabling" || state == "Creating" ||
			state == "Updating" {
			f.Mappings++
		}
	}
	return nil
}

func compareFunctions(s icaconfig.Storage, got []functionState) guard.Comparison {
	var v guard.Comparison
	for _, f := range got {
		var fault string
		switch {
		case !f.Exists:
			fault = "does not exist"
		case f.Stopped:
			fault = "may not run: its reserved concurrency is 0"
		case f.State == string(types.StateFailed):
			fault = "is in state " + f.State
		case f.Name == guard.RemediateFunction && f.Mappings == 0:
			fault = "does not read the queue: its event source mapping is missing or disabled"
		default:
			continue
		}
		v.Alerts = append(v.Alerts, guard.Finding{What: "function " + f.Name + " " + fault, Remediation: self.Redeploy(s)})
	}
	return v
}
