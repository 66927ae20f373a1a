package beliefs

func aboutDelivery() []Belief { //nolint:funlen // a table
	return []Belief{
		{
			ID: "parameter-half-minute", Grade: "doc",
			Fact:    "A deleted SSM parameter may be answered for half a minute more",
			Source:  "https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteParameter.html",
			RestsOn: "after the event of the deletion everything is checked at once and a minute later",
			In:      []string{"functions/remediate/handler.go"},
			Answer:  documented(),
		},
		{
			ID: "redrive-past-deny", Grade: "inferred",
			Fact:    "SQS moves messages to a dead-letter queue by itself, whatever that queue's policy says of SendMessage",
			Source:  "SQS: \"Using dead-letter queues\"; its policy element is the redrive allow policy",
			RestsOn: "the dead-letter queue's Deny of SendMessage",
			In:      []string{"internal/guard/self/policies.go"},
			Answer:  try(redrivePastDeny),
		},
		{
			ID: "put-events-aws", Grade: "inferred",
			Fact: "`PutEvents` refuses sources that begin with `aws.`",
			Source: "[EventBridge: " +
				"PutEvents](https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsRequestEntry.html) names " +
				"the field only",
			RestsOn: "A thief of a relay role cannot forge AWS's events",
			In:      []string{"docs/threat-model.md"},
			Answer:  try(putAWSEvent),
		},
		{
			ID: "rule-source-arn", Grade: "doc, inferred",
			Fact: "EventBridge sends to a rule's queue and to its dead-letter queue with the rule's ARN as `aws:SourceArn` and " +
				"the account as `aws:SourceAccount`",
			Source: "EventBridge User Guide, \"Using resource-based policies\", \"Using dead-letter queues\"; `aws:SourceAccount` " +
				"in neither example of SQS",
			RestsOn: "the queues let rules of ours send and nobody else",
			In:      []string{"internal/guard/self/policies.go"},
			Answer:  try(ruleSourceARN),
		},
		{
			ID: "bus-keeps-event", Grade: "doc",
			Fact:    "What a rule passes on to a bus of another region keeps source, account, region, time and detail",
			Source:  "EventBridge User Guide, \"Sending and receiving events between Regions\"",
			RestsOn: "the account and region of an event are those of the change",
			In:      []string{"internal/cloudtrail/event.go"},
			OfRun:   relayed,
		},
	}
}
