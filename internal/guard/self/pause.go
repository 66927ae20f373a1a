package self

import (
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Pause reports who pauses restoring and who ends that: it is the guard's kill switch, and one parameter. What is
// paused now, the gate and every audit report say.
func Pause() guard.SelfCheck {
	named := func(s icaconfig.Storage) []string {
		return []string{guard.PauseParameters + guard.PauseAll, guard.PauseParameters + s.Name}
	}
	return guard.SelfCheck{
		Row: guard.Row{
			ID:     pauseID,
			Title:  "Nobody pauses or resumes restoring unnoticed",
			Effect: "while it is paused, nothing is restored",
			Remediation: func(icaconfig.Storage) string {
				return "nothing if that was planned; icaguard validate shows what is paused, icaguard resume ends it"
			},
			On: OnPauses,
			Triggers: []guard.Trigger{
				alwaysAlert(
					guard.Trigger{Source: "aws.ssm", Events: []string{"PutParameter", "DeleteParameter"}, Parameter: "name", Names: named},
				),
				alwaysAlert(guard.Trigger{Source: "aws.ssm", Events: []string{"DeleteParameters"}, Parameter: "names", Names: named}),
			},
		},
		Did: "paused or resumed restoring",
	}
}

const pauseID = "guard-pause"

// EndsPause reports whether an event that leads to these requests ends a pause: what was deferred by it does not come
// again by itself.
func EndsPause(e cloudtrail.Event, requests []guard.Request) bool {
	return strings.HasPrefix(e.Name, "DeleteParameter") &&
		slices.ContainsFunc(requests, func(r guard.Request) bool { return r.Setting == pauseID })
}
