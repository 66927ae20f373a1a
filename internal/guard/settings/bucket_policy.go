package settings

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// maxBucketPolicy is S3's limit in bytes (https://docs.aws.amazon.com/AmazonS3/latest/userguide/add-bucket-policy.html).
const maxBucketPolicy = 20 * 1024

// bucketPolicyState is the bucket's policy and what the wanted statements and calls depend on.
type bucketPolicyState struct {
	Document   document // "" if there is none
	Versioning types.BucketVersioningStatus
	Role       roleFacts
	// Organization is the account's where the policy names one and ica.yaml settles it; else Reader is the role whose read of
	// the policy passed while the policy was in force.
	Organization, Reader string
}

func bucketPolicy() guard.Setting {
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:    "bucket-policy",
			Title: "The bucket policy has ICA's statements, and no Deny in it hits ICA or the guard",
			Effect: `all of the storage, or "403 Forbidden" for users, where a Deny hits ICA; copies and moves between projects ` +
				`("DomainException: Error starting FileCopy job. One or more bucket permissions missing.") where the cross-account statement is missing`,
			Remediation: func(s icaconfig.Storage) string {
				return "add ICA's statements to the policy of bucket " + s.Bucket.Name + ", keeping the others: icaguard render " +
					"bucket-policy --storage " + s.Name
			},
			On: guard.OnBucket,
			Triggers: []guard.Trigger{
				bucketEvents("PutBucketPolicy", "DeleteBucketPolicy", "PutBucketVersioning"),
				roleEvents(), // a deleted role turns into its id in the policy, and stays it when it is created again
			},
			Reads: slices.Concat(
				guard.Actions(guard.OnBucket, "s3:GetBucketPolicy", "s3:GetBucketVersioning"),
				guard.Actions(guard.OnRole, "iam:GetRole"), readsOrganization(),
			),
		},
		Writes: guard.OnlyIf(wantsBucketStatements, guard.Actions(guard.OnBucket, "s3:PutBucketPolicy")),
	}, guard.Spec[bucketPolicyState]{
		Read: readBucketPolicy, Compare: compareBucketPolicy, Put: putBucketPolicy, Merges: true,
		Witness: witnessBucketPolicy,
		Missing: func(s icaconfig.Storage, from, in bucketPolicyState) []string {
			return missingStatements(wantBucketPolicy(s, from).restored(from.Document), wantBucketPolicy(s, in).restored(in.Document))
		},
	})
}

func witnessBucketPolicy(e guard.Event, got bucketPolicyState) (bucketPolicyState, bool) {
	ok := e.Event == "DeleteBucketPolicy"
	got.Document = ""
	if e.Event == "PutBucketPolicy" {
		got.Document, ok = eventPolicy(e, "bucketPolicy")
	}
	return got, ok
}

func wantsBucketStatements(s icaconfig.Storage) bool { return len(s.BucketStatements(true)) > 0 }

func readBucketPolicy(ctx context.Context, c guard.Clients, s icaconfig.Storage) (bucketPolicyState, error) {
	var got bucketPolicyState
	var err error
	if got.Document, err = bucketPolicyOf(ctx, c, s); err != nil {
		return got, err
	}
	versioning, err := readVersioning(ctx, c, s)
	if err != nil {
		return got, err
	}
	got.Versioning = versioning.Status
	if got.Role, err = factsOfRole(ctx, c, s, got.Document); err != nil {
		return got, err
	}
	return readOrganization(ctx, c, s, got)
}

func bucketPolicyOf(ctx context.Context, c guard.Clients, s icaconfig.Storage) (document, error) {
	out, err := s3Client(c, s.Region.AWS).GetBucketPolicy(
		ctx, &s3.GetBucketPolicyInput{Bucket: &s.Bucket.Name, ExpectedBucketOwner: &c.Account},
	)
	switch {
	case awserr.IsAbsent(err):
		return "", nil
	case err != nil:
		return "", hint(fmt.Errorf("get policy of bucket %s: %w", s.Bucket.Name, err), awserr.ExplicitDeny,
			"if it is the bucket policy that denies: "+bucketWayBack)
	case !json.Valid([]byte(aws.ToString(out.Policy))): // S3 stores nothing else, see API_PutBucketPolicy
		return "", fmt.Errorf("get policy of bucket %s: %w", s.Bucket.Name, awserr.ErrBroken)
	}
	return document(aws.ToString(out.Policy)), nil
}

// bucketWayBack: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-user-privileged-task.html
const bucketWayBack = "a policy that locks everyone out can be deleted by the account's root user, or from the organization's " +
	"management account with sts:AssumeRoot and the task policy S3UnlockBucketPolicy"

// readOrganization settles what a policy that names an organization means for this account. Where nobody says in which
// one it is, a second read shows that what was in force before it spares the reader.
func readOrganization(
	ctx context.Context, c guard.Clients, s icaconfig.Storage, got bucketPolicyState,
) (bucketPolicyState, error) {
	if !speaksOfOrganization.MatchString(string(got.Document)) {
		return got, nil
	}
	if got.Organization, _ = Organization(ctx, c, s.Home); got.Organization != "" || c.RoleARN == "" {
		return got, nil
	}
	again, err := bucketPolicyOf(ctx, c, s)
	if err == nil && again == got.Document {
		got.Reader = c.RoleARN
	}
	return got, err
}

func compareBucketPolicy(s icaconfig.Storage, got bucketPolicyState) guard.Comparison {
	return wantBucketPolicy(s, got).compare(got.Document)
}

// wantBucketPolicy follows the bucket's versioning, as the permission policy does.
func wantBucketPolicy(s icaconfig.Storage, got bucketPolicyState) sharedPolicy {
	versioned := needsVersioned(s.Bucket, got.Versioning)
	about := asked{
		kind: guard.OnBucket, on: s.Bucket.ARN, account: accountOf(s), region: s.Region.AWS, organization: got.Organization,
	}
	if got.Reader != "" {
		reader := about.role(got.Reader)
		reader.Function = true
		read := policy.Calls{Actions: []string{"s3:GetBucketPolicy"}, Resources: []string{s.Bucket.ARN}}
		about.passed = []policy.Passed{{Caller: reader, Calls: read}}
	}
	callers := []caller{{
		who: "ICA's role", Caller: about.icaRole(s, got.Role),
		calls: s.Role.PermissionPolicy(func(*icaconfig.Bucket) bool { return versioned }).Calls(),
	}}
	ours := s.BucketStatements(versioned)
	if s.Bucket.CrossAccountCopy {
		calls := policy.New(ours...).Calls()
		callers = append(callers, caller{who: "ICA's copies between accounts", Caller: about.copying(s), calls: calls})
	}
	return sharedPolicy{
		ours: ours, limit: maxBucketPolicy, callers: append(callers, about.own(s)...), wayBack: bucketWayBack,
	}
}

func putBucketPolicy(ctx context.Context, c guard.Clients, s icaconfig.Storage, got bucketPolicyState) error {
	merged, err := wantBucketPolicy(s, got).merged(got.Document)
	if err != nil {
		return err
	}
	_, err = s3Client(c, s.Region.AWS).PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{
		Bucket: &s.Bucket.Name, ExpectedBucketOwner: &c.Account, Policy: &merged,
	})
	if err != nil {
		return hint(fmt.Errorf("put policy on bucket %s: %w", s.Bucket.Name, err), awserr.Denied,
			"S3 also answers so where a statement of others makes the bucket public and its public access block is on")
	}
	return nil
}
