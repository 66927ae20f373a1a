package icaconfig

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/icaguard/icaguard/internal/policy"
	"github.com/icaguard/icaguard/internal/yamlspec"
)

func keyOf(name string) string { return "arn:aws:kms:us-east-1:123456789012:key/" + name }

// user is a storage: its key, the next one, its previous ones and its role.
type user struct{ key, next, previous, role string }

// sharingKey writes two storages.
func sharingKey(users ...user) string {
	text := "storages:\n"
	for i, s := range users {
		text += fmt.Sprintf(`  - name: s%[1]d
    icaRegion: US
    bucket: {name: bucket-%[1]d, folder: f, crossAccountCopy: true, kmsKeyArn: %[2]q}
    role: {name: %[5]s, policyName: p%[5]s, sessionNamePrefix: "ssm:/x/y"}
    kms: {nextKey: %[3]q, previousKeys: [%[4]s]}
`, i, s.key, s.next, s.previous, s.role)
	}
	return text
}

// TestPreviousKeys: a key that objects were encrypted with before may be decrypted with, in the policy, its boundary and
// the key's own policy, and no more; where a bucket of the role still encrypts with it, that wins.
func TestPreviousKeys(t *testing.T) {
	const all = "kms:Decrypt,kms:Encrypt,kms:GenerateDataKey"
	k, l := keyOf("k"), keyOf("l")
	use := func(keys ...string) string {
		return `{"Effect":"Allow","Action":["kms:Decrypt","kms:Encrypt","kms:GenerateDataKey"],"Resource":["` +
			strings.Join(keys, `","`) + `"]}`
	}
	read := func(keys ...string) string {
		return `{"Effect":"Allow","Action":"kms:Decrypt","Resource":["` + strings.Join(keys, `","`) + `"]}`
	}
	for name, c := range map[string]struct {
		a, b           user
		want           string // of the first storage's role
		roles, readers int    // of the key k
		copied         string // what Illumina's role may do with the key k
	}{
		"next":                          {user{key: l, next: k, role: "A"}, user{role: "B"}, use(l, k), 1, 0, all},
		"changed":                       {user{key: l, previous: k, role: "A"}, user{role: "B"}, use(l) + read(k), 0, 1, "kms:Decrypt"},
		"back to SSE-S3":                {user{previous: k, role: "A"}, user{role: "B"}, read(k), 0, 1, "kms:Decrypt"},
		"two":                           {user{previous: k + ", " + l, role: "A"}, user{role: "B"}, read(k, l), 0, 1, "kms:Decrypt"},
		"present for another, one role": {user{key: l, previous: k, role: "A"}, user{key: k, role: "A"}, use(l, k), 1, 0, all},
		"the same, in the other order":  {user{key: k, role: "A"}, user{key: l, previous: k, role: "A"}, use(k, l), 1, 0, all},
		"present for another role":      {user{previous: k, role: "A"}, user{key: k, role: "B"}, read(k), 1, 1, all},
	} {
		b := mustBaseline(t, mustParse(t, sharingKey(c.a, c.b)))
		role := b.Storages[0].Role
		for _, document := range []policy.Document{role.Policy.Document, role.BoundaryDocument()} {
			var got string
			for _, s := range document.Statements() {
				if strings.HasPrefix(s.Action[0], "kms:") {
					got += s.JSON()
				}
			}
			if got != c.want {
				t.Errorf("%s: %s, want %s", name, got, c.want)
			}
		}
		i := slices.IndexFunc(b.Keys, func(key *Key) bool { return key.ARN == k })
		s := b.Storages[0]
		s.Key = b.Keys[i]
		if len(s.Key.Roles) != c.roles || len(s.Key.Readers) != c.readers || s.Key.Previous() != (c.roles == 0) ||
			len(s.KeyRoleStatements()) != c.roles+c.readers || strings.Join(s.KeyStatements()[0].Action, ",") != c.copied {
			t.Errorf("%s: %+v, %s, %s", name, s.Key, s.KeyRoleStatements(), s.KeyStatements())
		}
		if !slices.Equal(b.KeyRegions, []string{"us-east-1"}) {
			t.Errorf("%s: key regions %q", name, b.KeyRegions)
		}
	}
}

func TestDroppedKeys(t *testing.T) {
	k, l := keyOf("k"), keyOf("l")
	allow := func(action, resource string) string {
		return `{"Effect":"Allow","Action":` + action + `,"Resource":` + resource + `}`
	}
	for name, c := range map[string]struct{ live, want, dropped string }{
		"changed":                    {allow(`["kms:Decrypt","kms:Encrypt"]`, `"`+k+`"`), allow(`["kms:Decrypt"]`, `["`+l+`"]`), k},
		"kept":                       {allow(`"kms:*"`, `["`+k+`"]`), allow(`"kms:Decrypt"`, `["`+l+`","`+k+`"]`), ""},
		"all of KMS":                 {allow(`"KMS:*"`, `["`+k+`","`+l+`"]`), allow(`"kms:Decrypt"`, `"`+l+`"`), k},
		"everything on the key":      {allow(`"*"`, `"`+k+`"`), allow(`"s3:*"`, `"*"`), k},
		"encrypt only stays":         {allow(`"kms:Decrypt"`, `"`+k+`"`), allow(`"kms:Encrypt"`, `"`+k+`"`), k},
		"nothing was read with it":   {allow(`"kms:Encrypt"`, `"`+k+`"`), allow(`"s3:*"`, `"*"`), ""},
		"beside a bucket, once only": {allow(`["s3:*","kms:Decrypt"]`, `["arn:aws:s3:::b","`+k+`"]`) + "," + allow(`"kms:*"`, `"`+k+`"`), allow(`"s3:*"`, `"*"`), k},
		"through S3 only": {
			`{"Effect":"Allow","Action":"kms:Decrypt","Resource":"` + k + `","Condition":{"StringEquals":{"kms:ViaService":"s3.us-east-1.amazonaws.com"}}}`,
			allow(`"s3:*"`, `"*"`), k,
		},
		"a Deny names no key of ours": {`{"Effect":"Deny","Action":"kms:Decrypt","Resource":"` + k + `"}`, allow(`"s3:*"`, `"*"`), ""},
	} {
		parsed := func(statements string) policy.Document {
			doc, err := policy.Parse(`{"Version":"2012-10-17","Statement":[` + statements + `]}`)
			if err != nil {
				t.Fatal(err)
			}
			return doc
		}
		if got := strings.Join(DroppedKeys(parsed(c.live), parsed(c.want)), " "); got != c.dropped {
			t.Errorf("%s: %q, want %q", name, got, c.dropped)
		}
	}
	if got := DroppedKeys(parsedOwn(t, allow(`"kms:Decrypt"`, `"`+k+`"`)), policy.Document{}); len(got) != 1 {
		t.Errorf("without any policy: %q", got)
	}
}

func parsedOwn(t *testing.T, statement string) policy.Document {
	t.Helper()
	doc, err := policy.Parse(`{"Version":"2012-10-17","Statement":` + statement + `}`)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestOwnPolicyAndPreviousKeys: a policy of the user's own may name previous keys, and a warning says when it does not.
func TestOwnPolicyAndPreviousKeys(t *testing.T) {
	const text = `storages:
  - name: a
    icaRegion: US
    bucket: {name: bucket-a, folder: f}
    role: {sessionNamePrefix: "ssm:/x/y"}
    documents: {permissionPolicy: p.json}
    kms: {previousKeys: ["arn:aws:kms:us-east-1:123456789012:key/k"]}
`
	own := func(more string) fstest.MapFS {
		return fstest.MapFS{"p.json": {Data: []byte(`{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":["arn:PARTITION:s3:::BUCKET"]},
			{"Effect":"Allow","Action":["s3:GetObject"],"Resource":["arn:PARTITION:s3:::BUCKET/FOLDER/*"]}` + more + `]}`)}}
	}
	warnings := mustParseIn(t, own(""), text).Warnings()
	const want = "storages[0].kms.previousKeys[0]: p.json does not allow kms:Decrypt"
	if got := strings.Join(warnings, "\n"); !strings.Contains(got, want) {
		t.Error(got)
	}
	named := mustParseIn(t, own(`,{"Effect":"Allow","Action":["kms:Decrypt"],"Resource":["`+keyOf("k")+`"]}`), text)
	if got := strings.Join(named.Warnings(), "\n"); strings.Contains(got, "previousKeys") {
		t.Error(got)
	}
}

func TestSeveralPrefixes(t *testing.T) {
	list := edit("ssm:/ica/lab-prod/session-name-prefix", `[ssm:/ica/new, `+testPrefix+`, ssm:/ica/old]`)
	s := mustBaseline(t, mustParse(t, list)).Storages[0]
	if p := s.Role.Prefixes; len(p) != 3 || p[0].ARN != "arn:aws:ssm:us-east-1:123456789012:parameter/ica/new" ||
		p[1].Literal.Reveal() != testPrefix || p[2].Parameter != "/ica/old" {
		t.Errorf("%+v", p)
	}
	if got := compact(t, s.TrustPolicy("new", "old")); !strings.Contains(got, `"sts:RoleSessionName":["new-*","old-*"]`) {
		t.Errorf("ours: %s", got)
	}
	own := mustBaseline(t, mustParseIn(t, ownFiles(""), ownYAML())).Storages[0].TrustPolicy("new", "old")
	if got := compact(t, own); !strings.Contains(got, `"sts:RoleSessionName":["new-*","old-*"]`) || strings.Contains(got, "PREFIX") {
		t.Errorf("the user's own: %s", got)
	}
	both := strings.Replace(sharingKey(user{role: "A"}, user{role: "A"}), `"ssm:/x/y"`, `["ssm:/a", "ssm:/b"]`, 1)
	mustParse(t, strings.Replace(both, `"ssm:/x/y"`, `["ssm:/b", "ssm:/a"]`, 1)) // order has no meaning
	const want = "role.sessionNamePrefix: storages that share role A must agree"
	if _, err := Parse("ica.yaml", []byte(both)); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("other prefixes for one role: %v", err)
	}
}

// TestReferences: CloudFormation resolves at most 60 parameters in a stack, whatever roles they are of.
func TestReferences(t *testing.T) {
	storage := func(name, role, prefixes string) string {
		return fmt.Sprintf("  - {name: %[1]s, icaRegion: US, bucket: {name: bucket-%[1]s, folder: f}, "+
			"role: {name: %[2]s, policyName: p%[2]s, sessionNamePrefix: %[3]s}}\n", name, role, prefixes)
	}
	text := "storages:\n"
	for i := range 20 {
		text += storage(fmt.Sprintf("a%d", i), fmt.Sprintf("R%d", i), fmt.Sprintf("[ssm:/a/%[1]d, ssm:/b/%[1]d, ssm:/c/%[1]d]", i))
	}
	text += storage("same", "R0", "[ssm:/a/0, ssm:/b/0, ssm:/c/0]") + storage("own", "Own", testPrefix) +
		storage("old", "Old", "ssm:/old, existing: true")
	mustParse(t, text)
	_, err := Parse("ica.yaml", []byte(text+storage("last", "Last", "ssm:/last")))
	var faults yamlspec.Faults
	if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Line != 25 ||
		!strings.Contains(err.Error(), "storages[23].role.sessionNamePrefix: makes 61 prefixes in parameters") {
		t.Errorf("61 references: %v", err)
	}
}
