package settings

import (
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// saved is a storage as it was made, with which people repair it.
type saved struct {
	bucketPolicy, keyPolicy, permissions string
	cors                                 []types.CORSRule
	entries                              []entry
	encryption                           types.ServerSideEncryptionRule
	versioning                           types.BucketVersioningStatus
	role                                 *iamtypes.Role
	trust                                string
	inline                               map[string]string
	attached                             []string
	audiences                            []string
}

func (w *env) save() saved {
	w.t.Helper()
	ctx, role := w.t.Context(), &w.storage.Role.Name
	s := saved{
		bucketPolicy: w.bucketPolicy(), permissions: w.defaultPolicy(), cors: w.cors(), entries: w.entries(),
		encryption: w.encryption(), inline: map[string]string{},
	}
	if w.storage.Key != nil {
		s.keyPolicy = w.keyPolicy()
	}
	versioning, err := w.s3.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &w.storage.Bucket.Name})
	w.must(versioning, err)
	s.versioning = versioning.Status
	got, err := w.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: role})
	w.must(got, err)
	s.role, s.trust = got.Role, string(newDocument(got.Role.AssumeRolePolicyDocument))
	names, err := w.iam.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: role})
	w.must(names, err)
	for _, name := range names.PolicyNames {
		out, err := w.iam.GetRolePolicy(ctx, &iam.GetRolePolicyInput{RoleName: role, PolicyName: &name})
		w.must(out, err)
		s.inline[name] = string(newDocument(out.PolicyDocument))
	}
	attached, err := w.iam.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: role})
	w.must(attached, err)
	for _, policy := range attached.AttachedPolicies {
		s.attached = append(s.attached, aws.ToString(policy.PolicyArn))
	}
	provider, err := w.iam.GetOpenIDConnectProvider(
		ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &w.storage.Provider.ARN},
	)
	w.must(provider, err)
	s.audiences = provider.ClientIDList
	return s
}

// put makes the storage so again. What is there already AWS refuses to make.
func (s saved) put(w *env) {
	w.t.Helper()
	w.putParameterAnew(0, secretPrefix)
	if len(w.storage.Role.Prefixes) > 1 {
		w.putParameterAnew(1, secondPrefix)
	}
	_ = w.attempt(func(w *env) {
		w.must(w.iam.CreateOpenIDConnectProvider(w.t.Context(), &iam.CreateOpenIDConnectProviderInput{
			Url: &w.storage.Provider.URL, ClientIDList: s.audiences,
		}))
	})
	for _, audience := range s.audiences {
		w.must(w.iam.AddClientIDToOpenIDConnectProvider(w.t.Context(), &iam.AddClientIDToOpenIDConnectProviderInput{
			OpenIDConnectProviderArn: &w.storage.Provider.ARN, ClientID: &audience,
		}))
	}
	s.putRole(w)
	s.putBucket(w)
	if w.storage.Key != nil {
		_ = w.attempt((*env).cancelKeyDeletion)
		w.must(w.kms.EnableKey(w.t.Context(), &kms.EnableKeyInput{KeyId: &w.storage.Key.ARN}))
		w.putKeyPolicy(s.keyPolicy)
	}
}

func (s saved) putRole(w *env) {
	w.t.Helper()
	ctx, role := w.t.Context(), &w.storage.Role.Name
	if w.attempt(func(w *env) { w.newVersion(s.permissions) }) != nil {
		w.must(w.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{
			PolicyName: &w.storage.Role.Policy.Name, PolicyDocument: &s.permissions,
		}))
	}
	_ = w.attempt((*env).deleteRole)
	w.must(w.iam.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: role, Path: s.role.Path, Description: s.role.Description, MaxSessionDuration: s.role.MaxSessionDuration,
		Tags: s.role.Tags, AssumeRolePolicyDocument: &s.trust,
		PermissionsBoundary: s.role.PermissionsBoundary.PermissionsBoundaryArn,
	}))
	for _, name := range slices.Sorted(maps.Keys(s.inline)) {
		w.putInline(name, s.inline[name])
	}
	for _, arn := range s.attached {
		w.must(w.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: role, PolicyArn: &arn}))
	}
}

func (s saved) putBucket(w *env) {
	w.t.Helper()
	_ = w.attempt((*env).deleteBucket)
	w.must(w.s3.CreateBucket(w.t.Context(), &s3.CreateBucketInput{Bucket: &w.storage.Bucket.Name}))
	w.putBucketPolicy(s.bucketPolicy)
	w.putCORS(s.cors...)
	w.putUnchecked(s.entries...)
	w.putEncryption(s.encryption)
	if s.versioning != "" {
		w.putVersioning(s.versioning)
	}
	for _, c := range foreignBucketChanges() {
		if c.drop == nil {
			c.put(w, 0)
		}
	}
}

// putParameterAnew puts the parameter of a prefix, whatever it was.
func (w *env) putParameterAnew(n int, value string) {
	w.t.Helper()
	name := w.storage.Role.Prefixes[n].Parameter
	client := ssm.NewFromConfig(w.local.DirectConfig("us-east-1"))
	_, _ = client.DeleteParameter(w.t.Context(), &ssm.DeleteParameterInput{Name: &name}) // if it is there
	w.putParameter(name, value)
}
