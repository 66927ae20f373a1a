package main

import (
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// newStacks adds every stack of the account to the app: buckets in their region, the guard at home. For now all regions
// are us-east-1; oneRegion refuses others.
func newStacks(app awscdk.App, in input) {
	home := newStack(app, "icaguard-guard", in, "icaguard: IAM role, policy and OIDC provider for ICA, and the guard")
	created := slices.DeleteFunc(slices.Clone(in.baseline.Storages), func(s icaconfig.Storage) bool { return s.Bucket.Existing })
	if len(created) > 0 { // CloudFormation refuses a stack without resources
		storage := newStack(app, "icaguard-storage-"+in.baseline.HomeRegion, in, "icaguard: the S3 buckets that ICA uses")
		addBuckets(storage, created)
		home.AddStackDependency(storage, jsii.String("the guard looks at buckets that exist"))
	}
	addAccess(home, in.baseline)
	addGuard(home, in)
	addOutputs(home, in.baseline)
}

func newStack(app awscdk.App, name string, in input, description string) awscdk.Stack {
	stack := awscdk.NewStack(app, &name, &awscdk.StackProps{
		StackName:   &name,
		Description: &description,
		Env:         &awscdk.Environment{Account: &in.baseline.Account, Region: &in.baseline.HomeRegion},
		// The CDK command line checks the bootstrap version itself; without the rule, one template serves AWS and the
		// local AWS, which cannot evaluate rules.
		Synthesizer: awscdk.NewDefaultStackSynthesizer(&awscdk.DefaultStackSynthesizerProps{
			GenerateBootstrapVersionRule: jsii.Bool(false),
		}),
	})
	for _, key := range slices.Sorted(maps.Keys(in.baseline.Tags)) {
		awscdk.Tags_Of(stack).Add(&key, jsii.String(in.baseline.Tags[key]), nil)
	}
	return stack
}

// scope gives a storage, role or region a level of its own: below a level, CDK makes logical ids unique by a hash, so
// names that differ in punctuation only do not collide.
func scope(stack awscdk.Stack, name string) constructs.Construct {
	return constructs.NewConstruct(stack, &name)
}
