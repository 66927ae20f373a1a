package settings

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/icaguard/icaguard/internal/guard"
)

func roleBoundaryCases() []testCase {
	const id = "role-boundary"
	other := func(w *env) {
		w.must(w.iam.PutRolePermissionsBoundary(w.t.Context(), &iam.PutRolePermissionsBoundaryInput{
			RoleName: &w.storage.Role.Name, PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess"),
		}))
	}
	kept := func(w *env, _ guard.Outcome) {
		if got := w.state()[id]; got != `"arn:aws:iam::aws:policy/ReadOnlyAccess"` {
			w.t.Errorf("another's boundary was touched: %s", got)
		}
	}
	removed := func(w *env) {
		w.must(
			w.iam.DeleteRolePermissionsBoundary(w.t.Context(), &iam.DeleteRolePermissionsBoundaryInput{RoleName: &w.storage.Role.Name}),
		)
	}
	adopted := variant{role: "existing: true\n      boundary: icaguard", storage: "mode: enforce"}
	return []testCase{
		{setting: id, name: "removed", want: guard.Restored, breakIt: removed},
		{
			setting: id, name: "ours removed from an adopted role", want: guard.Restored, variant: adopted, breakIt: removed,
		},
		{
			setting: id, name: "another one set on an adopted role", want: guard.ActionRequired, variant: adopted,
			breakIt: other, check: kept,
		},
		{setting: id, name: "another one set, a security team's decision", want: guard.ActionRequired, breakIt: other, check: kept},
		{
			setting: id, name: "one set where none is asked for", want: withNotes, variant: variant{role: "boundary: none"},
			breakIt: other, check: kept,
		},
	}
}
