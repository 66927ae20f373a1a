package self

import "github.com/icaguard/icaguard/internal/guard"

func Topic() guard.SelfCheck {
	return guard.SelfCheck{
		Row: guard.Row{
			ID:          "guard-topic",
			Title:       "The alert topic is there, and every address of alerts.emails is subscribed and confirmed",
			Effect:      "nobody receives the alerts that need a person",
			Remediation: Redeploy,
			On:          OnTopic,
			Triggers: []guard.Trigger{
				alwaysAlert(ownEvents("aws.sns", "topicArn", []string{guard.AlertTopic}, "SetTopicAttributes", "DeleteTopic")),
				alwaysAlert(ownEvents("aws.sns", "subscriptionArn", []string{guard.AlertTopic}, "Unsubscribe")),
			},
			Reads: guard.Actions(OnTopic, "sns:ListSubscriptionsByTopic"),
		},
	}
}
