package settings

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// bucketPlace is where the bucket is, if it is there and ours.
type bucketPlace struct {
	Exists  bool
	Foreign bool   // the name belongs to another account
	Region  string // AWS region
}

// bucket is watched: recreating a deleted bucket would hide that its data is gone.
func bucket() guard.Setting {
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:      "bucket",
			MustEnd: "the account of the bucket",
			Title:   "The bucket exists, in our account and in the AWS region of the ICA region",
			Effect:  "all of the storage: ICA shows NoSuchBucket, or 301 PermanentRedirect where the region is wrong",
			Remediation: func(s icaconfig.Storage) string {
				return fmt.Sprintf(
					"S3 console: is bucket %s there, in %s and in this account? If it was deleted, create it again now and restore its data",
					s.Bucket.Name, s.Region.AWS,
				)
			},
			On:       guard.OnBucket,
			Triggers: []guard.Trigger{bucketEvents()},
			Reads: append(
				guard.Actions(guard.OnBucket, "s3:GetBucketLocation"),
				guard.Actions(guard.OnAccount, "s3:ListAllMyBuckets")...),
		},
	}, guard.Spec[bucketPlace]{Read: readBucketPlace, Compare: compareBucketPlace})
}

func readBucketPlace(ctx context.Context, c guard.Clients, s icaconfig.Storage) (bucketPlace, error) {
	out, err := s3Client(c, s.Region.AWS).GetBucketLocation(
		ctx, &s3.GetBucketLocationInput{Bucket: &s.Bucket.Name, ExpectedBucketOwner: &c.Account},
	)
	if err == nil {
		return bucketPlace{Exists: true, Region: awsclient.RegionOfBucket(string(out.LocationConstraint))}, nil
	}
	if awserr.IsElsewhere(err) {
		return bucketPlace{Exists: true, Region: "another region"}, nil
	}
	err = fmt.Errorf("get location of bucket %s: %w", s.Bucket.Name, err)
	switch awserr.Classify(err) {
	case awserr.Gone:
		return bucketPlace{}, nil
	case awserr.Denied:
		return placeIfForeign(ctx, c, s, err)
	case awserr.Final, awserr.Transient, awserr.ExplicitDeny:
	}
	return bucketPlace{}, err
}

// placeIfForeign tells a bucket of another account from one of ours that we may not read: both are a plain 403.
func placeIfForeign(ctx context.Context, c guard.Clients, s icaconfig.Storage, denied error) (bucketPlace, error) {
	own, err := ownsBucket(ctx, c, s.Region.AWS, s.Bucket.Name)
	switch {
	case err != nil:
		return bucketPlace{}, fmt.Errorf("%w; %w", denied, err)
	case own:
		return bucketPlace{}, denied
	}
	return bucketPlace{Exists: true, Foreign: true}, nil
}

// ownsBucket reports whether the account has a bucket of this name.
func ownsBucket(ctx context.Context, c guard.Clients, region, name string) (bool, error) {
	out, err := s3Client(c, region).ListBuckets(ctx, &s3.ListBucketsInput{Prefix: &name})
	if err != nil {
		return false, fmt.Errorf("list own buckets: %w", err)
	}
	return slices.ContainsFunc(out.Buckets, func(b types.Bucket) bool { return aws.ToString(b.Name) == name }), nil
}

func compareBucketPlace(s icaconfig.Storage, got bucketPlace) guard.Comparison {
	switch {
	case !got.Exists:
		return guard.Alert(
			"bucket "+s.Bucket.Name+" was deleted: its data is gone, and anyone in any account can take the name",
			fmt.Sprintf(
				"create %s in %s again by hand, now; icaguard then restores its settings. Restore the data from a copy", s.Bucket.Name,
				s.Region.AWS,
			),
		)
	case got.Foreign:
		return guard.Alert("bucket "+s.Bucket.Name+" belongs to another account: ICA would read and write a stranger's bucket",
			"detach the permission policy from role "+s.Role.Name+", choose another bucket name, and ask AWS Support about the old one")
	case got.Region != s.Region.AWS:
		return guard.Alert(
			fmt.Sprintf("bucket %s is in %s, but ICA region %s needs %s", s.Bucket.Name, got.Region, s.Region.ID, s.Region.AWS),
			"correct icaRegion in ica.yaml, or use a bucket in "+s.Region.AWS,
		)
	}
	return guard.Comparison{}
}
