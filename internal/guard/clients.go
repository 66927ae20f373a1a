package guard

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3control"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Clients makes SDK clients when a setting needs one. They share the configuration's HTTP connections.
type Clients struct {
	Config aws.Config
	// Account is sent as ExpectedBucketOwner with every S3 call: a bucket deleted and taken by a stranger is never touched.
	Account string
	// Store keeps what a later check or a person may need. It is nil where there is none (the command line before a deploy).
	Store Store
}

// Store is what the guard keeps between requests. An implementation connects when it is first used, so that a check that
// finds nothing costs nothing.
type Store interface {
	// Backup stores a value that a restore is about to replace, in the original.
	Backup(ctx context.Context, b Backup) error
	// Put stores the latest value of something about a resource.
	Put(ctx context.Context, resource, what, value string) error
	// Get returns what was put, "" if nothing was.
	Get(ctx context.Context, resource, what string) (string, error)
}

// Backup is a value that a restore replaced, so that it can be undone.
type Backup struct {
	Resource, Setting string
	Value             string // JSON of the setting's state
	Events            []Event
}

func (c Clients) s3(s icaconfig.Storage) *s3.Client { return awserr.S3(c.Config, s.Region.AWS) }

// s3control is for the account's own settings of S3; their calls name the account themselves.
func (c Clients) s3control(s icaconfig.Storage) *s3control.Client {
	return awserr.S3Control(c.Config, s.Region.AWS)
}

func (c Clients) iam() *iam.Client { return iam.NewFromConfig(c.Config) }

// ssm is a client for the region of the storage's parameter, which is the guard's home.
func (c Clients) ssm(s icaconfig.Storage) *ssm.Client {
	return ssm.NewFromConfig(c.Config, func(o *ssm.Options) { o.Region = regionOfARN(s.Role.Prefix.ARN, o.Region) })
}

func (c Clients) ssmIn(region string) *ssm.Client {
	return ssm.NewFromConfig(c.Config, func(o *ssm.Options) { o.Region = region })
}

func (c Clients) cloudtrail(region string) *cloudtrail.Client {
	return cloudtrail.NewFromConfig(c.Config, func(o *cloudtrail.Options) { o.Region = region })
}

func (c Clients) eventbridge(region string) *eventbridge.Client {
	return eventbridge.NewFromConfig(c.Config, func(o *eventbridge.Options) { o.Region = region })
}

func (c Clients) sqs(region string) *sqs.Client {
	return sqs.NewFromConfig(c.Config, func(o *sqs.Options) { o.Region = region })
}

func (c Clients) lambda(s icaconfig.Storage) *lambda.Client {
	return lambda.NewFromConfig(c.Config, func(o *lambda.Options) { o.Region = s.Home.HomeRegion })
}

func (c Clients) sns(s icaconfig.Storage) *sns.Client {
	return sns.NewFromConfig(c.Config, func(o *sns.Options) { o.Region = s.Home.HomeRegion })
}

func (c Clients) dynamodb(s icaconfig.Storage) *dynamodb.Client {
	return dynamodb.NewFromConfig(c.Config, func(o *dynamodb.Options) { o.Region = s.Home.HomeRegion })
}

func (c Clients) cloudformation(region string) *cloudformation.Client {
	return cloudformation.NewFromConfig(c.Config, func(o *cloudformation.Options) { o.Region = region })
}

// kms is a client for the region of the storage's key.
func (c Clients) kms(s icaconfig.Storage) *kms.Client {
	return kms.NewFromConfig(c.Config, func(o *kms.Options) { o.Region = regionOfARN(s.Key.ARN, o.Region) })
}

// regionOfARN is the ARN's region, or the fallback for an ARN without one.
func regionOfARN(text, fallback string) string {
	parsed, err := arn.Parse(text)
	if err != nil || parsed.Region == "" {
		return fallback
	}
	return parsed.Region
}
