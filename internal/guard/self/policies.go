package self

import (
	"slices"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// Policies are the policies of icaguard's own queues, topic and table, by ARN: what cdk/ deploys, and what the self checks
// expect.
func Policies(h icaconfig.Home) map[string][]policy.Statement {
	requests, topic := h.ARN("sqs", h.HomeRegion, guard.RequestQueue), h.ARN("sns", h.HomeRegion, guard.AlertTopic)
	ledger := h.ARN("dynamodb", h.HomeRegion, "table/"+guard.LedgerTable)
	all := map[string][]policy.Statement{
		requests: requestsPolicy(requests, h), topic: topicPolicy(topic, h), ledger: ledgerPolicy(ledger, h),
	}
	for _, region := range h.Regions() {
		queue := h.ARN("sqs", region, guard.DeadLetterQueue)
		all[queue] = deadLettersPolicy(queue, h, region)
	}
	return all
}

// requestsPolicy is the policy of the queue of requests: rules and functions send, remediate alone takes.
func requestsPolicy(queue string, h icaconfig.Home) []policy.Statement {
	return []policy.Statement{
		onlyTLS(queue, "sqs:*"),
		rulesMaySend(queue, h, rulesOf(Rules(AllRows(), h), h.HomeRegion)),
		onlyFunctions("IcaguardSenders", queue, h, []string{guard.RemediateFunction, guard.ValidateFunction}, "sqs:SendMessage"),
		onlyFunctions("IcaguardReceiver", queue, h, []string{guard.RemediateFunction},
			"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"),
	}
}

// deadLettersPolicy is the policy of a region's dead-letter queue: people read and empty it, and put nothing on it.
// Lambda sends what validate failed on with validate's role
// (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html).
func deadLettersPolicy(queue string, h icaconfig.Home, region string) []policy.Statement {
	return []policy.Statement{
		onlyTLS(queue, "sqs:*"),
		rulesMaySend(queue, h, rulesOf(AllRules(h), region)),
		onlyFunctions("IcaguardSenders", queue, h, []string{guard.RemediateFunction, guard.ValidateFunction}, "sqs:SendMessage"),
	}
}

// topicPolicy is the policy of the alert topic: our alarms and the functions publish.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
func topicPolicy(topic string, h icaconfig.Home) []policy.Statement {
	return []policy.Statement{
		onlyTLS(topic, "sns:Publish"),
		{
			Sid: "IcaguardAlarms", Effect: "Allow", Principal: policy.Principal{"Service": {"cloudwatch.amazonaws.com"}},
			Action: policy.Values{"sns:Publish"}, Resource: []string{topic}, Condition: policy.Condition{
				"ArnLike":      {"aws:SourceArn": {h.ARN("cloudwatch", h.HomeRegion, "alarm:icaguard-*")}},
				"StringEquals": {"aws:SourceAccount": {h.Account}},
			},
		},
		onlyFunctions("IcaguardPublishers", topic, h, []string{guard.RemediateFunction, guard.ValidateFunction}, "sns:Publish"),
	}
}

// ledgerPolicy is the policy of the ledger's table: remediate alone writes items, whichever call is used, as batches,
// transactions and PartiQL need these actions for each item. Who manages the table and its policy is for IAM to say:
// nobody is locked out. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
func ledgerPolicy(table string, h icaconfig.Home) []policy.Statement {
	return []policy.Statement{onlyFunctions("IcaguardWriter", table, h, []string{guard.RemediateFunction},
		"dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem",
		"dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate", "dynamodb:PartiQLDelete")}
}

// onlyFunctions denies the actions to every principal but these functions' roles. An AWS service that acts as itself has
// no aws:PrincipalArn, and a negated operator matches where its key is missing, so that without the first condition no
// event would arrive any more. What services may do, the other statements allow. "Bool" and not "BoolIfExists": where the
// first key is missing nothing is denied, which only an anonymous request could make use of, that nothing allows.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
func onlyFunctions(sid, resource string, h icaconfig.Home, functions []string, actions ...string) policy.Statement {
	var roles policy.Values
	for _, function := range functions {
		roles = append(roles, h.ARN("iam", "", "role/"+function))
	}
	return policy.Statement{
		Sid: sid, Effect: "Deny", Principal: anyone(), Action: actions, Resource: []string{resource}, Condition: policy.Condition{
			"Bool": {"aws:PrincipalIsAWSService": {"false"}}, "ArnNotEquals": {"aws:PrincipalArn": roles},
		},
	}
}

func onlyTLS(resource, action string) policy.Statement {
	return policy.Statement{
		Sid: "IcaguardRequireTLS", Effect: "Deny", Principal: anyone(), Action: policy.Values{action}, Resource: []string{resource},
		Condition: policy.Condition{"Bool": {"aws:SecureTransport": {"false"}}},
	}
}

// rulesMaySend lets EventBridge send in the name of these rules only.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sqs-permissions
func rulesMaySend(queue string, h icaconfig.Home, rules []Rule) policy.Statement {
	return policy.Statement{
		Sid: "IcaguardRules", Effect: "Allow", Principal: policy.Principal{"Service": {"events.amazonaws.com"}},
		Action: policy.Values{"sqs:SendMessage"}, Resource: []string{queue}, Condition: InNameOf(h, rules),
	}
}

// InNameOf is the condition that EventBridge acts in the name of these rules. Their ARNs are made from names: the role that
// a rule needs names the rule, so neither can refer to the other.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
func InNameOf(h icaconfig.Home, rules []Rule) policy.Condition {
	var arns policy.Values
	for _, rule := range rules {
		arns = append(arns, rule.ARN(h))
	}
	return policy.Condition{"ArnEquals": {"aws:SourceArn": arns}, "StringEquals": {"aws:SourceAccount": {h.Account}}}
}

// ARN names the rule.
func (r Rule) ARN(h icaconfig.Home) string { return h.ARN("events", r.Region, "rule/"+r.Name) }

func rulesOf(rules []Rule, region string) []Rule {
	return slices.DeleteFunc(slices.Clone(rules), func(r Rule) bool { return r.Region != region })
}

func anyone() policy.Principal { return policy.Principal{"AWS": {"*"}} }
