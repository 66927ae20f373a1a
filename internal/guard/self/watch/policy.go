package watch

import (
	"fmt"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/policy"
)

// policyAlerts compares the policy of one of icaguard's own resources with the one that is deployed: every statement is
// CloudFormation's, so one too many is as much an alert as one that is missing.
func policyAlerts(what, got string, want []policy.Statement, remediation string) []guard.Finding {
	document, err := policy.Parse(got)
	if got != "" && err != nil {
		return []guard.Finding{{What: "the policy of " + what + " cannot be read: " + err.Error(), Remediation: remediation}}
	}
	var alerts []guard.Finding
	for _, d := range policy.Diff(policy.New(want...), document) {
		alerts = append(alerts, guard.Finding{What: fmt.Sprintf("the policy of %s: %s", what, d), Remediation: remediation})
	}
	return alerts
}
