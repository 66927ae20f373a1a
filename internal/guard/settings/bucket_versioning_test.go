package settings

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/guard"
)

// bucketVersioningCases are the cells of the table of versioning, and MFA delete.
func bucketVersioningCases() []testCase {
	const id = "bucket-versioning"
	cell := func(configured string, status types.BucketVersioningStatus, want guard.Status) testCase {
		name := configured + ", never enabled"
		if status != "" {
			name = configured + ", " + string(status)
		}
		c := testCase{
			setting: id,
			name:    name,
			want:    want,
			variant: variant{bucket: "versioning: " + configured},
			breakIt: func(w *env) {
				if status != "" {
					w.putVersioning(status)
				}
			},
		}
		if want != guard.Restored {
			c.check = func(w *env, _ guard.Outcome) { w.expectVersioning(status) }
		}
		return c
	}
	neverEnabled := cell("enabled", "", guard.Restored)
	neverEnabled.breakIt = (*env).recreateBucket
	neverEnabled.check = func(w *env, _ guard.Outcome) { w.expectVersioning(types.BucketVersioningStatusEnabled) }
	return []testCase{
		cell("enabled", types.BucketVersioningStatusSuspended, guard.Restored),
		neverEnabled,
		cell("enabled", types.BucketVersioningStatusEnabled, guard.InSync),
		cell("auto", "", guard.InSync),
		cell("auto", types.BucketVersioningStatusEnabled, withNotes),
		cell("auto", types.BucketVersioningStatusSuspended, withNotes),
		cell("never", "", guard.InSync),
		cell("never", types.BucketVersioningStatusEnabled, guard.ActionRequired),
		cell("never", types.BucketVersioningStatusSuspended, withNotes),
		{
			setting: id, name: "MFA delete on", want: guard.ActionRequired, variant: variant{bucket: "versioning: enabled"},
			notShown: "that ICA then cannot delete versions",
			breakIt: func(w *env) {
				w.must(w.s3.PutBucketVersioning(w.t.Context(), &s3.PutBucketVersioningInput{
					Bucket: &w.storage.Bucket.Name,
					MFA:    aws.String("arn:aws:iam::123456789012:mfa/root-account-mfa-device 123456"),
					VersioningConfiguration: &types.VersioningConfiguration{
						Status:    types.BucketVersioningStatusSuspended,
						MFADelete: types.MFADeleteEnabled,
					},
				}))
			},
			check: func(w *env, _ guard.Outcome) { w.expectVersioning(types.BucketVersioningStatusSuspended) },
		},
	}
}

func (w *env) putVersioning(status types.BucketVersioningStatus) {
	w.t.Helper()
	w.must(w.s3.PutBucketVersioning(w.t.Context(), &s3.PutBucketVersioningInput{
		Bucket: &w.storage.Bucket.Name, VersioningConfiguration: &types.VersioningConfiguration{Status: status},
	}))
}

func (w *env) expectVersioning(want types.BucketVersioningStatus) {
	w.t.Helper()
	out, err := w.s3.GetBucketVersioning(w.t.Context(), &s3.GetBucketVersioningInput{Bucket: &w.storage.Bucket.Name})
	w.must(out, err)
	if out.Status != want {
		w.t.Errorf("versioning is %q, want %q", out.Status, want)
	}
}
