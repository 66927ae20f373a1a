// Package discover searches an AWS account for what somebody set up for ICA by hand, and writes the ica.yaml that
// describes it.
//
// Invariants: it only reads; the file that it writes loads; no session-name prefix leaves the function that reads the
// trust policy. It calls the AWS SDK itself, as settings, ledger and notify do: what it searches for is in no baseline yet, so
// no setting could read it.
package discover

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// Account is what was found in an AWS account.
type Account struct {
	ID        string
	Providers []string // OIDC providers of EKS in IAM, as hosts: oidc.eks.REGION.amazonaws.com/id/ID
	Roles     []Role   // that let tokens of such a provider in
	Buckets   map[string]Bucket
	Denied    []Denied // what could not be read
}

// Denied is a call that AWS refused.
type Denied struct{ Action, Resource string }

// String is for people.
func (d Denied) String() string { return d.Action + " on " + d.Resource }

// Role is a role that may be ICA's.
type Role struct {
	Name, Path, Description string
	Boundary                string // ARN
	SessionDuration         int32  // seconds
	Trust                   []Trust
	Policies                []Policy
	Problem                 string // why its trust policy was not understood
}

// Trust is what statements of a trust policy say of the same tokens. It does not hold the session-name prefixes.
type Trust struct {
	Host    string   // of the provider
	Subject string   // whose tokens, "" if anybody's
	Queries []string // where `aws iam get-role` has the session-name patterns that are usable, in JMESPath
	Problem string   // why one is not usable
}

// Policy is a policy on a role.
type Policy struct {
	Name     string
	ARN      string // "" for an inline policy
	Document policy.Document
	Calls    []policy.Calls
	Problem  string // why it was not understood
}

// Bucket is a bucket that such a role may use.
type Bucket struct {
	Foreign      bool   // not in this account
	Region       string // "" if it could not be read; then neither was the rest
	Versioning   string // Enabled, Suspended or ""
	Algorithm    string // of the default encryption, "" if not read
	Key          string // ARN of the KMS key of the lab's own, "" if there is none
	CORS         bool   // a rule is for ICA's pages
	PublicAccess bool   // public access is not blocked altogether
	Principals   []string
	Unread       []string // actions that were denied
}

// region is the region of ICA that a provider stands for.
type region struct {
	icaconfig.Region
	id    string // of the provider
	known bool   // the id is the table's
}

// How ICA's providers and its service accounts are named. Source: Illumina, "IAM Role Method".
var (
	providerHost   = regexp.MustCompile(`^oidc\.eks\.([a-z0-9-]+)\.amazonaws\.com/id/([0-9A-Fa-f]+)$`)
	serviceAccount = regexp.MustCompile(`^system:serviceaccount:([a-z0-9-]+):irsa-[a-z0-9-]+-gds`)
)

// regionOf reads a provider's host; false if ICA has nothing in that AWS region.
func regionOf(host string) (region, bool) {
	parts := providerHost.FindStringSubmatch(host)
	if parts == nil {
		return region{}, false
	}
	all := icaconfig.Regions()
	i := slices.IndexFunc(all, func(r icaconfig.Region) bool { return r.AWS == parts[1] })
	if i < 0 {
		return region{}, false
	}
	return region{Region: all[i], id: parts[2], known: all[i].OIDCProviderID == parts[2]}, true
}

// namespaceOf reads ICA's namespace from the subject of a trust policy, "" if the subject is not ICA's.
func namespaceOf(subject string) string {
	parts := serviceAccount.FindStringSubmatch(subject)
	if parts == nil {
		return ""
	}
	return parts[1]
}

// use is what a role may do with one bucket.
type use struct {
	bucket  string
	folders []string // "" is the whole bucket
	tags    bool
}

// uses lists the buckets that a role's policies name, by name, and the resources that name no single one.
func (r Role) uses() (found []use, vague []string) {
	byName := map[string]*use{}
	for _, p := range r.Policies {
		for _, calls := range p.Calls {
			if !slices.ContainsFunc(calls.Actions, isS3) {
				continue
			}
			tags := slices.ContainsFunc(calls.Actions, func(a string) bool { return strings.EqualFold(a, "s3:PutObjectTagging") })
			for _, resource := range calls.Resources {
				bucket, folder, isOne := place(resource)
				if !isOne {
					vague = append(vague, resource)
					continue
				}
				if byName[bucket] == nil {
					byName[bucket] = &use{bucket: bucket}
				}
				byName[bucket].add(folder, tags)
			}
		}
	}
	for _, u := range byName {
		slices.Sort(u.folders)
		found = append(found, *u)
	}
	slices.SortFunc(found, func(a, b use) int { return cmp.Compare(a.bucket, b.bucket) })
	slices.Sort(vague)
	return found, slices.Compact(vague)
}

func (u *use) add(folder *string, tags bool) {
	u.tags = u.tags || tags
	if folder != nil && !slices.Contains(u.folders, *folder) {
		u.folders = append(u.folders, *folder)
	}
}

func isS3(action string) bool {
	return action == "*" || strings.HasPrefix(strings.ToLower(action), "s3:")
}

// place splits the ARN of a bucket or of objects in it. The folder is nil for the bucket itself; it is false where
// wildcards and variables stand for more than one bucket or for no folder.
func place(resource string) (bucket string, folder *string, isOne bool) {
	_, path, isBucket := strings.Cut(resource, ":s3:::")
	bucket, objects, within := strings.Cut(path, "/")
	if !isBucket || bucket == "" || strings.ContainsAny(bucket, "*?$") {
		return "", nil, false
	}
	if !within {
		return bucket, nil, true
	}
	name := ""
	if objects != "*" {
		name = strings.TrimSuffix(objects, "/*")
		if name == objects || strings.ContainsAny(name, "*?$") {
			return "", nil, false
		}
	}
	return bucket, &name, true
}

// keys are the KMS keys that the role's policies name.
func (r Role) keys() []string {
	var all []string
	for _, p := range r.Policies {
		for _, calls := range p.Calls {
			for _, resource := range calls.Resources {
				if strings.Contains(resource, ":kms:") && !slices.Contains(all, resource) {
					all = append(all, resource)
				}
			}
		}
	}
	return all
}

// naming are the role's own managed policies that name buckets, those that name the most first.
func (r Role) naming() []Policy {
	var found []Policy
	count := map[string]int{}
	for _, p := range r.Policies {
		if p.ARN == "" || strings.Contains(p.ARN, ":iam::aws:") {
			continue
		}
		if all, _ := (Role{Policies: []Policy{p}}).uses(); len(all) > 0 {
			count[p.ARN] = len(all)
			found = append(found, p)
		}
	}
	slices.SortStableFunc(found, func(a, b Policy) int { return cmp.Compare(count[b.ARN], count[a.ARN]) })
	return found
}
