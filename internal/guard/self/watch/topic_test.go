package watch

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/policy"
)

func guardTopicCases() []selfCase {
	const id = "guard-topic"
	return []selfCase{
		{
			setting: id, name: "deleted", want: guard.ActionRequired, says: "topic icaguard-alerts does not exist",
			breakIt: func(w *selfEnv) {
				w.must(topicClient(w.stranger, w.storage()).DeleteTopic(w.t.Context(), &sns.DeleteTopicInput{TopicArn: w.topic()}))
			},
		},
		{
			setting: id, name: "an address unsubscribed", want: guard.ActionRequired, says: "second@example.org is not subscribed",
			breakIt: func(w *selfEnv) { w.unsubscribe(topicClient(w.stranger, w.storage()), "second@example.org") },
		},
		{
			setting: id, name: "an address not confirmed", want: withNotes, unreported: true, says: "second@example.org has not confirmed",
			breakIt: func(w *selfEnv) {
				client := sns.NewFromConfig(w.local.DirectConfig(inHome)) // as a deploy subscribes
				w.unsubscribe(client, "second@example.org")
				w.must(
					client.Subscribe(
						w.t.Context(),
						&sns.SubscribeInput{TopicArn: w.topic(), Protocol: aws.String("email"), Endpoint: aws.String("second@example.org")},
					),
				)
			},
		},
		{
			setting: id,
			name:    "another attribute set",
			want:    guard.ActionRequired,
			says:    "SetTopicAttributes by arn:aws:iam::123456789012:user/AKIASTRANGER",
			breakIt: func(w *selfEnv) {
				w.must(topicClient(w.stranger, w.storage()).SetTopicAttributes(w.t.Context(), &sns.SetTopicAttributesInput{
					TopicArn: w.topic(), AttributeName: aws.String("DisplayName"), AttributeValue: aws.String("other"),
				}))
			},
		},
		{
			setting: id, name: "another address subscribed", want: guard.ActionRequired,
			says: "Subscribe by arn:aws:iam::123456789012:user/AKIASTRANGER",
			breakIt: func(w *selfEnv) {
				w.must(topicClient(w.stranger, w.storage()).Subscribe(w.t.Context(), &sns.SubscribeInput{
					TopicArn: w.topic(), Protocol: aws.String("email"), Endpoint: aws.String("third@example.org"),
				}))
			},
		},
		{
			setting: id, name: "others may publish", want: guard.ActionRequired,
			says: `the policy of topic icaguard-alerts: statement 3 (Sid IcaguardPublishers): statement Deny sns:Publish on ` +
				`arn:aws:sns:us-east-1:123456789012:icaguard-alerts to *`,
			breakIt: func(w *selfEnv) {
				open := policy.New(self.Policies(w.home)[*w.topic()]...).Without("IcaguardPublishers").JSON()
				w.must(topicClient(w.stranger, w.storage()).SetTopicAttributes(w.t.Context(), &sns.SetTopicAttributesInput{
					TopicArn: w.topic(), AttributeName: aws.String("Policy"), AttributeValue: &open,
				}))
			},
		},
	}
}

func (w *selfEnv) topic() *string { return aws.String(self.OnTopic.ARN(w.storage())) }

func (w *selfEnv) unsubscribe(client *sns.Client, address string) {
	w.t.Helper()
	out, err := client.ListSubscriptionsByTopic(w.t.Context(), &sns.ListSubscriptionsByTopicInput{TopicArn: w.topic()})
	w.must(out, err)
	for _, s := range out.Subscriptions {
		if aws.ToString(s.Endpoint) == address {
			w.must(client.Unsubscribe(w.t.Context(), &sns.UnsubscribeInput{SubscriptionArn: s.SubscriptionArn}))
		}
	}
}

// TestSubscribed: SNS lists an unsubscribed address for some time with "Deleted" in place of its ARN
// (https://github.com/ansible/ansible/pull/20086), and an address may be subscribed twice.
func TestSubscribed(t *testing.T) {
	const confirmed, pending, deleted = "arn:aws:sns:us-east-1:123456789012:icaguard-alerts:1", "PendingConfirmation", "Deleted"
	for name, c := range map[string]struct {
		arns []string
		want map[string]bool
	}{
		"confirmed":                {[]string{confirmed}, map[string]bool{"a@example.org": true}},
		"pending":                  {[]string{pending}, map[string]bool{"a@example.org": false}},
		"deleted":                  {[]string{deleted}, map[string]bool{}},
		"deleted, then confirmed":  {[]string{deleted, confirmed}, map[string]bool{"a@example.org": true}},
		"confirmed, older deleted": {[]string{confirmed, deleted}, map[string]bool{"a@example.org": true}},
		"confirmed, asked again":   {[]string{confirmed, pending}, map[string]bool{"a@example.org": true}},
	} {
		state := topicState{Mails: map[string]bool{}}
		for _, arn := range c.arns {
			state.add("A@example.org", arn)
		}
		if len(state.Mails) != len(c.want) || state.Mails["a@example.org"] != c.want["a@example.org"] {
			t.Errorf("%s: %v, want %v", name, state.Mails, c.want)
		}
	}
}
