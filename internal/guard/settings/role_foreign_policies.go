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

// foreignPolicies are the policies on the role that are not ICA's, and what tells whether a Deny in them hits ICA.
type foreignPolicies struct {
	Policies []foreignPolicy
	Use      roleUse
}

// foreignPolicy is a policy on the role that is not ICA's.
type foreignPolicy struct {
	Name     string // of an inline policy
	ARN      string // of an attached one
	Document document
}

func roleForeignPolicies() guard.Setting {
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:    "role-foreign-policies",
			Title: "The role holds no policies but ICA's, and none that keeps ICA out",
			Effect: "all of the storage where one of them denies ICA's calls; else nothing in ICA, but whoever ICA's role is given to " +
				"has what they allow",
			Remediation: func(s icaconfig.Storage) string {
				return "detach or delete what role " + s.Role.Name + " does not need for ICA"
			},
			On: guard.OnRole,
			Triggers: []guard.Trigger{
				roleEvents("AttachRolePolicy", "DetachRolePolicy", "PutRolePolicy", "DeleteRolePolicy"), foreignPolicyEvents(),
			},
			Reads: slices.Concat(
				guard.Actions(guard.OnRole, "iam:GetRole", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies", "iam:GetRolePolicy"),
				guard.Actions(guard.OnPolicies, "iam:GetPolicy", "iam:GetPolicyVersion"),
				guard.Actions(guard.OnBucket, "s3:GetBucketVersioning")),
		},
		Writes: guard.OnlyIf(strict, guard.Actions(guard.OnRole, "iam:DetachRolePolicy", "iam:DeleteRolePolicy")),
	}, guard.Spec[foreignPolicies]{
		Read: readForeignPolicies, Compare: compareForeignPolicies, Put: removeForeignPolicies,
		Destroys: true,
	})
}

// foreignPolicyEvents is a trigger for the content of managed policies. Which of them are attached only a check can tell;
// policies of the account change rarely.
func foreignPolicyEvents() guard.Trigger {
	return guard.Trigger{
		Source: "aws.iam", Events: policyVersionEvents(), Parameter: "policyArn", AnyResource: true,
		Except: func(s icaconfig.Storage) []string {
			if s.Role.Boundary.Ours {
				return []string{s.Role.Policy.ARN, s.Role.Boundary.ARN}
			}
			return []string{s.Role.Policy.ARN}
		},
	}
}

// policyVersionEvents are the events that change what a managed policy says.
func policyVersionEvents() []string {
	return []string{"CreatePolicyVersion", "DeletePolicyVersion", "SetDefaultPolicyVersion"}
}

// strict roles are cleared of what others put on them. What a lab had before icaguard came is never removed.
func strict(s icaconfig.Storage) bool { return s.Role.Strict && !s.Role.Existing }

func readForeignPolicies(ctx context.Context, c guard.Clients, s icaconfig.Storage) (foreignPolicies, error) {
	attached, err := readAttached(ctx, c, s)
	if err != nil {
		return foreignPolicies{}, err
	}
	var got foreignPolicies
	for _, arn := range attached {
		if arn == s.Role.Policy.ARN {
			continue
		}
		content, err := managedDocument(ctx, c, arn)
		if err != nil {
			return foreignPolicies{}, err
		}
		got.Policies = append(got.Policies, foreignPolicy{ARN: arn, Document: content})
	}
	inline, err := inlinePolicies(ctx, c, s)
	got.Policies = append(got.Policies, inline...)
	if err == nil && slices.ContainsFunc(got.Policies, foreignPolicy.denies) {
		got.Use, err = readRoleUse(ctx, c, s)
	}
	return got, err
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

// denies reports whether the policy holds a Deny.
func (f foreignPolicy) denies() bool {
	content, err := f.Document.parse()
	return err == nil && slices.ContainsFunc(content.Statements(), policy.Statement.IsDeny)
}

// removable tells what strict may remove. A Deny was put there to protect something, and what does not parse may hold one.
func (f foreignPolicy) removable() bool {
	_, err := f.Document.parse()
	return err == nil && !f.denies()
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

func compareForeignPolicies(s icaconfig.Storage, got foreignPolicies) guard.Comparison {
	var v guard.Comparison
	for _, f := range got.Policies {
		if strict(s) && f.removable() {
			v.Diffs = append(v.Diffs, guard.Diff{Path: f.String(), Expected: "not there", Found: "on role " + s.Role.Name})
			continue
		}
		v = v.And(f.compare(s, got.Use))
	}
	return v
}

// compare says what the policy takes from ICA and what it gives away; where it does neither, it is worth knowing only.
func (f foreignPolicy) compare(s icaconfig.Storage, use roleUse) guard.Comparison {
	v := f.denials(s, use)
	if admin := f.administratorLike(); admin != "" {
		v.Alerts = append(v.Alerts, f.finding(
			fmt.Sprintf("%s may make role %s, which ICA assumes from outside, an administrator: %s", f, s.Role.Name, admin),
			"remove it now: "+removalCommand(s, f)).As("administrator"))
	}
	if len(v.Alerts)+len(v.Notes) == 0 {
		v.Notes = append(v.Notes, f.finding(fmt.Sprintf("%s on role %s is not ICA's", f, s.Role.Name), f.whenNotNeeded(s)))
	}
	return v
}

// denials are the Denies of the policy that hit ICA. icaguard removes none, whoever put it there.
func (f foreignPolicy) denials(s icaconfig.Storage, use roleUse) guard.Comparison {
	content, err := f.Document.parse()
	if err != nil {
		return guard.Comparison{}
	}
	var v guard.Comparison
	always, may := use.denials(s, content)
	if len(always) > 0 {
		v.Alerts = append(v.Alerts, f.finding(
			fmt.Sprintf("%s on role %s keeps ICA from %s: %s", f, s.Role.Name, served(s), strings.Join(always, "; ")),
			"ask who put it there and why; icaguard never removes a Deny. Once it is no longer needed: "+removalCommand(s, f)).
			As("denies "+served(s)))
	}
	if len(may) > 0 {
		v.Notes = append(v.Notes, f.finding(
			fmt.Sprintf("%s on role %s may keep ICA from %s: %s", f, s.Role.Name, served(s), strings.Join(may, "; ")),
			"if ICA is refused, ask who put it there and why. Once it is no longer needed: "+removalCommand(s, f)).
			As("may deny "+served(s)))
	}
	return v
}

// finding names the policy. That it is there, what it gives and whom it keeps out are accepted one by one.
func (f foreignPolicy) finding(what, remediation string) guard.Finding {
	return guard.Finding{What: what, Remediation: remediation}.About(cmp.Or(f.ARN, f.Name), string(f.Document))
}

// whenNotNeeded advises on a policy that does no harm. Where it lets ICA into the bucket, it may be all that does.
func (f foreignPolicy) whenNotNeeded(s icaconfig.Storage) string {
	content, err := f.Document.parse()
	grants := func(b *icaconfig.Bucket) bool {
		return err == nil && (policy.Grants(content, b.ARN) || policy.Grants(content, b.ARN+"/*"))
	}
	if slices.ContainsFunc(s.Role.Buckets, grants) {
		return "it lets ICA into the bucket: leave it until permission-policy and permission-policy-attached are in sync; then " +
			"remove it if ICA's role does not need it"
	}
	return "remove it if ICA's role does not need it"
}

func removalCommand(s icaconfig.Storage, f foreignPolicy) string {
	if f.ARN != "" {
		return fmt.Sprintf("aws iam detach-role-policy --role-name %s --policy-arn %s", s.Role.Name, f.ARN)
	}
	return fmt.Sprintf("aws iam delete-role-policy --role-name %s --policy-name %s", s.Role.Name, f.Name)
}

// removeForeignPolicies detaches and deletes what strict may remove. What is gone already is what we want.
func removeForeignPolicies(ctx context.Context, c guard.Clients, s icaconfig.Storage, got foreignPolicies) error {
	for _, f := range got.Policies {
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
