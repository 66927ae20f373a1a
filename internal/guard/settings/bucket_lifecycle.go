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

// lifecycle is all with which S3 deletes or archives objects by itself.
type lifecycle struct {
	Rules   []types.LifecycleRule
	Tiering []types.IntelligentTieringConfiguration
}

// bucketLifecycle is watched: labs do expire staging buckets on purpose.
func bucketLifecycle() guard.Setting {
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:     "bucket-lifecycle",
			Title:  "No lifecycle rule and no Intelligent-Tiering configuration expires or archives ICA's files behind its back",
			Effect: "ICA still lists files that are gone or must be restored from an archive first; opening them fails",
			Remediation: func(s icaconfig.Storage) string {
				return fmt.Sprintf("S3 console, bucket %s: leave ICA's folder out of the lifecycle rules (Management) and of the "+
					"Intelligent-Tiering configurations (Properties)", s.Bucket.Name)
			},
			On: guard.OnBucket,
			Triggers: []guard.Trigger{bucketEvents("PutBucketLifecycle", "DeleteBucketLifecycle",
				"PutBucketIntelligentTieringConfiguration", "DeleteBucketIntelligentTieringConfiguration")},
			Reads: guard.Actions(guard.OnBucket, "s3:GetLifecycleConfiguration", "s3:GetIntelligentTieringConfiguration"),
		},
	}, guard.Spec[lifecycle]{Read: readLifecycle, Compare: compareLifecycle})
}

func readLifecycle(ctx context.Context, c guard.Clients, s icaconfig.Storage) (lifecycle, error) {
	var got lifecycle
	out, err := s3Client(c, s.Region.AWS).GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{
		Bucket: &s.Bucket.Name, ExpectedBucketOwner: &c.Account,
	})
	switch {
	case awserr.IsAbsent(err):
	case err != nil:
		return lifecycle{}, fmt.Errorf("get lifecycle of bucket %s: %w", s.Bucket.Name, err)
	default:
		got.Rules = out.Rules
	}
	got.Tiering, err = readTiering(ctx, c, s)
	return got, err
}

// readTiering reads the bucket's Intelligent-Tiering configurations, which come in pages.
func readTiering(ctx context.Context, c guard.Clients, s icaconfig.Storage) ([]types.IntelligentTieringConfiguration, error) {
	var all []types.IntelligentTieringConfiguration
	var next *string
	for {
		out, err := s3Client(c, s.Region.AWS).ListBucketIntelligentTieringConfigurations(
			ctx, &s3.ListBucketIntelligentTieringConfigurationsInput{
				Bucket: &s.Bucket.Name, ExpectedBucketOwner: &c.Account, ContinuationToken: next,
			},
		)
		if err != nil {
			return nil, fmt.Errorf("list Intelligent-Tiering configurations of bucket %s: %w", s.Bucket.Name, err)
		}
		all = append(all, out.IntelligentTieringConfigurationList...)
		if next = out.NextContinuationToken; !aws.ToBool(out.IsTruncated) || next == nil {
			return all, nil
		}
	}
}

func compareLifecycle(s icaconfig.Storage, got lifecycle) guard.Comparison {
	var v guard.Comparison
	for i, rule := range got.Rules {
		harm, prefix := harmOf(rule), rulePrefix(rule)
		if harm == "" || rule.Status != types.ExpirationStatusEnabled || !overlaps(prefix, s.Bucket.Folder) ||
			s.Bucket.ExpectsRule(aws.ToString(rule.ID)) {
			continue
		}
		name := cmp.Or(aws.ToString(rule.ID), fmt.Sprintf("number %d", i+1))
		v.Notes = append(v.Notes, harmful("lifecycle rule "+name, prefix, harm, aws.ToString(rule.ID), rule))
	}
	for _, tiering := range got.Tiering {
		id, harm, prefix := aws.ToString(tiering.Id), tieringHarm(tiering), tieringPrefix(tiering)
		if harm == "" || tiering.Status != types.IntelligentTieringStatusEnabled || !overlaps(prefix, s.Bucket.Folder) ||
			s.Bucket.ExpectsRule(id) {
			continue
		}
		v.Notes = append(v.Notes, harmful("Intelligent-Tiering configuration "+id, prefix, harm, id, tiering))
	}
	return v
}

// harmful is the finding about a rule. Its digest is that of its content.
func harmful(rule, prefix, harm, id string, content any) guard.Finding {
	digested, err := json.Marshal(content)
	if err != nil { // plain data of the SDK
		digested = fmt.Append(nil, content)
	}
	return guard.Finding{
		What:        fmt.Sprintf("%s on %q %s", rule, prefix+"*", harm),
		Remediation: "leave ICA's folder out of the rule, or name it in ica.yaml if it is on purpose: lifecycle: {expected: [its id]}",
	}.About(id, string(digested))
}

// tieringHarm says which objects the configuration archives. It is about the storage class INTELLIGENT_TIERING only, and
// both tiers have to be restored from before they can be read
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/intelligent-tiering-overview.html).
func tieringHarm(c types.IntelligentTieringConfiguration) string {
	if len(c.Tierings) == 0 {
		return ""
	}
	soonest := aws.ToInt32(c.Tierings[0].Days)
	for _, tier := range c.Tierings {
		soonest = min(soonest, aws.ToInt32(tier.Days))
	}
	return fmt.Sprintf("archives objects of the class INTELLIGENT_TIERING that nobody read for %d days", soonest)
}

func tieringPrefix(c types.IntelligentTieringConfiguration) string {
	switch f := c.Filter; {
	case f == nil:
		return ""
	case f.And != nil:
		return aws.ToString(f.And.Prefix)
	default:
		return aws.ToString(f.Prefix)
	}
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
