package discover

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/icaguard/icaguard/internal/golden"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// trustSeeds are trust policies as people and tools write them.
func trustSeeds(f *testing.F) []string {
	var variants map[string]json.RawMessage
	recorded := golden.Seeds(f, "../guard/settings/testdata/inputs/trust-policy-variants.json")
	if err := json.Unmarshal(recorded[0], &variants); err != nil {
		f.Fatal(err)
	}
	var all []string
	for _, variant := range variants {
		all = append(all, string(variant))
	}
	statement := `{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/` +
		us + `"},"Condition":%s}`
	for _, condition := range []string{
		`{"StringLike":{"` + us + `:sub":"system:serviceaccount:use1:irsa-use1-gds*","sts:RoleSessionName":["Old-prefix-*","New-prefix-*"]}}`,
		`{"StringNotLike":{"sts:RoleSessionName":"Bad-prefix-*"},"StringLike":{"sts:RoleSessionName":"Good-prefix-*"}}`,
		`{"StringLike'; reboot; '":{"sts:RoleSessionName":"Some-prefix-*"}}`,
		`{"StringLike":{"` + us + `:sub":"system:serviceaccount:use1:irsa-use1-gds\n\u001b\u202e"}}`,
	} {
		all = append(all, `{"Version":"2012-10-17","Statement":[`+fmt.Sprintf(statement, condition)+`]}`)
	}
	return all
}

// FuzzTrusts: what is read of a trust policy holds no session-name prefix, says where each stands so that a shell can be
// given it, is the same each time, and counts nothing for a prefix that the policy does not ask for.
func FuzzTrusts(f *testing.F) {
	for _, text := range trustSeeds(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all, prefixes, problem := trusts(text)
		again, _, _ := trusts(text)
		if fmt.Sprint(all) != fmt.Sprint(again) {
			t.Errorf("once %+v, once %+v", all, again)
		}
		for _, trust := range all {
			problem += trust.Problem
			for _, query := range trust.Queries {
				if strings.ContainsFunc(query, func(r rune) bool { return r == '\'' || !unicode.IsPrint(r) }) {
					t.Errorf("a shell reads more than a query: %s", query)
				}
				problem += query
			}
		}
		for _, prefix := range prefixes {
			if len(prefix.Reveal()) >= 8 && strings.Contains(problem, prefix.Reveal()) && !strings.Contains(shape, prefix.Reveal()) {
				t.Errorf("the prefix is shown: %s", problem)
			}
		}
	})
}

// shape is all that a query and a problem can say without the document's help.
const shape = `Role.AssumeRolePolicyDocument.Statement[0].Condition."StringEqualsIfExists"."StringLikeIfExists"."sts:RoleSessionName"` + notUnderstood

// FuzzDescribe: whatever stands in an account, the file that describes it loads, or there is none and something is said;
// one odd role does not keep another from being described.
func FuzzDescribe(f *testing.F) {
	for _, text := range trustSeeds(f) {
		f.Add(text, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::lab/ica/*"}}`, "for ICA", "policy")
	}
	f.Add(trustSeeds(f)[0], `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":["*","arn:aws:s3:::\u001b\u0085*/#"]}}`, "a: #\n- b", "x\u2028y")
	f.Fuzz(func(t *testing.T, trustText, policyText, description, name string) {
		odd := Role{Name: name, Path: "/", Description: description}
		if odd.Trust, _, odd.Problem = trusts(trustText); len(odd.Trust) == 0 && odd.Problem == "" {
			return // not ICA's
		}
		document, err := policy.Parse(policyText)
		p := Policy{Name: name, ARN: "arn:aws:iam::123456789012:policy/" + name, Document: document, Calls: document.Calls()}
		if err != nil {
			p.Problem = err.Error()
		}
		odd.Policies = []Policy{p}
		good := Role{
			Name: "Good", Path: "/", Trust: trust(us, "use1"), Policies: []Policy{managed("good", "arn:aws:s3:::good/ica/*")},
		}
		d, err := Describe(Account{
			ID: "123456789012", Providers: []string{us}, Roles: []Role{odd, good},
			Buckets: map[string]Bucket{"good": inUS(), "lab": inUS()},
		}, "")
		if err != nil {
			t.Fatal(err)
		}
		file, err := icaconfig.Parse("ica.yaml", []byte(d.Text))
		if err != nil {
			t.Fatalf("the file does not load: %v\n%s", err, d.Text)
		}
		described := func(s icaconfig.StorageSpec) bool { return s.Bucket.Name == "good" }
		if len(file.Storages) != len(d.Storages) || !slices.ContainsFunc(file.Storages, described) {
			t.Errorf("described are %v:\n%s", d.Storages, d.Text)
		}
		for _, line := range append(d.LeftOut, d.Commands...) {
			if strings.ContainsFunc(strings.ReplaceAll(line, "\n", " "), func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("not for a terminal: %q", line)
			}
		}
	})
}
