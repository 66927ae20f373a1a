package guard

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// versioning is the bucket's; an empty status means that it was never enabled, to which no bucket ever returns.
type versioning struct {
	Status    types.BucketVersioningStatus
	MFADelete bool
}

func bucketVersioning() Setting {
	kept := func(s icaconfig.Storage) bool { return s.Bucket.Versioning == icaconfig.VersioningEnabled }
	return define(Setting{
		ID:     "bucket-versioning",
		Title:  "Versioning is as bucket.versioning says, and ICA can delete",
		Effect: "with versions ICA needs further permissions, or what it deletes is only hidden; with MFA delete it cannot delete versions",
		Remediation: func(s icaconfig.Storage) string {
			return fmt.Sprintf("S3 console, bucket %s, Properties, Bucket Versioning: make it %q, as ica.yaml says", s.Bucket.Name, s.Bucket.Versioning)
		},
		On:       OnBucket,
		Triggers: []Trigger{bucketEvents("PutBucketVersioning")},
		Reads:    on(OnBucket, "s3:GetBucketVersioning"),
		Writes:   where(kept, on(OnBucket, "s3:PutBucketVersioning")),
	}, spec[versioning]{read: readVersioning, compare: compareVersioning, put: putVersioning})
}

func readVersioning(ctx context.Context, c Clients, s icaconfig.Storage) (versioning, error) {
	out, err := c.s3(s).GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &s.Bucket.Name, ExpectedBucketOwner: &c.Account})
	if err != nil {
		return versioning{}, fmt.Errorf("get versioning of bucket %s: %w", s.Bucket.Name, err)
	}
	return versioning{Status: out.Status, MFADelete: out.MFADelete == types.MFADeleteStatusEnabled}, nil
}

func compareVersioning(s icaconfig.Storage, got versioning) Comparison {
	if got.MFADelete {
		// With it only the root user, with the device at hand, may change versioning: a put would fail.
		return alert("MFA delete is on: ICA cannot delete object versions",
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

func compareKept(got versioning) Comparison {
	if got.Status == types.BucketVersioningStatusEnabled {
		return Comparison{}
	}
	is := "never enabled"
	if got.Status != "" {
		is = string(got.Status)
	}
	return Comparison{Diffs: []Diff{{Path: "Status", Expected: string(types.BucketVersioningStatusEnabled), Found: is}}}
}

func compareNever(got versioning) Comparison {
	switch got.Status {
	case types.BucketVersioningStatusEnabled:
		return alert("versioning is enabled, but ica.yaml says never: what ICA deletes stays as versions and is paid for, and ICA lacks the permissions for versions",
			"suspend versioning, or write versioning: enabled in ica.yaml and deploy")
	case types.BucketVersioningStatusSuspended:
		return note("versioning was enabled once and is suspended: ICA gets the permissions for versions, as Illumina's documentation asks", "")
	}
	return Comparison{}
}

// compareFollowed: permissions follow the bucket, but a deploy may put the template's back until the first check after it.
func compareFollowed(got versioning) Comparison {
	switch got.Status {
	case types.BucketVersioningStatusEnabled:
		return note("versioning is enabled, so ICA gets the permissions for versions",
			"write versioning: enabled in ica.yaml, so that a deploy never takes them away for a moment")
	case types.BucketVersioningStatusSuspended:
		return note("versioning is suspended, so ICA gets the permissions for versions", "")
	}
	return Comparison{}
}

func putVersioning(ctx context.Context, c Clients, s icaconfig.Storage, _ versioning) error {
	_, err := c.s3(s).PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: &s.Bucket.Name, ExpectedBucketOwner: &c.Account,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	if err != nil {
		return fmt.Errorf("enable versioning of bucket %s: %w", s.Bucket.Name, err)
	}
	return nil
}
