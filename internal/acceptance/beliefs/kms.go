package beliefs

func aboutKMS() []Belief { //nolint:funlen // a table
	return []Belief{
		{
			ID: "kms-via-s3", Grade: "doc",
			Fact: "S3's calls to KMS for an object carry `kms:ViaService` s3.REGION.amazonaws.com, the caller's account, and " +
				"the object's or (bucket key) the bucket's ARN as `aws:s3:arn`",
			Source:  "KMS, \"AWS KMS condition keys\"; S3, \"Using SSE-KMS\"",
			RestsOn: "a key policy for calls through S3 is enough for ICA's role",
			In:      []string{"internal/policy/caller.go"},
			Answer:  documented(),
		},
		{
			ID: "expired-material-event", Grade: "doc",
			Fact:    "KMS records DeleteExpiredKeyMaterial as a service event that names the key under `resources` only",
			Source:  "AWS KMS Developer Guide, \"DeleteExpiredKeyMaterial\" (CloudTrail log entries)",
			RestsOn: "`kms-key-state` is checked when imported material expires",
			In:      []string{"internal/guard/settings/kms_key_state.go"},
			Answer:  notTried("key material takes hours to expire"),
		},
		{
			ID: "key-store-disconnected", Grade: "doc",
			Fact:    "DisconnectCustomKeyStore names the store, not its keys, and makes each of them Unavailable",
			Source:  "AWS KMS Developer Guide, \"DisconnectCustomKeyStore\" and \"Key states\"",
			RestsOn: "every key is checked after it, whichever store it was",
			In:      []string{"internal/guard/settings/kms_key_state.go"},
			Answer:  notTried("needs a custom key store, which is a CloudHSM cluster"),
		},
		{
			ID: "material-again", Grade: "doc",
			Fact:    "A deleted imported key material can be imported again, the same only",
			Source:  "AWS KMS Developer Guide, \"Importing key material\"",
			RestsOn: "the advice for state PendingImport",
			In:      []string{"internal/guard/settings/kms_key_state.go"},
			Answer:  documented(),
		},
		{
			ID: "lockout-bypass-key", Grade: "inferred",
			Fact:    "`kms:BypassPolicyLockoutSafetyCheck` is absent or false where `PutKeyPolicy` is not given the parameter",
			Source:  "[KMS: condition keys](https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html)",
			RestsOn: "`BoolIfExists … false` on `PutKeyPolicy`, which holds either way",
			In:      []string{"internal/guard/settings/kms_key_policy.go"},
			Answer:  try(lockoutBypassKey),
		},
		{
			ID: "kms-decrypt-only", Grade: "doc",
			Fact: "Reading an object under SSE-KMS takes `kms:Decrypt` on its key and nothing else of KMS; completing a " +
				"multipart upload also `kms:GenerateDataKey`",
			Source: "S3 User Guide, \"Specifying server-side encryption with AWS KMS (SSE-KMS)\" and \"Multipart upload API and " +
				"permissions\"",
			RestsOn: "`kms.previousKeys` are for decrypting only",
			In:      []string{"internal/guard/settings/kms_key_policy.go"},
			Answer:  documented(),
		},
		{
			ID: "cancelled-key-disabled", Grade: "doc",
			Fact:    "A key whose deletion was cancelled is disabled until somebody enables it",
			Source:  "KMS API Reference, CancelKeyDeletion",
			RestsOn: "`kms-key-state` cancels, then enables",
			In:      []string{"internal/guard/settings/kms_key_state.go"},
			Answer:  try(cancelledKey),
		},
	}
}
