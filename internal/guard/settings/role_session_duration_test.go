package settings

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/icaguard/icaguard/internal/guard"
)

func roleSessionDurationCases() []testCase {
	const id = "role-session-duration"
	return []testCase{
		{
			setting: id, name: "3600 s", want: guard.Restored,
			breakIt: func(w *env) { w.updateRole(aws.Int32(3600), aws.String("for ICA")) },
		},
		{
			setting: id, name: "43199 s", want: guard.Restored,
			breakIt: func(w *env) { w.updateRole(aws.Int32(43199), nil) },
		},
		{
			setting: id, name: "description edited by a tool that omits the duration", want: guard.Restored,
			breakIt: func(w *env) { w.updateRole(nil, aws.String("edited")) },
			check:   func(w *env, _ guard.Outcome) { w.expectRole(43200, "edited") },
		},
		{
			setting: id, name: "description edited with the duration", want: guard.InSync,
			breakIt: func(w *env) { w.updateRole(aws.Int32(43200), aws.String("edited")) },
			check:   func(w *env, _ guard.Outcome) { w.expectRole(43200, "edited") },
		},
	}
}

func (w *env) updateRole(seconds *int32, description *string) {
	w.t.Helper()
	w.must(
		w.iam.UpdateRole(
			w.t.Context(), &iam.UpdateRoleInput{RoleName: &w.storage.Role.Name, MaxSessionDuration: seconds, Description: description},
		),
	)
}

func (w *env) expectRole(seconds int32, description string) {
	w.t.Helper()
	out, err := w.iam.GetRole(w.t.Context(), &iam.GetRoleInput{RoleName: &w.storage.Role.Name})
	w.must(out, err)
	if got := aws.ToInt32(out.Role.MaxSessionDuration); got != seconds || aws.ToString(out.Role.Description) != description {
		w.t.Errorf("role has %d s and description %q, want %d s and %q", got, aws.ToString(out.Role.Description), seconds, description)
	}
}

func TestRoleGone(t *testing.T) {
	w := newEnv(t, newFixture(t), variant{})
	w.deleteRole()
	expectStatus(t, w.reconcile("role-session-duration"), guard.Unknown)
	if len(w.requeued) != 1 {
		t.Errorf("%d requests: the role is recreated, so the next check finds it", len(w.requeued))
	}
}
