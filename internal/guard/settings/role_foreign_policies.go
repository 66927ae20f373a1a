package settings

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// foreignPolicy is a policy on the role that is not ICA's.
type foreignPolicy struct {
	Name     string // of an inline policy
	ARN      string // of an attached one
	Document document
}

func roleForeignPolicies() guard.Setting {
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:     "role-foreign-policies",
			Title:  "The role holds no policies but ICA's",
			Effect: "nothing in ICA; but whoever ICA's role is given to has what these policies allow",
			Remediation: func(s icaconfig.Storage) string {
				return "detach or delete what role " + s.Role.Name + " does not need for ICA"
			},
			On:       guard.OnRole,
			Triggers: []guard.Trigger{roleEvents("AttachRolePolicy", "DetachRolePolicy", "PutRolePolicy", "DeleteRolePolicy")},
			Reads: append(
				guard.Actions(guard.OnRole, "iam:GetRole", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:GetRolePolicy"),
				guard.Actions(guard.OnPolicies, "iam:GetPolicy", "iam:GetPolicyVersion")...),
		},
		Writes: guard.OnlyIf(strict, guard.Actions(guard.OnRole, "iam:DetachRolePolicy", "iam:DeleteRolePolicy")),
	}, guard.Spec[[]foreignPolicy]{
		Read: readForeignPolicies, Compare: compareForeignPolicies, Put: removeForeignPolicies,
		Destroys: true,
	})
}

// strict roles are cleared of what others put on them. What a lab had before icaguard came is never removed.
func strict(s icaconfig.Storage) bool { return s.Role.Strict && !s.Role.Existing }

func readForeignPolicies(ctx context.Context, c guard.Clients, s icaconfig.Storage) ([]foreignPolicy, error) {
	attached, err := readAttached(ctx, c, s)
	if err != nil {
		return nil, err
	}
	var found []foreignPolicy
	for _, arn := range attached {
		if arn == s.Role.Policy.ARN {
			continue
		}
		content, err := managedDocument(ctx, c, arn)
		if err != nil {
			return nil, err
		}
		found = append(found, foreignPolicy{ARN: arn, Document: content})
	}
	inline, err := inlinePolicies(ctx, c, s)
	return append(found, inline...), err
}

// managedDocument is the default version of any managed policy, AWS's own included.
func managedDocument(ctx context.Context, c guard.Clients, arn string) (document, error) {
	out, err := iamClient(c).GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &arn})
	if err != nil {
		return "", fmt.Errorf("get policy %s: %w", arn, err)
	}
	managed, err := element(out.Policy, "get policy "+arn)
	if err != nil {
		return "", err
	}
	answer, err := iamClient(c).GetPolicyVersion(
		ctx, &iam.GetPolicyVersionInput{PolicyArn: &arn, VersionId: managed.DefaultVersionId},
	)
	if err != nil {
		return "", fmt.Errorf("get default version of policy %s: %w", arn, err)
	}
	version, err := element(answer.PolicyVersion, "get default version of policy "+arn)
	if err != nil {
		return "", err
	}
	return newDocument(version.Document), nil
}

func inlinePolicies(ctx context.Context, c guard.Clients, s icaconfig.Storage) ([]foreignPolicy, error) {
	var found []foreignPolicy
	pages := iam.NewListRolePoliciesPaginator(iamClient(c), &iam.ListRolePoliciesInput{RoleName: &s.Role.Name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list inline policies of role %s: %w", s.Role.Name, err)
		}
		for _, name := range page.PolicyNames {
			out, err := iamClient(c).GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &s.Role.Name, PolicyName: &name})
			if err != nil {
				return nil, fmt.Errorf("get inline policy %s of role %s: %w", name, s.Role.Name, err)
			}
			found = append(found, foreignPolicy{Name: name, Document: newDocument(out.PolicyDocument)})
		}
	}
	return found, nil
}

func (f foreignPolicy) String() string {
	if f.ARN != "" {
		return "attached policy " + f.ARN
	}
	return "inline policy " + f.Name
}

// removable tells what strict may remove. A Deny was put there to protect something, and what does not parse may hold one.
func (f foreignPolicy) removable() bool {
	content, err := f.Document.parse()
	return err == nil && !slices.ContainsFunc(content.Statements(), policy.Statement.IsDeny)
}

// administratorLike says why the policy makes its holder an administrator, "" if it does not.
func (f foreignPolicy) administratorLike() string {
	content, err := f.Document.parse()
	if err != nil {
		return "it does not parse, so nobody knows: " + err.Error()
	}
	var why []string
	for _, finding := range policy.AdministratorLike(content) {
		why = append(why, finding.String())
	}
	return strings.Join(why, "; ")
}

func compareForeignPolicies(s icaconfig.Storage, got []foreignPolicy) guard.Comparison {
	var v guard.Comparison
	for _, f := range got {
		admin := f.administratorLike()
		switch {
		case strict(s) && f.removable():
			v.Diffs = append(v.Diffs, guard.Diff{Path: f.String(), Expected: "not there", Found: "on role " + s.Role.Name})
		case admin != "":
			v.Alerts = append(v.Alerts, f.about(s, guard.Finding{
				What:        fmt.Sprintf("%s may make role %s, which ICA assumes from outside, an administrator: %s", f, s.Role.Name, admin),
				Remediation: "remove it now: " + removalCommand(s, f),
			}))
		default:
			v.Notes = append(v.Notes, f.about(s, guard.Finding{
				What:        fmt.Sprintf("%s on role %s is not ICA's", f, s.Role.Name),
				Remediation: "remove it if ICA's role does not need it",
			}))
		}
	}
	return v
}

// about names the policy as an exception does: by its ARN, or an inline policy by its name.
func (f foreignPolicy) about(s icaconfig.Storage, found guard.Finding) guard.Finding {
	return found.About(cmp.Or(f.ARN, f.Name), string(f.Document), accountOf(s))
}

func removalCommand(s icaconfig.Storage, f foreignPolicy) string {
	if f.ARN != "" {
		return fmt.Sprintf("aws iam detach-role-policy --role-name %s --policy-arn %s", s.Role.Name, f.ARN)
	}
	return fmt.Sprintf("aws iam delete-role-policy --role-name %s --policy-name %s", s.Role.Name, f.Name)
}

// removeForeignPolicies detaches and deletes what strict may remove. What is gone already is what we want.
func removeForeignPolicies(ctx context.Context, c guard.Clients, s icaconfig.Storage, got []foreignPolicy) error {
	for _, f := range got {
		if !f.removable() {
			continue
		}
		if err := removeForeignPolicy(ctx, c, s, f); err != nil && awserr.Classify(err) != awserr.Gone {
			return fmt.Errorf("remove %s from role %s: %w", f, s.Role.Name, err)
		}
	}
	return nil
}

func removeForeignPolicy(ctx context.Context, c guard.Clients, s icaconfig.Storage, f foreignPolicy) error {
	if f.ARN != "" {
		_, err := iamClient(c).DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: &s.Role.Name, PolicyArn: &f.ARN})
		return err
	}
	_, err := iamClient(c).DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: &s.Role.Name, PolicyName: &f.Name})
	return err
}
