package beliefs

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/icaguard/icaguard/internal/acceptance/evidence"
)

func putAWSEvent(ctx context.Context, l *lab) (evidence.Answer, error) {
	refused, err := l.send(ctx, "aws."+l.Scratch)
	return holds(refused != "", "an event of source aws.%s is refused: %q", l.Scratch, refused), err
}

// putAndTest asks for both that the local AWS does otherwise.
func putAndTest(ctx context.Context, l *lab) (evidence.Answer, error) {
	a, err := putAWSEvent(ctx, l)
	if err != nil || a.Verdict != evidence.Confirmed {
		return a, err
	}
	event, _ := json.Marshal(map[string]any{ // plain data
		"id": "1", "detail-type": "acceptance", "source": l.Scratch, "account": l.Account,
		"time":   time.Now().UTC().Format(time.RFC3339),
		"region": l.Storage.Home.HomeRegion, "resources": []string{}, "detail": map[string]string{},
	})
	out, err := l.bus().TestEventPattern(ctx, &eventbridge.TestEventPatternInput{
		Event: aws.String(string(event)), EventPattern: aws.String(`{"source":["` + l.Scratch + `"]}`),
	})
	if err != nil {
		return evidence.Answer{}, err
	}
	return holds(out.Result, "%s; TestEventPattern finds a match: %t", a.Why, out.Result), nil
}

// redrivePastDeny lets a message be received twice where once is allowed, in front of a queue that takes none.
func redrivePastDeny(ctx context.Context, l *lab) (evidence.Answer, error) {
	deadURL, dead, err := l.queue(ctx, "-dead", nil)
	if err != nil {
		return evidence.Answer{}, err
	}
	if err := l.setQueue(ctx, deadURL, map[string]string{"Policy": *document(map[string]any{
		"Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage", "Resource": dead,
	})}); err != nil {
		return evidence.Answer{}, err
	}
	redrive, _ := json.Marshal(map[string]any{"deadLetterTargetArn": dead, "maxReceiveCount": 1}) // plain data
	url, _, err := l.queue(ctx, "", map[string]string{"VisibilityTimeout": "0", "RedrivePolicy": string(redrive)})
	if err != nil {
		return evidence.Answer{}, err
	}
	if _, err := l.sqs().SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("x")}); err != nil {
		return evidence.Answer{}, err
	}
	moved, err := l.until(ctx, time.Minute, func() (bool, error) {
		if _, err := l.receive(ctx, url, 0); err != nil { // each counts, and the second moves it
			return false, err
		}
		messages, err := l.receive(ctx, deadURL, 0)
		return len(messages) > 0, err
	})
	return holds(moved, "a message that was received too often is in a queue whose policy denies SendMessage: %t", moved), err
}

// ruleSourceARN makes a rule whose target is not there and whose dead-letter queue lets the rule's ARN send and no other,
// from this account.
func ruleSourceARN(ctx context.Context, l *lab) (evidence.Answer, error) {
	url, dead, err := l.queue(ctx, "-dead", nil)
	if err != nil {
		return evidence.Answer{}, err
	}
	may := l.sendMayBy(dead, "")
	may["Condition"].(map[string]any)["StringEquals"] = map[string]string{"aws:SourceAccount": l.Account}
	if err := l.setQueue(ctx, url, map[string]string{"Policy": *document(may)}); err != nil {
		return evidence.Answer{}, err
	}
	_, target, err := l.queue(ctx, "-closed", nil) // without a policy, so that EventBridge may not send to it
	if err != nil {
		return evidence.Answer{}, err
	}
	if err := l.rule(ctx, "", ebtypes.RuleStateEnabled, ebtypes.Target{
		Arn: &target, DeadLetterConfig: &ebtypes.DeadLetterConfig{Arn: &dead},
		RetryPolicy: &ebtypes.RetryPolicy{MaximumRetryAttempts: aws.Int32(0)},
	}); err != nil {
		return evidence.Answer{}, err
	}
	arrived, err := l.until(ctx, 2*time.Minute, func() (bool, error) { // a new rule may take a moment
		if _, err := l.send(ctx, l.Scratch); err != nil {
			return false, err
		}
		messages, err := l.receive(ctx, url, 5*time.Second)
		return len(messages) > 0, err
	})
	if err == nil && !arrived && l.Local {
		return notSeen("the local AWS has no dead-letter queues of rules"), nil
	}
	return holds(arrived, "what the rule could not deliver is in the queue that its ARN may send to: %t", arrived), err
}

// delivered makes a queue behind a rule, sends an event and answers what the queue gets of it, if anything.
func (l *lab) delivered(ctx context.Context, suffix string, state ebtypes.RuleState) (event string, err error) {
	url, arn, err := l.queue(ctx, suffix, nil)
	if err != nil {
		return "", err
	}
	if err := l.setQueue(ctx, url, map[string]string{"Policy": *document(l.sendMayBy(arn, suffix))}); err != nil {
		return "", err
	}
	if err := l.rule(ctx, suffix, state, ebtypes.Target{Arn: &arn}); err != nil {
		return "", err
	}
	most := time.Minute
	if state == ebtypes.RuleStateDisabled {
		most = 10 * time.Second
	}
	_, err = l.until(ctx, most, func() (bool, error) {
		if _, err := l.send(ctx, l.Scratch); err != nil {
			return false, err
		}
		messages, err := l.receive(ctx, url, 3*time.Second)
		if len(messages) > 0 {
			event = aws.ToString(messages[0].Body)
		}
		return event != "", err
	})
	return event, err
}

func deliveredEnvelope(ctx context.Context, l *lab) (evidence.Answer, error) {
	got, err := l.delivered(ctx, "", ebtypes.RuleStateEnabled)
	var event struct {
		Account, Region string
		Detail          struct{ Text string }
	}
	if err != nil || got == "" {
		return notSeen("no event came"), err
	}
	err = json.Unmarshal([]byte(got), &event)
	return holds(event.Account == l.Account && event.Region != "" && event.Detail.Text == "<source>", "delivered as %s", got), err
}

// disabledRules asks a disabled rule while an enabled one shows that the event is there.
func disabledRules(ctx context.Context, l *lab) (evidence.Answer, error) {
	got, err := l.delivered(ctx, "-on", ebtypes.RuleStateEnabled)
	if err != nil || got == "" {
		return notSeen("not even an enabled rule delivers"), err
	}
	got, err = l.delivered(ctx, "-off", ebtypes.RuleStateDisabled)
	return holds(got == "", "an enabled rule delivers, a disabled one: %t", got != ""), err
}

// topicTarget sends an event by a rule to a topic, and from there to a queue.
func topicTarget(ctx context.Context, l *lab) (evidence.Answer, error) {
	topic, err := l.topic(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	url, queue, err := l.queue(ctx, "", nil)
	if err != nil {
		return evidence.Answer{}, err
	}
	if err := l.setQueue(ctx, url, map[string]string{"Policy": *document(map[string]any{
		"Effect": "Allow", "Principal": map[string]string{"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
		"Resource": queue, "Condition": map[string]any{"ArnEquals": map[string]*string{"aws:SourceArn": topic}},
	})}); err != nil {
		return evidence.Answer{}, err
	}
	if _, err := l.sns().SetTopicAttributes(ctx, &sns.SetTopicAttributesInput{
		TopicArn: topic, AttributeName: aws.String("Policy"), AttributeValue: document(map[string]any{
			"Effect": "Allow", "Principal": map[string]string{"Service": "events.amazonaws.com"}, "Action": "sns:Publish",
			"Resource": topic,
		}),
	}); err != nil {
		return evidence.Answer{}, err
	}
	if _, err := l.sns().Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: topic, Protocol: aws.String("sqs"), Endpoint: &queue, Attributes: map[string]string{"RawMessageDelivery": "true"},
	}); err != nil {
		return evidence.Answer{}, err
	}
	if err := l.rule(ctx, "", ebtypes.RuleStateEnabled, ebtypes.Target{Arn: topic}); err != nil {
		return evidence.Answer{}, err
	}
	arrived, err := l.until(ctx, time.Minute, func() (bool, error) {
		if _, err := l.send(ctx, l.Scratch); err != nil {
			return false, err
		}
		messages, err := l.receive(ctx, url, 3*time.Second)
		return len(messages) > 0 && strings.Contains(aws.ToString(messages[0].Body), l.Scratch), err
	})
	return holds(arrived, "an event is published to the topic that is a rule's target: %t", arrived), err
}

// topic creates one; its subscriptions go with it.
func (l *lab) topic(ctx context.Context) (*string, error) {
	out, err := l.sns().CreateTopic(ctx, &sns.CreateTopicInput{Name: l.named("")})
	if err != nil {
		return nil, err
	}
	l.later(func(ctx context.Context) error {
		return failed(l.sns().DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: out.TopicArn}))
	})
	return out.TopicArn, nil
}

func queuePolicyKept(ctx context.Context, l *lab) (evidence.Answer, error) {
	url, arn, err := l.queue(ctx, "", nil)
	if err != nil {
		return evidence.Answer{}, err
	}
	if err := l.setQueue(ctx, url, map[string]string{"Policy": *document(l.sendMayBy(arn, ""))}); err != nil {
		return evidence.Answer{}, err
	}
	if err := l.setQueue(ctx, url, map[string]string{"VisibilityTimeout": "1"}); err != nil {
		return evidence.Answer{}, err
	}
	kept, err := l.until(ctx, time.Minute, func() (bool, error) { // SQS takes up to 60 s for attributes
		out, err := l.sqs().GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: url, AttributeNames: all()})
		return err == nil && strings.Contains(out.Attributes["Policy"], arn) && out.Attributes["VisibilityTimeout"] == "1", err
	})
	return holds(kept, "after SetQueueAttributes without Policy the policy is there: %t", kept), err
}

func all() []sqstypes.QueueAttributeName {
	return []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll}
}
