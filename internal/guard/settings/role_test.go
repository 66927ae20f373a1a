package settings

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/icaguard/icaguard/internal/guard"
)

func roleCases() []testCase {
	const id = "role"
	return []testCase{
		{
			setting: id, name: "deleted", want: guard.Restored, breakIt: (*env).deleteRole,
			check: func(w *env, _ guard.Outcome) {
				if got := w.state()["role-boundary"]; got != w.before["role-boundary"] {
					w.t.Errorf("the role was there without its boundary: %s", got)
				}
				w.expectWhole()
			},
		},
		{
			setting: id, name: "deleted and recreated by hand, without our tags", want: guard.Restored,
			breakIt: func(w *env) { w.deleteRole(); w.createRole("/") },
			check:   func(w *env, _ guard.Outcome) { w.expectWhole() },
		},
		{
			setting: id, name: "tags removed", want: guard.Restored,
			breakIt: func(w *env) {
				w.must(w.iam.UntagRole(w.t.Context(), &iam.UntagRoleInput{RoleName: &w.storage.Role.Name, TagKeys: []string{"icaguard"}}))
			},
		},
		{
			setting: id, name: "tags of others added", want: guard.InSync,
			breakIt: func(w *env) {
				w.must(w.iam.TagRole(w.t.Context(), &iam.TagRoleInput{
					RoleName: &w.storage.Role.Name, Tags: []types.Tag{{Key: aws.String("cost"), Value: aws.String("42")}},
				}))
			},
			check: func(w *env, _ guard.Outcome) {
				if !strings.Contains(w.state()[id], `"cost":"42"`) {
					w.t.Error("another's tag is gone")
				}
			},
		},
		{
			setting: id, name: "a tag that an organisation's policies look at added", want: withNotes,
			breakIt: func(w *env) {
				w.must(w.iam.TagRole(w.t.Context(), &iam.TagRoleInput{
					RoleName: &w.storage.Role.Name, Tags: []types.Tag{{Key: aws.String("DP:include:network"), Value: aws.String("true")}},
				}))
			},
			check: func(w *env, o guard.Outcome) {
				expectTold(w.t, o, "DP:include:network=true", "cannot be seen from here")
			},
		},
		{
			setting: id, name: "recreated at another path", want: guard.ActionRequired,
			breakIt: func(w *env) { w.deleteRole(); w.createRole("/elsewhere/") },
			check:   func(w *env, _ guard.Outcome) { w.expectUntouched() },
		},
	}
}

// deleteRole deletes the role as IAM demands: its policies first.
func (w *env) deleteRole() {
	w.t.Helper()
	name := &w.storage.Role.Name
	attached, err := w.iam.ListAttachedRolePolicies(w.t.Context(), &iam.ListAttachedRolePoliciesInput{RoleName: name})
	w.must(attached, err)
	for _, policy := range attached.AttachedPolicies {
		w.must(w.iam.DetachRolePolicy(w.t.Context(), &iam.DetachRolePolicyInput{RoleName: name, PolicyArn: policy.PolicyArn}))
	}
	inline, err := w.iam.ListRolePolicies(w.t.Context(), &iam.ListRolePoliciesInput{RoleName: name})
	w.must(inline, err)
	for _, policy := range inline.PolicyNames {
		w.must(w.iam.DeleteRolePolicy(w.t.Context(), &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: &policy}))
	}
	w.must(w.iam.DeleteRole(w.t.Context(), &iam.DeleteRoleInput{RoleName: name}))
}

// createRole is what somebody does at the console in good faith.
func (w *env) createRole(path string) {
	w.t.Helper()
	w.must(w.iam.CreateRole(w.t.Context(), &iam.CreateRoleInput{
		RoleName: &w.storage.Role.Name,
		Path:     &path,
		AssumeRolePolicyDocument: aws.String(
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
		),
	}))
}

// expectWhole lets the guard check everything, as after the role's event, and expects what was before.
func (w *env) expectWhole() {
	w.t.Helper()
	w.handle(guard.Request{})
	for setting, state := range w.state() {
		if state != w.before[setting] {
			w.t.Errorf("%s is not as before:\n%s\n%s", setting, w.before[setting], state)
		}
	}
}

// expectUntouched lets the guard check everything and expects that nothing was written.
func (w *env) expectUntouched() {
	w.t.Helper()
	before := w.state()
	results := w.handle(guard.Request{})
	told := 0
	for _, r := range results {
		if r.Status == guard.ActionRequired && r.RootCause == "" {
			told++
		}
	}
	if told != 1 {
		w.t.Errorf("%d settings tell people about one cause", told)
	}
	for setting, state := range w.state() {
		if state != before[setting] {
			w.t.Errorf("%s was touched:\n%s\n%s", setting, before[setting], state)
		}
	}
}

// TestAdoptedRoleKeepsItsTags: an adopted role is the lab's, so are its tags.
func TestAdoptedRoleKeepsItsTags(t *testing.T) {
	s := newEnvWithoutAWS(t, `role: {existing: true, sessionNamePrefix: "ssm:/p"}`)
	if v := compareRoleIdentity(s, roleIdentity{Exists: true, ARN: s.Role.ARN}); len(v.Diffs) != 0 {
		t.Errorf("diffs %v", v.Diffs)
	}
}
