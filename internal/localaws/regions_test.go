package localaws_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

// Two stacks in two regions, with a relay from one to the other, and types that moto skips.
func TestCDKDeploysTwoRegions(t *testing.T) {
	local := localawstest.Start(t)
	app := t.TempDir()
	if err := os.CopyFS(app, os.DirFS("testdata/regions")); err != nil {
		t.Fatal(err)
	}
	cdk := func(args ...string) error {
		return local.CDK(t.Context(), localaws.CDKOptions{}, append([]string{"--app", app}, args...)...)
	}
	deployAll := []string{"deploy", "--all", "--require-approval", "never", "--method", "direct"}
	if err := cdk("bootstrap", "aws://123456789012/us-east-1", "aws://123456789012/eu-central-1"); err != nil {
		t.Fatal(err)
	}
	if err := cdk(deployAll...); err != nil {
		t.Fatal(err)
	}
	checkRelay(t, local, "PutBucketCors")
	checkSchedule(t, local)
	// --fail makes a difference an error; the other methods wait in vain for a change set of moto's.
	diff := []string{"diff", "--all", "--fail", "--method", "template"}
	if err := cdk(diff...); err != nil {
		t.Errorf("a difference right after the deploy: %v", err)
	}
	edit(t, filepath.Join(app, "far.template.json"), "PutBucketCors", "DeleteBucketCors")
	if err := cdk(diff...); err == nil {
		t.Error("no difference after an edit")
	}
	if err := cdk(deployAll...); err != nil {
		t.Fatal(err)
	}
	checkRelay(t, local, "DeleteBucketCors")
	if err := cdk("destroy", "--all", "--force"); err != nil {
		t.Fatal(err)
	}
	if err := cdk(deployAll...); err != nil {
		t.Fatal(err)
	}
	checkRelay(t, local, "DeleteBucketCors")
}

// checkRelay changes a bucket in the far region: the event that the relay's rule names reaches the home region's queue.
func checkRelay(t *testing.T, local *localaws.AWS, eventName string) {
	t.Helper()
	ctx, bucket := t.Context(), aws.String("lab-far")
	client := s3.NewFromConfig(local.Config("eu-central-1", personKey))
	if _, err := client.PutBucketCors(ctx, &s3.PutBucketCorsInput{Bucket: bucket, CORSConfiguration: &s3types.CORSConfiguration{
		CORSRules: []s3types.CORSRule{{AllowedMethods: []string{"GET"}, AllowedOrigins: []string{"*"}}},
	}}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.DeleteBucketCors(ctx, &s3.DeleteBucketCorsInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	event, err := receiveEvent(ctx, local, "us-east-1", "http://localhost/123456789012/guard")
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "event", event.Region+" "+event.Detail.EventName, "eu-central-1 "+eventName)
	target := onlyTarget(t, local, "relay")
	role, err := iam.NewFromConfig(local.DirectConfig("us-east-1")).GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("relay")})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "target's role", aws.ToString(target.RoleArn), aws.ToString(role.Role.Arn))
	equal(t, "target's dead letters", aws.ToString(target.DeadLetterConfig.Arn), "arn:aws:sqs:eu-central-1:123456789012:relay-dlq")
	equal(t, "target's retries", *target.RetryPolicy.MaximumRetryAttempts, 185)
}

// checkSchedule checks the rule with a schedule, and the permission by which it may invoke its function.
func checkSchedule(t *testing.T, local *localaws.AWS) {
	t.Helper()
	config := local.DirectConfig("eu-central-1")
	rule, err := eventbridge.NewFromConfig(config).DescribeRule(
		t.Context(), &eventbridge.DescribeRuleInput{Name: aws.String("hourly")},
	)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "schedule", aws.ToString(rule.ScheduleExpression), "rate(1 hour)")
	equal(t, "state", rule.State, ebtypes.RuleStateDisabled)
	equal(t, "input", aws.ToString(onlyTarget(t, local, "hourly").Input), `{"audit":true}`)
	permission, err := lambda.NewFromConfig(config).GetPolicy(t.Context(), &lambda.GetPolicyInput{FunctionName: aws.String("far")})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(aws.ToString(permission.Policy), aws.ToString(rule.Arn)) {
		t.Errorf("permission %s", aws.ToString(permission.Policy))
	}
}

func onlyTarget(t *testing.T, local *localaws.AWS, rule string) ebtypes.Target {
	t.Helper()
	out, err := eventbridge.NewFromConfig(local.DirectConfig("eu-central-1")).ListTargetsByRule(
		t.Context(), &eventbridge.ListTargetsByRuleInput{Rule: &rule},
	)
	if err != nil || len(out.Targets) != 1 {
		t.Fatalf("targets of %s: %v %v", rule, out, err)
	}
	return out.Targets[0]
}

func edit(t *testing.T, file, from, to string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(content), from, to)), 0o600); err != nil {
		t.Fatal(err)
	}
}
