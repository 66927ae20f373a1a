package guard

import (
	"maps"
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Rule is an EventBridge rule of ours: what it lets through, and whether it relays that to the home bus or puts it on the queue.
type Rule struct {
	Name, Region string
	Source       string // the EventBridge source whose events it lets through
	Relay        bool
	Pattern      map[string]any
}

// Rules lists the rules of all regions, home first. At home one rule for each source puts on the queue what appears there and what
// is relayed: an event keeps its source on the way. Elsewhere one for each source that appears there relays it.
func Rules(settings []Setting, h icaconfig.Home) []Rule {
	sources := Sources(settings)
	var rules []Rule
	for _, region := range h.Regions() {
		relay, prefix := region != h.HomeRegion, "icaguard-hear-"
		if relay {
			prefix = "icaguard-relay-"
		}
		for _, source := range slices.Sorted(maps.Keys(sources)) {
			appears := appearsIn(source, h)
			if relay && !slices.Contains(appears, region) || len(appears) == 0 {
				continue
			}
			rules = append(rules, Rule{prefix + strings.TrimPrefix(source, "aws."), region, source, relay, callPattern(source, sources[source])})
		}
		rules = append(rules, Rule{prefix + "stacks", region, stackSource, relay, stackPattern(h)})
	}
	return rules
}

// appearsIn lists the regions in which events of a source that concern us appear, as far as we have a stack there.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html
func appearsIn(source string, h icaconfig.Home) []string {
	switch source {
	case "aws.iam":
		return slices.DeleteFunc(h.Regions(), func(region string) bool { return region != icaconfig.IAMRegion })
	case "aws.s3":
		return h.StorageRegions
	case "aws.kms":
		return h.KeyRegions
	case "aws.ssm", "aws.lambda", "aws.sns", "aws.dynamodb":
		return []string{h.HomeRegion}
	}
	return h.Regions()
}

// callPattern matches source and event names and nothing narrower: whose resource it is, Route decides, because a pattern on a wrong
// path is silently deaf. Failed calls changed nothing and are not delivered.
func callPattern(source string, names []string) map[string]any {
	return map[string]any{
		"source":      []string{source},
		"detail-type": []string{"AWS API Call via CloudTrail", "AWS Service Event via CloudTrail"},
		"detail":      map[string]any{"eventName": names, "errorCode": []any{map[string]any{"exists": false}}},
	}
}

// stackSource is the source of CloudFormation's own events.
const stackSource = "aws.cloudformation"

// stackPattern matches every status of our stacks.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/eventbridge-events.html
func stackPattern(home icaconfig.Home) map[string]any {
	var ours []any
	for _, region := range home.Regions() {
		ours = append(ours, map[string]any{"prefix": "arn:" + home.Partition + ":cloudformation:" + region + ":" + home.Account + ":stack/icaguard-"})
	}
	return map[string]any{
		"source": []string{stackSource}, "detail-type": []string{"CloudFormation Stack Status Change"}, "detail": map[string]any{"stack-id": ours},
	}
}
