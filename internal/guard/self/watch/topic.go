package watch

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// topicState is who sends and who receives alerts.
type topicState struct {
	Exists bool
	Policy string // JSON
	// Mails are the addresses that are subscribed, in lower case, each with whether its owner has confirmed.
	Mails map[string]bool
}

func readTopic(ctx context.Context, c guard.Clients, s icaconfig.Storage) (topicState, error) {
	state := topicState{Mails: map[string]bool{}}
	pages := sns.NewListSubscriptionsByTopicPaginator(
		topicClient(c, s), &sns.ListSubscriptionsByTopicInput{TopicArn: aws.String(self.OnTopic.ARN(s))},
	)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if awserr.Classify(err) == awserr.Gone {
			return topicState{}, nil
		}
		if err != nil {
			return topicState{}, fmt.Errorf("list the subscriptions of topic %s: %w", guard.AlertTopic, err)
		}
		for _, subscription := range page.Subscriptions {
			if aws.ToString(subscription.Protocol) == "email" {
				state.add(aws.ToString(subscription.Endpoint), aws.ToString(subscription.SubscriptionArn))
			}
		}
	}
	out, err := topicClient(c, s).GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: aws.String(self.OnTopic.ARN(s))})
	if awserr.Classify(err) == awserr.Gone {
		return topicState{}, nil
	}
	if err != nil {
		return topicState{}, fmt.Errorf("get the attributes of topic %s: %w", guard.AlertTopic, err)
	}
	state.Exists, state.Policy = true, out.Attributes["Policy"]
	return state, nil
}

// add takes one subscription of an address, which may have several. One that is not confirmed has a word in place of an
// ARN, and one that was given up, another for some time.
func (t topicState) add(address, arn string) {
	if arn == "Deleted" {
		return
	}
	address = strings.ToLower(address)
	t.Mails[address] = t.Mails[address] || strings.HasPrefix(arn, "arn:")
}

// subscribe makes AWS send its mail once more: to CloudFormation the subscription is there.
func subscribe(s icaconfig.Storage, mail string) string {
	return "aws sns subscribe --region " + s.Home.HomeRegion + " --topic-arn " + self.OnTopic.ARN(
		s,
	) + " --protocol email --notification-endpoint " + mail
}

func compareTopic(s icaconfig.Storage, got topicState) guard.Comparison {
	if !got.Exists {
		return guard.Alert("topic "+guard.AlertTopic+" does not exist", self.Redeploy(s))
	}
	v := guard.Comparison{
		Alerts: policyAlerts("topic "+guard.AlertTopic, got.Policy, self.Policies(s.Home)[self.OnTopic.ARN(s)], self.Redeploy(s)),
	}
	for _, mail := range s.Home.Emails {
		confirmed, subscribed := got.Mails[strings.ToLower(mail)]
		switch {
		case !subscribed:
			v.Alerts = append(
				v.Alerts, guard.Finding{What: mail + " is not subscribed to topic " + guard.AlertTopic, Remediation: subscribe(s, mail)},
			)
		case !confirmed:
			v.Notes = append(v.Notes, guard.Finding{
				What: mail + " has not confirmed its subscription and gets no alert",
				Remediation: "open the mail \"AWS Notification - Subscription Confirmation\" and follow its link; it lapses after two " +
					"days, then: " + subscribe(
					s,
					mail,
				),
			})
		}
	}
	return v
}
