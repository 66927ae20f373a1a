package awslore

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// callTimeout bounds one HTTP exchange. AWS answers configuration calls in well under a second; with three tries a
// silent endpoint costs at most half of a Lambda's 30 s.
const callTimeout = 4 * time.Second

// LoadConfig reads credentials and endpoint the way every AWS tool does (environment, profile, AWS_ENDPOINT_URL).
// An empty region leaves the choice to that chain. It makes no call to AWS.
func LoadConfig(ctx context.Context, region string) (aws.Config, error) {
	cfg, err := config.LoadDefaultConfig(ctx,
		config.WithRegion(region),
		config.WithRetryMaxAttempts(3),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(callTimeout)),
	)
	if err != nil {
		return aws.Config{}, fmt.Errorf("aws config: load: %w", err)
	}
	return cfg, nil
}

// S3 makes a client for one region. A custom endpoint has no wildcard DNS name, so buckets go into the path there.
func S3(cfg aws.Config, region string) *s3.Client {
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.Region = region
		o.UsePathStyle = o.BaseEndpoint != nil
	})
}
