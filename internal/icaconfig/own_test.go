package icaconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/icaguard/icaguard/internal/yamlspec"
)

// The user's own documents as good as they can be; the tests edit them.
const (
	ownPermissions = `{"Version": "2012-10-17", "Statement": [
  {"Sid": "Bucket", "Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetBucketLocation"], "Resource": "arn:PARTITION:s3:::BUCKET"},
  {"Effect": "Allow", "Action": "s3:GetObject", "Resource": ["arn:PARTITION:s3:::BUCKET/FOLDER/*"], "Condition": {"Bool": {"aws:SecureTransport": true}, "StringLike": {"s3:prefix": ["", "FOLDER/*"]}}},
  {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "KEY_ARN"},
  {"Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"}
]}`
	ownTrust = `{"Version": "2012-10-17", "Statement": {
  "Effect": "Allow", "Principal": {"Federated": "arn:PARTITION:iam::ACCOUNT:oidc-provider/PROVIDER"}, "Action": "sts:AssumeRoleWithWebIdentity",
  "Condition": {"StringEquals": {"PROVIDER:aud": "sts.amazonaws.com"},
    "StringLike": {"PROVIDER:sub": "system:serviceaccount:NS:irsa-NS-new*", "sts:RoleSessionName": "PREFIX-*"}}}}`
	ownStatements = `[{"Sid": "Mine", "Effect": "Allow", "Principal": {"AWS": "CROSSACCT"}, "Action": ["s3:GetObject", "s3:GetObjectAttributes"],
  "Resource": ["arn:PARTITION:s3:::BUCKET", "arn:PARTITION:s3:::BUCKET/*"]}]`
	ownCORS = `[{"ID": "mine", "AllowedHeaders": ["*"], "AllowedMethods": ["HEAD", "GET", "PUT", "POST", "DELETE"],
  "AllowedOrigins": ["https://*.illumina.com"], "ExposeHeaders": ["ETag"], "MaxAgeSeconds": 3000}]`
)

// withOwn is plain with all four documents.
const withOwn = plain + `    documents: {permissionPolicy: p.json, trustPolicy: t.json, crossAccountStatements: s.json, cors: c.json}
`

func ownYAML() string {
	return strings.Replace(withOwn, "folder: ica", "folder: ica\n      crossAccountCopy: true", 1)
}

// ownFiles are the documents, one of them edited: old → new, pairwise.
func ownFiles(name string, pairs ...string) fstest.MapFS {
	files := fstest.MapFS{}
	for file, text := range map[string]string{
		"p.json": ownPermissions, "t.json": ownTrust, "s.json": ownStatements,
		"c.json": ownCORS,
	} {
		if file == name {
			text = strings.NewReplacer(pairs...).Replace(text)
		}
		files[file] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

func mustParseIn(t *testing.T, dir fs.FS, text string) *File {
	t.Helper()
	f, err := ParseIn(dir, "ica.yaml", []byte(text), testTable())
	if err != nil {
		t.Fatalf("ParseIn:\n%v", err)
	}
	return f
}

func TestOwnDocumentsReplaceOurs(t *testing.T) {
	f := mustParseIn(t, ownFiles(""), ownYAML())
	if got := strings.Join(DocumentFiles(f), " "); got != "c.json p.json s.json t.json" {
		t.Errorf("files %s", got)
	}
	s := mustBaseline(t, f).Storages[0]
	never := func(*Bucket) bool { return false }
	golden(
		t,
		"testdata/golden/own.txt",
		fmt.Appendf(
			nil, "permission-policy %s\ntrust-policy      %s\nbucket-policy     %s\ncors              %s\nboundary          %s\n",
			compact(t, s.Role.Policy.Document), compact(t, s.TrustPolicy("THE-PREFIX")), compact(t, s.BucketStatements(true)),
			compact(t, s.Bucket.CORS), compact(t, s.Role.BoundaryDocument()),
		),
	)
	if compact(t, s.Role.PermissionPolicy(never)) != compact(t, s.Role.Policy.Document) {
		t.Error("the permission policy is not the template's")
	}
}

func TestOwnPolicyOfSharedRole(t *testing.T) {
	const both = `storages:
  - name: a
    icaRegion: US
    bucket: {name: bucket-a, folder: "b\"UCKET FOLDER", kmsKeyArn: "%[1]s"}
    role: {sessionNamePrefix: "ssm:/x/y"}
    documents: {permissionPolicy: p.json}
  - name: b
    icaRegion: US
    bucket: {name: bucket-b}
    role: {sessionNamePrefix: "ssm:/x/y"}
    documents: {permissionPolicy: p.json}
`
	b := mustBaseline(t, mustParseIn(t, ownFiles(""), fmt.Sprintf(both, keyIn("us-east-1"))))
	got := compact(t, b.Storages[1].Role.Policy.Document.Statements())
	for what, n := range map[string]int{
		`"arn:aws:s3:::bucket-a"`: 1, `"arn:aws:s3:::bucket-b"`: 1, `"arn:aws:s3:::bucket-b/*"`: 1, keyIn("us-east-1"): 1,
		"s3:DeleteBucket": 1,
		`"arn:aws:s3:::bucket-a/b\"UCKET FOLDER/*"`: 1, // what is put in is not filled in again
		`"Bucket"`: 1, `"Bucket2"`: 1,
		"kms:Decrypt": 1, // the bucket without a key has no such statement
	} {
		if strings.Count(got, what) != n {
			t.Errorf("%s is not there %d times: %s", what, n, got)
		}
	}
}

func TestFill(t *testing.T) {
	values := map[string]string{"BUCKET": "b", "NS": "use1", "FOLDER": "", "KEY_ARN": "arn:k", "REGION": "NS"}
	for text, want := range map[string]string{
		"arn:x:::BUCKET/FOLDER/*": "arn:x:::b/*", "irsa-NS-gds*": "irsa-use1-gds*", "ica_NS_crossacct": "ica_use1_crossacct",
		"DNS": "DNS", "MYBUCKET": "MYBUCKET", "KEY_ARN": "arn:k", "MY_KEY_ARN": "MY_arn:k", "REGION": "NS", "PREFIX-*": "PREFIX-*",
		"": "",
	} {
		if got := fill(text, values); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func badDocuments() []struct {
	name, file string
	edit       []string
} {
	const all = `"Version": "2012-10-17"`
	return []struct {
		name, file string
		edit       []string
	}{
		{"not JSON", "p.json", []string{"]}", "]"}},
		{"Version 2008", "p.json", []string{"2012", "2008"}},
		{"no Version", "t.json", []string{all + ",", ""}},
		{"unknown key", "p.json", []string{`"Sid"`, `"Comment"`}},
		{"key twice", "p.json", []string{all, all + ", " + all}},
		{"statement's key twice", "s.json", []string{`"Sid": "Mine"`, `"Effect": "Allow"`}},
		{"text behind it", "p.json", []string{"]}", "]} x"}},
		{"not UTF-8", "p.json", []string{"Bucket\"", "\xff\""}},
		{"other bucket", "p.json", []string{"BUCKET", "other-bucket"}},
		{"other bucket's objects", "p.json", []string{"BUCKET/FOLDER/*", "other/*"}},
		{"bucket with more behind it", "p.json", []string{"BUCKET\"", "BUCKET*\""}},
		{"any resource", "p.json", []string{`"arn:PARTITION:s3:::BUCKET"`, `"*"`}},
		{"other key", "p.json", []string{"KEY_ARN", "arn:aws:kms:us-east-1:123456789012:key/other"}},
		{"any action", "p.json", []string{`"s3:GetObject"`, `"*"`}},
		{"all of a service", "p.json", []string{`"s3:GetObject"`, `"s3:*"`}},
		{"NotAction", "p.json", []string{`"Action": "s3:GetObject"`, `"NotAction": "s3:GetObject"`}},
		{"NotResource", "p.json", []string{`"Resource": ["arn`, `"NotResource": ["arn`}},
		{"a Principal", "p.json", []string{`"Sid": "Bucket"`, `"Principal": "*"`}},
		{"Sid twice", "p.json", []string{`{"Effect": "Deny"`, `{"Sid": "Bucket", "Effect": "Deny"`}},
		{"Sid with a space", "p.json", []string{`"Bucket"`, `"My bucket"`}},
		{"no Resource", "p.json", []string{`, "Resource": "arn:PARTITION:s3:::BUCKET"`, ""}},
		{"denies all", "p.json", []string{`"Allow"`, `"Deny"`}},
		{"policy too long", "p.json", []string{`"s3:GetObject"`, `"s3:GetObject` + strings.Repeat("x", 6000) + `"`}},
		{"boundary too long", "p.json", []string{`"s3:GetObject"`, `"s3:GetObject` + strings.Repeat("x", 5500) + `"`}},
		{"huge", "p.json", []string{"]}", "]}" + strings.Repeat(" ", 70000)}},
		{"trusts everyone", "t.json", []string{`{"Federated": "arn:PARTITION:iam::ACCOUNT:oidc-provider/PROVIDER"}`, `"*"`}},
		{"trusts another provider", "t.json", []string{"oidc-provider/PROVIDER", "oidc-provider/accounts.google.com"}},
		{"trusts another account", "t.json", []string{"ACCOUNT", "210987654321"}},
		{
			"trusts an AWS principal besides",
			"t.json",
			[]string{`{"Federated":`, `{"AWS": "arn:aws:iam::123456789012:root", "Federated":`},
		},
		{"plain AssumeRole", "t.json", []string{"WithWebIdentity", ""}},
		{"any action of STS", "t.json", []string{"sts:AssumeRoleWithWebIdentity", "sts:*"}},
		{"an audience that is never met", "t.json", []string{`"StringEquals"`, `"StringNotEquals"`}},
		{"the audience under two operators", "t.json", []string{`"StringLike": {`, `"StringLike": {"PROVIDER:AUD": "sts.*", `}},
		{"another audience", "t.json", []string{`"sts.amazonaws.com"`, `["sts.amazonaws.com", "x"]`}},
		{"without the subject", "t.json", []string{`"PROVIDER:sub": "system:serviceaccount:NS:irsa-NS-new*",`, ""}},
		{"any subject", "t.json", []string{"system:serviceaccount:NS:irsa-NS-new*", "*"}},
		{"any service account", "t.json", []string{"irsa-NS-new*", "*"}},
		{"another namespace", "t.json", []string{":NS:", ":other:"}},
		{
			"a second subject",
			"t.json",
			[]string{`"system:serviceaccount:NS:irsa-NS-new*"`, `["system:serviceaccount:NS:irsa-NS-new*", "*"]`},
		},
		{"without the prefix", "t.json", []string{`, "sts:RoleSessionName": "PREFIX-*"`, ""}},
		{"any session name", "t.json", []string{`PREFIX-*`, "*"}},
		{"prefix without a hyphen", "t.json", []string{`PREFIX-*`, "PREFIX*"}},
		{"prefix under StringEquals", "t.json", []string{
			`"StringEquals": {`, `"StringEquals": {"sts:RoleSessionName": "PREFIX-*", `, `, "sts:RoleSessionName": "PREFIX-*"`, "",
		}},
		{"a literal prefix", "t.json", []string{`PREFIX`, testPrefix}},
		{"session name ignoring case", "t.json", []string{`"StringLike"`, `"StringLikeIfExists"`}},
		{"condition key twice once filled in", "t.json", []string{`PREFIX-*"`, `PREFIX-*", "aws:NS": "x", "aws:USE1": "y"`}},
		{"admits nobody", "t.json", []string{`Allow`, "Deny"}},
		{
			"second statement for others",
			"t.json",
			[]string{
				`"Statement": {`,
				`"Statement": [{"Effect": "Allow", "Principal": {"AWS": "210987654321"}, "Action": "sts:AssumeRole"}, {`,
				"}}}}",
				"}}}]}",
			},
		},
		{"trust too long", "t.json", []string{`irsa-NS-new`, "irsa-" + strings.Repeat("x", 1800)}},
		{"trust with a Resource", "t.json", []string{`"Action"`, `"Resource": "*", "Action"`}},
		{"copy for everyone", "s.json", []string{`{"AWS": "CROSSACCT"}`, `"*"`}},
		{"copy for strangers", "s.json", []string{`"CROSSACCT"`, `["CROSSACCT", "arn:aws:iam::210987654321:role/x"]`}},
		{"copy into another bucket", "s.json", []string{`BUCKET`, `other`}},
		{"copy by Deny", "s.json", []string{`Allow`, `Deny`}},
		{"copy with any action", "s.json", []string{`"s3:GetObject"`, `"s3:*"`}},
		{"Sid of ours", "s.json", []string{`Mine`, SidRequireTLS}},
		{"statements too long", "s.json", []string{`"s3:GetObject"`, `"s3:GetObject` + strings.Repeat("x", 21000) + `"`}},
		{"CORS is an object", "c.json", []string{"[{", `{"CORSRules": [{`, "3000}]", "3000}]}"}},
		{"two rules", "c.json", []string{"3000}", `3000}, {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}`}},
		{"no rule", "c.json", []string{ownCORS, "[]"}},
		{"null rule", "c.json", []string{ownCORS, "[null]"}},
		{"CORS key in other case", "c.json", []string{"AllowedOrigins", "allowedOrigins"}},
		{"CORS key twice", "c.json", []string{`"ID": "mine"`, `"MaxAgeSeconds": 1`}},
		{"CORS with text for a number", "c.json", []string{`3000`, `"3000"`}},
		{"CORS method missing", "c.json", []string{`"PUT", `, ``}},
		{"CORS method unknown", "c.json", []string{`"PUT", `, `"PUT", "PATCH", `}},
		{"CORS for another origin", "c.json", []string{`*.illumina.com`, `*.example.org`}},
		{"CORS for all", "c.json", []string{`https://*.illumina.com`, `*`}},
	}
}

// TestBadDocuments holds every message, verbatim, in one file.
func TestBadDocuments(t *testing.T) {
	var all strings.Builder
	expect := func(name, key, file string, err error) {
		t.Helper()
		var faults yamlspec.Faults
		if !errors.As(err, &faults) {
			t.Errorf("%s: accepted (%v)", name, err)
			return
		}
		for _, f := range faults {
			if f.Line < 2 || !strings.HasPrefix(f.Key, "storages[0]."+key) || file != "" && !strings.HasPrefix(f.What, file+": ") ||
				strings.Contains(f.Error(), testPrefix) {
				t.Errorf("%s: %v", name, f)
			}
		}
		fmt.Fprintf(&all, "## %s\n%v\n\n", name, err)
	}
	for _, tc := range badDocuments() {
		files := ownFiles(tc.file, tc.edit...)
		if string(files[tc.file].Data) == string(ownFiles("")[tc.file].Data) {
			t.Errorf("%s: the edit changes nothing", tc.name)
		}
		_, err := ParseIn(files, "ica.yaml", []byte(ownYAML()), testTable())
		expect(tc.name, "documents.", tc.file, err)
	}
	files := ownFiles("")
	delete(files, "t.json")
	_, err := ParseIn(files, "ica.yaml", []byte(ownYAML()), testTable())
	expect("file missing", "documents.trustPolicy", "t.json", err)
	_, err = ParseIn(ownFiles(""), "ica.yaml", []byte(withOwn), testTable())
	expect("statements that are not asked for", "documents.crossAccountStatements", "", err)
	golden(t, "testdata/golden/documents.txt", []byte(all.String()))
}

func TestLoadReadsDocumentsBeside(t *testing.T) {
	dir := t.TempDir()
	for name, file := range ownFiles("") {
		if err := os.WriteFile(filepath.Join(dir, name), file.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "ica.yaml")
	if err := os.WriteFile(path, []byte(ownYAML()), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, testTable()); err != nil {
		t.Error(err)
	}
	if err := os.Remove(filepath.Join(dir, "c.json")); err != nil {
		t.Fatal(err)
	}
	_, err := Load(path, testTable())
	if err == nil || !strings.HasPrefix(err.Error(), path+":") || strings.Count(err.Error(), dir) != 1 {
		t.Errorf("without c.json: %v", err)
	}
}

// TestOwnDocumentsMayBeOurs: what we put passes the checks that the user's own documents pass.
func TestOwnDocumentsMayBeOurs(t *testing.T) {
	files := fstest.MapFS{}
	for file, from := range map[string]string{
		"p.json": "permission-policy.json", "t.json": "trust-policy.json",
		"s.json": "cross-account-statement.json", "c.json": "cors.json",
	} {
		files[file] = &fstest.MapFile{Data: pageText(t, from)}
	}
	files["s.json"].Data = slices.Concat([]byte("["), files["s.json"].Data, []byte("]"))
	for _, r := range Regions() {
		if !r.described() {
			continue
		}
		region := func(text string) string { return strings.Replace(text, "icaRegion: US", "icaRegion: "+r.ID, 1) }
		own := mustBaseline(t, mustParseIn(t, files, region(ownYAML()))).Storages[0]
		ours := mustBaseline(t, mustParse(t, region(edit("folder: ica", "folder: ica\n      crossAccountCopy: true")))).Storages[0]
		same(t, "trust", decoded(t, compact(t, ours.TrustPolicy(testPrefix))), own.TrustPolicy(testPrefix))
		same(t, "permissions", decoded(t, compact(t, ours.Role.Policy.Document)), own.Role.Policy.Document)
		same(t, "bucket", decoded(t, compact(t, ours.BucketStatements(false))), own.BucketStatements(false))
		same(t, "CORS", decoded(t, compact(t, ours.Bucket.CORS)), own.Bucket.CORS)
	}
}
