package settings

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// bucketLifecycle is watched: labs do expire staging buckets on purpose.
func bucketLifecycle() guard.Setting {
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:     "bucket-lifecycle",
			Title:  "No lifecycle rule expires or archives ICA's files behind its back",
			Effect: "ICA still lists files that are gone or must be restored from an archive first; opening them fails",
			Remediation: func(s icaconfig.Storage) string {
				return fmt.Sprintf("S3 console, bucket %s, Management: leave ICA's folder out of the lifecycle rules", s.Bucket.Name)
			},
			On:       guard.OnBucket,
			Triggers: []guard.Trigger{bucketEvents("PutBucketLifecycle", "DeleteBucketLifecycle")},
			Reads:    guard.Actions(guard.OnBucket, "s3:GetLifecycleConfiguration"),
		},
	}, guard.Spec[[]types.LifecycleRule]{Read: readLifecycle, Compare: compareLifecycle})
}

func readLifecycle(ctx context.Context, c guard.Clients, s icaconfig.Storage) ([]types.LifecycleRule, error) {
	out, err := s3Client(c, s.Region.AWS).GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{
		Bucket: &s.Bucket.Name, ExpectedBucketOwner: &c.Account,
	})
	if awserr.IsAbsent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get lifecycle of bucket %s: %w", s.Bucket.Name, err)
	}
	return out.Rules, nil
}

func compareLifecycle(s icaconfig.Storage, got []types.LifecycleRule) guard.Comparison {
	var v guard.Comparison
	for i, rule := range got {
		harm := harmOf(rule)
		prefix := rulePrefix(rule)
		if harm == "" || rule.Status != types.ExpirationStatusEnabled || !overlaps(prefix, s.Bucket.Folder) ||
			s.Bucket.ExpectsRule(aws.ToString(rule.ID)) {
			continue
		}
		name := cmp.Or(aws.ToString(rule.ID), fmt.Sprintf("number %d", i+1))
		found := guard.Finding{
			What: fmt.Sprintf("lifecycle rule %s on %q %s", name, prefix+"*", harm),
			Remediation: "leave ICA's folder out of the rule, or name it in ica.yaml if it is on purpose: lifecycle: {expected: " +
				"[its id]}",
		}
		v.Notes = append(v.Notes, found.About(aws.ToString(rule.ID), contentOf(rule), accountOf(s)))
	}
	return v
}

// contentOf is all that a rule says, for its digest.
func contentOf(rule types.LifecycleRule) string {
	text, _ := json.Marshal(rule) // plain data of the SDK always marshals
	return string(text)
}

// harmOf says what the rule does to objects. Transitions to classes that can be read at once, unfinished uploads and
// lone delete markers do not matter to ICA.
func harmOf(rule types.LifecycleRule) string {
	var harm []string
	if e := rule.Expiration; e != nil && (aws.ToInt32(e.Days) > 0 || e.Date != nil) {
		harm = append(harm, "deletes objects")
	}
	if rule.NoncurrentVersionExpiration != nil {
		harm = append(harm, "deletes old versions")
	}
	if slices.ContainsFunc(rule.Transitions, func(t types.Transition) bool { return archives(t.StorageClass) }) {
		harm = append(harm, "archives objects")
	}
	if slices.ContainsFunc(
		rule.NoncurrentVersionTransitions, func(t types.NoncurrentVersionTransition) bool { return archives(t.StorageClass) },
	) {
		harm = append(harm, "archives old versions")
	}
	return strings.Join(harm, " and ")
}

// archives reports whether objects of the class must be restored before they can be read
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html).
func archives(class types.TransitionStorageClass) bool {
	return class == types.TransitionStorageClassGlacier || class == types.TransitionStorageClassDeepArchive
}

// rulePrefix finds the prefix where three generations of S3's API have it. Tags and sizes narrow a rule further, but
// nobody can tell from here which of ICA's objects they leave out.
func rulePrefix(rule types.LifecycleRule) string {
	prefixes := []*string{rule.Prefix} //nolint:staticcheck // deprecated, and still in old buckets
	if f := rule.Filter; f != nil {
		prefixes = append(prefixes, f.Prefix)
		if f.And != nil {
			prefixes = append(prefixes, f.And.Prefix)
		}
	}
	for _, prefix := range prefixes {
		if aws.ToString(prefix) != "" {
			return *prefix
		}
	}
	return ""
}

// overlaps reports whether keys that begin with prefix can lie in the folder.
func overlaps(prefix, folder string) bool {
	inside := ""
	if folder != "" {
		inside = folder + "/"
	}
	return strings.HasPrefix(prefix, inside) || strings.HasPrefix(inside, prefix)
}
