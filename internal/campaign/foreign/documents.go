package foreign

import (
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func (r *reader) bucket() {
	name := &r.Bucket
	if out, err := r.S3.GetBucketPolicy(r.ctx, &s3.GetBucketPolicyInput{Bucket: name}); r.ok(err) {
		r.policy(BucketPolicy, aws.ToString(out.Policy))
	}
	if out, err := r.S3.GetBucketCors(r.ctx, &s3.GetBucketCorsInput{Bucket: name}); r.ok(err) {
		for _, rule := range out.CORSRules {
			r.add(CORS, CORSPart(rule))
		}
	}
	r.notifications()
	if out, err := r.S3.GetBucketLifecycleConfiguration(
		r.ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: name},
	); r.ok(err) {
		for _, rule := range out.Rules {
			r.add(Lifecycle, plain(rule))
		}
	}
	if out, err := r.S3.ListBucketIntelligentTieringConfigurations(
		r.ctx, &s3.ListBucketIntelligentTieringConfigurationsInput{Bucket: name},
	); r.ok(err) {
		for _, configuration := range out.IntelligentTieringConfigurationList {
			r.add(Tiering, plain(configuration))
		}
	}
	if out, err := r.S3.GetBucketTagging(r.ctx, &s3.GetBucketTaggingInput{Bucket: name}); r.ok(err) {
		for _, tag := range out.TagSet {
			r.add(BucketTags, Tag(tag.Key, tag.Value))
		}
	}
}

// bucketState adds what is ICA's alone.
func (r *reader) bucketState() {
	name := &r.Bucket
	if out, err := r.S3.GetPublicAccessBlock(r.ctx, &s3.GetPublicAccessBlockInput{Bucket: name}); r.ok(err) {
		r.add(PublicAccess, plain(out.PublicAccessBlockConfiguration))
	}
	out, err := r.S3.GetBucketEncryption(r.ctx, &s3.GetBucketEncryptionInput{Bucket: name})
	if r.ok(err) {
		for _, rule := range out.ServerSideEncryptionConfiguration.Rules {
			r.add(Encryption, plain(rule.ApplyServerSideEncryptionByDefault))
		}
	}
	if out, err := r.S3.GetBucketOwnershipControls(r.ctx, &s3.GetBucketOwnershipControlsInput{Bucket: name}); r.ok(err) {
		r.add(Ownership, plain(out.OwnershipControls))
	}
	if out, err := r.S3.GetBucketVersioning(r.ctx, &s3.GetBucketVersioningInput{Bucket: name}); r.ok(err) {
		r.add(Versioning, string(out.Status)+" "+string(out.MFADelete))
	}
}

// CORSPart is a rule whose lists are sorted: their order means nothing.
func CORSPart(rule types.CORSRule) string {
	for _, names := range []*[]string{&rule.AllowedHeaders, &rule.AllowedMethods, &rule.AllowedOrigins, &rule.ExposeHeaders} {
		*names = slices.Sorted(slices.Values(*names))
	}
	return plain(rule)
}

// Tag is the part of a tag.
func Tag(key, value *string) string { return aws.ToString(key) + "=" + aws.ToString(value) }

func (r *reader) notifications() {
	out, err := r.S3.GetBucketNotificationConfiguration(
		r.ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: &r.Bucket},
	)
	if !r.ok(err) {
		return
	}
	for _, c := range out.TopicConfigurations {
		r.notification(c.TopicArn, c.Id, c.Events, c.Filter)
	}
	for _, c := range out.QueueConfigurations {
		r.notification(c.QueueArn, c.Id, c.Events, c.Filter)
	}
	for _, c := range out.LambdaFunctionConfigurations {
		r.notification(c.LambdaFunctionArn, c.Id, c.Events, c.Filter)
	}
	if out.EventBridgeConfiguration != nil {
		r.add(Notifications, "EventBridge")
	}
}

// notification adds an entry. S3 answers the names of filters in any case, and an id of its own where none was given.
func (r *reader) notification(target, id *string, events []types.Event, filter *types.NotificationConfigurationFilter) {
	parts := []string{aws.ToString(target), "id " + aws.ToString(id)}
	for _, event := range slices.Compact(slices.Sorted(slices.Values(events))) {
		parts = append(parts, string(event))
	}
	if filter != nil && filter.Key != nil {
		for _, rule := range filter.Key.FilterRules {
			parts = append(parts, strings.ToLower(string(rule.Name))+" "+aws.ToString(rule.Value))
		}
	}
	slices.Sort(parts[2:])
	r.add(Notifications, strings.Join(parts, ", "))
}

func (r *reader) role() {
	name := &r.Role
	if out, err := r.IAM.GetRole(r.ctx, &iam.GetRoleInput{RoleName: name}); r.ok(err) {
		role := out.Role
		r.policy(Trust, aws.ToString(role.AssumeRolePolicyDocument))
		r.add(SessionDuration, strconv.Itoa(int(aws.ToInt32(role.MaxSessionDuration))))
		r.add(RoleIdentity, "description "+aws.ToString(role.Description), "path "+aws.ToString(role.Path))
		if role.PermissionsBoundary != nil {
			r.add(Boundary, aws.ToString(role.PermissionsBoundary.PermissionsBoundaryArn))
		}
		for _, tag := range role.Tags {
			r.add(RoleTags, Tag(tag.Key, tag.Value))
		}
	}
	if out, err := r.IAM.ListRolePolicies(r.ctx, &iam.ListRolePoliciesInput{RoleName: name}); r.ok(err) {
		for _, inline := range out.PolicyNames {
			r.inline(inline)
		}
	}
	if out, err := r.IAM.ListAttachedRolePolicies(r.ctx, &iam.ListAttachedRolePoliciesInput{RoleName: name}); r.ok(err) {
		for _, policy := range out.AttachedPolicies {
			r.add(Attached, aws.ToString(policy.PolicyArn))
		}
	}
}

func (r *reader) inline(name string) {
	out, err := r.IAM.GetRolePolicy(r.ctx, &iam.GetRolePolicyInput{RoleName: &r.Role, PolicyName: &name})
	if !r.ok(err) {
		return
	}
	parts, err := Policy(aws.ToString(out.PolicyDocument))
	if err != nil {
		parts = []string{aws.ToString(out.PolicyDocument)}
	}
	r.add(Inline, name+" "+strings.Join(parts, " "))
}

const isDefault = " default"

// versions adds the versions of ICA's policy, the default one marked.
func (r *reader) versions() {
	out, err := r.IAM.ListPolicyVersions(r.ctx, &iam.ListPolicyVersionsInput{PolicyArn: &r.Policy})
	if !r.ok(err) {
		return
	}
	for _, version := range out.Versions {
		mark := ""
		if version.IsDefaultVersion {
			mark = isDefault
			r.permissions(version.VersionId)
		}
		r.add(PolicyVersions, aws.ToString(version.VersionId)+mark)
	}
}

func (r *reader) permissions(version *string) {
	out, err := r.IAM.GetPolicyVersion(r.ctx, &iam.GetPolicyVersionInput{PolicyArn: &r.Policy, VersionId: version})
	if r.ok(err) {
		r.policy(Permissions, aws.ToString(out.PolicyVersion.Document))
	}
}

func (r *reader) provider() {
	out, err := r.IAM.GetOpenIDConnectProvider(
		r.ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &r.Provider},
	)
	if !r.ok(err) {
		return
	}
	r.add(Audiences, out.ClientIDList...)
	for _, tag := range out.Tags {
		r.add(ProviderTags, Tag(tag.Key, tag.Value))
	}
}

func (r *reader) key(arn string) {
	out, err := r.KMS.GetKeyPolicy(r.ctx, &kms.GetKeyPolicyInput{KeyId: &arn, PolicyName: aws.String("default")})
	if r.ok(err) {
		r.policy(KeyPolicy+" "+arn, aws.ToString(out.Policy))
	}
	if out, err := r.KMS.DescribeKey(r.ctx, &kms.DescribeKeyInput{KeyId: &arn}); r.ok(err) {
		r.add(KeyState+" "+arn, string(out.KeyMetadata.KeyState))
	}
	tags, err := r.KMS.ListResourceTags(r.ctx, &kms.ListResourceTagsInput{KeyId: &arn})
	if r.ok(err) {
		for _, tag := range tags.Tags {
			r.add(KeyTags+" "+arn, Tag(tag.TagKey, tag.TagValue))
		}
	}
}
