package icaconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/icaguard/icaguard/internal/yamlspec"
)

// edit is a bad file made from plain: old → new, pairwise, or only the text to put at its end.
func edit(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(plain) }

func bad() []struct{ name, text string } {
	const prefix = "ssm:/ica/lab-prod/session-name-prefix"
	both := plain + second
	edit2 := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(both) }
	return []struct{ name, text string }{
		{"empty file", ""},
		{"only comments", "# nothing\n"},
		{"only null", "---\n~\n"},
		{"a list as the file", "- name: x\n"},
		{"a word as the file", "hello\n"},
		{"not YAML", edit("    bucket:", "  bucket:")},
		{"tab", edit("    bucket:", "\tbucket:")},
		{"unclosed quote", edit("name: lab-prod-ica", `name: "lab-prod-ica`)},
		{"control character", edit("lab-prod-ica", "lab\x00")},
		{"not UTF-8", edit("lab-prod-ica", "lab\xff")},
		{"two documents", plain + "---\n" + plain},
		{"broken second document", plain + "---\na: [\n"},
		{"prefix read as an alias", edit(prefix, "*"+testPrefix)},
		{"alias", edit("account: ", "account: &a ", "name: lab-prod\n", "name: *a\n")},
		{"anchor in a list", edit("[storage", "[&a storage")},
		{"anchor on a tag", "tags: {owner: &a x}\n" + plain},
		{"anchor on a mapping", edit("bucket:", "bucket: &b")},
		{"merge key", plain + "    <<: {mode: observe}\n"},
		{"key that is a list", plain + "    ? [a]\n    : b\n"},
		{"duplicate key", edit("      folder: ica", "      folder: ica\n      folder: other")},
		{"duplicate tag", "tags: {owner: a, owner: b}\n" + plain},
		{"unknown key", "colour: red\n" + plain},
		{"unknown key, near", edit("icaRegion", "icaregion")},
		{"unknown key, near, with a secret", edit("sessionNamePrefix: "+prefix, "sesionNamePrefix: "+testPrefix)},
		{"unknown key at another place", edit("    icaRegion: US", "    icaRegion: US\n    folder: ica")},
		{"unknown mapping at another place", "bucket: {name: x}\n" + plain},
		{
			"secret glued to its key",
			edit("    role:\n      sessionNamePrefix: "+prefix, "    role: {sessionNamePrefix:"+testPrefix+"}"),
		},
		{"missing storages", "account: \"123456789012\"\n"},
		{"null storages", "storages:\n"},
		{"no storage", "storages: []\n"},
		{"null storage", "storages:\n  -\n"},
		{"storages is a mapping", "storages: {name: lab-prod}\n"},
		{"missing name", edit("- name: lab-prod\n    icaRegion", "- icaRegion")},
		{"missing region", edit("    icaRegion: US\n", "")},
		{"missing bucket", edit("    bucket:\n      name: lab-prod-ica\n      folder: ica\n", "")},
		{"missing bucket name", edit("      name: lab-prod-ica\n", "")},
		{"missing prefix", edit("      sessionNamePrefix: "+prefix, "      path: /")},
		{"null prefix", edit(prefix, "")},
		{
			"text where a mapping belongs",
			edit("    bucket:\n      name: lab-prod-ica\n      folder: ica\n", "    bucket: lab-prod-ica\n"),
		},
		{"secret where a mapping belongs", edit("    role:\n      sessionNamePrefix: "+prefix, "    role: "+testPrefix)},
		{"list where text belongs", edit("lab-prod-ica", "[a, b]")},
		{"mapping as a prefix", edit(prefix, "{"+testPrefix+": x}")},
		{"empty list of prefixes", edit(prefix, "[]")},
		{"four prefixes", edit(prefix, "[ssm:/a, ssm:/b, ssm:/c, ssm:/d]")},
		{"prefix twice", edit(prefix, "["+testPrefix+", ssm:/b, "+testPrefix+"]")},
		{"list of prefixes with a wildcard, a number and nothing", edit(prefix, "[ssm:/a, \"*\", ~]")},
		{"previous key that is an alias", plain + "    kms: {previousKeys: [\"arn:aws:kms:us-east-1:123456789012:alias/x\"]}\n"},
		{"previous keys as text", plain + "    kms: {previousKeys: " + keyIn("us-east-1") + "}\n"},
		{"previous key in another region", plain + "    kms: {previousKeys: [" + keyIn("eu-west-1") + "]}\n"},
		{"previous key twice", plain + "    kms: {previousKeys: [" + keyIn("us-east-1") + ", " + keyIn("us-east-1") + "]}\n"},
		{
			"previous key that is the present one",
			edit("      folder: ica", "      kmsKeyArn: "+keyIn("us-east-1")) + "    kms: {previousKeys: [" + keyIn("us-east-1") + "]}\n",
		},
		{
			"next key that is a previous one",
			plain + "    kms: {nextKey: " + keyIn("us-east-1") + ", previousKeys: [" + keyIn("us-east-1") + "]}\n",
		},
		{"next key in another region", plain + "    kms: {nextKey: " + keyIn("eu-west-1") + "}\n"},
		{"previous key alone, restored", plain + "    kms: {restore: true, previousKeys: [" + keyIn("us-east-1") + "]}\n"},
		{"true where text belongs", edit("name: lab-prod\n", "name: true\n")},
		{"text where true or false belongs", edit("folder: ica", "existing: yes")},
		{"quoted false", edit("folder: ica", `existing: "false"`)},
		{"text where a list belongs", edit("[storage-oncall@example.org]", "storage-oncall@example.org")},
		{"list where tags belong", "tags: [owner]\n" + plain},
		{"account", edit("123456789012", "12345")},
		{"home region", "homeRegion: Virginia\n" + plain},
		{"home region misspelt", "homeRegion: us-esat-1\n" + plain},
		{"home region of another partition", "homeRegion: us-gov-west-1\n" + plain},
		{"mode", "mode: enforced\n" + plain},
		{"mode of a storage", edit("icaRegion: US", "icaRegion: US\n    mode: fix")},
		{"e-mail", edit("storage-oncall@example.org", "storage-oncall")},
		{"e-mail twice", edit("[storage-oncall@example.org]", "[storage-oncall@example.org, Storage-Oncall@example.org]")},
		{"empty e-mail", edit("[storage-oncall@example.org]", `[""]`)},
		{"null e-mail", edit("[storage-oncall@example.org]", "[~]")},
		{"tag of AWS", "tags: {AWS:owner: a}\n" + plain},
		{"tag with a strange key", "tags: {\"own<er\\n\": a}\n" + plain},
		{"tag with a strange value", "tags: {owner: \"a;b\"}\n" + plain},
		{"tag with a long value", "tags: {owner: " + strings.Repeat("a", 257) + "}\n" + plain},
		{"tag without a value", "tags: {owner: }\n" + plain},
		{"tag of ours", "tags: {Icaguard: mine}\n" + plain},
		{"tags that differ by capitals", "tags: {owner: a, Owner: b}\n" + plain},
		{"too many tags", "tags:\n" + manyTags(50) + plain},
		{"storage name", edit("name: lab-prod\n", "name: Lab_Prod\n")},
		{"storage named all", edit("name: lab-prod\n", "name: all\n")},
		{"long storage name", edit("name: lab-prod\n", "name: "+strings.Repeat("a", 33)+"\n")},
		{"storage name twice", edit2("lab-test\n", "lab-prod\n")},
		{"unknown region", edit("US", "us-east-1")},
		{"region without provider", edit("US", "IL")},
		{"region without provider, only the id given", edit("US", "ID") + "    oidcProvider: {id: 10FBA7EDEB5930CCFC300EF5AC3DB2FE}\n"},
		{"region without provider, bad id given", edit("US", "AE") + "    oidcProvider: {id: 10fb, namespace: mec1}\n"},
		{"bucket with capitals", edit("lab-prod-ica", "Lab-Prod")},
		{"short bucket", edit("lab-prod-ica", "ab")},
		{"long bucket", edit("lab-prod-ica", strings.Repeat("a", 64))},
		{"bucket like an address", edit("lab-prod-ica", "192.168.0.1")},
		{"bucket with two dots", edit("lab-prod-ica", "lab..ica")},
		{"bucket beginning with xn--", edit("lab-prod-ica", "xn--lab")},
		{"bucket beginning with sthree-", edit("lab-prod-ica", "sthree-lab")},
		{"bucket beginning with amzn-s3-demo-", edit("lab-prod-ica", "amzn-s3-demo-lab")},
		{"bucket ending in -s3alias", edit("lab-prod-ica", "lab-s3alias")},
		{"bucket ending in --ol-s3", edit("lab-prod-ica", "lab--ol-s3")},
		{"bucket ending in -an, without account and region", edit("lab-prod-ica", "lab-an")},
		{"bucket of another account's namespace", edit("lab-prod-ica", "lab-999999999999-us-east-1-an")},
		{"bucket of another region's namespace", edit("lab-prod-ica", "lab-123456789012-eu-central-1-an")},
		{"bucket of a namespace, without a name", edit("lab-prod-ica", "0123456789012-us-east-1-an")},
		{
			"bucket of a namespace that its region does not have",
			edit("lab-prod-ica", "lab-123456789012-me-central-1-an", "US", "AE") +
				"    oidcProvider: {id: 10FBA7EDEB5930CCFC300EF5AC3DB2FE, namespace: mec1}\n",
		},
		{"bucket ending in a hyphen", edit("lab-prod-ica", "lab-")},
		{"bucket twice", edit2("lab-test-ica", "lab-prod-ica")},
		{"folder with a slash before", edit("folder: ica", "folder: /ica")},
		{"folder with a slash behind", edit("folder: ica", "folder: ica/")},
		{"folder with a wildcard", edit("folder: ica", "folder: ica*")},
		{"folder with a question mark", edit("folder: ica", "folder: ic?")},
		{"folder with a variable", edit("folder: ica", "folder: a/${aws:username}")},
		{"folder with two slashes", edit("folder: ica", "folder: a//b")},
		{"folder that goes up", edit("folder: ica", "folder: a/../b")},
		{"role name", edit("    role:", "    role:\n      name: My Role")},
		{"empty role name", edit("    role:", "    role:\n      name: \"\"")},
		{"path", edit("    role:", "    role:\n      path: ica")},
		{"path with a wildcard", edit("    role:", "    role:\n      path: /ic*/")},
		{"path of AWS", edit("    role:", "    role:\n      path: /aws-service-role/x/")},
		{"description", edit("    role:", "    role:\n      description: \"für €\"")},
		{"long description", edit("    role:", "    role:\n      description: "+strings.Repeat("a", 1001))},
		{"policy name", edit("    role:", "    role:\n      policyName: a/b")},
		{"policy named like a boundary", edit("    role:", "    role:\n      policyName: icaguard-boundary-x")},
		{"policy of two roles", edit2("      policyName: test-policy\n", "")},
		{"policy too large", plain + manyStorages(20)},
		{"wildcard prefix", edit(prefix, `"*"`)},
		{"prefix with a wildcard", edit(prefix, testPrefix+"*")},
		{"short prefix", edit(prefix, "Xy12")},
		{"long prefix", edit(prefix, strings.Repeat(testPrefix, 4))},
		{"prefix with a space", edit(prefix, testPrefix+" "+testPrefix)},
		{"empty prefix", edit(prefix, `""`)},
		{"parameter without a slash", edit(prefix, "ssm:"+testPrefix)},
		{"parameter of AWS", edit(prefix, "ssm:/aws/x")},
		{
			"shared role, all differs",
			edit2(
				"Test_Role", "Illumina_ICA_Role", "test-policy\n",
				"other-policy\n      path: /x/\n      description: x\n      existing: true\n",
			),
		},
		{
			"shared role, literal prefixes differ",
			edit2(
				"Test_Role", "Illumina_ICA_Role", "test-policy", "illumina-ica-admin-policy", prefix, testPrefix,
				"ssm:/ica/lab-test/session-name-prefix", testPrefix+"2",
			),
		},
		{
			"roles that differ by capitals",
			edit2("Test_Role", "illumina_ica_role", "test-policy", "illumina-ica-admin-policy", "lab-test/session", "lab-prod/session"),
		},
		{"provider adopted by one storage only", both + "    oidcProvider: {existing: true}\n"},
		{"versioning", edit("folder: ica", "versioning: on")},
		{"empty versioning", edit("folder: ica", "versioning: \"\"")},
		{"public access", edit("folder: ica", "publicAccessBlock: \"no\"")},
		{"lifecycle", edit("folder: ica", "lifecycle: expect")},
		{"alias as key", edit("folder: ica", "kmsKeyArn: arn:aws:kms:us-east-1:123456789012:alias/lab")},
		{"key of another region", edit("folder: ica", "kmsKeyArn: "+keyIn("eu-west-1"))},
		{"key of another partition", edit("folder: ica", "kmsKeyArn: "+strings.Replace(keyIn("us-east-1"), "aws", "aws-cn", 1))},
		{"KMS restore without a key", plain + "    kms: {restore: true}\n"},
		{"shared key, restore differs", edit2("folder: ica\n", "kmsKeyArn: "+keyIn("us-east-1")+"\n") + "    kms: {restore: true}\n"},
		{"strict with an adopted role", edit("    role:", "    role:\n      existing: true\n      strict: true")},
		{"boundary", edit("    role:", "    role:\n      boundary: yes-please")},
		{"boundary with a wildcard", edit("    role:", "    role:\n      boundary: arn:aws:iam::123456789012:policy/org-*")},
		{"boundary of another account", edit("    role:", "    role:\n      boundary: arn:aws:iam::210987654321:policy/org")},
		{"adopted role enforced without a decision on its boundary", enforced(plain)},
		{
			"adopted role that two storages share, both enforced without a decision on its boundary",
			enforced(sharing()),
		},
		{"guard's boundary by name", plain + "guard: {boundary: icaguard}\n"},
		{"guard's boundary of another account", plain + "guard: {boundary: \"arn:aws:iam::210987654321:policy/org\"}\n"},
		{"guard with a VPC", plain + "guard: {vpc: vpc-1}\n"},
		{
			"shared role, strict and boundary differ",
			edit2(
				"Test_Role", "Illumina_ICA_Role", "test-policy\n",
				"illumina-ica-admin-policy\n      strict: true\n      boundary: none\n", "lab-test/session", "lab-prod/session",
			),
		},
		{
			"shared role in two regions",
			edit2(
				"name: lab-test\n    icaRegion: US",
				"name: lab-test\n    icaRegion: CA",
				"Test_Role",
				"Illumina_ICA_Role",
				"test-policy\n",
				"illumina-ica-admin-policy\n",
				"lab-test/session",
				"lab-prod/session",
			),
		},
		{
			"shared role, documents differ",
			edit2(
				"Test_Role", "Illumina_ICA_Role", "test-policy\n", "illumina-ica-admin-policy\n", "lab-test/session", "lab-prod/session",
			) + "    documents: {trustPolicy: my.json}\n",
		},
		{"documents without a folder", plain + "    documents: {cors: my-cors.json}\n"},
		{"document in another folder", plain + "    documents: {cors: ../my-cors.json}\n"},
		{"audit", "audit: hourly\n" + plain},
		{"audit without a unit", "audit: 60\n" + plain},
		{"audit in days", "audit: 1d\n" + plain},
		{"audit of two units", "audit: 1h30m\n" + plain},
		{"short audit", "audit: 4m\n" + plain},
		{"long audit", "audit: 25h\n" + plain},
		{"long audit in minutes", "audit: 1441m\n" + plain},
		{"no audit", "audit: \"\"\n" + plain},
		{"trail", "trail: none\n" + plain},
		{"IAM events", "iamEvents: relais\n" + plain},
	}
}

func manyTags(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  tag%d: x\n", i)
	}
	return b.String()
}

// manyStorages share the role of plain.
func manyStorages(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(
			&b,
			"  - name: lab-%d\n    icaRegion: US\n    bucket: {name: lab-%d-ica}\n    role: {sessionNamePrefix: "+
				"\"ssm:/ica/lab-prod/session-name-prefix\"}\n",
			i,
			i,
		)
	}
	return b.String()
}

// TestBadInput holds every message, verbatim, in one file that can be read from top to bottom.
func TestBadInput(t *testing.T) {
	var all strings.Builder
	for _, tc := range append(bad(), badExceptions()...) {
		if tc.text == plain {
			t.Errorf("%s: the edit changes nothing", tc.name)
		}
		f, err := ParseIn(nil, "ica.yaml", []byte(tc.text), testTable())
		if err == nil || f != nil {
			t.Errorf("%s: accepted", tc.name)
			continue
		}
		var faults yamlspec.Faults
		if !errors.As(err, &faults) || len(faults) == 0 {
			t.Errorf("%s: %T is not Faults", tc.name, err)
		}
		if strings.Contains(err.Error(), testPrefix) {
			t.Errorf("%s: the message shows the prefix: %v", tc.name, err)
		}
		if strings.Count(err.Error(), "\n") != len(faults)-1 {
			t.Errorf("%s: not one line for each fault", tc.name)
		}
		fmt.Fprintf(&all, "## %s\n%v\n\n", tc.name, err)
	}
	golden(t, "testdata/golden/faults.txt", []byte(all.String()))
}

func TestAllFaultsAtOnce(t *testing.T) {
	const text = `account: 12
colour: red
audit: 2m
storages:
  - name: Lab
    icaRegion: XX
    bucket: {name: A, folder: "a*"}
    role:
      path: x
      sessionNamePrefix: "*"
  - bucket: []
`
	_, err := ParseIn(nil, "ica.yaml", []byte(text), testTable())
	var faults yamlspec.Faults
	if !errors.As(err, &faults) {
		t.Fatal(err)
	}
	var got []string
	for _, f := range faults {
		got = append(got, fmt.Sprintf("%d:%d %s", f.Line, f.Column, f.Key))
	}
	want := []string{
		"1:10 account",
		"2:1 colour",
		"3:8 audit",
		"5:11 storages[0].name",
		"6:16 storages[0].icaRegion",
		"7:20 storages[0].bucket.name",
		"7:31 storages[0].bucket.folder",
		"9:13 storages[0].role.path",
		"10:26 storages[0].role.sessionNamePrefix",
		"11:5 storages[1].name",
		"11:5 storages[1].icaRegion",
		"11:5 storages[1].role.sessionNamePrefix",
		"11:13 storages[1].bucket",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var one yamlspec.Fault
	if !errors.As(err, &one) || one != faults[0] {
		t.Error("errors.As does not reach a single fault")
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ica.yaml")
	_, err := Load(path, testTable())
	if !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "config: read: ") ||
		!strings.Contains(err.Error(), "copy ica.example.yaml") {
		t.Errorf("missing file: %v", err)
	}
	if _, err := Load(t.TempDir(), testTable()); err == nil || !strings.HasPrefix(err.Error(), "config: read: ") {
		t.Errorf("directory: %v", err)
	}
	if err := os.WriteFile(path, []byte("mode: x\n"+plain), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path, testTable()); err == nil || !strings.HasPrefix(err.Error(), path+":1:7: mode: ") {
		t.Errorf("bad file: %v", err)
	}
}

func TestSaneForms(t *testing.T) {
	for name, text := range map[string]string{
		"account without quotes": edit(`"123456789012"`, "012345678901"),
		"defaults": "audit: 1h\ntrail: existing\niamEvents: relay\n" + plain + "    kms: {restore: false}\n    " +
			"documents: {}\n",
		"other values":                  "audit: 90m\ntrail: create\n" + plain,
		"keys with nothing behind them": "mode:\ntags:\nhomeRegion: ~\n" + plain + "    kms:\n    oidcProvider:\n",
		"JSON":                          `{"storages":[{"name":"a","icaRegion":"US","bucket":{"name":"abc"},"role":{"sessionNamePrefix":"ssm:/a"}}]}`,
		"numbers as tags":               "tags: {cost: 0042, since: 2024-01-01, empty: \"\"}\n" + plain,
		"document end":                  "---\n" + plain + "...\n",
		"Windows line ends":             strings.ReplaceAll(plain, "\n", "\r\n"),
		"home region":                   "homeRegion: us-east-1\n" + plain,
	} {
		if _, err := ParseIn(nil, "ica.yaml", []byte(text), testTable()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if f := mustParse(t, "tags: {cost: 0042}\n"+plain); f.Tags["cost"] != "0042" {
		t.Errorf("a number is not taken as written: %q", f.Tags["cost"])
	}
}

// TestAuditEvery: of all durations in whole minutes or hours, those from 5m to 24h are taken, and mean what they say.
func TestAuditEvery(t *testing.T) {
	for unit, one := range map[string]time.Duration{"m": time.Minute, "h": time.Hour} {
		for n := range 2000 {
			text, every := strconv.Itoa(n)+unit, time.Duration(n)*one
			wanted := every >= 5*time.Minute && every <= 24*time.Hour
			if formats["duration"].Match(text) != wanted {
				t.Errorf("%s: taken %t, want %t", text, !wanted, wanted)
			}
			if got := (&File{Audit: text}).auditEvery(); got != every {
				t.Errorf("%s is read as %s", text, got)
			}
		}
	}
	if got := mustParse(t, plain).auditEvery(); got != time.Hour {
		t.Errorf("without the key: %s, want 1h", got)
	}
	if got := mustParse(t, "audit: 90m\n"+plain).auditEvery(); got != 90*time.Minute {
		t.Errorf("audit: 90m is %s", got)
	}
}

func TestWarnings(t *testing.T) {
	f := mustParse(
		t,
		edit(
			"alerts:\n  emails: [storage-oncall@example.org]\n",
			"",
			"      folder: ica\n",
			"",
			"ssm:/ica/lab-prod/session-name-prefix",
			testPrefix,
			"icaRegion: US",
			"icaRegion: IN",
		),
	)
	want := `ica.yaml:1: alerts.emails: nobody gets a mail about what no program may repair; give at least one address, for example emails: [storage-oncall@example.org]
ica.yaml:6: storages[0].bucket.folder: ICA gets the whole bucket; Illumina advises a folder, for example folder: ica
ica.yaml:4: storages[0].icaRegion: the page gives namespace aps1 (also Singapore's) but cross-account role aps3; if ICA is not authorized to assume the role, ask Illumina support and set oidcProvider.namespace
ica.yaml:8: storages[0].role.sessionNamePrefix: a literal prefix also stands in the template and in the Lambda's file; better keep it in a String parameter of the home region, for example sessionNamePrefix: "ssm:/ica/lab-prod/session-name-prefix"`
	if got := strings.Join(f.Warnings(), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	adopted := mustParse(t, edit("    role:", "    role:\n      existing: true")).Warnings()
	if len(adopted) != 1 || !strings.HasPrefix(adopted[0], "ica.yaml:5: storages[0].oidcProvider.existing: ") {
		t.Errorf("adopted role, provider to be created: %q", adopted)
	}
	for _, c := range []struct{ text, want string }{
		{
			edit("folder: ica", "folder: ica\n      existing: true"),
			"ica.yaml:8: storages[0].bucket.versioning: if this bucket is versioned,",
		},
		{edit("folder: ica", "folder: ica\n      existing: true\n      versioning: never"), ""},
		{
			edit("folder: ica", "folder: ica\n      versioning: never\n      existing: true\n      crossAccountCopy: true"),
			"ica.yaml:12: storages[0].bucket.crossAccountCopy: on an adopted bucket",
		},
		{edit("folder: ica", "folder: ica\n      crossAccountCopy: true"), ""},
		{
			edit("folder: ica", "folder: ica\n      kmsKeyArn: arn:aws:kms:us-east-1:210987654321:key/k"),
			"ica.yaml:10: storages[0].bucket.kmsKeyArn: the key is in another account",
		},
		{
			edit("    role:", "    role:\n      boundary: none"),
			"ica.yaml:11: storages[0].role.boundary: without a permissions boundary",
		},
		{
			plain + "    kms: {dropPreviousKey: true}\n",
			"ica.yaml:12: storages[0].kms.dropPreviousKey: a deploy takes every key from ICA's policy that this file no longer names",
		},
		{
			plain + "    kms: {previousKeys: [\"arn:aws:kms:us-east-1:210987654321:key/k\"]}\n",
			"ica.yaml:12: storages[0].kms.previousKeys[0]: the key is in another account",
		},
		{plain + "    kms: {previousKeys: [" + keyIn("us-east-1") + "]}\n", ""},
		{plain + "    oidcProvider: {existing: true}\n", ""},
		{edit("icaRegion: US", "icaRegion: IN") + "    oidcProvider: {namespace: aps3}\n", ""},
	} {
		got := mustParse(t, c.text).Warnings()
		if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], c.want)) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	for text, want := range map[string]string{
		"boundary: none": "ica.yaml:14: storages[0].role.boundary: without a permissions boundary of its own",
		"boundary: arn:aws:iam::aws:policy/AdministratorAccess": "ica.yaml:14: storages[0].role.boundary: without a permissions " +
			"boundary of its own",
		"boundary: icaguard":                             "",
		"boundary: arn:aws:iam::123456789012:policy/org": "",
	} {
		got := mustParse(t, enforced(strings.Replace(plain, "    role:", "    role:\n      "+text, 1))).Warnings()
		found := slices.IndexFunc(got, func(w string) bool { return strings.Contains(w, "role.boundary") })
		if want == "" && found >= 0 || want != "" && (found < 0 || !strings.HasPrefix(got[found], want) ||
			!strings.Contains(got[found], "CreatePolicyVersion")) {
			t.Errorf("%s on an adopted, enforced role: got %q, want %q", text, got, want)
		}
	}
	observed := mustParse(t, edit("    role:", "    role:\n      existing: true\n      boundary: none")+
		"    oidcProvider: {existing: true}\n").Warnings()
	if len(observed) > 0 {
		t.Errorf("a role that is only observed needs no boundary: %q", observed)
	}
	if w := mustParse(t, plain).Warnings(); len(w) > 0 {
		t.Errorf("warnings without a cause: %q", w)
	}
}

// enforced is the file with adopted roles and providers, enforced.
func enforced(text string) string {
	return strings.ReplaceAll(
		text, "    role:\n", "    mode: enforce\n    oidcProvider: {existing: true}\n    role:\n      existing: true\n",
	)
}

// sharing is two storages that share a role.
func sharing() string {
	return strings.NewReplacer(
		"Test_Role", "Illumina_ICA_Role", "test-policy", "illumina-ica-admin-policy", "lab-test/session", "lab-prod/session",
	).Replace(plain + second)
}

// TestAdoptedRoleWithADecision: one storage says it for all that share the role; where one of them only observes, the
// role is observed and needs none.
func TestAdoptedRoleWithADecision(t *testing.T) {
	shared := enforced(sharing())
	mustParse(t, strings.Replace(shared, "existing: true\n      name", "existing: true\n      boundary: none\n      name", 1))
	mustParse(t, strings.Replace(shared, "mode: enforce", "mode: observe", 1))
	mustParse(t, strings.ReplaceAll(shared, "existing: true\n      ", "existing: true\n      boundary: icaguard\n      "))
}
