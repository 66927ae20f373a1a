package acceptance

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/guard"
)

// isOurs says whether a name is one of the run's.
func (r *runner) isOurs(name *string) bool {
	return strings.HasPrefix(aws.ToString(name), r.run.name(""))
}

func (r *runner) rules(ctx context.Context, cfg aws.Config) ([]thing, error) {
	client := eventbridge.NewFromConfig(cfg)
	out, err := client.ListRules(ctx, &eventbridge.ListRulesInput{NamePrefix: aws.String(r.run.name(""))})
	if err != nil {
		return nil, err
	}
	var all []thing
	for _, rule := range out.Rules {
		all = append(all, thing{"rule " + aws.ToString(rule.Name) + " in " + cfg.Region, func(ctx context.Context) error {
			targets, err := client.ListTargetsByRule(ctx, &eventbridge.ListTargetsByRuleInput{Rule: rule.Name})
			if err != nil {
				return err
			}
			var ids []string
			for _, target := range targets.Targets {
				ids = append(ids, aws.ToString(target.Id))
			}
			if len(ids) > 0 {
				if _, err := client.RemoveTargets(ctx, &eventbridge.RemoveTargetsInput{Rule: rule.Name, Ids: ids}); err != nil {
					return err
				}
			}
			return second(client.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: rule.Name}))
		}})
	}
	return all, nil
}

func (r *runner) queues(ctx context.Context, cfg aws.Config) ([]thing, error) {
	client := sqs.NewFromConfig(cfg)
	out, err := client.ListQueues(ctx, &sqs.ListQueuesInput{QueueNamePrefix: aws.String(r.run.name(""))})
	if err != nil {
		return nil, err
	}
	var all []thing
	for _, url := range out.QueueUrls {
		all = append(all, thing{"queue " + url, func(ctx context.Context) error {
			return second(client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &url}))
		}})
	}
	return all, nil
}

func (r *runner) topics(ctx context.Context, cfg aws.Config) ([]thing, error) {
	client := sns.NewFromConfig(cfg)
	var all []thing
	pages := sns.NewListTopicsPaginator(client, &sns.ListTopicsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, topic := range page.Topics {
			arn := aws.ToString(topic.TopicArn)
			if !r.isOurs(aws.String(arn[strings.LastIndex(arn, ":")+1:])) {
				continue
			}
			all = append(all, thing{"topic " + arn, func(ctx context.Context) error {
				return second(client.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: &arn}))
			}})
		}
	}
	return all, nil
}

// tables finds the ledger too, which stays when its stack goes.
func (r *runner) tables(ctx context.Context, cfg aws.Config) ([]thing, error) {
	client := dynamodb.NewFromConfig(cfg)
	guarded, err := r.isGuarded(ctx)
	if err != nil {
		return nil, err
	}
	var all []thing
	pages := dynamodb.NewListTablesPaginator(client, &dynamodb.ListTablesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, name := range page.TableNames {
			if !r.isOurs(&name) && (name != guard.LedgerTable || cfg.Region != r.run.Home || guarded) {
				continue
			}
			all = append(all, thing{"table " + name + " in " + cfg.Region, func(ctx context.Context) error {
				return deleteTable(ctx, client, name)
			}})
		}
	}
	return all, nil
}

func deleteTable(ctx context.Context, client *dynamodb.Client, name string) error {
	out, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
	if err != nil || out.Table.TableStatus == ddbtypes.TableStatusDeleting {
		return err
	}
	if aws.ToBool(out.Table.DeletionProtectionEnabled) {
		if _, err := client.UpdateTable(
			ctx, &dynamodb.UpdateTableInput{TableName: &name, DeletionProtectionEnabled: aws.Bool(false)},
		); err != nil {
			return err
		}
	}
	return second(client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &name}))
}

func (r *runner) parameters(ctx context.Context, cfg aws.Config) ([]thing, error) {
	client := ssm.NewFromConfig(cfg)
	var all []thing
	for _, prefix := range []string{"/" + r.run.name(""), guard.PauseParameters + r.run.name("")} {
		pages := ssm.NewDescribeParametersPaginator(client, &ssm.DescribeParametersInput{
			ParameterFilters: []ssmtypes.ParameterStringFilter{
				{Key: aws.String("Name"), Option: aws.String("BeginsWith"), Values: []string{prefix}},
			},
		})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for _, p := range page.Parameters {
				all = append(all, thing{"parameter " + aws.ToString(p.Name), func(ctx context.Context) error {
					return second(client.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: p.Name}))
				}})
			}
		}
	}
	return all, nil
}

func (r *runner) roles(ctx context.Context, cfg aws.Config) ([]thing, error) {
	client := iam.NewFromConfig(cfg)
	var all []thing
	pages := iam.NewListRolesPaginator(client, &iam.ListRolesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, role := range page.Roles {
			if r.isOurs(role.RoleName) {
				all = append(all, thing{"role " + aws.ToString(role.RoleName), func(ctx context.Context) error {
					return deleteWholeRole(ctx, client, role.RoleName)
				}})
			}
		}
	}
	return all, nil
}

func deleteWholeRole(ctx context.Context, client *iam.Client, role *string) error {
	attached, err := client.ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: role})
	if err != nil {
		return err
	}
	for _, p := range attached.AttachedPolicies {
		if _, err := client.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: role, PolicyArn: p.PolicyArn}); err != nil {
			return err
		}
	}
	inline, err := client.ListRolePolicies(ctx, &iam.ListRolePoliciesInput{RoleName: role})
	if err != nil {
		return err
	}
	for _, name := range inline.PolicyNames {
		if _, err := client.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: role, PolicyName: &name}); err != nil {
			return err
		}
	}
	return second(client.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: role}))
}

// users finds those that experiments made.
func (r *runner) users(ctx context.Context, cfg aws.Config) ([]thing, error) {
	client := iam.NewFromConfig(cfg)
	var all []thing
	pages := iam.NewListUsersPaginator(client, &iam.ListUsersInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, user := range page.Users {
			if r.isOurs(user.UserName) {
				all = append(all, thing{"user " + aws.ToString(user.UserName), func(ctx context.Context) error {
					return deleteUser(ctx, client, user.UserName)
				}})
			}
		}
	}
	return all, nil
}

func deleteUser(ctx context.Context, client *iam.Client, user *string) error {
	keys, err := client.ListAccessKeys(ctx, &iam.ListAccessKeysInput{UserName: user})
	if err != nil {
		return err
	}
	for _, key := range keys.AccessKeyMetadata {
		if _, err := client.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: user, AccessKeyId: key.AccessKeyId}); err != nil {
			return err
		}
	}
	inline, err := client.ListUserPolicies(ctx, &iam.ListUserPoliciesInput{UserName: user})
	if err != nil {
		return err
	}
	for _, name := range inline.PolicyNames {
		if _, err := client.DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{UserName: user, PolicyName: &name}); err != nil {
			return err
		}
	}
	return second(client.DeleteUser(ctx, &iam.DeleteUserInput{UserName: user}))
}

// policies finds the boundary of the run's role too, which is named after the role.
func (r *runner) policies(ctx context.Context, cfg aws.Config) ([]thing, error) {
	client := iam.NewFromConfig(cfg)
	var all []thing
	pages := iam.NewListPoliciesPaginator(client, &iam.ListPoliciesInput{Scope: iamtypes.PolicyScopeTypeLocal})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range page.Policies {
			if r.isOurs(p.PolicyName) || aws.ToString(p.Arn) == r.run.boundary() {
				all = append(all, thing{"policy " + aws.ToString(p.PolicyName), func(ctx context.Context) error {
					return deletePolicy(ctx, client, p.Arn)
				}})
			}
		}
	}
	return all, nil
}

func deletePolicy(ctx context.Context, client *iam.Client, arn *string) error {
	versions, err := client.ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{PolicyArn: arn})
	if err != nil {
		return err
	}
	for _, v := range versions.Versions {
		if v.IsDefaultVersion {
			continue
		}
		if _, err := client.DeletePolicyVersion(
			ctx, &iam.DeletePolicyVersionInput{PolicyArn: arn, VersionId: v.VersionId},
		); err != nil {
			return err
		}
	}
	return second(client.DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: arn}))
}

// providers finds ICA's, which the account did not have before, and those that experiments made. ICA's is somebody else's
// by now where a role that is not the run's trusts it.
func (r *runner) providers(ctx context.Context, cfg aws.Config) ([]thing, error) {
	client := iam.NewFromConfig(cfg)
	out, err := client.ListOpenIDConnectProviders(ctx, &iam.ListOpenIDConnectProvidersInput{})
	if err != nil {
		return nil, err
	}
	trusted, err := r.isTrusted(ctx, client)
	if err != nil {
		return nil, err
	}
	var all []thing
	for _, p := range out.OpenIDConnectProviderList {
		arn := aws.ToString(p.Arn)
		if icas := arn == r.run.Provider && !trusted; !icas && !strings.Contains(arn, "/"+r.run.name("")) {
			continue
		}
		all = append(all, thing{"OIDC provider " + aws.ToString(p.Arn), func(ctx context.Context) error {
			return second(client.DeleteOpenIDConnectProvider(
				ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: p.Arn},
			))
		}})
	}
	return all, nil
}

// isTrusted says whether a role that is not the run's trusts ICA's provider. IAM answers policies URL-encoded.
func (r *runner) isTrusted(ctx context.Context, client *iam.Client) (bool, error) {
	pages := iam.NewListRolesPaginator(client, &iam.ListRolesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return false, err
		}
		for _, role := range page.Roles {
			trust, err := url.PathUnescape(aws.ToString(role.AssumeRolePolicyDocument))
			if err != nil || !r.isOurs(role.RoleName) && strings.Contains(trust, r.run.Provider) {
				return true, err
			}
		}
	}
	return false, nil
}

// guardLogs begin the names of the log groups of icaguard's functions.
const guardLogs = "/aws/lambda/icaguard-"

// logGroups finds those of the functions, which may write a last line while they are being removed.
func (r *runner) logGroups(ctx context.Context, cfg aws.Config) ([]thing, error) {
	guarded, err := r.isGuarded(ctx)
	if err != nil {
		return nil, err
	}
	prefixes := []string{"/aws/lambda/" + r.run.name(""), r.run.name("")}
	if !guarded {
		prefixes = append(prefixes, guardLogs)
	}
	var all []thing
	for _, prefix := range prefixes {
		found, err := logGroups(ctx, cfg, prefix)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func logGroups(ctx context.Context, cfg aws.Config, prefix string) ([]thing, error) {
	client := cloudwatchlogs.NewFromConfig(cfg)
	out, err := client.DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &prefix})
	if err != nil {
		return nil, err
	}
	var all []thing
	for _, group := range out.LogGroups {
		all = append(all, thing{"log group " + aws.ToString(group.LogGroupName), func(ctx context.Context) error {
			return second(client.DeleteLogGroup(ctx, &cloudwatchlogs.DeleteLogGroupInput{LogGroupName: group.LogGroupName}))
		}})
	}
	return all, nil
}

// functions finds those that experiments made.
func (r *runner) functions(ctx context.Context, cfg aws.Config) ([]thing, error) {
	client := lambda.NewFromConfig(cfg)
	var all []thing
	pages := lambda.NewListFunctionsPaginator(client, &lambda.ListFunctionsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, f := range page.Functions {
			if r.isOurs(f.FunctionName) {
				all = append(all, thing{"function " + aws.ToString(f.FunctionName), func(ctx context.Context) error {
					return second(client.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: f.FunctionName}))
				}})
			}
		}
	}
	return all, nil
}

// buckets finds those that bear the run's name, the trail's by its tag, and those of a CDK that was not there before.
func (r *runner) buckets(ctx context.Context) ([]thing, error) {
	client := awsclient.S3(r.site.Config(r.run.Home), r.run.Home)
	pages := s3.NewListBucketsPaginator(client, &s3.ListBucketsInput{})
	var all []thing
	var errs []error
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, bucket := range page.Buckets {
			name := aws.ToString(bucket.Name)
			trail, err := r.isTrailBucket(ctx, client, name)
			errs = append(errs, err)
			assets, err := r.isAssetBucket(ctx, name)
			errs = append(errs, err)
			if !trail && !assets && !r.isOurs(&name) {
				continue
			}
			all = append(all, thing{"bucket " + name, func(ctx context.Context) error { return r.deleteBucket(ctx, name, trail) }})
		}
	}
	return all, errors.Join(errs...)
}

// isTrailBucket: CloudFormation names it after its stack.
func (r *runner) isTrailBucket(ctx context.Context, client *s3.Client, name string) (bool, error) {
	if !r.run.Trail || !strings.HasPrefix(name, "icaguard-guard-") {
		return false, nil
	}
	out, err := client.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: &name})
	if isAbsent(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, tag := range out.TagSet {
		if aws.ToString(tag.Key) == tagKey && aws.ToString(tag.Value) == r.run.ID {
			return true, nil
		}
	}
	return false, nil
}

// isAssetBucket: CDK's bucket stays when its stack goes, and is not the run's as long as there is one.
func (r *runner) isAssetBucket(ctx context.Context, name string) (bool, error) {
	for _, region := range r.run.Bootstrapped {
		if name == r.run.assetBucket(region) {
			there, _, err := stackOf(ctx, r.site.Config(region), bootstrapStack)
			return there == nil && err == nil, err
		}
	}
	return false, nil
}

func (r *runner) deleteBucket(ctx context.Context, name string, locked bool) error {
	home := awsclient.S3(r.site.Config(r.run.Home), r.run.Home)
	out, err := home.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: &name})
	if err != nil {
		return err
	}
	region := awsclient.RegionOfBucket(string(out.LocationConstraint))
	client := awsclient.S3(r.site.Config(region), region)
	if err := emptyBucket(ctx, client, name, locked); err != nil {
		return err
	}
	return second(client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &name}))
}
