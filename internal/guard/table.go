package guard

// Settings is the table: everything that is guarded, in the order of restoring (the bucket before the role that
// needs it). Adding a setting is one file and one word here.
func Settings() []Setting {
	return []Setting{
		bucket(),
		bucketPublicAccess(),
		bucketOwnership(),
		bucketEncryption(),
		bucketVersioning(),
		bucketCORS(),
		bucketLifecycle(),
		bucketObjectLock(),
		kmsKeyState(),
		oidcProvider(),
		role(),
		roleBoundary(),
		roleTrustPolicy(),
		roleSessionDuration(),
		permissionPolicy(),
		permissionPolicyAttached(),
		roleForeignPolicies(),
		bucketPolicy(),
		kmsKeyPolicy(),
		bucketNotification(),
	}
}
