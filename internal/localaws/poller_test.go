package localaws_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

// polled is a queue behind a rule for IAM's successful calls, and a function behind the queue.
type polled struct {
	*localaws.AWS
	sqs     *sqs.Client
	config  localaws.PollerConfig
	batches []localaws.Batch
}

func newPolled(t *testing.T) *polled {
	t.Helper()
	return newQueue(t, localawstest.Start(t), startEcho(t, 5*time.Second, nil), "guard")
}

func newQueue(t *testing.T, local *localaws.AWS, function *localaws.Function, name string) *polled {
	t.Helper()
	p := &polled{AWS: local}
	queue, err := queueBehindRule(t.Context(), local, name,
		`{"source":["aws.iam"],"detail":{"eventName":["CreateRole","UpdateRole"],"errorCode":[{"exists":false}]}}`)
	if err != nil {
		t.Fatal(err)
	}
	p.sqs = sqs.NewFromConfig(p.DirectConfig("us-east-1"))
	p.config = localaws.PollerConfig{
		SQS: p.sqs, QueueURL: queue, QueueARN: "arn:aws:sqs:us-east-1:123456789012:" + name, Function: function,
		Observe: func(batch localaws.Batch) { p.batches = append(p.batches, batch) },
	}
	return p
}

func (p *polled) send(t *testing.T, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		if _, err := p.sqs.SendMessage(
			t.Context(), &sqs.SendMessageInput{QueueUrl: &p.config.QueueURL, MessageBody: &body},
		); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *polled) drain(t *testing.T) int {
	t.Helper()
	batches, err := localaws.Drain(t.Context(), p.config)
	if err != nil {
		t.Fatal(err)
	}
	return batches
}

// left is how many messages the queue still has, visible or not.
func (p *polled) left(t *testing.T) int {
	t.Helper()
	output, err := p.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &p.config.QueueURL, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
	})
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, name := range []string{
		"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
		"ApproximateNumberOfMessagesDelayed",
	} {
		if output.Attributes[name] != "0" {
			count++
		}
	}
	return count
}

// The whole way: SDK call, event, rule, queue, poller, binary.
func TestFromCallToFunction(t *testing.T) {
	p := newPolled(t)
	client := iam.NewFromConfig(p.Config("us-east-1", personKey))
	ctx := t.Context()
	if _, err := client.CreateRole(
		ctx, &iam.CreateRoleInput{RoleName: aws.String("ica"), AssumeRolePolicyDocument: aws.String(trust)},
	); err != nil {
		t.Fatal(err)
	}
	// Neither a failed call nor another event passes the rule.
	if _, err := client.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: aws.String("nobody")}); err == nil {
		t.Fatal("updated nobody")
	}
	if _, err := client.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("ica")}); err != nil {
		t.Fatal(err)
	}
	equal(t, "batches", p.drain(t), 1)
	message := p.batches[0].Messages[0]
	equal(t, "messages", len(p.batches[0].Messages), 1)
	equal(t, "source", message.EventSource, "aws:sqs")
	equal(t, "region", message.AWSRegion, "us-east-1")
	equal(t, "receive count", message.Attributes["ApproximateReceiveCount"], "1")
	checkEnvelope(t, message.Body)
	var got echoed
	if err := json.Unmarshal(p.batches[0].Result.Payload, &got); err != nil {
		t.Fatal(err)
	}
	var event events.SQSEvent
	if err := json.Unmarshal(got.Event, &event); err != nil {
		t.Fatal(err)
	}
	equal(t, "body that the function saw", event.Records[0].Body, message.Body)
	equal(t, "left", p.left(t), 0)
}

func checkEnvelope(t *testing.T, body string) {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(body), &fields); err != nil {
		t.Fatal(err)
	}
	wanted := []string{"account", "detail", "detail-type", "id", "region", "resources", "source", "time", "version"}
	if got := keys(fields, nil); !slices.Equal(got, wanted) {
		t.Errorf("envelope has %v", got)
	}
	var event localaws.Envelope
	if err := json.Unmarshal([]byte(body), &event); err != nil {
		t.Fatal(err)
	}
	equal(t, "account", event.Account, "123456789012")
	equal(t, "time", event.Time, event.Detail.EventTime)
	equal(t, "role", event.Detail.RequestParameters["roleName"], any("ica"))
}

func TestWhatFailsComesBack(t *testing.T) {
	local, function := localawstest.Start(t), startEcho(t, 5*time.Second, nil)
	for name, test := range map[string]struct {
		bodies []string
		stay   int
	}{
		"all well":           {[]string{"a", "b"}, 0},
		"one of them":        {[]string{"a", "fail", "b"}, 1},
		"function error":     {[]string{"a", "error"}, 2},
		"crash":              {[]string{"a", "crash"}, 2},
		"malformed answer":   {[]string{"a", "malformed"}, 2},
		"unknown identifier": {[]string{"a", "unknown item"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			p := newQueue(t, local, function, strings.ReplaceAll(name, " ", "-"))
			p.send(t, test.bodies...)
			p.drain(t)
			first := p.batches[0]
			equal(t, "messages", len(first.Messages), len(test.bodies))
			equal(t, "failed", len(first.Failed), test.stay)
			equal(t, "left in the queue", p.left(t) > 0, test.stay > 0)
			if test.stay == 0 || t.Failed() {
				return
			}
			for len(p.batches) < 2 { // until the visibility timeout is over
				p.drain(t)
			}
			again := p.batches[1].Messages
			equal(t, "second receive", again[0].Attributes["ApproximateReceiveCount"], "2")
		})
	}
}

func TestDrainAwaitsDelayedMessages(t *testing.T) {
	p := newPolled(t)
	if _, err := p.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{
		QueueUrl:     &p.config.QueueURL,
		MessageBody:  aws.String("later"),
		DelaySeconds: 1,
		MessageAttributes: map[string]sqstypes.MessageAttributeValue{
			"kind": {DataType: aws.String("String"), StringValue: aws.String("look")},
		},
	}); err != nil {
		t.Fatal(err)
	}
	equal(t, "batches", p.drain(t), 0)
	p.config.AwaitAll = true
	p.drain(t)
	if len(p.batches) != 1 || p.batches[0].Messages[0].Body != "later" {
		t.Fatalf("batches %v", p.batches)
	}
	equal(t, "attribute", aws.ToString(p.batches[0].Messages[0].MessageAttributes["kind"].StringValue), "look")
}

func TestPollUntilTheContextEnds(t *testing.T) {
	p := newPolled(t)
	ctx, cancel := context.WithCancel(t.Context())
	seen := make(chan string, 1)
	p.config.Observe = func(batch localaws.Batch) { seen <- batch.Messages[0].Body }
	ended := make(chan error)
	go func() { ended <- localaws.Poll(ctx, p.config) }()
	p.send(t, "a")
	equal(t, "body", <-seen, "a")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	p.config.QueueURL = strings.Replace(p.config.QueueURL, "guard", "no-such", 1)
	if err := localaws.Poll(t.Context(), p.config); err == nil {
		t.Error("polled a queue that does not exist")
	}
}
