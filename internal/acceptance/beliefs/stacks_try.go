package beliefs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/icaguard/icaguard/internal/acceptance/evidence"
	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// stackResource is one of a deployed stack of ours.
type stackResource struct{ kind, logical, physical, status string }

// deployed lists the resources of all stacks of the run.
func (l *lab) deployed(ctx context.Context) (all []stackResource, err error) {
	for _, stack := range l.Storage.Home.Stacks {
		out, err := cloudformation.NewFromConfig(l.Config(stack.Region)).DescribeStackResources(
			ctx, &cloudformation.DescribeStackResourcesInput{StackName: &stack.Name},
		)
		if err != nil {
			return nil, fmt.Errorf("stack %s: %w", stack.Name, err)
		}
		for _, r := range out.StackResources {
			all = append(all, stackResource{
				aws.ToString(r.ResourceType), aws.ToString(r.LogicalResourceId), aws.ToString(r.PhysicalResourceId),
				string(r.ResourceStatus),
			})
		}
	}
	return all, nil
}

// made is confirmed where the run's stacks have resources of these types, created or updated.
func made(types ...string) answer {
	return try(func(ctx context.Context, l *lab) (evidence.Answer, error) {
		resources, err := l.deployed(ctx)
		if err != nil {
			return evidence.Answer{}, err
		}
		var missing []string
		for _, kind := range types {
			if !slices.ContainsFunc(resources, func(r stackResource) bool {
				return r.kind == kind && (r.status == "CREATE_COMPLETE" || r.status == "UPDATE_COMPLETE")
			}) {
				missing = append(missing, kind)
			}
		}
		if len(missing) > 0 {
			return notSeen("the run's stacks have no %s", strings.Join(missing, ", ")), nil
		}
		return confirmed("the run's stacks have %s", strings.Join(types, ", ")), nil
	})
}

func trailBucketName(ctx context.Context, l *lab) (evidence.Answer, error) {
	resources, err := l.deployed(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	for _, r := range resources {
		if r.kind == "AWS::S3::Bucket" && strings.HasPrefix(r.logical, self.TrailBucket) {
			return trailBucketNamed(l.guardStack(), r.physical), nil
		}
	}
	return notSeen("the run's stacks have no bucket of a trail"), nil
}

func (l *lab) guardStack() string {
	for _, stack := range l.Storage.Home.Stacks {
		if stack.Kind == icaconfig.GuardStack {
			return stack.Name
		}
	}
	return ""
}

func trailBucketNamed(stack, bucket string) evidence.Answer {
	want := stack + "-" + strings.ToLower(self.TrailBucket)
	return holds(strings.HasPrefix(bucket, want), "it is named %s; believed: %s…", bucket, want)
}

// cdkRoleNames asks for the roles that cdk bootstrap made with the qualifier that it has unless told otherwise.
func cdkRoleNames(ctx context.Context, l *lab) (evidence.Answer, error) {
	var names []string
	for _, kind := range []string{"cfn-exec-role", "deploy-role"} {
		name := strings.Join([]string{"cdk-hnb659fds", kind, l.Account, l.Storage.Home.HomeRegion}, "-")
		if _, err := l.iam().GetRole(ctx, &iam.GetRoleInput{RoleName: &name}); err != nil {
			if awserr.Classify(err) == awserr.Gone {
				return notSeen("there is no role %s; the account may be bootstrapped with another qualifier", name), nil
			}
			return evidence.Answer{}, err
		}
		names = append(names, name)
	}
	return confirmed("%s", strings.Join(names, ", ")), nil
}

func noStackText(ctx context.Context, l *lab) (evidence.Answer, error) {
	_, err := l.cfn().DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: l.named("")})
	return holds(awserr.IsNoStack(err), "a stack that is not there: %s", allowed(err)), nil
}

// resolved reads the role's trust, where the template has a reference to the parameter with the session-name prefix. The
// prefix itself is told nobody.
func resolved(ctx context.Context, l *lab) (evidence.Answer, error) {
	out, err := l.iam().GetRole(ctx, &iam.GetRoleInput{RoleName: &l.Storage.Role.Name})
	if err != nil {
		return evidence.Answer{}, err
	}
	trust, err := url.QueryUnescape(aws.ToString(out.Role.AssumeRolePolicyDocument))
	return holds(!strings.Contains(trust, "{{resolve:"), "the trust of %s has a dynamic reference as text: %t",
		l.Storage.Role.Name, strings.Contains(trust, "{{resolve:")), err
}

// lifeCycle reads the events of the guard's stack.
func lifeCycle(ctx context.Context, l *lab) (evidence.Answer, error) {
	stack := l.guardStack()
	if stack == "" {
		return evidence.Answer{}, errors.New("the run has no stack")
	}
	out, err := l.cfn().DescribeStackEvents(ctx, &cloudformation.DescribeStackEventsInput{StackName: &stack})
	if err != nil {
		return evidence.Answer{}, err
	}
	for _, event := range out.StackEvents {
		if strings.HasSuffix(string(event.ResourceStatus), "_IN_PROGRESS") {
			return confirmed("%s was %s", aws.ToString(event.LogicalResourceId), event.ResourceStatus), nil
		}
	}
	return notSeen("no event of %s has a status IN_PROGRESS", stack), nil
}

// tableDrift makes a stack with a table that has a policy, changes that, and asks for drift: about two minutes.
func tableDrift(ctx context.Context, l *lab) (evidence.Answer, error) {
	if err := l.tableStack(ctx); err != nil {
		return evidence.Answer{}, err
	}
	if _, err := dynamodb.NewFromConfig(l.home()).PutResourcePolicy(ctx, &dynamodb.PutResourcePolicyInput{
		ResourceArn: aws.String(l.arn("dynamodb", "table/"+*l.named(""))), Policy: l.tablePolicy("dynamodb:DeleteItem"),
	}); err != nil {
		return evidence.Answer{}, err
	}
	var status types.StackResourceDriftStatus
	_, err := l.until(ctx, 20*time.Second, func() (bool, error) { // DynamoDB reads its policies eventually consistent
		out, err := l.cfn().DetectStackResourceDrift(ctx, &cloudformation.DetectStackResourceDriftInput{
			StackName: l.named(""), LogicalResourceId: aws.String("Table"),
		})
		if err == nil {
			status = out.StackResourceDrift.StackResourceDriftStatus
		}
		return status == types.StackResourceDriftStatusModified, err
	})
	return holds(status == types.StackResourceDriftStatusInSync, "a table whose policy was changed is %s", status), err
}

func (l *lab) tablePolicy(denied string) *string {
	return document(map[string]any{
		"Effect": "Deny", "Principal": "*", "Action": denied, "Resource": l.arn("dynamodb", "table/"+*l.named("")),
	})
}

func (l *lab) tableStack(ctx context.Context) error {
	name, c := l.named(""), l.cfn()
	template, err := json.Marshal(map[string]any{"Resources": map[string]any{"Table": map[string]any{
		"Type": "AWS::DynamoDB::Table", "Properties": map[string]any{
			"TableName": name, "BillingMode": "PAY_PER_REQUEST",
			"KeySchema":            []any{map[string]string{"AttributeName": "k", "KeyType": "HASH"}},
			"AttributeDefinitions": []any{map[string]string{"AttributeName": "k", "AttributeType": "S"}},
			"ResourcePolicy":       map[string]any{"PolicyDocument": json.RawMessage(*l.tablePolicy("dynamodb:PutItem"))},
		},
	}}})
	if err != nil {
		return err
	}
	if _, err := c.CreateStack(
		ctx, &cloudformation.CreateStackInput{StackName: name, TemplateBody: aws.String(string(template))},
	); err != nil {
		return err
	}
	l.later(func(ctx context.Context) error {
		if _, err := c.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: name}); err != nil {
			return err
		}
		gone := &cloudformation.DescribeStacksInput{StackName: name}
		return cloudformation.NewStackDeleteCompleteWaiter(c).Wait(ctx, gone, 5*time.Minute)
	})
	there := &cloudformation.DescribeStacksInput{StackName: name}
	return cloudformation.NewStackCreateCompleteWaiter(c).Wait(ctx, there, 5*time.Minute)
}

// stackNameARN asks for the guard's stack, for one that is not there and for one that no policy names.
func stackNameARN(ctx context.Context, l *lab) (evidence.Answer, error) {
	stack, none := l.guardStack(), *l.named("-none")
	caller, err := l.role(ctx, "", document(map[string]any{
		"Effect": "Allow", "Action": "cloudformation:DescribeStacks",
		"Resource": []string{l.arn("cloudformation", "stack/"+stack+"/*"), l.arn("cloudformation", "stack/"+none+"/*")},
	}))
	if err != nil {
		return evidence.Answer{}, err
	}
	session, err := l.session(ctx, caller)
	if err != nil {
		return evidence.Answer{}, err
	}
	describe := func(name string) error {
		return failed(cloudformation.NewFromConfig(session).DescribeStacks(
			ctx, &cloudformation.DescribeStacksInput{StackName: &name},
		))
	}
	var there error
	_, err = l.until(ctx, time.Minute, func() (bool, error) { there = describe(stack); return there == nil, nil })
	if other := describe(none + "-other"); err != nil || !denied(other) {
		return notSeen("a stack that no policy names: %s", allowed(other)), err
	}
	absent := describe(none)
	return holds(there == nil && awserr.IsNoStack(absent), "a stack: %s; one that is not there: %s", allowed(there),
		allowed(absent)), nil
}
