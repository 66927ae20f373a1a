package localaws_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

// The real command line deploys a synthesised app, and the developer's own settings do not reach it.
func TestCDKDeploys(t *testing.T) {
	t.Setenv("AWS_PROFILE", "the-developers-own")
	t.Setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", "http://localhost:1")
	local := localawstest.Start(t)
	ctx := t.Context()
	app := []string{"--app", "internal/localaws/testdata/app"}
	if err := local.CDK(ctx, localaws.CDKOptions{}, append(app, "bootstrap")...); err != nil {
		t.Fatal(err)
	}
	if err := local.CDK(
		ctx,
		localaws.CDKOptions{},
		append(app, "deploy", "--all", "--require-approval", "never", "--method", "direct")...); err != nil {
		t.Fatal(err)
	}
	stacks, err := cloudformation.NewFromConfig(local.DirectConfig("us-east-1")).DescribeStacks(
		ctx, &cloudformation.DescribeStacksInput{StackName: aws.String("local")},
	)
	if err != nil {
		t.Fatal(err)
	}
	equal(
		t, "output", aws.ToString(stacks.Stacks[0].Outputs[0].OutputValue),
		"arn:aws:iam::123456789012:oidc-provider/ica.example/tenant",
	)
	if _, err := direct(local).GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: aws.String("lab-ica")}); err != nil {
		t.Error(err)
	}
}

func TestCDKSaysWhatWentWrong(t *testing.T) {
	local := localawstest.Start(t)
	err := local.CDK(t.Context(), localaws.CDKOptions{}, "--app", "internal/localaws/testdata/app", "deploy", "no-such-stack")
	if err == nil || !strings.Contains(err.Error(), "no-such-stack") || !strings.Contains(err.Error(), "No stacks match") {
		t.Errorf("error %v", err)
	}
}
