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
	Account, Partition string
	HomeRegion         string   // AWS region in which the guard runs
	Emails             []string // who is told; may be empty
	Tags               map[string]string
	Storages           []Storage // in the order of the file
}

// Storage is one ICA storage and everything that it depends on.
type Storage struct {
	Name     string
	Mode     Mode
	Region   Region // with the user's own provider id and namespace put in
	Bucket   Bucket
	Role     Role
	Provider Provider
}

// Bucket is the storage's S3 bucket.
type Bucket struct {
	Name, ARN string
	Folder    string // without slashes at its ends; "" is the whole bucket
	Existing  bool   // adopted, not created
	CORS      CORSRule
}

// Role is the IAM role that ICA assumes. Storages with the same role name carry equal copies of it.
type Role struct {
	Name, Path, ARN, Description string

	Existing           bool
	MaxSessionDuration int32 // seconds
	Mode               Mode  // enforce only if every storage that shares the role enforces
	Prefix             SessionNamePrefix
	Policy             Policy
}

// Policy is the role's customer managed policy, at path "/"; its document covers all buckets of the role.
type Policy struct {
	Name, ARN string
	Document  Document
}

// Provider is the OIDC provider in IAM that stands for ICA in one region. Storages of a region share it.
type Provider struct {
	ARN      string
	URL      string // https://Host
	Host     string // oidc.eks.REGION.amazonaws.com/id/ID, the prefix of its condition keys
	Audience string
	Existing bool
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
	b := Baseline{
		Account: account, Partition: partition, HomeRegion: f.HomeRegion,
		Emails: slices.Clone(f.Alerts.Emails), Tags: maps.Clone(f.Tags),
	}
	for _, spec := range f.Storages {
		s, err := f.storage(spec, account, partition)
		if err != nil {
			return Baseline{}, fmt.Errorf("config: baseline: storage %s: %w", spec.Name, err)
		}
		b.Storages = append(b.Storages, s)
	}
	return b, nil
}

func (f *File) storage(s StorageSpec, account, partition string) (Storage, error) {
	prefix, err := parsePrefix(s.Role.SessionNamePrefix)
	if err != nil {
		return Storage{}, err
	}
	iam := "arn:" + partition + ":iam::" + account + ":"
	sharing := f.sharing(s.Role.Name)
	region := s.region()
	return Storage{
		Name: s.Name, Mode: s.Mode, Region: region,
		Bucket:   s.bucket(partition),
		Provider: provider(region, iam, s.OIDCProvider.Existing),
		Role: Role{
			Name: s.Role.Name, Path: s.Role.Path, ARN: iam + "role" + s.Role.Path + s.Role.Name,
			Description: s.Role.Description, Existing: s.Role.Existing, MaxSessionDuration: SessionDuration,
			Mode: weakest(sharing), Prefix: prefix,
			Policy: Policy{
				Name: s.Role.PolicyName, ARN: iam + "policy/" + s.Role.PolicyName,
				Document: permissionPolicy(bucketsOf(sharing, partition)),
			},
		},
	}, nil
}

func (s StorageSpec) bucket(partition string) Bucket {
	return Bucket{
		Name: s.Bucket.Name, ARN: "arn:" + partition + ":s3:::" + s.Bucket.Name,
		Folder: s.Bucket.Folder, Existing: s.Bucket.Existing, CORS: CORS(),
	}
}

func provider(r Region, iam string, existing bool) Provider {
	host := "oidc.eks." + r.AWS + ".amazonaws.com/id/" + r.OIDCProviderID
	return Provider{ARN: iam + "oidc-provider/" + host, URL: "https://" + host, Host: host, Audience: Audience, Existing: existing}
}

// sharing lists the storages that use the role. IAM tells role names apart without regard to case.
func (f *File) sharing(role string) []StorageSpec {
	var with []StorageSpec
	for _, s := range f.Storages {
		if strings.EqualFold(s.Role.Name, role) {
			with = append(with, s)
		}
	}
	return with
}

func bucketsOf(storages []StorageSpec, partition string) []Bucket {
	buckets := make([]Bucket, len(storages))
	for i, s := range storages {
		buckets[i] = s.bucket(partition)
	}
	return buckets
}

// weakest is observe as soon as one storage observes: observe promises that nothing it depends on is changed.
func weakest(storages []StorageSpec) Mode {
	if slices.ContainsFunc(storages, func(s StorageSpec) bool { return s.Mode == Observe }) {
		return Observe
	}
	return Enforce
}
