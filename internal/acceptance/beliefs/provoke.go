package beliefs

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/icaguard/icaguard/internal/acceptance/evidence"
)

// provocation makes calls whose events rows listen to and that neither a run nor an experiment makes, on resources of its
// own.
type provocation struct {
	name string
	do   func(context.Context, *lab) error
}

func provocations() []provocation {
	return []provocation{
		{"bucket", provokeS3},
		{"role", provokeIAM},
		{"key", provokeKMS},
		{"queue", provokeSQS},
		{"topic", provokeSNS},
		{"rule", provokeRule},
		{"logs", provokeLogs},
		{"parameter", provokeSSM},
		{"table", provokeTable},
		{"function", provokeLambda},
	}
}

// provoke answers what failed, which says why its event is not seen.
func (p provocation) provoke(ctx context.Context, e evidence.Evidence) []error {
	l := &lab{Evidence: e}
	l.Scratch += "-" + p.name
	_, err := l.do(ctx, func(ctx context.Context, l *lab) (evidence.Answer, error) { return evidence.Answer{}, p.do(ctx, l) })
	return append(parts(err), parts(l.remove(ctx))...)
}

// parts are the errors that were joined.
func parts(err error) (all []error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, part := range joined.Unwrap() {
			all = append(all, parts(part)...)
		}
		return all
	}
	if err != nil {
		all = []error{err}
	}
	return all
}

// calls makes one after the other, whether or not one fails.
func calls(all ...func() error) error {
	var errs []error
	for _, call := range all {
		errs = append(errs, call())
	}
	return errors.Join(errs...)
}

func provokeS3(ctx context.Context, l *lab) error {
	b, err := l.bucket(ctx)
	if err != nil {
		return err
	}
	c := l.s3()
	return calls(
		func() error {
			return failed(c.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
				Bucket: b, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{{
					ID: aws.String("a"), Status: types.ExpirationStatusEnabled, Filter: &types.LifecycleRuleFilter{Prefix: aws.String("a/")},
					Expiration: &types.LifecycleExpiration{Days: aws.Int32(1)},
				}}},
			}))
		},
		func() error { return failed(c.DeleteBucketLifecycle(ctx, &s3.DeleteBucketLifecycleInput{Bucket: b})) },
		func() error { return failed(c.DeleteBucketCors(ctx, &s3.DeleteBucketCorsInput{Bucket: b})) },
		func() error { return failed(c.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: b})) },
		func() error {
			return failed(c.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
				Bucket: b, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
			}))
		},
		func() error { // without a default retention, which keeps nothing
			return failed(c.PutObjectLockConfiguration(ctx, &s3.PutObjectLockConfigurationInput{
				Bucket: b, ObjectLockConfiguration: &types.ObjectLockConfiguration{ObjectLockEnabled: types.ObjectLockEnabledEnabled},
			}))
		},
	)
}

func provokeIAM(ctx context.Context, l *lab) error {
	role, err := l.role(ctx, "", nil)
	if err != nil {
		return err
	}
	policy, err := l.managedPolicy(ctx, harmless(1))
	if err != nil {
		return err
	}
	c := l.iam()
	return calls(
		func() error {
			return failed(c.TagRole(ctx, &iam.TagRoleInput{
				RoleName: role, Tags: []iamtypes.Tag{{Key: aws.String("acceptance"), Value: aws.String("yes")}},
			}))
		},
		func() error {
			return failed(c.UntagRole(ctx, &iam.UntagRoleInput{RoleName: role, TagKeys: []string{"acceptance"}}))
		},
		func() error {
			return failed(c.PutRolePermissionsBoundary(
				ctx, &iam.PutRolePermissionsBoundaryInput{RoleName: role, PermissionsBoundary: policy},
			))
		},
		func() error {
			return failed(c.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: role}))
		},
		func() error {
			return failed(c.UpdateRoleDescription(
				ctx, &iam.UpdateRoleDescriptionInput{RoleName: role, Description: aws.String("changed")},
			))
		},
		func() error { return failed(c.CreatePolicyVersion(ctx, newVersion(policy))) },
		func() error {
			return failed(c.SetDefaultPolicyVersion(
				ctx, &iam.SetDefaultPolicyVersionInput{PolicyArn: policy, VersionId: aws.String("v2")},
			))
		},
		func() error {
			return failed(c.DeletePolicyVersion(ctx, &iam.DeletePolicyVersionInput{PolicyArn: policy, VersionId: aws.String("v1")}))
		},
	)
}

func newVersion(policy *string) *iam.CreatePolicyVersionInput {
	return &iam.CreatePolicyVersionInput{PolicyArn: policy, PolicyDocument: harmless(2)}
}

func provokeKMS(ctx context.Context, l *lab) error {
	key, err := l.key(ctx)
	if err != nil {
		return err
	}
	return calls(
		func() error { return failed(l.kms().DisableKeyRotation(ctx, &kms.DisableKeyRotationInput{KeyId: key})) },
		func() error { return failed(l.kms().DisableKey(ctx, &kms.DisableKeyInput{KeyId: key})) },
		func() error { return failed(l.kms().EnableKey(ctx, &kms.EnableKeyInput{KeyId: key})) },
	)
}

func provokeSQS(ctx context.Context, l *lab) error {
	url, _, err := l.queue(ctx, "", nil)
	if err != nil {
		return err
	}
	label := aws.String("acceptance")
	return calls(
		func() error {
			return failed(l.sqs().AddPermission(ctx, &sqs.AddPermissionInput{
				QueueUrl: url, Label: label, AWSAccountIds: []string{l.Account}, Actions: []string{"SendMessage"},
			}))
		},
		func() error {
			return failed(l.sqs().RemovePermission(ctx, &sqs.RemovePermissionInput{QueueUrl: url, Label: label}))
		},
		func() error { return failed(l.sqs().PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: url})) },
	)
}

func provokeSNS(ctx context.Context, l *lab) error {
	topic, err := l.topic(ctx)
	if err != nil {
		return err
	}
	_, queue, err := l.queue(ctx, "", nil)
	if err != nil {
		return err
	}
	c, label := l.sns(), aws.String("acceptance")
	subscribed, err := c.Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: topic, Protocol: aws.String("sqs"), Endpoint: &queue, ReturnSubscriptionArn: true,
	})
	if err != nil {
		return err
	}
	return calls(
		func() error {
			return failed(c.SetSubscriptionAttributes(ctx, &sns.SetSubscriptionAttributesInput{
				SubscriptionArn: subscribed.SubscriptionArn, AttributeName: aws.String("RawMessageDelivery"),
				AttributeValue: aws.String("true"),
			}))
		},
		func() error {
			return failed(c.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: subscribed.SubscriptionArn}))
		},
		func() error {
			return failed(c.AddPermission(ctx, &sns.AddPermissionInput{
				TopicArn: topic, Label: label, AWSAccountId: []string{l.Account}, ActionName: []string{"Publish"},
			}))
		},
		func() error {
			return failed(c.RemovePermission(ctx, &sns.RemovePermissionInput{TopicArn: topic, Label: label}))
		},
		func() error {
			return failed(c.PutDataProtectionPolicy(ctx, &sns.PutDataProtectionPolicyInput{
				ResourceArn: topic, DataProtectionPolicy: aws.String(`{"Name":"acceptance","Version":"2021-06-01","Statement":[` +
					`{"Sid":"acceptance","DataDirection":"Inbound","Principal":["*"],` +
					`"DataIdentifier":["arn:aws:dataprotection::aws:data-identifier/Name"],"Operation":{"Deny":{}}}]}`),
			}))
		},
	)
}

func provokeRule(ctx context.Context, l *lab) error {
	_, queue, err := l.queue(ctx, "", nil)
	if err != nil {
		return err
	}
	if err := l.rule(ctx, "", ebtypes.RuleStateEnabled, ebtypes.Target{Arn: &queue}); err != nil {
		return err
	}
	return failed(l.bus().DisableRule(ctx, &eventbridge.DisableRuleInput{Name: l.named("")}))
}

func provokeLogs(ctx context.Context, l *lab) error {
	c, group, stream := cloudwatchlogs.NewFromConfig(l.home()), l.named(""), aws.String("one")
	return calls(
		func() error {
			return failed(c.CreateLogGroup(ctx, &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group}))
		},
		func() error {
			return failed(c.PutRetentionPolicy(
				ctx, &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: group, RetentionInDays: aws.Int32(1)},
			))
		},
		func() error {
			return failed(c.CreateLogStream(
				ctx, &cloudwatchlogs.CreateLogStreamInput{LogGroupName: group, LogStreamName: stream},
			))
		},
		func() error {
			return failed(c.DeleteLogStream(
				ctx, &cloudwatchlogs.DeleteLogStreamInput{LogGroupName: group, LogStreamName: stream},
			))
		},
		func() error {
			return failed(c.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: group}))
		},
	)
}

// provokeSSM takes a name twice only half a minute after its deletion, so it takes two.
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteParameter.html
func provokeSSM(ctx context.Context, l *lab) error {
	c, one, two := ssm.NewFromConfig(l.home()), "/"+l.Scratch+"/1", "/"+l.Scratch+"/2"
	put := func(name string) func() error {
		return func() error {
			return failed(c.PutParameter(
				ctx, &ssm.PutParameterInput{Name: &name, Type: ssmtypes.ParameterTypeString, Value: aws.String("x")},
			))
		}
	}
	return calls(
		put(one),
		func() error { return failed(c.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: &one})) },
		put(two),
		func() error { return failed(c.DeleteParameters(ctx, &ssm.DeleteParametersInput{Names: []string{two}})) },
	)
}

// table creates one, and waits until it is there.
func (l *lab) table(ctx context.Context) (*string, error) {
	c, name := dynamodb.NewFromConfig(l.home()), l.named("")
	if _, err := c.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: name, BillingMode: ddbtypes.BillingModePayPerRequest,
		KeySchema: []ddbtypes.KeySchemaElement{{AttributeName: aws.String("k"), KeyType: ddbtypes.KeyTypeHash}},
		AttributeDefinitions: []ddbtypes.AttributeDefinition{
			{AttributeName: aws.String("k"), AttributeType: ddbtypes.ScalarAttributeTypeS},
		},
	}); err != nil {
		return nil, err
	}
	l.later(func(ctx context.Context) error {
		return failed(c.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: name}))
	})
	table := &dynamodb.DescribeTableInput{TableName: name}
	return name, dynamodb.NewTableExistsWaiter(c).Wait(ctx, table, 2*time.Minute)
}

func provokeTable(ctx context.Context, l *lab) error {
	name, err := l.table(ctx)
	if err != nil {
		return err
	}
	c := dynamodb.NewFromConfig(l.home())
	arn := aws.String(l.arn("dynamodb", "table/"+*name))
	return calls(
		func() error { // refused while DynamoDB prepares a new table for backups
			var last error
			_, err := l.until(ctx, time.Minute, func() (bool, error) {
				_, last = c.UpdateContinuousBackups(ctx, &dynamodb.UpdateContinuousBackupsInput{
					TableName: name, PointInTimeRecoverySpecification: &ddbtypes.PointInTimeRecoverySpecification{
						PointInTimeRecoveryEnabled: aws.Bool(false),
					},
				})
				return !errors.As(last, new(*ddbtypes.ContinuousBackupsUnavailableException)), nil
			})
			return errors.Join(err, last)
		},
		func() error {
			return failed(c.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
				TableName: name, TimeToLiveSpecification: &ddbtypes.TimeToLiveSpecification{
					AttributeName: aws.String("t"), Enabled: aws.Bool(true),
				},
			}))
		},
		func() error {
			return failed(c.PutResourcePolicy(ctx, &dynamodb.PutResourcePolicyInput{ResourceArn: arn, Policy: document(
				map[string]any{"Effect": "Deny", "Principal": "*", "Action": "dynamodb:PutItem", "Resource": arn},
			)}))
		},
		func() error {
			return failed(c.DeleteResourcePolicy(ctx, &dynamodb.DeleteResourcePolicyInput{ResourceArn: arn}))
		},
		func() error {
			return failed(c.UpdateTable(
				ctx, &dynamodb.UpdateTableInput{TableName: name, DeletionProtectionEnabled: aws.Bool(false)},
			))
		},
	)
}

// provokeLambda makes a function that nobody invokes; Lambda has to know its role first.
func provokeLambda(ctx context.Context, l *lab) error {
	name, err := l.function(ctx)
	if err != nil {
		return err
	}
	c, none := l.lambda(), aws.Int32(0)
	return errors.Join(provokeAccess(ctx, c, name, l.Account), calls(
		func() error { return updateCode(ctx, c, name) },
		func() error {
			return failed(c.UpdateFunctionConfiguration(
				ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: name, Timeout: aws.Int32(4)},
			))
		},
		func() error {
			return failed(c.PutFunctionEventInvokeConfig(
				ctx, &lambda.PutFunctionEventInvokeConfigInput{FunctionName: name, MaximumRetryAttempts: none},
			))
		},
		func() error {
			return failed(c.UpdateFunctionEventInvokeConfig(
				ctx, &lambda.UpdateFunctionEventInvokeConfigInput{FunctionName: name, MaximumRetryAttempts: none},
			))
		},
		func() error {
			return failed(c.DeleteFunctionEventInvokeConfig(
				ctx, &lambda.DeleteFunctionEventInvokeConfigInput{FunctionName: name},
			))
		},
		func() error {
			return failed(c.PutFunctionRecursionConfig(ctx, &lambda.PutFunctionRecursionConfigInput{
				FunctionName: name, RecursiveLoop: lambdatypes.RecursiveLoopAllow,
			}))
		},
		func() error {
			return failed(c.PutFunctionConcurrency(
				ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: name, ReservedConcurrentExecutions: none},
			))
		},
	))
}

func updateCode(ctx context.Context, c *lambda.Client, name *string) error {
	code, err := zipped("index.py", "def handler(event, context):\n    return None\n")
	if err != nil {
		return err
	}
	if _, err := c.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: name, ZipFile: code}); err != nil {
		return err
	}
	updated := &lambda.GetFunctionConfigurationInput{FunctionName: name}
	return lambda.NewFunctionUpdatedWaiter(c).Wait(ctx, updated, time.Minute)
}

// provokeAccess opens the function to nobody but the account.
func provokeAccess(ctx context.Context, c *lambda.Client, name *string, account string) error {
	return calls(
		func() error {
			return failed(c.CreateFunctionUrlConfig(
				ctx, &lambda.CreateFunctionUrlConfigInput{FunctionName: name, AuthType: lambdatypes.FunctionUrlAuthTypeAwsIam},
			))
		},
		func() error {
			return failed(c.UpdateFunctionUrlConfig(
				ctx, &lambda.UpdateFunctionUrlConfigInput{FunctionName: name, AuthType: lambdatypes.FunctionUrlAuthTypeAwsIam},
			))
		},
		func() error {
			return failed(c.AddPermission(ctx, &lambda.AddPermissionInput{
				FunctionName: name, StatementId: aws.String("acceptance"), Action: aws.String("lambda:InvokeFunction"),
				Principal: &account,
			}))
		},
		func() error {
			return failed(c.RemovePermission(
				ctx, &lambda.RemovePermissionInput{FunctionName: name, StatementId: aws.String("acceptance")},
			))
		},
	)
}

// function creates one that nobody invokes.
func (l *lab) function(ctx context.Context) (*string, error) {
	role, err := l.role(ctx, "", nil)
	if err != nil {
		return nil, err
	}
	if _, err := l.iam().UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{
		RoleName: role, PolicyDocument: document(map[string]any{
			"Effect": "Allow", "Principal": map[string]string{"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole",
		}),
	}); err != nil {
		return nil, err
	}
	code, err := zipped("index.py", "def handler(event, context):\n    pass\n")
	if err != nil {
		return nil, err
	}
	var last error
	created, err := l.until(ctx, time.Minute, func() (bool, error) {
		_, last = l.lambda().CreateFunction(ctx, &lambda.CreateFunctionInput{
			FunctionName: l.named(""), Role: aws.String(l.roleARN(role)), Runtime: lambdatypes.RuntimePython313,
			Handler: aws.String("index.handler"), Code: &lambdatypes.FunctionCode{ZipFile: code},
		})
		return last == nil, nil
	})
	if err != nil || !created {
		return nil, errors.Join(err, last)
	}
	l.later(func(ctx context.Context) error {
		return failed(l.lambda().DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: l.named("")}))
	})
	active := &lambda.GetFunctionConfigurationInput{FunctionName: l.named("")}
	return l.named(""), lambda.NewFunctionActiveWaiter(l.lambda()).Wait(ctx, active, time.Minute)
}

func zipped(name, text string) ([]byte, error) {
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	file, err := w.Create(name)
	if err != nil {
		return nil, err
	}
	_, err = file.Write([]byte(text))
	err = errors.Join(err, w.Close())
	return archive.Bytes(), err
}
