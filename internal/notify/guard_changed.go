package notify

import (
	"fmt"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
)

// GuardChanged writes the message about a change to the guard's own rules, queues or functions, as its event says.
func GuardChanged(e cloudtrail.Event) guard.Notice {
	who := e.Actor.String()
	return guard.Notice{
		Subject: Subject("[icaguard] icaguard: " + e.Name + " on icaguard's own resources"),
		Body: fmt.Sprintf(`Somebody changed icaguard's own detection or remediation. This message bypasses the part that was changed.

event     %s by %s at %s (%s)
effect    icaguard may receive no events, or restore nothing
do        find out in CloudTrail who did it and why; to restore it: make repair
`, e.Name, who, e.Time.UTC().Format("2006-01-02 15:04:05Z"), e.ID),
		Filter: map[string][]string{"severity": {string(Critical)}, "status": {"guard-changed"}, Storage: {guard.SelfName}},
	}
}
