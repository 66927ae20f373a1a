package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudtrail"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

const trailRetention = 365.0 // days

// addTrail creates what makes AWS report changes to EventBridge at all, for accounts that have no trail of their own.
func addTrail(stack awscdk.Stack, b icaconfig.Baseline) {
	bucket := newTrailBucket(stack)
	letTrailWrite(bucket, b)
	trail := awscloudtrail.NewCfnTrail(stack, jsii.String("Trail"), &awscloudtrail.CfnTrailProps{
		TrailName:                  jsii.String(guard.TrailName),
		S3BucketName:               bucket.BucketName(),
		IsLogging:                  jsii.Bool(true),
		IsMultiRegionTrail:         jsii.Bool(true),
		IncludeGlobalServiceEvents: jsii.Bool(true), // IAM's
		EnableLogFileValidation:    jsii.Bool(true),
		EventSelectors: []any{&awscloudtrail.CfnTrail_EventSelectorProperty{
			IncludeManagementEvents: jsii.Bool(true), ReadWriteType: jsii.String("WriteOnly"),
		}},
	})
	trail.Node().AddDependency(bucket.Policy()) // CloudTrail checks that it can write
}

// newTrailBucket has a name that CloudFormation makes up: the bucket stays when the stack goes, and the next one needs its own.
func newTrailBucket(stack awscdk.Stack) awss3.Bucket {
	return awss3.NewBucket(stack, jsii.String(self.TrailBucket), &awss3.BucketProps{
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		EnforceSSL:        jsii.Bool(true),
		Encryption:        awss3.BucketEncryption_S3_MANAGED,
		ObjectOwnership:   awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		Versioned:         jsii.Bool(true), // which the lock needs
		// What somebody does to the trail does not undo what it has told. Governance, not compliance: who may bypass the lock
		// can still close the account's books.
		ObjectLockDefaultRetention: awss3.ObjectLockRetention_Governance(awscdk.Duration_Days(jsii.Number(trailRetention))),
		// Not "except on create": CloudTrail may have written before a first deploy fails, and CloudFormation cannot delete
		// what is not empty.
		RemovalPolicy: awscdk.RemovalPolicy_RETAIN,
		LifecycleRules: &[]*awss3.LifecycleRule{
			{
				Id:         jsii.String("retention"),
				Expiration: awscdk.Duration_Days(jsii.Number(trailRetention)),
				NoncurrentVersionExpiration: awscdk.Duration_Days(
					jsii.Number(1),
				), // what expired, and what somebody deleted once the lock is over
				AbortIncompleteMultipartUploadAfter: awscdk.Duration_Days(jsii.Number(7)),
			},
		},
	})
}

// letTrailWrite lets CloudTrail write in the name of this trail only.
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html
func letTrailWrite(bucket awss3.Bucket, b icaconfig.Baseline) {
	ofTrail := map[string]any{"aws:SourceArn": b.ARN("cloudtrail", b.HomeRegion, "trail/"+guard.TrailName)}
	ofTrailOwned := map[string]any{"aws:SourceArn": ofTrail["aws:SourceArn"], "s3:x-amz-acl": "bucket-owner-full-control"}
	for _, s := range []awsiam.PolicyStatementProps{
		{
			Sid: jsii.String("AWSCloudTrailAclCheck"), Actions: jsii.Strings("s3:GetBucketAcl"),
			Resources: &[]*string{bucket.BucketArn()}, Conditions: &map[string]any{"StringEquals": ofTrail},
		},
		{
			Sid: jsii.String("AWSCloudTrailWrite"), Actions: jsii.Strings("s3:PutObject"),
			Resources:  &[]*string{bucket.ArnForObjects(jsii.String("AWSLogs/" + b.Account + "/*"))},
			Conditions: &map[string]any{"StringEquals": ofTrailOwned},
		},
	} {
		s.Principals = &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("cloudtrail.amazonaws.com"), nil)}
		bucket.AddToResourcePolicy(awsiam.NewPolicyStatement(&s))
	}
	bucket.Policy().ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN) // a bucket that stays, stays locked
}
