package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/jsii-runtime-go"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

type function struct {
	id, name    string
	timeout     float64 // seconds
	loops       bool    // it sends to the queue that starts it
	environment map[string]*string
	statements  []policy.Statement // all that it may do
}

func newFunction(stack awscdk.Stack, in input, f function) awslambda.Function {
	logs := awslogs.NewLogGroup(stack, jsii.String(f.id+"Logs"), &awslogs.LogGroupProps{
		LogGroupName:  jsii.String(logGroup(f.name)),
		Retention:     awslogs.RetentionDays_THREE_MONTHS,
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	return awslambda.NewFunction(stack, &f.id, &awslambda.FunctionProps{
		FunctionName: &f.name,
		Runtime:      awslambda.Runtime_PROVIDED_AL2023(),
		Architecture: architecture(in.goarch),
		Handler:      jsii.String("bootstrap"),
		Code:         awslambda.Code_FromAsset(jsii.String(filepath.Join(in.dist, strings.ToLower(f.id))), nil),
		Role:         newFunctionRole(stack, in.baseline, f),
		LogGroup:     logs,
		Timeout:      awscdk.Duration_Seconds(jsii.Number(f.timeout)),
		MemorySize:   jsii.Number(256),
		Environment:  &f.environment,
		// Lambda ends what it takes for a loop after 16 rounds. A check that waits goes more often: while a deploy defers it,
		// each minute, until the stack has settled; all else is bounded by its attempts.
		// https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
		RecursiveLoop: recursion(f.loops),
	})
}

func recursion(wanted bool) awslambda.RecursiveLoop {
	if wanted {
		return awslambda.RecursiveLoop_ALLOW
	}
	return awslambda.RecursiveLoop_TERMINATE
}

func logGroup(function string) string { return "/aws/lambda/" + function }

// newFunctionRole has the function's name, by which the guard knows its own calls in CloudTrail. What does not fit into
// its inline policy stands in managed policies.
func newFunctionRole(stack awscdk.Stack, b icaconfig.Baseline, f function) awsiam.Role {
	policies := packed(f.statements)
	role := awsiam.NewRole(stack, jsii.String(f.id+"Role"), &awsiam.RoleProps{
		RoleName: &f.name,
		// The account, as in AWS's own sample trust policy for Lambda. Whether Lambda names the function in aws:SourceArn here is
		// not documented alike, and without it the function could not start.
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), &awsiam.ServicePrincipalOpts{
			Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": b.Account}},
		}),
		InlinePolicies:      &map[string]awsiam.PolicyDocument{f.name: policyDocument(policies[0]...)},
		PermissionsBoundary: guardBoundary(stack, b, f.id),
	})
	for i, more := range policies[1:] {
		name := guard.FunctionPolicy(f.name, i+1)
		role.AddManagedPolicy(
			awsiam.NewManagedPolicy(stack, jsii.String(fmt.Sprintf("%sPolicy%d", f.id, i+1)), &awsiam.ManagedPolicyProps{
				ManagedPolicyName: &name, Document: policyDocument(more...),
			}),
		)
	}
	return role
}

// guardBoundary is the permissions boundary that ica.yaml asks for on icaguard's own roles; none where it names none.
func guardBoundary(stack awscdk.Stack, b icaconfig.Baseline, role string) awsiam.IManagedPolicy {
	if b.GuardBoundary == "" {
		return nil
	}
	return awsiam.ManagedPolicy_FromManagedPolicyArn(stack, jsii.String(role+"Boundary"), &b.GuardBoundary)
}

func architecture(goarch string) awslambda.Architecture {
	if goarch == "amd64" {
		return awslambda.Architecture_X86_64()
	}
	return awslambda.Architecture_ARM_64()
}
