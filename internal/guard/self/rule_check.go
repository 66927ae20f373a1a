package self

import (
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

func RulesCheck() guard.SelfCheck {
	return guard.SelfCheck{
		Row: guard.Row{
			ID:    "guard-rules",
			Title: "The EventBridge rules of the guard are enabled, with pattern and target as deployed",
			Effect: "icaguard receives no events; drift is found only by the scheduled audit, or not at all where the audit's own " +
				"rule is off",
			Remediation: Redeploy,
			On:          OnRules,
			Triggers: []guard.Trigger{
				ruleEvents("name", "DisableRule", "DeleteRule", "PutRule"), ruleEvents("rule", "RemoveTargets", "PutTargets"),
			},
			Reads: guard.Actions(OnRules, "events:DescribeRule", "events:ListTargetsByRule"),
		},
		PastRemediate: true,
	}
}

// ruleEvents takes the events of every rule with a name of ours, on whatever bus: the check decides, for a few reads.
func ruleEvents(parameter string, names ...string) guard.Trigger {
	return guard.Trigger{Source: "aws.events", Events: names, Parameter: parameter, Names: func(s icaconfig.Storage) []string {
		var ours []string
		for _, rule := range AllRules(s.Home) {
			ours = append(ours, rule.Name)
		}
		return ours
	}}
}
