package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// addBuckets creates the storages' buckets. They hold patient data: deleting the stack leaves them, and so
// does a stack update that would drop one; only a first deploy that fails takes its empty bucket away again.
func addBuckets(stack awscdk.Stack, storages []icaconfig.Storage) {
	for _, s := range storages {
		bucket := awss3.NewCfnBucket(scope(stack, s.Name), jsii.String("Bucket"), &awss3.CfnBucketProps{
			BucketName:        &s.Bucket.Name,
			CorsConfiguration: corsConfiguration(s.Bucket.CORS),
			PublicAccessBlockConfiguration: &awss3.CfnBucket_PublicAccessBlockConfigurationProperty{
				BlockPublicAcls:       jsii.Bool(true),
				BlockPublicPolicy:     jsii.Bool(true),
				IgnorePublicAcls:      jsii.Bool(true),
				RestrictPublicBuckets: jsii.Bool(true),
			},
		})
		bucket.ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN_ON_UPDATE_OR_DELETE, nil)
	}
}

func corsConfiguration(rule icaconfig.CORSRule) *awss3.CfnBucket_CorsConfigurationProperty {
	return &awss3.CfnBucket_CorsConfigurationProperty{CorsRules: []any{
		&awss3.CfnBucket_CorsRuleProperty{
			AllowedHeaders: jsii.Strings(rule.AllowedHeaders...),
			AllowedMethods: jsii.Strings(rule.AllowedMethods...),
			AllowedOrigins: jsii.Strings(rule.AllowedOrigins...),
			ExposedHeaders: jsii.Strings(rule.ExposeHeaders...),
		},
	}}
}
