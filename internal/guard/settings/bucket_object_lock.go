package settings

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// bucketObjectLock is watched: whoever locks data has a reason that outranks ICA's convenience, often the law's.
func bucketObjectLock() guard.Setting {
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:     "bucket-object-lock",
			Title:  "No default retention locks what ICA writes",
			Effect: "ICA cannot delete: archiving and deleting data in ICA fails until the retention ends",
			Remediation: func(s icaconfig.Storage) string {
				return fmt.Sprintf("S3 console, bucket %s, Properties, Object Lock: disable default retention", s.Bucket.Name)
			},
			On:       guard.OnBucket,
			Triggers: []guard.Trigger{bucketEvents("PutBucketObjectLockConfiguration")},
			Reads:    guard.Actions(guard.OnBucket, "s3:GetBucketObjectLockConfiguration"),
		},
	}, guard.Spec[types.ObjectLockConfiguration]{Read: readObjectLock, Compare: compareObjectLock})
}

func readObjectLock(ctx context.Context, c guard.Clients, s icaconfig.Storage) (types.ObjectLockConfiguration, error) {
	out, err := s3Client(c, s.Region.AWS).GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{
		Bucket: &s.Bucket.Name, ExpectedBucketOwner: &c.Account,
	})
	if awserr.IsAbsent(err) {
		return types.ObjectLockConfiguration{}, nil
	}
	if err != nil {
		return types.ObjectLockConfiguration{}, fmt.Errorf("get object lock of bucket %s: %w", s.Bucket.Name, err)
	}
	lock, err := element(out.ObjectLockConfiguration, "get object lock of bucket "+s.Bucket.Name)
	if err != nil {
		return types.ObjectLockConfiguration{}, err
	}
	return *lock, nil
}

func compareObjectLock(s icaconfig.Storage, got types.ObjectLockConfiguration) guard.Comparison {
	switch {
	case got.ObjectLockEnabled != types.ObjectLockEnabledEnabled:
		return guard.Comparison{}
	case got.Rule == nil || got.Rule.DefaultRetention == nil:
		return guard.Note("object lock is on, without default retention: ICA can delete what nobody locks", "")
	}
	kept := retention(*got.Rule.DefaultRetention)
	found := guard.Finding{
		What:        "object lock is on with default retention of " + kept + ": ICA cannot delete what it writes",
		Remediation: "disable default retention, if your rules on keeping data allow it, or give ICA another bucket",
	}
	return guard.Comparison{Alerts: []guard.Finding{found.About(s.Bucket.ARN, kept)}}
}

func retention(r types.DefaultRetention) string {
	if years := aws.ToInt32(r.Years); years > 0 {
		return fmt.Sprintf("%d years (%s)", years, r.Mode)
	}
	return fmt.Sprintf("%d days (%s)", aws.ToInt32(r.Days), r.Mode)
}
