package acceptance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

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

// whoami is the account and the ARN of whoever runs the program.
func whoami(ctx context.Context, site Site, region string) (account, caller string, err error) {
	out, err := sts.NewFromConfig(site.Config(region)).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", "", fmt.Errorf("acceptance: who am I: %w: give AWS credentials of a sandbox account", err)
	}
	return aws.ToString(out.Account), aws.ToString(out.Arn), nil
}

var errOccupied = errors.New("refused: this is not a sandbox account, it holds")

// occupied names what of ICA's or of icaguard's stands in the account: the program must not touch it, nor stand beside it,
// as icaguard's own names are the same in every account.
func occupied(ctx context.Context, site Site, account string) error {
	found, err := accessOfICA(ctx, site, account)
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
		if err != nil && !isClosed(err) {
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
		since, err := stackSince(ctx, cfg, stack)
		if err != nil {
			return nil, err
		}
		if !since.IsZero() {
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

// stackSince is when a stack was created; zero where there is no such stack.
func stackSince(ctx context.Context, cfg aws.Config, name string) (time.Time, error) {
	out, err := cloudformation.NewFromConfig(cfg).DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	if isAbsent(err) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("describe stack %s: %w", name, err)
	}
	return aws.ToTime(out.Stacks[0].CreationTime), nil
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

// unprepared are the regions in which `cdk bootstrap` never ran.
func unprepared(ctx context.Context, site Site, regions []string) ([]string, error) {
	var all []string
	for _, region := range regions {
		since, err := stackSince(ctx, site.Config(region), bootstrapStack)
		if err != nil {
			return nil, fmt.Errorf("acceptance: %w", err)
		}
		if since.IsZero() {
			all = append(all, region)
		}
	}
	return all, nil
}
