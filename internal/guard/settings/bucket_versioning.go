package settings

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// versioning is the bucket's; an empty status means that it was never enabled, to which no bucket ever returns.
type versioning struct {
	Status    types.BucketVersioningStatus
	MFADelete bool
}

func bucketVersioning() guard.Setting {
	kept := func(s icaconfig.Storage) bool { return s.Bucket.Versioning == icaconfig.VersioningEnabled }
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:    "bucket-versioning",
			Title: "Versioning is as bucket.versioning says, and ICA can delete",
			Effect: "with versions ICA needs further permissions, or what it deletes is only hidden; with MFA delete it cannot delete " +
				"versions",
			Remediation: func(s icaconfig.Storage) string {
				return fmt.Sprintf(
					"S3 console, bucket %s, Properties, Bucket Versioning: make it %q, as ica.yaml says", s.Bucket.Name, s.Bucket.Versioning,
				)
			},
			On:       guard.OnBucket,
			Triggers: []guard.Trigger{bucketEvents("PutBucketVersioning")},
			Reads:    guard.Actions(guard.OnBucket, "s3:GetBucketVersioning"),
		},
		Writes: guard.OnlyIf(kept, guard.Actions(guard.OnBucket, "s3:PutBucketVersioning")),
	}, guard.Spec[versioning]{Read: readVersioning, Compare: compareVersioning, Put: putVersioning})
}

func readVersioning(ctx context.Context, c guard.Clients, s icaconfig.Storage) (versioning, error) {
	return versioningOf(ctx, c, s.Region.AWS, s.Bucket.Name)
}

// versioningOf reads the versioning of a bucket, which three settings need.
func versioningOf(ctx context.Context, c guard.Clients, region, bucket string) (versioning, error) {
	return guard.ReadOnce(c, "GetBucketVersioning "+bucket, func() (versioning, error) {
		out, err := s3Client(c, region).GetBucketVersioning(
			ctx, &s3.GetBucketVersioningInput{Bucket: &bucket, ExpectedBucketOwner: &c.Account},
		)
		if err != nil {
			return versioning{}, fmt.Errorf("get versioning of bucket %s: %w", bucket, err)
		}
		return versioning{Status: out.Status, MFADelete: out.MFADelete == types.MFADeleteStatusEnabled}, nil
	})
}

func compareVersioning(s icaconfig.Storage, got versioning) guard.Comparison {
	if got.MFADelete {
		// With it only the root user, with the device at hand, may change versioning: a put would fail.
		return guard.Alert("MFA delete is on: ICA cannot delete object versions",
			"turn it off as the account's root user: aws s3api put-bucket-versioning with --mfa")
	}
	switch s.Bucket.Versioning {
	case icaconfig.VersioningEnabled:
		return compareKept(got)
	case icaconfig.VersioningNever:
		return compareNever(got)
	case icaconfig.VersioningAuto:
	}
	return compareFollowed(got)
}

func compareKept(got versioning) guard.Comparison {
	if got.Status == types.BucketVersioningStatusEnabled {
		return guard.Comparison{}
	}
	is := "never enabled"
	if got.Status != "" {
		is = string(got.Status)
	}
	return guard.Comparison{Diffs: []guard.Diff{{Path: "Status", Expected: string(types.BucketVersioningStatusEnabled), Found: is}}}
}

func compareNever(got versioning) guard.Comparison {
	switch got.Status {
	case types.BucketVersioningStatusEnabled:
		return guard.Alert(
			"versioning is enabled, but ica.yaml says never: what ICA deletes stays as versions and is paid for, and ICA lacks the "+
				"permissions for versions",
			"suspend versioning, or write versioning: enabled in ica.yaml and deploy",
		)
	case types.BucketVersioningStatusSuspended:
		return guard.Note(
			"versioning was enabled once and is suspended: ICA gets the permissions for versions, as Illumina's documentation asks",
			"",
		)
	}
	return guard.Comparison{}
}

// compareFollowed: permissions follow the bucket, but a deploy may put the template's back until the first check after it.
func compareFollowed(got versioning) guard.Comparison {
	switch got.Status {
	case types.BucketVersioningStatusEnabled:
		return guard.Note("versioning is enabled, so ICA gets the permissions for versions",
			"write versioning: enabled in ica.yaml, so that a deploy never takes them away for a moment")
	case types.BucketVersioningStatusSuspended:
		return guard.Note("versioning is suspended, so ICA gets the permissions for versions", "")
	}
	return guard.Comparison{}
}

func putVersioning(ctx context.Context, c guard.Clients, s icaconfig.Storage, _ versioning) error {
	_, err := s3Client(c, s.Region.AWS).PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: &s.Bucket.Name, ExpectedBucketOwner: &c.Account,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	if err != nil {
		return fmt.Errorf("enable versioning of bucket %s: %w", s.Bucket.Name, err)
	}
	return nil
}
