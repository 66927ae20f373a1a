package watch

import (
	"encoding/json"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
)

func guardRulesCases() []selfCase {
	const id, eventsRule, relayRule, auditRule = "guard-rules", "icaguard-events-iam", "icaguard-relay-s3", "icaguard-audit"
	testCase := func(name, says string, breakIt func(*selfEnv)) selfCase {
		return selfCase{setting: id, name: name, want: guard.ActionRequired, says: says, breakIt: breakIt}
	}
	disable := func(rule, region string) func(*selfEnv) {
		return func(w *selfEnv) {
			w.must(eventsClient(w.stranger, region).DisableRule(w.t.Context(), &eventbridge.DisableRuleInput{Name: &rule}))
		}
	}
	remove := func(rule, region string) func(*selfEnv) {
		return func(w *selfEnv) {
			w.must(
				eventsClient(w.stranger, region).RemoveTargets(
					w.t.Context(), &eventbridge.RemoveTargetsInput{Rule: &rule, Ids: []string{"Target0"}},
				),
			)
		}
	}
	put := func(region string, put eventbridge.PutRuleInput) func(*selfEnv) {
		return func(w *selfEnv) { w.must(eventsClient(w.stranger, region).PutRule(w.t.Context(), &put)) }
	}
	targets := func(rule, region string, change func(*types.Target)) func(*selfEnv) {
		return func(w *selfEnv) { w.changeTarget(rule, region, change) }
	}
	queue := "arn:aws:sqs:us-east-1:123456789012:"
	return []selfCase{
		testCase("disabled", "rule icaguard-events-iam in us-east-1 is DISABLED", disable(eventsRule, inHome)),
		testCase("disabled in another region", "rule icaguard-relay-s3 in eu-central-1 is DISABLED", disable(relayRule, away)),
		testCase("schedule disabled", "rule icaguard-audit in us-east-1 is DISABLED", disable(auditRule, inHome)),
		testCase("deleted", "rule icaguard-events-iam in us-east-1 does not exist", func(w *selfEnv) {
			remove(eventsRule, inHome)(w)
			w.must(eventsClient(w.stranger, inHome).DeleteRule(w.t.Context(), &eventbridge.DeleteRuleInput{Name: aws.String(eventsRule)}))
		}),
		testCase(
			"pattern narrowed",
			"rule icaguard-relay-s3 in eu-central-1 has another pattern",
			put(
				away,
				eventbridge.PutRuleInput{
					Name:         aws.String(relayRule),
					EventPattern: aws.String(`{"source":["aws.s3"],"detail":{"eventName":["DeleteBucket"]}}`),
				},
			),
		),
		testCase("schedule slowed down", `has the schedule "rate(7 days)", not "rate(1 hour)"`,
			put(inHome, eventbridge.PutRuleInput{Name: aws.String(auditRule), ScheduleExpression: aws.String("rate(7 days)")})),
		testCase("target removed", "rule icaguard-relay-s3 in eu-central-1 has the targets []", remove(relayRule, away)),
		testCase(
			"target replaced", "has the targets ["+queue+"other]",
			targets(eventsRule, inHome, func(t *types.Target) { t.Arn = aws.String(queue + "other") }),
		),
		testCase(
			"target added",
			"has the targets ["+queue+"icaguard-requests "+queue+"other]",
			targets(eventsRule, inHome, func(t *types.Target) {
				t.Id, t.Arn = aws.String("other"), aws.String(queue+"other")
			}),
		),
		testCase("events rewritten on their way", "with input of another's making", targets(eventsRule, inHome, func(t *types.Target) {
			t.InputTransformer = &types.InputTransformer{InputTemplate: aws.String(`{"detail":"nothing"}`)}
		})),
		testCase(
			"schedule asks for nothing", "function:icaguard-validate with input {}",
			targets(auditRule, inHome, func(t *types.Target) { t.Input = aws.String("{}") }),
		),
		testCase("relaying without the role that may", "has the targets [arn:aws:events:us-east-1:123456789012:event-bus/default]",
			targets(relayRule, away, func(t *types.Target) { t.RoleArn = nil })),
		{setting: id, name: "put again as it is", want: guard.InSync, breakIt: func(w *selfEnv) {
			for _, rule := range self.Rules(self.AllRows(), w.home) {
				if rule.Name == relayRule {
					text, err := json.Marshal(rule.Pattern)
					w.must(text, err)
					pattern := strings.ReplaceAll(string(text), ",", " ,\n")
					put(away, eventbridge.PutRuleInput{Name: aws.String(relayRule), EventPattern: &pattern})(w)
				}
			}
		}},
	}
}

// changeTarget puts the rule's target again, changed.
func (w *selfEnv) changeTarget(rule, region string, change func(*types.Target)) {
	w.t.Helper()
	client := eventsClient(w.stranger, region)
	out, err := client.ListTargetsByRule(w.t.Context(), &eventbridge.ListTargetsByRuleInput{Rule: &rule})
	w.must(out, err)
	change(&out.Targets[0])
	w.must(client.PutTargets(w.t.Context(), &eventbridge.PutTargetsInput{Rule: &rule, Targets: out.Targets}))
}
