package settings

import (
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/icaguard/icaguard/internal/guard"
)

func permissionPolicyAttachedCases() []testCase {
	return []testCase{{
		setting: "permission-policy-attached", name: "detached", want: guard.Restored,
		breakIt: func(w *env) {
			w.must(
				w.iam.DetachRolePolicy(
					w.t.Context(), &iam.DetachRolePolicyInput{RoleName: &w.storage.Role.Name, PolicyArn: &w.storage.Role.Policy.ARN},
				),
			)
		},
	}}
}
