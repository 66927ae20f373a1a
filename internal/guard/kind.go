package guard

import (
	"slices"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Kind is a kind of resource that rows stand on and that IAM actions are allowed on.
type Kind struct {
	Name string
	// ARN names the storage's resource of this kind, as IAM statements and outcomes do; "" if the storage has none.
	ARN func(icaconfig.Storage) string
	// Views are the storage as rows and actions on the kind see it: once for each of its resources of the kind, as if it
	// had no other. nil where a storage has one at most.
	Views func(icaconfig.Storage) []icaconfig.Storage
	// Shared says which storages depend on the resource and in which mode it is guarded; nil where no setting stands on the kind.
	Shared func(icaconfig.Storage) icaconfig.Shared
	// Recreated: icaguard creates such a resource again when it is gone. A bucket's data and a key's are lost with it, and
	// a bucket's name can be taken by strangers, so those are a person's.
	Recreated bool
	// RootCause is the setting that reports that a resource of this kind is gone; every other setting on it only suffers from that.
	RootCause string
}

// Each are the storage's views on its resources of the kind, none where it has no such resource.
func (k *Kind) Each(s icaconfig.Storage) []icaconfig.Storage {
	views := []icaconfig.Storage{s}
	if k.Views != nil {
		views = k.Views(s)
	}
	return slices.DeleteFunc(views, func(v icaconfig.Storage) bool { return k.ARN(v) == "" })
}

// The kinds of resources that storages depend on.
var (
	OnBucket = &Kind{
		Name: "bucket", RootCause: "bucket",
		ARN:    func(s icaconfig.Storage) string { return s.Bucket.ARN },
		Shared: func(s icaconfig.Storage) icaconfig.Shared { return s.Bucket.Shared },
	}
	OnKey = &Kind{
		Name: "key", RootCause: "kms-key-state",
		ARN: func(s icaconfig.Storage) string {
			if s.Key == nil {
				return ""
			}
			return s.Key.ARN
		},
		Shared: func(s icaconfig.Storage) icaconfig.Shared {
			if s.Key == nil {
				return icaconfig.Shared{}
			}
			return s.Key.Shared
		},
		Views: func(s icaconfig.Storage) (views []icaconfig.Storage) {
			for _, key := range s.Keys() {
				view := s
				view.Key, view.OtherKeys = key, nil
				views = append(views, view)
			}
			return views
		},
	}
	OnProvider = &Kind{
		Name: "provider", Recreated: true, RootCause: "oidc-provider",
		ARN:    func(s icaconfig.Storage) string { return s.Provider.ARN },
		Shared: func(s icaconfig.Storage) icaconfig.Shared { return s.Provider.Shared },
	}
	OnRole = &Kind{
		Name: "role", Recreated: true, RootCause: "role",
		ARN:    func(s icaconfig.Storage) string { return s.Role.ARN },
		Shared: func(s icaconfig.Storage) icaconfig.Shared { return s.Role.Shared },
	}
	// OnRoleAnyPath is the role under its name, at whatever path: read only. IAM looks a role up by its name, and asks
	// policies by the path that it has. One that somebody created again elsewhere is to be seen, and so is one that is gone.
	OnRoleAnyPath = &Kind{
		Name: "role at any path",
		ARN:  func(s icaconfig.Storage) string { return s.Role.ARN },
		Views: func(s icaconfig.Storage) (views []icaconfig.Storage) {
			for _, path := range []string{"", "*/"} {
				role, view := *s.Role, s
				role.ARN, view.Role = s.Home.ARN("iam", "", "role/"+path+s.Role.Name), &role
				views = append(views, view)
			}
			return views
		},
	}
	OnPolicy = &Kind{
		Name: "policy", Recreated: true, RootCause: "permission-policy",
		ARN:    func(s icaconfig.Storage) string { return s.Role.Policy.ARN },
		Shared: func(s icaconfig.Storage) icaconfig.Shared { return s.Role.Shared },
	}
	OnParameter = &Kind{
		Name: "parameter",
		ARN:  func(s icaconfig.Storage) string { return s.Role.Prefixes[0].ARN },
		Views: func(s icaconfig.Storage) (views []icaconfig.Storage) {
			for _, prefix := range s.Role.Prefixes {
				role, view := *s.Role, s
				role.Prefixes, view.Role = []icaconfig.SessionNamePrefix{prefix}, &role
				views = append(views, view)
			}
			return views
		},
	}
	// OnPolicies is every managed policy, AWS's own included: read only.
	OnPolicies = &Kind{
		Name: "policies",
		ARN:  func(s icaconfig.Storage) string { return "arn:" + s.Home.Partition + ":iam::*:policy/*" },
	}
	// OnAccount is for actions that AWS allows on "*" only.
	OnAccount = &Kind{Name: "account", ARN: func(icaconfig.Storage) string { return "*" }}
)
