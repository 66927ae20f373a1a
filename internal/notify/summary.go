package notify

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/icaguard/icaguard/internal/guard"
)

// Summary is one message about many outcomes: after a deploy, and when an audit finds another state than the one before.
// notReached is how many settings were not checked yet.
func Summary(occasion string, outcomes []guard.Outcome, notReached int) (guard.Notice, error) {
	count, how := 0, Info // the result stands first in the subject, which is cut
	for _, o := range outcomes {
		if guard.ExitCode([]guard.Outcome{o}) != 0 {
			count++
			how = Critical
		}
	}
	result := fmt.Sprintf("all %d settings are well", len(outcomes))
	if count > 0 {
		result = fmt.Sprintf("%d of %d settings need attention", count, len(outcomes))
	}
	if notReached > 0 {
		how = Critical
		result += fmt.Sprintf(", %d are not checked yet", notReached)
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s: %s\n\n", occasion, result)
	if err := Table(&text, outcomes); err != nil {
		return guard.Notice{}, err
	}
	filter := map[string][]string{"severity": {string(how)}, "status": {"summary"}}
	return newNotice("[icaguard] "+result+": "+occasion, text.String(), filter), nil
}

// Fingerprint is equal for audits of which people would read the same: it leaves out what changes from one check to the
// next, such as request ids in errors.
func Fingerprint(outcomes []guard.Outcome) string {
	hash := sha256.New()
	for _, o := range outcomes {
		fmt.Fprintln(hash, o.Storages, o.Setting, o.Resource, o.Status, o.Diffs, o.Alerts, o.Notes, o.Accepted)
	}
	return hex.EncodeToString(hash.Sum(nil))
}
