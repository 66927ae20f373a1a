package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
)

//go:embed ica.yaml
var configuration string

// stage is what stands in the account before icaguard is deployed, and the ica.yaml that describes the lab.
type stage struct {
	config   string // path
	baseline icaconfig.Baseline
}

// setStage makes what a lab has already: a trail, a KMS key for the storage in Europe, a bucket that is adopted.
func setStage(ctx context.Context, local *localaws.AWS, dir string) (stage, error) {
	key, err := kms.NewFromConfig(local.DirectConfig("eu-central-1")).CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		return stage{}, fmt.Errorf("make a KMS key: %w", err)
	}
	st := stage{config: filepath.Join(dir, "ica.yaml")}
	text := strings.ReplaceAll(configuration, "KEY_ARN", aws.ToString(key.KeyMetadata.Arn))
	if err := os.WriteFile(st.config, []byte(text), 0o600); err != nil {
		return stage{}, fmt.Errorf("write the demo's ica.yaml: %w", err)
	}
	file, err := icaconfig.Load(st.config, settings.Exceptable())
	if err != nil {
		return stage{}, err
	}
	owner, err := file.Owner(local.Account(), "aws")
	if err != nil {
		return stage{}, err
	}
	st.baseline = file.Baseline(owner)
	return st, errors.Join(
		makeTrail(ctx, local, st.baseline.HomeRegion), makeAdopted(ctx, local, st.baseline), putPrefixes(ctx, local, st.baseline),
	)
}

func makeTrail(ctx context.Context, local *localaws.AWS, region string) error {
	direct := local.DirectConfig(region)
	logs := aws.String("lab-audit-logs")
	if _, err := awsclient.S3(direct, region).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: logs}); err != nil {
		return fmt.Errorf("make the trail's bucket: %w", err)
	}
	client, name := cloudtrail.NewFromConfig(direct), aws.String("lab-audit")
	_, err := client.CreateTrail(
		ctx,
		&cloudtrail.CreateTrailInput{
			Name:                       name,
			S3BucketName:               logs,
			IsMultiRegionTrail:         aws.Bool(true),
			IncludeGlobalServiceEvents: aws.Bool(true),
		},
	)
	if err != nil {
		return fmt.Errorf("make a trail: %w", err)
	}
	if _, err := client.StartLogging(ctx, &cloudtrail.StartLoggingInput{Name: name}); err != nil {
		return fmt.Errorf("start the trail: %w", err)
	}
	return nil
}

func makeAdopted(ctx context.Context, local *localaws.AWS, b icaconfig.Baseline) error {
	for _, s := range b.Storages {
		if !s.Bucket.Existing {
			continue
		}
		client := awsclient.S3(local.DirectConfig(s.Region.AWS), s.Region.AWS)
		if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &s.Bucket.Name}); err != nil {
			return fmt.Errorf("make bucket %s: %w", s.Bucket.Name, err)
		}
		rule := s.Bucket.CORS
		_, err := client.PutBucketCors(
			ctx,
			&s3.PutBucketCorsInput{Bucket: &s.Bucket.Name, CORSConfiguration: &s3types.CORSConfiguration{
				CORSRules: []s3types.CORSRule{
					{
						AllowedHeaders: rule.AllowedHeaders,
						AllowedMethods: rule.AllowedMethods,
						AllowedOrigins: rule.AllowedOrigins,
						ExposeHeaders:  rule.ExposeHeaders,
					},
				},
			}},
		)
		if err != nil {
			return fmt.Errorf("put CORS on bucket %s: %w", s.Bucket.Name, err)
		}
	}
	return nil
}

func putPrefixes(ctx context.Context, local *localaws.AWS, b icaconfig.Baseline) error {
	for _, s := range b.Storages {
		_, err := ssm.NewFromConfig(local.DirectConfig(b.HomeRegion)).PutParameter(ctx, &ssm.PutParameterInput{
			Name: &s.Role.Prefixes[0].Parameter, Type: types.ParameterTypeString, Value: aws.String("prefix-of-the-demo"),
		})
		if err != nil {
			return fmt.Errorf("put the prefix of %s: %w", s.Name, err)
		}
	}
	return nil
}
