package settings

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/guard"
)

func bucketLifecycleCases() []testCase {
	const id = "bucket-lifecycle"
	put := func(name string, want guard.Status, v variant, rules ...types.LifecycleRule) testCase {
		return testCase{
			setting: id, name: name, want: want, variant: v,
			breakIt: func(w *env) {
				w.must(w.s3.PutBucketLifecycleConfiguration(w.t.Context(), &s3.PutBucketLifecycleConfigurationInput{
					Bucket: &w.storage.Bucket.Name, LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: rules},
				}))
			},
			check: func(w *env, o guard.Outcome) {
				if left := w.lifecycle(); len(left) != len(rules) || (want == withNotes) != (len(o.Notes) == 1) {
					w.t.Errorf("%d of %d rules left, reports %v", len(left), len(rules), o.Notes)
				}
				if want == withNotes {
					expectMatch(w.t, o, *rules[0].ID)
				}
			},
		}
	}
	tier := func(name string, want guard.Status, v variant, prefix string, status types.IntelligentTieringStatus) testCase {
		return testCase{
			setting: id, name: name, want: want, variant: v,
			breakIt: func(w *env) { w.putTiering("cold", prefix, status) },
			check: func(w *env, o guard.Outcome) {
				if want != withNotes {
					return
				}
				expectTold(w.t, o, "Intelligent-Tiering configuration cold", "nobody read for 90 days", "lifecycle: {expected: [")
				expectMatch(w.t, o, "cold")
			},
		}
	}
	expected := variant{bucket: "lifecycle: expected"}
	named := variant{bucket: "lifecycle: {expected: [tidy, cold]}"}
	everywhere := types.LifecycleRuleFilter{Prefix: aws.String("")}
	off := expires(everywhere)
	off.Status = types.ExpirationStatusDisabled
	another := expires(everywhere)
	another.ID = aws.String("tidy-2")
	return []testCase{
		put("all objects expire, by a rule that is expected by its id", guard.InSync, named, expires(everywhere)),
		put("all objects expire, by another rule than those expected", withNotes, named, another, expires(everywhere)),
		tier("Intelligent-Tiering archives all, expected by its id", guard.InSync, named, "", types.IntelligentTieringStatusEnabled),
		put("all objects expire", withNotes, variant{}, expires(everywhere)),
		put("objects in ICA's folder are archived", withNotes, variant{},
			types.LifecycleRule{
				ID:          aws.String("cold"),
				Status:      types.ExpirationStatusEnabled,
				Filter:      &types.LifecycleRuleFilter{Prefix: aws.String("ica/runs/")},
				Transitions: []types.Transition{{Days: aws.Int32(30), StorageClass: types.TransitionStorageClassDeepArchive}},
			}),
		put(
			"a rule of others and one that is off", guard.InSync, variant{},
			expires(types.LifecycleRuleFilter{Prefix: aws.String("portal/")}), off,
		),
		put("all objects expire, on purpose", guard.InSync, expected, expires(everywhere)),
		tier("Intelligent-Tiering archives ICA's folder", withNotes, variant{}, "ica/", types.IntelligentTieringStatusEnabled),
		tier("Intelligent-Tiering archives all", withNotes, variant{}, "", types.IntelligentTieringStatusEnabled),
		tier("Intelligent-Tiering archives all, on purpose", guard.InSync, expected, "", types.IntelligentTieringStatusEnabled),
		tier("Intelligent-Tiering archives others' files", guard.InSync, variant{}, "portal/", types.IntelligentTieringStatusEnabled),
		tier("Intelligent-Tiering that is off", guard.InSync, variant{}, "ica/", types.IntelligentTieringStatusDisabled),
		{
			setting: id, name: "removed", want: guard.InSync,
			breakIt: func(w *env) {
				w.must(w.s3.DeleteBucketLifecycle(w.t.Context(), &s3.DeleteBucketLifecycleInput{Bucket: &w.storage.Bucket.Name}))
			},
		},
	}
}

func expires(filter types.LifecycleRuleFilter) types.LifecycleRule {
	return types.LifecycleRule{
		ID:         aws.String("tidy"),
		Status:     types.ExpirationStatusEnabled,
		Filter:     &filter,
		Expiration: &types.LifecycleExpiration{Days: aws.Int32(30)},
	}
}

func (w *env) lifecycle() []types.LifecycleRule {
	w.t.Helper()
	out, err := w.s3.GetBucketLifecycleConfiguration(
		w.t.Context(), &s3.GetBucketLifecycleConfigurationInput{Bucket: &w.storage.Bucket.Name},
	)
	if err != nil && strings.Contains(err.Error(), "NoSuchLifecycleConfiguration") {
		return nil
	}
	w.must(out, err)
	return out.Rules
}

func (w *env) putTiering(id, prefix string, status types.IntelligentTieringStatus) {
	w.t.Helper()
	w.must(w.s3.PutBucketIntelligentTieringConfiguration(w.t.Context(), &s3.PutBucketIntelligentTieringConfigurationInput{
		Bucket: &w.storage.Bucket.Name, Id: &id, IntelligentTieringConfiguration: &types.IntelligentTieringConfiguration{
			Id: &id, Status: status, Filter: &types.IntelligentTieringFilter{Prefix: &prefix},
			Tierings: []types.Tiering{
				{AccessTier: types.IntelligentTieringAccessTierDeepArchiveAccess, Days: aws.Int32(180)},
				{AccessTier: types.IntelligentTieringAccessTierArchiveAccess, Days: aws.Int32(90)},
			},
		},
	}))
}

func TestPrefixOfTiering(t *testing.T) {
	for name, filter := range map[string]*types.IntelligentTieringFilter{
		"ica/": {Prefix: aws.String("ica/")},
		"x/":   {And: &types.IntelligentTieringAndOperator{Prefix: aws.String("x/"), Tags: []types.Tag{{}}}},
		"":     {Tag: &types.Tag{}},
	} {
		if got := tieringPrefix(types.IntelligentTieringConfiguration{Filter: filter}); got != name {
			t.Errorf("prefix %q, want %q", got, name)
		}
	}
	var nothing types.IntelligentTieringConfiguration
	if tieringHarm(nothing) != "" || tieringPrefix(nothing) != "" {
		t.Error("no tiers, no filter: it does no harm, and everywhere")
	}
}

func TestHarmOfLifecycle(t *testing.T) {
	for name, c := range map[string]struct {
		rule types.LifecycleRule
		want string
	}{
		"days": {
			types.LifecycleRule{Expiration: &types.LifecycleExpiration{Days: aws.Int32(1)}},
			"deletes objects",
		},
		"lone delete markers": {
			types.LifecycleRule{Expiration: &types.LifecycleExpiration{ExpiredObjectDeleteMarker: aws.Bool(true)}}, "",
		},
		"unfinished uploads": {
			types.LifecycleRule{
				AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int32(7)},
			}, "",
		},
		"old versions": {
			types.LifecycleRule{NoncurrentVersionExpiration: &types.NoncurrentVersionExpiration{}},
			"deletes old versions",
		},
		"a class to be read at once": {
			types.LifecycleRule{Transitions: []types.Transition{{StorageClass: types.TransitionStorageClassGlacierIr}}}, "",
		},
		"old versions to an archive": {
			types.LifecycleRule{
				NoncurrentVersionTransitions: []types.NoncurrentVersionTransition{{StorageClass: types.TransitionStorageClassGlacier}},
			},
			"archives old versions",
		},
		"both": {
			types.LifecycleRule{
				Expiration:  &types.LifecycleExpiration{Days: aws.Int32(90)},
				Transitions: []types.Transition{{StorageClass: types.TransitionStorageClassGlacier}},
			},
			"deletes objects and archives objects",
		},
	} {
		if got := harmOf(c.rule); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestOverlaps(t *testing.T) {
	for _, c := range []struct {
		prefix, folder string
		want           bool
	}{
		{"", "", true},
		{"a/", "", true},
		{"", "ica", true},
		{"ica", "ica", true},
		{"ica/", "ica", true},
		{"i", "ica", true},
		{"ica/runs/", "ica", true},
		{"ica2/", "ica", false},
		{"portal/", "ica", false},
		{"a/b/c", "a/b", true},
		{"a/c", "a/b", false},
	} {
		if got := overlaps(c.prefix, c.folder); got != c.want {
			t.Errorf("overlaps(%q, %q) = %v", c.prefix, c.folder, got)
		}
	}
}

func TestPrefixOfLifecycleRule(t *testing.T) {
	prefix := aws.String("ica/")
	for name, rule := range map[string]types.LifecycleRule{
		"old":    {Prefix: prefix},
		"filter": {Filter: &types.LifecycleRuleFilter{Prefix: prefix}},
		"and":    {Filter: &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{Prefix: prefix, Tags: []types.Tag{{}}}}},
	} {
		if got := rulePrefix(rule); got != "ica/" {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := rulePrefix(types.LifecycleRule{Filter: &types.LifecycleRuleFilter{Tag: &types.Tag{}}}); got != "" {
		t.Errorf("a tag: %q", got)
	}
}
