package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/ledger"
)

const (
	remediateTimeout = 30.0  // seconds; the engine keeps a reserve of it for reports, and posts again what it does not reach
	validateTimeout  = 300.0 // an audit of the largest configuration that fits; nobody waits behind it
	// A message in work must not come back before the function could have finished: six times its timeout, as
	// https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html asks for.
	visibilityTimeout = 6 * remediateTimeout
	maxReceives       = 5
	batchSize         = 10
	maxConcurrency    = 2 // the least that SQS as an event source allows; requests are coalesced per batch
)

// addGuard creates the way from an event to a restore: rules, queue, functions, topic.
func addGuard(stack awscdk.Stack, in input) {
	b := in.baseline
	topic := newTopic(stack, b)
	newLedger(stack, b)
	deadLetters, queue := addQueues(stack, b)
	addRemediate(stack, in, queue, deadLetters, topic)
	validate := addValidate(stack, in, queue, deadLetters, topic)
	addValidateRules(stack, b, validate, deadLetters)
	if b.CreateTrail {
		addTrail(stack, b)
	}
	addAlarms(stack, b, topic)
	addDashboard(stack, b)
	addOutputs(stack, b, *topic.TopicArn())
}

// addQueues creates the queue of requests with the rules that put events on it, and the queue of what could not be handled.
func addQueues(stack awscdk.Stack, b icaconfig.Baseline) (deadLetters, requests awssqs.Queue) {
	rules := rulesIn(b, b.HomeRegion)
	deadLetters = newDeadLetters(stack, b, b.HomeRegion)
	requests = awssqs.NewQueue(stack, jsii.String("Requests"), &awssqs.QueueProps{
		QueueName:         jsii.String(guard.RequestQueue),
		Encryption:        awssqs.QueueEncryption_SQS_MANAGED,
		VisibilityTimeout: awscdk.Duration_Seconds(jsii.Number(visibilityTimeout)),
		RetentionPeriod:   awscdk.Duration_Days(jsii.Number(4)), // AWS's default; less than that of dead letters, which keep their age
		DeadLetterQueue:   &awssqs.DeadLetterQueue{Queue: deadLetters, MaxReceiveCount: jsii.Number(maxReceives)},
	})
	for _, s := range self.Policies(b.Home)[b.ARN("sqs", b.HomeRegion, guard.RequestQueue)] {
		requests.AddToResourcePolicy(statement(s))
	}
	for _, rule := range rules {
		newRule(stack, rule, deadLetters, nil).Node().AddDependency(
			requests, deadLetters,
		) // with their policies: nothing is lost meanwhile
	}
	return deadLetters, requests
}

func addRemediate(stack awscdk.Stack, in input, queue, deadLetters awssqs.Queue, topic awssns.Topic) {
	remediate := newFunction(stack, in, function{
		id:         "Remediate",
		name:       guard.RemediateFunction,
		timeout:    remediateTimeout,
		loops:      true,
		statements: remediateStatements(in.baseline),
		environment: map[string]*string{
			guard.EnvQueueURL: queue.QueueUrl(), guard.EnvDeadLetterURL: deadLetters.QueueUrl(), guard.EnvTopicARN: topic.TopicArn(),
		},
	})
	awslambda.NewEventSourceMapping(stack, jsii.String("FromRequests"), &awslambda.EventSourceMappingProps{
		Target:                  remediate,
		EventSourceArn:          queue.QueueArn(),
		BatchSize:               jsii.Number(batchSize),
		ReportBatchItemFailures: jsii.Bool(true),
		MaxConcurrency:          jsii.Number(maxConcurrency),
	})
}

func addValidate(stack awscdk.Stack, in input, queue, deadLetters awssqs.Queue, topic awssns.Topic) awslambda.Function {
	validate := newFunction(stack, in, function{
		id: "Validate", name: guard.ValidateFunction, timeout: validateTimeout, statements: validateStatements(in.baseline),
		environment: map[string]*string{guard.EnvQueueURL: queue.QueueUrl(), guard.EnvTopicARN: topic.TopicArn()},
	})
	// Invocations by a rule are asynchronous: Lambda itself tries again and sends what fails to the dead-letter queue.
	awslambda.NewCfnEventInvokeConfig(stack, jsii.String("ValidateRetries"), &awslambda.CfnEventInvokeConfigProps{
		FunctionName: validate.FunctionName(), Qualifier: jsii.String("$LATEST"), MaximumRetryAttempts: jsii.Number(self.AuditRetries),
		DestinationConfig: &awslambda.CfnEventInvokeConfig_DestinationConfigProperty{
			OnFailure: &awslambda.CfnEventInvokeConfig_OnFailureProperty{Destination: deadLetters.QueueArn()},
		},
	})
	return validate
}

// newLedger creates the ledger. It holds what restores replaced, so it stays when the stack goes.
func newLedger(stack awscdk.Stack, b icaconfig.Baseline) {
	awsdynamodb.NewTable(stack, jsii.String("Ledger"), &awsdynamodb.TableProps{
		TableName:    jsii.String(guard.LedgerTable),
		PartitionKey: &awsdynamodb.Attribute{Name: jsii.String(ledger.PartitionKey), Type: awsdynamodb.AttributeType_STRING},
		SortKey:      &awsdynamodb.Attribute{Name: jsii.String(ledger.SortKey), Type: awsdynamodb.AttributeType_STRING},
		BillingMode:  awsdynamodb.BillingMode_PAY_PER_REQUEST,
		Encryption:   awsdynamodb.TableEncryption_AWS_MANAGED,
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
		},
		DeletionProtection: jsii.Bool(true),
		ResourcePolicy:     policyDocument(self.Policies(b.Home)[b.ARN("dynamodb", b.HomeRegion, "table/"+guard.LedgerTable)]...),
		RemovalPolicy:      awscdk.RemovalPolicy_RETAIN_ON_UPDATE_OR_DELETE,
	})
}

// newTopic has no encryption key: the managed key alias/aws/sns keeps AWS services from publishing, and notices hold
// names and differences, never data.
func newTopic(stack awscdk.Stack, b icaconfig.Baseline) awssns.Topic {
	topic := awssns.NewTopic(stack, jsii.String("Alerts"), &awssns.TopicProps{TopicName: jsii.String(guard.AlertTopic)})
	for _, s := range self.Policies(b.Home)[b.ARN("sns", b.HomeRegion, guard.AlertTopic)] {
		topic.AddToResourcePolicy(statement(s))
	}
	for _, address := range b.Emails {
		topic.AddSubscription(awssnssubscriptions.NewEmailSubscription(&address, nil))
	}
	return topic
}
