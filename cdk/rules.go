package main

import (
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// addRelay lets what happens in another region reach the guard: rules, the role by which they put events on the home
// bus, and the queue of what they could not put there. Nothing alarms on that queue: it fills when the way home is
// broken, so validate checks it.
func addRelay(stack awscdk.Stack, b icaconfig.Baseline, region string) {
	if region == b.HomeRegion {
		return // at home the guard stack receives the events
	}
	rules := rulesIn(b, region)
	role := newRelayRole(stack, b, region, rules)
	deadLetters := newDeadLetters(stack, b, region)
	for _, rule := range rules {
		newRule(stack, rule, deadLetters, role.RoleArn()).Node().AddDependency(deadLetters)
	}
}

// newRelayRole is a role that these rules alone can take, to put events where they point.
func newRelayRole(stack awscdk.Stack, b icaconfig.Baseline, region string, rules []self.Rule) awsiam.Role {
	put := policy.Statement{Effect: "Allow", Action: policy.Values{"events:PutEvents"}}
	for _, rule := range rules {
		if !slices.Contains(put.Resource, rule.Target) {
			put.Resource = append(put.Resource, rule.Target)
		}
	}
	return awsiam.NewRole(stack, jsii.String("RelayRole"), &awsiam.RoleProps{
		RoleName:    jsii.String(guard.RelayRole + region),
		Description: jsii.String("Lets icaguard's rules in " + region + " put events on the event bus in " + b.HomeRegion),
		// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-conditions.html: the source is the rule.
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("events.amazonaws.com"), &awsiam.ServicePrincipalOpts{
			Conditions: conditions(self.InNameOf(b.Home, rules)),
		}),
		InlinePolicies:      &map[string]awsiam.PolicyDocument{"relay": policyDocument(put)},
		PermissionsBoundary: guardBoundary(stack, b, "Relay"),
	})
}

func rulesIn(b icaconfig.Baseline, region string) []self.Rule {
	return slices.DeleteFunc(self.Rules(self.AllRows(), b.Home), func(r self.Rule) bool { return r.Region != region })
}

// newRule is a plain CfnRule: the L2 cannot carry every pattern, and would write one statement for each rule into the
// queues' policies.
// A target that takes no policy of its own is reached by a role.
func newRule(stack awscdk.Stack, rule self.Rule, deadLetters awssqs.Queue, role *string) awsevents.CfnRule {
	target := &awsevents.CfnRule_TargetProperty{
		Id:               jsii.String("target"),
		Arn:              &rule.Target,
		RoleArn:          role,
		DeadLetterConfig: deadLetterConfig(deadLetters),
	}
	return awsevents.NewCfnRule(scope(stack, "rule", rule.Name), jsii.String("Rule"), &awsevents.CfnRuleProps{
		Name:         &rule.Name,
		Description:  jsii.String("Delivers changes to icaguard"),
		EventPattern: plain(rule.Pattern),
		State:        jsii.String("ENABLED"),
		Targets:      []any{target},
	})
}

func deadLetterConfig(queue awssqs.Queue) *awsevents.CfnRule_DeadLetterConfigProperty {
	return &awsevents.CfnRule_DeadLetterConfigProperty{Arn: queue.QueueArn()}
}

// newDeadLetters creates the queue for what could not be delivered: a rule's has to stand in the rule's region.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
func newDeadLetters(stack awscdk.Stack, b icaconfig.Baseline, region string) awssqs.Queue {
	queue := awssqs.NewQueue(stack, jsii.String("DeadLetters"), &awssqs.QueueProps{
		QueueName:       jsii.String(guard.DeadLetterQueue),
		Encryption:      awssqs.QueueEncryption_SQS_MANAGED, // EventBridge cannot send to a queue with alias/aws/sqs
		RetentionPeriod: awscdk.Duration_Days(jsii.Number(14)),
	})
	for _, s := range self.Policies(b.Home)[b.ARN("sqs", region, guard.DeadLetterQueue)] {
		queue.AddToResourcePolicy(statement(s))
	}
	return queue
}
