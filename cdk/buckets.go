package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/jsii-runtime-go"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// addBuckets creates the storages' buckets. They hold patient data and are kept whatever becomes of the stack.
func addBuckets(stack awscdk.Stack, storages []icaconfig.Storage) {
	for _, s := range storages {
		bucket := awss3.NewCfnBucket(scope(stack, "storage", s.Name), jsii.String("Bucket"), &awss3.CfnBucketProps{
			BucketName:                     &s.Bucket.Name,
			BucketNamespace:                optional(s.Bucket.Namespace()),
			BucketEncryption:               encryption(s.Bucket.KMSKeyARN),
			CorsConfiguration:              corsConfiguration(s.Bucket.CORS),
			PublicAccessBlockConfiguration: publicAccessBlock(s.Bucket.PublicAccessBlock),
			OwnershipControls: &awss3.CfnBucket_OwnershipControlsProperty{Rules: []any{
				&awss3.CfnBucket_OwnershipControlsRuleProperty{ObjectOwnership: jsii.String("BucketOwnerEnforced")},
			}},
			VersioningConfiguration: versioning(s.Bucket.Versioning),
		})
		keep(bucket)
	}
}

func corsConfiguration(rule icaconfig.CORSRule) *awss3.CfnBucket_CorsConfigurationProperty {
	property := &awss3.CfnBucket_CorsRuleProperty{
		Id:             optional(rule.ID),
		AllowedHeaders: jsii.Strings(rule.AllowedHeaders...),
		AllowedMethods: jsii.Strings(rule.AllowedMethods...),
		AllowedOrigins: jsii.Strings(rule.AllowedOrigins...),
		ExposedHeaders: jsii.Strings(rule.ExposeHeaders...),
	}
	if rule.MaxAgeSeconds != 0 {
		property.MaxAge = jsii.Number(float64(rule.MaxAgeSeconds))
	}
	return &awss3.CfnBucket_CorsConfigurationProperty{CorsRules: []any{property}}
}

// encryption is SSE-KMS with the storage's key and a bucket key, or S3's own, which every bucket has anyway.
func encryption(keyARN string) *awss3.CfnBucket_BucketEncryptionProperty {
	byDefault := &awss3.CfnBucket_ServerSideEncryptionByDefaultProperty{SseAlgorithm: jsii.String("AES256")}
	if keyARN != "" {
		byDefault = &awss3.CfnBucket_ServerSideEncryptionByDefaultProperty{
			SseAlgorithm:   jsii.String("aws:kms"),
			KmsMasterKeyId: &keyARN,
		}
	}
	return &awss3.CfnBucket_BucketEncryptionProperty{ServerSideEncryptionConfiguration: []any{
		&awss3.CfnBucket_ServerSideEncryptionRuleProperty{
			ServerSideEncryptionByDefault: byDefault,
			BucketKeyEnabled:              jsii.Bool(keyARN != ""),
		},
	}}
}

// publicAccessBlock says all four or nothing: nothing leaves AWS's default for new buckets, which blocks too.
func publicAccessBlock(wanted bool) *awss3.CfnBucket_PublicAccessBlockConfigurationProperty {
	if !wanted {
		return nil
	}
	return &awss3.CfnBucket_PublicAccessBlockConfigurationProperty{
		BlockPublicAcls:       jsii.Bool(true),
		BlockPublicPolicy:     jsii.Bool(true),
		IgnorePublicAcls:      jsii.Bool(true),
		RestrictPublicBuckets: jsii.Bool(true),
	}
}

// versioning is in the template only where it is ours: under "auto" and "never" a deploy must not switch it.
func versioning(v icaconfig.Versioning) *awss3.CfnBucket_VersioningConfigurationProperty {
	if v != icaconfig.VersioningEnabled {
		return nil
	}
	return &awss3.CfnBucket_VersioningConfigurationProperty{Status: jsii.String("Enabled")}
}
