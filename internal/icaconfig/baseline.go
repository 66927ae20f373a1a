package icaconfig

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// SessionDuration is the role's maximum session duration in seconds. Source: Illumina, "IAM Role Method": "If the role time is not set
// to 12 hours, the storage configuration will not go online."
const SessionDuration int32 = 12 * 60 * 60

// Audience is what ICA's tokens are issued for and the OIDC provider must accept.
const Audience = "sts.amazonaws.com"

// partitionWithICA is the only AWS partition in which ICA exists.
const partitionWithICA = "aws"

// Baseline is what must be true in one AWS account for ICA to work: desired state as plain data, nothing read from AWS.
type Baseline struct {
	Home
	Tags     map[string]string
	Storages []Storage // in the order of the file
}

// Storage is one ICA storage and everything that it depends on.
type Storage struct {
	Name         string
	Mode         Mode
	Home         Home
	Region       Region // with the user's own provider id and namespace put in
	CrossAccount string // ARN of Illumina's role that copies between accounts
	Bucket       Bucket
	Role         Role
	Provider     Provider
	Key          KMSKey
	Own          OwnDocuments
}

// OwnDocuments are the user's documents in place of ours, filled in; what is empty is ours. Those of the bucket and the role that can be
// told without knowing more stand there: Bucket.CORS and Role.Own.
type OwnDocuments struct {
	Trust        Document // PREFIX still stands for the session-name prefix
	CrossAccount []Statement
}

// KMSKey is the KMS key that the bucket is encrypted with; the zero value where there is none. Storages with the same key carry equal
// copies of it.
type KMSKey struct {
	ARN              string
	Restore          bool     // the guard may enable it, cancel its deletion and put its statements into its policy
	Mode             Mode     // enforce only if every storage that shares the key enforces
	CrossAccountCopy bool     // a storage that shares the key asks for it
	Roles            []string // ARNs of ICA's roles that use the key
}

// Versioning is what ica.yaml says about the bucket's versioning.
type Versioning string

// The values of bucket.versioning.
const (
	VersioningAuto    Versioning = "auto"    // permissions follow the bucket
	VersioningNever   Versioning = "never"   // a versioned bucket is an alert
	VersioningEnabled Versioning = "enabled" // kept on
)

// Bucket is the storage's S3 bucket.
type Bucket struct {
	Name, ARN         string
	Folder            string // without slashes at its ends; "" is the whole bucket
	Existing          bool   // adopted, not created
	CORS              CORSRule
	Versioning        Versioning
	PublicAccessBlock bool // all four blocks are wanted
	RequireTLS        bool
	ObjectTags        bool
	CrossAccountCopy  bool
	LifecycleExpected bool   // rules that expire or archive in ICA's folder are on purpose
	EnforceOwnership  bool   // BucketOwnerEnforced is ours to keep: on buckets that we create
	KMSKeyARN         string // "" where no key is named
}

// Role is the IAM role that ICA assumes. Storages with the same role name carry equal copies of it.
type Role struct {
	Name, Path, ARN, Description string

	Existing           bool
	Strict             bool  // policies of others are removed from it
	MaxSessionDuration int32 // seconds
	Mode               Mode  // enforce only if every storage that shares the role enforces
	Boundary           Boundary
	Tags               map[string]string // the file's, and our marker
	Prefix             SessionNamePrefix
	Policy             Policy
	Buckets            []Bucket // all that the role serves, in the order of the file
	Own                Document // the user's own permission policy for all buckets; without statements: ours
}

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
	Document  Document // what the template carries: the versioned variant under versioning: enabled, else the unversioned
}

// Provider is the OIDC provider in IAM that stands for ICA in one region. Storages of a region share it.
type Provider struct {
	ARN      string
	URL      string // https://Host
	Host     string // oidc.eks.REGION.amazonaws.com/id/ID, the prefix of its condition keys
	Audience string
	Existing bool
	Mode     Mode // enforce only if every storage that shares the provider enforces
}

// Baseline derives the desired state for one AWS account (12 digits) and partition. It fails if account is not the one that the file
// asks for, which keeps a deploy with the wrong credentials from touching anything, and for partitions in which ICA does not exist.
func (f *File) Baseline(account, partition string) (Baseline, error) {
	if !formats()["account"].match(account) {
		return Baseline{}, fmt.Errorf("config: baseline: %q is not an AWS account id: 12 digits are needed", account)
	}
	if f.Account != "" && f.Account != account {
		return Baseline{}, fmt.Errorf("config: baseline: %s:%d asks for account %s, but the credentials are those of %s: use the other credentials, or correct account",
			f.src.name, f.src.where("account").line, f.Account, account)
	}
	if partition != partitionWithICA {
		return Baseline{}, fmt.Errorf("config: baseline: ICA does not exist in AWS partition %q: use an account of partition %q", partition, partitionWithICA)
	}
	o := owner{account, partition}
	b := Baseline{Home: f.home(o), Tags: maps.Clone(f.Tags)}
	for _, spec := range f.Storages {
		s, err := f.storage(spec, o)
		if err != nil {
			return Baseline{}, fmt.Errorf("config: baseline: storage %s: %w", spec.Name, err)
		}
		b.Storages = append(b.Storages, s)
	}
	return b, nil
}

// owner is the account that everything but Illumina's own is in.
type owner struct{ account, partition string }

func (o owner) iam(name string) string {
	return "arn:" + o.partition + ":iam::" + o.account + ":" + name
}

func (f *File) storage(s StorageSpec, o owner) (Storage, error) {
	bucket, err := f.bucket(s, o)
	if err != nil {
		return Storage{}, err
	}
	role, err := f.role(s, o)
	if err != nil {
		return Storage{}, err
	}
	own, err := f.own(s, o)
	if err != nil {
		return Storage{}, err
	}
	return Storage{
		Name: s.Name, Mode: s.Mode, Home: f.home(o), Region: s.region(), CrossAccount: s.region().crossAccount(o.partition),
		Bucket: bucket, Role: role, Provider: f.provider(s, o), Key: f.key(s, o), Own: own,
	}, nil
}

func (f *File) bucket(s StorageSpec, o owner) (Bucket, error) {
	cors, err := f.cors(s)
	return Bucket{
		Name: s.Bucket.Name, ARN: s.bucketARN(o), Folder: s.Bucket.Folder, Existing: s.Bucket.Existing, CORS: cors,
		Versioning: Versioning(s.Bucket.Versioning), PublicAccessBlock: s.Bucket.PublicAccessBlock, RequireTLS: s.Bucket.RequireTLS,
		ObjectTags: s.Bucket.ObjectTags, CrossAccountCopy: s.Bucket.CrossAccountCopy, LifecycleExpected: s.Bucket.Lifecycle == "expected",
		EnforceOwnership: !s.Bucket.Existing, KMSKeyARN: s.Bucket.KMSKeyARN,
	}, err
}

func (s StorageSpec) bucketARN(o owner) string {
	return "arn:" + o.partition + ":s3:::" + s.Bucket.Name
}

func (f *File) role(s StorageSpec, o owner) (Role, error) {
	prefix, err := f.prefix(s, o)
	if err != nil {
		return Role{}, err
	}
	sharing := f.with(s, sameRole)
	r := Role{
		Name: s.Role.Name, Path: s.Role.Path, ARN: s.roleARN(o), Description: s.Role.Description,
		Existing: s.Role.Existing, Strict: s.Role.Strict, MaxSessionDuration: SessionDuration, Mode: weakest(sharing),
		Boundary: s.boundary(o), Tags: f.marked(), Prefix: prefix,
		Policy: Policy{Name: s.Role.PolicyName, ARN: o.iam("policy/" + s.Role.PolicyName)},
	}
	for _, other := range sharing {
		bucket, err := f.bucket(other, o)
		if err != nil {
			return Role{}, err
		}
		r.Buckets = append(r.Buckets, bucket)
	}
	if r.Own, err = f.ownPermissions(sharing, o); err != nil {
		return Role{}, err
	}
	r.Policy.Document = r.PermissionPolicy(func(b Bucket) bool { return b.Versioning == VersioningEnabled })
	return r, nil
}

func (s StorageSpec) roleARN(o owner) string { return o.iam("role" + s.Role.Path + s.Role.Name) }

func (f *File) prefix(s StorageSpec, o owner) (SessionNamePrefix, error) {
	prefix, err := parsePrefix(s.Role.SessionNamePrefix)
	if prefix.Parameter != "" {
		// A name with a slash at its beginning keeps only one (AWS: "Parameter ARNs").
		prefix.ARN = "arn:" + o.partition + ":ssm:" + f.HomeRegion + ":" + o.account + ":parameter/" + strings.TrimPrefix(prefix.Parameter, "/")
	}
	return prefix, err
}

func (s StorageSpec) boundary(o owner) Boundary {
	switch s.Role.Boundary {
	case "none":
		return Boundary{}
	case "icaguard":
		name := BoundaryPrefix + s.Role.Name
		return Boundary{ARN: o.iam("policy/" + name), Ours: true, Name: name}
	default:
		return Boundary{ARN: s.Role.Boundary}
	}
}

func (f *File) marked() map[string]string {
	tags := map[string]string{MarkerTag: MarkerTagValue}
	maps.Copy(tags, f.Tags)
	return tags
}

func (f *File) provider(s StorageSpec, o owner) Provider {
	host := s.region().host()
	return Provider{
		ARN: o.iam("oidc-provider/" + host), URL: "https://" + host, Host: host, Audience: Audience,
		Existing: s.OIDCProvider.Existing, Mode: weakest(f.with(s, sameRegion)),
	}
}

func (f *File) key(s StorageSpec, o owner) KMSKey {
	if s.Bucket.KMSKeyARN == "" {
		return KMSKey{}
	}
	sharing := f.with(s, sameKey)
	k := KMSKey{ARN: s.Bucket.KMSKeyARN, Restore: s.KMS.Restore, Mode: weakest(sharing)}
	for _, other := range sharing {
		k.CrossAccountCopy = k.CrossAccountCopy || other.Bucket.CrossAccountCopy
		k.Roles = appendNew(k.Roles, other.roleARN(o))
	}
	return k
}

func appendNew(all []string, one string) []string {
	if slices.Contains(all, one) {
		return all
	}
	return append(all, one)
}

// with lists the storages that share something with s, s among them, in the order of the file.
func (f *File) with(s StorageSpec, same func(a, b StorageSpec) bool) []StorageSpec {
	return slices.DeleteFunc(slices.Clone(f.Storages), func(other StorageSpec) bool { return !same(s, other) })
}

// sameRole: IAM tells role names apart without regard to case.
func sameRole(a, b StorageSpec) bool {
	return a.Role.Name != "" && strings.EqualFold(a.Role.Name, b.Role.Name)
}

func sameRegion(a, b StorageSpec) bool { return a.ICARegion != "" && a.ICARegion == b.ICARegion }

func sameKey(a, b StorageSpec) bool {
	return a.Bucket.KMSKeyARN != "" && a.Bucket.KMSKeyARN == b.Bucket.KMSKeyARN
}

// weakest is observe as soon as one storage observes: observe promises that nothing it depends on is changed.
func weakest(storages []StorageSpec) Mode {
	if slices.ContainsFunc(storages, func(s StorageSpec) bool { return s.Mode == Observe }) {
		return Observe
	}
	return Enforce
}
