package beliefs

func aboutIAM() []Belief { //nolint:funlen // a table
	return []Belief{
		{
			ID: "describe-organization", Grade: "doc",
			Fact:    "DescribeOrganization may be called from every account of an organization",
			Source:  "Organizations API, DescribeOrganization",
			RestsOn: "`organization` of ica.yaml is compared with it",
			In:      []string{"internal/guard/settings/organization.go"},
			Answer:  try(describeOrganization),
		},
		{
			ID: "organization-deny-spares", Grade: "inferred",
			Fact:    "A read that passed after the policy was read shows that its Deny by organization spares the account",
			Source:  "IAM, \"Policy evaluation logic\"; a change of a policy may take seconds to be in force",
			RestsOn: "no alert for ICA's role; the next check is denied, and says so, if that was too early",
			In:      []string{"internal/guard/settings/organization.go"},
			Answer:  notTried("needs an organization, and a policy that is changed in the second of a read"),
		},
		{
			ID: "policy-content-events", Grade: "sample",
			Fact: "The content of a customer managed policy changes only by CreatePolicyVersion, SetDefaultPolicyVersion and " +
				"DeletePolicyVersion, each with `policyArn`",
			Source:  "IAM API Reference; recorded CreatePolicyVersion, SetDefaultPolicyVersion",
			RestsOn: "`role-foreign-policies` and `role-boundary` follow the content of policies of others",
			In:      []string{"internal/guard/settings/triggers.go"},
			OfRun:   each(has("policyArn", "text"), "CreatePolicyVersion", "SetDefaultPolicyVersion", "DeletePolicyVersion"),
		},
		{
			ID: "attachment-count", Grade: "inferred",
			Fact:    "GetPolicy's AttachmentCount counts ICA's role once while ListAttachedRolePolicies lists the policy",
			Source:  "IAM API Reference, \"Policy\"",
			RestsOn: "an adopted policy that others have is not rewritten",
			In:      []string{"internal/guard/settings/permission_policy.go"},
			Answer:  try(attachmentCount),
		},
		{
			ID: "scp-rcp", Grade: "doc",
			Fact: "An RCP applies to sts:AssumeRoleWithWebIdentity on the account's roles; an SCP does not bind a caller that " +
				"is no principal of the organisation; neither raises an event in the account",
			Source:  "AWS Organizations User Guide, \"Resource control policies\"",
			RestsOn: "the line \"not visible from here\"",
			In:      []string{"internal/guard/sight.go"},
			Answer:  notTried("needs an organization's managing account"),
		},
		{
			ID: "attach-boundary-key", Grade: "doc",
			Fact: "`iam:PermissionsBoundary` on `AttachRolePolicy` is the boundary that the role has then",
			Source: "[IAM and AWS STS condition " +
				"keys](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html)",
			RestsOn: "Policies are attached after the boundary was restored; denied meanwhile, they are tried again",
			In:      []string{"internal/guard/settings/role_boundary.go"},
			Answer:  try(attachBoundaryKey),
		},
		{
			ID: "trust-boundary-key", Grade: "contested",
			Fact:    "Whether `UpdateAssumeRolePolicy` and `UpdateRole` carry `iam:PermissionsBoundary`",
			Source:  "the Service Authorization Reference says yes, the page above does not list them",
			RestsOn: "There is no such condition on them: it could deny our own restore",
			In:      []string{"internal/guard/settings/role_boundary.go"},
			Answer:  try(trustBoundaryKey),
		},
		{
			ID: "create-role-tags", Grade: "doc",
			Fact:    "`CreateRole` with tags needs `iam:TagRole`, whose `aws:TagKeys` are those tags",
			Source:  "Service Authorization Reference, IAM",
			RestsOn: "`TagRole` is allowed with our tags' keys only",
			In:      []string{"internal/guard/settings/role.go"},
			Answer:  documented(),
		},
		{
			ID: "update-role-duration", Grade: "contested",
			Fact:    "`iam:UpdateRole` without a duration resets it to one hour",
			Source:  "IAM API reference, UpdateRole, says so; a public live check of July 2026 says that it is kept",
			RestsOn: "nothing: a restore sends duration and description; the demo and the tests break the duration so",
			In:      []string{"internal/guard/settings/role_session_duration.go"},
			Answer:  try(updateRoleDuration),
		},
		{
			ID: "iam-reads-15s", Grade: "inferred",
			Fact:    "IAM shows a written role or policy to every read 15 seconds later",
			Source:  "IAM User Guide, \"Troubleshoot IAM\": changes are not always immediately visible, no bound given",
			RestsOn: "an event that the first read does not show is checked once more after so long",
			In:      []string{"internal/guard/next.go"},
			Answer:  try(iamReads),
		},
		{
			ID: "version-limit", Grade: "doc",
			Fact:    "A managed policy has five versions at most; the sixth is answered with LimitExceeded",
			Source:  "IAM API Reference, CreatePolicyVersion",
			RestsOn: "the oldest version that is not the default is deleted first, and a race for it passes",
			In:      []string{"internal/awserr/errors.go"},
			Answer:  try(versionLimit),
		},
		{
			ID: "invalid-principal-text", Grade: "inferred",
			Fact: "S3, IAM and KMS say \"invalid principal\" where a policy names a principal that is not there, whichever the " +
				"error's code",
			Source:  "recorded messages; no page lists them",
			RestsOn: "a restore is tried again where a role was created just before",
			In:      []string{"internal/awserr/errors.go"},
			Answer:  try(invalidPrincipalText),
		},
		{
			ID: "role-path", Grade: "inferred",
			Fact: "A call that names a role is authorized on the ARN with the path that the role has; where there is no such role, on " +
				"role/NAME",
			Source:  "IAM User Guide, \"IAM identifiers\": a name is unique in an account, whatever the path; the ARN of a role has it",
			RestsOn: "`iam:GetRole` is allowed at any path: a role that was created again elsewhere, or is gone, is seen",
			In:      []string{"internal/guard/kind.go"},
			Answer:  try(rolePath),
		},
	}
}
