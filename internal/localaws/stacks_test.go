package localaws_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

// madeUpID is the id of a played stack that moto has not.
const madeUpID = "arn:aws:cloudformation:us-east-1:123456789012:stack/icaguard/51af3dc0-da77-11e4-872e-1234567db123"

func TestPlayedStack(t *testing.T) {
	local := localawstest.Start(t)
	client := cloudformation.NewFromConfig(local.Config("eu-central-1", personKey))
	describe := func(name string) (cfntypes.Stack, error) {
		out, err := client.DescribeStacks(t.Context(), &cloudformation.DescribeStacksInput{StackName: &name})
		if err != nil {
			return cfntypes.Stack{}, err
		}
		return out.Stacks[0], nil
	}
	const id = "arn:aws:cloudformation:eu-central-1:123456789012:stack/icaguard/51af3dc0-da77-11e4-872e-1234567db123"
	updated := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	stop := local.Recorder().PlayStack("icaguard", localaws.StackState{
		Status:      "UPDATE_ROLLBACK_IN_PROGRESS",
		Reason:      "<no>",
		Outputs:     map[string]string{"Digest": "a<b", "B": "2"},
		LastUpdated: updated,
	})
	for _, asked := range []string{"icaguard", id} {
		stack, err := describe(asked)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "status", stack.StackStatus, cfntypes.StackStatusUpdateRollbackInProgress)
		equal(t, "reason", aws.ToString(stack.StackStatusReason), "<no>")
		equal(t, "id", aws.ToString(stack.StackId), id)
		equal(t, "name", aws.ToString(stack.StackName), "icaguard")
		equal(t, "updated", *stack.LastUpdatedTime, updated)
		equal(t, "outputs", len(stack.Outputs), 2)
		equal(t, "output", aws.ToString(stack.Outputs[1].OutputKey)+"="+aws.ToString(stack.Outputs[1].OutputValue), "Digest=a<b")
	}
	local.Recorder().PlayStack("icaguard", localaws.StackState{Status: "DELETE_COMPLETE"})
	stop() // of an earlier moment: stops nothing
	if stack, err := describe(id); err != nil || stack.StackStatus != cfntypes.StackStatusDeleteComplete ||
		stack.LastUpdatedTime != nil {
		t.Errorf("deleted stack by its id: %+v %v", stack, err)
	}
	checkNoStack(t, describe, "icaguard")
	stop = local.Recorder().PlayStack("icaguard", localaws.StackState{})
	checkNoStack(t, describe, "icaguard")
	checkNoStack(t, describe, id)
	if err := deploy(
		t.Context(), local, "icaguard", map[string]any{"Topic": resource("AWS::SNS::Topic", map[string]any{"TopicName": "alerts"})},
	); err != nil {
		t.Fatal(err)
	}
	client = cloudformation.NewFromConfig(local.Config("us-east-1", personKey))
	checkNoStack(t, describe, "icaguard")
	stop()
	if stack, err := describe("icaguard"); err != nil || stack.StackStatus != cfntypes.StackStatusCreateComplete {
		t.Errorf("moto's own stack: %+v %v", stack, err)
	}
}

func checkNoStack(t *testing.T, describe func(string) (cfntypes.Stack, error), name string) {
	t.Helper()
	_, err := describe(name)
	if err := wantCode(err, "ValidationError"); err != nil {
		t.Error(err)
	}
}

func TestPlayedStackEvents(t *testing.T) {
	local := localawstest.Start(t)
	client := cloudformation.NewFromConfig(local.Config("us-east-1", personKey))
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	local.Recorder().PlayStack("icaguard", localaws.StackState{Status: "UPDATE_COMPLETE", Events: []localaws.StackEvent{
		{
			Time:   began,
			Status: "UPDATE_IN_PROGRESS",
			Reason: "User Initiated",
		},
		{Time: began.Add(time.Minute), Status: "UPDATE_COMPLETE"},
	}})
	out, err := client.DescribeStackEvents(t.Context(), &cloudformation.DescribeStackEventsInput{StackName: aws.String("icaguard")})
	if err != nil || len(out.StackEvents) != 2 {
		t.Fatalf("%v %v", out, err)
	}
	newest, oldest := out.StackEvents[0], out.StackEvents[1]
	equal(t, "newest", newest.ResourceStatus, cfntypes.ResourceStatusUpdateComplete)
	equal(t, "oldest", oldest.ResourceStatus, cfntypes.ResourceStatusUpdateInProgress)
	equal(t, "reason", aws.ToString(oldest.ResourceStatusReason), "User Initiated")
	equal(t, "time", *oldest.Timestamp, began)
	equal(t, "type", aws.ToString(oldest.ResourceType), "AWS::CloudFormation::Stack")
	equal(t, "physical id", aws.ToString(oldest.PhysicalResourceId), madeUpID)
	if err := local.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = client.DescribeStackEvents(t.Context(), &cloudformation.DescribeStackEventsInput{StackName: aws.String("icaguard")})
	if err := wantCode(err, "ValidationError"); err != nil {
		t.Errorf("after Reset: %v", err)
	}
}

func TestStackStatusEvent(t *testing.T) {
	local := localawstest.Start(t)
	queue, err := queueBehindRule(
		t.Context(), local, "status",
		`{"source":["aws.cloudformation"],"detail-type":["CloudFormation Stack Status Change"],"detail":{"status-details":{"status":["UPDATE_COMPLETE"]}}}`,
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []string{"UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"} {
		if err := local.Recorder().DeliverStackStatus(t.Context(), "us-east-1", "icaguard", status); err != nil {
			t.Fatal(err)
		}
	}
	got := receiveBody(t, local, queue)
	equal(t, "resources", got.Resources[0], madeUpID)
	equal(t, "stack", got.Detail.StackID, madeUpID)
	equal(t, "status", got.Detail.Details.Status, "UPDATE_COMPLETE")
	equal(t, "region", got.Region, "us-east-1")
	if err := deploy(
		t.Context(), local, "icaguard", map[string]any{"Topic": resource("AWS::SNS::Topic", map[string]any{"TopicName": "alerts"})},
	); err != nil {
		t.Fatal(err)
	}
	if err := local.Recorder().DeliverStackStatus(t.Context(), "us-east-1", "icaguard", "UPDATE_COMPLETE"); err != nil {
		t.Fatal(err)
	}
	out, err := cloudformation.NewFromConfig(local.DirectConfig("us-east-1")).DescribeStacks(
		t.Context(), &cloudformation.DescribeStacksInput{StackName: aws.String("icaguard")},
	)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "id of a stack that moto has", receiveBody(t, local, queue).Detail.StackID, aws.ToString(out.Stacks[0].StackId))
}

type statusEvent struct {
	Region    string
	Resources []string
	Detail    struct {
		StackID string `json:"stack-id"`
		Details struct {
			Status string `json:"status"`
		} `json:"status-details"`
	}
}

func receiveBody(t *testing.T, local *localaws.AWS, queue string) statusEvent {
	t.Helper()
	client := sqs.NewFromConfig(local.DirectConfig("us-east-1"))
	received, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &queue, MaxNumberOfMessages: 10})
	if err != nil || len(received.Messages) != 1 {
		t.Fatalf("received %v %v", received, err)
	}
	if _, err := client.DeleteMessage(
		t.Context(), &sqs.DeleteMessageInput{QueueUrl: &queue, ReceiptHandle: received.Messages[0].ReceiptHandle},
	); err != nil {
		t.Fatal(err)
	}
	var event statusEvent
	if err := json.Unmarshal([]byte(aws.ToString(received.Messages[0].Body)), &event); err != nil {
		t.Fatal(err)
	}
	return event
}
