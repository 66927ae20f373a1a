package notify

import (
	"fmt"
	"strings"

	"github.com/icaguard/icaguard/internal/guard"
)

// GuardChanged writes the message about a reported call on the guard's own resources: what was read of them, and who is
// said to have done what.
func GuardChanged(e guard.Event, read []guard.Outcome) guard.Notice {
	var text strings.Builder
	for _, o := range read {
		text.WriteString("\n")
		if o.Status == guard.InSync {
			fmt.Fprintf(&text, "setting   %s\nstatus    %s, as far as it can be compared\n", o.Setting, o.Status)
			continue
		}
		text.WriteString(Text(o))
	}
	return newNotice("[icaguard] icaguard: "+e.Event+" on icaguard's own resources", fmt.Sprintf(
		`CloudTrail reports a call on icaguard's own resources. What follows was read after it, past the part that may have been
changed.

reported  %s
effect    where it changed something, icaguard may receive no events, or restore nothing
do        look the event up in CloudTrail by its id: who did it and why? To restore what was changed: make repair
%s`, e, text.String()), map[string][]string{"severity": {string(Critical)}, "status": {"guard-changed"}, Storage: {guard.SelfName}})
}
