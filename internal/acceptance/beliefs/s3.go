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
		{
			ID: "lock-later", Grade: "doc",
			Fact:    "PutObjectLockConfiguration works on a versioned bucket that was created without object lock, without AWS's help",
			Source:  "S3 User Guide, \"Configuring S3 Object Lock\"",
			RestsOn: "`bucket-object-lock` is for every bucket, and the acceptance test breaks it so",
			In:      []string{"internal/guard/settings/bucket_object_lock.go", "internal/acceptance/breaks.go"},
			Answer:  try(lockLater),
		},
		{
			ID: "bypass-without-lock", Grade: "inferred",
			Fact:    "S3 refuses `x-amz-bypass-governance-retention` on a bucket without object lock",
			Source:  "public issues; API_DeleteObject says that it is for buckets with object lock",
			RestsOn: "the acceptance test bypasses the retention of the trail's bucket only",
			In:      []string{"internal/acceptance/read.go"},
			Answer:  try(bypassWithoutLock),
		},
		{
			ID: "bucket-name-again", Grade: "inferred",
			Fact:    "The name of a bucket that was deleted can be taken again by the same account within minutes",
			Source:  "S3 User Guide, \"Deleting a bucket\", says that it may take some time, and that others may take it",
			RestsOn: "the advice for a deleted bucket is to create it again at once; so does the acceptance test",
			In:      []string{"internal/guard/settings/bucket.go", "internal/acceptance/breaks.go"},
			Answer:  try(bucketNameAgain),
		},
	}
}
