package settings

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/guard"
)

func bucketOwnershipCases() []testCase {
	const id = "bucket-ownership"
	writer := func(w *env) { w.putOwnership(types.ObjectOwnershipObjectWriter) }
	left := func(w *env, _ guard.Outcome) {
		if got := w.ownership(); got != types.ObjectOwnershipObjectWriter {
			w.t.Errorf("ownership is %s: it is not the guard's to change", got)
		}
	}
	return []testCase{
		{
			setting: id, name: "ACLs enabled", want: guard.Restored,
			breakIt: func(w *env) { w.putOwnership(types.ObjectOwnershipBucketOwnerPreferred) },
		},
		{
			setting: id, name: "removed", want: guard.Restored,
			breakIt: func(w *env) {
				w.must(
					w.s3.DeleteBucketOwnershipControls(w.t.Context(), &s3.DeleteBucketOwnershipControlsInput{Bucket: &w.storage.Bucket.Name}),
				)
			},
		},
		{
			setting: id, name: "ACLs enabled and used to grant to others", want: guard.ActionRequired,
			breakIt: func(w *env) {
				writer(w)
				w.must(w.s3.PutBucketAcl(w.t.Context(), &s3.PutBucketAclInput{
					Bucket: &w.storage.Bucket.Name, ACL: types.BucketCannedACLAuthenticatedRead,
				}))
			},
			check: func(w *env, o guard.Outcome) {
				left(w, o)
				if !strings.Contains(o.Remediation, "ACL") {
					w.t.Errorf("to do: %s", o.Remediation)
				}
			},
		},
		{
			setting: id, name: "ACLs enabled on an adopted bucket", want: withNotes,
			variant: variant{bucket: "existing: true", storage: "mode: enforce"}, breakIt: writer, check: left,
		},
		{
			setting: id,
			name:    "ACLs enabled on an adopted bucket with copies between accounts",
			want:    guard.ActionRequired,
			variant: variant{
				bucket:  "existing: true\n      crossAccountCopy: true",
				storage: "mode: enforce",
			},
			breakIt: writer,
			check:   left,
		},
	}
}

func (w *env) putOwnership(ownership types.ObjectOwnership) {
	w.t.Helper()
	w.must(w.s3.PutBucketOwnershipControls(w.t.Context(), &s3.PutBucketOwnershipControlsInput{
		Bucket:            &w.storage.Bucket.Name,
		OwnershipControls: &types.OwnershipControls{Rules: []types.OwnershipControlsRule{{ObjectOwnership: ownership}}},
	}))
}

func (w *env) ownership() types.ObjectOwnership {
	w.t.Helper()
	out, err := w.s3.GetBucketOwnershipControls(w.t.Context(), &s3.GetBucketOwnershipControlsInput{Bucket: &w.storage.Bucket.Name})
	w.must(out, err)
	return out.OwnershipControls.Rules[0].ObjectOwnership
}
