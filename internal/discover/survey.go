package discover

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// Survey reads the account (12 digits) of the credentials. What AWS refuses to show is left out and stands in Denied; the
// error is anything else that keeps it from reading.
func Survey(ctx context.Context, cfg aws.Config, account string) (Account, error) {
	l := &surveyor{cfg: cfg, iam: iam.NewFromConfig(cfg), found: Account{ID: account, Buckets: map[string]Bucket{}}}
	if err := l.providers(ctx); err != nil {
		return Account{}, err
	}
	if err := l.roles(ctx); err != nil {
		return Account{}, err
	}
	if err := l.buckets(ctx); err != nil {
		return Account{}, err
	}
	return l.found, nil
}

// surveyor is one survey of an account.
type surveyor struct {
	cfg   aws.Config
	iam   *iam.Client
	found Account
}

// ask makes one call. It answers the zero value where there is no such configuration, and false where AWS refuses to say or
// what was asked for is gone by now.
func ask[T any](l *surveyor, action, resource string, call func() (T, error)) (answer T, ok bool, err error) {
	answer, err = call()
	if err == nil {
		return answer, true, nil
	}
	var nothing T
	switch awserr.Classify(err) {
	case awserr.Denied, awserr.ExplicitDeny:
		l.found.Denied = append(l.found.Denied, Denied{action, resource})
		return nothing, false, nil
	case awserr.Gone:
		return nothing, false, nil
	case awserr.Final, awserr.Transient:
	}
	if awserr.IsAbsent(err) {
		return nothing, true, nil
	}
	return nothing, false, fmt.Errorf("discover: %s on %s: %w", action, resource, err)
}

func (l *surveyor) providers(ctx context.Context) error {
	list, _, err := ask(l, "iam:ListOpenIDConnectProviders", "*", func() (hosts []string, err error) {
		out, err := l.iam.ListOpenIDConnectProviders(ctx, nil)
		if err != nil {
			return nil, err
		}
		for _, p := range out.OpenIDConnectProviderList {
			if _, host, _ := strings.Cut(aws.ToString(p.Arn), ":oidc-provider/"); strings.HasPrefix(host, "oidc.eks.") {
				hosts = append(hosts, host)
			}
		}
		return hosts, nil
	})
	l.found.Providers = slices.Sorted(slices.Values(list))
	return err
}

func (l *surveyor) roles(ctx context.Context) error {
	list, _, err := ask(l, "iam:ListRoles", "*", func() (found []types.Role, err error) {
		pages := iam.NewListRolesPaginator(l.iam, nil)
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for _, role := range page.Roles {
				if aboutEKS(aws.ToString(role.AssumeRolePolicyDocument)) {
					found = append(found, role)
				}
			}
		}
		return found, nil
	})
	if err != nil {
		return err
	}
	for _, listed := range list {
		role, relevant, err := l.role(ctx, listed)
		if err != nil {
			return err
		}
		if relevant {
			l.found.Roles = append(l.found.Roles, role)
		}
	}
	slices.SortFunc(l.found.Roles, func(a, b Role) int { return cmp.Compare(a.Name, b.Name) })
	return nil
}

func (l *surveyor) role(ctx context.Context, listed types.Role) (role Role, relevant bool, err error) {
	role = Role{
		Name: aws.ToString(listed.RoleName), Path: aws.ToString(listed.Path), Description: aws.ToString(listed.Description),
		SessionDuration: aws.ToInt32(listed.MaxSessionDuration),
	}
	var prefixes []icaconfig.Secret
	role.Trust, prefixes, role.Problem = trusts(aws.ToString(listed.AssumeRolePolicyDocument))
	if len(role.Trust) == 0 {
		return role, role.Problem != "", nil
	}
	for _, prefix := range prefixes {
		if prefix != "" && strings.Contains(role.Description, prefix.Reveal()) {
			role.Description = ""
		}
	}
	// Only GetRole tells the boundary (IAM API, ListRoles).
	role.Boundary, _, err = ask(l, "iam:GetRole", role.Name, func() (string, error) {
		out, err := l.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: &role.Name})
		if err != nil || out.Role.PermissionsBoundary == nil {
			return "", err
		}
		return aws.ToString(out.Role.PermissionsBoundary.PermissionsBoundaryArn), nil
	})
	if err != nil {
		return role, true, err
	}
	role.Policies, err = l.policies(ctx, role.Name)
	return role, true, err
}

func (l *surveyor) policies(ctx context.Context, role string) ([]Policy, error) {
	attached, _, err := ask(l, "iam:ListAttachedRolePolicies", role, func() (all []Policy, err error) {
		pages := iam.NewListAttachedRolePoliciesPaginator(l.iam, &iam.ListAttachedRolePoliciesInput{RoleName: &role})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for _, p := range page.AttachedPolicies {
				all = append(all, Policy{Name: aws.ToString(p.PolicyName), ARN: aws.ToString(p.PolicyArn)})
			}
		}
		return all, nil
	})
	if err != nil {
		return nil, err
	}
	inline, _, err := ask(l, "iam:ListRolePolicies", role, func() (all []Policy, err error) {
		pages := iam.NewListRolePoliciesPaginator(l.iam, &iam.ListRolePoliciesInput{RoleName: &role})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for _, name := range page.PolicyNames {
				all = append(all, Policy{Name: name})
			}
		}
		return all, nil
	})
	if err != nil {
		return nil, err
	}
	all := slices.Concat(attached, inline)
	for i := range all {
		if err := l.policy(ctx, role, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// unread is the problem with a policy that AWS does not show, or that is gone by now.
const unread = "it could not be read"

// policy reads what the policy allows, or why it is not understood. Such an error names keys, no values.
func (l *surveyor) policy(ctx context.Context, role string, p *Policy) error {
	text, ok, err := l.document(ctx, role, *p)
	if err != nil || !ok {
		p.Problem = unread
		return err
	}
	if p.Document, err = policy.Parse(text); err != nil {
		p.Problem = err.Error()
	}
	p.Calls = p.Document.Calls()
	return nil
}

func (l *surveyor) document(ctx context.Context, role string, p Policy) (text string, ok bool, err error) {
	if p.ARN == "" {
		return ask(l, "iam:GetRolePolicy", role+"/"+p.Name, func() (string, error) {
			out, err := l.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: &role, PolicyName: &p.Name})
			if err != nil {
				return "", err
			}
			return aws.ToString(out.PolicyDocument), nil
		})
	}
	version, ok, err := ask(l, "iam:GetPolicy", p.ARN, func() (string, error) {
		out, err := l.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &p.ARN})
		if err != nil {
			return "", err
		}
		return aws.ToString(out.Policy.DefaultVersionId), nil
	})
	if err != nil || !ok {
		return "", false, err
	}
	return ask(l, "iam:GetPolicyVersion", p.ARN, func() (string, error) {
		out, err := l.iam.GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &p.ARN, VersionId: &version})
		if err != nil {
			return "", err
		}
		return aws.ToString(out.PolicyVersion.Document), nil
	})
}
