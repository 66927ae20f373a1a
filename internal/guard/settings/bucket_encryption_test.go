package settings

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/icaguard/icaguard/internal/guard"
)

func bucketEncryptionCases() []testCase {
	const id = "bucket-encryption"
	keyed := variant{key: true}
	// put makes a testCase that encrypts by a rule that it makes of the one wanted.
	put := func(name string, want guard.Status, v variant, rule func(*env) types.ServerSideEncryptionRule, check func(*env,
		guard.Outcome),
	) testCase {
		return testCase{
			setting: id,
			name:    name,
			want:    want,
			variant: v,
			check:   check,
			breakIt: func(w *env) { w.putEncryption(rule(w)) },
		}
	}
	by := func(algorithm types.ServerSideEncryption, key func(*env) *string) func(*env) types.ServerSideEncryptionRule {
		return func(w *env) types.ServerSideEncryptionRule { return encryptionRule(algorithm, key(w), true) }
	}
	named := func(w *env) *string { return &w.storage.Bucket.KMSKeyARN }
	none := func(*env) *string { return nil }
	bareID := func(w *env) *string {
		_, id, _ := strings.Cut(w.storage.Bucket.KMSKeyARN, "key/")
		return &id
	}
	refusing := func(rule types.ServerSideEncryptionRule) types.ServerSideEncryptionRule {
		rule.BlockedEncryptionTypes = &types.BlockedEncryptionTypes{EncryptionType: []types.EncryptionType{types.EncryptionTypeSseC}}
		return rule
	}
	wanted := func(w *env) types.ServerSideEncryptionRule {
		return encryptionRule(types.ServerSideEncryptionAwsKms, named(w), true)
	}
	return []testCase{
		put("back to SSE-S3", guard.Restored, keyed, by(types.ServerSideEncryptionAes256, none), nil),
		{
			setting: id, name: "removed", want: guard.Restored, variant: keyed,
			breakIt: func(w *env) {
				w.must(w.s3.DeleteBucketEncryption(w.t.Context(), &s3.DeleteBucketEncryptionInput{Bucket: &w.storage.Bucket.Name}))
			},
		},
		put("another KMS key", guard.Restored, keyed, by(types.ServerSideEncryptionAwsKms, (*env).otherKey), nil),
		put("AWS's own KMS key", guard.Restored, keyed, by(types.ServerSideEncryptionAwsKms, none), nil),
		put(
			"the key by its id, which other accounts cannot find", guard.Restored, keyed, by(types.ServerSideEncryptionAwsKms, bareID),
			nil,
		),
		put("bucket key off", guard.Restored, keyed, func(w *env) types.ServerSideEncryptionRule {
			return encryptionRule(types.ServerSideEncryptionAwsKms, named(w), false)
		}, nil),
		put("back to SSE-S3, with a type of encryption refused", guard.Restored, keyed,
			func(*env) types.ServerSideEncryptionRule {
				return refusing(encryptionRule(types.ServerSideEncryptionAes256, nil, false))
			},
			func(w *env, _ guard.Outcome) { w.expectEncryption(refusing(wanted(w))) }),
		put("a type of encryption refused", guard.InSync, keyed,
			func(w *env) types.ServerSideEncryptionRule { return refusing(wanted(w)) },
			func(w *env, _ guard.Outcome) { w.expectEncryption(refusing(wanted(w))) }),
		put("twice (DSSE-KMS) with the key", withNotes, keyed, by(types.ServerSideEncryptionAwsKmsDsse, named),
			func(w *env, _ guard.Outcome) {
				w.expectEncryption(encryptionRule(types.ServerSideEncryptionAwsKmsDsse, named(w), true))
			}),
		put(
			"a KMS key that ica.yaml does not name", guard.ActionRequired, variant{},
			by(types.ServerSideEncryptionAwsKms, (*env).otherKey), (*env).expectLeftEncrypted,
		),
		put(
			"AWS's own KMS key where ica.yaml names none", guard.InSync, variant{}, by(types.ServerSideEncryptionAwsKms, none),
			(*env).expectLeftEncrypted,
		),
		put("AWS's own KMS key and copies between accounts", guard.ActionRequired, variant{bucket: "crossAccountCopy: true"},
			by(types.ServerSideEncryptionAwsKms, none), (*env).expectLeftEncrypted),
	}
}

func encryptionRule(algorithm types.ServerSideEncryption, key *string, bucketKey bool) types.ServerSideEncryptionRule {
	return types.ServerSideEncryptionRule{
		ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{SSEAlgorithm: algorithm, KMSMasterKeyID: key},
		BucketKeyEnabled:                   aws.Bool(bucketKey),
	}
}

func (w *env) otherKey() *string {
	w.t.Helper()
	out, err := w.kms.CreateKey(w.t.Context(), &kms.CreateKeyInput{})
	w.must(out, err)
	return out.KeyMetadata.Arn
}

func (w *env) putEncryption(rule types.ServerSideEncryptionRule) {
	w.t.Helper()
	w.must(w.s3.PutBucketEncryption(w.t.Context(), &s3.PutBucketEncryptionInput{
		Bucket:                            &w.storage.Bucket.Name,
		ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{rule}},
	}))
}

func (w *env) encryption() types.ServerSideEncryptionRule {
	w.t.Helper()
	out, err := w.s3.GetBucketEncryption(w.t.Context(), &s3.GetBucketEncryptionInput{Bucket: &w.storage.Bucket.Name})
	w.must(out, err)
	return out.ServerSideEncryptionConfiguration.Rules[0]
}

func (w *env) expectEncryption(want types.ServerSideEncryptionRule) {
	w.t.Helper()
	ignore := cmpopts.IgnoreUnexported(want, types.ServerSideEncryptionByDefault{}, types.BlockedEncryptionTypes{})
	if diff := cmp.Diff(want, w.encryption(), ignore); diff != "" {
		w.t.Errorf("encryption (-want +got):\n%s", diff)
	}
}

// expectLeftEncrypted: without a key in ica.yaml the guard writes nothing, and surely not SSE-S3.
func (w *env) expectLeftEncrypted(guard.Outcome) {
	w.t.Helper()
	if got := w.encryption().ApplyServerSideEncryptionByDefault.SSEAlgorithm; got != types.ServerSideEncryptionAwsKms {
		w.t.Errorf("encryption is %s: it was taken down from KMS", got)
	}
}
