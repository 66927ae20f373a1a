package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// addAccess creates what lets ICA in: per region one OIDC provider, per role its trust, duration and policy. An
// existing role is left alone, and so is the provider that its trust must name already.
func addAccess(stack awscdk.Stack, b icaconfig.Baseline) {
	providers := map[*icaconfig.Provider]awsiam.CfnOIDCProvider{}
	for _, s := range b.Storages {
		if s.Role.Storages[0] != s.Name {
			continue // its first storage makes the role
		}
		boundary := newBoundary(stack, s.Role)
		if s.Role.Existing {
			continue
		}
		provider, exists := providers[s.Provider]
		if !exists && !s.Provider.Existing {
			provider = newProvider(stack, s)
			providers[s.Provider] = provider
		}
		role := newRole(stack, s, boundary)
		if provider != nil {
			// The trust policy names the provider by an ARN made from its name, so CloudFormation sees no reference.
			role.AddResourceDependency(provider, nil)
		}
	}
}

func newProvider(stack awscdk.Stack, s icaconfig.Storage) awsiam.CfnOIDCProvider {
	provider := awsiam.NewCfnOIDCProvider(
		scope(stack, "provider", s.Region.ID),
		jsii.String("Provider"),
		&awsiam.CfnOIDCProviderProps{
			Url:          &s.Provider.URL,
			ClientIdList: jsii.Strings(s.Provider.Audience),
		},
	)
	keep(provider)
	return provider
}

func newRole(stack awscdk.Stack, s icaconfig.Storage, boundary *string) awsiam.CfnRole {
	own := scope(stack, "role", s.Role.Name)
	policy := awsiam.NewCfnManagedPolicy(own, jsii.String("Policy"), &awsiam.CfnManagedPolicyProps{
		ManagedPolicyName: &s.Role.Policy.Name,
		PolicyDocument:    plain(s.Role.Policy.Document),
	})
	keep(policy)
	role := awsiam.NewCfnRole(own, jsii.String("Role"), &awsiam.CfnRoleProps{
		RoleName:                 &s.Role.Name,
		Path:                     &s.Role.Path,
		Description:              optional(s.Role.Description),
		MaxSessionDuration:       jsii.Number(float64(s.Role.MaxSessionDuration)),
		AssumeRolePolicyDocument: plain(s.TrustPolicy(prefixReferences(s.Role.Prefixes)...)),
		ManagedPolicyArns:        &[]any{policy.Ref()},
		PermissionsBoundary:      boundary,
		Tags:                     roleTags(s.Role.Tags),
	})
	keep(role)
	return role
}

// newBoundary creates our permissions boundary where ica.yaml asks for it, and names the one that it asks for. Ours is
// CloudFormation's alone: the guard may set it on the role and never change it, so no policy on the role can give it more
// than ICA needs. It bounds no resource policy: one that names the role's session gives what it says.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
func newBoundary(stack awscdk.Stack, role *icaconfig.Role) *string {
	if !role.Boundary.Ours {
		return optional(role.Boundary.ARN)
	}
	policy := awsiam.NewCfnManagedPolicy(scope(stack, "boundary", role.Name), jsii.String("Boundary"), &awsiam.CfnManagedPolicyProps{
		ManagedPolicyName: &role.Boundary.Name,
		// By its policies, to be exact. IAM cannot change a description, so another one would replace the policy.
		Description:    jsii.String("The most that role " + role.Name + " can ever do"),
		PolicyDocument: plain(role.BoundaryDocument()),
	})
	keep(policy)
	return policy.Ref()
}

// keep leaves what ICA depends on when it drops out of the stack or the stack goes: data and access are never lost by
// surprise. Only a
// first deploy that fails takes away what it just created, so that it can be repeated.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html
func keep(resource awscdk.CfnResource) {
	resource.ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN_ON_UPDATE_OR_DELETE, nil)
}

func roleTags(tags map[string]string) *[]*awscdk.CfnTag {
	var list []*awscdk.CfnTag
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, &awscdk.CfnTag{Key: &key, Value: jsii.String(tags[key])})
	}
	return &list
}

// prefixReferences let CloudFormation read the parameters at deploy time, so that their values are in no template.
func prefixReferences(prefixes []icaconfig.SessionNamePrefix) []string {
	all := make([]string, len(prefixes))
	for i, p := range prefixes {
		all[i] = p.Literal.Reveal()
		if p.Parameter != "" {
			all[i] = fmt.Sprintf("{{resolve:ssm:%s}}", p.Parameter)
		}
	}
	return all
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// plain turns a document into what jsii can carry. Our own plain types can be marshalled and read back.
func plain(document any) any {
	var out map[string]any
	if err := json.Unmarshal([]byte(text(document)), &out); err != nil {
		panic(fmt.Sprintf("cdk: read document back: %v", err))
	}
	return out
}
