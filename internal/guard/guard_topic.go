package guard

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// topicState is who is told.
type topicState struct {
	Exists bool
	// Mails are the addresses that are subscribed, in lower case, each with whether its owner has confirmed.
	Mails map[string]bool
}

func guardTopic() Setting {
	return define(Setting{
		ID:          "guard-topic",
		Title:       "The alert topic is there, and every address of alerts.emails is subscribed and confirmed",
		Effect:      "nobody is told what no program may repair",
		Remediation: redeploy,
		On:          OnTopic,
		Triggers: []Trigger{
			alwaysAlert(ownEvents("aws.sns", "topicArn", []string{AlertTopic}, "SetTopicAttributes", "DeleteTopic")),
			alwaysAlert(ownEvents("aws.sns", "subscriptionArn", []string{AlertTopic}, "Unsubscribe")),
		},
		Reads: on(OnTopic, "sns:ListSubscriptionsByTopic"),
	}, spec[topicState]{read: readTopic, compare: compareTopic})
}

func readTopic(ctx context.Context, c Clients, s icaconfig.Storage) (topicState, error) {
	state := topicState{Mails: map[string]bool{}}
	pages := sns.NewListSubscriptionsByTopicPaginator(c.sns(s), &sns.ListSubscriptionsByTopicInput{TopicArn: aws.String(OnTopic.ARN(s))})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if awserr.Classify(err) == awserr.Gone {
			return topicState{}, nil
		}
		if err != nil {
			return topicState{}, fmt.Errorf("list the subscriptions of topic %s: %w", AlertTopic, err)
		}
		for _, subscription := range page.Subscriptions {
			if aws.ToString(subscription.Protocol) == "email" {
				state.add(aws.ToString(subscription.Endpoint), aws.ToString(subscription.SubscriptionArn))
			}
		}
	}
	state.Exists = true
	return state, nil
}

// add takes one subscription of an address, which may have several. One that is not confirmed has a word in place of an ARN, and one that
// was given up, another for some time.
func (t topicState) add(address, arn string) {
	if arn == "Deleted" {
		return
	}
	address = strings.ToLower(address)
	t.Mails[address] = t.Mails[address] || strings.HasPrefix(arn, "arn:")
}

// subscribe makes AWS send its mail once more: to CloudFormation the subscription is there.
func subscribe(s icaconfig.Storage, mail string) string {
	return "aws sns subscribe --region " + s.Home.HomeRegion + " --topic-arn " + OnTopic.ARN(s) + " --protocol email --notification-endpoint " + mail
}

func compareTopic(s icaconfig.Storage, got topicState) Comparison {
	if !got.Exists {
		return alert("topic "+AlertTopic+" does not exist", redeploy(s))
	}
	var v Comparison
	for _, mail := range s.Home.Emails {
		confirmed, subscribed := got.Mails[strings.ToLower(mail)]
		switch {
		case !subscribed:
			v.Alerts = append(v.Alerts, Finding{What: mail + " is not subscribed to topic " + AlertTopic, Remediation: subscribe(s, mail)})
		case !confirmed:
			v.Notes = append(v.Notes, Finding{
				What:        mail + " has not confirmed its subscription and gets no alert",
				Remediation: "open the mail \"AWS Notification - Subscription Confirmation\" and follow its link; it lapses after two days, then: " + subscribe(s, mail),
			})
		}
	}
	return v
}
