package icaconfig

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"
)

// IAMRegion is where CloudTrail's events of IAM appear, wherever the caller is. Source: "AWS service events in
// EventBridge", global services.
const IAMRegion = "us-east-1"

// Home is the guard itself: where it runs and how it receives events. Storages carry copies of it.
type Home struct {
	Account, Partition string
	HomeRegion         string        // AWS region in which the guard runs
	Emails             []string      // who receives alerts; may be empty
	GuardBoundary      string        // ARN of the permissions boundary of icaguard's own roles; "" for none
	AuditEvery         time.Duration // how often everything is checked without an event
	CreateTrail        bool          // the guard stack creates the CloudTrail trail
	Organization       string        // of the account; "" if it is not named
	AuditIAM           bool          // IAM's events do not get home, so it is audited every IAMAuditEvery
	Digest             string        // of ica.yaml and the documents that it names: says which configuration is deployed
	Stacks             []Stack       // in the order of deploying: storages, relay, guard
	StorageRegions     []string      // AWS regions of buckets, in the order of the file
	KeyRegions         []string      // AWS regions of KMS keys in this account, sorted
}

// IAMAuditEvery is how often IAM is audited where its events do not get home: a change of the role is then found after
// five minutes rather than after seconds.
const IAMAuditEvery = 5 * time.Minute

// StackKind is what a stack is for.
type StackKind string

// The kinds of stacks.
const (
	StorageStack StackKind = "storage" // a region's buckets and, away from home, the rules that relay its events
	RelayStack   StackKind = "relay"   // the rules that relay IAM's events
	GuardStack   StackKind = "guard"   // all else
)

// Stack is one CloudFormation stack of ours.
type Stack struct {
	Kind         StackKind
	Name, Region string
}

// DigestOutput is the output of every stack that says with which configuration it was deployed.
const DigestOutput = "ConfigDigest"

// Regions lists the AWS regions with a stack of ours, home first.
func (h Home) Regions() []string {
	regions := []string{h.HomeRegion}
	for _, s := range h.Stacks {
		regions = appendNew(regions, s.Region)
	}
	return regions
}

// Stack is the stack of this kind in this region; false if there is none.
func (h Home) Stack(kind StackKind, region string) (Stack, bool) {
	i := slices.IndexFunc(h.Stacks, func(s Stack) bool { return s.Kind == kind && s.Region == region })
	if i < 0 {
		return Stack{}, false
	}
	return h.Stacks[i], true
}

// ARN names a resource of ours in a region; "*" for all regions, "" for a service without regions.
func (h Home) ARN(service, region, resource string) string {
	return "arn:" + h.Partition + ":" + service + ":" + region + ":" + h.Account + ":" + resource
}

func (f *File) home(o Owner) Home {
	return Home{
		Account: o.account, Partition: o.partition, HomeRegion: f.HomeRegion, Emails: slices.Clone(f.Alerts.Emails),
		GuardBoundary: f.Guard.Boundary, Organization: f.Organization,
		AuditEvery: f.auditEvery(), CreateTrail: f.Trail == "create", AuditIAM: f.auditsIAM(),
		Digest: f.digest, Stacks: f.stacks(), StorageRegions: f.storageRegions(), KeyRegions: f.keyRegions(o.account),
	}
}

func (f *File) auditsIAM() bool { return f.IAMEvents == "audit" }

// stacks lists what is deployed where. CloudFormation refuses a stack without resources, so at home, where the guard
// stack receives everything, a storage stack needs a bucket to create.
func (f *File) stacks() []Stack {
	var all []Stack
	regions := []string{f.HomeRegion}
	for _, s := range f.Storages {
		region := s.region().AWS
		regions = appendNew(regions, region)
		stack := Stack{StorageStack, "icaguard-storage-" + region, region}
		if (region != f.HomeRegion || !s.Bucket.Existing) && !slices.Contains(all, stack) {
			all = append(all, stack)
		}
	}
	if !slices.Contains(regions, IAMRegion) && !f.auditsIAM() {
		all = append(all, Stack{RelayStack, "icaguard-relay", IAMRegion})
	}
	return append(all, Stack{GuardStack, "icaguard-guard", f.HomeRegion})
}

func (f *File) storageRegions() []string {
	var regions []string
	for _, s := range f.Storages {
		regions = appendNew(regions, s.region().AWS)
	}
	return regions
}

// keyRegions leaves out keys of other accounts, whose events do not reach us.
func (f *File) keyRegions(account string) []string {
	found := map[string]bool{}
	for _, s := range f.Storages {
		for _, k := range s.keys() {
			if arnPart(k.arn, keyAccount) == account {
				found[arnPart(k.arn, keyRegion)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// checkIAMAudit refuses the audit of IAM where IAM's events appear anyway.
func (d checker) checkIAMAudit(f *File) {
	if !f.auditsIAM() || d.Faulty("iamEvents") {
		return
	}
	for i, s := range f.Storages {
		if s.region().AWS == IAMRegion {
			d.Limit(
				"iamEvents",
				fmt.Sprintf(
					"audit has no use: storage %s stands in %s, where IAM's events appear, %s", s.Name, IAMRegion,
					d.Line(at(i, "icaRegion")),
				),
				"relay",
				"iamEvents: relay",
			)
			return
		}
	}
	if f.HomeRegion == IAMRegion {
		d.Limit(
			"iamEvents",
			"audit has no use: the guard's home is "+IAMRegion+", where IAM's events appear",
			"relay",
			"iamEvents: relay",
		)
	}
}

// digestOf tells configurations apart: by the text of ica.yaml and of every document that it names.
func digestOf(f *File, data []byte) string {
	hash := sha256.New()
	hash.Write(data)
	for _, name := range slices.Sorted(maps.Keys(f.files.texts)) {
		fmt.Fprintf(hash, "\x00%s\x00%s", name, f.files.texts[name])
	}
	return hex.EncodeToString(hash.Sum(nil))[:16]
}
