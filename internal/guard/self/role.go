package self

import (
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Role watches what bounds the guard: its own roles, and the boundaries of ICA's roles. What their documents say is
// CloudFormation's; that somebody else changes them is the alert.
func Role() guard.SelfCheck {
	return guard.SelfCheck{
		Row: guard.Row{
			ID:          "guard-role",
			Title:       "The roles of the guard and the boundaries of ICA's roles are as deployed",
			Effect:      "the guard can do less than it must, or more than it should",
			Remediation: Redeploy,
			On:          OnGuardRoles,
			Triggers: []guard.Trigger{
				alwaysAlert(
					guardRoleEvents("AttachRolePolicy", "DetachRolePolicy", "PutRolePolicy", "DeleteRolePolicy", "UpdateAssumeRolePolicy",
						"PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary", "DeleteRole", "CreateRole"),
				),
				alwaysAlert(guard.Trigger{
					Source:    "aws.iam",
					Events:    []string{"CreatePolicyVersion", "SetDefaultPolicyVersion", "DeletePolicyVersion", "DeletePolicy"},
					Parameter: "policyArn",
					Names:     guardPolicies,
				}),
				// Whoever may pass the role to a function of their own acts as icaguard.
				alwaysAlert(guard.Trigger{
					Source: "aws.lambda", Events: []string{"CreateFunction", "UpdateFunctionConfiguration"}, Parameter: "role",
					MatchARNSegment: true, Names: func(s icaconfig.Storage) []string { return Roles(s.Home) },
				}),
			},
			Reads: guard.Actions(OnGuardRoles, "iam:GetRole"),
		},
		PastRemediate: true,
	}
}

func guardRoleEvents(names ...string) guard.Trigger {
	return guard.Trigger{
		Source:    "aws.iam",
		Events:    names,
		Parameter: "roleName",
		Names:     func(s icaconfig.Storage) []string { return Roles(s.Home) },
	}
}

// guardPolicies are those that the functions may have, and the boundary of the storage's role.
func guardPolicies(s icaconfig.Storage) []string {
	var policies []string
	for n := range maxAttached {
		for _, function := range []string{guard.RemediateFunction, guard.ValidateFunction} {
			policies = append(policies, s.Home.ARN("iam", "", "policy/"+guard.FunctionPolicy(function, n+1)))
		}
	}
	if s.Role.Boundary.Ours {
		policies = append(policies, s.Role.Boundary.ARN)
	}
	return policies
}

// Roles are the functions' and those of the relaying rules.
func Roles(h icaconfig.Home) []string {
	roles := []string{guard.RemediateFunction, guard.ValidateFunction}
	for _, region := range h.Regions() {
		if region != h.HomeRegion {
			roles = append(roles, guard.RelayRole+region)
		}
	}
	return roles
}

// maxAttached is how many managed policies IAM attaches to a role, unless asked for more.
const maxAttached = 10
