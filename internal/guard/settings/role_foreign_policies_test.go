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
	}
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
