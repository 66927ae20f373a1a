package beliefs

func aboutICA() []Belief {
	return []Belief{
		{
			ID: "ica-calls", Grade: "inferred",
			Fact:    "ICA calls S3 with the bucket's name, over Signature Version 4, without SSE-C, and KMS through S3 only",
			Source:  "Illumina's pages on storage configurations name no other way",
			RestsOn: "what is known of its calls in internal/policy/caller.go",
			In:      []string{"internal/policy/caller.go"},
			Answer:  notTried("needs a project in ICA that uses the bucket, and its calls as data events"),
		},
		{
			ID: "oidc-provider-key", Grade: "inferred",
			Fact:    "`aws:FederatedProvider` of an OIDC session is the provider's ARN or its host",
			Source:  "not said for OIDC",
			RestsOn: "both count as possible",
			In:      []string{"internal/policy/caller.go"},
			Answer:  notTried("needs a token of Illumina's provider"),
		},
		{
			ID: "ica-notifications", Grade: "inferred",
			Fact:    "ICA's role reads a bucket's notifications, adds its own and writes all; its targets are in Illumina's account",
			Source:  "S3 replaces the whole (API_PutBucketNotificationConfiguration); Illumina's page on connecting a bucket",
			RestsOn: "what was there before stays the lab's; what leads into the bucket's own account is never put back alone",
			In:      []string{"internal/guard/settings/bucket_notification.go"},
			Answer:  notTried("needs a project in ICA that connects the bucket"),
		},
		{
			ID: "crossaccount-roles", Grade: "inferred",
			Fact:    "Illumina's roles `ica_…_crossacct` of all regions exist as principals",
			Source:  "Illumina's page \"IAM Role Method\", section 8; a policy with a principal that is not there is malformed",
			RestsOn: "bucket and key policies of `crossAccountCopy` can be put",
			In:      []string{"internal/icaconfig/region.go"},
			Answer:  try(crossAccountRoles),
		},
	}
}
