package policy

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestTraps is the table of what a public comparison library gets wrong or right, each within the same Deny.
func TestTraps(t *testing.T) {
	trap := func(parts string) string { return `{"Effect":"Deny","Resource":"*",` + parts + `}` }
	const act, who = `,"Action":"s3:*"`, `"Principal":"*",`
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{`"Principal":"*"` + act, `"NotPrincipal":"*"` + act, false},
		{`"Principal":"*"` + act, `"Action":"s3:*"`, false},
		{`"Principal":"*"` + act, `"Principal":{"AWS":"123456789012"}` + act, false},
		{`"Principal":{"AWS":"123456789012"}` + act, `"Principal":{"AWS":"arn:aws:iam::123456789012:root"}` + act, true},
		{`"Principal":{"AWS":"arn:aws:iam::123456789012:role/x"}` + act, `"Principal":{"AWS":"` + roleID + `"}` + act, false},
		{who + `"Action":"s3:GetObject"`, who + `"Action":"S3:getobject"`, true},
		{who + `"Action":"s3:*","Condition":{"Bool":{"k":"true"}}`, who + `"Action":"s3:*","Condition":{"Bool":{"k":true}}`, true},

		{`"Principal":"*"` + act, `"Principal":{"AWS":"*"}` + act, true},
		{`"Principal":"*"` + act, `"Principal":{"AWS":["*","*"]}` + act, true},
		{`"NotPrincipal":"*"` + act, `"NotPrincipal":{"AWS":"*"}` + act, false},
		{`"Principal":{"AWS":"123456789012"}` + act, `"Principal":{"Federated":"123456789012"}` + act, false},
		{`"Principal":{"AWS":"123456789012"}` + act, `"Principal":{"AWS":"arn:aws:iam::123456789013:root"}` + act, false},
		{`"Principal":{"Service":"123456789012"}` + act, `"Principal":{"Service":"arn:aws:iam::123456789012:root"}` + act, false},
		{`"Principal":{"AWS":"123456789012"}` + act, `"Principal":{"AWS":"arn:aws:sts::123456789012:root"}` + act, false},
		{`"Principal":{"AWS":["a","b"]}` + act, `"Principal":{"AWS":["b","a","b"]}` + act, true},
		{`"Principal":{"AWS":"a"}` + act, `"Principal":{"AWS":["a"]}` + act, true},
		{`"Principal":{"AWS":"arn:aws:iam::1:role/x"}` + act, `"Principal":{"AWS":"arn:aws:iam::1:role/X"}` + act, false},
		{`"Action":["s3:GetObject","s3:PutObject"]`, `"Action":["s3:putobject","s3:GETOBJECT","s3:GetObject"]`, true},
		{`"Action":"s3:GetObject"`, `"NotAction":"s3:GetObject"`, false},
		{`"Action":"s3:GetObject"`, `"Action":"s3:GetObject*"`, false},
		{`"Action":"s3:GetObject"`, `"Action":"*"`, false},
		{"\"Action\":\"kms:Decrypt\"", "\"Action\":\"\u212Ams:Decrypt\"", false},
		{`"Action":"a","Condition":{"StringEquals":{"aws:X":"v"}}`, `"Action":"a","Condition":{"StringEquals":{"AWS:x":["v"]}}`, true},
		{`"Action":"a","Condition":{"StringEquals":{"aws:X":"v"}}`, `"Action":"a","Condition":{"StringEquals":{"aws:X":"V"}}`, false},
		{`"Action":"a","Condition":{"StringEquals":{"aws:X":"v"}}`, `"Action":"a","Condition":{"stringEquals":{"aws:X":"v"}}`, false},
		{`"Action":"a","Condition":{"StringEquals":{"aws:X":"v"}}`, `"Action":"a","Condition":{"StringEqualsIgnoreCase":{"aws:X":"v"}}`, false},
		{
			`"Action":"a","Condition":{"StringEquals":{"aws:X":"v"}}`, `"Action":"a","Condition":{"StringEqualsIfExists":{"aws:X":"v"}}`,
			false,
		},
		{`"Action":"a","Condition":{"StringEquals":{"aws:X":"v"}}`, `"Action":"a","Condition":{"ForAnyValue:StringEquals":{"aws:X":"v"}}`, false},
		{
			`"Action":"a","Condition":{"StringEquals":{"aws:X":["v","w"]}}`,
			`"Action":"a","Condition":{"StringEquals":{"aws:X":["w","v"]}}`, true,
		},
		{
			`"Action":"a","Condition":{"StringEquals":{"aws:X":"v"}}`, `"Action":"a","Condition":{"StringEquals":{"aws:X":["v","*"]}}`,
			false,
		},
		{`"Action":"a","Condition":{"NumericLessThan":{"k":1}}`, `"Action":"a","Condition":{"NumericLessThan":{"k":"1"}}`, true},
		{`"Action":"a","Condition":{"NumericLessThan":{"k":1}}`, `"Action":"a","Condition":{"NumericLessThan":{"k":1.0}}`, false},
		{`"Action":"a"`, `"Action":"a","Condition":{}`, true},
		{`"Action":"a","Condition":{"Bool":{"k":"FALSE"}}`, `"Action":"a","Condition":{"Bool":{"k":["false",false]}}`, true},
		{`"Action":"a","Condition":{"Null":{"k":"True"}}`, `"Action":"a","Condition":{"Null":{"k":true}}`, true},
		{`"Action":"a","Condition":{"StringEquals":{"k":"FALSE"}}`, `"Action":"a","Condition":{"StringEquals":{"k":"false"}}`, false},
		{
			`"Action":"a","Condition":{"BoolIfExists":{"aws:securetransport":"False"}}`,
			`"Action":"a","Condition":{"Bool":{"aws:SecureTransport":"false"}}`, true,
		},
		{`"Action":"a","Condition":{"BoolIfExists":{"aws:x":"false"}}`, `"Action":"a","Condition":{"Bool":{"aws:x":"false"}}`, false},
		{`"Action":"a","Condition":{}`, `"Action":"a","Condition":{"Bool":{}}`, false},
		{`"Action":"a"`, `"Sid":"anything","Action":"a"`, true},
	} {
		a, b := doc(t, trap(c.a)), doc(t, trap(c.b))
		checkPair(t, a, b)
		if Equal(a, b) != c.same {
			t.Errorf("same: %v, want %v\n  %s\n  %s", !c.same, c.same, c.a, c.b)
		}
	}
	if _, err := Parse(`{"Version":"2012-10-17","Statement":` + trap(`"Principal":"123456789012"`+act) + `}`); err == nil {
		t.Error(`"Principal":"123456789012" parses: it is none of AWS's grammar, and must at least differ from "*"`)
	}
}

// checkPair is what must hold for any two documents.
func checkPair(t *testing.T, a, b Document) {
	t.Helper()
	switch {
	case !Equal(a, a) || !Equal(b, b) || len(Diff(a, a)) > 0:
		t.Errorf("not reflexive: %v %v", a, b)
	case Equal(a, b) != Equal(b, a):
		t.Errorf("not symmetric: %v %v", a, b)
	case Equal(a, b) != (len(Diff(a, b)) == 0), Equal(a, b) != (len(Diff(b, a)) == 0):
		t.Errorf("Equal %v, Diff %v: %v %v", Equal(a, b), Diff(a, b), a, b)
	}
	for _, d := range Diff(a, b) {
		if d.Expected == d.Found && !strings.Contains(d.Expected, masked) || d.Element == "" {
			t.Errorf("says nothing: %+v", d)
		}
	}
}

func TestEqualDocuments(t *testing.T) {
	a, b := crossAccountCopy(), tlsOnly()
	for _, c := range []struct {
		name string
		x, y Document
		same bool
	}{
		{"order of statements", doc(t, a, b), doc(t, b, a), true},
		{"a statement twice", doc(t, a, b), doc(t, a, b, a), true},
		{"everyone, in an Allow", doc(t, strings.Replace(a, `{"AWS": "`+crossACC+`"}`, `"*"`, 1)), doc(t, strings.Replace(a, crossACC,
			"*", 1)), false},
		{"another statement", doc(t, a), doc(t, a, b), false},
		{
			"version", must(t, `{"Version":"2012-10-17","Statement":`+a+`}`), must(t, `{"Version":"2008-10-17","Statement":`+a+`}`),
			false,
		},
		{"Id", must(t, `{"Version":"2012-10-17","Id":"x","Statement":`+a+`}`), doc(t, a), true},
		{"none", Document{}, Document{}, true},
		{"none and some", Document{}, doc(t, a), false},
		{"emptied and none", doc(t, a).Without("IcaCrossAccountCopy"), Document{}, true},
	} {
		checkPair(t, c.x, c.y)
		if Equal(c.x, c.y) != c.same {
			t.Errorf("%s: same %v, want %v", c.name, !c.same, c.same)
		}
	}
}

// FuzzEqual compares any two statements.
func FuzzEqual(f *testing.F) {
	f.Add(crossAccountCopy(), tlsOnly())
	f.Add(tlsOnly(), strings.Replace(tlsOnly(), "s3:*", "S3:*", 1))
	f.Fuzz(func(t *testing.T, a, b string) {
		x, errX := Parse(`{"Version":"2012-10-17","Statement":` + a + `}`)
		y, errY := Parse(`{"Version":"2012-10-17","Statement":` + b + `}`)
		if errX == nil && errY == nil {
			checkPair(t, x, y)
			if Covers(x.Statements()[0], y.Statements()[0]) && x.Statements()[0].Effect != y.Statements()[0].Effect {
				t.Error("an Allow covers a Deny")
			}
		}
	})
}

// FuzzMutation: a random document, written twice in random order and form, is equal; with one field changed it is not.
func FuzzMutation(f *testing.F) {
	for seed := range uint64(300) {
		f.Add(seed, seed+1)
	}
	f.Fuzz(func(t *testing.T, seed, mutation uint64) {
		build := func() map[string]any { return randomDocument(rand.New(rand.NewPCG(seed, 1))) }
		r := rand.New(rand.NewPCG(mutation, 2))
		a := must(t, written(t, build()))
		checkWritten(t, a)
		if same := must(t, written(t, disguise(build(), r))); !Equal(a, same) {
			t.Fatalf("a look-alike differs:\n%s\n%s\n%v", a.JSON(), same.JSON(), Diff(a, same))
		}
		changed := build()
		what := mutate(changed, r)
		b := must(t, written(t, changed))
		checkPair(t, a, b)
		if Equal(a, b) {
			t.Fatalf("%s is not seen:\n%s\n%s", what, a.JSON(), b.JSON())
		}
	})
}

func written(t *testing.T, d map[string]any) string {
	t.Helper()
	out, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func pick(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }

func several(r *rand.Rand, from ...string) []any {
	var all []any
	for _, i := range r.Perm(len(from))[:1+r.IntN(len(from))] {
		all = append(all, from[i])
	}
	return all
}

func randomDocument(r *rand.Rand) map[string]any {
	statements := make([]any, 1+r.IntN(3))
	for i := range statements {
		s := map[string]any{
			"Effect":                             allow,
			pick(r, "Action", "NotAction"):       several(r, "s3:GetObject", "s3:PutObject", "kms:Decrypt", "s3:*"),
			pick(r, "Resource", "NotResource"):   several(r, "arn:aws:s3:::lab", "arn:aws:s3:::lab/*", "*"),
			pick(r, "Principal", "NotPrincipal"): map[string]any{pick(r, "AWS", "Service"): several(r, account, roleARN, "*")},
			"Sid":                                fmt.Sprint("S", i),
			pick(r, "Condition", "Condition", "Id"): map[string]any{
				pick(r, "StringLike", "ArnLike"): map[string]any{"aws:PrincipalArn": several(r, "a", "b")},
			},
		}
		delete(s, "Id")
		statements[i] = s
	}
	return map[string]any{"Version": versionCurrent, "Statement": statements}
}

// disguise writes the same in another way: order, lists of one, repetition, case of actions and condition keys, account
// id or root ARN.
func disguise(d map[string]any, r *rand.Rand) map[string]any {
	statements := d["Statement"].([]any)
	r.Shuffle(len(statements), func(i, j int) { statements[i], statements[j] = statements[j], statements[i] })
	for _, one := range statements {
		s := one.(map[string]any)
		delete(s, "Sid")
		for _, key := range []string{"Action", "NotAction"} {
			if list, ok := s[key].([]any); ok {
				for i := range list {
					list[i] = strings.ToUpper(list[i].(string))
				}
				s[key] = append(list, list[r.IntN(len(list))])
			}
		}
		for _, key := range []string{"Resource", "NotResource"} {
			if list, ok := s[key].([]any); ok && len(list) == 1 {
				s[key] = list[0]
			}
		}
		for _, key := range []string{"Principal", "NotPrincipal"} {
			if kinds, ok := s[key].(map[string]any); ok && kinds["AWS"] != nil {
				kinds["AWS"] = disguisedNames(kinds["AWS"].([]any))
			}
		}
		if c, ok := s["Condition"].(map[string]any); ok {
			for operator, keys := range c {
				c[operator] = map[string]any{"AWS:principalARN": keys.(map[string]any)["aws:PrincipalArn"]}
			}
		}
	}
	return d
}

func disguisedNames(names []any) []any {
	for i, name := range names {
		if name == account {
			names[i] = "arn:aws:iam::" + account + ":root"
		}
	}
	slices.Reverse(names)
	return names
}

// mutate changes one field of one statement, and says which.
func mutate(d map[string]any, r *rand.Rand) string {
	statements := d["Statement"].([]any)
	if r.IntN(8) == 0 {
		d["Version"] = versionOld
		return "version"
	}
	s := statements[r.IntN(len(statements))].(map[string]any)
	keys := []string{"Effect"}
	for _, k := range []string{"Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal", "Condition"} {
		if s[k] != nil {
			keys = append(keys, k)
		}
	}
	key := pick(r, keys...)
	other, inverted := strings.CutPrefix(key, "Not")
	if !inverted {
		other = "Not" + key
	}
	switch {
	case key == "Effect":
		s[key] = deny
	case key == "Condition" && r.IntN(2) == 0:
		delete(s, key)
	case key == "Condition":
		s[key].(map[string]any)["Bool"] = map[string]any{"aws:SecureTransport": "true"}
	case r.IntN(2) == 0: // Action becomes NotAction, and so on
		s[other] = s[key]
		delete(s, key)
	case other == "Principal" || key == "Principal":
		s[key].(map[string]any)["Federated"] = "x"
	default:
		list := s[key].([]any)
		list[r.IntN(len(list))] = "other:Thing"
	}
	return key
}
