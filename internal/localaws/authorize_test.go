package localaws_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	iampolicy "github.com/icaguard/icaguard/internal/policy"
)

// TestPermissions: which actions on which resources a call needs, with the keys of its own.
func TestPermissions(t *testing.T) {
	local := localawstest.Start(t)
	const bound = "arn:aws:iam::aws:policy/PowerUserAccess"
	setUp := local.DirectConfig("us-east-1")
	role := &iam.CreateRoleInput{
		RoleName: aws.String("Far"), Path: aws.String("/labs/"), AssumeRolePolicyDocument: aws.String(trust),
		PermissionsBoundary: aws.String(bound),
	}
	must(t, "role", errorOf(iam.NewFromConfig(setUp).CreateRole(t.Context(), role)))
	key, err := kms.NewFromConfig(setUp).CreateKey(t.Context(), &kms.CreateKeyInput{})
	must(t, "key", err)
	alias := &kms.CreateAliasInput{AliasName: aws.String("alias/lab"), TargetKeyId: key.KeyMetadata.KeyId}
	must(t, "alias", errorOf(kms.NewFromConfig(setUp).CreateAlias(t.Context(), alias)))
	keyARN := aws.ToString(key.KeyMetadata.Arn)

	cfg := local.Config("us-east-1", "AKIACALLER")
	cfg.RetryMaxAttempts = 1
	iams, kmss, queues := iam.NewFromConfig(cfg), kms.NewFromConfig(cfg), sqs.NewFromConfig(cfg)
	tables, buckets := dynamodb.NewFromConfig(cfg), s3.NewFromConfig(cfg)
	tag := []iamtypes.Tag{{Key: aws.String("owner"), Value: aws.String("lab")}}
	for name, c := range map[string]struct {
		call func(context.Context) error
		want string
	}{
		"who am I": {func(ctx context.Context) error { return errorOf(sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)) }, ""},
		"a bucket": {func(ctx context.Context) error {
			return errorOf(buckets.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: aws.String("b")}))
		}, "s3:GetBucketCORS arn:aws:s3:::b"},
		"all buckets": {func(ctx context.Context) error { return errorOf(buckets.ListBuckets(ctx, nil)) }, "s3:ListAllMyBuckets *"},
		"an object's version": {func(ctx context.Context) error {
			return errorOf(buckets.GetObject(
				ctx, &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k/1"), VersionId: aws.String("v")},
			))
		}, "s3:GetObjectVersion arn:aws:s3:::b/k/1"},
		"a copy": {func(ctx context.Context) error {
			return errorOf(buckets.CopyObject(ctx, &s3.CopyObjectInput{
				Bucket: aws.String("b"), Key: aws.String("k"), CopySource: aws.String("other/o"),
			}))
		}, "s3:GetObject arn:aws:s3:::other/o, s3:PutObject arn:aws:s3:::b/k"},
		"a role with a path": {func(ctx context.Context) error {
			return errorOf(iams.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("Far")}))
		}, "iam:GetRole arn:aws:iam::123456789012:role/labs/Far"},
		"no role": {func(ctx context.Context) error {
			return errorOf(iams.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("None")}))
		}, "iam:GetRole arn:aws:iam::123456789012:role/None"},
		"a role made with tags": {func(ctx context.Context) error {
			return errorOf(iams.CreateRole(ctx, &iam.CreateRoleInput{
				RoleName: aws.String("New"), Path: aws.String("/p/"), AssumeRolePolicyDocument: aws.String(trust), Tags: tag,
				PermissionsBoundary: aws.String(bound),
			}))
		}, "iam:CreateRole arn:aws:iam::123456789012:role/p/New iam:PermissionsBoundary=[" + bound + "] aws:TagKeys=[owner], " +
			"iam:TagRole arn:aws:iam::123456789012:role/p/New aws:TagKeys=[owner]"},
		"a policy attached to a role with a boundary": {func(ctx context.Context) error {
			return errorOf(iams.AttachRolePolicy(
				ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("Far"), PolicyArn: aws.String(bound)},
			))
		}, "iam:AttachRolePolicy arn:aws:iam::123456789012:role/labs/Far iam:PermissionsBoundary=[" + bound + "] " +
			"iam:PolicyARN=[" + bound + "]"},
		"a policy": {func(ctx context.Context) error {
			return errorOf(iams.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: aws.String(bound)}))
		}, "iam:GetPolicy " + bound + " iam:PolicyARN=[" + bound + "]"},
		"a provider": {func(ctx context.Context) error {
			return errorOf(iams.CreateOpenIDConnectProvider(
				ctx, &iam.CreateOpenIDConnectProviderInput{Url: aws.String("https://id.example/1")},
			))
		}, "iam:CreateOpenIDConnectProvider arn:aws:iam::123456789012:oidc-provider/id.example/1"},
		"a key by its id": {func(ctx context.Context) error {
			return errorOf(kmss.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: key.KeyMetadata.KeyId}))
		}, "kms:DescribeKey " + keyARN},
		"a key by its alias": {func(ctx context.Context) error {
			return errorOf(kmss.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String("alias/lab")}))
		}, "kms:DescribeKey " + keyARN},
		"a key's policy past its check": {func(ctx context.Context) error {
			return errorOf(kmss.PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{
				KeyId: &keyARN, Policy: aws.String(trust), BypassPolicyLockoutSafetyCheck: true,
			}))
		}, "kms:PutKeyPolicy " + keyARN + " kms:BypassPolicyLockoutSafetyCheck=[true]"},
		"a queue's batch": {func(ctx context.Context) error {
			return errorOf(queues.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{
				QueueUrl: aws.String("https://sqs.example/1/q"),
				Entries:  []sqstypes.DeleteMessageBatchRequestEntry{{Id: aws.String("1"), ReceiptHandle: aws.String("r")}},
			}))
		}, "sqs:DeleteMessage arn:aws:sqs:us-east-1:123456789012:q"},
		"a table": {func(ctx context.Context) error {
			return errorOf(tables.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("t")}))
		}, "dynamodb:DescribeTable arn:aws:dynamodb:us-east-1:123456789012:table/t"},
		"several parameters": {func(ctx context.Context) error {
			return errorOf(ssm.NewFromConfig(cfg).GetParameters(ctx, &ssm.GetParametersInput{Names: []string{"/a/b", "c"}}))
		}, "ssm:GetParameters arn:aws:ssm:us-east-1:123456789012:parameter/a/b, " +
			"ssm:GetParameters arn:aws:ssm:us-east-1:123456789012:parameter/c"},
		"a function": {func(ctx context.Context) error {
			return errorOf(lambda.NewFromConfig(cfg).GetFunctionConfiguration(
				ctx, &lambda.GetFunctionConfigurationInput{FunctionName: aws.String("f")},
			))
		}, "lambda:GetFunctionConfiguration arn:aws:lambda:us-east-1:123456789012:function:f"},
		"a rule": {func(ctx context.Context) error {
			return errorOf(eventbridge.NewFromConfig(cfg).ListTargetsByRule(
				ctx, &eventbridge.ListTargetsByRuleInput{Rule: aws.String("r")},
			))
		}, "events:ListTargetsByRule arn:aws:events:us-east-1:123456789012:rule/r"},
		"a topic": {func(ctx context.Context) error {
			return errorOf(sns.NewFromConfig(cfg).Publish(ctx, &sns.PublishInput{
				TopicArn: aws.String("arn:aws:sns:us-east-1:123456789012:x"), Message: aws.String("m"),
			}))
		}, "sns:Publish arn:aws:sns:us-east-1:123456789012:x"},
		"a trail": {func(ctx context.Context) error {
			return errorOf(cloudtrail.NewFromConfig(cfg).GetTrailStatus(
				ctx, &cloudtrail.GetTrailStatusInput{Name: aws.String("t")},
			))
		}, "cloudtrail:GetTrailStatus arn:aws:cloudtrail:us-east-1:123456789012:trail/t"},
		"a stack": {func(ctx context.Context) error {
			return errorOf(cloudformation.NewFromConfig(cfg).DescribeStacks(
				ctx, &cloudformation.DescribeStacksInput{StackName: aws.String("s")},
			))
		}, "cloudformation:DescribeStacks arn:aws:cloudformation:us-east-1:123456789012:stack/s/*"},
	} {
		local.Recorder().Free("AKIACALLER")
		local.Recorder().Authorize("AKIACALLER", localaws.Grants{Identity: []iampolicy.Statement{everything()}})
		_ = c.call(t.Context()) // moto may have no such thing
		var got []string
		for _, j := range local.Recorder().Judged("AKIACALLER") {
			text := j.Action + " " + j.Resource
			for _, key := range []string{"iam:PermissionsBoundary", "iam:PolicyARN", "kms:BypassPolicyLockoutSafetyCheck", "aws:TagKeys"} {
				if j.Keys[key] != nil {
					text += fmt.Sprintf(" %s=%v", key, j.Keys[key])
				}
			}
			got = append(got, text)
		}
		slices.Sort(got)
		equal(t, name, strings.Join(got, ", "), c.want)
	}
}

func errorOf(_ any, err error) error { return err }

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func everything() iampolicy.Statement {
	return iampolicy.Statement{Effect: "Allow", Action: iampolicy.Values{"*"}, Resource: []string{"*"}}
}

// TestRefusals: the services' own answers, the events, and that nothing was done.
func TestRefusals(t *testing.T) {
	local := localawstest.Start(t)
	recorder := local.Recorder()
	recorder.Identify("ASIAROLE", localaws.AssumedRole(local.Account(), "labs/Reader", "session"))
	deny := everything()
	deny.Sid, deny.Effect, deny.Action = "NoRoles", "Deny", iampolicy.Values{"iam:*"}
	allowed := everything()
	allowed.Action = iampolicy.Values{"s3:PutBucketVersioning", "iam:CreateRole"}
	recorder.Authorize("ASIAROLE", localaws.Grants{Identity: []iampolicy.Statement{allowed, deny}})
	cfg := local.Config("us-east-1", "ASIAROLE")
	for name, c := range map[string]struct {
		call             func(context.Context) error
		code, why, named string
	}{
		"S3": {func(ctx context.Context) error {
			return errorOf(s3.NewFromConfig(cfg).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("refused")}))
		}, "AccessDenied", "because no identity-based policy allows the s3:CreateBucket action", "nearest: no statement"},
		"IAM": {func(ctx context.Context) error {
			return errorOf(iam.NewFromConfig(cfg).CreateRole(ctx, &iam.CreateRoleInput{
				RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(trust),
			}))
		}, "AccessDenied", "with an explicit deny in an identity-based policy", "NoRoles"},
		"SQS": {func(ctx context.Context) error {
			return errorOf(sqs.NewFromConfig(cfg).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("q")}))
		}, "AccessDenied", "because no identity-based policy allows the sqs:CreateQueue action", "no statement"},
		"SNS": {func(ctx context.Context) error {
			return errorOf(sns.NewFromConfig(cfg).GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{
				TopicArn: aws.String("arn:aws:sns:us-east-1:123456789012:x"),
			}))
		}, "AuthorizationError", "because no identity-based policy allows the sns:GetTopicAttributes action", "no statement"},
	} {
		err := c.call(t.Context())
		var api smithy.APIError
		var response *awshttp.ResponseError
		if !errors.As(err, &api) || !errors.As(err, &response) || !strings.HasPrefix(api.ErrorCode(), c.code) ||
			!strings.Contains(api.ErrorMessage(), "assumed-role/Reader/session is not authorized to perform: ") ||
			!strings.Contains(api.ErrorMessage(), c.why) || response.HTTPStatusCode() < http.StatusBadRequest {
			t.Errorf("%s: %v", name, err)
		}
		refused := recorder.TakeRefusals("ASIAROLE")
		if len(refused) != 1 || !strings.Contains(refused[0].Error(), c.named) {
			t.Errorf("%s: refusals %v, want %q", name, refused, c.named)
		}
	}
	found, err := s3.NewFromConfig(local.Config("us-east-1", "AKIAOTHER")).ListBuckets(t.Context(), nil)
	if err != nil || len(found.Buckets) != 0 {
		t.Errorf("buckets %v, %v: want none, and another caller not bound", found, err)
	}
}

// TestUnjudged: a call that cannot be judged is an error of the recorder, and so is a refusal that nobody took.
func TestUnjudged(t *testing.T) {
	local, err := localaws.Start(t.Context(), localaws.Options{})
	must(t, "start", err)
	strange := everything()
	strange.Action, strange.Condition = iampolicy.Values{"s3:*"}, iampolicy.Condition{"IpAddress": {"aws:SourceIp": {"10.0.0.0/8"}}}
	local.Recorder().Authorize("AKIACALLER", localaws.Grants{Identity: []iampolicy.Statement{strange}})
	cfg := local.Config("us-east-1", "AKIACALLER")
	cfg.RetryMaxAttempts = 1
	_, listed := s3.NewFromConfig(cfg).ListBuckets(t.Context(), nil)
	_, described := sns.NewFromConfig(cfg).ListSubscriptions(t.Context(), nil)
	_, refused := sqs.NewFromConfig(cfg).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("q")})
	closed := local.Close()
	for _, want := range []string{
		"condition key aws:SourceIp is not known", "sns ListSubscriptions: it is not known which resource it is about",
		"the policies of AKIACALLER do not allow sqs:CreateQueue on arn:aws:sqs:us-east-1:123456789012:q",
	} {
		if listed == nil || described == nil || refused == nil || closed == nil || !strings.Contains(closed.Error(), want) {
			t.Errorf("%v, %v, %v; %v: want %q", listed, described, refused, closed, want)
		}
	}
}
