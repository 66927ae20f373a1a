package icaconfig

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Owner is an account that a file may be used for; only File.Owner makes one.
type Owner struct{ account, partition string }

// Owner is the AWS account (12 digits) and partition that everything but Illumina's own is in. It fails if the account
// is not the one that the file asks for, which keeps a deploy with the wrong credentials from touching anything, and
// for partitions in which ICA does not exist.
func (f *File) Owner(account, partition string) (Owner, error) {
	switch {
	case !formats["account"].Match(account):
		return Owner{}, fmt.Errorf("config: baseline: %q is not an AWS account id: 12 digits are needed", account)
	case f.Account != "" && f.Account != account:
		return Owner{}, fmt.Errorf(
			"config: baseline: %s:%d asks for account %s, but the credentials are those of %s: use the other credentials, or correct "+
				"account",
			f.src.Name(),
			f.src.Where("account").Line,
			f.Account,
			account,
		)
	case partition != partitionWithICA:
		return Owner{}, fmt.Errorf(
			"config: baseline: ICA does not exist in AWS partition %q: use an account of partition %q",
			partition,
			partitionWithICA,
		)
	}
	for i, s := range f.Storages {
		if s.regionalName() && s.namedAccount() != account {
			return Owner{}, fmt.Errorf(
				"config: baseline: %s:%d: bucket %s can be created in account %s only, but the credentials are those of %s: use the other "+
					"credentials, or another name",
				f.src.Name(), f.src.Where(at(i, "bucket.name")).Line, s.Bucket.Name, s.namedAccount(), account,
			)
		}
	}
	return Owner{account, partition}, nil
}

func (o Owner) iam(name string) string {
	return "arn:" + o.partition + ":iam::" + o.account + ":" + name
}

// Baseline derives the desired state. It cannot fail: what may be wrong was found by ParseIn and Owner.
func (f *File) Baseline(o Owner) Baseline {
	l := f.linked(o, func(int) bool { return false })
	return Baseline{
		Home:      l.home,
		Tags:      maps.Clone(f.Tags),
		Buckets:   l.buckets.all,
		Keys:      l.keys.all,
		Providers: l.providers.all,
		Roles:     l.roles.all,
		Storages:  l.storages,

		Exceptions: f.exceptions(),
	}
}

// regionalEnding ends the names of an account's regional namespace, NAME-ACCOUNT-REGION-an.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/gpbucketnamespaces.html
const regionalEnding = "-an"

// noRegionalNames are the regions without that namespace (same source).
func noRegionalNames() []string { return []string{"me-south-1", "me-central-1"} }

// regionalName reports whether the bucket is to be created in the account's regional namespace.
func (s *StorageSpec) regionalName() bool {
	return !s.Bucket.Existing && strings.HasSuffix(s.Bucket.Name, regionalEnding)
}

// namedAccount is the account in the name of such a bucket, "" where the name has none.
func (s *StorageSpec) namedAccount() string {
	before, isRegional := strings.CutSuffix(s.Bucket.Name, "-"+s.region().AWS+regionalEnding)
	account := before[max(0, len(before)-12):]
	if !isRegional || !formats["account"].Match(account) {
		return ""
	}
	return account
}

// Two storages share a resource if these ids are equal. The empty id shares nothing.
func (s *StorageSpec) bucketID() string   { return s.Bucket.Name }
func (s *StorageSpec) providerID() string { return s.ICARegion }
func (s *StorageSpec) roleID() string     { return strings.ToLower(s.Role.Name) } // IAM tells names apart without regard to case
func (s *StorageSpec) policyID() string   { return strings.ToLower(s.Role.PolicyName) }

// sharedFirst gives for each storage the first one with the same id, which may be itself.
func (f *File) sharedFirst(id func(*StorageSpec) string) []int {
	firsts, seen := make([]int, len(f.Storages)), map[string]int{}
	for i := range f.Storages {
		own := id(&f.Storages[i])
		first, shared := seen[own]
		if !shared || own == "" {
			first, seen[own] = i, i
		}
		firsts[i] = first
	}
	return firsts
}

// linker makes each resource once and lets storages refer to it.
type linker struct {
	file  *File
	owner Owner
	home  Home
	tags  map[string]string

	buckets   pool[Bucket]
	keys      pool[Key]
	providers pool[Provider]
	roles     pool[Role]
	serves    map[*Role][]*StorageSpec
	storages  []Storage // as many as the file has; those left out are empty
}

// pool holds the resources of a kind in the order in which they are first asked for.
type pool[T any] struct {
	all  []*T
	byID map[string]*T
}

func (p *pool[T]) get(id string, derive func() T) *T {
	if one, ok := p.byID[id]; ok {
		return one
	}
	if p.byID == nil {
		p.byID = map[string]*T{}
	}
	one := new(T)
	*one = derive()
	p.all, p.byID[id] = append(p.all, one), one
	return one
}

func (f *File) linked(o Owner, leftOut func(i int) bool) *linker {
	l := &linker{
		file:     f,
		owner:    o,
		home:     f.home(o),
		tags:     f.marked(),
		serves:   map[*Role][]*StorageSpec{},
		storages: make([]Storage, len(f.Storages)),
	}
	for i := range f.Storages {
		if !leftOut(i) {
			l.storages[i] = l.link(&f.Storages[i])
		}
	}
	for _, role := range l.roles.all {
		l.writePolicy(role)
	}
	return l
}

// link makes the storage. Here alone a resource learns who uses it.
func (l *linker) link(s *StorageSpec) Storage {
	bucket := l.buckets.get(s.bucketID(), func() Bucket { return l.file.bucket(s, l.owner) })
	role := l.roles.get(s.roleID(), func() Role { return l.role(s) })
	provider := l.providers.get(s.providerID(), func() Provider { return s.provider(l.owner) })
	role.Buckets, l.serves[role] = append(role.Buckets, bucket), append(l.serves[role], s)
	role.DropsKeys = role.DropsKeys || s.KMS.DropPreviousKey
	users := []*Shared{&bucket.Shared, &role.Shared, &provider.Shared}
	var key *Key
	var others []*Key
	for _, k := range s.keys() {
		one := l.keys.get(k.arn, func() Key { return Key{ARN: k.arn} })
		users = append(users, &one.Shared)
		if one.use(s, role.ARN, k.previous); k.arn == s.Bucket.KMSKeyARN {
			key = one
		} else {
			others = append(others, one)
		}
	}
	for _, shared := range users {
		shared.use(s.Name, s.Mode)
	}
	return Storage{
		Name: s.Name, Mode: s.Mode, Home: l.home, Region: s.region(), CrossAccount: s.region().crossAccount(l.owner.partition),
		Bucket: bucket, Role: role, Provider: provider, Key: key, OtherKeys: others, Own: l.file.own(s, l.owner),
	}
}

// Namespace is what CreateBucket has to be told of a name of the account's regional namespace; "" for all others.
func (b *Bucket) Namespace() string {
	if b.Existing || !strings.HasSuffix(b.Name, regionalEnding) {
		return ""
	}
	return "account-regional"
}

func (f *File) bucket(s *StorageSpec, o Owner) Bucket {
	return Bucket{
		Name:              s.Bucket.Name,
		ARN:               "arn:" + o.partition + ":s3:::" + s.Bucket.Name,
		Folder:            s.Bucket.Folder,
		Existing:          s.Bucket.Existing,
		CORS:              f.cors(s),
		Versioning:        Versioning(s.Bucket.Versioning),
		PublicAccessBlock: s.Bucket.PublicAccessBlock,
		RequireTLS:        s.Bucket.RequireTLS,
		ObjectTags:        s.Bucket.ObjectTags,
		CrossAccountCopy:  s.Bucket.CrossAccountCopy,
		LifecycleExpected: s.Bucket.Lifecycle.Word == "expected",
		LifecycleRules:    s.Bucket.Lifecycle.Expected,
		EnforceOwnership:  !s.Bucket.Existing,
		KMSKeyARN:         s.Bucket.KMSKeyARN,
		NextKey:           s.KMS.NextKey,
		PreviousKeys:      s.KMS.PreviousKeys,
	}
}

// use adds what a storage needs of the key: one that encrypts with it needs more than one that only still has objects
// under it, and so does its role.
func (k *Key) use(s *StorageSpec, role string, previous bool) {
	if previous {
		k.CrossAccountRead = k.CrossAccountRead || s.Bucket.CrossAccountCopy
		if !slices.Contains(k.Roles, role) {
			k.Readers = appendNew(k.Readers, role)
		}
		return
	}
	k.Restore = s.KMS.Restore // checkKeys: the storages that encrypt with it, or will, agree
	k.CrossAccountCopy = k.CrossAccountCopy || s.Bucket.CrossAccountCopy
	k.Roles = appendNew(k.Roles, role)
	k.Readers = slices.DeleteFunc(k.Readers, func(r string) bool { return r == role })
}

// namedKey is a key that a storage names, and the key of the file that names it.
type namedKey struct {
	arn, path string
	previous  bool
}

// keys are those that a storage names: the one that its bucket encrypts with, the next one, and those before.
func (s *StorageSpec) keys() []namedKey {
	var all []namedKey
	for _, k := range []namedKey{{arn: s.Bucket.KMSKeyARN, path: "bucket.kmsKeyArn"}, {arn: s.KMS.NextKey, path: "kms.nextKey"}} {
		if k.arn != "" {
			all = append(all, k)
		}
	}
	for j, arn := range s.KMS.PreviousKeys {
		if arn != "" { // one with a fault
			all = append(all, namedKey{arn, fmt.Sprintf("kms.previousKeys[%d]", j), true})
		}
	}
	return all
}

func (s *StorageSpec) provider(o Owner) Provider {
	host := s.region().host()
	return Provider{
		ARN: o.iam("oidc-provider/" + host), URL: "https://" + host, Host: host, Audience: Audience, Existing: s.OIDCProvider.Existing,
	}
}

func (l *linker) role(s *StorageSpec) Role {
	return Role{
		Name: s.Role.Name, Path: s.Role.Path, ARN: l.owner.iam("role" + s.Role.Path + s.Role.Name), Description: s.Role.Description,
		Existing: s.Role.Existing, Strict: s.Role.Strict, MaxSessionDuration: SessionDuration,
		Boundary: s.boundary(l.owner), Tags: l.tags, Prefixes: l.file.prefixes(s, l.owner),
		Policy: Policy{Name: s.Role.PolicyName, ARN: l.owner.iam("policy/" + s.Role.PolicyName)},
	}
}

// writePolicy comes when all of the role's buckets are known.
func (l *linker) writePolicy(r *Role) {
	r.Own = l.file.ownPermissions(l.serves[r], l.owner)
	r.Policy.Document = r.PermissionPolicy(func(b *Bucket) bool { return b.Versioning == VersioningEnabled })
}

func (f *File) prefixes(s *StorageSpec, o Owner) []SessionNamePrefix {
	var all []SessionNamePrefix
	for _, text := range s.Role.SessionNamePrefix {
		prefix := prefixOf(text)
		if prefix.Parameter != "" {
			// A name with a slash at its beginning keeps only one (AWS: "Parameter ARNs").
			prefix.ARN = "arn:" + o.partition + ":ssm:" + f.HomeRegion + ":" + o.account + ":parameter/" + strings.TrimPrefix(
				prefix.Parameter, "/",
			)
		}
		all = append(all, prefix)
	}
	return all
}

func (s *StorageSpec) boundary(o Owner) Boundary {
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

// marked are the tags of every role.
func (f *File) marked() map[string]string {
	tags := map[string]string{MarkerTag: MarkerTagValue}
	maps.Copy(tags, f.Tags)
	return tags
}

func appendNew(all []string, one string) []string {
	if slices.Contains(all, one) {
		return all
	}
	return append(all, one)
}
