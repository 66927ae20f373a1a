package acceptance

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/awsclient"
)

func (l *lab) s3() *s3.Client   { return awsclient.S3(l.site.Config(l.region()), l.region()) }
func (l *lab) kms() *kms.Client { return kms.NewFromConfig(l.site.Config(l.region())) }
func (l *lab) iam() *iam.Client { return iam.NewFromConfig(l.home()) }
func (l *lab) bucket() *string  { return aws.String(l.run.bucket()) }
func (l *lab) role() *string    { return aws.String(l.run.role()) }
func (l *lab) root() string     { return "arn:" + partition + ":iam::" + l.run.Account + ":root" }

type statement map[string]any

func document(statements ...statement) any {
	return map[string]any{"Version": "2012-10-17", "Statement": statements}
}

// text is plain data of the program's own as JSON.
func text(plain any) *string {
	data, err := json.Marshal(plain)
	if err != nil {
		panic(err)
	}
	return aws.String(string(data))
}

// meaning is a policy document in a form in which order and one-element lists do not matter.
func meaning(document string) (any, error) {
	var value any
	if err := json.Unmarshal([]byte(document), &value); err != nil {
		return nil, fmt.Errorf("a policy that is no JSON: %w", err)
	}
	return canonical(value), nil
}

func canonical(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key := range v {
			v[key] = canonical(v[key])
		}
	case []any:
		for i := range v {
			v[i] = canonical(v[i])
		}
		if len(v) == 1 {
			return v[0]
		}
		slices.SortFunc(v, func(a, b any) int { return cmp.Compare(*text(a), *text(b)) })
	}
	return value
}

// none is the state of what is not there.
const none = "none"

// orNone is an answer, none where AWS says that there is no such configuration.
func orNone[T any](out T, err error, of func(T) any) (any, error) {
	if isAbsent(err) {
		return none, nil
	}
	if err != nil {
		return nil, err
	}
	return of(out), nil
}

func readBucket(ctx context.Context, l *lab) (any, error) {
	out, err := l.s3().GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: l.bucket()})
	return orNone(out, err, func(out *s3.GetBucketLocationOutput) any {
		return "in " + awsclient.RegionOfBucket(string(out.LocationConstraint))
	})
}

func readPublicAccess(ctx context.Context, l *lab) (any, error) {
	out, err := l.s3().GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: l.bucket()})
	return orNone(out, err, func(out *s3.GetPublicAccessBlockOutput) any { return out.PublicAccessBlockConfiguration })
}

func readOwnership(ctx context.Context, l *lab) (any, error) {
	out, err := l.s3().GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: l.bucket()})
	return orNone(out, err, func(out *s3.GetBucketOwnershipControlsOutput) any { return out.OwnershipControls })
}

func readEncryption(ctx context.Context, l *lab) (any, error) {
	out, err := l.s3().GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: l.bucket()})
	return orNone(out, err, func(out *s3.GetBucketEncryptionOutput) any {
		var all []any
		for _, rule := range out.ServerSideEncryptionConfiguration.Rules {
			all = append(all, []any{rule.ApplyServerSideEncryptionByDefault, aws.ToBool(rule.BucketKeyEnabled)})
		}
		return all
	})
}

func readVersioning(ctx context.Context, l *lab) (any, error) {
	out, err := l.s3().GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: l.bucket()})
	return orNone(out, err, func(out *s3.GetBucketVersioningOutput) any { return out.Status })
}

func readCORS(ctx context.Context, l *lab) (any, error) {
	out, err := l.s3().GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: l.bucket()})
	return orNone(out, err, func(out *s3.GetBucketCorsOutput) any { return out.CORSRules })
}

func readLifecycle(ctx context.Context, l *lab) (any, error) {
	out, err := l.s3().GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: l.bucket()})
	return orNone(out, err, func(out *s3.GetBucketLifecycleConfigurationOutput) any { return out.Rules })
}

// readRetention leaves out that object lock is on, as nobody can switch it off again.
func readRetention(ctx context.Context, l *lab) (any, error) {
	out, err := l.s3().GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: l.bucket()})
	return orNone(out, err, func(out *s3.GetObjectLockConfigurationOutput) any {
		if out.ObjectLockConfiguration == nil || out.ObjectLockConfiguration.Rule == nil {
			return none
		}
		return out.ObjectLockConfiguration.Rule
	})
}

func readPayer(ctx context.Context, l *lab) (any, error) {
	out, err := l.s3().GetBucketRequestPayment(ctx, &s3.GetBucketRequestPaymentInput{Bucket: l.bucket()})
	return orNone(out, err, func(out *s3.GetBucketRequestPaymentOutput) any { return out.Payer })
}

func readBucketPolicy(ctx context.Context, l *lab) (any, error) {
	out, err := l.s3().GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: l.bucket()})
	if err != nil {
		return orNone(out, err, nil)
	}
	return meaning(aws.ToString(out.Policy))
}

// readNotifications names the queues: the program puts no other targets.
func readNotifications(ctx context.Context, l *lab) (any, error) {
	out, err := l.s3().GetBucketNotificationConfiguration(
		ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: l.bucket()},
	)
	if err != nil {
		return nil, err
	}
	targets := []string{}
	for _, q := range out.QueueConfigurations {
		targets = append(targets, aws.ToString(q.QueueArn))
	}
	return targets, nil
}

func readKeyState(ctx context.Context, l *lab) (any, error) {
	out, err := l.kms().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &l.storage.Key.ARN})
	return orNone(out, err, func(out *kms.DescribeKeyOutput) any { return out.KeyMetadata.KeyState })
}

func readKeyPolicy(ctx context.Context, l *lab) (any, error) {
	out, err := l.kms().GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &l.storage.Key.ARN, PolicyName: aws.String("default")})
	if err != nil {
		return nil, err
	}
	return meaning(aws.ToString(out.Policy))
}

func readProvider(ctx context.Context, l *lab) (any, error) {
	out, err := l.iam().GetOpenIDConnectProvider(
		ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &l.storage.Provider.ARN},
	)
	return orNone(out, err, func(out *iam.GetOpenIDConnectProviderOutput) any {
		return []any{out.Url, slices.Sorted(slices.Values(out.ClientIDList))}
	})
}

func readRole(ctx context.Context, l *lab) (any, error) {
	out, err := l.iam().GetRole(ctx, &iam.GetRoleInput{RoleName: l.role()})
	return orNone(out, err, func(out *iam.GetRoleOutput) any {
		tags := map[string]string{}
		for _, tag := range out.Role.Tags {
			tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
		}
		return []any{out.Role.Arn, out.Role.Description, out.Role.MaxSessionDuration, boundaryOf(out), tags}
	})
}

func boundaryOf(out *iam.GetRoleOutput) any {
	if out.Role.PermissionsBoundary == nil {
		return none
	}
	return out.Role.PermissionsBoundary.PermissionsBoundaryArn
}

func readBoundary(ctx context.Context, l *lab) (any, error) {
	out, err := l.iam().GetRole(ctx, &iam.GetRoleInput{RoleName: l.role()})
	return orNone(out, err, boundaryOf)
}

func readDuration(ctx context.Context, l *lab) (any, error) {
	out, err := l.iam().GetRole(ctx, &iam.GetRoleInput{RoleName: l.role()})
	return orNone(out, err, func(out *iam.GetRoleOutput) any { return out.Role.MaxSessionDuration })
}

func readTrust(ctx context.Context, l *lab) (any, error) {
	trust, err := l.trust(ctx)
	if err != nil {
		return nil, err
	}
	return meaning(trust)
}

// trust is the role's trust policy as AWS has it.
func (l *lab) trust(ctx context.Context) (string, error) {
	out, err := l.iam().GetRole(ctx, &iam.GetRoleInput{RoleName: l.role()})
	if err != nil {
		return "", err
	}
	return url.PathUnescape(aws.ToString(out.Role.AssumeRolePolicyDocument))
}

func readPermissions(ctx context.Context, l *lab) (any, error) {
	arn := &l.storage.Role.Policy.ARN
	found, err := l.iam().GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: arn})
	if err != nil {
		return orNone(found, err, nil)
	}
	out, err := l.iam().GetPolicyVersion(
		ctx, &iam.GetPolicyVersionInput{PolicyArn: arn, VersionId: found.Policy.DefaultVersionId},
	)
	if err != nil {
		return orNone(out, err, nil)
	}
	document, err := url.PathUnescape(aws.ToString(out.PolicyVersion.Document))
	if err != nil {
		return nil, err
	}
	return meaning(document)
}

func readAttached(ctx context.Context, l *lab) (any, error) {
	out, err := l.iam().ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: l.role()})
	return orNone(out, err, func(out *iam.ListAttachedRolePoliciesOutput) any {
		var all []string
		for _, p := range out.AttachedPolicies {
			all = append(all, aws.ToString(p.PolicyArn))
		}
		return all
	})
}

func readInline(ctx context.Context, l *lab) (any, error) {
	out, err := l.iam().ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: l.role()})
	return orNone(out, err, func(out *iam.ListRolePoliciesOutput) any { return len(out.PolicyNames) })
}

// emptyBucket removes every version of every object. locked says that the objects may be locked in governance mode: S3
// refuses to bypass that on a bucket without object lock.
func emptyBucket(ctx context.Context, client *s3.Client, name string, locked bool) error {
	var bypass *bool
	if locked {
		bypass = &locked
	}
	pages := s3.NewListObjectVersionsPaginator(client, &s3.ListObjectVersionsInput{Bucket: &name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("list versions in bucket %s: %w", name, err)
		}
		var all []types.ObjectIdentifier
		for _, v := range page.Versions {
			all = append(all, types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
		}
		for _, m := range page.DeleteMarkers {
			all = append(all, types.ObjectIdentifier{Key: m.Key, VersionId: m.VersionId})
		}
		for _, object := range all {
			_, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{
				Bucket: &name, Key: object.Key, VersionId: object.VersionId, BypassGovernanceRetention: bypass,
			})
			if err != nil {
				return fmt.Errorf("delete %s in bucket %s: %w", aws.ToString(object.Key), name, err)
			}
		}
	}
	return nil
}
