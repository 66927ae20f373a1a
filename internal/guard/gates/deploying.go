// Package gates has the gates: what may hold a restore. They read AWS only when there is something to restore, and once
// for one pass.
//
// Invariant: a gate never decides by the actor of an event, and what it could not read is an error, never an answer.
package gates

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Deploys knows whether our own stacks are changing. CloudFormation changes resources and the guard's code in an order
// that nobody can choose well for create, update, rollback and destroy; so the guard does not act meanwhile, nor with
// another configuration than the deployed one. It never decides by the actor of an event: other stacks are
// CloudFormation too.
//
// One Deploys serves one batch: each stack is described once.
type Deploys struct {
	clients guard.Clients
	home    icaconfig.Home

	mu     sync.Mutex
	stacks map[string]described
}

type described struct {
	stack *types.Stack // nil: there is no such stack
	err   error
}

func (d *Deploys) client(region string) *cloudformation.Client {
	return cloudformation.NewFromConfig(d.clients.Config, func(o *cloudformation.Options) { o.Region = region })
}

// NewDeploys makes no call.
func NewDeploys(c guard.Clients, h icaconfig.Home) *Deploys {
	return &Deploys{clients: c, home: h, stacks: map[string]described{}}
}

// Gate holds while a stack that the check is about changes, or was deployed with another configuration.
func (d *Deploys) Gate(ctx context.Context, t guard.Target) (guard.Hold, error) {
	const deploy = "nothing while a deploy runs: icaguard checks again by itself. If none runs, deploy all stacks with one " +
		"configuration: make deploy"
	var unknown error
	for _, stack := range d.home.Stacks {
		if !concerned(stack, t) {
			continue
		}
		found, err := d.describe(ctx, stack)
		if err != nil {
			unknown = errors.Join(unknown, err)
			continue
		}
		if found == nil && t.Self() && stack.Kind != icaconfig.GuardStack {
			continue // whoever deleted it took rules from the guard, and no deploy puts them back by itself
		}
		if why := unsettled(found, d.home.Digest); why != "" {
			return guard.Hold{
				Reason:      "deploying: stack " + stack.Name + " in " + stack.Region + " " + why,
				RetryAfter:  time.Minute,
				Remediation: deploy,
			}, nil
		}
	}
	return guard.Hold{}, unknown
}

// concerned reports whether a stack may hold what the check is about: the guard's own stands in all of them, a bucket
// in that of its region, all else in the guard's, which also has the code that checks. So when the guard's stack
// fails to follow the storages', and goes back to the configuration before, only buckets wait for the next deploy.
func concerned(stack icaconfig.Stack, t guard.Target) bool {
	switch stack.Kind {
	case icaconfig.GuardStack:
		return true
	case icaconfig.StorageStack:
		return t.Self() || (t.On == guard.OnBucket || t.On == guard.OnKey) && stack.Region == t.Storage.Region.AWS
	case icaconfig.RelayStack:
		return t.Self()
	}
	return true
}

// unsettled says in which way a stack is not what was deployed with the configuration of this digest, "" if it is.
func unsettled(stack *types.Stack, digest string) string {
	if stack == nil {
		return "does not exist"
	}
	status := string(stack.StackStatus)
	switch {
	case inProgress(status):
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
	out, err := d.client(stack.Region).DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &stack.Name})
	if awserr.IsNoStack(err) {
		return nil, nil //nolint:nilnil // no such stack is an answer, and described keeps it
	}
	if err != nil {
		return nil, fmt.Errorf("deploys: describe stack %s in %s: %w", stack.Name, stack.Region, err)
	}
	if len(out.Stacks) == 0 {
		return nil, fmt.Errorf("deploys: describe stack %s in %s: %w", stack.Name, stack.Region, awserr.ErrBroken)
	}
	if out.Stacks[0].StackStatus == types.StackStatusReviewInProgress {
		return nil, nil //nolint:nilnil // a change set was made, and nothing else
	}
	return &out.Stacks[0], nil
}

// ExcludeOwnDeploys leaves out what CloudFormation did while one of our stacks was changing: that is our own deploy's
// doing. Either alone excuses nothing: other stacks are CloudFormation too, and somebody may wait for a deploy to hide
// in. What is not certain is left in.
func (d *Deploys) ExcludeOwnDeploys(ctx context.Context, events []guard.Event) (left []guard.Event, err error) {
	left = slices.Clone(events)
	for _, stack := range d.home.Stacks {
		if len(left) == 0 {
			break
		}
		statuses, callErr := d.statuses(ctx, stack, left)
		err = errors.Join(err, callErr)
		left = slices.DeleteFunc(
			left, func(c guard.Event) bool { return c.Actor.From == guard.CloudFormation && changing(statuses, c.Time) },
		)
	}
	return left, err
}

// stackStatus is a status that a stack got.
type stackStatus struct {
	at     time.Time
	status string
}

// statuses lists a stack's own, newest first, back to the one that it had at the time of the oldest event.
func (d *Deploys) statuses(ctx context.Context, stack icaconfig.Stack, events []guard.Event) ([]stackStatus, error) {
	oldest := slices.MinFunc(events, func(a, b guard.Event) int { return a.Time.Compare(b.Time) }).Time
	pages := cloudformation.NewDescribeStackEventsPaginator(
		d.client(stack.Region), &cloudformation.DescribeStackEventsInput{StackName: &stack.Name},
	)
	var all []stackStatus
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if awserr.IsNoStack(err) {
			return all, nil
		}
		if err != nil {
			return all, fmt.Errorf("deploys: describe events of stack %s in %s: %w", stack.Name, stack.Region, err)
		}
		for _, event := range page.StackEvents {
			if aws.ToString(event.PhysicalResourceId) == aws.ToString(event.StackId) {
				all = append(all, stackStatus{aws.ToTime(event.Timestamp), string(event.ResourceStatus)})
			}
		}
		if len(all) > 0 && all[len(all)-1].at.Before(oldest) {
			break
		}
	}
	return all, nil
}

// changing reports whether the stack was changing in the second that begins at the given time: CloudTrail tells whole seconds.
func changing(newestFirst []stackStatus, at time.Time) bool {
	for _, s := range newestFirst {
		switch {
		case !s.at.Before(at.Add(time.Second)): // later
		case inProgress(s.status):
			return true
		case s.at.Before(at): // it was at rest then
			return false
		}
	}
	return false
}

// inProgress: a stack of which there is only a change set in review does not change.
func inProgress(status string) bool {
	return strings.HasSuffix(status, "_IN_PROGRESS") && status != string(types.StackStatusReviewInProgress)
}

// Deployed reports whether the guard stack exists.
func (d *Deploys) Deployed(ctx context.Context) (bool, error) {
	stack, _ := d.home.Stack(icaconfig.GuardStack, d.home.HomeRegion)
	found, err := d.describe(ctx, stack)
	return found != nil, err
}

// Settles reports whether the event ends a change of one of our stacks that leaves it there: everything may be different now.
func Settles(e cloudtrail.StackEvent, h icaconfig.Home) bool {
	return e.Ended() && e.Account == h.Account &&
		slices.ContainsFunc(h.Stacks, func(s icaconfig.Stack) bool { return s.Name == e.Stack && s.Region == e.Region })
}

// EndsDeploy reports whether the event ends a whole deploy, as far as the stacks tell: the guard's is deployed last.
func (d *Deploys) EndsDeploy(ctx context.Context, e cloudtrail.StackEvent) bool {
	if own, ok := d.home.Stack(icaconfig.GuardStack, d.home.HomeRegion); ok && e.Stack == own.Name {
		return true
	}
	for _, stack := range d.home.Stacks {
		if found, err := d.describe(ctx, stack); err == nil && unsettled(found, d.home.Digest) != "" {
			return false
		}
	}
	return true
}
