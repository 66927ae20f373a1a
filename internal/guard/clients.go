package guard

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/icaguard/icaguard/internal/awslore"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Clients makes SDK clients when a setting needs one. They share the configuration's HTTP connections.
type Clients struct {
	Config aws.Config
	// Account is sent as ExpectedBucketOwner with every S3 call: a bucket deleted and taken by a stranger is never touched.
	Account string
}

func (c Clients) s3(s icaconfig.Storage) *s3.Client { return awslore.S3(c.Config, s.Region.AWS) }

func (c Clients) iam() *iam.Client { return iam.NewFromConfig(c.Config) }
