// Package awsclient sets up the AWS SDK as every part of icaguard uses it: the configuration, and clients for S3, whose
// endpoints differ.
//
// Invariant: nothing here makes a call to AWS.
package awsclient

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3control"
	transport "github.com/aws/smithy-go/endpoints"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/icaguard/icaguard/internal/awserr"
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
	return Checked(cfg), nil
}

// Checked makes every client of the configuration refuse an answer without a body to a call that reads: taken for
// "there is nothing", it could make a restore replace what others own. An answer of AWS always has one.
func Checked(cfg aws.Config) aws.Config {
	cfg.APIOptions = append(slices.Clip(cfg.APIOptions), func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("RefuseEmptyAnswers", refuseEmpty), middleware.After)
	})
	return cfg
}

func refuseEmpty(
	ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
) (middleware.DeserializeOutput, middleware.Metadata, error) {
	out, metadata, err := next.HandleDeserialize(ctx, in)
	answer, isHTTP := out.RawResponse.(*smithyhttp.Response)
	if err == nil && isHTTP && answer.StatusCode == http.StatusOK && answer.ContentLength == 0 &&
		reads(awsmiddleware.GetOperationName(ctx)) {
		err = awserr.ErrBroken
	}
	return out, metadata, err
}

func reads(operation string) bool {
	return slices.ContainsFunc(
		[]string{"Get", "List", "Describe"}, func(verb string) bool { return strings.HasPrefix(operation, verb) },
	)
}

// S3 makes a client for one region. A custom endpoint has no wildcard DNS name, so buckets go into the path there.
func S3(cfg aws.Config, region string) *s3.Client {
	return s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.Region = region
		o.UsePathStyle = o.BaseEndpoint != nil
	})
}

// S3Control makes a client for the account's own settings of S3 in one region. AWS has the account id in front of the
// host; a custom endpoint has no such name, so there it is the host as it is.
func S3Control(cfg aws.Config, region string) *s3control.Client {
	return s3control.NewFromConfig(cfg, func(o *s3control.Options) {
		o.Region = region
		if o.BaseEndpoint != nil {
			o.EndpointResolverV2 = asItIs(*o.BaseEndpoint)
			o.APIOptions = append(o.APIOptions, withoutHostPrefix)
		}
	})
}

// asItIs is an endpoint that nothing is added to.
type asItIs string

// ResolveEndpoint fails if the endpoint is not a URL.
func (e asItIs) ResolveEndpoint(context.Context, s3control.EndpointParameters) (transport.Endpoint, error) {
	u, err := url.Parse(string(e))
	if err != nil {
		return transport.Endpoint{}, fmt.Errorf("aws config: endpoint: %w", err)
	}
	return transport.Endpoint{URI: *u}, nil
}

// withoutHostPrefix removes the step of operations that puts the account id in front of any resolver's host.
func withoutHostPrefix(stack *middleware.Stack) error {
	_, _ = stack.Finalize.Remove("EndpointHostPrefix") // an operation without one is right already
	return nil
}

// RegionOfBucket reads a bucket's location constraint; the two oldest regions have names of their own
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html).
func RegionOfBucket(constraint string) string {
	switch constraint {
	case "":
		return "us-east-1"
	case "EU":
		return "eu-west-1"
	}
	return constraint
}
