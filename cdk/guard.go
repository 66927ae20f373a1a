package main

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambdaeventsources"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/ledger"
)

const (
	functionTimeout = 30.0 // seconds; the engine keeps a reserve of it for reports
	// A message in work must not come back before the function could have finished: six times its timeout, as
	// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html asks for.
	visibilityTimeout = 6 * functionTimeout
	maxReceives       = 5
	batchSize         = 10
	maxConcurrency    = 2 // the least that SQS as an event source allows; looks are coalesced per batch
)

// addGuard creates the way from an event to a restore: rules, queue, functions, topic.
func addGuard(stack awscdk.Stack, in input) {
	settings, storages := guard.Settings(), in.baseline.Storages
	deadLetters := awssqs.NewQueue(stack, jsii.String("DeadLetters"), &awssqs.QueueProps{
		QueueName:       jsii.String(guard.DeadLetterQueue),
		Encryption:      awssqs.QueueEncryption_SQS_MANAGED,
		EnforceSSL:      jsii.Bool(true),
		RetentionPeriod: awscdk.Duration_Days(jsii.Number(14)),
	})
	queue := awssqs.NewQueue(stack, jsii.String("Looks"), &awssqs.QueueProps{
		QueueName:         jsii.String(guard.LookQueue),
		Encryption:        awssqs.QueueEncryption_SQS_MANAGED,
		EnforceSSL:        jsii.Bool(true),
		VisibilityTimeout: awscdk.Duration_Seconds(jsii.Number(visibilityTimeout)),
		DeadLetterQueue:   &awssqs.DeadLetterQueue{Queue: deadLetters, MaxReceiveCount: jsii.Number(maxReceives)},
	})
	topic := newTopic(stack, in.baseline.Emails)
	memory := newLedger(stack)
	addRules(stack, settings, queue, deadLetters)

	remediate := newFunction(stack, in, "Remediate", guard.RemediateFunction, map[string]*string{
		guard.EnvQueueURL: queue.QueueUrl(), guard.EnvDeadLetterURL: deadLetters.QueueUrl(), guard.EnvTopicARN: topic.TopicArn(),
	})
	allow(remediate, guard.ReadStatements(settings, storages)...)
	allow(remediate, guard.WriteStatements(settings, storages)...)
	queue.GrantSendMessages(remediate)
	deadLetters.GrantSendMessages(remediate)
	topic.GrantPublish(remediate)
	memory.Grant(remediate, jsii.String("dynamodb:PutItem"), jsii.String("dynamodb:GetItem"))
	remediate.AddEventSource(awslambdaeventsources.NewSqsEventSource(queue, &awslambdaeventsources.SqsEventSourceProps{
		BatchSize:               jsii.Number(batchSize),
		ReportBatchItemFailures: jsii.Bool(true),
		MaxConcurrency:          jsii.Number(maxConcurrency),
	}))

	validate := newFunction(stack, in, "Validate", guard.ValidateFunction, nil)
	allow(validate, guard.ReadStatements(settings, storages)...)
	memory.Grant(validate, jsii.String("dynamodb:GetItem"))
}

// newLedger creates the guard's memory. It holds what restores replaced, so it stays when the stack goes.
func newLedger(stack awscdk.Stack) awsdynamodb.Table {
	return awsdynamodb.NewTable(stack, jsii.String("Ledger"), &awsdynamodb.TableProps{
		TableName:    jsii.String(guard.LedgerTable),
		PartitionKey: &awsdynamodb.Attribute{Name: jsii.String(ledger.PartitionKey), Type: awsdynamodb.AttributeType_STRING},
		SortKey:      &awsdynamodb.Attribute{Name: jsii.String(ledger.SortKey), Type: awsdynamodb.AttributeType_STRING},
		BillingMode:  awsdynamodb.BillingMode_PAY_PER_REQUEST,
		Encryption:   awsdynamodb.TableEncryption_AWS_MANAGED,
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
		},
		RemovalPolicy: awscdk.RemovalPolicy_RETAIN_ON_UPDATE_OR_DELETE,
	})
}

// newTopic has no encryption key: the managed key alias/aws/sns keeps AWS services from publishing, and notices hold
// names and differences, never data.
func newTopic(stack awscdk.Stack, emails []string) awssns.Topic {
	topic := awssns.NewTopic(stack, jsii.String("Alerts"), &awssns.TopicProps{
		TopicName:  jsii.String(guard.AlertTopic),
		EnforceSSL: jsii.Bool(true),
	})
	for _, address := range emails {
		topic.AddSubscription(awssnssubscriptions.NewEmailSubscription(&address, nil))
	}
	return topic
}

// addRules hears each source of the table with one rule. Failed calls changed nothing and are not delivered.
func addRules(stack awscdk.Stack, settings []guard.Setting, queue, deadLetters awssqs.Queue) {
	sources := guard.Sources(settings)
	for _, source := range slices.Sorted(maps.Keys(sources)) {
		service := strings.TrimPrefix(source, "aws.")
		awsevents.NewRule(stack, jsii.String("Hear-"+service), &awsevents.RuleProps{
			RuleName:    jsii.String("icaguard-hear-" + service),
			Description: jsii.String("Changes to what ICA needs of " + service),
			EventPattern: &awsevents.EventPattern{
				Source:     jsii.Strings(source),
				DetailType: jsii.Strings("AWS API Call via CloudTrail", "AWS Service Event via CloudTrail"),
				Detail: &map[string]any{
					"eventName": sources[source],
					"errorCode": []any{map[string]bool{"exists": false}},
				},
			},
			Targets: &[]awsevents.IRuleTarget{
				awseventstargets.NewSqsQueue(queue, &awseventstargets.SqsQueueProps{DeadLetterQueue: deadLetters}),
			},
		})
	}
}

// newFunction creates a function with a role of its own that may only write its log; role and function have one name,
// by which the guard knows its own calls in CloudTrail.
func newFunction(stack awscdk.Stack, in input, id, name string, environment map[string]*string) awslambda.Function {
	logs := awslogs.NewLogGroup(stack, jsii.String(id+"Logs"), &awslogs.LogGroupProps{
		LogGroupName:  jsii.String("/aws/lambda/" + name),
		Retention:     awslogs.RetentionDays_THREE_MONTHS,
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	role := awsiam.NewRole(stack, jsii.String(id+"Role"), &awsiam.RoleProps{
		RoleName:  &name,
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
	})
	logs.GrantWrite(role)
	return awslambda.NewFunction(stack, jsii.String(id), &awslambda.FunctionProps{
		FunctionName: &name,
		Runtime:      awslambda.Runtime_PROVIDED_AL2023(),
		Architecture: architecture(in.goarch),
		Handler:      jsii.String("bootstrap"),
		Code:         awslambda.Code_FromAsset(jsii.String(filepath.Join(in.dist, strings.ToLower(id))), nil),
		Role:         role,
		LogGroup:     logs,
		Timeout:      awscdk.Duration_Seconds(jsii.Number(functionTimeout)),
		MemorySize:   jsii.Number(256),
		Environment:  &environment,
	})
}

func architecture(goarch string) awslambda.Architecture {
	if goarch == "amd64" {
		return awslambda.Architecture_X86_64()
	}
	return awslambda.Architecture_ARM_64()
}

func allow(function awslambda.Function, statements ...guard.Statement) {
	for _, s := range statements {
		props := &awsiam.PolicyStatementProps{Actions: jsii.Strings(s.Actions...), Resources: jsii.Strings(s.Resources...)}
		if len(s.Condition) > 0 {
			conditions := map[string]any{}
			for operator, values := range s.Condition {
				conditions[operator] = values
			}
			props.Conditions = &conditions
		}
		function.AddToRolePolicy(awsiam.NewPolicyStatement(props))
	}
}
