package icaconfig

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/icaguard/icaguard/internal/yamlspec"
)

// checker adds to what decoding found.
type checker struct{ *yamlspec.Decoder }

// check applies the rules that one key alone cannot show. Values that were refused before are empty here and pass.
func (d checker) check(f *File) {
	if f.Storages != nil && len(f.Storages) == 0 {
		d.Fault("storages", "is an empty list")
	}
	d.checkEmails(f)
	d.checkTags(f)
	d.checkPrefixes(f)
	d.checkRegions(f)
	d.checkRegionalNames(f)
	d.checkUnique(f, "name", func(s *StorageSpec) string { return s.Name })
	d.checkUnique(f, "bucket.name", (*StorageSpec).bucketID)
	d.checkRoles(f)
	d.checkBoundaries(f)
	d.checkPolicies(f)
	d.checkProviders(f)
	d.checkKeys(f)
	d.checkReferences(f)
	d.checkIAMAudit(f)
}

// checkEmails refuses a second subscription of one address to the topic, which AWS would silently merge.
func (d checker) checkEmails(f *File) {
	for i, mail := range f.Alerts.Emails {
		first := slices.IndexFunc(f.Alerts.Emails[:i], func(m string) bool { return strings.EqualFold(m, mail) })
		if mail != "" && first >= 0 {
			d.Fault(fmt.Sprintf("alerts.emails[%d]", i), "is there already, "+d.Line(fmt.Sprintf("alerts.emails[%d]", first)))
		}
	}
}

// mostTags: IAM takes 50 on a role, and one is ours.
const mostTags = 49

// checkTags holds the limits that all services share. IAM tells tag keys apart without regard to case, S3 does not.
func (d checker) checkTags(f *File) {
	if len(f.Tags) > mostTags {
		d.Fault("tags", fmt.Sprintf("has %d tags", len(f.Tags)))
	}
	seen := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(f.Tags)) {
		at := yamlspec.PairPath("tags", key)
		if !formats["tagKey"].Match(key) {
			d.Fault(at, yamlspec.Quoted(key)+" is not a tag's key")
		}
		if strings.EqualFold(key, MarkerTag) {
			d.Fault(at, yamlspec.Quoted(key)+" is the tag with which icaguard marks what it manages")
		}
		if value := f.Tags[key]; !formats["tagValue"].Match(value) {
			d.Fault(at, yamlspec.Quoted(value)+" is not a tag's value")
		}
		if twin, ok := seen[strings.ToLower(key)]; ok {
			d.Fault(at, "differs from "+yamlspec.Quoted(twin)+" only by capitals, which IAM refuses")
		}
		seen[strings.ToLower(key)] = key
	}
}

func (d checker) checkPrefixes(f *File) {
	for i, s := range f.Storages {
		for j, text := range s.Role.SessionNamePrefix {
			path := at(i, "role.sessionNamePrefix")
			if item := fmt.Sprintf("%s[%d]", path, j); d.Written(item) {
				path = item
			}
			first := slices.Index(s.Role.SessionNamePrefix, text)
			switch err := checkPrefix(text); {
			case d.Faulty(path):
			case err != nil:
				d.Fault(path, err.Error())
			case first < j:
				d.Fault(path, fmt.Sprintf("is the same as value %d of the list", first+1))
			}
		}
	}
}

// mostReferences: CloudFormation's quota of dynamic references in a template, by which the guard's stack resolves
// prefixes (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html).
const mostReferences = 60

// checkReferences refuses what CloudFormation would refuse half-way through a deploy.
func (d checker) checkReferences(f *File) {
	roles, count := f.sharedFirst((*StorageSpec).roleID), 0
	for i, s := range f.Storages {
		if roles[i] < i || s.Role.Existing {
			continue // the role's trust policy is in the template already, or not at all
		}
		for _, text := range s.Role.SessionNamePrefix {
			if prefixOf(text).Parameter != "" {
				count++
			}
		}
		if count > mostReferences {
			d.Limit(
				at(i, "role.sessionNamePrefix"),
				fmt.Sprintf("makes %d prefixes in parameters, and a CloudFormation stack resolves at most %d", count, mostReferences),
				"fewer roles (storages may share one: role.name), one prefix for each where no credential is replaced, or a second account",
				"",
			)
			return
		}
	}
}

func (d checker) checkUnique(f *File, key string, id func(*StorageSpec) string) {
	for i, j := range f.sharedFirst(id) {
		if j < i {
			v := id(&f.Storages[i])
			d.Limit(
				at(i, key),
				yamlspec.Quoted(v)+" is that of another storage, "+d.Line(at(j, key)),
				"a name that no other storage has",
				"name: "+v+"-2",
			)
		}
	}
}

// checkRegions refuses regions for which nobody knows what the role has to trust.
func (d checker) checkRegions(f *File) {
	for i, s := range f.Storages {
		if r := s.region(); s.ICARegion != "" && !r.described() && !d.Faulty(at(i, "oidcProvider.id")) &&
			!d.Faulty(at(i, "oidcProvider.namespace")) {
			d.Limit(
				at(i, "icaRegion"),
				fmt.Sprintf("Illumina's page has no OIDC provider for %s (%s): ask Illumina support for its id and namespace, and give both",
					r.ID, r.Name),
				r.ID+" with oidcProvider.id and oidcProvider.namespace",
				"oidcProvider: {id: <id>, namespace: <namespace>}",
			)
		}
	}
}

// checkRegionalNames holds the names of buckets to create that end as only those of an account's regional namespace may
// (Amazon S3 User Guide, General purpose bucket naming rules): it is this account's and this region's, or S3 refuses
// it. An adopted bucket has its name already. A file without account is held against the credentials' by File.Owner.
func (d checker) checkRegionalNames(f *File) {
	for i, s := range f.Storages {
		path := at(i, "bucket.name")
		if !s.regionalName() || d.Faulty(path) || s.ICARegion == "" {
			continue
		}
		region, account := s.region().AWS, cmp.Or(f.Account, s.namedAccount(), "123456789012")
		ending := "-" + account + "-" + region + regionalEnding
		what := yamlspec.Quoted(s.Bucket.Name) + " ends in " + regionalEnding + ", as only names of an account's regional namespace " +
			"do, but is none of this account and region: S3 would not create it"
		allowed := "NAME" + ending + ", another ending, existing: true for a bucket that is there"
		switch {
		case slices.Contains(noRegionalNames(), region):
			d.Limit(path, region+" has no buckets whose names end in "+regionalEnding, "another ending", "name: lab-prod-ica")
		case !strings.HasSuffix(s.Bucket.Name, ending):
			d.Limit(path, what, allowed, "name: lab-prod-ica"+ending)
		}
	}
}

// roleKeys are the keys in which storages that share a role must agree: a role has one of each.
func roleKeys() map[string]func(*StorageSpec) string {
	return map[string]func(*StorageSpec) string{
		"icaRegion":                  func(s *StorageSpec) string { return s.ICARegion },
		"role.name":                  func(s *StorageSpec) string { return s.Role.Name }, // IAM does not tell Role from role
		"role.path":                  func(s *StorageSpec) string { return s.Role.Path },
		"role.description":           func(s *StorageSpec) string { return s.Role.Description },
		"role.policyName":            func(s *StorageSpec) string { return s.Role.PolicyName },
		"role.existing":              func(s *StorageSpec) string { return strconv.FormatBool(s.Role.Existing) },
		"role.strict":                func(s *StorageSpec) string { return strconv.FormatBool(s.Role.Strict) },
		"role.boundary":              func(s *StorageSpec) string { return s.Role.Boundary },
		"role.sessionNamePrefix":     func(s *StorageSpec) string { return revealed(s.Role.SessionNamePrefix) },
		"documents.permissionPolicy": func(s *StorageSpec) string { return s.Documents.PermissionPolicy },
		"documents.trustPolicy":      func(s *StorageSpec) string { return s.Documents.TrustPolicy },
	}
}

func (d checker) checkRoles(f *File) {
	firsts, keys := f.sharedFirst((*StorageSpec).roleID), roleKeys()
	for i, s := range f.Storages {
		if j := firsts[i]; j < i {
			d.agree(f, i, j, keys, "storages that share role "+s.Role.Name,
				"the same in both, or another role.name", "role: {name: "+s.Role.Name+"_2}")
		}
		if s.Role.Existing && s.Role.Strict {
			d.Limit(
				at(i, "role.strict"),
				"policies of others are never taken from an adopted role; they are reported",
				"false with role.existing: true",
				"strict: false",
			)
		}
	}
}

// checkBoundaries refuses to enforce an adopted role whose boundary nobody decided on: remediate may change such a role's
// policies and trust, so without a boundary it could give the role any right in the account.
func (d checker) checkBoundaries(f *File) {
	firsts := f.sharedFirst((*StorageSpec).roleID)
	decided := func(i int) bool { return d.Written(at(i, "role.boundary")) }
	for i, s := range f.Storages {
		d.checkPolicyAccount(f, at(i, "role.boundary"), s.Role.Boundary)
		sharers := indexes(firsts, i)
		if s.Role.Existing && len(sharers) > 0 && f.enforces(s.roleID()) && !slices.ContainsFunc(sharers, decided) {
			d.Limit(
				at(i, "role.boundary"),
				"to enforce an adopted role, decide on its permissions boundary: without one, nothing bounds what icaguard's role "+
					"icaguard-remediate could give the role",
				"icaguard (ours, which icaguard then sets on the role), none, the ARN of a policy",
				"boundary: icaguard",
			)
		}
	}
	d.checkPolicyAccount(f, "guard.boundary", f.Guard.Boundary)
}

// indexes are those of the storages whose first is i.
func indexes(firsts []int, i int) []int {
	var all []int
	for j, first := range firsts {
		if first == i {
			all = append(all, j)
		}
	}
	return all
}

// checkPolicyAccount: IAM takes policies of the own account and AWS's as a boundary.
func (d checker) checkPolicyAccount(f *File, path, arn string) {
	parts := strings.Split(arn, ":")
	if len(parts) < 6 || f.Account == "" || d.Faulty(path) || parts[4] == f.Account || parts[4] == "aws" {
		return
	}
	parts[4] = f.Account
	allowed := "a policy of account " + f.Account + " or of AWS"
	d.Limit(path, "the policy is another account's", allowed, "boundary: "+strings.Join(parts, ":"))
}

// providerKeys are the keys in which storages of one region must agree: an account holds each provider once.
func providerKeys() map[string]func(*StorageSpec) string {
	return map[string]func(*StorageSpec) string{
		"oidcProvider.existing":  func(s *StorageSpec) string { return strconv.FormatBool(s.OIDCProvider.Existing) },
		"oidcProvider.id":        func(s *StorageSpec) string { return s.OIDCProvider.ID },
		"oidcProvider.namespace": func(s *StorageSpec) string { return s.OIDCProvider.Namespace },
	}
}

func (d checker) checkProviders(f *File) {
	firsts, keys := f.sharedFirst((*StorageSpec).providerID), providerKeys()
	for i, s := range f.Storages {
		if j := firsts[i]; j < i {
			d.agree(f, i, j, keys, "storages of region "+s.ICARegion+" share its provider and",
				"the same in both", "oidcProvider: {existing: true} in both")
		}
	}
}

// keyKeys are the keys in which storages that share a KMS key must agree.
func keyKeys() map[string]func(*StorageSpec) string {
	return map[string]func(*StorageSpec) string{
		"kms.restore": func(s *StorageSpec) string { return strconv.FormatBool(s.KMS.Restore) },
	}
}

// checkKeys: S3 encrypts with keys of the bucket's own region only (S3 User Guide, SSE-KMS), and each has one use.
func (d checker) checkKeys(f *File) {
	first := map[string]int{} // storage that encrypts with the key, or is to
	for i, s := range f.Storages {
		faulty := d.Faulty(at(i, "bucket.kmsKeyArn")) || d.Faulty(at(i, "kms.nextKey")) || s.ICARegion == ""
		if s.Bucket.KMSKeyARN == "" && s.KMS.NextKey == "" && s.KMS.Restore && !faulty {
			d.Limit(
				at(i, "kms.restore"),
				"no key is named in bucket.kmsKeyArn, so there is nothing to restore",
				"false without a key",
				"restore: false",
			)
		}
		for n, k := range s.keys() {
			d.checkKey(i, s, k, s.keys()[:n])
			if j, shared := first[k.arn]; shared && !k.previous {
				d.agree(f, i, j, keyKeys(), "storages that share a key", "the same in both", "kms: {restore: true} in both")
			} else if !k.previous {
				first[k.arn] = i
			}
		}
	}
}

// checkKey holds a key against those that the storage named before it.
func (d checker) checkKey(i int, s StorageSpec, k namedKey, before []namedKey) {
	path := at(i, k.path)
	if d.Faulty(path) || s.ICARegion == "" {
		return
	}
	if j := slices.IndexFunc(before, func(o namedKey) bool { return o.arn == k.arn }); j >= 0 {
		d.Limit(path, "is that of "+before[j].path+", "+d.Line(at(i, before[j].path))+", already", "each key once", "")
		return
	}
	d.checkKeyRegion(path, s, k)
}

func (d checker) checkKeyRegion(path string, s StorageSpec, k namedKey) {
	region := arnPart(k.arn, keyRegion)
	right := strings.Replace(k.arn, region, s.region().AWS, 1)
	_, key, _ := strings.Cut(k.path, ".")
	example := key + ": " + right
	if k.previous {
		example = "previousKeys: [" + right + "]"
	}
	if region == s.region().AWS {
		return
	}
	d.Limit(
		path,
		fmt.Sprintf(
			"the key is in %s, but the bucket of an ICA project in %s is in %s, and S3 takes keys of the bucket's own region only",
			region, s.ICARegion, s.region().AWS,
		),
		"a key in "+s.region().AWS,
		example,
	)
}

// The places of an ARN's parts, arn:partition:service:region:account:resource.
const (
	keyRegion  = 3
	keyAccount = 4
)

// arnPart is a part of an ARN whose form was checked.
func arnPart(arn string, part int) string { return strings.Split(arn, ":")[part] }

// agree refuses keys in which storage i differs from the earlier storage j. It prints no values: one of them is a secret.
func (d checker) agree(f *File, i, j int, keys map[string]func(*StorageSpec) string, who, allowed, example string) {
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		mine, other := at(i, key), at(j, key)
		derived := !d.Written(mine) && !d.Written(other) // differs only because role.existing differs, which is refused itself
		if derived || d.Faulty(mine) || d.Faulty(other) || keys[key](&f.Storages[i]) == keys[key](&f.Storages[j]) {
			continue
		}
		d.Limit(mine, fmt.Sprintf("%s must agree, but this differs from %s, %s", who, other, d.Line(other)),
			allowed, example)
	}
}

// checkPolicies refuses one policy for two roles: it belongs to its role and covers the role's buckets.
func (d checker) checkPolicies(f *File) {
	roles, policies := f.sharedFirst((*StorageSpec).roleID), f.sharedFirst((*StorageSpec).policyID)
	for i, s := range f.Storages {
		if s.Role.Name == "" || roles[i] < i {
			continue
		}
		if j := policies[i]; j < i {
			d.Limit(
				at(i, "role.policyName"),
				fmt.Sprintf("%s is the policy of another role, %s", yamlspec.Quoted(s.Role.PolicyName), d.Line(at(j, "role.policyName"))),
				"a name that no other role's policy has",
				"policyName: "+s.Role.PolicyName+"-2",
			)
		}
	}
}

func at(storage int, key string) string { return fmt.Sprintf("storages[%d].%s", storage, key) }
