package settings

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
)

// threeStorages: two share a role, one of them is versioned; the third has its own role below a path and tags.
const threeStorages = `
storages:
  - name: prod
    icaRegion: US
    bucket: {name: three-prod-%[1]d, folder: ica, versioning: enabled}
    role:
      name: Shared%[1]d
      policyName: shared-%[1]d
      sessionNamePrefix: "ssm:/ica/three-%[1]d"
  - name: test
    icaRegion: US
    bucket: {name: three-test-%[1]d, folder: ica, objectTags: true}
    role: {name: Shared%[1]d, policyName: shared-%[1]d, sessionNamePrefix: "ssm:/ica/three-%[1]d"}
  - name: other
    icaRegion: US
    bucket: {name: three-other-%[1]d, folder: ica}
    role: {name: Other%[1]d, path: /labs/, policyName: other-%[1]d, boundary: none, sessionNamePrefix: a-literal-prefix}
`

func newThreeStorages(t *testing.T) *env {
	t.Helper()
	w := newEnv(t, newFixture(t), variant{})
	w.must(ssm.NewFromConfig(w.local.DirectConfig("us-east-1")).PutParameter(t.Context(), &ssm.PutParameterInput{
		Name:      aws.String(fmt.Sprintf("/ica/three-%d", w.local.envs)),
		Type:      types.ParameterTypeString,
		Value:     aws.String(secretPrefix),
		Overwrite: aws.Bool(true),
	}))
	w.configure(fmt.Sprintf(threeStorages, w.local.envs))
	for _, s := range w.engine.Baseline.Storages {
		w.must(w.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &s.Bucket.Name}))
	}
	shared := w.engine.Baseline.Storages[0].Role
	w.must(w.iam.CreatePolicy(t.Context(), &iam.CreatePolicyInput{
		PolicyName: &shared.Boundary.Name, PolicyDocument: aws.String(text(shared.BoundaryDocument())),
	}))
	w.handle(guard.Request{})
	w.expectInSync()
	return w
}

func (w *env) expectInSync() {
	w.t.Helper()
	for _, o := range w.engine.Audit(w.t.Context()) {
		if o.Status != guard.InSync {
			w.t.Errorf("%s of %s: %+v", o.Setting, o.Storages, o)
		}
	}
}

func TestSeveralStoragesSideBySide(t *testing.T) {
	w := newThreeStorages(t)
	for _, s := range w.engine.Baseline.Storages {
		w.must(w.s3.DeleteBucketCors(t.Context(), &s3.DeleteBucketCorsInput{Bucket: &s.Bucket.Name}))
		w.must(w.iam.UpdateRole(t.Context(), &iam.UpdateRoleInput{RoleName: &s.Role.Name, MaxSessionDuration: aws.Int32(3600)}))
	}
	restored := map[string]int{}
	for _, r := range w.handle(guard.Request{}) {
		if r.Status == guard.Restored {
			restored[r.Setting]++
		}
	}
	if got := fmt.Sprint(restored); got != "map[bucket-cors:3 role-session-duration:2]" {
		t.Errorf("restored %s: want three buckets, and the shared role once", got)
	}
	w.expectInSync()
}

// TestSharedRoleCoversAllItsBuckets, each in its variant; another role's policy is not touched for it.
func TestSharedRoleCoversAllItsBuckets(t *testing.T) {
	w := newThreeStorages(t)
	document := wantPolicy(w.engine.Baseline.Storages[1], managedPolicy{})
	for _, want := range []string{w.engine.Baseline.Storages[0].Bucket.Name + "/ica/*", w.engine.Baseline.Storages[1].Bucket.Name +
		"/ica/*", "s3:GetObjectVersion", "s3:GetObjectTagging"} {
		if !strings.Contains(text(document), want) {
			t.Errorf("the shared policy lacks %s: %s", want, text(document))
		}
	}
	if strings.Contains(text(document), "three-other") {
		t.Error("the shared policy covers the bucket of another role")
	}
	w.must(
		w.iam.DeleteRolePermissionsBoundary(
			t.Context(), &iam.DeleteRolePermissionsBoundaryInput{RoleName: &w.engine.Baseline.Storages[0].Role.Name},
		),
	)
	w.handle(guard.Request{Resource: w.engine.Baseline.Storages[0].Role.ARN, Setting: "role-boundary"})
	w.expectInSync()
}

// TestOneUnreadableBucketKeepsNoPolicyFromBeingRestored: the policy of a role with several buckets is restored although
// the versioning of one cannot be read; for that one it keeps the variant that it has, else it gets the narrower one.
func TestOneUnreadableBucketKeepsNoPolicyFromBeingRestored(t *testing.T) {
	w := newThreeStorages(t)
	w.storage = w.engine.Baseline.Storages[1] // shares its role with a storage whose versioning is enabled
	role := w.storage.Role
	for name, kind := range map[string]localaws.Kind{"denied": localaws.Denied, "denied by an organisation": localaws.ExplicitDeny} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			defer w.local.Recorder().Inject(localaws.Fault{Operation: "GetBucketVersioning", AccessKeyID: w.key, Kind: kind})()
			for _, versioned := range []bool{true, false} {
				present := text(
					role.PermissionPolicy(func(b *icaconfig.Bucket) bool { return versioned || b.Versioning == icaconfig.VersioningEnabled }),
				)
				w.newVersion(strings.Replace(present, `"Statement":[`, `"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"},`, 1))
				o := w.handle(guard.Request{Setting: "permission-policy", Resource: role.Policy.ARN})[0]
				expectStatus(t, o, guard.Restored)
				if len(o.Notes) != 1 || !strings.Contains(o.Notes[0].What, "versioning of bucket "+w.storage.Bucket.Name+" cannot be read") {
					t.Errorf("notes %+v", o.Notes)
				}
				if got := w.defaultPolicy(); got != present {
					t.Errorf("policy %s, want %s", got, present)
				}
			}
		})
	}
}

// TestTakenBucketIsLeftOutOfTheSharedPolicy: ICA would write the lab's data into a stranger's bucket.
func TestTakenBucketIsLeftOutOfTheSharedPolicy(t *testing.T) {
	w := newThreeStorages(t)
	taken, role := w.engine.Baseline.Storages[1], w.engine.Baseline.Storages[1].Role
	w.storage = taken
	w.deleteBucket()
	w.takeBucket()
	o := w.handle(guard.Request{Setting: "permission-policy", Resource: role.Policy.ARN})[0]
	expectStatus(t, o, guard.Restored)
	if got := w.defaultPolicy(); strings.Contains(got, taken.Bucket.Name) ||
		!strings.Contains(got, w.engine.Baseline.Storages[0].Bucket.ARN) {
		t.Errorf("policy %s: want the stranger's bucket left out, and the other one in", got)
	}
	// Nor does it come back when nobody can tell any more whose the bucket is.
	for _, kind := range []localaws.Kind{localaws.Denied, localaws.ExplicitDeny, localaws.Throttled} {
		remove := w.local.Recorder().Inject(localaws.Fault{Operation: "ListBuckets", AccessKeyID: w.key, Kind: kind})
		w.handle(guard.Request{Setting: "permission-policy", Resource: role.Policy.ARN})
		remove()
		if got := w.defaultPolicy(); strings.Contains(got, taken.Bucket.Name) {
			t.Errorf("%s: policy %s: the stranger's bucket is in again", kind, got)
		}
	}
	w.storage = w.engine.Baseline.Storages[2]
	w.deleteBucket()
	w.takeBucket()
	o = w.handle(guard.Request{Setting: "permission-policy", Resource: w.storage.Role.Policy.ARN})[0]
	expectStatus(t, o, guard.ActionRequired)
	if len(o.Diffs) != 0 || !strings.Contains(o.Alerts[0].What, "no bucket of the policy is known to be of this account") {
		t.Errorf("a policy cannot be empty: %+v", o)
	}
}

// defaultPolicy is the policy of the storage's role as it stands.
func (w *env) defaultPolicy() string {
	w.t.Helper()
	got, err := readPolicy(w.t.Context(), w.engine.Clients, w.storage)
	w.must(nil, err)
	return string(got.Versions[0].Document)
}

// TestSharedRoleIsObservedWithItsStorage: observe promises that nothing is changed that the storage depends on.
func TestSharedRoleIsObservedWithItsStorage(t *testing.T) {
	file, err := icaconfig.Parse(
		"ica.yaml",
		[]byte(strings.Replace(fmt.Sprintf(threeStorages, 1), "- name: test\n", "- name: test\n    mode: observe\n", 1)),
	)
	if err != nil {
		t.Fatal(err)
	}
	owner, err := file.Owner("123456789012", "aws")
	if err != nil {
		t.Fatal(err)
	}
	b := file.Baseline(owner)
	if prod := b.Storages[0]; guard.OnRole.Shared(prod).Mode != icaconfig.Observe ||
		guard.OnBucket.Shared(prod).Mode != icaconfig.Enforce {
		t.Errorf("role %s, bucket %s", guard.OnRole.Shared(prod).Mode, guard.OnBucket.Shared(prod).Mode)
	}
}
