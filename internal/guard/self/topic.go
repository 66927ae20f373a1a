package self

import "github.com/icaguard/icaguard/internal/guard"

func Topic() guard.SelfCheck {
	return guard.SelfCheck{
		Row: guard.Row{
			ID:          "guard-topic",
			Title:       "The alert topic and its policy are as deployed, and every address of alerts.emails is subscribed and confirmed",
			Effect:      "nobody receives the alerts that need a person, or others can send them",
			Remediation: Redeploy,
			On:          OnTopic,
			Triggers: []guard.Trigger{
				alwaysAlert(ownEvents("aws.sns", "topicArn", topic(), "SetTopicAttributes", "DeleteTopic", "AddPermission",
					"RemovePermission", "Subscribe")),
				alwaysAlert(ownEvents("aws.sns", "resourceArn", topic(), "PutDataProtectionPolicy")),
				alwaysAlert(ownEvents("aws.sns", "subscriptionArn", topic(), "Unsubscribe", "SetSubscriptionAttributes")),
			},
			Reads: guard.Actions(OnTopic, "sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic"),
		},
	}
}

func topic() []string { return []string{guard.AlertTopic} }
