package settings

import (
	"cmp"
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

func bucketOwnership() guard.Setting {
	ours := func(s icaconfig.Storage) bool { return s.Bucket.EnforceOwnership }
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:      "bucket-ownership",
			MustEnd: "objects of other accounts",
			Title:   "The bucket owns all objects in it (BucketOwnerEnforced)",
			Effect:  "what Illumina's role copies in stays Illumina's: reading and copying it fails with 403 Access Denied",
			Remediation: func(s icaconfig.Storage) string {
				return fmt.Sprintf(
					"S3 console, bucket %s, Permissions: remove grants to others from the ACL, then Object Ownership: ACLs disabled",
					s.Bucket.Name,
				)
			},
			On: guard.OnBucket,
			// Only with ACLs enabled does an ACL change anything, and one that grants to others keeps them from being disabled again.
			Triggers: []guard.Trigger{bucketEvents("PutBucketOwnershipControls", "DeleteBucketOwnershipControls", "PutBucketAcl")},
			Reads:    guard.Actions(guard.OnBucket, "s3:GetBucketOwnershipControls"),
		},
		Writes: guard.OnlyIf(ours, guard.Actions(guard.OnBucket, "s3:PutBucketOwnershipControls")),
	}, guard.Spec[types.ObjectOwnership]{Read: readOwnership, Compare: compareOwnership, Put: putOwnership})
}

func readOwnership(ctx context.Context, c guard.Clients, s icaconfig.Storage) (types.ObjectOwnership, error) {
	out, err := s3Client(c, s.Region.AWS).GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{
		Bucket: &s.Bucket.Name, ExpectedBucketOwner: &c.Account,
	})
	if awserr.IsAbsent(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("get ownership controls of bucket %s: %w", s.Bucket.Name, err)
	}
	controls, err := element(out.OwnershipControls, "get ownership controls of bucket "+s.Bucket.Name)
	if err != nil {
		return "", err
	}
	for _, rule := range controls.Rules {
		return rule.ObjectOwnership, nil // there is never more than one
	}
	return "", nil
}

// compareOwnership leaves an adopted bucket as it is: disabling ACLs takes access away from whoever has it by an ACL.
func compareOwnership(s icaconfig.Storage, got types.ObjectOwnership) guard.Comparison {
	if got == types.ObjectOwnershipBucketOwnerEnforced {
		return guard.Comparison{}
	}
	// A bucket without the controls behaves so (https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html).
	is := string(cmp.Or(got, types.ObjectOwnershipObjectWriter))
	remediation := "set Object Ownership to BucketOwnerEnforced, once nobody needs the bucket's ACLs"
	switch {
	case s.Bucket.EnforceOwnership:
		return guard.Comparison{
			Diffs: []guard.Diff{{Path: "ObjectOwnership", Expected: string(types.ObjectOwnershipBucketOwnerEnforced), Found: is}},
		}
	case s.Bucket.CrossAccountCopy:
		return guard.Alert(
			"object ownership is "+is+": objects that Illumina's role copies into the bucket stay Illumina's, and copies fail with 403",
			remediation,
		)
	}
	return guard.Note("object ownership is "+is+": an object belongs to whoever writes it, or can be shared by its ACL", remediation)
}

func putOwnership(ctx context.Context, c guard.Clients, s icaconfig.Storage, _ types.ObjectOwnership) error {
	_, err := s3Client(c, s.Region.AWS).PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{
		Bucket: &s.Bucket.Name, ExpectedBucketOwner: &c.Account,
		OwnershipControls: &types.OwnershipControls{
			Rules: []types.OwnershipControlsRule{{ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced}},
		},
	})
	if err != nil {
		return fmt.Errorf("put ownership controls on bucket %s: %w", s.Bucket.Name, err)
	}
	return nil
}
