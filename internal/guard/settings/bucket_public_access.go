package settings

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/s3control"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// publicAccess is what keeps the bucket from being public: four blocks of its own and four of the account.
type publicAccess struct {
	Bucket, Account blocks
	AccountUnknown  string // why the account's block could not be read
}

// blocks are on or off; a block that is not configured is off.
type blocks struct {
	BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets bool
}

func allBlocks() blocks { return blocks{true, true, true, true} }

func bucketPublicAccess() guard.Setting {
	wanted := func(s icaconfig.Storage) bool { return s.Bucket.PublicAccessBlock }
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:      "bucket-public-access",
			MustEnd: "public access",
			Title:   "All four public access blocks of the bucket are on",
			Effect:  "nothing in ICA at once, but a policy or an ACL can then make genomes public",
			Remediation: func(s icaconfig.Storage) string {
				return fmt.Sprintf("S3 console, bucket %s, Permissions: block all public access", s.Bucket.Name)
			},
			On:       guard.OnBucket,
			Triggers: []guard.Trigger{bucketEvents("PutBucketPublicAccessBlock", "DeleteBucketPublicAccessBlock")},
			Reads: guard.OnlyIf(wanted, append(
				guard.Actions(guard.OnBucket, "s3:GetBucketPublicAccessBlock"),
				guard.Actions(guard.OnAccount, "s3:GetAccountPublicAccessBlock")...)),
		},
		Writes: guard.OnlyIf(wanted, guard.Actions(guard.OnBucket, "s3:PutBucketPublicAccessBlock")),
	}, guard.Spec[publicAccess]{Read: readPublicAccess, Compare: comparePublicAccess, Put: putPublicAccess})
}

// readPublicAccess reads nothing where the lab decided for publicAccessBlock: false, as the guard then may not.
func readPublicAccess(ctx context.Context, c guard.Clients, s icaconfig.Storage) (publicAccess, error) {
	if !s.Bucket.PublicAccessBlock {
		return publicAccess{}, nil
	}
	bucket, err := readBucketBlocks(ctx, c, s)
	if err != nil {
		return publicAccess{}, err
	}
	got := publicAccess{Bucket: bucket}
	// What is only reported must not keep the bucket's own block from being restored.
	if got.Account, err = readAccountBlocks(ctx, c, s); err != nil {
		got.AccountUnknown = awserr.Brief(err)
	}
	return got, nil
}

func readBucketBlocks(ctx context.Context, c guard.Clients, s icaconfig.Storage) (blocks, error) {
	out, err := s3Client(c, s.Region.AWS).GetPublicAccessBlock(
		ctx, &s3.GetPublicAccessBlockInput{Bucket: &s.Bucket.Name, ExpectedBucketOwner: &c.Account},
	)
	if awserr.IsAbsent(err) {
		return blocks{}, nil
	}
	if err != nil {
		return blocks{}, fmt.Errorf("get public access block of bucket %s: %w", s.Bucket.Name, err)
	}
	got, err := element(out.PublicAccessBlockConfiguration, "get public access block of bucket "+s.Bucket.Name)
	if err != nil {
		return blocks{}, err
	}
	return blocks{
		aws.ToBool(got.BlockPublicAcls), aws.ToBool(got.IgnorePublicAcls),
		aws.ToBool(got.BlockPublicPolicy), aws.ToBool(got.RestrictPublicBuckets),
	}, nil
}

// readAccountBlocks reads what all storages share once for all of them.
func readAccountBlocks(ctx context.Context, c guard.Clients, s icaconfig.Storage) (blocks, error) {
	return guard.ReadOnce(c, "GetPublicAccessBlock of the account", func() (blocks, error) { return accountBlocks(ctx, c, s) })
}

func accountBlocks(ctx context.Context, c guard.Clients, s icaconfig.Storage) (blocks, error) {
	out, err := s3controlClient(c, s).GetPublicAccessBlock(ctx, &s3control.GetPublicAccessBlockInput{AccountId: &c.Account})
	if awserr.IsAbsent(err) {
		return blocks{}, nil
	}
	if err != nil {
		return blocks{}, fmt.Errorf("get public access block of account %s: %w", c.Account, err)
	}
	got, err := element(out.PublicAccessBlockConfiguration, "get public access block of account "+c.Account)
	if err != nil {
		return blocks{}, err
	}
	return blocks{
		aws.ToBool(got.BlockPublicAcls), aws.ToBool(got.IgnorePublicAcls),
		aws.ToBool(got.BlockPublicPolicy), aws.ToBool(got.RestrictPublicBuckets),
	}, nil
}

func comparePublicAccess(s icaconfig.Storage, got publicAccess) guard.Comparison {
	if !s.Bucket.PublicAccessBlock {
		return guard.Comparison{}
	}
	var v guard.Comparison
	switch {
	case got.AccountUnknown != "":
		v = guard.Note(
			"the account's own public access block cannot be read: "+got.AccountUnknown,
			"nothing for ICA; it is the bucket's that protects its data",
		)
	case got.Account != allBlocks():
		v = guard.Note("the account's own public access block is not all on; the bucket's is what protects its data",
			"S3 console, Block Public Access settings for this account, if that is not on purpose")
	}
	for _, block := range []struct {
		name string
		on   bool
	}{
		{"BlockPublicAcls", got.Bucket.BlockPublicAcls},
		{"IgnorePublicAcls", got.Bucket.IgnorePublicAcls},
		{"BlockPublicPolicy", got.Bucket.BlockPublicPolicy},
		{"RestrictPublicBuckets", got.Bucket.RestrictPublicBuckets},
	} {
		if !block.on {
			v.Diffs = append(v.Diffs, guard.Diff{Path: block.name, Expected: "true", Found: "false"})
		}
	}
	return v
}

func putPublicAccess(ctx context.Context, c guard.Clients, s icaconfig.Storage, _ publicAccess) error {
	_, err := s3Client(c, s.Region.AWS).PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
		Bucket: &s.Bucket.Name, ExpectedBucketOwner: &c.Account,
		PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
			BlockPublicAcls: aws.Bool(true), IgnorePublicAcls: aws.Bool(true),
			BlockPublicPolicy: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true),
		},
	})
	if err != nil {
		return fmt.Errorf("put public access block on bucket %s: %w", s.Bucket.Name, err)
	}
	return nil
}
