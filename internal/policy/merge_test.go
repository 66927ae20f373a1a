package policy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestMergeOfOursIntoEachOther: what covers one of ours under the Sid of another is replaced, so it covers nothing.
func TestMergeOfOursIntoEachOther(t *testing.T) {
	const first, second = `{"Sid":"First","Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"kms:Encrypt","Resource":"*"}`,
		`{"Sid":"Second","Effect":"Allow","Principal":{"AWS":"210987654321"},"Action":"kms:Decrypt","Resource":"*"}`
	ours := doc(t, first, second).Statements()
	wide := `{"Sid":"Second","Effect":"Allow","Principal":{"AWS":["123456789012","210987654321"]},"Action":"kms:*","Resource":"*"}`
	merged, _, err := Merge(doc(t, wide), ours)
	if err != nil || !Equal(merged, doc(t, first, second)) {
		t.Errorf("%v: %v", err, merged)
	}
}

func TestMerge(t *testing.T) {
	const a, b = `{ "Effect":"Allow", "Principal":{"AWS":"123456789012"}, "Action":"s3:Get*" ,"Resource":"arn:aws:s3:::lab\/*"}`,
		`{"Sid":"Theirs","Effect":"Deny","NotPrincipal":{"AWS":"AROAGONE"},"Action":"s3:DeleteBucket","Resource":"arn:aws:s3:::lab"}`
	ours := doc(t, crossAccountCopy(), tlsOnly()).Statements()
	writtenCopy, writtenTLS := ours[0].JSON(), ours[1].JSON() // what stands in a document already is not written again
	with := func(statements ...string) string {
		return `{"Version":"2012-10-17","Id":"lab","Statement":[` + strings.Join(statements, ",") + `]}`
	}
	change := func(text, old, by string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("no %s in %s", old, text)
		}
		return strings.Replace(text, old, by, 1)
	}
	more := change(
		change(crossAccountCopy(), "IcaCrossAccountCopy", "Lab own"), `"s3:GetObject"`, `"s3:GetObject", "s3:GetObjectAttributes"`,
	)
	for _, c := range []struct{ name, present, want, says string }{
		{"none", "", `{"Version":"2012-10-17","Statement":[` + writtenCopy + `,` + writtenTLS + `]}`, "statement 1 (Sid " +
			"IcaCrossAccountCopy): statement Allow"},
		{"ours removed", with(a, b), with(a, b, writtenCopy, writtenTLS), "statement 4 (Sid IcaTLSOnly): statement Deny s3:*"},
		{"all right", with(a, crossAccountCopy(), b, tlsOnly()), "", ""},
		{"look-alike", with(a, change(crossAccountCopy(), "s3:PutObject", "S3:putobject"), tlsOnly(), b), "", ""},
		{"foreign added", with(tlsOnly(), a, b, b, crossAccountCopy()), "", ""},
		{
			"ours altered", with(a, change(crossAccountCopy(), `"s3:PutObject", `, ""), b, tlsOnly()), with(a, writtenCopy, b, tlsOnly()),
			"statement 2 (Sid IcaCrossAccountCopy): Action s3:PutObject missing",
		},
		{
			"ours widened", with(change(crossAccountCopy(), `{"AWS": "`+crossACC+`"}`, `"*"`), tlsOnly()), with(writtenCopy, tlsOnly()),
			"statement 1 (Sid IcaCrossAccountCopy): Principal * not expected",
		},
		{
			"ours names the deleted role", with(a, tlsOnly(), change(crossAccountCopy(), crossACC, roleID)), with(a, tlsOnly(),
				writtenCopy),
			"statement 3 (Sid IcaCrossAccountCopy): Principal AWS expected " + crossACC + ", found AROAEXAMPLEROLEOFICA1",
		},
		{
			"ours twice", with(tlsOnly(), crossAccountCopy(), a, change(crossAccountCopy(), crossACC, "*"), b), with(tlsOnly(),
				crossAccountCopy(), a, b),
			"statement 4 (Sid IcaCrossAccountCopy): statement Allow",
		},
		{"lab's own grants more", with(more, tlsOnly()), "", ""},
		{"lab's own without Sid", with(change(crossAccountCopy(), `"Sid": "IcaCrossAccountCopy", `, ""), tlsOnly()), "", ""},
		{"lab's own lacks one", with(change(more, `"s3:PutObject", `, ""), tlsOnly()), with(change(more, `"s3:PutObject", `, ""),
			tlsOnly(), writtenCopy), "statement 3"},
		{
			"lab's own with a condition", with(change(more, `{"Sid"`, `{"Condition":{"Bool":{"aws:x":"true"}},"Sid"`), tlsOnly()),
			with(change(more, `{"Sid"`, `{"Condition":{"Bool":{"aws:x":"true"}},"Sid"`), tlsOnly(), writtenCopy), "statement 3",
		},
		{"TLS under AWS's usual Sid", with(crossAccountCopy(), change(tlsOnly(), "IcaTLSOnly", "AllowSSLRequestsOnly")), "", ""},
	} {
		var present Document
		if c.present != "" {
			present = must(t, c.present)
		}
		before := present.JSON()
		merged, diffs, err := Merge(present, ours)
		want := c.want
		if want == "" {
			want = c.present
		}
		if says := strings.Join(lines(diffs), "\n"); err != nil || merged.JSON() != want || !strings.Contains(says, c.says) ||
			(c.want == "") != (len(diffs) == 0) {
			t.Errorf("%s: %v, %s\n%s\nwant\n%s", c.name, err, says, merged.JSON(), want)
		}
		if present.JSON() != before {
			t.Errorf("%s: the present document was changed", c.name)
		}
	}
}

func TestMergeRefuses(t *testing.T) {
	ours := doc(t, crossAccountCopy()).Statements()
	denied := strings.Replace(crossAccountCopy(), "Allow", "Deny", 1)
	if _, _, err := Merge(doc(t, tlsOnly(), denied), ours); err == nil ||
		!strings.Contains(err.Error(), "statement 2 (Sid IcaCrossAccountCopy) is a Deny") {
		t.Errorf("a Deny under our Sid: %v", err)
	}
	old := must(t, `{"Version":"2008-10-17","Statement":`+keyPolicyRoot()+`}`)
	if merged, _, err := Merge(old, ours); err != nil || !strings.HasPrefix(merged.JSON(), `{"Version":"2008-10-17"`) {
		t.Errorf("an old document: %v, %v", err, merged)
	}
	variable := doc(t, strings.Replace(crossAccountCopy(), "lab-prod-ica/*", "lab/${aws:username}/*", 1)).Statements()
	if _, _, err := Merge(old, variable); err == nil || !strings.Contains(err.Error(), "policy variable") {
		t.Errorf("a policy variable in an old document: %v", err)
	}
}

// TestMergeKeepsForeign: whatever stands there, the statements of others stay in order byte for byte, ours hold, and
// merging again changes nothing.
func TestMergeKeepsForeign(t *testing.T) {
	ours := doc(t, crossAccountCopy(), tlsOnly()).Statements()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		present := must(t, written(t, randomDocument(r)))
		merged, _, err := Merge(present, ours)
		if err != nil {
			t.Fatal(err)
		}
		if rest := merged.Without("IcaCrossAccountCopy", "IcaTLSOnly"); rest.JSON() != present.JSON() {
			t.Fatalf("foreign statements changed:\n%s\n%s", present.JSON(), rest.JSON())
		}
		for _, need := range ours {
			if _, diffs, _ := Merge(merged, []Statement{need}); len(diffs) > 0 {
				t.Fatalf("merging again: %v", diffs)
			}
		}
	}
}

func TestWithout(t *testing.T) {
	d := doc(t, crossAccountCopy(), `{"Effect":"Deny","Action":"a:b"}`, tlsOnly())
	if rest := d.Without("IcaTLSOnly", ""); !Equal(rest, doc(t, crossAccountCopy(), `{"Effect":"Deny","Action":"a:b"}`)) ||
		len(d.Statements()) != 3 {
		t.Errorf("%v", rest)
	}
	if none := d.Without("IcaTLSOnly").Without("IcaCrossAccountCopy"); none.Empty() || none.JSON() == "" {
		t.Error("a statement without Sid was removed")
	}
	if none := doc(t, tlsOnly()).Without("IcaTLSOnly"); !none.Empty() || none.JSON() != "" {
		t.Errorf("an empty document is written: %s", none.JSON())
	}
}

func TestCovers(t *testing.T) {
	const need = `{"Effect":"Allow","Principal":{"AWS":"` + crossACC +
		`"},"Action":["s3:GetObject","s3:PutObject"],"Resource":["arn:aws:s3:::lab/*"]}`
	change := func(old, by string) string { return strings.Replace(need, old, by, 1) }
	other := change(`"arn:aws:s3:::lab/*"]`, `"arn:aws:s3:::lab/*"],"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}`)
	for _, c := range []struct {
		name, have, need string
		covers           bool
	}{
		{"the same", need, need, true},
		{"more actions", change(`["s3:GetObject"`, `["s3:GetObjectAttributes","s3:GetObject"`), need, true},
		{"fewer actions", change(`,"s3:PutObject"`, ``), need, false},
		{"wildcard action", change(`["s3:GetObject","s3:PutObject"]`, `"S3:*Object"`), need, true},
		{"? action", change(`"s3:PutObject"`, `"s3:??tObject"`), need, true},
		{"wildcard action misses one", change(`["s3:GetObject","s3:PutObject"]`, `"s3:Get*"`), need, false},
		{"all actions", change(`["s3:GetObject","s3:PutObject"]`, `"*"`), need, true},
		{"wildcard needed", need, change(`"s3:PutObject"`, `"s3:Put*"`), false},
		{"NotAction", change(`"Action"`, `"NotAction"`), need, false},
		{"NotAction needed", need, change(`"Action"`, `"NotAction"`), false},
		{"wider resource", change("lab/*", "lab*"), need, true},
		{"all resources", change("arn:aws:s3:::lab/*", "*"), need, true},
		{"narrower resource", change("lab/*", "lab/ica/*"), need, false},
		{"other case of resource", change("lab/*", "Lab/*"), need, false},
		{"resource across parts of an ARN", change("arn:aws:s3:::lab/*", "arn:*/*"), need, false},
		{"resource with a variable", change("lab/*", "${aws:PrincipalTag/x}*"), need, false},
		{"the same variable", change("lab/*", "${aws:x}/*"), change("lab/*", "${aws:x}/*"), true},
		{"NotResource", change(`"Resource"`, `"NotResource"`), need, false},
		{"more principals", change(`{"AWS":"`, `{"AWS":["x","`+crossACC+`"],"Service":"`), need, true},
		{"other principal", change(crossACC, roleARN), need, false},
		{"the account instead of the role", change(crossACC, "079623148045"), need, false},
		{"everyone", change(`{"AWS":"`+crossACC+`"}`, `"*"`), need, true},
		{"everyone with AWS credentials", change(crossACC, `*`), need, true},
		{"everyone with AWS credentials is not everyone", change(crossACC, `*`), change(`{"AWS":"`+crossACC+`"}`, `"*"`), false},
		{"everyone under another kind", change(`{"AWS":"`+crossACC, `{"Service":"*`), need, false},
		{"account id and root ARN", change(crossACC, "123456789012"), change(crossACC, "arn:aws:iam::123456789012:root"), true},
		{"NotPrincipal", change(`"Principal"`, `"NotPrincipal"`), need, false},
		{"no principal", change(`"Principal":{"AWS":"`+crossACC+`"},`, ``), need, false},
		{"a condition more", other, need, false},
		{"a condition less", need, other, true},
		{"the same condition", strings.Replace(other, "aws:PrincipalOrgID", "AWS:principalorgid", 1), other, true},
		{"another value", strings.Replace(other, `"o-1"`, `["o-1","o-2"]`, 1), other, false},
		{"another operator", strings.Replace(other, `StringEquals`, `StringLike`, 1), other, false},
		{"the same condition, if the key exists", strings.Replace(other, `StringEquals`, `StringEqualsIfExists`, 1), other, true},
		{"only if the key exists", other, strings.Replace(other, `StringEquals`, `StringEqualsIfExists`, 1), false},
		{"Deny", change("Allow", "Deny"), need, false},
		{"Deny needed", change("Allow", "Deny"), change("Allow", "Deny"), true},
	} {
		if got := Covers(statement(t, c.have), statement(t, c.need)); got != c.covers {
			t.Errorf("%s: %v, want %v", c.name, got, c.covers)
		}
	}
}

func TestMaskSessionsByUserIDAndSourceIdentity(t *testing.T) {
	for _, condition := range []string{
		`{"StringNotLike":{"aws:userId":["*:the-prefix-*","AROAEXAMPLE:the-prefix-1"]}}`,
		`{"StringLike":{"aws:SourceIdentity":"the-prefix-*"}}`,
	} {
		text := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*","Condition":` +
			condition + `}]}`
		d, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		shown := Mask(text) + fmt.Sprint(
			d,
			Diff(Document{}, d),
			Denies(
				d, Caller{RoleARN: "arn:aws:iam::123456789012:role/x"},
				[]Calls{{Actions: []string{"s3:GetObject"}, Resources: []string{"*"}}},
			),
		)
		if strings.Contains(shown, "the-prefix") {
			t.Errorf("the session's name is shown: %s", shown)
		}
	}
}
