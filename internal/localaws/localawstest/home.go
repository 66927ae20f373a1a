package localawstest

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/icaguard/icaguard/internal/localaws"
)

// Home is the guard itself, as plain data, since the guard's own tests use this too: what its stacks make.
type Home struct {
	Regions                                 []string // with a dead-letter queue, home first
	Queue, DeadLetters, Topic, Table, Trail string
	PartitionKey, SortKey                   string   // of the table
	Functions                               []string // each with a role of its name; the first reads the queue
	Roles                                   []string // further ones
	Emails                                  []string // subscribed and confirmed
	Rules                                   []Rule
	Policies                                map[string]string // of queues, topic and table, by ARN
}

// Rule is an EventBridge rule.
type Rule struct {
	Name, Region     string
	Pattern          map[string]any
	Schedule         string
	TargetARN, Input string
	RoleARN          string // that lets the rule put events on another bus
}

// homemaker makes a home past the recorder: a deploy is no stranger's doing.
type homemaker struct {
	t     testing.TB
	local *localaws.AWS
	Home
}

// Make makes it by the SDK as it is deployed, whatever is there of it; parts make only some of it.
func (h Home) Make(t testing.TB, local *localaws.AWS, parts ...string) {
	t.Helper()
	m := homemaker{t, local, h}
	for _, part := range []struct {
		name string
		make func()
	}{
		{"queues", m.makeQueues},
		{"roles", m.makeRoles},
		{"functions", m.makeFunctions},
		{"topic", m.makeTopic},
		{"table", m.makeTable},
		{"trail", m.makeTrail},
		{"rules", m.makeRules},
	} {
		if len(parts) == 0 || slices.Contains(parts, part.name) {
			part.make()
		}
	}
}

func (m homemaker) must(_ any, err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m homemaker) at(region string) aws.Config { return m.local.DirectConfig(region) }

func (m homemaker) home() aws.Config { return m.at(m.Regions[0]) }

func (m homemaker) queueARN(region, name string) string {
	return "arn:aws:sqs:" + region + ":" + m.local.Account() + ":" + name
}

func (m homemaker) makeQueues() {
	m.t.Helper()
	for _, region := range m.Regions {
		m.makeQueue(region, m.DeadLetters, map[string]string{})
	}
	m.makeQueue(m.Regions[0], m.Queue, map[string]string{
		"RedrivePolicy": `{"deadLetterTargetArn":"` + m.queueARN(m.Regions[0], m.DeadLetters) + `","maxReceiveCount":"5"}`,
	})
}

func (m homemaker) makeQueue(region, name string, attributes map[string]string) {
	m.t.Helper()
	client := sqs.NewFromConfig(m.at(region))
	if text, ok := m.Policies[m.queueARN(region, name)]; ok {
		attributes["Policy"] = text
	}
	if old, err := client.GetQueueUrl(m.t.Context(), &sqs.GetQueueUrlInput{QueueName: &name}); err == nil {
		m.must(client.DeleteQueue(m.t.Context(), &sqs.DeleteQueueInput{QueueUrl: old.QueueUrl}))
	}
	m.must(client.CreateQueue(m.t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes}))
}

func (m homemaker) makeRoles() {
	m.t.Helper()
	for _, name := range slices.Concat(m.Functions, m.Roles) {
		m.makeRole(name)
	}
}

func (m homemaker) makeRole(name string) {
	m.t.Helper()
	_, err := iam.NewFromConfig(m.home()).CreateRole(
		m.t.Context(),
		&iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
		)},
	)
	var exists *iamtypes.EntityAlreadyExistsException
	if !errors.As(err, &exists) {
		m.must(nil, err)
	}
}

func (m homemaker) makeFunctions() {
	m.t.Helper()
	client := lambda.NewFromConfig(m.home())
	var code bytes.Buffer
	m.must(nil, zip.NewWriter(&code).Close())
	mappings, err := client.ListEventSourceMappings(m.t.Context(), &lambda.ListEventSourceMappingsInput{})
	m.must(mappings, err)
	for _, mapping := range mappings.EventSourceMappings {
		m.must(client.DeleteEventSourceMapping(m.t.Context(), &lambda.DeleteEventSourceMappingInput{UUID: mapping.UUID}))
	}
	for _, name := range m.Functions {
		_, _ = client.DeleteFunction(m.t.Context(), &lambda.DeleteFunctionInput{FunctionName: &name}) // if it is there
		m.must(client.CreateFunction(m.t.Context(), &lambda.CreateFunctionInput{
			FunctionName: &name,
			Role:         aws.String("arn:aws:iam::" + m.local.Account() + ":role/" + name),
			Runtime:      lambdatypes.RuntimeProvidedal2023,
			Handler:      aws.String("bootstrap"),
			Code:         &lambdatypes.FunctionCode{ZipFile: code.Bytes()},
		}))
	}
	m.must(client.CreateEventSourceMapping(m.t.Context(), &lambda.CreateEventSourceMappingInput{
		FunctionName: &m.Functions[0], EventSourceArn: aws.String(m.queueARN(m.Regions[0], m.Queue)),
	}))
	m.must(client.PutFunctionRecursionConfig(m.t.Context(), &lambda.PutFunctionRecursionConfigInput{
		FunctionName: &m.Functions[0], RecursiveLoop: lambdatypes.RecursiveLoopAllow,
	}))
	m.must(client.PutFunctionEventInvokeConfig(m.t.Context(), &lambda.PutFunctionEventInvokeConfigInput{
		FunctionName: &m.Functions[1], MaximumRetryAttempts: aws.Int32(1), DestinationConfig: &lambdatypes.DestinationConfig{
			OnFailure: &lambdatypes.OnFailure{Destination: aws.String(m.queueARN(m.Regions[0], m.DeadLetters))},
		},
	}))
}

func (m homemaker) makeTopic() {
	m.t.Helper()
	client := sns.NewFromConfig(m.home())
	arn := "arn:aws:sns:" + m.Regions[0] + ":" + m.local.Account() + ":" + m.Topic
	m.must(client.DeleteTopic(m.t.Context(), &sns.DeleteTopicInput{TopicArn: &arn}))
	topic, err := client.CreateTopic(m.t.Context(), &sns.CreateTopicInput{Name: &m.Topic})
	m.must(topic, err)
	if text, ok := m.Policies[arn]; ok {
		m.must(client.SetTopicAttributes(m.t.Context(), &sns.SetTopicAttributesInput{
			TopicArn: &arn, AttributeName: aws.String("Policy"), AttributeValue: &text,
		}))
	}
	for _, address := range m.Emails {
		m.must(
			client.Subscribe(
				m.t.Context(), &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("email"), Endpoint: &address},
			),
		)
		m.must(client.ConfirmSubscription(m.t.Context(), &sns.ConfirmSubscriptionInput{TopicArn: topic.TopicArn, Token: &address}))
	}
}

func (m homemaker) makeTable() {
	m.t.Helper()
	client := dynamodb.NewFromConfig(m.home())
	unprotected := &dynamodb.UpdateTableInput{TableName: &m.Table, DeletionProtectionEnabled: aws.Bool(false)}
	_, _ = client.UpdateTable(m.t.Context(), unprotected)
	_, _ = client.DeleteTable(m.t.Context(), &dynamodb.DeleteTableInput{TableName: &m.Table}) // if it is there
	m.must(client.CreateTable(m.t.Context(), &dynamodb.CreateTableInput{
		TableName: &m.Table, BillingMode: ddbtypes.BillingModePayPerRequest, DeletionProtectionEnabled: aws.Bool(true),
		KeySchema: []ddbtypes.KeySchemaElement{
			{AttributeName: &m.PartitionKey, KeyType: ddbtypes.KeyTypeHash}, {AttributeName: &m.SortKey, KeyType: ddbtypes.KeyTypeRange},
		},
		AttributeDefinitions: []ddbtypes.AttributeDefinition{
			{
				AttributeName: &m.PartitionKey,
				AttributeType: ddbtypes.ScalarAttributeTypeS,
			},
			{AttributeName: &m.SortKey, AttributeType: ddbtypes.ScalarAttributeTypeS},
		},
	}))
	m.must(client.UpdateContinuousBackups(m.t.Context(), &dynamodb.UpdateContinuousBackupsInput{
		TableName:                        &m.Table,
		PointInTimeRecoverySpecification: &ddbtypes.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)},
	}))
	arn := "arn:aws:dynamodb:" + m.Regions[0] + ":" + m.local.Account() + ":table/" + m.Table
	if text, ok := m.Policies[arn]; ok {
		m.must(client.PutResourcePolicy(m.t.Context(), &dynamodb.PutResourcePolicyInput{ResourceArn: &arn, Policy: &text}))
	}
}

// makeTrail makes the one trail of the account.
func (m homemaker) makeTrail() {
	m.t.Helper()
	for _, region := range m.Regions {
		client := cloudtrail.NewFromConfig(m.at(region))
		old, err := client.DescribeTrails(m.t.Context(), &cloudtrail.DescribeTrailsInput{IncludeShadowTrails: aws.Bool(false)})
		m.must(old, err)
		for _, trail := range old.TrailList {
			m.must(client.DeleteTrail(m.t.Context(), &cloudtrail.DeleteTrailInput{Name: trail.Name}))
		}
	}
	bucket := m.Trail + "-trail"
	create := &s3.CreateBucketInput{Bucket: &bucket}
	if region := m.Regions[0]; region != "us-east-1" {
		create.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(region)}
	}
	_, _ = s3.NewFromConfig(m.home(), func(o *s3.Options) { o.UsePathStyle = true }).CreateBucket(
		m.t.Context(), create,
	) // if it is not there
	client := cloudtrail.NewFromConfig(m.home())
	m.must(
		client.CreateTrail(
			m.t.Context(), &cloudtrail.CreateTrailInput{Name: &m.Trail, S3BucketName: &bucket, IsMultiRegionTrail: aws.Bool(true)},
		),
	)
	m.must(client.StartLogging(m.t.Context(), &cloudtrail.StartLoggingInput{Name: &m.Trail}))
}

func (m homemaker) makeRules() {
	m.t.Helper()
	for _, rule := range m.Rules {
		m.makeRule(rule)
	}
}

func (m homemaker) makeRule(r Rule) {
	m.t.Helper()
	client, put := eventbridge.NewFromConfig(m.at(r.Region)), &eventbridge.PutRuleInput{Name: &r.Name}
	if r.Schedule != "" {
		put.ScheduleExpression = &r.Schedule
	} else {
		pattern, err := json.Marshal(r.Pattern)
		m.must(pattern, err)
		put.EventPattern = aws.String(string(pattern))
	}
	m.must(client.PutRule(m.t.Context(), put))
	old, err := client.ListTargetsByRule(m.t.Context(), &eventbridge.ListTargetsByRuleInput{Rule: &r.Name})
	m.must(old, err)
	for _, target := range old.Targets {
		m.must(client.RemoveTargets(m.t.Context(), &eventbridge.RemoveTargetsInput{Rule: &r.Name, Ids: []string{*target.Id}}))
	}
	target := ebtypes.Target{Id: aws.String("Target0"), Arn: &r.TargetARN}
	if r.Input != "" {
		target.Input = &r.Input
	}
	if r.RoleARN != "" {
		target.RoleArn = &r.RoleARN
	}
	m.must(client.PutTargets(m.t.Context(), &eventbridge.PutTargetsInput{Rule: &r.Name, Targets: []ebtypes.Target{target}}))
}
