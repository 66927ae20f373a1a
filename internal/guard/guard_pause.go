package guard

import (
	"context"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// guardPause tells people who pauses restoring and who lifts that: it is the guard's kill switch, and one parameter. What is paused now,
// the gate and every audit's report say.
func guardPause() Setting {
	named := func(s icaconfig.Storage) []string {
		return []string{PauseParameters + PauseAll, PauseParameters + s.Name}
	}
	return define(Setting{
		ID:     "guard-pause",
		Title:  "Nobody pauses or resumes restoring unnoticed",
		Effect: "while it is paused, nothing is restored",
		Remediation: func(icaconfig.Storage) string {
			return "nothing if that was planned; icaguard validate shows what is paused, icaguard resume ends it"
		},
		Did: "paused or resumed restoring",
		On:  OnPauses,
		Triggers: []Trigger{
			alwaysAlert(Trigger{Source: "aws.ssm", Events: []string{"PutParameter", "DeleteParameter"}, Parameter: "name", Names: named}),
			alwaysAlert(Trigger{Source: "aws.ssm", Events: []string{"DeleteParameters"}, Parameter: "names", Names: named}),
		},
	}, spec[struct{}]{
		read:    func(context.Context, Clients, icaconfig.Storage) (struct{}, error) { return struct{}{}, nil },
		compare: func(icaconfig.Storage, struct{}) Comparison { return Comparison{} },
	})
}
