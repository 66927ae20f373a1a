package localaws_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	cttypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// call is one SDK operation and what the recorder makes of it.
type call struct {
	operation  string // event: the same, if it changes something
	event      string // where CloudTrail's name differs
	parameters string // requestParameters as JSON; empty: not checked
	do         func(context.Context) error
}

const (
	read  = "-" // the event of a call that has none
	queue = "http://127.0.0.1/123456789012/guard"
)

// The services that the guard's own resources live in.
func TestCallsOnTheGuardsOwnResources(t *testing.T) {
	b := newEnv(t)
	for service, calls := range map[string][]call{
		"events": b.eventsCalls(), "sqs": b.sqsCalls(t), "sns": b.snsCalls(), "lambda": b.lambdaCalls(t),
		"cloudtrail": b.cloudTrailCalls(t), "dynamodb": b.dynamoDBCalls(), "cloudformation": b.cloudFormationCalls(),
	} {
		for _, call := range calls {
			t.Run(service+" "+call.operation, func(t *testing.T) { b.checkCall(t, service, call) })
		}
	}
}

func (b *env) checkCall(t *testing.T, service string, call call) {
	t.Helper()
	b.take()
	b.Recorder().ResetCalls()
	if err := call.do(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := b.Recorder().Calls()[0]
	equal(t, "operation", seen.Service+" "+seen.Operation, service+" "+call.operation)
	action := service + ":" + call.operation
	switch call.operation {
	case "Invoke":
		action = "lambda:InvokeFunction"
	case "SendMessageBatch", "DeleteMessageBatch", "ChangeMessageVisibilityBatch":
		action = strings.TrimSuffix(action, "Batch")
	}
	equal(t, "action", seen.Action, action)
	events := b.take()
	if call.event == read {
		equal(t, "events", len(events), 0)
		return
	}
	if len(events) != 1 {
		t.Fatalf("events %v", names(events))
	}
	want := call.event
	if want == "" {
		want = call.operation
	}
	equal(t, "event", events[0].Source+" "+events[0].Detail.EventName, "aws."+service+" "+want)
	equal(t, "event source", events[0].Detail.EventSource, service+".amazonaws.com")
	equal(t, "region", events[0].Region, "us-east-1")
	if call.parameters != "" {
		content, err := json.Marshal(events[0].Detail.RequestParameters)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "parameters", string(content), strings.ReplaceAll(call.parameters, "\t", ""))
	}
}

func done[Out any](_ Out, err error) error { return err }

func (b *env) eventsCalls() []call {
	client, rule := eventbridge.NewFromConfig(b.Config("us-east-1", personKey)), aws.String("guard")
	return []call{
		{
			"PutRule",
			"",
			`{"eventPattern":"{\"source\":[\"aws.none\"]}","name":"guard","state":"ENABLED"}`,
			func(ctx context.Context) error {
				return done(
					client.PutRule(
						ctx,
						&eventbridge.PutRuleInput{Name: rule, EventPattern: aws.String(`{"source":["aws.none"]}`), State: ebtypes.RuleStateEnabled},
					),
				)
			},
		},
		{
			"PutTargets",
			"",
			`{"rule":"guard","targets":[{"arn":"arn:aws:sqs:us-east-1:123456789012:guard","id":"queue"}]}`,
			func(ctx context.Context) error {
				return done(client.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: rule, Targets: []ebtypes.Target{
					{Id: aws.String("queue"), Arn: aws.String("arn:aws:sqs:us-east-1:123456789012:guard")},
				}}))
			},
		},
		{"DescribeRule", read, "", func(ctx context.Context) error {
			return done(client.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: rule}))
		}},
		{"PutEvents", read, "", func(ctx context.Context) error {
			return done(client.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{
				{Source: aws.String("lab"), DetailType: aws.String("x"), Detail: aws.String("{}")},
			}}))
		}},
		{"DisableRule", "", `{"name":"guard"}`, func(ctx context.Context) error {
			return done(client.DisableRule(ctx, &eventbridge.DisableRuleInput{Name: rule}))
		}},
		{"EnableRule", "", `{"name":"guard"}`, func(ctx context.Context) error {
			return done(client.EnableRule(ctx, &eventbridge.EnableRuleInput{Name: rule}))
		}},
		{"RemoveTargets", "", `{"ids":["queue"],"rule":"guard"}`, func(ctx context.Context) error {
			return done(client.RemoveTargets(ctx, &eventbridge.RemoveTargetsInput{Rule: rule, Ids: []string{"queue"}}))
		}},
		{"DeleteRule", "", `{"name":"guard"}`, func(ctx context.Context) error {
			return done(client.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: rule}))
		}},
	}
}

func (b *env) sqsCalls(t *testing.T) []call {
	t.Helper()
	client, url := sqs.NewFromConfig(b.Config("us-east-1", personKey)), aws.String(queue)
	return []call{
		{"CreateQueue", "", `{"queueName":"guard"}`, func(ctx context.Context) error {
			return done(client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("guard")}))
		}},
		{
			"SetQueueAttributes",
			"",
			`{"attributes":{"VisibilityTimeout":"30"},"queueUrl":"` + queue + `"}`,
			func(ctx context.Context) error {
				return done(
					client.SetQueueAttributes(
						ctx, &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: map[string]string{"VisibilityTimeout": "30"}},
					),
				)
			},
		},
		{"GetQueueAttributes", read, "", func(ctx context.Context) error {
			return done(client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: url}))
		}},
		{"SendMessage", read, "", func(ctx context.Context) error {
			return done(client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x")}))
		}},
		{"SendMessageBatch", read, "", func(ctx context.Context) error {
			return done(client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{
				QueueUrl: url, Entries: []sqstypes.SendMessageBatchRequestEntry{{Id: aws.String("0"), MessageBody: aws.String("x")}},
			}))
		}},
		{"ChangeMessageVisibilityBatch", read, "", func(ctx context.Context) error {
			return done(client.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{
				QueueUrl: url,
				Entries:  []sqstypes.ChangeMessageVisibilityBatchRequestEntry{{Id: aws.String("0"), ReceiptHandle: aws.String("x")}},
			}))
		}},
		{"DeleteMessageBatch", read, "", func(ctx context.Context) error {
			return done(client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{
				QueueUrl: url, Entries: []sqstypes.DeleteMessageBatchRequestEntry{{Id: aws.String("0"), ReceiptHandle: aws.String("x")}},
			}))
		}},
		{"ReceiveMessage", read, "", func(ctx context.Context) error {
			return done(client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url}))
		}},
		{"PurgeQueue", "", `{"queueUrl":"` + queue + `"}`, func(ctx context.Context) error {
			return done(client.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: url}))
		}},
		{"DeleteQueue", "", `{"queueUrl":"` + queue + `"}`, func(ctx context.Context) error {
			return done(client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: url}))
		}},
	}
}

func (b *env) snsCalls() []call {
	client, topic := sns.NewFromConfig(b.Config("us-east-1", personKey)), aws.String("arn:aws:sns:us-east-1:123456789012:alerts")
	var subscription *string
	return []call{
		{"CreateTopic", "", `{"attributes":{"DisplayName":"Guard"},"name":"alerts"}`, func(ctx context.Context) error {
			return done(
				client.CreateTopic(
					ctx, &sns.CreateTopicInput{Name: aws.String("alerts"), Attributes: map[string]string{"DisplayName": "Guard"}},
				),
			)
		}},
		{
			"SetTopicAttributes",
			"",
			`{"attributeName":"DisplayName","attributeValue":"x","topicArn":"arn:aws:sns:us-east-1:123456789012:alerts"}`,
			func(ctx context.Context) error {
				return done(
					client.SetTopicAttributes(
						ctx,
						&sns.SetTopicAttributesInput{TopicArn: topic, AttributeName: aws.String("DisplayName"), AttributeValue: aws.String("x")},
					),
				)
			},
		},
		{"GetTopicAttributes", read, "", func(ctx context.Context) error {
			return done(client.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: topic}))
		}},
		{"Subscribe", "", "", func(ctx context.Context) error {
			out, err := client.Subscribe(
				ctx,
				&sns.SubscribeInput{
					TopicArn:              topic,
					Protocol:              aws.String("email"),
					Endpoint:              aws.String("a@example.org"),
					ReturnSubscriptionArn: true,
				},
			)
			if err == nil {
				subscription = out.SubscriptionArn
			}
			return err
		}},
		{"ListSubscriptionsByTopic", read, "", func(ctx context.Context) error {
			return done(client.ListSubscriptionsByTopic(ctx, &sns.ListSubscriptionsByTopicInput{TopicArn: topic}))
		}},
		{"Publish", read, "", func(ctx context.Context) error {
			return done(client.Publish(ctx, &sns.PublishInput{TopicArn: topic, Message: aws.String("x")}))
		}},
		{"Unsubscribe", "", "", func(ctx context.Context) error {
			return done(client.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: subscription}))
		}},
		{"DeleteTopic", "", `{"topicArn":"arn:aws:sns:us-east-1:123456789012:alerts"}`, func(ctx context.Context) error {
			return done(client.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: topic}))
		}},
	}
}

func (b *env) lambdaCalls(t *testing.T) []call {
	t.Helper()
	const arn = "arn:aws:lambda:us-east-1:123456789012:function:guard"
	client, name := lambda.NewFromConfig(b.Config("us-east-1", personKey)), aws.String("guard")
	setUp := b.DirectConfig("us-east-1")
	role, err := iam.NewFromConfig(setUp).CreateRole(
		t.Context(), &iam.CreateRoleInput{RoleName: aws.String("runs"), AssumeRolePolicyDocument: aws.String(trust)},
	)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sqs.NewFromConfig(setUp).CreateQueue(
		t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("mapped")},
	); err != nil {
		t.Fatal(err)
	}
	var mapping *string
	return []call{
		{
			"CreateFunction",
			"CreateFunction20150331",
			`{"code":{},"functionName":"guard","handler":"bootstrap","role":"arn:aws:iam::123456789012:role/runs","runtime":"provided.al2023"}`,
			func(ctx context.Context) error {
				return done(client.CreateFunction(ctx, &lambda.CreateFunctionInput{
					FunctionName: name,
					Runtime:      lambdatypes.RuntimeProvidedal2023,
					Handler:      aws.String("bootstrap"),
					Role:         role.Role.Arn,
					Code: &lambdatypes.FunctionCode{
						ZipFile: []byte("x"),
					},
					Environment: &lambdatypes.Environment{Variables: map[string]string{"A": "secret"}},
				}))
			},
		},
		{"GetFunctionConfiguration", read, "", func(ctx context.Context) error {
			return done(client.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: name}))
		}},
		{"UpdateFunctionCode", "UpdateFunctionCode20150331v2", `{"functionName":"guard"}`, func(ctx context.Context) error {
			return done(client.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: name, ZipFile: []byte("y")}))
		}},
		{
			"UpdateFunctionConfiguration",
			"UpdateFunctionConfiguration20150331v2",
			`{"functionName":"` + arn + `","timeout":30}`,
			func(ctx context.Context) error {
				return done(client.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{
					FunctionName: aws.String(arn),
					Timeout:      aws.Int32(30),
					Environment:  &lambdatypes.Environment{Variables: map[string]string{"A": "secret"}},
				}))
			},
		},
		{"AddPermission", "AddPermission20150331v2", "", func(ctx context.Context) error {
			return done(client.AddPermission(ctx, &lambda.AddPermissionInput{
				FunctionName: name,
				StatementId:  aws.String("s"),
				Action:       aws.String("lambda:InvokeFunction"),
				Principal:    aws.String("events.amazonaws.com"),
			}))
		}},
		{
			"RemovePermission",
			"RemovePermission20150331v2",
			`{"functionName":"guard","statementId":"s"}`,
			func(ctx context.Context) error {
				return done(client.RemovePermission(ctx, &lambda.RemovePermissionInput{FunctionName: name, StatementId: aws.String("s")}))
			},
		},
		{
			"PutFunctionConcurrency",
			"PutFunctionConcurrency20171031",
			`{"functionName":"guard","reservedConcurrentExecutions":0}`,
			func(ctx context.Context) error {
				return done(
					client.PutFunctionConcurrency(
						ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: name, ReservedConcurrentExecutions: aws.Int32(0)},
					),
				)
			},
		},
		{"GetFunctionConcurrency", read, "", func(ctx context.Context) error {
			return done(client.GetFunctionConcurrency(ctx, &lambda.GetFunctionConcurrencyInput{FunctionName: name}))
		}},
		{"CreateEventSourceMapping", "CreateEventSourceMapping20150331", "", func(ctx context.Context) error {
			out, err := client.CreateEventSourceMapping(ctx, &lambda.CreateEventSourceMappingInput{
				FunctionName: name, EventSourceArn: aws.String("arn:aws:sqs:us-east-1:123456789012:mapped"),
			})
			if err == nil {
				mapping = out.UUID
			}
			return err
		}},
		{"ListEventSourceMappings", read, "", func(ctx context.Context) error {
			return done(client.ListEventSourceMappings(ctx, &lambda.ListEventSourceMappingsInput{FunctionName: name}))
		}},
		{"UpdateEventSourceMapping", "UpdateEventSourceMapping20150331", "", func(ctx context.Context) error {
			err := done(
				client.UpdateEventSourceMapping(ctx, &lambda.UpdateEventSourceMappingInput{UUID: mapping, Enabled: aws.Bool(false)}),
			)
			b.mu.Lock()
			defer b.mu.Unlock()
			if got := b.events[0].Detail.RequestParameters; got["uUID"] != *mapping || got["enabled"] != false {
				t.Errorf("parameters %v", got)
			}
			return err
		}},
		{"DeleteEventSourceMapping", "DeleteEventSourceMapping20150331", "", func(ctx context.Context) error {
			return done(client.DeleteEventSourceMapping(ctx, &lambda.DeleteEventSourceMappingInput{UUID: mapping}))
		}},
		{"DeleteFunction", "DeleteFunction20150331", `{"functionName":"guard"}`, func(ctx context.Context) error {
			return done(client.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: name}))
		}},
		{"Invoke", read, "", func(ctx context.Context) error {
			_, _ = client.Invoke(ctx, &lambda.InvokeInput{FunctionName: name}) // it is gone
			return nil
		}},
	}
}

func (b *env) cloudTrailCalls(t *testing.T) []call {
	t.Helper()
	client, name, bucket := cloudtrail.NewFromConfig(b.Config("us-east-1", personKey)), aws.String("trail"), aws.String("trail-logs")
	if _, err := direct(b.AWS).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	return []call{
		{"CreateTrail", "", `{"isMultiRegionTrail":true,"name":"trail","s3BucketName":"trail-logs"}`, func(ctx context.Context) error {
			return done(
				client.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: name, S3BucketName: bucket, IsMultiRegionTrail: aws.Bool(true)}),
			)
		}},
		{"StartLogging", "", `{"name":"trail"}`, func(ctx context.Context) error {
			return done(client.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: name}))
		}},
		{"GetTrailStatus", read, "", func(ctx context.Context) error {
			return done(client.GetTrailStatus(ctx, &cloudtrail.GetTrailStatusInput{Name: name}))
		}},
		{"DescribeTrails", read, "", func(ctx context.Context) error {
			return done(client.DescribeTrails(ctx, &cloudtrail.DescribeTrailsInput{}))
		}},
		{
			"PutEventSelectors",
			"",
			`{"eventSelectors":[{"readWriteType":"ReadOnly"}],"trailName":"trail"}`,
			func(ctx context.Context) error {
				return done(client.PutEventSelectors(ctx, &cloudtrail.PutEventSelectorsInput{
					TrailName: name, EventSelectors: []cttypes.EventSelector{{ReadWriteType: cttypes.ReadWriteTypeReadOnly}},
				}))
			},
		},
		{"UpdateTrail", "", `{"isMultiRegionTrail":false,"name":"trail"}`, func(ctx context.Context) error {
			return done(client.UpdateTrail(ctx, &cloudtrail.UpdateTrailInput{Name: name, IsMultiRegionTrail: aws.Bool(false)}))
		}},
		{"StopLogging", "", `{"name":"trail"}`, func(ctx context.Context) error {
			return done(client.StopLogging(ctx, &cloudtrail.StopLoggingInput{Name: name}))
		}},
		{"DeleteTrail", "", `{"name":"trail"}`, func(ctx context.Context) error {
			return done(client.DeleteTrail(ctx, &cloudtrail.DeleteTrailInput{Name: name}))
		}},
	}
}

func (b *env) dynamoDBCalls() []call {
	client, table := dynamodb.NewFromConfig(b.Config("us-east-1", personKey)), aws.String("ledger")
	key := map[string]ddbtypes.AttributeValue{"id": &ddbtypes.AttributeValueMemberS{Value: "x"}}
	return []call{
		{"CreateTable", "", "", func(ctx context.Context) error {
			return done(client.CreateTable(ctx, &dynamodb.CreateTableInput{
				TableName:   table,
				BillingMode: ddbtypes.BillingModePayPerRequest,
				AttributeDefinitions: []ddbtypes.AttributeDefinition{
					{AttributeName: aws.String("id"), AttributeType: ddbtypes.ScalarAttributeTypeS},
				},
				KeySchema: []ddbtypes.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: ddbtypes.KeyTypeHash}},
			}))
		}},
		{"DescribeTable", read, "", func(ctx context.Context) error {
			return done(client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: table}))
		}},
		{"PutItem", read, "", func(ctx context.Context) error {
			return done(client.PutItem(ctx, &dynamodb.PutItemInput{TableName: table, Item: key}))
		}},
		{"Query", read, "", func(ctx context.Context) error {
			return done(client.Query(ctx, &dynamodb.QueryInput{
				TableName:                 table,
				KeyConditionExpression:    aws.String("id = :x"),
				ExpressionAttributeValues: map[string]ddbtypes.AttributeValue{":x": key["id"]},
			}))
		}},
		{"UpdateTable", "", `{"deletionProtectionEnabled":false,"tableName":"ledger"}`, func(ctx context.Context) error {
			return done(client.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: table, DeletionProtectionEnabled: aws.Bool(false)}))
		}},
		{"DeleteTable", "", `{"tableName":"ledger"}`, func(ctx context.Context) error {
			return done(client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: table}))
		}},
	}
}

func (b *env) cloudFormationCalls() []call {
	client := cloudformation.NewFromConfig(b.Config("us-east-1", personKey))
	return []call{{"DescribeStacks", read, "", func(ctx context.Context) error {
		return done(client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{}))
	}}}
}

// CloudWatch signs as "monitoring" and speaks CBOR; its IAM actions begin with cloudwatch.
func TestCloudWatchIsNamed(t *testing.T) {
	b := newEnv(t)
	callCloudWatch(t, b)
	seen := b.Recorder().Calls()[0]
	equal(t, "operation", seen.Operation, "DescribeAlarms")
	equal(t, "action", seen.Action, "cloudwatch:DescribeAlarms")
}

func callCloudWatch(t *testing.T, b *env) (status int, header http.Header, body []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		b.Recorder().URL()+"/service/GraniteServiceVersion20100801/operation/DescribeAlarms", bytes.NewReader([]byte{0xa0}))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
	request.Header.Set(
		"Authorization",
		"AWS4-HMAC-SHA256 Credential="+personKey+"/20260101/us-east-1/monitoring/aws4_request, SignedHeaders=host, Signature=0",
	)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if body, err = io.ReadAll(response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, body
}
