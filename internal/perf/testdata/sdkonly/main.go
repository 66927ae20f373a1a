// Command sdkonly is a function with the clients that remediate has and without its code: what the SDK alone costs at start.
package main

import (
	"context"
	"encoding/json"
	"os"
	"runtime"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3control"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

func main() {
	cfg := aws.Config{
		Region: os.Getenv("AWS_REGION"), HTTPClient: awshttp.NewBuildableClient(),
		Credentials: credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY"), ""),
	}
	clients := []any{
		s3.NewFromConfig(cfg), s3control.NewFromConfig(cfg), iam.NewFromConfig(cfg), kms.NewFromConfig(cfg), ssm.NewFromConfig(cfg),
		sqs.NewFromConfig(cfg), sns.NewFromConfig(cfg), dynamodb.NewFromConfig(cfg), cloudformation.NewFromConfig(cfg),
	}
	lambda.Start(func(context.Context, json.RawMessage) (events.SQSEventResponse, error) {
		runtime.KeepAlive(clients)
		return events.SQSEventResponse{}, nil
	})
}
