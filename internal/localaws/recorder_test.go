package localaws_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

const (
	personKey = "AKIAPERSON0000000000"
	trust     = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}`
	policy    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}]}`
)

// env is a local AWS whose events are collected, and clients of a person.
type env struct {
	*localaws.AWS
	iam *iam.Client
	s3  *s3.Client
	kms *kms.Client
	ssm *ssm.Client

	mu     sync.Mutex
	events []localaws.Envelope
}

func newEnv(t *testing.T) *env {
	t.Helper()
	b := &env{AWS: localawstest.Start(t)}
	b.Recorder().Identify(personKey, localaws.IAMUser(b.Account(), "pat"))
	config := b.Config("us-east-1", personKey)
	b.iam, b.s3, b.kms, b.ssm = iam.NewFromConfig(config), s3.NewFromConfig(
		config,
	), kms.NewFromConfig(config), ssm.NewFromConfig(config)
	b.Recorder().SetEmit(func(_ context.Context, event localaws.Envelope) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.events = append(b.events, event)
		return nil
	})
	return b
}

// take answers the events since the last take.
func (b *env) take() []localaws.Envelope {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { b.events = nil }()
	return b.events
}

// act is one SDK operation and the event that CloudTrail makes of it.
type act struct {
	event string
	do    func(context.Context, *env) error
}

// acts are every mutating operation of the names' table, in an order in which each succeeds.
func acts() []act {
	return slices.Concat(bucketActs(), iamActs(), keyActs())
}

func bucketActs() []act {
	bucket := aws.String("lab")
	return []act{
		{"CreateBucket", func(ctx context.Context, b *env) error {
			_, err := b.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket, ACL: s3types.BucketCannedACLPrivate})
			return err
		}},
		{"PutBucketCors", func(ctx context.Context, b *env) error {
			_, err := b.s3.PutBucketCors(ctx, &s3.PutBucketCorsInput{Bucket: bucket, CORSConfiguration: &s3types.CORSConfiguration{
				CORSRules: []s3types.CORSRule{
					{AllowedMethods: []string{"GET", "PUT"}, AllowedOrigins: []string{"https://ica.example"}, MaxAgeSeconds: aws.Int32(3000)},
				},
			}})
			return err
		}},
		{"DeleteBucketCors", func(ctx context.Context, b *env) error {
			_, err := b.s3.DeleteBucketCors(ctx, &s3.DeleteBucketCorsInput{Bucket: bucket})
			return err
		}},
		{"PutBucketPublicAccessBlock", func(ctx context.Context, b *env) error {
			_, err := b.s3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
				Bucket:                         bucket,
				PublicAccessBlockConfiguration: &s3types.PublicAccessBlockConfiguration{BlockPublicAcls: aws.Bool(true)},
			})
			return err
		}},
		{"DeleteBucketPublicAccessBlock", func(ctx context.Context, b *env) error {
			_, err := b.s3.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: bucket})
			return err
		}},
		{"PutBucketEncryption", func(ctx context.Context, b *env) error {
			_, err := b.s3.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
				Bucket: bucket,
				ServerSideEncryptionConfiguration: &s3types.ServerSideEncryptionConfiguration{Rules: []s3types.ServerSideEncryptionRule{{
					ApplyServerSideEncryptionByDefault: &s3types.ServerSideEncryptionByDefault{SSEAlgorithm: s3types.ServerSideEncryptionAes256},
				}}},
			})
			return err
		}},
		{"DeleteBucketEncryption", func(ctx context.Context, b *env) error {
			_, err := b.s3.DeleteBucketEncryption(ctx, &s3.DeleteBucketEncryptionInput{Bucket: bucket})
			return err
		}},
		{"PutBucketLifecycle", func(ctx context.Context, b *env) error {
			_, err := b.s3.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
				Bucket: bucket,
				LifecycleConfiguration: &s3types.BucketLifecycleConfiguration{Rules: []s3types.LifecycleRule{
					{
						ID:         aws.String("expire"),
						Status:     s3types.ExpirationStatusEnabled,
						Filter:     &s3types.LifecycleRuleFilter{Prefix: aws.String("*")},
						Expiration: &s3types.LifecycleExpiration{Days: aws.Int32(1)},
					},
				}},
			})
			return err
		}},
		{"DeleteBucketLifecycle", func(ctx context.Context, b *env) error {
			_, err := b.s3.DeleteBucketLifecycle(ctx, &s3.DeleteBucketLifecycleInput{Bucket: bucket})
			return err
		}},
		{"PutBucketNotification", func(ctx context.Context, b *env) error {
			_, err := b.s3.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{
				Bucket: bucket, NotificationConfiguration: &s3types.NotificationConfiguration{},
			})
			return err
		}},
		{"PutBucketObjectLockConfiguration", func(ctx context.Context, b *env) error {
			// moto may refuse this on a bucket without object lock; a failed call is an event too.
			_, _ = b.s3.PutObjectLockConfiguration(ctx, &s3.PutObjectLockConfigurationInput{
				Bucket:                  bucket,
				ObjectLockConfiguration: &s3types.ObjectLockConfiguration{ObjectLockEnabled: s3types.ObjectLockEnabledEnabled},
			})
			return nil
		}},
		{"PutBucketOwnershipControls", func(ctx context.Context, b *env) error {
			_, err := b.s3.PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{
				Bucket: bucket,
				OwnershipControls: &s3types.OwnershipControls{
					Rules: []s3types.OwnershipControlsRule{{ObjectOwnership: s3types.ObjectOwnershipObjectWriter}},
				},
			})
			return err
		}},
		{"PutBucketAcl", func(ctx context.Context, b *env) error {
			_, err := b.s3.PutBucketAcl(ctx, &s3.PutBucketAclInput{
				Bucket: bucket, GrantWriteACP: aws.String("uri=http://acs.amazonaws.com/groups/global/AuthenticatedUsers"),
			})
			return err
		}},
		{"DeleteBucketOwnershipControls", func(ctx context.Context, b *env) error {
			_, err := b.s3.DeleteBucketOwnershipControls(ctx, &s3.DeleteBucketOwnershipControlsInput{Bucket: bucket})
			return err
		}},
		{"PutBucketVersioning", func(ctx context.Context, b *env) error {
			_, err := b.s3.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
				Bucket: bucket, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled},
			})
			return err
		}},
		{"PutBucketPolicy", func(ctx context.Context, b *env) error {
			_, err := b.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: aws.String(
				`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"s3:*","Resource":"arn:aws:s3:::lab"}]}`,
			)})
			return err
		}},
		{"DeleteBucketPolicy", func(ctx context.Context, b *env) error {
			_, err := b.s3.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: bucket})
			return err
		}},
		{"PutBucketTagging", func(ctx context.Context, b *env) error {
			_, err := b.s3.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: bucket, Tagging: &s3types.Tagging{
				TagSet: []s3types.Tag{{Key: aws.String("Guarded"), Value: aws.String("true")}},
			}})
			return err
		}},
		{"PutBucketRequestPayment", func(ctx context.Context, b *env) error {
			_, err := b.s3.PutBucketRequestPayment(ctx, &s3.PutBucketRequestPaymentInput{
				Bucket: bucket, RequestPaymentConfiguration: &s3types.RequestPaymentConfiguration{Payer: s3types.PayerRequester},
			})
			return err
		}},
		{"PutBucketReplication", func(ctx context.Context, b *env) error {
			_, _ = b.s3.PutBucketReplication(
				ctx,
				&s3.PutBucketReplicationInput{Bucket: bucket, ReplicationConfiguration: &s3types.ReplicationConfiguration{
					Role: aws.String("arn:aws:iam::123456789012:role/replicate"),
					Rules: []s3types.ReplicationRule{{
						Status: s3types.ReplicationRuleStatusEnabled, Priority: aws.Int32(0), Filter: &s3types.ReplicationRuleFilter{},
						Destination: &s3types.Destination{Bucket: aws.String("arn:aws:s3:::elsewhere")},
					}},
				}},
			)
			return nil
		}},
		{"DeleteBucket", func(ctx context.Context, b *env) error {
			_, err := b.s3.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket})
			return err
		}},
	}
}

func iamActs() []act {
	const policyARN, providerARN = "arn:aws:iam::123456789012:policy/p", "arn:aws:iam::123456789012:oidc-provider/ica.example"
	role, name, provider := aws.String("ica"), aws.String("p"), aws.String(providerARN)
	tags := []iamtypes.Tag{{Key: aws.String("Guarded"), Value: aws.String("true")}}
	return []act{
		{"CreateRole", func(ctx context.Context, b *env) error {
			_, err := b.iam.CreateRole(ctx, &iam.CreateRoleInput{
				RoleName:                 role,
				AssumeRolePolicyDocument: aws.String(trust),
				Path:                     aws.String("/"),
				MaxSessionDuration:       aws.Int32(3600),
				Tags:                     tags,
			})
			return err
		}},
		{"UpdateRole", func(ctx context.Context, b *env) error {
			_, err := b.iam.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: role, MaxSessionDuration: aws.Int32(7200)})
			return err
		}},
		{"UpdateRoleDescription", func(ctx context.Context, b *env) error {
			_, err := b.iam.UpdateRoleDescription(ctx, &iam.UpdateRoleDescriptionInput{RoleName: role, Description: aws.String("by hand")})
			return err
		}},
		{"UpdateAssumeRolePolicy", func(ctx context.Context, b *env) error {
			_, err := b.iam.UpdateAssumeRolePolicy(
				ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: role, PolicyDocument: aws.String(trust)},
			)
			return err
		}},
		{"TagRole", func(ctx context.Context, b *env) error {
			_, err := b.iam.TagRole(ctx, &iam.TagRoleInput{RoleName: role, Tags: tags})
			return err
		}},
		{"PutRolePolicy", func(ctx context.Context, b *env) error {
			_, err := b.iam.PutRolePolicy(
				ctx, &iam.PutRolePolicyInput{RoleName: role, PolicyName: name, PolicyDocument: aws.String(policy)},
			)
			return err
		}},
		{"DeleteRolePolicy", func(ctx context.Context, b *env) error {
			_, err := b.iam.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: role, PolicyName: name})
			return err
		}},
		{"CreatePolicy", func(ctx context.Context, b *env) error {
			_, err := b.iam.CreatePolicy(ctx, &iam.CreatePolicyInput{
				PolicyName: name, PolicyDocument: aws.String(policy), Path: aws.String("/"), Description: aws.String(""), Tags: tags,
			})
			return err
		}},
		{"CreatePolicyVersion", func(ctx context.Context, b *env) error {
			_, err := b.iam.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{
				PolicyArn: aws.String(policyARN), PolicyDocument: aws.String(policy), SetAsDefault: true,
			})
			return err
		}},
		{"SetDefaultPolicyVersion", func(ctx context.Context, b *env) error {
			_, err := b.iam.SetDefaultPolicyVersion(
				ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: aws.String(policyARN), VersionId: aws.String("v1")},
			)
			return err
		}},
		{"DeletePolicyVersion", func(ctx context.Context, b *env) error {
			_, err := b.iam.DeletePolicyVersion(
				ctx, &iam.DeletePolicyVersionInput{PolicyArn: aws.String(policyARN), VersionId: aws.String("v2")},
			)
			return err
		}},
		{"AttachRolePolicy", func(ctx context.Context, b *env) error {
			_, err := b.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: role, PolicyArn: aws.String(policyARN)})
			return err
		}},
		{"DetachRolePolicy", func(ctx context.Context, b *env) error {
			_, err := b.iam.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: role, PolicyArn: aws.String(policyARN)})
			return err
		}},
		{"PutRolePermissionsBoundary", func(ctx context.Context, b *env) error {
			_, err := b.iam.PutRolePermissionsBoundary(
				ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: role, PermissionsBoundary: aws.String(policyARN)},
			)
			return err
		}},
		{"DeleteRolePermissionsBoundary", func(ctx context.Context, b *env) error {
			_, err := b.iam.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: role})
			return err
		}},
		{"DeletePolicy", func(ctx context.Context, b *env) error {
			_, err := b.iam.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: aws.String(policyARN)})
			return err
		}},
		{"DeleteRole", func(ctx context.Context, b *env) error {
			_, err := b.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: role})
			return err
		}},
		{"CreateOpenIDConnectProvider", func(ctx context.Context, b *env) error {
			_, err := b.iam.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
				Url: aws.String("https://ica.example"), ClientIDList: []string{"sts.amazonaws.com"},
			})
			return err
		}},
		{"AddClientIDToOpenIDConnectProvider", func(ctx context.Context, b *env) error {
			_, err := b.iam.AddClientIDToOpenIDConnectProvider(ctx, &iam.AddClientIDToOpenIDConnectProviderInput{
				OpenIDConnectProviderArn: provider, ClientID: aws.String("other"),
			})
			return err
		}},
		{"RemoveClientIDFromOpenIDConnectProvider", func(ctx context.Context, b *env) error {
			_, err := b.iam.RemoveClientIDFromOpenIDConnectProvider(ctx, &iam.RemoveClientIDFromOpenIDConnectProviderInput{
				OpenIDConnectProviderArn: provider, ClientID: aws.String("other"),
			})
			return err
		}},
		{"UpdateOpenIDConnectProviderThumbprint", func(ctx context.Context, b *env) error {
			_, err := b.iam.UpdateOpenIDConnectProviderThumbprint(ctx, &iam.UpdateOpenIDConnectProviderThumbprintInput{
				OpenIDConnectProviderArn: provider, ThumbprintList: []string{strings.Repeat("0", 40)},
			})
			return err
		}},
		{"DeleteOpenIDConnectProvider", func(ctx context.Context, b *env) error {
			_, err := b.iam.DeleteOpenIDConnectProvider(ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: provider})
			return err
		}},
	}
}

func keyActs() []act {
	keyID := func(ctx context.Context, b *env) (*string, error) {
		keys, err := b.kms.ListKeys(ctx, &kms.ListKeysInput{})
		if err != nil {
			return nil, err
		}
		return keys.Keys[0].KeyId, nil
	}
	return []act{
		{"CreateKey", func(ctx context.Context, b *env) error {
			_, err := b.kms.CreateKey(
				ctx, &kms.CreateKeyInput{Description: aws.String("lab"), KeyUsage: kmstypes.KeyUsageTypeEncryptDecrypt},
			)
			return err
		}},
		{"PutKeyPolicy", func(ctx context.Context, b *env) error {
			id, err := keyID(ctx, b)
			if err != nil {
				return err
			}
			_, err = b.kms.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{
				KeyId: id, PolicyName: aws.String("default"), Policy: aws.String(policy), BypassPolicyLockoutSafetyCheck: false,
			})
			return err
		}},
		{"DisableKey", func(ctx context.Context, b *env) error {
			id, err := keyID(ctx, b)
			if err != nil {
				return err
			}
			_, err = b.kms.DisableKey(ctx, &kms.DisableKeyInput{KeyId: id})
			return err
		}},
		{"PutParameter", func(ctx context.Context, b *env) error {
			_, err := b.ssm.PutParameter(ctx, &ssm.PutParameterInput{
				Name: aws.String("/ica/prefix"), Value: aws.String("do-not-record-this"), Type: ssmtypes.ParameterTypeString,
			})
			return err
		}},
	}
}

func TestEveryActHasItsCloudTrailName(t *testing.T) {
	b := newEnv(t)
	shapes := recordedShapes(t)
	for _, act := range acts() {
		t.Run(act.event, func(t *testing.T) {
			if err := act.do(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			events := b.take()
			if len(events) == 0 || events[len(events)-1].Detail.EventName != act.event {
				t.Fatalf("events %v, want %s", names(events), act.event)
			}
			for _, wanted := range shapes[act.event] {
				checkShape(t, events[len(events)-1], wanted)
			}
		})
	}
}

// Shapes are compared with the recorded events of the same name; constructed names have none to compare with.
func recordedShapes(t *testing.T) map[string][]map[string]any {
	t.Helper()
	files, err := filepath.Glob("../../events/recorded/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recorded events: %v", err)
	}
	shapes := map[string][]map[string]any{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var record map[string]any
		if err := json.Unmarshal(content, &record); err != nil {
			t.Fatal(err)
		}
		if detail, ok := record["detail"].(map[string]any); ok {
			record = detail
		}
		if record["eventVersion"] == "1.03" { // written before most of today's fields
			continue
		}
		name, _ := record["eventName"].(string)
		shapes[name] = append(shapes[name], record)
	}
	return shapes
}

func checkShape(t *testing.T, event localaws.Envelope, recorded map[string]any) {
	t.Helper()
	content, err := json.Marshal(event.Detail)
	if err != nil {
		t.Fatal(err)
	}
	var made map[string]any
	if err := json.Unmarshal(content, &made); err != nil {
		t.Fatal(err)
	}
	// What depends on the caller and the outcome, not on the shape.
	circumstances := []string{
		"errorCode",
		"errorMessage",
		"tlsDetails",
		"sessionCredentialFromConsole",
		"vpcEndpointId",
		"p_event_time",
		"p_log_type",
		"p_parse_time",
	}
	if a, b := keys(made, circumstances), keys(recorded, circumstances); !slices.Equal(a, b) {
		t.Errorf("fields %v\nrecorded %v", a, b)
	}
	for name, value := range recorded {
		if (value == nil) != (made[name] == nil) && !slices.Contains(circumstances, name) {
			t.Errorf("%s: %v, recorded %v", name, made[name], value)
		}
	}
	checkParameters(t, made["requestParameters"], recorded["requestParameters"])
	checkKind(t, "responseElements", made["responseElements"], recorded["responseElements"])
}

// checkParameters compares what the call said: every parameter that both have is of the same kind, down to the leaves.
func checkParameters(t *testing.T, made, recorded any) {
	t.Helper()
	checkKind(t, "requestParameters", made, recorded)
	object, _ := made.(map[string]any)
	for name := range object {
		if _, ok := recorded.(map[string]any)[name]; !ok &&
			!slices.Contains([]string{"x-amz-acl", "path", "tags", "maxSessionDuration"}, name) {
			t.Errorf("requestParameters: %s is not in the recorded event", name)
		}
	}
}

func checkKind(t *testing.T, path string, made, recorded any) {
	t.Helper()
	switch recorded := recorded.(type) {
	case map[string]any:
		made, ok := made.(map[string]any)
		if !ok {
			t.Errorf("%s: %T, recorded an object", path, made)
		}
		for name, value := range recorded {
			if found, ok := made[name]; ok {
				checkKind(t, path+"."+name, found, value)
			}
		}
	case []any:
		if list, ok := made.([]any); !ok {
			t.Errorf("%s: %T, recorded a list", path, made)
		} else if len(list) > 0 && len(recorded) > 0 {
			checkKind(t, path+"[0]", list[0], recorded[0])
		}
	case string:
		if _, ok := made.(string); !ok {
			t.Errorf("%s: %T, recorded a string", path, made)
		}
	case float64:
		if _, ok := made.(float64); !ok {
			t.Errorf("%s: %T, recorded a number", path, made)
		}
	case bool:
		if _, ok := made.(bool); !ok {
			t.Errorf("%s: %T, recorded a boolean", path, made)
		}
	}
}

func keys(object map[string]any, without []string) []string {
	var names []string
	for name, value := range object {
		if value != nil && !slices.Contains(without, name) { // one collection of samples leaves null fields out
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func names(events []localaws.Envelope) []string {
	var names []string
	for _, event := range events {
		names = append(names, event.Detail.EventName)
	}
	return names
}

func TestEvents(t *testing.T) {
	b := newEnv(t)
	t.Run("tell who, what and where", b.whoWhatAndWhere)
	t.Run("have the body as parameters", b.bodyBecomesParameters)
	t.Run("are not for reads and data", b.readsAndDataEvents)
	t.Run("of failed calls have an error code", b.failedCalls)
	t.Run("from the virtual-host style", b.virtualHostStyle)
}

func (b *env) whoWhatAndWhere(t *testing.T) {
	ctx := t.Context()
	b.Recorder().Identify("ASIAGUARD00000000000", localaws.AssumedRole(b.Account(), "/guards/guard", "remediate"))
	frankfurt := s3.NewFromConfig(b.Config("eu-central-1", "ASIAGUARD00000000000"))
	if _, err := frankfurt.CreateBucket(ctx, &s3.CreateBucketInput{
		Bucket:                    aws.String("lab-eu"),
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: "eu-central-1"},
	}); err != nil {
		t.Fatal(err)
	}
	osaka := iam.NewFromConfig(b.Config("ap-northeast-3", "AKIANOBODYNAMEDME000"))
	if _, err := osaka.CreateRole(
		ctx, &iam.CreateRoleInput{RoleName: aws.String("ica"), AssumeRolePolicyDocument: aws.String(trust)},
	); err != nil {
		t.Fatal(err)
	}
	events := b.take()
	if len(events) != 2 {
		t.Fatalf("events %v", names(events))
	}
	bucket, role := events[0], events[1]
	equal(t, "S3 region", bucket.Region, "eu-central-1")
	equal(t, "S3 source", bucket.Source, "aws.s3")
	equal(t, "S3 actor", bucket.Detail.UserIdentity["arn"], any("arn:aws:sts::123456789012:assumed-role/guard/remediate"))
	equal(t, "IAM region", role.Region, "us-east-1")
	equal(t, "IAM awsRegion", role.Detail.AWSRegion, "us-east-1")
	equal(t, "IAM actor", role.Detail.UserIdentity["arn"], any("arn:aws:iam::123456789012:user/AKIANOBODYNAMEDME000"))
	equal(t, "eventTime's fraction", role.Detail.EventTime.Nanosecond(), 0)
	equal(t, "time", role.Time, role.Detail.EventTime)
	equal(t, "resources of CreateBucket", len(bucket.Detail.Resources), 0)
}

func (b *env) bodyBecomesParameters(t *testing.T) {
	ctx := t.Context()
	createBucket(t, b, "lab")
	b.take()
	rule := s3types.CORSRule{AllowedMethods: []string{"GET"}, AllowedOrigins: []string{"a", "b"}, MaxAgeSeconds: aws.Int32(3000)}
	if _, err := b.s3.PutBucketCors(ctx, &s3.PutBucketCorsInput{
		Bucket: aws.String("lab"), CORSConfiguration: &s3types.CORSConfiguration{CORSRules: []s3types.CORSRule{rule}},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.s3.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{Bucket: aws.String("lab"), Tagging: &s3types.Tagging{
		TagSet: []s3types.Tag{{Key: aws.String("a"), Value: aws.String("true")}, {Key: aws.String("b"), Value: aws.String("007")}},
	}}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.ssm.PutParameter(ctx, &ssm.PutParameterInput{
		Name: aws.String("/p"), Value: aws.String("do-not-record-this"), Type: ssmtypes.ParameterTypeString,
	}); err != nil {
		t.Fatal(err)
	}
	events := b.take()
	wanted := []string{
		`{"CORSConfiguration":{"CORSRule":{"AllowedMethod":"GET","AllowedOrigin":["a","b"],"MaxAgeSeconds":3000},` +
			`"xmlns":"http://s3.amazonaws.com/doc/2006-03-01/"},"Host":"lab.s3.us-east-1.amazonaws.com","bucketName":"lab","cors":""}`,
		`{"Host":"lab.s3.us-east-1.amazonaws.com","Tagging":{"TagSet":{"Tag":[{"Key":"a","Value":true},{"Key":"b","Value":"007"}]},` +
			`"xmlns":"http://s3.amazonaws.com/doc/2006-03-01/"},"bucketName":"lab","tagging":""}`,
		`{"name":"/p","type":"String","value":"HIDDEN_DUE_TO_SECURITY_REASONS"}`,
	}
	for i, want := range wanted {
		content, err := json.Marshal(events[i].Detail.RequestParameters)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, events[i].Detail.EventName, string(content), want)
	}
}

func (b *env) readsAndDataEvents(t *testing.T) {
	ctx := t.Context()
	createBucket(t, b, "lab")
	b.take()
	b.Recorder().ResetCalls()
	if _, err := b.s3.PutObject(
		ctx, &s3.PutObjectInput{Bucket: aws.String("lab"), Key: aws.String("a/b"), Body: strings.NewReader("x")},
	); err != nil {
		t.Fatal(err)
	}
	if _, err := b.s3.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: aws.String("lab")}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.iam.ListRoles(ctx, &iam.ListRolesInput{}); err != nil {
		t.Fatal(err)
	}
	equal(t, "events", len(b.take()), 0)
	var seen []string
	for _, call := range b.Recorder().Calls() {
		seen = append(seen, call.Service+" "+call.Operation+" "+call.Action)
	}
	equal(t, "calls", strings.Join(seen, ", "),
		"s3 PutObject s3:PutObject, s3 GetBucketVersioning s3:GetBucketVersioning, iam ListRoles iam:ListRoles")
}

func (b *env) failedCalls(t *testing.T) {
	ctx := t.Context()
	_, err := b.iam.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: aws.String("nobody"), MaxSessionDuration: aws.Int32(3600)})
	var missing *iamtypes.NoSuchEntityException
	if !errors.As(err, &missing) {
		t.Fatalf("error %v", err)
	}
	_, err = b.s3.DeleteBucketCors(ctx, &s3.DeleteBucketCorsInput{Bucket: aws.String("nowhere")})
	if err == nil {
		t.Fatal("a missing bucket's CORS was deleted")
	}
	events := b.take()
	if len(events) != 2 {
		t.Fatalf("events %v", names(events))
	}
	equal(t, "IAM code", events[0].Detail.ErrorCode, "NoSuchEntityException")
	equal(t, "IAM role", events[0].Detail.RequestParameters["roleName"], any("nobody"))
	equal(t, "S3 code", events[1].Detail.ErrorCode, "NoSuchBucket")
	equal(t, "S3 message", events[1].Detail.ErrorMessage, "The specified bucket does not exist")
}

func TestEmitErrorsAreKept(t *testing.T) {
	local, err := localaws.Start(t.Context(), localaws.Options{})
	if err != nil {
		t.Fatal(err)
	}
	refused := errors.New("no room")
	local.Recorder().SetEmit(func(context.Context, localaws.Envelope) error { return refused })
	client := iam.NewFromConfig(local.Config("us-east-1", personKey))
	if _, err := client.CreateRole(
		t.Context(), &iam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(trust)},
	); err != nil {
		t.Errorf("the caller must not notice: %v", err)
	}
	if err := local.Recorder().Err(); !errors.Is(err, refused) {
		t.Errorf("Err() = %v", err)
	}
	if err := local.Close(); !errors.Is(err, refused) {
		t.Errorf("Close() = %v", err)
	}
}

func (b *env) virtualHostStyle(t *testing.T) {
	createBucket(t, b, "lab")
	b.take()
	config := b.Config("us-east-1", personKey)
	_, port, _ := strings.Cut(strings.TrimPrefix(b.Recorder().URL(), "http://"), ":")
	config.BaseEndpoint = aws.String("http://localhost:" + port)
	config.HTTPClient = loopback(port)
	client := s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = false })
	if _, err := client.DeleteBucketCors(t.Context(), &s3.DeleteBucketCorsInput{Bucket: aws.String("lab")}); err != nil {
		t.Fatal(err)
	}
	events := b.take()
	if len(events) != 1 || events[0].Detail.RequestParameters["bucketName"] != "lab" {
		t.Errorf("events %v", events)
	}
}

func createBucket(t *testing.T, b *env, name string) {
	t.Helper()
	if _, err := b.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(name)}); err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for !holds() {
		select {
		case <-t.Context().Done():
			t.Fatal(what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
