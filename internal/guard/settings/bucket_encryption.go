package settings

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// managedKey is the alias of the key that AWS keeps for S3 in every account.
const managedKey = "alias/aws/s3"

func bucketEncryption() guard.Setting {
	named := func(s icaconfig.Storage) bool { return s.Bucket.KMSKeyARN != "" }
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:    "bucket-encryption",
			Title: "The bucket encrypts with a key that ICA's role can use",
			Effect: "with a key that the role may not use, uploads fail with AccessDenied (kms:GenerateDataKey) and what was written " +
				"with it cannot be read",
			Remediation: func(s icaconfig.Storage) string {
				if !named(s) {
					return fmt.Sprintf(
						"name the key in ica.yaml as kmsKeyArn of bucket %s and deploy, or go back to the key that was there", s.Bucket.Name,
					)
				}
				return fmt.Sprintf(
					"S3 console, bucket %s, Properties, Default encryption: SSE-KMS with %s, bucket key enabled", s.Bucket.Name,
					s.Bucket.KMSKeyARN,
				)
			},
			On:       guard.OnBucket,
			Triggers: []guard.Trigger{bucketEvents("PutBucketEncryption", "DeleteBucketEncryption")},
			Reads:    guard.Actions(guard.OnBucket, "s3:GetEncryptionConfiguration"),
		},
		Writes: guard.OnlyIf(named, guard.Actions(guard.OnBucket, "s3:PutEncryptionConfiguration")),
	}, guard.Spec[[]types.ServerSideEncryptionRule]{
		Read: readEncryption, Compare: compareEncryption, Put: putEncryption,
		Merges: true,
	})
}

func readEncryption(ctx context.Context, c guard.Clients, s icaconfig.Storage) ([]types.ServerSideEncryptionRule, error) {
	out, err := s3Client(c, s.Region.AWS).GetBucketEncryption(
		ctx, &s3.GetBucketEncryptionInput{Bucket: &s.Bucket.Name, ExpectedBucketOwner: &c.Account},
	)
	if awserr.IsAbsent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get encryption of bucket %s: %w", s.Bucket.Name, err)
	}
	configuration, err := element(out.ServerSideEncryptionConfiguration, "get encryption of bucket "+s.Bucket.Name)
	if err != nil {
		return nil, err
	}
	return configuration.Rules, nil
}

// encryption is what the one rule that S3 allows comes down to.
type encryption struct {
	algorithm types.ServerSideEncryption
	key       string // as configured: ARN, id or alias; "" is AWS's own key
	bucketKey bool
}

// encryptionOf: what is not configured is SSE-S3, since 2023 in all buckets
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html).
func encryptionOf(rules []types.ServerSideEncryptionRule) encryption {
	e := encryption{algorithm: types.ServerSideEncryptionAes256}
	for _, rule := range rules {
		e.bucketKey = aws.ToBool(rule.BucketKeyEnabled)
		if by := rule.ApplyServerSideEncryptionByDefault; by != nil {
			e.algorithm, e.key = by.SSEAlgorithm, aws.ToString(by.KMSMasterKeyID)
		}
	}
	return e
}

func compareEncryption(s icaconfig.Storage, rules []types.ServerSideEncryptionRule) guard.Comparison {
	got := encryptionOf(rules)
	if s.Bucket.KMSKeyARN == "" {
		return compareUnnamedKey(s, got)
	}
	// A bare id or an alias is resolved in the caller's account, so Illumina's role would not find the key: only the ARN is right
	// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ServerSideEncryptionByDefault.html).
	switch {
	case got.algorithm == types.ServerSideEncryptionAwsKmsDsse && got.key == s.Bucket.KMSKeyARN:
		return guard.Note("the bucket encrypts twice (DSSE-KMS) with the key named: stronger than asked for, so it is left", "")
	case got.algorithm != types.ServerSideEncryptionAwsKms:
		return guard.Comparison{
			Diffs: []guard.Diff{{Path: "SSEAlgorithm", Expected: string(types.ServerSideEncryptionAwsKms), Found: string(got.algorithm)}},
		}
	case got.key != s.Bucket.KMSKeyARN:
		return guard.Comparison{Diffs: []guard.Diff{{Path: "KMSMasterKeyID", Expected: s.Bucket.KMSKeyARN, Found: keyInWords(got.key)}}}
	case !got.bucketKey:
		return guard.Comparison{
			Diffs: []guard.Diff{{Path: "BucketKeyEnabled", Expected: "true", Found: strconv.FormatBool(got.bucketKey)}},
		}
	}
	return guard.Comparison{}
}

// compareUnnamedKey: without a key in ica.yaml the role has no permission for any. AWS's own key lets everybody of the account
// in who may use the bucket, but nobody of another account
// (https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#aws-managed-key).
func compareUnnamedKey(s icaconfig.Storage, got encryption) guard.Comparison {
	switch {
	case got.algorithm == types.ServerSideEncryptionAes256:
		return guard.Comparison{}
	case got.key != "" && !strings.HasSuffix(got.key, managedKey):
		return guard.Alert("the bucket encrypts with KMS key "+got.key+", which ica.yaml does not name: ICA's role may not use it",
			"name it as kmsKeyArn in ica.yaml and deploy; what is already encrypted with it needs it too")
	case s.Bucket.CrossAccountCopy:
		return guard.Alert(
			"the bucket encrypts with AWS's own key "+managedKey+", which Illumina's role in the other account can never use: copies "+
				"between accounts fail",
			"encrypt with a key of your own and name it as kmsKeyArn in ica.yaml, or with SSE-S3",
		)
	}
	return guard.Comparison{}
}

func keyInWords(key string) string {
	if key == "" {
		return managedKey
	}
	return key
}

// putEncryption keeps what else the rule says: which types of encryption the bucket refuses, and what S3 may add to it.
func putEncryption(ctx context.Context, c guard.Clients, s icaconfig.Storage, got []types.ServerSideEncryptionRule) error {
	rules := slices.Clone(got)
	if len(rules) == 0 {
		rules = make([]types.ServerSideEncryptionRule, 1)
	}
	rules[0].ApplyServerSideEncryptionByDefault = &types.ServerSideEncryptionByDefault{
		SSEAlgorithm: types.ServerSideEncryptionAwsKms, KMSMasterKeyID: &s.Bucket.KMSKeyARN,
	}
	rules[0].BucketKeyEnabled = aws.Bool(true)
	_, err := s3Client(c, s.Region.AWS).PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
		Bucket: &s.Bucket.Name, ExpectedBucketOwner: &c.Account,
		ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: rules},
	})
	if err != nil {
		return fmt.Errorf("put encryption on bucket %s: %w", s.Bucket.Name, err)
	}
	return nil
}
