package settings

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// roleUse is what has to be known of ICA's role to tell what a policy on it takes from ICA.
type roleUse struct {
	RoleID     string
	Versioning map[string]types.BucketVersioningStatus // by bucket; one that cannot be read counts as never versioned
}

// readRoleUse reads what a question needs. It is read where there is something to ask only.
func readRoleUse(ctx context.Context, c guard.Clients, s icaconfig.Storage) (roleUse, error) {
	role, err := ourRole(ctx, c, s)
	if err != nil {
		return roleUse{}, err
	}
	use := roleUse{RoleID: aws.ToString(role.RoleId), Versioning: map[string]types.BucketVersioningStatus{}}
	for _, bucket := range s.Role.Buckets {
		got, err := versioningOf(ctx, c, s.Region.AWS, bucket.Name)
		if err != nil && awserr.Classify(err) == awserr.Transient {
			return roleUse{}, err
		}
		use.Versioning[bucket.Name] = got.Status
	}
	return use, nil
}

// calls are what ICA does with the role: what its permission policy permits.
func (u roleUse) calls(s icaconfig.Storage) []policy.Calls {
	return s.Role.PermissionPolicy(func(b *icaconfig.Bucket) bool { return needsVersioned(b, u.Versioning[b.Name]) }).Calls()
}

// caller is ICA's role. Whose the resources are is left open where a key is another account's.
func (u roleUse) caller(s icaconfig.Storage) policy.Caller {
	who := policy.Caller{RoleARN: s.Role.ARN, RoleID: u.RoleID, ResourceAccount: accountOf(s)}
	for _, bucket := range s.Role.Buckets {
		if bucket.KMSKeyARN != "" && accountOfARN(bucket.KMSKeyARN) != who.ResourceAccount {
			who.ResourceAccount = ""
		}
	}
	return who
}

// denials are the Denies of a policy on the role: those that always hit ICA's calls, and those that may. An explicit
// Deny is a decision of people.
func (u roleUse) denials(s icaconfig.Storage, d policy.Document) (always, may []string) {
	for _, hit := range policy.Denies(d, u.caller(s), u.calls(s)) {
		if hit.Certain {
			always = append(always, hit.String())
		} else {
			may = append(may, hit.String())
		}
	}
	return always, may
}

// lacks are the calls of ICA's that a permissions boundary never permits, and those that it may not permit.
func (u roleUse) lacks(s icaconfig.Storage, d policy.Document) (always, may []string) {
	for _, lack := range policy.Lacks(d, u.caller(s), u.calls(s)) {
		if call := lack.Action + " on " + lack.Resource; lack.Certain {
			always = append(always, call)
		} else {
			may = append(may, call)
		}
	}
	return always, may
}

// served names the storages that stand or fall with the role.
func served(s icaconfig.Storage) string {
	if len(s.Role.Storages) == 1 {
		return "storage " + s.Role.Storages[0]
	}
	return fmt.Sprintf("storages %s", strings.Join(s.Role.Storages, ", "))
}
