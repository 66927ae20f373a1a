package settings

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// roleBoundaryARN is the ARN of the role's permissions boundary, "" for none.
type roleBoundaryARN string

func roleBoundary() guard.Setting {
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:     "role-boundary",
			Title:  "The role has the permissions boundary that ica.yaml asks for",
			Effect: "the limit of what policies on the role could give it; another boundary may keep ICA from the bucket",
			Remediation: func(s icaconfig.Storage) string {
				return fmt.Sprintf("IAM console, role %s: set the permissions boundary %s", s.Role.Name, s.Role.Boundary.ARN)
			},
			On:       guard.OnRole,
			Triggers: []guard.Trigger{roleEvents("PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary")},
			Reads:    guard.Actions(guard.OnRole, "iam:GetRole"),
		},
		Writes: guard.OnlyIf(
			wantsBoundary, guard.WithCondition(withBoundary, guard.Actions(guard.OnRole, "iam:PutRolePermissionsBoundary")),
		),
	}, guard.Spec[roleBoundaryARN]{Read: readRoleBoundary, Compare: compareRoleBoundary, Put: putRoleBoundary})
}

// withBoundary lets the guard create the role, set its boundary and attach ICA's policy with the configured boundary
// only. The key is text: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html. That
// page does not list it for UpdateAssumeRolePolicy and UpdateRole, the Service Authorization Reference does; a condition
// there could deny our own restore, which closes access, and bounds little: CreatePolicyVersion knows no such key.
func withBoundary(s icaconfig.Storage) policy.Condition {
	if !wantsBoundary(s) {
		return nil
	}
	return policy.Condition{"StringEquals": {"iam:PermissionsBoundary": {s.Role.Boundary.ARN}}}
}

func wantsBoundary(s icaconfig.Storage) bool { return s.Role.Boundary.ARN != "" }

func readRoleBoundary(ctx context.Context, c guard.Clients, s icaconfig.Storage) (roleBoundaryARN, error) {
	role, err := ourRole(ctx, c, s)
	if err != nil || role.PermissionsBoundary == nil {
		return "", err
	}
	return roleBoundaryARN(aws.ToString(role.PermissionsBoundary.PermissionsBoundaryArn)), nil
}

// compareRoleBoundary puts back a boundary that was removed. Another one was set by somebody who may: that is a person's.
func compareRoleBoundary(s icaconfig.Storage, got roleBoundaryARN) guard.Comparison {
	want := s.Role.Boundary.ARN
	switch {
	case string(got) == want:
		return guard.Comparison{}
	case got == "":
		return guard.Comparison{Diffs: []guard.Diff{{Path: "PermissionsBoundary", Expected: want, Found: "none"}}}
	case want == "":
		return guard.Note(fmt.Sprintf("role %s has the permissions boundary %s, which ica.yaml does not name", s.Role.Name, got),
			"write it into role.boundary in ica.yaml, so that its removal is noticed")
	}
	return guard.Alert(fmt.Sprintf("role %s has the permissions boundary %s instead of %s", s.Role.Name, got, want),
		"ask who set it; if it is to stay, check that it allows what ICA needs and write it into role.boundary in ica.yaml")
}

func putRoleBoundary(ctx context.Context, c guard.Clients, s icaconfig.Storage, _ roleBoundaryARN) error {
	_, err := iamClient(c).PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{
		RoleName: &s.Role.Name, PermissionsBoundary: &s.Role.Boundary.ARN,
	})
	if err != nil {
		return fmt.Errorf("put boundary of role %s: %w", s.Role.Name, err)
	}
	return nil
}
