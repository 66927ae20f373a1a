package settings

import (
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3control"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

func s3Client(c guard.Clients, region string) *s3.Client { return awsclient.S3(c.Config, region) }

// s3controlClient is for the account's own settings of S3; their calls name the account themselves.
func s3controlClient(c guard.Clients, s icaconfig.Storage) *s3control.Client {
	return awsclient.S3Control(c.Config, s.Region.AWS)
}

func iamClient(c guard.Clients) *iam.Client { return iam.NewFromConfig(c.Config) }

// ssmClient is a client for the region of the storage's parameter, which is the guard's home.
func ssmClient(c guard.Clients, s icaconfig.Storage) *ssm.Client {
	return ssm.NewFromConfig(c.Config, func(o *ssm.Options) { o.Region = s.Home.HomeRegion })
}

// kmsClient is a client for the region of the storage's key.
func kmsClient(c guard.Clients, s icaconfig.Storage) *kms.Client {
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
