package self

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Rule is an EventBridge rule of ours: when it fires, and where to.
type Rule struct {
	Name, Region string
	Pattern      map[string]any // of the events that it lets through; nil for a schedule
	Schedule     string         // "rate(1 hour)"
	Target       string         // ARN: the guard's queue, the home bus or the function validate
	Role         string         // ARN of the role that it needs to put events on the home bus; "" where the target lets it in
	Input        string         // what a schedule says to its target, JSON
}

// Rules lists the rules of all regions, home first. At home one rule for each source puts on the queue what appears
// there and what is relayed: an event keeps its source on the way. Elsewhere one for each source that appears there
// relays it.
func Rules(rows []guard.Row, h icaconfig.Home) []Rule {
	sources := guard.Sources(rows)
	var rules []Rule
	for _, region := range h.Regions() {
		relay, prefix, target, role := region != h.HomeRegion, "icaguard-events-", h.ARN("sqs", h.HomeRegion, guard.RequestQueue), ""
		if relay {
			prefix, target = "icaguard-relay-", h.ARN("events", h.HomeRegion, "event-bus/default")
			role = h.ARN("iam", "", "role/"+guard.RelayRole+region)
		}
		for _, source := range slices.Sorted(maps.Keys(sources)) {
			appears := AppearsIn(source, h)
			if relay && !slices.Contains(appears, region) || len(appears) == 0 {
				continue
			}
			rules = append(rules, Rule{
				Name:    prefix + strings.TrimPrefix(source, "aws."),
				Region:  region,
				Pattern: callPattern(source, sources[source]),
				Target:  target,
				Role:    role,
			})
		}
		rules = append(rules, Rule{Name: prefix + "stacks", Region: region, Pattern: stackPattern(h), Target: target, Role: role})
	}
	return rules
}

// AllRules lists every rule of ours.
func AllRules(h icaconfig.Home) []Rule { return slices.Concat(Rules(AllRows(), h), ValidateRules(h)) }

// ValidateRules lists the rules at home that start validate: the schedule, and the one that reports changes to
// icaguard's own resources.
func ValidateRules(h icaconfig.Home) []Rule { return append(AuditRules(h), GuardChangedRule(h)) }

// What a schedule asks the function validate for.
const (
	AuditEverything = "everything"
	AuditIAM        = "iam" // what IAM's events would have reported
)

// AuditRules lists the rules at home that make validate check without an event.
func AuditRules(h icaconfig.Home) []Rule {
	rule := func(name, ask string, every time.Duration) Rule {
		return Rule{
			Name:     name,
			Region:   h.HomeRegion,
			Schedule: rate(every),
			Target:   h.ARN("lambda", h.HomeRegion, "function:"+guard.ValidateFunction),
			Input:    `{"audit":"` + ask + `"}`,
		}
	}
	rules := []Rule{rule("icaguard-audit", AuditEverything, h.AuditEvery)}
	if h.AuditIAM {
		rules = append(rules, rule("icaguard-audit-iam", AuditIAM, icaconfig.IAMAuditEvery))
	}
	return rules
}

// GuardChangedRule lets validate report what happens to the guard's own rules, queues and functions, past the queue and
// past remediate: a function that somebody replaced could swallow the news, and a queue that is gone carries none. What
// happens to this rule and to validate, remediate reports. What CloudFormation changes, remediate decides on.
//
// It names no events, which would not fit into a pattern: every write about what has our names reaches validate, which
// takes what the rows listen to (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html:
// a rule in state ENABLED gets no reads).
func GuardChangedRule(h icaconfig.Home) Rule {
	sources, parts := map[string]bool{}, map[string]any{}
	name := func(part, key string) {
		parts[part+key] = map[string]any{part: map[string]any{key: beginnings(key, h)}}
	}
	for _, t := range pastRemediate() {
		sources[t.Source] = true
		for _, key := range t.Answers {
			name("responseElements", key)
		}
		if !t.AnyResource {
			name("requestParameters", t.Parameter)
		}
	}
	var named []any
	for _, key := range slices.Sorted(maps.Keys(parts)) {
		named = append(named, parts[key])
	}
	return Rule{
		Name: "icaguard-guard-changed", Region: h.HomeRegion, Target: h.ARN("lambda", h.HomeRegion, "function:"+guard.ValidateFunction),
		Pattern: map[string]any{
			"source": slices.Sorted(maps.Keys(sources)), "detail-type": []string{callDetailType}, "detail": map[string]any{
				"errorCode":       []any{map[string]any{"exists": false}},
				"sourceIPAddress": []any{map[string]any{"anything-but": guard.CloudFormation}}, "$or": named,
			},
		},
	}
}

// pastRemediate are the triggers of the rows whose events validate reports too.
func pastRemediate() []guard.Trigger {
	var triggers []guard.Trigger
	for _, row := range All() {
		if row.PastRemediate {
			triggers = append(triggers, row.Triggers...)
		}
	}
	return triggers
}

// beginnings are how the values of a parameter begin that name something of ours: by name, part of an ARN, ARN or URL,
// as the caller wrote it.
func beginnings(parameter string, h icaconfig.Home) []any {
	var all []string
	switch parameter {
	case "functionName":
		all = []string{"icaguard-", h.Account + ":function:icaguard-", h.ARN("lambda", h.HomeRegion, "function:icaguard-")}
	case "functionArn":
		all = []string{h.ARN("lambda", h.HomeRegion, "function:icaguard-")}
	case "eventSourceArn":
		all = []string{h.ARN("sqs", h.HomeRegion, "icaguard-")}
	case "role":
		all = []string{h.ARN("iam", "", "role/icaguard-")}
	case "policyArn":
		all = []string{h.ARN("iam", "", "policy/icaguard-")}
	case "queueUrl":
		for _, region := range h.Regions() {
			all = append(all, "https://sqs."+region+".amazonaws.com/"+h.Account+"/icaguard-")
		}
	default:
		all = []string{"icaguard-"}
	}
	prefixes := make([]any, len(all))
	for i, beginning := range all {
		prefixes[i] = map[string]any{"prefix": beginning}
	}
	return prefixes
}

// rate is written in the largest unit that fits, singular for one
// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html).
func rate(every time.Duration) string {
	n, unit := int(every/time.Minute), "minute"
	if every%time.Hour == 0 {
		n, unit = int(every/time.Hour), "hour"
	}
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("rate(%d %s)", n, unit)
}

// AppearsIn lists the regions in which events of a source that concern us appear, as far as we have a stack there.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
func AppearsIn(source string, h icaconfig.Home) []string {
	switch source {
	case "aws.iam":
		return slices.DeleteFunc(h.Regions(), func(region string) bool { return region != icaconfig.IAMRegion })
	case "aws.s3":
		return h.StorageRegions
	case "aws.kms":
		return h.KeyRegions
	case "aws.ssm", "aws.lambda", "aws.sns", "aws.dynamodb", "aws.logs", "aws.monitoring":
		return []string{h.HomeRegion}
	}
	return h.Regions()
}

// callDetailType is how EventBridge names what CloudTrail tells of a call.
const callDetailType = "AWS API Call via CloudTrail"

// callPattern matches source and event names and nothing narrower: whose resource it is, Route decides, because a
// pattern on a wrong path is never matched, and nobody would notice. Failed calls changed nothing and are not
// delivered.
func callPattern(source string, names []string) map[string]any {
	return map[string]any{
		"source":      []string{source},
		"detail-type": []string{callDetailType, "AWS Service Event via CloudTrail"},
		"detail":      map[string]any{"eventName": eventNames(source, names), "errorCode": []any{map[string]any{"exists": false}}},
	}
}

// eventNames matches the events of these names; Lambda's with any version of the API (cloudtrail.APIName).
func eventNames(source string, names []string) []any {
	var all []any
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if source == "aws.lambda" {
			all = append(all, map[string]any{"prefix": name})
		} else {
			all = append(all, name)
		}
	}
	return all
}

// stackSource is the source of CloudFormation's own events.
const stackSource = "aws.cloudformation"

// stackPattern matches every status of our stacks.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/eventbridge-events.html
func stackPattern(home icaconfig.Home) map[string]any {
	var ours []any
	for _, region := range home.Regions() {
		ours = append(
			ours,
			map[string]any{"prefix": "arn:" + home.Partition + ":cloudformation:" + region + ":" + home.Account + ":stack/icaguard-"},
		)
	}
	return map[string]any{
		"source": []string{
			stackSource,
		},
		"detail-type": []string{cloudtrail.StackDetailType},
		"detail":      map[string]any{"stack-id": ours},
	}
}
