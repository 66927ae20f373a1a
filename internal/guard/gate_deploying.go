package guard

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/icaguard/icaguard/internal/awslore"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Deploys knows whether our own stacks are changing. CloudFormation changes resources and the guard's code in an order that nobody
// can choose well for create, update, rollback and destroy; so the guard does not act meanwhile, nor with another configuration than
// the deployed one. It never judges by the actor of an event: other stacks are CloudFormation too.
//
// One Deploys serves one batch: each stack is described once.
type Deploys struct {
	clients Clients
	home    icaconfig.Home

	mu     sync.Mutex
	stacks map[string]described
}

type described struct {
	stack *types.Stack // nil: there is no such stack
	err   error
}

// NewDeploys makes no call.
func NewDeploys(c Clients, h icaconfig.Home) *Deploys {
	return &Deploys{clients: c, home: h, stacks: map[string]described{}}
}

// Gate holds while the guard stack or the stack of the storage's region changes, or was deployed with another configuration; for the
// guard's own, while any of its stacks does.
func (d *Deploys) Gate(ctx context.Context, s icaconfig.Storage, setting Setting) (Hold, error) {
	const deploy = "nothing while a deploy runs: icaguard looks again by itself. If none runs, deploy all stacks with one configuration: make deploy"
	for _, stack := range d.home.Stacks {
		if !setting.On.own() && (stack.Kind == icaconfig.RelayStack || stack.Kind == icaconfig.StorageStack && stack.Region != s.Region.AWS) {
			continue // it holds nothing that this look is about
		}
		found, err := d.describe(ctx, stack)
		if err != nil {
			return Hold{}, err
		}
		if why := unsettled(found, d.home.Digest); why != "" {
			return Hold{Reason: "deploying: stack " + stack.Name + " in " + stack.Region + " " + why, Again: time.Minute, ToDo: deploy}, nil
		}
	}
	return Hold{}, nil
}

// unsettled says in which way a stack is not what was deployed with the configuration of this digest, "" if it is.
func unsettled(stack *types.Stack, digest string) string {
	if stack == nil {
		return "does not exist"
	}
	status := string(stack.StackStatus)
	switch {
	case strings.HasSuffix(status, "_IN_PROGRESS"):
		return "is in status " + status
	case stack.StackStatus == types.StackStatusDeleteFailed:
		return "was to be deleted, and is in status " + status
	}
	if deployed := output(stack, icaconfig.DigestOutput); deployed != digest {
		return fmt.Sprintf("was deployed with configuration %s, this is %s", orNone(deployed), digest)
	}
	return ""
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}

func output(stack *types.Stack, key string) string {
	for _, o := range stack.Outputs {
		if aws.ToString(o.OutputKey) == key {
			return aws.ToString(o.OutputValue)
		}
	}
	return ""
}

func (d *Deploys) describe(ctx context.Context, stack icaconfig.Stack) (*types.Stack, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known, ok := d.stacks[stack.Name]; ok {
		return known.stack, known.err
	}
	found, err := d.read(ctx, stack)
	d.stacks[stack.Name] = described{found, err}
	return found, err
}

func (d *Deploys) read(ctx context.Context, stack icaconfig.Stack) (*types.Stack, error) {
	out, err := d.clients.cloudformation(stack.Region).DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &stack.Name})
	if awslore.IsNoStack(err) {
		return nil, nil //nolint:nilnil // no such stack is an answer, and described keeps it
	}
	if err != nil {
		return nil, fmt.Errorf("deploys: describe stack %s in %s: %w", stack.Name, stack.Region, err)
	}
	return &out.Stacks[0], nil
}

// Made reports whether one of our stacks was changing at that time, so that what happened to the guard then is its own deploy's doing.
func (d *Deploys) Made(ctx context.Context, at time.Time) (bool, error) {
	for _, stack := range d.home.Stacks {
		found, err := d.describe(ctx, stack)
		if err != nil {
			return false, err
		}
		if found == nil {
			continue
		}
		start := aws.ToTime(found.CreationTime)
		if found.LastUpdatedTime != nil {
			start = *found.LastUpdatedTime
		}
		if at.Before(start.Truncate(time.Second)) { // CloudTrail tells whole seconds
			continue
		}
		end, err := d.end(ctx, stack, found)
		if err != nil {
			return false, err
		}
		if end.IsZero() || !at.After(end) {
			return true, nil
		}
	}
	return false, nil
}

// end is when the last change of a stack ended; zero while it goes on.
func (d *Deploys) end(ctx context.Context, stack icaconfig.Stack, found *types.Stack) (time.Time, error) {
	if strings.HasSuffix(string(found.StackStatus), "_IN_PROGRESS") {
		return time.Time{}, nil
	}
	out, err := d.clients.cloudformation(stack.Region).DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: &stack.Name})
	if err != nil {
		return time.Time{}, fmt.Errorf("deploys: describe events of stack %s in %s: %w", stack.Name, stack.Region, err)
	}
	for _, event := range out.StackEvents { // newest first
		if aws.ToString(event.PhysicalResourceId) == aws.ToString(found.StackId) {
			return aws.ToTime(event.Timestamp), nil
		}
	}
	return aws.ToTime(found.LastUpdatedTime), nil
}

// Deployed reports whether the guard stack exists.
func (d *Deploys) Deployed(ctx context.Context) (bool, error) {
	stack, _ := d.home.Stack(icaconfig.GuardStack, d.home.HomeRegion)
	found, err := d.describe(ctx, stack)
	return found != nil, err
}
