package guard

import "slices"

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

// SelfChecks are the checks of what icaguard receives events by and acts with. All of it is watched, none of it restored: CloudFormation owns it.
func SelfChecks() []Setting {
	return []Setting{
		guardTrail(),
		guardRules(),
		guardQueue(),
		guardFunction(),
		guardRole(),
		guardTopic(),
		guardLedger(),
		guardPause(),
	}
}

// All is what the functions check: the storages, then the guard itself.
func All() []Setting { return slices.Concat(Settings(), SelfChecks()) }
