package acceptance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// isAbsent says that AWS has no such thing. The services name that differently.
func isAbsent(err error) bool {
	var answer smithy.APIError
	if !errors.As(err, &answer) {
		return false
	}
	code := answer.ErrorCode()
	return strings.HasPrefix(code, "NoSuch") || strings.Contains(code, "NotFound") || strings.Contains(code, "NonExistent") ||
		strings.Contains(code, "DoesNotExist") || code == "404" ||
		code == "ValidationError" && strings.Contains(answer.ErrorMessage(), "does not exist")
}

// isClosed says that the region is not enabled in the account, so that nothing can be there: the service does not know
// the account's credentials.
// https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html
func isClosed(err error) bool {
	var answer smithy.APIError
	return errors.As(err, &answer) && slices.Contains(
		[]string{"UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure", "OptInRequired"}, answer.ErrorCode(),
	)
}

var (
	errRoot  = errors.New("refused: AWS lets the root user take no role; give credentials of an administrator")
	errClock = errors.New("refused: what comes of a break is found by its time, and this machine's clock is wrong")
)

// mostSkew is less than what a restore takes. AWS says the time in whole seconds.
const mostSkew = 3 * time.Second

// isDenied says that whoever runs the program may not do it.
func isDenied(err error) bool {
	class := awserr.Classify(err)
	return class == awserr.Denied || class == awserr.ExplicitDeny
}

// whoami is the account and the ARN of whoever runs the program.
func whoami(ctx context.Context, site Site, region string) (account, caller string, err error) {
	out, err := sts.NewFromConfig(site.Config(region)).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", "", fmt.Errorf("acceptance: who am I: %w: give AWS credentials of a sandbox account", err)
	}
	if strings.HasSuffix(aws.ToString(out.Arn), ":root") {
		return "", "", errRoot
	}
	theirs, known := awsmiddleware.GetServerTime(out.ResultMetadata)
	ours, also := awsmiddleware.GetResponseAt(out.ResultMetadata)
	if skew := theirs.Sub(ours); known && also && skew.Abs() > mostSkew {
		return "", "", fmt.Errorf("%w by %s", errClock, skew.Round(time.Second))
	}
	return aws.ToString(out.Account), aws.ToString(out.Arn), nil
}

var errOccupied = errors.New("refused: this is not a sandbox account, it holds")

// occupied names what of ICA's or of icaguard's stands in the account: the program must not touch it, nor stand beside it,
// as icaguard's own names are the same in every account.
//
// A region that the run does not use may be closed to whoever runs it, as service control policies do with regions.
func occupied(ctx context.Context, site Site, run State) error {
	found, err := accessOfICA(ctx, site, run.Account)
	if err != nil {
		return err
	}
	var regions []string
	for _, r := range icaconfig.Regions() {
		if !slices.Contains(regions, r.AWS) {
			regions = append(regions, r.AWS)
		}
	}
	for _, region := range regions {
		there, err := guardIn(ctx, site.Config(region), region)
		closed := isClosed(err) || isDenied(err) && !slices.Contains(run.eventRegions(), region)
		if err != nil && !closed {
			return fmt.Errorf("acceptance: look for icaguard in %s: %w", region, err)
		}
		found = append(found, there...)
	}
	if len(found) > 0 {
		return fmt.Errorf("%w %s", errOccupied, strings.Join(found, ", "))
	}
	return nil
}

// accessOfICA names what of a storage stands in IAM: ICA's usual role and policy, and the providers of its regions.
func accessOfICA(ctx context.Context, site Site, account string) ([]string, error) {
	client, arn := iam.NewFromConfig(site.Config(icaconfig.IAMRegion)), "arn:aws:iam::"+account+":"
	var found []string
	note := func(what string, err error) error {
		switch {
		case err == nil:
			found = append(found, what)
		case !isAbsent(err):
			return fmt.Errorf("acceptance: look for %s: %w", what, err)
		}
		return nil
	}
	for _, role := range []string{"Illumina_ICA_Role", guard.RemediateFunction, guard.ValidateFunction} {
		_, err := client.GetRole(ctx, &iam.GetRoleInput{RoleName: &role})
		if err := note("role "+role, err); err != nil {
			return nil, err
		}
	}
	const policy = "illumina-ica-admin-policy"
	_, err := client.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: aws.String(arn + "policy/" + policy)})
	if err := note("policy "+policy, err); err != nil {
		return nil, err
	}
	for _, r := range icaconfig.Regions() {
		if r.OIDCProviderID == "" {
			continue
		}
		provider := arn + "oidc-provider/oidc.eks." + r.AWS + ".amazonaws.com/id/" + r.OIDCProviderID
		_, err := client.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: &provider})
		if err := note("ICA's OIDC provider of "+r.Name, err); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// guardIn names what of icaguard stands in a region.
func guardIn(ctx context.Context, cfg aws.Config, region string) ([]string, error) {
	var found []string
	for _, stack := range []string{"icaguard-guard", "icaguard-relay", "icaguard-storage-" + region} {
		there, _, err := stackOf(ctx, cfg, stack)
		if err != nil {
			return nil, err
		}
		if there != nil {
			found = append(found, "stack "+stack+" in "+region)
		}
	}
	for what, look := range map[string]func() error{
		"function " + guard.RemediateFunction: func() error {
			return second(lambda.NewFromConfig(cfg).GetFunctionConfiguration(
				ctx, &lambda.GetFunctionConfigurationInput{FunctionName: aws.String(guard.RemediateFunction)},
			))
		},
		"queue " + guard.RequestQueue: func() error {
			return second(sqs.NewFromConfig(cfg).GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(guard.RequestQueue)}))
		},
		"table " + guard.LedgerTable: func() error { // which stays when icaguard goes
			return second(dynamodb.NewFromConfig(cfg).DescribeTable(
				ctx, &dynamodb.DescribeTableInput{TableName: aws.String(guard.LedgerTable)},
			))
		},
	} {
		err := look()
		if err == nil {
			found = append(found, what+" in "+region)
		} else if !isAbsent(err) {
			return nil, err
		}
	}
	groups, err := logGroups(ctx, cfg, guardLogs)
	for _, group := range groups {
		found = append(found, group.name+" in "+region)
	}
	return found, err
}

// stackOf says whether there is a stack of the name, and of which run it is, if of any: by its own tag, which CDK's has, or
// by those of its resources, as `cdk deploy` tags no stack where `@aws-cdk/core:explicitStackTags` is set.
func stackOf(ctx context.Context, cfg aws.Config, name string) (stack *cfntypes.Stack, run string, err error) {
	client := cloudformation.NewFromConfig(cfg)
	out, err := client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	if isAbsent(err) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("describe stack %s: %w", name, err)
	}
	stack = &out.Stacks[0]
	for _, tag := range stack.Tags {
		if aws.ToString(tag.Key) == tagKey {
			return stack, aws.ToString(tag.Value), nil
		}
	}
	if stack.StackStatus == cfntypes.StackStatusReviewInProgress { // it has no template yet
		return stack, "", nil
	}
	template, err := client.GetTemplate(ctx, &cloudformation.GetTemplateInput{StackName: &name})
	if err != nil {
		return stack, "", fmt.Errorf("read the template of stack %s: %w", name, err)
	}
	if found := tagInTemplate().FindStringSubmatch(aws.ToString(template.TemplateBody)); found != nil {
		run = found[1]
	}
	return stack, run, nil
}

// tagInTemplate finds the run's tag in JSON and in YAML.
func tagInTemplate() *regexp.Regexp {
	return regexp.MustCompile(`"?Key"?:\s*"?` + tagKey + `"?,?\s*"?Value"?:\s*"?([` + idLetters + `]{4})\b`)
}

// mostTrails is AWS's quota for each region.
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html
const mostTrails = 5

var errNoTrail = errors.New("refused: no multi-region CloudTrail trail logs, and the region has no room for another one")

// needsTrail says whether icaguard has to create the account's trail. Whether one that is there logs all that is needed is
// for icaguard's own check to say, once it is deployed.
func needsTrail(ctx context.Context, site Site, region string) (bool, error) {
	client := cloudtrail.NewFromConfig(site.Config(region))
	out, err := client.DescribeTrails(ctx, &cloudtrail.DescribeTrailsInput{IncludeShadowTrails: aws.Bool(true)})
	if err != nil {
		return false, fmt.Errorf("acceptance: look for a trail: %w", err)
	}
	standing := 0
	for _, trail := range out.TrailList {
		if aws.ToString(trail.HomeRegion) == region {
			standing++
		}
		if !aws.ToBool(trail.IsMultiRegionTrail) {
			continue
		}
		if aws.ToBool(trail.IsOrganizationTrail) {
			return false, nil // its status may be closed to members
		}
		there := cloudtrail.NewFromConfig(site.Config(aws.ToString(trail.HomeRegion)))
		status, err := there.GetTrailStatus(ctx, &cloudtrail.GetTrailStatusInput{Name: trail.TrailARN})
		if err != nil {
			return false, fmt.Errorf("acceptance: look at trail %s: %w", aws.ToString(trail.TrailARN), err)
		}
		if aws.ToBool(status.IsLogging) {
			return false, nil
		}
	}
	if standing >= mostTrails {
		return false, fmt.Errorf("%w (%s)", errNoTrail, region)
	}
	return true, nil
}

// bootstrapStack is CDK's own.
const bootstrapStack = "CDKToolkit"

// assetBucket is CDK's, which stays when its stack goes.
func (s State) assetBucket(region string) string {
	return "cdk-hnb659fds-assets-" + s.Account + "-" + region
}

// unprepared are the regions in which `cdk bootstrap` never ran. It refuses a region where CDK's stack went and its bucket
// stayed: `cdk bootstrap` fails there, and the bucket is none of the run's.
func unprepared(ctx context.Context, site Site, run State) ([]string, error) {
	var all []string
	for _, region := range run.eventRegions() {
		there, _, err := stackOf(ctx, site.Config(region), bootstrapStack)
		if err != nil {
			return nil, fmt.Errorf("acceptance: %w", err)
		}
		if there != nil {
			continue
		}
		bucket := run.assetBucket(region)
		_, err = awsclient.S3(site.Config(region), region).HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &bucket})
		if !isAbsent(err) {
			return nil, fmt.Errorf("%w CDK's bucket %s without its stack %s", errOccupied, bucket, bootstrapStack)
		}
		all = append(all, region)
	}
	return all, nil
}

// claimName is a parameter in the region of IAM that a run has while it lasts: SSM creates it for one of two that begin at
// the same time.
const claimName = "/" + tagKey + "/run"

var errClaimed = errors.New("refused: another run uses the account")

// claimant is the run that has the account; "" for none.
func claimant(ctx context.Context, site Site) (string, error) {
	out, err := ssm.NewFromConfig(site.Config(icaconfig.IAMRegion)).GetParameter(
		ctx, &ssm.GetParameterInput{Name: aws.String(claimName)},
	)
	if isAbsent(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("acceptance: look for another run: %w", err)
	}
	return aws.ToString(out.Parameter.Value), nil
}

// claim begins a run: from here on there is something to remove.
func (s State) claim(ctx context.Context, site Site) error {
	if err := s.save(); err != nil {
		return err
	}
	_, err := ssm.NewFromConfig(site.Config(icaconfig.IAMRegion)).PutParameter(ctx, &ssm.PutParameterInput{
		Name: aws.String(claimName), Type: ssmtypes.ParameterTypeString, Value: &s.ID,
	})
	if errors.As(err, new(*ssmtypes.ParameterAlreadyExists)) {
		err = errClaimed
	}
	if err != nil {
		return errors.Join(fmt.Errorf("acceptance: put parameter %s: %w", claimName, err), os.Remove(s.path))
	}
	return nil
}
