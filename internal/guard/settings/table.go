// Package settings is the table of what is guarded: one file for each setting, with how it is read, compared and restored.
//
// Invariant: reading and comparing write nothing; a restore never widens beyond the baseline and keeps what others own.
// Settings know nothing of queues, gates and messages.
package settings

import (
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// All is the table: everything that is guarded, in the order of restoring (the bucket before the role that
// needs it). Adding a setting is one file and one word here.
func All() []guard.Setting {
	return []guard.Setting{
		bucket(),
		bucketPublicAccess(),
		bucketOwnership(),
		bucketEncryption(),
		bucketVersioning(),
		bucketCORS(),
		bucketLifecycle(),
		bucketObjectLock(),
		bucketRequestPayment(),
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

// Exceptable is what the configuration has to know of the table, to check its exceptions.
func Exceptable() []icaconfig.Exceptable { return guard.Exceptable(All()) }
