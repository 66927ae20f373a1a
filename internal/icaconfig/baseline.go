package icaconfig

import (
	"fmt"
	"slices"

	"github.com/icaguard/icaguard/internal/policy"
)

// SessionDuration is the role's maximum session duration in seconds. Source: Illumina, "IAM Role Method": "If the role
// time is not set to 12 hours, the storage configuration will not go online."
const SessionDuration int32 = 12 * 60 * 60

// Audience is what ICA's tokens are issued for and the OIDC provider must accept.
const Audience = "sts.amazonaws.com"

// partitionWithICA is the only AWS partition in which ICA exists.
const partitionWithICA = "aws"

// Baseline is what must be true in one AWS account for ICA to work: desired state as plain data, nothing read from AWS.
// Each resource stands in it once, in the order in which the file first mentions it; storages refer to it, and it knows
// its storages.
type Baseline struct {
	Home
	Tags      map[string]string
	Buckets   []*Bucket
	Keys      []*Key
	Providers []*Provider
	Roles     []*Role
	Storages  []Storage // in the order of the file

	Exceptions []Exception // in the order of the file
}

// Storage is one ICA storage and everything that it depends on.
type Storage struct {
	Name         string
	Mode         Mode
	Home         Home
	Region       Region // with the user's own provider id and namespace put in
	CrossAccount string // ARN of Illumina's role that copies between accounts
	Bucket       *Bucket
	Role         *Role
	Provider     *Provider
	Key          *Key   // that the bucket encrypts with; nil where it names none
	OtherKeys    []*Key // that it encrypts with next, or that older objects are encrypted with
	Own          OwnDocuments
}

// Shared is what a resource knows of the storages that use it.
type Shared struct {
	Storages []string // their names, in the order of the file
	Mode     Mode     // the most careful of theirs
}

// use adds a storage. The mode is observe as soon as one storage observes: observe promises that nothing it depends on
// is changed.
func (s *Shared) use(storage string, mode Mode) {
	s.Storages = append(s.Storages, storage)
	if s.Mode == "" || mode == Observe {
		s.Mode = mode
	}
}

// OwnDocuments are the user's documents in place of ours, filled in; what is empty is ours. Those of the bucket and the
// role that can be told without knowing more stand there: Bucket.CORS and Role.Own.
type OwnDocuments struct {
	Trust        policy.Document // PREFIX still stands for the session-name prefix
	CrossAccount []policy.Statement
}

// Keys are all keys that the storage needs.
func (s Storage) Keys() []*Key {
	if s.Key == nil {
		return s.OtherKeys
	}
	return slices.Concat([]*Key{s.Key}, s.OtherKeys)
}

// Key is a KMS key that buckets encrypt with, will next, or did before.
type Key struct {
	Shared
	ARN              string
	Restore          bool     // the guard may enable it, cancel its deletion and put its statements into its policy
	CrossAccountCopy bool     // a storage that encrypts with the key asks for it
	CrossAccountRead bool     // a storage with older objects under the key asks for it
	Roles            []string // ARNs of ICA's roles that encrypt and decrypt with the key
	Readers          []string // ARNs of the other roles of ICA, which only decrypt older objects
}

// Previous says that no bucket encrypts with the key, or is to: what is under it is only read.
func (k *Key) Previous() bool { return len(k.Roles) == 0 }

// Versioning is what ica.yaml says about the bucket's versioning.
type Versioning string

// The values of bucket.versioning.
const (
	VersioningAuto    Versioning = "auto"    // permissions follow the bucket
	VersioningNever   Versioning = "never"   // a versioned bucket is an alert
	VersioningEnabled Versioning = "enabled" // kept on
)

// Bucket is an S3 bucket. ParseIn refuses a file in which two storages have the same one.
type Bucket struct {
	Shared
	Name, ARN         string
	Folder            string // without slashes at its ends; "" is the whole bucket
	Existing          bool   // adopted, not created
	CORS              CORSRule
	Versioning        Versioning
	PublicAccessBlock bool // all four blocks are wanted
	RequireTLS        bool
	ObjectTags        bool
	CrossAccountCopy  bool
	LifecycleExpected bool     // all rules that expire or archive in ICA's folder are on purpose
	LifecycleRules    []string // ids of those that are, where not all are
	EnforceOwnership  bool     // BucketOwnerEnforced is ours to keep: on buckets that we create
	KMSKeyARN         string   // "" where no key is named
	NextKey           string   // ARN of the key to come; "" where none is
	PreviousKeys      []string // ARNs of the keys that older objects are encrypted with
}

// ExpectsRule reports whether the lifecycle rule with this id is on purpose.
func (b *Bucket) ExpectsRule(id string) bool {
	return b.LifecycleExpected || id != "" && slices.Contains(b.LifecycleRules, id)
}

// Role is an IAM role that ICA assumes.
type Role struct {
	Shared
	Name, Path, ARN, Description string

	Existing           bool
	Strict             bool  // policies of others are removed from it
	MaxSessionDuration int32 // seconds
	Boundary           Boundary
	Tags               map[string]string   // the file's, and our marker
	Prefixes           []SessionNamePrefix // whoever shows one of them is ICA
	DropsKeys          bool                // a deploy may take keys from its policy
	Policy             Policy
	Buckets            []*Bucket       // all that the role serves, in the order of the file
	Own                policy.Document // the user's own permission policy for all buckets; without statements: ours
}

// Format prints the role's name alone. With a verb that does not fit, as %s, fmt prints what a pointer leads to without
// calling any method (badVerb in fmt/print.go), Secret's neither.
func (r *Role) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("role " + r.Name)) }

// BoundaryPrefix begins the name of every boundary of ours; the role's name follows.
const BoundaryPrefix = "icaguard-boundary-"

// Boundary is the permissions boundary that is asked for.
type Boundary struct {
	ARN  string // "": none is asked for
	Ours bool   // Role.BoundaryDocument is its content, at path "/"
	Name string // of the policy, if it is ours
}

// The tag that tells the roles that icaguard manages.
const (
	MarkerTag      = "icaguard"
	MarkerTagValue = "managed"
)

// Policy is the role's customer managed policy, at path "/"; its document covers all buckets of the role.
type Policy struct {
	Name, ARN string
	Document  policy.Document // what the template carries: the versioned variant under versioning: enabled, else the unversioned
}

// Provider is the OIDC provider in IAM that stands for ICA in one region.
type Provider struct {
	Shared
	ARN      string
	URL      string // https://Host
	Host     string // oidc.eks.REGION.amazonaws.com/id/ID, the prefix of its condition keys
	Audience string
	Existing bool
}
