package beliefs

func aboutPolicies() []Belief { //nolint:funlen // a table
	return []Belief{
		{
			ID: "own-calls-no-source", Grade: "doc",
			Fact: "A role's own calls carry none of `aws:SourceAccount`, `aws:SourceArn`, `aws:SourceOrgID`, " +
				"`aws:SourceOrgPaths`, `aws:PrincipalServiceName(sList)`, `aws:CalledVia*`",
			Source:  "IAM, \"AWS global condition context keys\"",
			RestsOn: "a Deny that asks for them negated certainly hits, a positive one never (internal/policy/caller.go)",
			In:      []string{"internal/policy/caller.go"},
			Answer: denials(
				denial{condition: `{"StringNotEquals":{"aws:SourceAccount":"000000000000"}}`, denies: true},
				denial{condition: `{"StringEquals":{"aws:SourceAccount":"ACCOUNT"}}`},
				denial{condition: `{"ArnNotLike":{"aws:SourceArn":"arn:*:s3:::no-such"}}`, denies: true},
				denial{condition: `{"ForAnyValue:StringLike":{"aws:CalledVia":"*"}}`},
				denial{condition: `{"StringLike":{"aws:PrincipalServiceName":"*"}}`},
			),
		},
		{
			ID: "secure-transport", Grade: "doc",
			Fact:    "`aws:SecureTransport` is in every request, so that `BoolIfExists` says the same as `Bool`",
			Source:  "the same page",
			RestsOn: "which TLS Denies count as ours",
			In:      []string{"internal/policy/caller.go"},
			Answer:  denials(denial{condition: `{"Bool":{"aws:SecureTransport":"true"}}`, denies: true}),
		},
		{
			ID: "principal-star", Grade: "contested",
			Fact:    "`\"Principal\": \"*\"` and `{\"AWS\": \"*\"}` are the same in a Deny",
			Source:  "IAM, \"Principal\"; S3, \"Principals\" says that they function differently",
			RestsOn: "a Deny to either counts as the other; an Allow never",
			In:      []string{"internal/policy/canonical.go"},
			Answer:  denials(denial{principal: "*", denies: true}, denial{principal: map[string]string{"AWS": "*"}, denies: true}),
		},
		{
			ID: "tls-1-2", Grade: "doc",
			Fact:    "AWS's endpoints refuse TLS older than 1.2",
			Source:  "\"TLS 1.2 to become the minimum TLS protocol level for all AWS API endpoints\"",
			RestsOn: "`s3:TlsVersion` is at least 1.2",
			In:      []string{"internal/policy/caller.go"},
			Answer:  try(oldTLS),
		},
		{
			ID: "absent-keys", Grade: "doc",
			Fact:    "An absent key: `ForAllValues` is true of it, `ForAnyValue` is not, negated operators and `IfExists` are",
			Source:  "IAM, \"Condition operators\", \"Multivalued context keys\"",
			RestsOn: "every answer about a Deny's condition",
			In:      []string{"internal/policy/condition.go"},
			Answer: denials(
				denial{condition: `{"ForAllValues:StringEquals":{"aws:CalledVia":"no-such.example"}}`, denies: true},
				denial{condition: `{"ForAnyValue:StringEquals":{"aws:CalledVia":"no-such.example"}}`},
				denial{condition: `{"StringNotEquals":{"aws:PrincipalTag/icaguard-no-such":"x"}}`, denies: true},
				denial{condition: `{"StringEqualsIfExists":{"aws:PrincipalTag/icaguard-no-such":"x"}}`, denies: true},
			),
		},
		{
			ID: "bool-case", Grade: "inferred",
			Fact:    "True and false in a condition ignore case",
			Source:  "recorded with an independent engine (testdata/oracle)",
			RestsOn: "`\"False\"` counts as `\"false\"`",
			In:      []string{"internal/policy/condition.go"},
			Answer: denials(
				denial{condition: `{"Bool":{"aws:SecureTransport":"True"}}`, denies: true},
				denial{condition: `{"Bool":{"aws:SecureTransport":"FALSE"}}`},
			),
		},
		{
			ID: "boundary-not-principal", Grade: "doc",
			Fact:    "A principal with a permissions boundary is hit by every Deny with NotPrincipal",
			Source:  "IAM, \"NotPrincipal\"",
			RestsOn: "the alert names the boundary as the reason",
			In:      []string{"internal/policy/deny.go"},
			Answer:  documented(),
		},
		{
			ID: "principal-tags", Grade: "doc",
			Fact:    "`aws:PrincipalTag` has the role's tags, and others only where the trust policy allows `sts:TagSession`",
			Source:  "IAM, \"Passing session tags\"",
			RestsOn: "a Deny by tag is answered from GetRole",
			In:      []string{"internal/guard/settings/shared_policy.go"},
			Answer:  denialsToRole(denial{condition: `{"StringEquals":{"aws:PrincipalTag/acceptance":"yes"}}`, denies: true}),
		},
		{
			ID: "service-principals", Grade: "doc",
			Fact: "EventBridge and CloudWatch, acting as themselves, have `aws:PrincipalIsAWSService` true and no " +
				"`aws:PrincipalArn`; every signed call by a principal of IAM has it false",
			Source:  "IAM: \"AWS global condition context keys\"",
			RestsOn: "Denies on queues and topic spare events and alarms",
			In:      []string{"internal/guard/self/policies.go"},
			Answer:  denials(denial{condition: `{"Bool":{"aws:PrincipalIsAWSService":"false"}}`, denies: true}),
		},
		{
			ID: "negated-absent", Grade: "doc",
			Fact:    "A negated operator holds where its key is absent, a positive one does not, `Bool` among them",
			Source:  "IAM: \"JSON policy elements: Condition operators\"",
			RestsOn: "the same; `Bool`, not `BoolIfExists`, so that a missing key never stops events",
			In:      []string{"internal/guard/self/policies.go"},
			Answer: denials(
				denial{condition: `{"StringNotEquals":{"aws:PrincipalTag/icaguard-no-such":"x"}}`, denies: true},
				denial{condition: `{"StringEquals":{"aws:PrincipalTag/icaguard-no-such":"x"}}`},
				denial{condition: `{"Bool":{"aws:PrincipalTag/icaguard-no-such":"false"}}`},
			),
		},
		{
			ID: "principal-arn-role", Grade: "doc",
			Fact:    "`aws:PrincipalArn` of a session of a role is the role's ARN",
			Source:  "IAM: \"AWS global condition context keys\"",
			RestsOn: "Denies name the functions' roles",
			In:      []string{"internal/guard/self/policies.go"},
			Answer:  denialsToRole(denial{condition: `{"ArnEquals":{"aws:PrincipalArn":"ROLE"}}`, denies: true}),
		},
		{
			ID: "values-or", Grade: "doc",
			Fact:    "Several values of one condition key are alternatives",
			Source:  "IAM User Guide, \"Multivalued context keys\" and \"Condition operators\": values of a list are joined by OR",
			RestsOn: "several prefixes in `sts:RoleSessionName`",
			In:      []string{"internal/icaconfig/documents.go"},
			Answer:  denials(denial{condition: `{"StringEquals":{"aws:PrincipalAccount":["000000000000","ACCOUNT"]}}`, denies: true}),
		},
		{
			ID: "trust-equivalents", Grade: "doc",
			Fact: "In a trust policy StringLike without a wildcard means StringEquals, and Version 2008-10-17 without policy " +
				"variables means 2012-10-17",
			Source:  "IAM User Guide, \"Condition operators\", \"Version\"",
			RestsOn: "`role-trust` takes both for in sync",
			In:      []string{"internal/guard/settings/role_trust.go"},
			Answer:  documented(),
		},
		{
			ID: "boundary-resource-policy", Grade: "doc",
			Fact: "What a resource policy gives to a session of a role by its ARN, in the role's account, no permissions " +
				"boundary limits",
			Source: "[IAM: Permissions " +
				"boundaries](https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html)",
			RestsOn: "What the threat model says of our boundary",
			In:      []string{"docs/threat-model.md"},
			Answer:  documented(),
		},
		{
			ID: "explicit-deny-text", Grade: "doc",
			Fact:    "The message of an AccessDenied names an explicit deny where one is the reason, S3's among them",
			Source:  "IAM User Guide, \"Troubleshoot access denied error messages\"",
			RestsOn: "such a denial is final, and no call is tried again",
			In:      []string{"internal/awserr/errors.go"},
			Answer:  try(explicitDenyText),
		},
		{
			ID: "service-reference", Grade: "doc",
			Fact:    "Our statements' actions, resource types and condition keys are those of the Service Authorization Reference",
			Source:  "`cdk/testdata/service-reference.json`, recorded September 2026",
			RestsOn: "`cdk/reference_test.go`",
			In:      []string{"cdk/testdata/service-reference.json"},
			Answer:  notTried("a page of documentation, not an answer of AWS; its recording has the date"),
		},
	}
}
