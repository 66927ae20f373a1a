package beliefs

func aboutS3() []Belief { //nolint:funlen // a table
	return []Belief{
		{
			ID: "tiering-events", Grade: "inferred",
			Fact: "CloudTrail names the calls on a bucket's Intelligent-Tiering configurations " +
				"PutBucketIntelligentTieringConfiguration and DeleteBucketIntelligentTieringConfiguration, with `bucketName`",
			Source:  "the operations' names; other bucket events are named so",
			RestsOn: "`bucket-lifecycle` is checked when they happen, not only by the audit",
			In:      []string{"internal/guard/settings/bucket_lifecycle.go"},
			OfRun: each(
				has("bucketName", "text"),
				"PutBucketIntelligentTieringConfiguration", "DeleteBucketIntelligentTieringConfiguration",
			),
		},
		{
			ID: "s3-kms-reads-13s", Grade: "inferred",
			Fact: "S3 and KMS show a written bucket or key configuration to every read 13 seconds later",
			Source: "S3 User Guide, \"Amazon S3 data consistency model\" (bucket configurations are eventually consistent, no " +
				"bound given)",
			RestsOn: "a restore that an event contradicts waits so long, then writes on what is read",
			In:      []string{"internal/guard/witness.go"},
			Answer:  try(bucketAndKeyReads),
		},
		{
			ID: "two-equal-reads", Grade: "inferred",
			Fact: "Two equal reads of a bucket's configuration, two seconds apart, are not both of a state that was replaced " +
				"before them",
			Source:  "S3 User Guide, \"Amazon S3 data consistency model\", no bound given",
			RestsOn: "what others own is written over after two such reads; the newest event is asked too",
			In:      []string{"internal/guard/engine.go"},
			Answer:  try(equalReads),
		},
		{
			ID: "regional-bucket-names", Grade: "doc",
			Fact: "A bucket whose name ends in `-an` can only be created in the account's regional namespace, as " +
				"NAME-ACCOUNT-REGION-an with `BucketNamespace: account-regional`; not in me-south-1 and me-central-1",
			Source:  "S3 User Guide, \"General purpose bucket naming rules\", \"Namespaces for general purpose buckets\"",
			RestsOn: "the template's property, and what is refused at synthesis",
			In:      []string{"internal/icaconfig/link.go"},
			Answer:  documented(),
		},
		{
			ID: "filter-names", Grade: "sample",
			Fact:    "GetBucketNotificationConfiguration answers filter names as `Prefix` and `Suffix`, however they were written",
			Source:  "recorded answers of S3 in LocalStack's tests; the API reference has lower case",
			RestsOn: "filter names are read without regard to case and written in lower case",
			In:      []string{"internal/guard/settings/notification_entry.go"},
			Answer:  try(filterNames),
		},
		{
			ID: "default-encryption-stays", Grade: "doc",
			Fact:    "Changing a bucket's default encryption leaves objects under the key with which they were written",
			Source:  "S3 User Guide, \"Specifying server-side encryption with AWS KMS (SSE-KMS)\"",
			RestsOn: "`kms.previousKeys`, the refusal to drop a key",
			In:      []string{"internal/icaconfig/check.go"},
			Answer:  try(encryptionStays),
		},
		{
			ID: "documents-read-alike", Grade: "inferred",
			Fact: "S3, KMS and IAM answer a statement, a policy or a lifecycle rule that nobody changed alike at every read, " +
				"but for principals that were deleted",
			Source:  "API_GetBucketPolicy, API_GetPolicyVersion say that what was put is answered",
			RestsOn: "the digest of an exception: where it differs, the finding is reported again",
			In:      []string{"internal/guard/exception.go"},
			Answer:  try(documentsReadAlike),
		},
		{
			ID: "absent-codes", Grade: "doc",
			Fact: "A bucket without a configuration answers `NoSuchCORSConfiguration`, `NoSuchBucketPolicy`, " +
				"`NoSuchPublicAccessBlockConfiguration`, `OwnershipControlsNotFoundError`, `NoSuchLifecycleConfiguration` or " +
				"`ObjectLockConfigurationNotFoundError`",
			Source:  "S3 API Reference, \"Error responses\"; the SDK has no types for them",
			RestsOn: "that answer is the zero state; every other error is not",
			In:      []string{"internal/awserr/errors.go"},
			Answer:  try(absentCodes),
		},
	}
}
