package icaconfig

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// check applies the rules that one key alone cannot show. Values that were refused before are empty here and pass.
func (d *decoder) check(f *File) {
	if f.Storages != nil && len(f.Storages) == 0 {
		d.fault("storages", "is an empty list")
	}
	d.checkEmails(f)
	d.checkTags(f)
	d.checkPrefixes(f)
	d.checkUnique(f, "name", func(s StorageSpec) string { return s.Name })
	d.checkUnique(f, "bucket.name", func(s StorageSpec) string { return s.Bucket.Name })
	d.checkRoles(f)
	d.checkPolicies(f)
	d.checkProviders(f)
}

// checkEmails refuses a second subscription of one address to the topic, which AWS would silently merge.
func (d *decoder) checkEmails(f *File) {
	for i, mail := range f.Alerts.Emails {
		first := slices.IndexFunc(f.Alerts.Emails[:i], func(m string) bool { return strings.EqualFold(m, mail) })
		if mail != "" && first >= 0 {
			d.fault(fmt.Sprintf("alerts.emails[%d]", i), "is there already, "+d.line(fmt.Sprintf("alerts.emails[%d]", first)))
		}
	}
}

// checkTags holds the limits that all services share. IAM tells tag keys apart without regard to case, S3 does not.
func (d *decoder) checkTags(f *File) {
	const most = 50
	if len(f.Tags) > most {
		d.fault("tags", fmt.Sprintf("has %d tags", len(f.Tags)))
	}
	seen := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(f.Tags)) {
		at := tagPath(key)
		if !formats()["tagKey"].match(key) {
			d.fault(at, quoted(key)+" is not a tag's key")
		}
		if value := f.Tags[key]; !formats()["tagValue"].match(value) {
			d.fault(at, quoted(value)+" is not a tag's value")
		}
		if twin, ok := seen[strings.ToLower(key)]; ok {
			d.fault(at, "differs from "+quoted(twin)+" only by capitals, which IAM refuses")
		}
		seen[strings.ToLower(key)] = key
	}
}

func tagPath(key string) string {
	if regexp.MustCompile(`^[A-Za-z0-9_-]+$`).MatchString(key) {
		return "tags." + key
	}
	return "tags." + quoted(key)
}

func (d *decoder) checkPrefixes(f *File) {
	for i, s := range f.Storages {
		path := at(i, "role.sessionNamePrefix")
		if !d.written(path) || d.faulty(path) {
			continue
		}
		if _, err := parsePrefix(s.Role.SessionNamePrefix); err != nil {
			d.fault(path, err.Error())
		}
	}
}

func (d *decoder) checkUnique(f *File, key string, value func(StorageSpec) string) {
	first := map[string]int{}
	for i, s := range f.Storages {
		v := value(s)
		if v == "" {
			continue
		}
		if j, ok := first[v]; ok {
			d.limit(at(i, key), quoted(v)+" is that of another storage, "+d.line(at(j, key)), "a name that no other storage has", "name: "+v+"-2")
			continue
		}
		first[v] = i
	}
}

// roleKeys are the keys in which storages that share a role must agree: a role has one of each.
func roleKeys() map[string]func(StorageSpec) string {
	return map[string]func(StorageSpec) string{
		"icaRegion":              func(s StorageSpec) string { return s.ICARegion },
		"role.name":              func(s StorageSpec) string { return s.Role.Name }, // IAM does not tell Role from role
		"role.path":              func(s StorageSpec) string { return s.Role.Path },
		"role.description":       func(s StorageSpec) string { return s.Role.Description },
		"role.policyName":        func(s StorageSpec) string { return s.Role.PolicyName },
		"role.existing":          func(s StorageSpec) string { return strconv.FormatBool(s.Role.Existing) },
		"role.strict":            func(s StorageSpec) string { return strconv.FormatBool(s.Role.Strict) },
		"role.boundary":          func(s StorageSpec) string { return s.Role.Boundary },
		"role.sessionNamePrefix": func(s StorageSpec) string { return s.Role.SessionNamePrefix.Reveal() },
	}
}

func (d *decoder) checkRoles(f *File) {
	for i, s := range f.Storages {
		if j := f.earlier(i, sameRole); j >= 0 {
			d.agree(f, i, j, roleKeys(), "storages that share role "+s.Role.Name,
				"the same in both, or another role.name", "role: {name: "+s.Role.Name+"_2}")
		}
	}
}

// providerKeys are the keys in which storages of one region must agree: an account holds each provider once.
func providerKeys() map[string]func(StorageSpec) string {
	return map[string]func(StorageSpec) string{
		"oidcProvider.existing":  func(s StorageSpec) string { return strconv.FormatBool(s.OIDCProvider.Existing) },
		"oidcProvider.id":        func(s StorageSpec) string { return s.OIDCProvider.ID },
		"oidcProvider.namespace": func(s StorageSpec) string { return s.OIDCProvider.Namespace },
	}
}

func (d *decoder) checkProviders(f *File) {
	for i, s := range f.Storages {
		j := f.earlier(i, func(a, b StorageSpec) bool { return a.ICARegion != "" && a.ICARegion == b.ICARegion })
		if j >= 0 {
			d.agree(f, i, j, providerKeys(), "storages of region "+s.ICARegion+" share its provider and",
				"the same in both", "oidcProvider: {existing: true} in both")
		}
	}
}

// agree refuses keys in which storage i differs from the earlier storage j. It prints no values: one of them is a secret.
func (d *decoder) agree(f *File, i, j int, keys map[string]func(StorageSpec) string, who, allowed, example string) {
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		mine, other := at(i, key), at(j, key)
		derived := !d.written(mine) && !d.written(other) // differs only because role.existing differs, which is refused itself
		if derived || d.faulty(mine) || d.faulty(other) || keys[key](f.Storages[i]) == keys[key](f.Storages[j]) {
			continue
		}
		d.limit(mine, fmt.Sprintf("%s must agree, but this differs from %s, %s", who, other, d.line(other)),
			allowed, example)
	}
}

// checkPolicies refuses one policy for two roles: it belongs to its role and covers the role's buckets. It also has to fit in IAM's limit.
func (d *decoder) checkPolicies(f *File) {
	for i, s := range f.Storages {
		if s.Role.Name == "" || f.earlier(i, sameRole) >= 0 {
			continue
		}
		j := f.earlier(i, func(a, b StorageSpec) bool {
			return a.Role.PolicyName != "" && strings.EqualFold(a.Role.PolicyName, b.Role.PolicyName)
		})
		if j >= 0 {
			d.limit(at(i, "role.policyName"), fmt.Sprintf("%s is the policy of another role, %s", quoted(s.Role.PolicyName), d.line(at(j, "role.policyName"))),
				"a name that no other role's policy has", "policyName: "+s.Role.PolicyName+"-2")
		}
		d.checkPolicySize(i, f.sharing(s.Role.Name))
	}
}

func (d *decoder) checkPolicySize(first int, sharing []StorageSpec) {
	const most = 6144 // characters of a managed policy, IAM quota
	doc, err := json.Marshal(permissionPolicy(bucketsOf(sharing, partitionWithICA)))
	if err != nil || len(doc) > most {
		d.limit(at(first, "role.name"), fmt.Sprintf("the permission policy for the %d buckets of this role has %d characters", len(sharing), len(doc)),
			fmt.Sprintf("%d characters in IAM; use a second role for some storages", most), "role: {name: "+sharing[0].Role.Name+"_2}")
	}
}

func sameRole(a, b StorageSpec) bool {
	return a.Role.Name != "" && strings.EqualFold(a.Role.Name, b.Role.Name)
}

// earlier finds the first storage before i that is the same in some way, -1 if there is none.
func (f *File) earlier(i int, same func(a, b StorageSpec) bool) int {
	return slices.IndexFunc(f.Storages[:i], func(s StorageSpec) bool { return same(f.Storages[i], s) })
}

// notYet refuses what a later version brings and no tag can say. Everything that it refuses is valid.
func (d *decoder) notYet(f *File) {
	for i, s := range f.Storages {
		r := s.region()
		switch {
		case s.ICARegion == "" || r.AWS == onlyAWSRegion:
		case !r.described():
			d.limit(at(i, "icaRegion"), fmt.Sprintf("Illumina's page has no OIDC provider for %s (%s): ask Illumina support for its id and namespace, and give both",
				r.ID, r.Name), "with oidcProvider.id and oidcProvider.namespace, from a later version; now US", "icaRegion: US")
		default:
			d.limit(at(i, "icaRegion"), fmt.Sprintf("%s (%s, %s) needs a second AWS region, not supported yet", r.ID, r.Name, r.AWS), "US, until a later version", "icaRegion: US")
		}
	}
	if len(f.Storages) == 0 || f.HomeRegion == "" || f.Storages[0].ICARegion == "" {
		return
	}
	if first := f.Storages[0].region().AWS; f.HomeRegion != first {
		d.limit("homeRegion", "another region than that of the first storage is not supported yet", first+", until a later version", "homeRegion: "+first)
	}
}

// onlyAWSRegion is the one in which S3's and IAM's events both appear, so that a single stack region is right.
const onlyAWSRegion = "us-east-1"

// limit reports a key whose value is well formed but does not fit here; so what fits is not what its tags say.
func (d *decoder) limit(path, what, allowed, example string) {
	p := d.where(path)
	d.add(Fault{Key: path, Line: p.line, Column: p.column, What: what, Allowed: allowed, Example: example})
}

func (d *decoder) written(path string) bool {
	_, ok := d.at[path]
	return ok
}

// faulty says whether a key was refused already, so that one mistake gives one fault.
func (d *decoder) faulty(path string) bool {
	return slices.ContainsFunc(d.faults, func(f Fault) bool { return f.Key == path })
}

func (d *decoder) line(path string) string { return fmt.Sprintf("line %d", d.where(path).line) }

func at(storage int, key string) string { return fmt.Sprintf("storages[%d].%s", storage, key) }
