package icaconfig

import (
	"slices"
	"strings"
	"testing"
)

func TestSharedRole(t *testing.T) {
	shared := strings.NewReplacer(
		"Test_Role", "Illumina_ICA_Role", "test-policy", "illumina-ica-admin-policy", "/lab-test/", "/lab-prod/",
		"      folder: ica\n", "",
	).Replace(second)
	b := mustBaseline(t, mustParse(t, plain+strings.Replace(shared, "icaRegion: US", "icaRegion: US\n    mode: observe", 1)))
	golden(t, "testdata/golden/shared-role.json", indented(t, b))
	if b.Storages[0].Mode != Enforce || b.Storages[0].Role.Mode != Observe || b.Storages[1].Role.Mode != Observe {
		t.Errorf("modes %s, role %s and %s: one observing storage must make the shared role observe",
			b.Storages[0].Mode, b.Storages[0].Role.Mode, b.Storages[1].Role.Mode)
	}
	if n := len(b.Storages[1].Role.Policy.Document.Statements()); n != 4 {
		t.Errorf("%d statements, want 2 for each of 2 buckets", n)
	}
}

func TestModes(t *testing.T) {
	adopted := map[string]string{
		"bucket":       strings.Replace(plain, "folder: ica", "existing: true", 1),
		"role":         strings.Replace(plain, "    role:", "    role:\n      existing: true\n      boundary: icaguard", 1),
		"oidcProvider": plain + "    oidcProvider: {existing: true}\n",
	}
	for name, text := range adopted {
		f := mustParse(t, text)
		if f.Storages[0].Mode != Observe {
			t.Errorf("adopted %s: mode %s, want observe", name, f.Storages[0].Mode)
		}
		own := strings.Replace(text, "icaRegion: US", "icaRegion: US\n    mode: enforce", 1)
		if f := mustParse(t, own); f.Storages[0].Mode != Enforce {
			t.Errorf("adopted %s with its own mode enforce: %s", name, f.Storages[0].Mode)
		}
	}
	if f := mustParse(t, "mode: observe\n"+plain); f.Storages[0].Mode != Observe {
		t.Errorf("mode of the file is not that of the storage: %s", f.Storages[0].Mode)
	}
	if f := mustParse(t, plain); f.Storages[0].Mode != Enforce {
		t.Errorf("default mode %s", f.Storages[0].Mode)
	}
}

func TestDefaultsThatDepend(t *testing.T) {
	f := mustParse(t, plain)
	if f.HomeRegion != "us-east-1" || !f.Storages[0].Bucket.RequireTLS || f.Storages[0].Role.Boundary != "icaguard" {
		t.Errorf("%+v", f)
	}
	adopted := strings.Replace(
		strings.Replace(plain, "folder: ica", "existing: true\n      requireTLS: false", 1), "    role:",
		"    role:\n      existing: true\n      boundary: none", 1,
	)
	f = mustParse(t, adopted)
	if f.Storages[0].Bucket.RequireTLS || f.Storages[0].Role.Boundary != "none" {
		t.Errorf("%+v", f)
	}
}

func TestOwnerRefuses(t *testing.T) {
	f := mustParse(t, plain)
	for _, tc := range []struct{ account, partition, want string }{
		{"210987654321", "aws", "config: baseline: ica.yaml:1 asks for account 123456789012, but the credentials are those of " +
			"210987654321: use the other credentials, or correct account"},
		{"123456789012", "aws-cn", `config: baseline: ICA does not exist in AWS partition "aws-cn": use an account of partition "aws"`},
		{"12", "aws", `config: baseline: "12" is not an AWS account id: 12 digits are needed`},
	} {
		if _, err := f.Owner(tc.account, tc.partition); err == nil || err.Error() != tc.want {
			t.Errorf("got  %v\nwant %s", err, tc.want)
		}
	}
	if _, err := mustParse(t, strings.Replace(plain, "account: \"123456789012\"\n", "", 1)).Owner(
		"210987654321", "aws",
	); err != nil {
		t.Errorf("without account: any account goes: %v", err)
	}
}

// TestRegionalNames: a bucket to create in an account's regional namespace is told so, and only there.
func TestRegionalNames(t *testing.T) {
	named := func(text, name string) string { return strings.Replace(text, "lab-prod-ica", name, 1) }
	ours, adopted := "lab-123456789012-us-east-1-an", strings.Replace(plain, "folder: ica", "existing: true", 1)
	for text, want := range map[string]string{
		plain: "", named(plain, ours): "account-regional", named(plain, "lab-an1"): "",
		named(adopted, ours): "", named(adopted, "lab-an"): "", named(adopted, "lab-999999999999-eu-west-1-an"): "",
	} {
		if got := mustBaseline(t, mustParse(t, text)).Buckets[0].Namespace(); got != want {
			t.Errorf("namespace %q, want %q of\n%s", got, want, text)
		}
	}
	f := mustParse(t, strings.Replace(named(plain, ours), "account: \"123456789012\"\n", "", 1))
	if _, err := f.Owner("123456789012", "aws"); err != nil {
		t.Error(err)
	}
	if _, err := f.Owner("999999999999", "aws"); err == nil || !strings.Contains(err.Error(), "ica.yaml:7: bucket "+ours) {
		t.Errorf("the account that the credentials are of is not the name's: %v", err)
	}
}

func TestProviderOverrides(t *testing.T) {
	s := mustBaseline(t, mustParse(t, strings.Replace(plain, "icaRegion: US", "icaRegion: IN", 1)+"    oidcProvider: {namespace: "+
		"aps3}\n")).Storages[0]
	if s.Region.Namespace != "aps3" || s.Region.Doubt != "" ||
		!strings.Contains(
			s.TrustPolicy("PREFIX").Statements()[0].Condition["StringLike"][s.Provider.Host+":sub"][0], "irsa-aps3-gds*",
		) {
		t.Errorf("%+v", s.Region)
	}
}

// several are three storages with different options: two share a role and a key, and the third differs in all.
const several = `account: "123456789012"
homeRegion: eu-west-1
alerts: {emails: [storage-oncall@example.org]}
tags: {owner: genomics}
storages:
  - name: a
    icaRegion: US
    bucket: {name: lab-a, versioning: enabled, kmsKeyArn: "arn:aws:kms:us-east-1:123456789012:key/k",
        crossAccountCopy: true, objectTags: true}
    role: {sessionNamePrefix: "ssm:/x/y", strict: true}
    kms: {restore: true}
  - name: b
    icaRegion: US
    mode: observe
    bucket: {name: lab-b, folder: ica, kmsKeyArn: "arn:aws:kms:us-east-1:123456789012:key/k", publicAccessBlock: false,
        requireTLS: false, lifecycle: expected}
    role: {sessionNamePrefix: "ssm:/x/y", strict: true}
    kms: {restore: true}
  - name: c
    icaRegion: AE
    bucket: {name: lab-c, existing: true, versioning: never}
    role: {name: C, path: /ica/, policyName: c, sessionNamePrefix: Xy12PrefixOfTest,
        boundary: "arn:aws:iam::123456789012:policy/org"}
    oidcProvider: {id: 10FBA7EDEB5930CCFC300EF5AC3DB2FE, namespace: mec1}
`

func TestSeveralStorages(t *testing.T) {
	b := mustBaseline(t, mustParse(t, several))
	golden(t, "testdata/golden/several.json", indented(t, b))
	a, c := b.Storages[0], b.Storages[2]
	if got := a.Role.Prefixes[0].ARN; got != "arn:aws:ssm:eu-west-1:123456789012:parameter/x/y" || c.Role.Prefixes[0].ARN != "" {
		t.Errorf("parameters %q and %q, want that of the home region and none for the literal", got, c.Role.Prefixes[0].ARN)
	}
	if a.Provider.Mode != Observe || a.Key.Mode != Observe || c.Provider.Mode != Observe || a.Mode != Enforce {
		t.Error("what is shared observes as soon as one storage does")
	}
	if !b.Storages[1].Key.CrossAccountCopy || len(b.Storages[1].Key.Roles) != 1 || len(b.Storages[1].KeyStatements()) != 1 ||
		len(c.KeyStatements()) != 0 {
		t.Errorf("a key has one policy for all its storages: %+v", b.Storages[1].Key)
	}
	if got := a.Role.Policy.Document; !slices.Contains(got.Statements()[0].Action, "s3:ListBucketVersions") ||
		slices.Contains(got.Statements()[2].Action, "s3:ListBucketVersions") {
		t.Error("each bucket has its own variant in the template")
	}
	if a.Role.Boundary != (Boundary{
		ARN: "arn:aws:iam::123456789012:policy/icaguard-boundary-Illumina_ICA_Role", Ours: true,
		Name: "icaguard-boundary-Illumina_ICA_Role",
	}) ||
		c.Role.Boundary != (Boundary{ARN: "arn:aws:iam::123456789012:policy/org"}) {
		t.Errorf("boundaries %+v and %+v", a.Role.Boundary, c.Role.Boundary)
	}
	if len(c.BucketStatements(true)) != 0 || len(b.Storages[1].BucketStatements(false)) != 0 || len(a.BucketStatements(false)) != 2 {
		t.Error("statements of bucket policies")
	}
}

func TestSources(t *testing.T) {
	for _, s := range Sources() {
		if s.Document == "" || s.Why == "" || strings.Contains(s.Why, "\n") ||
			strings.Trim(s.Sure, "abcdefghijklmnopqrstuvwxyz, ") != "" {
			t.Errorf("%+v", s)
		}
	}
}
