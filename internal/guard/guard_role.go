package guard

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// guardRole watches what bounds the guard: its own roles, and the boundaries of ICA's roles. What their documents say is
// CloudFormation's; that somebody else changes them is the alert.
func guardRole() Setting {
	return define(Setting{
		ID:          "guard-role",
		Title:       "The roles of the guard and the boundaries of ICA's roles are as deployed",
		Effect:      "the guard can do less than it must, or more than it should",
		Remediation: redeploy,
		On:          OnGuardRoles,
		Triggers: []Trigger{
			alwaysAlert(guardRoleEvents("AttachRolePolicy", "DetachRolePolicy", "PutRolePolicy", "DeleteRolePolicy", "UpdateAssumeRolePolicy",
				"PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary", "DeleteRole", "CreateRole")),
			alwaysAlert(Trigger{
				Source: "aws.iam", Events: []string{"CreatePolicyVersion", "SetDefaultPolicyVersion", "DeletePolicyVersion", "DeletePolicy"}, Parameter: "policyArn", Names: guardPolicies,
			}),
		},
		Reads: on(OnGuardRoles, "iam:GetRole"),
	}, spec[[]string]{read: readMissingRoles, compare: compareMissingRoles})
}

func guardRoleEvents(names ...string) Trigger {
	return Trigger{Source: "aws.iam", Events: names, Parameter: "roleName", Names: func(s icaconfig.Storage) []string { return guardRoles(s.Home) }}
}

// maxAttached is how many managed policies IAM attaches to a role, unless asked for more.
const maxAttached = 10

// guardPolicies are those that the functions may have, and the boundary of the storage's role.
func guardPolicies(s icaconfig.Storage) []string {
	var policies []string
	for n := range maxAttached {
		for _, function := range []string{RemediateFunction, ValidateFunction} {
			policies = append(policies, s.Home.ARN("iam", "", "policy/"+FunctionPolicy(function, n+1)))
		}
	}
	if s.Role.Boundary.Ours {
		policies = append(policies, s.Role.Boundary.ARN)
	}
	return policies
}

// guardRoles are the functions' and those of the relaying rules.
func guardRoles(h icaconfig.Home) []string {
	roles := []string{RemediateFunction, ValidateFunction}
	for _, region := range h.Regions() {
		if region != h.HomeRegion {
			roles = append(roles, RelayRole+region)
		}
	}
	return roles
}

// readMissingRoles lists the roles that do not exist.
func readMissingRoles(ctx context.Context, c Clients, s icaconfig.Storage) ([]string, error) {
	var missing []string
	for _, name := range guardRoles(s.Home) {
		_, err := c.iam().GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
		switch {
		case awserr.Classify(err) == awserr.Gone:
			missing = append(missing, name)
		case err != nil:
			return nil, fmt.Errorf("get role %s: %w", name, err)
		}
	}
	return missing, nil
}

func compareMissingRoles(s icaconfig.Storage, missing []string) Comparison {
	var v Comparison
	for _, name := range missing {
		v.Alerts = append(v.Alerts, Finding{What: "role " + name + " of the guard does not exist", Remediation: redeploy(s)})
	}
	return v
}
