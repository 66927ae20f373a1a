package main

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/icaguard/icaguard/internal/golden"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/testlab"
)

func TestDeadLettersMisuse(t *testing.T) {
	d := newEnv(t, t.TempDir(), nil)
	d.golden("help-dead-letters", "dead-letters", "--help")
	d.expectFailure([]string{"dead-letters", "all"}, `unknown command "all" for "icaguard dead-letters"`)
	d.expectFailure([]string{"dead-letters"}, "config: read: open ica.yaml")
}

func testDeadLetters(t *testing.T, a *account) {
	d, _ := newProbed(t, a, "given-up")
	if got := d.run("dead-letters"); got.code != 2 || !strings.Contains(
		got.stderr,
		"icaguard: dead-letters: find queue icaguard-dead-letters in eu-central-1: ",
	) || !strings.Contains(got.stderr, "is icaguard deployed in account "+a.Account()+"? make deploy") {
		t.Errorf("want the region without a queue:\n%s", got.transcript())
	}
	far := sqs.NewFromConfig(a.DirectConfig(abroadRegion))
	queue, err := far.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(guard.DeadLetterQueue)})
	d.must(queue, err)
	d.golden("dead-letters-none", "dead-letters")

	d.must(
		a.sqs.SendMessage(
			t.Context(),
			&sqs.SendMessageInput{QueueUrl: aws.String(a.queues[guard.RequestQueue]), MessageBody: aws.String(`{"hello":"world"}`)},
		),
	)
	d.letWork() // remediate sends it to the dead-letter queue
	d.refuse(far, queue.QueueUrl)
	d.giveUp()
	d.goldenDeadLetters("dead-letters")
	d.goldenDeadLetters("dead-letters") // they lie there as before, at once

	allow := a.Recorder().Inject(localaws.Fault{Operation: "DeleteMessageBatch", AccessKeyID: prober, Kind: localaws.Denied})
	if got := d.run("dead-letters", "--empty"); got.code != 2 ||
		!strings.Contains(got.stderr, "dead-letters: not all messages in us-east-1 were deleted: ") {
		t.Errorf("want what was not deleted:\n%s", got.transcript())
	}
	allow()
	d.goldenDeadLetters("dead-letters-empty", "--empty")
	d.golden("dead-letters-none", "dead-letters")
	allow = a.Recorder().Inject(localaws.Fault{Operation: "ReceiveMessage", AccessKeyID: prober, Kind: localaws.Denied, Times: 1})
	defer allow()
	d.expectFailure([]string{"dead-letters"}, "dead-letters: receive from icaguard-dead-letters in us-east-1: ", "AccessDenied")
}

// refuse puts an event there as EventBridge does when it cannot relay it. ICA's own session did it, whose name begins
// with the prefix.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
func (d *guardedEnv) refuse(client *sqs.Client, queue *string) {
	d.t.Helper()
	attributes := map[string]types.MessageAttributeValue{}
	for name, value := range map[string]string{
		"RULE_ARN":   "arn:aws:events:eu-central-1:123456789012:rule/icaguard-relay-s3",
		"TARGET_ARN": "arn:aws:events:us-east-1:123456789012:event-bus/default",
		"ERROR_CODE": "NO_PERMISSIONS", "ERROR_MESSAGE": "not authorised\nto put events\x1b[2J",
	} {
		attributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
	}
	session := "arn:aws:sts::" + d.Local.Account() + ":assumed-role/" + d.Storage.Role.Name + "/" + testlab.Prefix + "-1"
	event := map[string]any{"detail": map[string]any{
		"eventSource":        "s3.amazonaws.com",
		"eventName":          "PutBucketNotification",
		"eventTime":          "2026-01-15T09:12:33Z",
		"recipientAccountId": d.Local.Account(),
		"userIdentity":       map[string]any{"type": "AssumedRole", "arn": session},
		"sourceIPAddress":    "198.51.100.7",
	}}
	body, err := json.Marshal(event)
	d.must(nil, err)
	d.must(
		client.SendMessage(
			d.t.Context(),
			&sqs.SendMessageInput{QueueUrl: queue, MessageBody: aws.String(string(body)), MessageAttributes: attributes},
		),
	)
}

// giveUp puts a request there that was received in vain.
func (d *guardedEnv) giveUp() {
	d.t.Helper()
	url := aws.String(d.account.queues[guard.DeadLetterQueue])
	body, err := guard.Encode(guard.Request{Resource: "arn:aws:iam::123456789012:role/given-up-role", Setting: "role-trust"})
	d.must(nil, err)
	d.must(d.account.sqs.SendMessage(d.t.Context(), &sqs.SendMessageInput{QueueUrl: url, MessageBody: &body}))
	// What Lambda leaves behind of an audit that failed.
	d.must(d.account.sqs.SendMessage(d.t.Context(), &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String(
		`{"version":"1.0","requestContext":{"condition":"RetriesExhausted"},"requestPayload":{"audit":"everything"},` +
			`"responsePayload":{"errorMessage":"notify: publish: AccessDenied","errorType":"wrapError"}}`)}))
	for range 2 {
		out, err := d.account.sqs.ReceiveMessage(d.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10})
		d.must(out, err)
		for _, m := range out.Messages {
			d.must(
				d.account.sqs.ChangeMessageVisibility(
					d.t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: url, ReceiptHandle: m.ReceiptHandle},
				),
			)
		}
	}
}

// goldenDeadLetters compares the answer without what is chance in it.
func (d *guardedEnv) goldenDeadLetters(name string, args ...string) {
	d.t.Helper()
	text := d.run(append([]string{"dead-letters"}, args...)...).transcript()
	text = regexp.MustCompile(`[0-9-]{10} [0-9:]{8}Z`).ReplaceAllStringFunc(text, func(at string) string {
		if at == "2026-01-15 09:12:33Z" {
			return at
		}
		return "0000-00-00 00:00:00Z"
	})
	text = regexp.MustCompile(`received [0-9]+ times`).ReplaceAllString(text, "received N times")
	golden.Check(d.t, *update, filepath.Join("testdata", name+".txt"), text)
}
