package main

import (
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// newStacks adds every stack of the account to the app: buckets and rules in their regions, the guard at home. The
// guard's stack comes last, so that the guard checks what exists, and goes first when all is destroyed, so that it
// restores nothing that is on its way out.
func newStacks(app awscdk.App, in input) error {
	if err := checkLimits(in.baseline); err != nil {
		return err
	}
	var before []awscdk.Stack
	for _, s := range in.baseline.Stacks {
		stack := newStack(app, s, in)
		switch s.Kind {
		case icaconfig.StorageStack:
			addBuckets(stack, created(in.baseline, s.Region))
			addRelay(stack, in.baseline, s.Region)
		case icaconfig.RelayStack:
			addRelay(stack, in.baseline, s.Region)
		case icaconfig.GuardStack:
			addAccess(stack, in.baseline)
			addGuard(stack, in)
			for _, other := range before {
				stack.AddStackDependency(other, jsii.String("the guard checks buckets that exist, and gets events by rules that exist"))
			}
		}
		before = append(before, stack)
	}
	return nil
}

// created lists the storages of a region whose buckets are ours to create.
func created(b icaconfig.Baseline, region string) []icaconfig.Storage {
	return slices.DeleteFunc(
		slices.Clone(b.Storages), func(s icaconfig.Storage) bool { return s.Bucket.Existing || s.Region.AWS != region },
	)
}

func newStack(app awscdk.App, s icaconfig.Stack, in input) awscdk.Stack {
	stack := awscdk.NewStack(app, &s.Name, &awscdk.StackProps{
		StackName:             &s.Name,
		Description:           jsii.String(describe(s.Kind)),
		Env:                   &awscdk.Environment{Account: &in.baseline.Account, Region: &s.Region},
		TerminationProtection: jsii.Bool(true),
		// The CDK command line checks the bootstrap version itself; without the rule, one template serves AWS and the
		// local AWS, which cannot evaluate rules.
		Synthesizer: awscdk.NewDefaultStackSynthesizer(&awscdk.DefaultStackSynthesizerProps{
			GenerateBootstrapVersionRule: jsii.Bool(false),
		}),
	})
	for _, key := range slices.Sorted(maps.Keys(in.baseline.Tags)) {
		awscdk.Tags_Of(stack).Add(&key, jsii.String(in.baseline.Tags[key]), nil)
	}
	output(
		stack, icaconfig.DigestOutput, in.baseline.Digest,
		"says which ica.yaml is deployed: the guard restores nothing while another is",
	)
	return stack
}

func describe(kind icaconfig.StackKind) string {
	switch kind {
	case icaconfig.StorageStack:
		return "icaguard: the S3 buckets that ICA uses in this region, and the rules that report changes here"
	case icaconfig.RelayStack:
		return "icaguard: the rules that report changes to IAM, whose events appear in this region only"
	case icaconfig.GuardStack:
		return "icaguard: IAM role, policy and OIDC provider for ICA, and the guard"
	}
	panic("cdk: no description of stack kind " + string(kind))
}

// scope gives a storage, role or region a level of its own: below a level, CDK makes logical ids unique by a hash, so
// names that differ in punctuation only do not collide. The kind keeps a role named US apart from the region.
func scope(stack awscdk.Stack, kind, name string) constructs.Construct {
	return constructs.NewConstruct(stack, jsii.String(kind+" "+name))
}
