package settings

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/localaws"
)

func roleForeignPoliciesCases() []testCase {
	const id = "role-foreign-policies"
	const reads = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::logs"}]}`
	const denies = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:DeleteBucket","Resource":"*"}]}`
	stays := func(what string) func(*env, guard.Outcome) {
		return func(w *env, _ guard.Outcome) {
			if !strings.Contains(w.state()[id], what) {
				w.t.Errorf("%s was removed: %s", what, w.state()[id])
			}
		}
	}
	isStrict := variant{role: "strict: true"}
	return []testCase{
		{
			setting: id, name: "inline and attached policies of others, strict", variant: isStrict, want: guard.Restored,
			breakIt: func(w *env) { w.putInline("lab", reads); w.attach("AmazonS3ReadOnlyAccess") },
		},
		{
			setting: id, name: "an inline policy of others", want: withNotes,
			breakIt: func(w *env) { w.putInline("lab", reads) }, check: stays("lab"),
		},
		{
			setting: id, name: "an attached policy of others", want: withNotes,
			breakIt: func(w *env) { w.attach("AmazonS3ReadOnlyAccess") }, check: stays("AmazonS3ReadOnlyAccess"),
		},
		{
			setting: id, name: "AdministratorAccess attached", want: guard.ActionRequired,
			breakIt: func(w *env) { w.attach("AdministratorAccess") }, check: stays("AdministratorAccess"),
		},
		{
			setting: id, name: "a Deny of others beside what is removed, strict", variant: isStrict, want: guard.Restored,
			breakIt: func(w *env) { w.putInline("lab", reads); w.putInline("protects", denies) },
			check: func(w *env, o guard.Outcome) {
				stays("protects")(w, o)
				if strings.Contains(w.state()[id], `"lab"`) {
					w.t.Error("what strict removes is still there")
				}
			},
		},
		{
			setting: id, name: "a Deny of others, strict", variant: isStrict, want: withNotes,
			breakIt: func(w *env) { w.putInline("protects", denies) }, check: stays("protects"),
		},
		{
			setting: id, name: "AWSDenyAll attached", want: guard.ActionRequired,
			breakIt: func(w *env) { w.attach("AWSDenyAll") },
			check: func(w *env, o guard.Outcome) {
				stays("AWSDenyAll")(w, o)
				expectTold(w.t, o, "keeps ICA from storage lab-", "s3:GetObject", "detach-role-policy", "never removes a Deny")
				expectMatch(w.t, o, "arn:aws:iam::aws:policy/AWSDenyAll")
			},
		},
		{
			setting: id, name: "an inline Deny of everything, strict", variant: isStrict, want: guard.ActionRequired,
			breakIt: func(w *env) { w.putInline("stop", denyAll(`"Action":"*"`)) },
			check: func(w *env, o guard.Outcome) {
				stays("stop")(w, o)
				expectMatch(w.t, o, "stop")
				expectTold(w.t, o, "inline policy stop", "keeps ICA from storage lab-", "delete-role-policy")
			},
		},
		{
			setting: id, name: "an inline Deny of everything, and what strict removes", variant: isStrict, want: guard.ActionRequired,
			breakIt: func(w *env) { w.putInline("lab", reads); w.putInline("stop", denyAll(`"Action":"*"`)) }, check: stays("stop"),
		},
		{
			setting: id, name: "a Deny of one call of ICA's, attached", want: guard.ActionRequired,
			breakIt: func(w *env) {
				arn := w.createPolicy("denies-"+w.storage.Role.Name, denyAll(`"Action":"s3:RestoreObject"`))
				w.must(w.iam.AttachRolePolicy(
					w.t.Context(), &iam.AttachRolePolicyInput{RoleName: &w.storage.Role.Name, PolicyArn: &arn},
				))
			},
			check: func(w *env, o guard.Outcome) { expectTold(w.t, o, "it is about s3:RestoreObject") },
		},
		{
			setting: id, name: "sessions revoked in the console (AWSRevokeOlderSessions)", want: withNotes,
			breakIt: func(w *env) {
				w.putInline("AWSRevokeOlderSessions",
					denyAll(`"Action":"*","Condition":{"DateLessThan":{"aws:TokenIssueTime":"2026-01-15T09:12:33.000Z"}}`))
			},
			check: func(w *env, o guard.Outcome) {
				stays("AWSRevokeOlderSessions")(w, o)
				expectTold(w.t, o, "may keep ICA from storage lab-")
			},
		},
		{
			setting: id, name: "a Deny of calls on versions, never versioned", want: withNotes,
			breakIt: func(w *env) { w.putInline("versions", denyAll(`"Action":"s3:DeleteObjectVersion"`)) },
			check:   func(w *env, o guard.Outcome) { expectTold(w.t, o, "is not ICA's") },
		},
		{
			setting: id, name: "a Deny of calls on versions, versioned", variant: variant{bucket: "versioning: enabled"},
			want:    guard.ActionRequired,
			breakIt: func(w *env) { w.putInline("versions", denyAll(`"Action":"s3:DeleteObjectVersion"`)) },
			check: func(w *env, o guard.Outcome) {
				expectTold(w.t, o, "keeps ICA from storage lab-", "s3:DeleteObjectVersion")
			},
		},
		{
			setting: id, name: "an inline policy that lets ICA into the bucket", want: withNotes,
			breakIt: func(w *env) {
				w.putInline("ica", strings.ReplaceAll(reads, "arn:aws:s3:::logs", w.storage.Bucket.ARN))
			},
			check: func(w *env, o guard.Outcome) { expectTold(w.t, o, "leave it until permission-policy") },
		},
	}
}

// denyAll is a policy that denies something on everything.
func denyAll(what string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Resource":"*",` + what + `}]}`
}

func (w *env) putInline(name, document string) {
	w.t.Helper()
	w.must(
		w.iam.PutRolePolicy(
			w.t.Context(), &iam.PutRolePolicyInput{RoleName: &w.storage.Role.Name, PolicyName: &name, PolicyDocument: &document},
		),
	)
}

func (w *env) attach(awsManaged string) {
	w.t.Helper()
	w.must(w.iam.AttachRolePolicy(w.t.Context(), &iam.AttachRolePolicyInput{
		RoleName: &w.storage.Role.Name, PolicyArn: aws.String("arn:aws:iam::aws:policy/" + awsManaged),
	}))
}

// TestRemovalsThatStopHalfwayAreAllReported once the last one is done.
func TestRemovalsThatStopHalfwayAreAllReported(t *testing.T) {
	w := newEnv(t, newFixture(t), variant{role: "strict: true"})
	const harmless = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::logs"}]}`
	w.putInline("first", harmless)
	w.putInline("second", harmless)
	faults := w.local.Recorder()
	faults.Inject(
		localaws.Fault{Operation: "DeleteRolePolicy", AccessKeyID: w.key, Kind: localaws.Slow, Times: 1},
	) // the first is done
	refuse := faults.Inject(localaws.Fault{Operation: "DeleteRolePolicy", AccessKeyID: w.key, Kind: localaws.Denied})
	expectStatus(t, w.reconcile("role-foreign-policies"), guard.RestoreFailed)
	refuse()
	o := w.handle(w.requeued...)[0]
	expectStatus(t, o, guard.Restored)
	if told := fmt.Sprint(o.Diffs); !strings.Contains(told, "first") || !strings.Contains(told, "second") {
		t.Errorf("differences %v: want both that were removed", o.Diffs)
	}
}
