package settings

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// bucketRequestPayment is watched: who pays is for the lab to decide, and what it breaks is copies between accounts alone.
func bucketRequestPayment() guard.Setting {
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:    "bucket-request-payment",
			Title: "The bucket's owner pays for requests",
			Effect: "copies and moves between projects: Illumina's role in the other account gets 403 Forbidden, as it does not offer " +
				"to pay",
			Remediation: func(s icaconfig.Storage) string {
				return fmt.Sprintf("S3 console, bucket %s, Properties, Requester pays: disable", s.Bucket.Name)
			},
			On:       guard.OnBucket,
			Triggers: []guard.Trigger{bucketEvents("PutBucketRequestPayment")},
			Reads:    guard.Actions(guard.OnBucket, "s3:GetBucketRequestPayment"),
		},
	}, guard.Spec[types.Payer]{Read: readPayer, Compare: comparePayer})
}

func readPayer(ctx context.Context, c guard.Clients, s icaconfig.Storage) (types.Payer, error) {
	out, err := s3Client(c, s.Region.AWS).GetBucketRequestPayment(ctx, &s3.GetBucketRequestPaymentInput{
		Bucket: &s.Bucket.Name, ExpectedBucketOwner: &c.Account,
	})
	if err != nil {
		return "", fmt.Errorf("get request payment of bucket %s: %w", s.Bucket.Name, err)
	}
	if out.Payer == "" { // every bucket has a payer, see API_GetBucketRequestPayment
		return "", fmt.Errorf("get request payment of bucket %s: %w", s.Bucket.Name, awserr.ErrBroken)
	}
	return out.Payer, nil
}

// comparePayer: a requester pays only if its call says so, else S3 answers 403; the account's own roles always get through
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/RequesterPaysBuckets.html).
func comparePayer(s icaconfig.Storage, got types.Payer) guard.Comparison {
	switch {
	case got != types.PayerRequester:
		return guard.Comparison{}
	case s.Bucket.CrossAccountCopy:
		return guard.Alert(
			"requesters pay for bucket "+s.Bucket.Name+": S3 refuses Illumina's role in the other account, so copies fail with 403",
			"let the bucket's owner pay: aws s3api put-bucket-request-payment --bucket "+s.Bucket.Name+
				" --request-payment-configuration Payer=BucketOwner",
		)
	}
	return guard.Note("requesters pay for bucket "+s.Bucket.Name+"; ICA works without cross-account copy all the same", "")
}
