package settings

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// attachedPolicies are the ARNs of the managed policies attached to the role.
type attachedPolicies []string

func permissionPolicyAttached() guard.Setting {
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:     "permission-policy-attached",
			Title:  "The permission policy is attached to the role",
			Effect: `the storage: "Access Forbidden … no identity-based policy allows the s3:GetBucketLocation action"`,
			Remediation: func(s icaconfig.Storage) string {
				attach := fmt.Sprintf("aws iam attach-role-policy --role-name %s --policy-arn %s", s.Role.Name, s.Role.Policy.ARN)
				if !wantsBoundary(s) {
					return attach
				}
				return attach + "; icaguard itself may do so only while the role has the boundary " + s.Role.Boundary.ARN
			},
			On:       guard.OnRole,
			Triggers: []guard.Trigger{roleEvents("AttachRolePolicy", "DetachRolePolicy"), policyEvents(), policyCreated()},
			Reads:    guard.Actions(guard.OnRole, "iam:GetRole", "iam:ListAttachedRolePolicies"),
		},
		Writes: guard.WithCondition(ourPolicy, guard.Actions(guard.OnRole, "iam:AttachRolePolicy")),
	}, guard.Spec[attachedPolicies]{Read: readAttached, Compare: compareAttached, Put: putAttached})
}

// ourPolicy lets the guard attach ICA's policy and no other, and only while the role has its boundary, which is restored
// before.
func ourPolicy(s icaconfig.Storage) policy.Condition {
	condition := policy.Condition{"ArnEquals": {"iam:PolicyARN": {s.Role.Policy.ARN}}}
	maps.Copy(condition, withBoundary(s))
	return condition
}

func readAttached(ctx context.Context, c guard.Clients, s icaconfig.Storage) (attachedPolicies, error) {
	if _, err := ourRole(ctx, c, s); err != nil {
		return nil, err
	}
	return attachedTo(ctx, c, s)
}

// attachedTo is what is attached to the role that bears our name.
func attachedTo(ctx context.Context, c guard.Clients, s icaconfig.Storage) (attachedPolicies, error) {
	return guard.ReadOnce(
		c, "ListAttachedRolePolicies "+s.Role.Name, func() (attachedPolicies, error) { return listAttached(ctx, c, s.Role.Name) },
	)
}

func listAttached(ctx context.Context, c guard.Clients, role string) (attachedPolicies, error) {
	var arns attachedPolicies
	pages := iam.NewListAttachedRolePoliciesPaginator(iamClient(c), &iam.ListAttachedRolePoliciesInput{RoleName: &role})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list policies attached to role %s: %w", role, err)
		}
		for _, attached := range page.AttachedPolicies {
			arns = append(arns, aws.ToString(attached.PolicyArn))
		}
	}
	return arns, nil
}

func compareAttached(s icaconfig.Storage, got attachedPolicies) guard.Comparison {
	if slices.Contains(got, s.Role.Policy.ARN) {
		return guard.Comparison{}
	}
	return guard.Comparison{Diffs: []guard.Diff{{Path: "policy " + s.Role.Policy.Name, Expected: "attached", Found: "detached"}}}
}

func putAttached(ctx context.Context, c guard.Clients, s icaconfig.Storage, _ attachedPolicies) error {
	_, err := iamClient(c).AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &s.Role.Name, PolicyArn: &s.Role.Policy.ARN})
	if err != nil {
		return fmt.Errorf("attach policy %s to role %s: %w", s.Role.Policy.Name, s.Role.Name, err)
	}
	return nil
}
