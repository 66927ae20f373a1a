package acceptance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// thing is something that a run has created and that is still there.
type thing struct {
	name   string // what it is, called what, where
	remove func(context.Context) error
}

// finder looks for things of one kind.
type finder struct {
	kind string
	find func(context.Context) ([]thing, error)
}

const (
	removal = "removal"
	// rounds of removing, 40 seconds apart on AWS: what one thing holds fast may go once that is gone, a trail's bucket still
	// gets files, and SQS lists a queue for a minute after it was deleted.
	rounds = 4
	// removingTime is the most that removing may take.
	removingTime = 30 * time.Minute
	// keyWindow is the least that AWS allows. https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html
	keyWindow = 7
)

// Clean removes what a run that was killed left behind, by its file in the folder.
func Clean(ctx context.Context, site Site, out io.Writer, folder string) error {
	run, err := loadState(folder)
	if err != nil {
		return err
	}
	account, _, err := whoami(ctx, site, run.Home)
	if err != nil {
		return err
	}
	if account != run.Account {
		return fmt.Errorf("%w: the run was in %s, they are of %s", errOtherAccount, run.Account, account)
	}
	r := &runner{site: site, out: out, run: run}
	if left := r.removeAll(ctx); len(left) > 0 {
		return fmt.Errorf("%w: %s", ErrLeft, strings.Join(left, "; "))
	}
	return nil
}

// removeAll removes what the run created, also when the run was interrupted, and answers what is left. The run's file goes
// last.
func (r *runner) removeAll(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removingTime)
	defer cancel()
	r.say("remove all that run %s created", r.run.ID)
	var left []string
	for round := range rounds {
		if round > 0 && guard.Sleep(ctx, r.site.Patience/15) != nil {
			break
		}
		if left = r.removeOnce(ctx); len(left) == 0 {
			break
		}
	}
	if r.run.Key != "" {
		r.say("  AWS deletes the KMS key %s %d days from now; it costs nothing until then", r.run.Key, keyWindow)
	}
	if len(left) > 0 {
		r.say("  LEFT: %s", strings.Join(left, "\n        "))
		return left
	}
	r.say("  nothing is left")
	if err := os.Remove(r.run.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return []string{err.Error()}
	}
	return nil
}

// removeOnce removes what it finds, kind by kind, and then looks again: it answers what is there still, with what kept it
// from going, and what could not be looked for.
func (r *runner) removeOnce(ctx context.Context) []string {
	failed := map[string]error{}
	r.each(ctx, func(t thing) {
		if err := t.remove(ctx); err != nil && !isAbsent(err) {
			failed[t.name] = err
			r.say("  not removed yet: %s: %s", t.name, firstLine(err.Error()))
			return
		}
		r.say("  removed %s", t.name)
	})
	var left []string
	errs := r.each(ctx, func(t thing) {
		if err := failed[t.name]; err != nil {
			t.name += ": " + firstLine(err.Error())
		}
		left = append(left, t.name)
	})
	return append(left, errs...)
}

// each visits all that is there, and answers which kinds cannot be looked for.
func (r *runner) each(ctx context.Context, visit func(thing)) (unknown []string) {
	for _, f := range r.finders() {
		found, err := f.find(ctx)
		if err != nil {
			unknown = append(unknown, fmt.Sprintf("%s cannot be looked for: %s", f.kind, firstLine(err.Error())))
		}
		for _, t := range found {
			visit(t)
		}
	}
	return unknown
}

// finders are all kinds of things, in the order of removing: icaguard before what it guards.
func (r *runner) finders() []finder {
	home, regions := r.site.Config(r.run.Home), r.run.eventRegions()
	all := []finder{
		{"stacks", func(ctx context.Context) ([]thing, error) { return r.stacks(ctx, r.guardStacks()) }},
		{"stacks of experiments", r.ownStacks},
	}
	for _, region := range regions {
		cfg := r.site.Config(region)
		all = append(all, finder{"rules in " + region, func(ctx context.Context) ([]thing, error) { return r.rules(ctx, cfg) }},
			finder{"queues in " + region, func(ctx context.Context) ([]thing, error) { return r.queues(ctx, cfg) }},
			finder{"topics in " + region, func(ctx context.Context) ([]thing, error) { return r.topics(ctx, cfg) }},
			finder{"tables in " + region, func(ctx context.Context) ([]thing, error) { return r.tables(ctx, cfg) }},
			finder{"parameters in " + region, func(ctx context.Context) ([]thing, error) { return r.parameters(ctx, cfg) }},
			finder{"keys in " + region, func(ctx context.Context) ([]thing, error) { return r.keys(ctx, cfg) }})
	}
	return append(all,
		finder{"log groups", func(ctx context.Context) ([]thing, error) { return r.logGroups(ctx, home) }},
		finder{"functions", func(ctx context.Context) ([]thing, error) { return r.functions(ctx, home) }},
		finder{"roles", func(ctx context.Context) ([]thing, error) { return r.roles(ctx, home) }},
		finder{"users", func(ctx context.Context) ([]thing, error) { return r.users(ctx, home) }},
		finder{"policies", func(ctx context.Context) ([]thing, error) { return r.policies(ctx, home) }},
		finder{"OIDC providers", func(ctx context.Context) ([]thing, error) { return r.providers(ctx, home) }},
		finder{"CDK's stacks", r.bootstrapStacks},
		finder{"buckets", r.buckets},
		finder{"claim", r.claims},
	)
}

// guardStacks are those of icaguard, the last that is deployed first.
func (r *runner) guardStacks() []icaconfig.Stack {
	return []icaconfig.Stack{
		{Name: "icaguard-guard", Region: r.run.Home},
		{Name: "icaguard-relay", Region: icaconfig.IAMRegion},
		{Name: "icaguard-storage-" + r.run.Region, Region: r.run.Region},
	}
}

// bootstrapStacks finds CDK's of the run, once no other stack is left: they have the role by which CloudFormation deletes
// the others.
func (r *runner) bootstrapStacks(ctx context.Context) ([]thing, error) {
	standing, err := r.stacks(ctx, r.guardStacks())
	if err != nil || len(standing) > 0 {
		return nil, err
	}
	var named []icaconfig.Stack
	for _, region := range r.run.Bootstrapped {
		named = append(named, icaconfig.Stack{Name: bootstrapStack, Region: region})
	}
	return r.stacks(ctx, named)
}

// isGuarded says whether an icaguard stands that is not the run's: what has the same name everywhere is that one's.
func (r *runner) isGuarded(ctx context.Context) (bool, error) {
	there, run, err := stackOf(ctx, r.site.Config(r.run.Home), "icaguard-guard")
	return there != nil && run != r.run.ID, err
}

// claims finds the parameter that keeps other runs away, if it is this run's.
func (r *runner) claims(ctx context.Context) ([]thing, error) {
	run, err := claimant(ctx, r.site)
	if err != nil || run != r.run.ID {
		return nil, err
	}
	return []thing{{"parameter " + claimName, func(ctx context.Context) error {
		return second(ssm.NewFromConfig(r.site.Config(icaconfig.IAMRegion)).DeleteParameter(
			ctx, &ssm.DeleteParameterInput{Name: aws.String(claimName)},
		))
	}}}, nil
}

// stacks finds those that bear the run's tag, and those of a deploy that was interrupted before it had any resource: an
// icaguard that somebody deployed later is none of the run's.
func (r *runner) stacks(ctx context.Context, named []icaconfig.Stack) ([]thing, error) {
	var all []thing
	var errs []error
	for _, stack := range named {
		there, run, err := stackOf(ctx, r.site.Config(stack.Region), stack.Name)
		errs = append(errs, err)
		empty := there != nil && there.StackStatus == cfntypes.StackStatusReviewInProgress
		if run == r.run.ID || empty && !aws.ToTime(there.CreationTime).Before(r.run.Begun.Add(-mostSkew)) {
			all = append(all, r.stack(stack))
		}
	}
	return all, errors.Join(errs...)
}

func (r *runner) stack(stack icaconfig.Stack) thing {
	return thing{"stack " + stack.Name + " in " + stack.Region, func(ctx context.Context) error {
		return deleteStack(ctx, r.site, stack)
	}}
}

// ownStacks finds those that experiments made.
func (r *runner) ownStacks(ctx context.Context) ([]thing, error) {
	client := cloudformation.NewFromConfig(r.site.Config(r.run.Home))
	var all []thing
	pages := cloudformation.NewDescribeStacksPaginator(client, &cloudformation.DescribeStacksInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, stack := range page.Stacks {
			if r.isOurs(stack.StackName) {
				all = append(all, r.stack(icaconfig.Stack{Name: aws.ToString(stack.StackName), Region: r.run.Home}))
			}
		}
	}
	return all, nil
}

func deleteStack(ctx context.Context, site Site, stack icaconfig.Stack) error {
	client := cloudformation.NewFromConfig(site.Config(stack.Region))
	_, unprotected := client.UpdateTerminationProtection(ctx, &cloudformation.UpdateTerminationProtectionInput{
		StackName: &stack.Name, EnableTerminationProtection: aws.Bool(false),
	})
	if _, err := client.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &stack.Name}); err != nil {
		return errors.Join(err, unprotected) // which may be refused while a deploy that was interrupted still runs
	}
	return cloudformation.NewStackDeleteCompleteWaiter(client, func(o *cloudformation.StackDeleteCompleteWaiterOptions) {
		o.MinDelay, o.MaxDelay = min(site.Pause, time.Second), 10*time.Second
	}).Wait(ctx, &cloudformation.DescribeStacksInput{StackName: &stack.Name}, removingTime/2)
}

// keys finds the run's by their description, which they have from the start.
func (r *runner) keys(ctx context.Context, cfg aws.Config) ([]thing, error) {
	client := kms.NewFromConfig(cfg)
	pages := kms.NewListKeysPaginator(client, &kms.ListKeysInput{})
	var all []thing
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, key := range page.Keys {
			out, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: key.KeyArn})
			if isDenied(err) {
				continue // it is none of ours, which every administrator may describe
			}
			if err != nil {
				return nil, err
			}
			if !r.isOurs(out.KeyMetadata.Description) || out.KeyMetadata.KeyState == kmstypes.KeyStatePendingDeletion {
				continue
			}
			all = append(all, thing{"KMS key " + aws.ToString(key.KeyArn), func(ctx context.Context) error {
				return second(client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{
					KeyId: key.KeyArn, PendingWindowInDays: aws.Int32(keyWindow),
				}))
			}})
		}
	}
	return all, nil
}
