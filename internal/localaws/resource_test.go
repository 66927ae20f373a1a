package localaws_test

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/smithy-go"
)

// TestCallsNameTheirResource calls about what does not exist: what a call names shows before anybody answers.
func TestCallsNameTheirResource(t *testing.T) {
	e := newEnv(t)
	table := dynamodb.NewFromConfig(e.Config("us-east-1", personKey))
	const policyARN = "arn:aws:iam::123456789012:policy/p"
	for _, test := range []struct {
		resource string
		call     func(context.Context) (any, error)
	}{
		{"lab", func(ctx context.Context) (any, error) {
			return e.s3.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: aws.String("lab")})
		}},
		{"", func(ctx context.Context) (any, error) { return e.s3.ListBuckets(ctx, nil) }},
		{"r", func(ctx context.Context) (any, error) {
			return e.iam.GetRole(ctx, &iam.GetRoleInput{RoleName: aws.String("r")})
		}},
		{"r", func(ctx context.Context) (any, error) {
			return e.iam.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("r"), PolicyArn: aws.String(policyARN)})
		}},
		{policyARN, func(ctx context.Context) (any, error) {
			return e.iam.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: aws.String(policyARN)})
		}},
		{"k", func(ctx context.Context) (any, error) {
			return e.kms.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String("k")})
		}},
		{"/p", func(ctx context.Context) (any, error) {
			return e.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String("/p")})
		}},
		{"/p", func(ctx context.Context) (any, error) {
			return e.ssm.GetParameters(ctx, &ssm.GetParametersInput{Names: []string{"/p", "/q"}})
		}},
		{"t", func(ctx context.Context) (any, error) {
			return table.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("t")})
		}},
	} {
		e.Recorder().ResetCalls()
		_, err := test.call(t.Context())
		var answered smithy.APIError
		if err != nil && !errors.As(err, &answered) {
			t.Fatal(err)
		}
		call := e.Recorder().Calls()[0]
		equal(t, "resource of "+call.Operation, call.Resource, test.resource)
	}
}
