package foreign_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/campaign/foreign"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

const (
	bucket, role, inline = "parts", "Parts", "lab"
	readOnly             = "arn:aws:iam::aws:policy/ReadOnlyAccess"
	allows               = `{"Sid":"Lab","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::210987654321:root"},"Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::parts/*"}`
	requiresTLS          = `{"Sid":"IcaguardRequireTLS","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::parts/*"}`
	reads                = `{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::logs"}`
	assumes              = `{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`
	denies               = `{"Effect":"Deny","Principal":"*","Action":"sts:TagSession"}`
	root                 = `{"Sid":"Root","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"kms:*","Resource":"*"}`
)

func document(statements ...string) *string {
	return aws.String(`{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`)
}

// lab is what a test changes.
type lab struct {
	*testing.T
	foreign.Clients
	names foreign.Names
}

func (l lab) must(_ any, err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func (l lab) read() foreign.Parts {
	l.Helper()
	parts, err := foreign.Read(l.Context(), l.Clients, l.names)
	l.must(parts, err)
	return parts
}

func newLab(t *testing.T) lab {
	cfg := localawstest.Start(t).DirectConfig("us-east-1")
	l := lab{t, foreign.Clients{
		S3:  s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true }),
		IAM: iam.NewFromConfig(cfg), KMS: kms.NewFromConfig(cfg),
	}, foreign.Names{Bucket: bucket, Role: role}}
	ctx := t.Context()
	l.must(l.S3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket)}))
	l.must(l.IAM.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: aws.String(role), AssumeRolePolicyDocument: document(assumes, denies),
	}))
	policy, err := l.IAM.CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: aws.String("parts"), PolicyDocument: document(reads)})
	l.must(policy, err)
	provider, err := l.IAM.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String("https://example.org"), ClientIDList: []string{"sts.amazonaws.com", "lab"},
	})
	l.must(provider, err)
	key, err := l.KMS.CreateKey(ctx, &kms.CreateKeyInput{
		Policy: document(root), Tags: []kmstypes.Tag{{TagKey: aws.String("owner"), TagValue: aws.String("lab")}},
	})
	l.must(key, err)
	l.names.Policy, l.names.Provider = *policy.Policy.Arn, *provider.OpenIDConnectProviderArn
	l.names.Keys = []string{*key.KeyMetadata.Arn}
	l.fill()
	return l
}

func (l lab) fill() {
	l.putPolicy(document(allows, requiresTLS))
	l.putCORS("https://one.example.org", "https://two.example.org")
	l.putInline(document(reads))
	l.must(l.S3.PutBucketTagging(l.Context(), &s3.PutBucketTaggingInput{Bucket: aws.String(bucket), Tagging: &types.Tagging{
		TagSet: []types.Tag{{Key: aws.String("owner"), Value: aws.String("lab")}},
	}}))
	l.putExpiry(30)
	l.putEntry("arn:aws:sqs:us-east-1:123456789012:lab")
}

func (l lab) putPolicy(text *string) {
	l.must(l.S3.PutBucketPolicy(l.Context(), &s3.PutBucketPolicyInput{Bucket: aws.String(bucket), Policy: text}))
}

func (l lab) putCORS(origins ...string) {
	var rules []types.CORSRule
	for _, origin := range origins {
		rules = append(rules, types.CORSRule{AllowedMethods: []string{"GET", "PUT"}, AllowedOrigins: []string{origin}})
	}
	l.must(l.S3.PutBucketCors(l.Context(), &s3.PutBucketCorsInput{
		Bucket: aws.String(bucket), CORSConfiguration: &types.CORSConfiguration{CORSRules: rules},
	}))
}

func (l lab) putInline(text *string) {
	l.must(l.IAM.PutRolePolicy(l.Context(), &iam.PutRolePolicyInput{
		RoleName: aws.String(role), PolicyName: aws.String(inline), PolicyDocument: text,
	}))
}

func (l lab) putExpiry(days int32) {
	l.must(l.S3.PutBucketLifecycleConfiguration(l.Context(), &s3.PutBucketLifecycleConfigurationInput{
		Bucket: aws.String(bucket), LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{{
			ID: aws.String("tidy"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("x/")},
			Expiration: &types.LifecycleExpiration{Days: &days},
		}}},
	}))
}

func (l lab) putEntry(queue string, events ...types.Event) {
	l.must(l.S3.PutBucketNotificationConfiguration(l.Context(), &s3.PutBucketNotificationConfigurationInput{
		Bucket: aws.String(bucket), SkipDestinationValidation: aws.Bool(true),
		NotificationConfiguration: &types.NotificationConfiguration{
			QueueConfigurations: []types.QueueConfiguration{{
				QueueArn: &queue, Id: aws.String("lab"), Events: append(events, "s3:ObjectCreated:*", "s3:ObjectRemoved:*"),
			}},
		},
	}))
}

// TestLost: every change of a part of others is seen in its document, and none where only the bytes or ICA's parts change.
func TestLost(t *testing.T) {
	l := newLab(t)
	ctx, name := t.Context(), aws.String(role)
	before := l.read()
	otherBytes := strings.Replace(allows, `"s3:GetObject","s3:PutObject"`, `"S3:putobject","s3:GetObject","s3:GetObject"`, 1)
	key := l.names.Keys[0]
	ica := types.CORSRule{AllowedMethods: []string{"PUT", "GET"}, AllowedOrigins: []string{"https://ica.example.org"}}
	ours := foreign.Ours{CORS: foreign.CORSPart(ica), Target: ":111122223333:"}
	for _, c := range []struct {
		document string // "": nothing of others changes
		change   func()
	}{
		{"", func() {}},
		{"", func() { l.putPolicy(document(requiresTLS, otherBytes)) }},
		{"", func() { l.putPolicy(document(allows)) }},
		{foreign.BucketPolicy, func() { l.putPolicy(document(requiresTLS)) }},
		{foreign.BucketPolicy, func() { l.putPolicy(document(strings.Replace(allows, "210", "310", 1), requiresTLS)) }},
		{foreign.CORS, func() { l.putCORS("https://two.example.org", "https://one.example.org") }},
		{foreign.CORS, func() { l.putCORS("https://one.example.org") }},
		{"", func() { l.putCORS("https://one.example.org", "https://ica.example.org", "https://two.example.org") }},
		{foreign.Inline, func() { l.putInline(document(strings.Replace(reads, "logs", "logs2", 1))) }},
		{foreign.Lifecycle, func() { l.putExpiry(31) }},
		{foreign.Notifications, func() { l.putEntry("arn:aws:sqs:us-east-1:123456789012:other") }},
		{foreign.Notifications, func() { l.putEntry("arn:aws:sqs:us-east-1:123456789012:lab", "s3:ObjectRestore:*") }},
		{foreign.BucketTags, func() {
			l.must(l.S3.DeleteBucketTagging(ctx, &s3.DeleteBucketTaggingInput{Bucket: aws.String(bucket)}))
		}},
		{foreign.Trust, func() {
			l.must(l.IAM.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: name, PolicyDocument: document(assumes)}))
		}},
		{foreign.RoleIdentity, func() {
			l.must(l.IAM.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: name, Description: aws.String("x")}))
		}},
		{foreign.RoleTags, func() {
			l.must(l.IAM.TagRole(ctx, &iam.TagRoleInput{RoleName: name, Tags: []iamtypes.Tag{{Key: name, Value: name}}}))
		}},
		{foreign.Attached, func() {
			l.must(l.IAM.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: name, PolicyArn: aws.String(readOnly)}))
		}},
		{foreign.Boundary, func() {
			l.must(l.IAM.PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{
				RoleName: name, PermissionsBoundary: aws.String(readOnly),
			}))
		}},
		{"", func() {
			l.must(l.IAM.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{
				PolicyArn: &l.names.Policy, PolicyDocument: document(reads), SetAsDefault: true,
			}))
		}},
		{foreign.PolicyVersions, func() {
			l.must(l.IAM.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: &l.names.Policy, VersionId: aws.String("v1")}))
		}},
		{foreign.KeyPolicy + " " + key, func() {
			l.must(l.KMS.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{
				KeyId: &key, PolicyName: aws.String("default"), Policy: document(strings.Replace(root, "kms:*", "kms:Get*", 1)),
			}))
		}},
		{foreign.KeyTags + " " + key, func() {
			l.must(l.KMS.UntagResource(ctx, &kms.UntagResourceInput{KeyId: &key, TagKeys: []string{"owner"}}))
		}},
	} {
		c.change()
		after := l.read()
		lost := foreign.Lost(before, after, ours)
		if broken := foreign.Broken(before, after, ours); c.document != "" && len(broken) > 0 &&
			c.document != foreign.Trust {
			t.Errorf("%s: ICA's parts changed: %q", c.document, broken)
		}
		if c.document == "" && len(lost) > 0 || c.document != "" && (len(lost) == 0 || !strings.HasPrefix(lost[0], c.document+": ")) {
			t.Errorf("want a change of %q alone: %q", c.document, lost)
		}
		l.fill()
		before = l.read()
	}
}

// TestBroken: what is ICA's alone is no part of others.
func TestBroken(t *testing.T) {
	l := newLab(t)
	before := l.read()
	enabled := &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}
	for document, change := range map[string]func() error{
		foreign.Versioning: func() error {
			_, err := l.S3.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
				Bucket: aws.String(bucket), VersioningConfiguration: enabled,
			})
			return err
		},
		foreign.SessionDuration: func() error {
			_, err := l.IAM.UpdateRole(t.Context(), &iam.UpdateRoleInput{
				RoleName: aws.String(role), MaxSessionDuration: aws.Int32(7200), Description: aws.String(""),
			})
			return err
		},
		foreign.Permissions: func() error {
			_, err := l.IAM.CreatePolicyVersion(t.Context(), &iam.CreatePolicyVersionInput{
				PolicyArn: &l.names.Policy, PolicyDocument: document(strings.Replace(reads, "logs", "all", 1)), SetAsDefault: true,
			})
			return err
		},
		foreign.KeyState + " " + l.names.Keys[0]: func() error {
			_, err := l.KMS.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &l.names.Keys[0]})
			return err
		},
		foreign.Ownership: func() error {
			_, err := l.S3.DeleteBucketOwnershipControls(
				t.Context(), &s3.DeleteBucketOwnershipControlsInput{Bucket: aws.String(bucket)},
			)
			return err
		},
		foreign.PublicAccess: func() error {
			_, err := l.S3.DeletePublicAccessBlock(t.Context(), &s3.DeletePublicAccessBlockInput{Bucket: aws.String(bucket)})
			return err
		},
	} {
		l.must(nil, change())
		after := l.read()
		broken := foreign.Broken(before, after, foreign.Ours{})
		if len(broken) == 0 || !strings.HasPrefix(broken[0], document+": ") {
			t.Errorf("want %s broken: %q", document, broken)
		}
		if lost := foreign.Lost(before, after, foreign.Ours{}); len(lost) > 0 {
			t.Errorf("%s: parts of others changed: %q", document, lost)
		}
		before = after
	}
}
