package settings

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/s3control"
	controltypes "github.com/aws/aws-sdk-go-v2/service/s3control/types"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/guard"
)

func bucketPublicAccessCases() []testCase {
	const id = "bucket-public-access"
	return []testCase{
		{setting: id, name: "removed", want: guard.Restored, breakIt: (*env).deletePublicAccessBlock},
		{
			setting: id, name: "one of four off", want: guard.Restored,
			breakIt: func(w *env) {
				w.must(w.s3.PutPublicAccessBlock(w.t.Context(), &s3.PutPublicAccessBlockInput{
					Bucket: &w.storage.Bucket.Name,
					PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
						BlockPublicAcls:       aws.Bool(true),
						IgnorePublicAcls:      aws.Bool(true),
						BlockPublicPolicy:     aws.Bool(false),
						RestrictPublicBuckets: aws.Bool(true),
					},
				}))
			},
		},
		{
			setting: id, name: "the account's block removed", want: withNotes, breakIt: (*env).unblockAccount,
			check: func(w *env, o guard.Outcome) {
				if len(o.Notes) != 1 || w.bucketBlocks() != allBlocks() {
					w.t.Errorf("reports %v, the bucket's own blocks %v", o.Notes, w.bucketBlocks())
				}
			},
		},
		{
			setting: id, name: "both removed", want: guard.Restored,
			breakIt: func(w *env) {
				w.unblockAccount()
				w.deletePublicAccessBlock()
			},
			check: func(w *env, o guard.Outcome) {
				if len(o.Notes) != 1 || w.bucketBlocks() != allBlocks() {
					w.t.Errorf("reports %v, the bucket's own blocks %v", o.Notes, w.bucketBlocks())
				}
			},
		},
		{
			setting: id,
			name:    "removed where publicAccessBlock is false",
			want:    guard.InSync,
			variant: variant{bucket: "publicAccessBlock: false"},
			breakIt: (*env).deletePublicAccessBlock,
			check: func(w *env, _ guard.Outcome) {
				if w.bucketBlocks() != (blocks{}) || len(w.calls()) != 0 {
					w.t.Errorf("blocks %v after calls %v: the guard has no permission there", w.bucketBlocks(), w.calls())
				}
			},
		},
	}
}

func (w *env) deletePublicAccessBlock() {
	w.t.Helper()
	w.must(w.s3.DeletePublicAccessBlock(w.t.Context(), &s3.DeletePublicAccessBlockInput{Bucket: &w.storage.Bucket.Name}))
}

func (w *env) bucketBlocks() blocks {
	w.t.Helper()
	clients := w.engine.Clients
	clients.Config = w.local.Config("us-east-1", "AKIATEST")
	got, err := readBucketBlocks(w.t.Context(), clients, w.storage)
	w.must(got, err)
	return got
}

// blockAccount switches the account's own public access block on, as labs do.
func (s *fixture) blockAccount(t *testing.T) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // also called when a test has ended
	_, err := awsclient.S3Control(s.DirectConfig("us-east-1"), "us-east-1").PutPublicAccessBlock(
		ctx,
		&s3control.PutPublicAccessBlockInput{
			AccountId: aws.String(s.Account()),
			PublicAccessBlockConfiguration: &controltypes.PublicAccessBlockConfiguration{
				BlockPublicAcls:       aws.Bool(true),
				IgnorePublicAcls:      aws.Bool(true),
				BlockPublicPolicy:     aws.Bool(true),
				RestrictPublicBuckets: aws.Bool(true),
			},
		},
	)
	if err != nil {
		t.Fatal(err)
	}
}

// unblockAccount is undone when the test ends: all envs share the account.
func (w *env) unblockAccount() {
	w.t.Helper()
	w.t.Cleanup(func() { w.local.blockAccount(w.t) })
	w.must(awsclient.S3Control(w.local.DirectConfig("us-east-1"), "us-east-1").DeletePublicAccessBlock(w.t.Context(),
		&s3control.DeletePublicAccessBlockInput{AccountId: aws.String(w.local.Account())}))
}
