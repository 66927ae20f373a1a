package settings

import (
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/guard"
)

func bucketObjectLockCases() []testCase {
	const id = "bucket-object-lock"
	put := func(name string, want guard.Status, words string, rule *types.ObjectLockRule) testCase {
		return testCase{
			setting: id, name: name, want: want,
			breakIt: func(w *env) {
				w.putVersioning(types.BucketVersioningStatusEnabled)
				w.must(w.s3.PutObjectLockConfiguration(w.t.Context(), &s3.PutObjectLockConfigurationInput{
					Bucket:                  &w.storage.Bucket.Name,
					ObjectLockConfiguration: &types.ObjectLockConfiguration{ObjectLockEnabled: types.ObjectLockEnabledEnabled, Rule: rule},
				}))
			},
			check: func(w *env, o guard.Outcome) {
				if findings := slices.Concat(o.Alerts, o.Notes); len(findings) != 1 || !strings.Contains(findings[0].What, words) {
					w.t.Errorf("want one finding with %q: %v", words, findings)
				}
				if want == guard.ActionRequired {
					expectMatch(w.t, o, w.storage.Bucket.ARN)
				}
			},
		}
	}
	return []testCase{
		put("on with default retention", guard.ActionRequired, "30 days (COMPLIANCE)", &types.ObjectLockRule{
			DefaultRetention: &types.DefaultRetention{Mode: types.ObjectLockRetentionModeCompliance, Days: aws.Int32(30)},
		}),
		put("on with default retention in years", guard.ActionRequired, "7 years (GOVERNANCE)", &types.ObjectLockRule{
			DefaultRetention: &types.DefaultRetention{Mode: types.ObjectLockRetentionModeGovernance, Years: aws.Int32(7)},
		}),
		put("on without default retention", withNotes, "object lock is on", nil),
		{setting: id, name: "left as it is", want: guard.InSync, breakIt: func(*env) {}},
	}
}
