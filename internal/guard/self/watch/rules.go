package watch

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// ruleState is a rule as it stands in EventBridge; without State it does not exist.
type ruleState struct {
	Name, Region, State string
	Pattern, Schedule   string
	Targets             []string // ARNs
}

func readRules(ctx context.Context, c guard.Clients, s icaconfig.Storage) ([]ruleState, error) {
	var all []ruleState
	for _, rule := range self.AllRules(s.Home) {
		client := eventsClient(c, rule.Region)
		state := ruleState{Name: rule.Name, Region: rule.Region}
		out, err := client.DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: &rule.Name})
		if awserr.Classify(err) == awserr.Gone {
			all = append(all, state)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("describe rule %s in %s: %w", rule.Name, rule.Region, err)
		}
		state.State, state.Pattern, state.Schedule = string(out.State), aws.ToString(
			out.EventPattern,
		), aws.ToString(out.ScheduleExpression)
		targets, err := client.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: &rule.Name})
		if err != nil {
			return nil, fmt.Errorf("list targets of rule %s in %s: %w", rule.Name, rule.Region, err)
		}
		for _, target := range targets.Targets {
			state.Targets = append(state.Targets, describe(target))
		}
		all = append(all, state)
	}
	return all, nil
}

// describe tells all of a target that decides what arrives: its ARN, what it is sent in place of the event, and the
// role that may send.
func describe(t types.Target) string {
	return targetText(aws.ToString(t.Arn), cmp.Or(aws.ToString(t.Input), input(t)), aws.ToString(t.RoleArn))
}

func input(t types.Target) string {
	if t.InputPath != nil || t.InputTransformer != nil {
		return "of another's making"
	}
	return ""
}

func targetText(arn, input, role string) string {
	if input != "" {
		arn += " with input " + input
	}
	if role != "" {
		arn += " by " + role
	}
	return arn
}

func compareRules(s icaconfig.Storage, got []ruleState) guard.Comparison {
	var v guard.Comparison
	for i, rule := range self.AllRules(s.Home) {
		if fault := got[i].fault(rule); fault != "" {
			v.Alerts = append(
				v.Alerts,
				guard.Finding{What: fmt.Sprintf("rule %s in %s %s", rule.Name, rule.Region, fault), Remediation: self.Redeploy(s)},
			)
		}
	}
	return v
}

// fault says what is wrong with a rule, or nothing.
func (r ruleState) fault(want self.Rule) string {
	target := targetText(want.Target, want.Input, want.Role)
	switch {
	case r.State == "":
		return "does not exist"
	case r.State != "ENABLED":
		return "is " + r.State
	case !samePattern(r.Pattern, want.Pattern):
		return "has another pattern than was deployed"
	case r.Schedule != want.Schedule:
		return fmt.Sprintf("has the schedule %q, not %q", r.Schedule, want.Schedule)
	case !slices.Equal(r.Targets, []string{target}):
		return fmt.Sprintf("has the targets %v, not %s alone", r.Targets, target)
	}
	return ""
}

func samePattern(got string, want map[string]any) bool {
	if got == "" || len(want) == 0 {
		return got == "" && len(want) == 0
	}
	text, err := json.Marshal(want)
	if err != nil {
		return false
	}
	var a, b any
	return json.Unmarshal([]byte(got), &a) == nil && json.Unmarshal(text, &b) == nil && reflect.DeepEqual(a, b)
}
