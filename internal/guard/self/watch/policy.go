package watch

import (
	"strings"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/policy"
)

// policyAlerts compares the policy of one of icaguard's own resources with the one that is deployed, and tells all of its
// differences at once: every statement is CloudFormation's, so one too many is as much an alert as one that is missing.
func policyAlerts(what, got string, want []policy.Statement, remediation string) []guard.Finding {
	document, err := policy.Parse(got)
	if got != "" && err != nil {
		return []guard.Finding{{What: "the policy of " + what + " cannot be read: " + err.Error(), Remediation: remediation}}
	}
	var differences []string
	for _, d := range policy.Diff(policy.New(want...), document) {
		differences = append(differences, d.String())
	}
	if len(differences) == 0 {
		return nil
	}
	return []guard.Finding{{What: "the policy of " + what + ": " + strings.Join(differences, "; "), Remediation: remediation}}
}
