package watch

import (
	"context"
	"fmt"
	"slices"

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
	HasURL   bool // by which it can be invoked over HTTPS
	Loops    bool // Lambda lets it send to the queue that starts it
	Retries  retries
	Mappings []mapping // by which it reads something, and of remediate also those by which others read its queue
}

// retries are what Lambda does when an asynchronous invocation fails.
type retries struct {
	Attempts  int32
	OnFailure string // ARN of where it sends what still fails
}

// mapping is an event source mapping.
type mapping struct {
	Source, Function string // ARNs
	On               bool
}

func readFunctions(ctx context.Context, c guard.Clients, s icaconfig.Storage) ([]functionState, error) {
	all := []functionState{{Name: guard.RemediateFunction}, {Name: guard.ValidateFunction}}
	client := lambdaClient(c, s)
	for i := range all {
		if err := readFunction(ctx, client, &all[i]); err != nil {
			return nil, err
		}
		if err := readMappings(ctx, client, &all[i], &lambda.ListEventSourceMappingsInput{FunctionName: &all[i].Name}); err != nil {
			return nil, err
		}
	}
	queue := queueARN(s.Home)
	return all, readMappings(ctx, client, &all[0], &lambda.ListEventSourceMappingsInput{EventSourceArn: &queue})
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
	loops, err := client.GetFunctionRecursionConfig(ctx, &lambda.GetFunctionRecursionConfigInput{FunctionName: &f.Name})
	if err != nil {
		return fmt.Errorf("read the loop detection of function %s: %w", f.Name, err)
	}
	f.Loops = loops.RecursiveLoop == types.RecursiveLoopAllow
	return readInvocation(ctx, client, f)
}

// readInvocation reads how the function can be invoked beside its mappings, and what happens when that fails. Who may
// invoke it, only events tell.
func readInvocation(ctx context.Context, client *lambda.Client, f *functionState) error {
	_, err := client.GetFunctionUrlConfig(ctx, &lambda.GetFunctionUrlConfigInput{FunctionName: &f.Name})
	if err != nil && awserr.Classify(err) != awserr.Gone {
		return fmt.Errorf("read the URL of function %s: %w", f.Name, err)
	}
	f.HasURL = err == nil
	out, err := client.GetFunctionEventInvokeConfig(ctx, &lambda.GetFunctionEventInvokeConfigInput{FunctionName: &f.Name})
	if awserr.Classify(err) == awserr.Gone {
		f.Retries.Attempts = 2 // https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the retries of function %s: %w", f.Name, err)
	}
	f.Retries.Attempts = aws.ToInt32(out.MaximumRetryAttempts)
	if d := out.DestinationConfig; d != nil && d.OnFailure != nil {
		f.Retries.OnFailure = aws.ToString(d.OnFailure.Destination)
	}
	return nil
}

// readMappings adds those that are asked for and not known yet.
func readMappings(ctx context.Context, client *lambda.Client, f *functionState, ask *lambda.ListEventSourceMappingsInput) error {
	pages := lambda.NewListEventSourceMappingsPaginator(client, ask)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if awserr.Classify(err) == awserr.Gone {
			return nil // the function is
		}
		if err != nil {
			return fmt.Errorf("list the event source mappings of function %s: %w", f.Name, err)
		}
		for _, m := range page.EventSourceMappings {
			found := mapping{Source: aws.ToString(m.EventSourceArn), Function: aws.ToString(m.FunctionArn)}
			switch aws.ToString(m.State) {
			case "Enabled", "Enabling", "Creating", "Updating":
				found.On = true
			}
			if !slices.Contains(f.Mappings, found) {
				f.Mappings = append(f.Mappings, found)
			}
		}
	}
	return nil
}

func compareFunctions(s icaconfig.Storage, got []functionState) guard.Comparison {
	var v guard.Comparison
	for _, f := range got {
		faults := []string{"does not exist"}
		if f.Exists {
			faults = slices.Concat(f.faults(s.Home), f.mappingFaults(s.Home))
		}
		for _, fault := range faults {
			v.Alerts = append(v.Alerts, guard.Finding{What: "function " + f.Name + " " + fault, Remediation: self.Redeploy(s)})
		}
	}
	return v
}

func (f functionState) faults(h icaconfig.Home) []string {
	var faults []string
	add := func(is bool, fault string) {
		if is {
			faults = append(faults, fault)
		}
	}
	remediate := f.Name == guard.RemediateFunction
	add(f.Stopped, "may not run: its reserved concurrency is 0")
	add(f.State == string(types.StateFailed), "is in state "+f.State)
	add(f.HasURL, "can be invoked by a URL")
	add(remediate && !f.Loops, "is stopped by Lambda after 16 rounds of checking again: its recursion is not set to Allow")
	want := retries{Attempts: self.AuditRetries, OnFailure: h.ARN("sqs", h.HomeRegion, guard.DeadLetterQueue)}
	add(!remediate && f.Retries != want, fmt.Sprintf("loses audits that fail: %d retries, then %q, expected %d, then %s",
		f.Retries.Attempts, f.Retries.OnFailure, want.Attempts, want.OnFailure))
	return faults
}

// mappingFaults: remediate reads the queue and nothing else, validate reads nothing, and nobody else reads the queue.
func (f functionState) mappingFaults(h icaconfig.Home) []string {
	var faults []string
	reads := false
	for _, m := range f.Mappings {
		own := m.Function == h.ARN("lambda", h.HomeRegion, "function:"+f.Name)
		switch {
		case own && m.Source == queueARN(h) && f.Name == guard.RemediateFunction:
			reads = reads || m.On
		case own:
			faults = append(faults, "also reads "+m.Source)
		default:
			faults = append(faults, "shares its queue with "+m.Function)
		}
	}
	if f.Name == guard.RemediateFunction && !reads {
		faults = append(faults, "does not read the queue: its event source mapping is missing or disabled")
	}
	return faults
}

func queueARN(h icaconfig.Home) string { return h.ARN("sqs", h.HomeRegion, guard.RequestQueue) }
