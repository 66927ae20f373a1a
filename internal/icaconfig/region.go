package icaconfig

import "slices"

// Region is one region of ICA and what Illumina's IAM Role Method page says about it.
type Region struct {
	ID               string // ICA's identifier, for example US
	Name             string
	AWS              string // AWS region of the bucket
	OIDCProviderID   string // "" where the page has none
	Namespace        string // "" where the page has none
	CrossAccountRole string // name of Illumina's role that copies across accounts
	Doubt            string // why a value may be wrong or is missing; "" if nothing speaks against it
}

// described says whether the page gives everything that the trust policy needs.
func (r Region) described() bool { return r.OIDCProviderID != "" && r.Namespace != "" }

// host is the OIDC provider's URL without its scheme, the prefix of its condition keys.
func (r Region) host() string { return "oidc.eks." + r.AWS + ".amazonaws.com/id/" + r.OIDCProviderID }

// crossAccount is the ARN of Illumina's role. Source: "IAM Role Method", section 8.
func (r Region) crossAccount(partition string) string {
	return "arn:" + partition + ":iam::" + crossAccountAccount + ":role/" + r.CrossAccountRole
}

// crossAccountAccount is the AWS account of Illumina's roles.
const crossAccountAccount = "079623148045"

// Regions returns the region table in the order of Illumina's page.
func Regions() []Region { return slices.Clone(regions) }

// regions: source "IAM Role Method", OIDC reference table, OIDC provider locations and section 8; the AWS regions of
// ID, IL and AE stand on "Connect AWS S3 bucket".
var regions = []Region{ //nolint:gochecknoglobals // a table that nobody changes: Regions gives a copy
	{
		ID:               "AU",
		Name:             "Australia",
		AWS:              "ap-southeast-2",
		OIDCProviderID:   "F4CD1AEAE6E0820F305F0230FAF6319C",
		Namespace:        "aps2",
		CrossAccountRole: "ica_aps2_crossacct",
	},
	{
		ID:               "CA",
		Name:             "Canada",
		AWS:              "ca-central-1",
		OIDCProviderID:   "4E70F8E1A204A4B2A22E4F7BA9A06D27",
		Namespace:        "cac1",
		CrossAccountRole: "ica_cac1_crossacct",
	},
	{
		ID:               "EU",
		Name:             "Germany",
		AWS:              "eu-central-1",
		OIDCProviderID:   "FD40D1945EBD71D8433A98C0CE04E625",
		Namespace:        "euc1",
		CrossAccountRole: "ica_euc1_crossacct",
	},
	{
		ID:               "IN",
		Name:             "India",
		AWS:              "ap-south-1",
		OIDCProviderID:   "4C3E0D308DB6DA9625FF938C57DAB3B6",
		Namespace:        "aps1",
		CrossAccountRole: "ica_aps3_crossacct",
		Doubt:            "the page gives namespace aps1 (also Singapore's) but cross-account role aps3",
	},
	{
		ID:               "JP",
		Name:             "Japan",
		AWS:              "ap-northeast-1",
		OIDCProviderID:   "31343141B6F8EA41F379AE795CFA7638",
		Namespace:        "apn1",
		CrossAccountRole: "ica_apn1_crossacct",
	},
	{
		ID:               "SG",
		Name:             "Singapore",
		AWS:              "ap-southeast-1",
		OIDCProviderID:   "4839F25C2D7F1765F0523616EB33711F",
		Namespace:        "aps1",
		CrossAccountRole: "ica_aps1_crossacct",
	},
	{
		ID:               "KR",
		Name:             "South Korea",
		AWS:              "ap-northeast-2",
		OIDCProviderID:   "F2F941225297CB2CD58E91A45ED1362D",
		Namespace:        "apn2",
		CrossAccountRole: "ica_apn2_crossacct",
	},
	{
		ID:               "GB",
		Name:             "UK",
		AWS:              "eu-west-2",
		OIDCProviderID:   "CC52F03C88D774F70AB9D2E2BABDF225",
		Namespace:        "euw2",
		CrossAccountRole: "ica_euw2_crossacct",
	},
	{
		ID:               "US",
		Name:             "United States",
		AWS:              "us-east-1",
		OIDCProviderID:   "10FBA7EDEB5930CCFC300EF5AC3DB2FE",
		Namespace:        "use1",
		CrossAccountRole: "ica_use1_crossacct",
	},
	{
		ID: "ID", Name: "Indonesia", AWS: "ap-southeast-3", CrossAccountRole: "ica_aps4_crossacct",
		Doubt: "no OIDC row on the page: the role method needs the provider from Illumina support",
	},
	{ID: "IL", Name: "Israel", AWS: "il-central-1", CrossAccountRole: "ica_ilc1_crossacct", Doubt: "no OIDC row on the page"},
	{
		ID:               "AE",
		Name:             "United Arab Emirates",
		AWS:              "me-central-1",
		CrossAccountRole: "ica_mec1_crossacct",
		Doubt:            "no OIDC row on the page",
	},
}

// regionByID is the row of an identifier, the zero Region if there is none.
func regionByID(id string) Region {
	for _, r := range regions {
		if r.ID == id {
			return r
		}
	}
	return Region{}
}

func regionIDs() []string {
	ids := make([]string, len(regions))
	for i, r := range regions {
		ids[i] = r.ID
	}
	return ids
}

// region is the storage's row of the table with the user's own id and namespace put in. The doubt is gone once the
// namespace is the user's own word.
func (s *StorageSpec) region() Region {
	r := regionByID(s.ICARegion)
	if s.OIDCProvider.ID != "" {
		r.OIDCProviderID = s.OIDCProvider.ID
	}
	if s.OIDCProvider.Namespace != "" {
		r.Namespace, r.Doubt = s.OIDCProvider.Namespace, ""
	}
	return r
}
