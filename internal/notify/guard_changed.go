package notify

import (
	"fmt"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
)

// GuardChanged writes the message about a change to the guard's own rules, queues or functions, as its event tells it.
func GuardChanged(e cloudtrail.Event) guard.Notice {
	who := e.Actor.String()
	return guard.Notice{
		Subject: Subject("[icaguard] icaguard: " + e.Name + " on the guard itself"),
		Body: fmt.Sprintf(`Somebody changed what the guard hears by or acts with. This message comes past the part that was changed.

event     %s by %s at %s (%s)
effect    changes may go unheard, or nothing is restored
do        look in CloudTrail who did it and why; to put it back: make repair
`, e.Name, who, e.Time.UTC().Format("2006-01-02 15:04:05Z"), e.ID),
		Filter: map[string][]string{"severity": {string(Critical)}, "status": {"guard-changed"}, Storage: {guard.SelfName}},
	}
}
