package settings

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

func permissionPolicyCases() []testCase {
	const id = "permission-policy"
	// edit makes a new default version of the wanted document with something replaced.
	edit := func(name string, want guard.Status, replacements ...string) testCase {
		return testCase{
			setting: id, name: name, want: want,
			breakIt: func(w *env) { w.newVersion(w.editedPolicy(replacements...)) },
		}
	}
	follows := func(name string, v variant, status types.BucketVersioningStatus, want guard.Status, versioned bool) testCase {
		return testCase{
			setting: id, name: name, variant: v, want: want,
			breakIt: func(w *env) { w.setVersioning(status) },
			check:   func(w *env, _ guard.Outcome) { w.expectPolicy(versioned) },
		}
	}
	lookAlike := edit(
		"other case and order, same meaning", guard.InSync, `"s3:PutObject","s3:GetObject"`, `"S3:getobject","s3:putobject"`,
	)
	lookAlike.check = func(w *env, _ guard.Outcome) { w.expectPolicy(false) }
	never := variant{bucket: "versioning: never"}
	return []testCase{
		edit("one action missing", guard.Restored, `"s3:GetObject",`, ""),
		edit("resource is another bucket", guard.Restored, "lab-", "other-"),
		edit("NotAction", guard.Restored, `"Action":["s3:PutObject"`, `"NotAction":["s3:PutObject"`),
		edit("widened to *", guard.Restored, `"s3:GetObject"`, `"s3:*"`),
		lookAlike,
		{
			setting: id, name: "its only bucket is a stranger's", want: guard.ActionRequired,
			breakIt: func(w *env) { w.deleteBucket(); w.takeBucket() },
			check: func(w *env, o guard.Outcome) {
				expectTold(w.t, o, "no bucket of the policy is known to be of this account")
				w.expectPolicy(false)
			},
		},
		{
			setting: id, name: "a Deny of others added", want: guard.ActionRequired,
			breakIt: func(w *env) {
				w.newVersion(
					w.editedPolicy(`"Statement":[`, `"Statement":[{"Sid":"Incident","Effect":"Deny","Action":"s3:*","Resource":"*"},`),
				)
			},
			check: func(w *env, _ guard.Outcome) {
				if !strings.Contains(w.state()[id], "Incident") {
					w.t.Error("an explicit Deny is never undone")
				}
			},
		},
		{
			setting: id, name: "a Deny of others added, and more allowed", want: guard.ActionRequired,
			breakIt: func(w *env) {
				w.newVersion(w.editedPolicy(`"Statement":[`, `"Statement":[{"Sid":"Incident","Effect":"Deny","Action":"s3:*","Resource":"*"},`,
					`"s3:GetObject",`, `"s3:GetObject","s3:*",`))
			},
			check: func(w *env, o guard.Outcome) { // whoever accepts the Deny has still to be told of the rest
				if len(o.Alerts) != 2 || o.Alerts[1].Match != "" || !strings.Contains(o.Alerts[1].What, "s3:*") {
					w.t.Errorf("want an alert of the Deny and one of the rest: %+v", o.Alerts)
				}
			},
		},
		{
			setting: id, name: "default set back to an older version", want: guard.Restored,
			breakIt: func(w *env) {
				w.newVersion(w.editedPolicy(`"s3:GetObject",`, ""))
				w.handle(guard.Request{Setting: id})
				w.setDefault("v2")
				w.requeued = nil
			},
			check: func(w *env, _ guard.Outcome) { w.expectPolicy(false); w.expectDefault("v1") },
		},
		{
			setting: id, name: "five versions, all others' and none equal", want: guard.Restored,
			breakIt: func(w *env) {
				for _, action := range []string{"s3:A", "s3:B", "s3:C", "s3:D"} {
					w.newVersion(w.editedPolicy(`"s3:GetObject"`, `"`+action+`"`))
				}
				w.must(
					w.iam.DeletePolicyVersion(
						w.t.Context(), &iam.DeletePolicyVersionInput{PolicyArn: &w.storage.Role.Policy.ARN, VersionId: aws.String("v1")},
					),
				)
				w.newVersion(w.editedPolicy(`"s3:GetObject"`, `"s3:E"`))
			},
			check: func(w *env, _ guard.Outcome) {
				w.expectPolicy(false)
				if kept := w.store.backups[len(w.store.backups)-1].Value; !strings.Contains(kept, "s3:B") {
					w.t.Errorf("the version that had to go is not kept: %s", kept)
				}
			},
		},
		{
			setting: id, name: "deleted with all versions", want: guard.Restored,
			breakIt: func(w *env) {
				w.must(
					w.iam.DetachRolePolicy(
						w.t.Context(), &iam.DetachRolePolicyInput{RoleName: &w.storage.Role.Name, PolicyArn: &w.storage.Role.Policy.ARN},
					),
				)
				w.must(w.iam.DeletePolicy(w.t.Context(), &iam.DeletePolicyInput{PolicyArn: &w.storage.Role.Policy.ARN}))
			},
			check: func(w *env, _ guard.Outcome) { w.expectPolicy(false); w.expectWhole() },
		},
		{
			setting: id, name: "adopted, one action missing", want: guard.Restored,
			breakIt: func(w *env) { w.storage.Role.Existing = true; w.newVersion(w.editedPolicy(`"s3:GetObject",`, "")) },
			check:   func(w *env, _ guard.Outcome) { w.expectPolicy(false) },
		},
		{
			setting: id, name: "adopted, one action missing, detached from ICA's role and attached to another", want: guard.ActionRequired,
			breakIt: func(w *env) {
				w.storage.Role.Existing = true
				other := "lab-" + w.storage.Role.Name
				w.must(w.iam.CreateRole(w.t.Context(), &iam.CreateRoleInput{
					RoleName: &other, AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[]}`),
				}))
				w.must(w.iam.AttachRolePolicy(
					w.t.Context(), &iam.AttachRolePolicyInput{RoleName: &other, PolicyArn: &w.storage.Role.Policy.ARN},
				))
				w.must(w.iam.DetachRolePolicy(
					w.t.Context(), &iam.DetachRolePolicyInput{RoleName: &w.storage.Role.Name, PolicyArn: &w.storage.Role.Policy.ARN},
				))
				w.newVersion(w.editedPolicy(`"s3:GetObject",`, ""))
			},
			check: func(w *env, o guard.Outcome) {
				expectTold(w.t, o, "others have it too")
				w.expectDefault("v2") // theirs
			},
		},
		follows("versioning switched on, followed", variant{}, types.BucketVersioningStatusEnabled, guard.Restored, true),
		follows("versioning suspended, followed", variant{}, types.BucketVersioningStatusSuspended, guard.Restored, true),
		follows("versioning switched on under never", never, types.BucketVersioningStatusEnabled, guard.InSync, false),
		follows("versioning suspended under never", never, types.BucketVersioningStatusSuspended, guard.Restored, true),
	}
}

func (w *env) editedPolicy(replacements ...string) string {
	w.t.Helper()
	before := text(w.storage.Role.PermissionPolicy(func(*icaconfig.Bucket) bool { return false }))
	after := strings.NewReplacer(replacements...).Replace(before)
	if before == after {
		w.t.Fatalf("%q changes nothing in %s", replacements, before)
	}
	return after
}

// newVersion makes a new default version, and room for it by deleting one that is neither the default nor the first.
func (w *env) newVersion(document string) {
	w.t.Helper()
	out, err := w.iam.ListPolicyVersions(w.t.Context(), &iam.ListPolicyVersionsInput{PolicyArn: &w.storage.Role.Policy.ARN})
	w.must(out, err)
	for _, v := range out.Versions {
		if len(out.Versions) == maxPolicyVersions && !v.IsDefaultVersion && aws.ToString(v.VersionId) != "v1" {
			w.must(
				w.iam.DeletePolicyVersion(
					w.t.Context(), &iam.DeletePolicyVersionInput{PolicyArn: &w.storage.Role.Policy.ARN, VersionId: v.VersionId},
				),
			)
			break
		}
	}
	w.must(w.iam.CreatePolicyVersion(w.t.Context(), &iam.CreatePolicyVersionInput{
		PolicyArn: &w.storage.Role.Policy.ARN, PolicyDocument: &document, SetAsDefault: true,
	}))
}

func (w *env) setDefault(version string) {
	w.t.Helper()
	w.must(
		w.iam.SetDefaultPolicyVersion(
			w.t.Context(), &iam.SetDefaultPolicyVersionInput{PolicyArn: &w.storage.Role.Policy.ARN, VersionId: &version},
		),
	)
}

func (w *env) setVersioning(status types.BucketVersioningStatus) {
	w.t.Helper()
	w.must(w.s3.PutBucketVersioning(w.t.Context(), &s3.PutBucketVersioningInput{
		Bucket: &w.storage.Bucket.Name, VersioningConfiguration: &types.VersioningConfiguration{Status: status},
	}))
}

func (w *env) expectPolicy(versioned bool) {
	w.t.Helper()
	want := w.storage.Role.PermissionPolicy(func(*icaconfig.Bucket) bool { return versioned })
	got, err := readPolicy(w.t.Context(), w.engine.Clients, w.storage)
	w.must(nil, err)
	if len(got.Versions) == 0 || !got.Versions[0].equals(want) {
		w.t.Errorf("the default version is not the wanted one: %+v", got.Versions)
	}
}

func (w *env) expectDefault(version string) {
	w.t.Helper()
	out, err := w.iam.GetPolicy(w.t.Context(), &iam.GetPolicyInput{PolicyArn: &w.storage.Role.Policy.ARN})
	w.must(out, err)
	if got := aws.ToString(out.Policy.DefaultVersionId); got != version {
		w.t.Errorf("default version %s, want %s: a present equal one rather than a new one", got, version)
	}
}

// TestAdoptedPolicyOfOthers: a policy that others hold too is theirs as well.
func TestAdoptedPolicyOfOthers(t *testing.T) {
	s := newEnvWithoutAWS(t, `role: {existing: true, sessionNamePrefix: "ssm:/p"}`)
	got := managedPolicy{UsedByOthers: true, Versions: []policyVersion{{ID: "v1", Document: document(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}]}`,
	)}}}
	if v := comparePolicy(s, got); len(v.Diffs) != 0 || len(v.Alerts) != 1 {
		t.Errorf("used by others: %+v", v)
	}
	got.UsedByOthers = false
	if v := comparePolicy(s, got); len(v.Diffs) == 0 || len(v.Alerts) != 0 {
		t.Errorf("the role's alone: %+v", v)
	}
}

func TestAdoptedPolicyMayHoldIdleActions(t *testing.T) {
	s := newEnvWithoutAWS(t, `role: {existing: true, sessionNamePrefix: "ssm:/p"}`)
	wanted := text(s.Role.PermissionPolicy(func(*icaconfig.Bucket) bool { return false }))
	illuminas := strings.Replace(wanted, `"s3:ListBucket"`, `"s3:ListBucket","s3:ListObjectVersions"`, 1)
	illuminas = strings.Replace(
		illuminas, `"Statement":[`, `"Statement":[{"Effect":"Allow","Action":"sts:GetFederationToken","Resource":"*"},`, 1,
	)
	got := managedPolicy{Versions: []policyVersion{{ID: "v1", Document: document(illuminas)}}}
	if v := comparePolicy(s, got); len(v.Diffs) != 0 || len(v.Notes) != 1 {
		t.Errorf("adopted: %+v", v)
	}
	s.Role.Existing = false
	if v := comparePolicy(s, got); len(v.Diffs) == 0 {
		t.Error("a role that we created holds exactly what we wrote")
	}
}

// TestAnotherInvocationMadeTheVersion: when IAM says that there are too many versions although there was room, another
// invocation was first, and the policy is right at the next check.
func TestAnotherInvocationMadeTheVersion(t *testing.T) {
	w := newEnv(t, newFixture(t), variant{})
	right := text(w.storage.Role.PermissionPolicy(func(*icaconfig.Bucket) bool { return false }))
	for range maxPolicyVersions - 1 {
		w.newVersion(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`)
	}
	w.must(
		w.iam.DeletePolicyVersion(
			t.Context(), &iam.DeletePolicyVersionInput{PolicyArn: &w.storage.Role.Policy.ARN, VersionId: aws.String("v1")},
		),
	)
	w.engine.Clients.Store = filling{w, right}
	o := w.reconcile("permission-policy")
	expectStatus(t, o, guard.RestoreFailed)
	if len(w.requeued) != 1 || w.requeued[0].Backup != "" {
		t.Fatalf("it is checked again, and nothing was written: %+v", w.requeued)
	}
	expectStatus(t, w.handle(w.requeued...)[0], guard.InSync)
}

// filling is a store in whose time another invocation uses up the versions, the last of which is right.
type filling struct {
	*env
	right string
}

func (f filling) Backup(ctx context.Context, b guard.Backup) (string, error) {
	f.newVersion(f.right)
	return f.store.Backup(ctx, b)
}

func (f filling) BackedUp(ctx context.Context, resource, setting, key string) (guard.Backup, bool, error) {
	return f.store.BackedUp(ctx, resource, setting, key)
}

func (f filling) Put(ctx context.Context, resource, what, value string) error {
	return f.store.Put(ctx, resource, what, value)
}

func (f filling) Get(ctx context.Context, resource, what string) (string, error) {
	return f.store.Get(ctx, resource, what)
}

// TestKeyChange: when ica.yaml names another key, ICA still decrypts with the one before, if it is listed.
func TestKeyChange(t *testing.T) {
	w := newEnv(t, newFixture(t), variant{key: true})
	before := w.storage.Key.ARN
	out, err := w.kms.CreateKey(t.Context(), &kms.CreateKeyInput{})
	w.must(out, err)
	after := aws.ToString(out.KeyMetadata.Arn)
	all, present := []string{"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"}, w.config
	for _, step := range []struct {
		config string
		may    map[string][]string
	}{
		{present + "    kms: {nextKey: \"" + after + "\"}\n", map[string][]string{before: all, after: all}},
		{
			strings.Replace(present, before, after, 1) + "    kms: {previousKeys: [\"" + before + "\"]}\n",
			map[string][]string{before: {"kms:Decrypt"}, after: all},
		},
	} {
		w.configure(step.config)
		for _, o := range w.handle(guard.Request{}) {
			if o.Status != guard.InSync && o.Status != guard.Restored {
				t.Errorf("%s on %s: %+v", o.Setting, o.Resource, o)
			}
		}
		live, err := document(w.defaultPolicy()).parse()
		if err != nil {
			t.Fatal(err)
		}
		for key, want := range step.may {
			if got := actionsOn(live, key); !slices.Equal(got, want) {
				t.Errorf("ICA may %s with %s, want %s", got, key, want)
			}
			if got := actionsOn(w.storage.Role.BoundaryDocument(), key); !slices.Equal(got, want) {
				t.Errorf("the boundary lets ICA %s with %s, want %s", got, key, want)
			}
		}
	}
}

func actionsOn(d policy.Document, resource string) []string {
	var actions []string
	for _, s := range d.Statements() {
		if slices.Contains(s.Resource, resource) {
			actions = append(actions, s.Action...)
		}
	}
	return actions
}
