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
		Name: aws.String(fmt.Sprintf("/ica/three-%d", w.local.envs)), Type: types.ParameterTypeString, Value: aws.String(sessionNamePrefix),
	}))
	w.configure(fmt.Sprintf(threeStorages, w.local.envs))
	for _, s := range w.engine.Baseline.Storages {
		w.must(w.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &s.Bucket.Name}))
	}
	shared := w.engine.Baseline.Storages[0].Role
	w.must(w.iam.CreatePolicy(t.Context(), &iam.CreatePolicyInput{
		PolicyName: &shared.Boundary.Name, PolicyDocument: aws.String(text(shared.BoundaryDocument())),
	}))
	w.engine.Handle(t.Context(), []guard.Request{{}})
	w.expectInSync()
	return w
}

func (w *env) expectInSync() {
	w.t.Helper()
	for _, o := range w.engine.Audit(w.t.Context()) {
		if o.Status != guard.InSync {
			w.t.Errorf("%s of %s: %+v", o.Setting, o.Storage, o)
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
	for _, r := range w.engine.Handle(t.Context(), []guard.Request{{}}) {
		if r.Outcome.Status == guard.Restored {
			restored[r.Outcome.Setting]++
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
	for _, want := range []string{w.engine.Baseline.Storages[0].Bucket.Name + "/ica/*", w.engine.Baseline.Storages[1].Bucket.Name + "/ica/*", "s3:GetObjectVersion", "s3:GetObjectTagging"} {
		if !strings.Contains(text(document), want) {
			t.Errorf("the shared policy lacks %s: %s", want, text(document))
		}
	}
	if strings.Contains(text(document), "three-other") {
		t.Error("the shared policy covers the bucket of another role")
	}
	w.must(w.iam.DeleteRolePermissionsBoundary(t.Context(), &iam.DeleteRolePermissionsBoundaryInput{RoleName: &w.engine.Baseline.Storages[0].Role.Name}))
	w.engine.Handle(t.Context(), []guard.Request{{Storage: "test", Setting: "role-boundary"}})
	w.expectInSync()
}

// TestSharedRoleIsObservedWithItsStorage: observe promises that nothing is changed that the storage depends on.
func TestSharedRoleIsObservedWithItsStorage(t *testing.T) {
	file, err := icaconfig.Parse("ica.yaml", []byte(strings.Replace(fmt.Sprintf(threeStorages, 1), "- name: test\n", "- name: test\n    mode: observe\n", 1)))
	if err != nil {
		t.Fatal(err)
	}
	b, err := file.Baseline("123456789012", "aws")
	if err != nil {
		t.Fatal(err)
	}
	if prod := b.Storages[0]; guard.OnRole.Mode(prod) != icaconfig.Observe || guard.OnBucket.Mode(prod) != icaconfig.Enforce {
		t.Errorf("role %s, bucket %s", guard.OnRole.Mode(prod), guard.OnBucket.Mode(prod))
	}
}
