package policy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestDiff(t *testing.T) {
	sid := func(text, sid string) string { return strings.Replace(text, "{", `{"Sid":"`+sid+`",`, 1) }
	const list = `{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::lab"}`
	const objects = `{"Effect":"Allow","Action":["s3:GetObject","s3:DeleteObject"],"Resource":"arn:aws:s3:::lab/*"}`
	for _, c := range []struct {
		name      string
		want, got Document
		says      []string
	}{
		{"look-alike", doc(t, list, objects), doc(t, sid(objects, "X"), strings.Replace(list, "s3:List", "S3:list", 1)), nil},
		{
			"one action", doc(t, list, sid(objects, "Objects")), doc(t, list, sid(strings.Replace(objects, `,"s3:DeleteObject"`, "", 1),
				"Objects")),
			[]string{"statement 2 (Sid Objects): Action s3:DeleteObject missing"},
		},
		{
			"another bucket", doc(t, list, objects), doc(t, list, strings.Replace(objects, "lab/*", "other/*", 1)),
			[]string{"statement 2: Resource expected arn:aws:s3:::lab/*, found arn:aws:s3:::other/*"},
		},
		{
			"two lost, another there", doc(t, objects), doc(t, strings.Replace(objects, `"s3:GetObject","s3:DeleteObject"`, `"s3:*"`, 1)),
			[]string{"statement 1: Action s3:DeleteObject missing", "statement 1: Action s3:GetObject missing", "statement 1: Action " +
				"s3:* not expected"},
		},
		{
			"widened", doc(t, list), doc(t, strings.Replace(list, `"s3:ListBucket"`, `["s3:ListBucket","*"]`, 1)),
			[]string{"statement 1: Action * not expected"},
		},
		{
			"NotAction", doc(t, list), doc(t, strings.Replace(list, `Action`, `NotAction`, 1)),
			[]string{"statement 1: Action s3:ListBucket missing", "statement 1: NotAction s3:ListBucket not expected"},
		},
		{"Deny", doc(t, list), doc(t, strings.Replace(list, `Allow`, `Deny`, 1)), []string{"statement 1: Effect expected Allow, " +
			"found Deny"}},
		{
			"a statement more", doc(t, list), doc(t, list, tlsOnly()),
			[]string{"statement 2 (Sid IcaTLSOnly): statement Deny s3:* on arn:aws:s3:::lab-prod-ica, arn:aws:s3:::lab-prod-ica/* to * " +
				"if Bool aws:SecureTransport false not expected"},
		},
		{
			"a statement less", doc(t, list, objects), doc(t, list),
			[]string{"statement 2: statement Allow s3:GetObject, s3:DeleteObject on arn:aws:s3:::lab/* missing"},
		},
		{"all", doc(t, list), Document{}, []string{"statement 1: statement Allow s3:ListBucket on arn:aws:s3:::lab missing"}},
		{
			"version", doc(t, list), must(t, strings.Replace(doc(t, list).JSON(), versionCurrent, versionOld, 1)),
			[]string{"Version expected 2012-10-17, found 2008-10-17"},
		},
		{
			"a stranger without Sid does not take the place of ours", doc(t, sid(list, "Ours")),
			doc(t, strings.Replace(list, "Allow", "Deny", 1), sid(strings.Replace(list, "lab", "x", 1), "Ours")),
			[]string{
				"statement 1: statement Deny s3:ListBucket on arn:aws:s3:::lab not expected",
				"statement 2 (Sid Ours): Resource expected arn:aws:s3:::lab, found arn:aws:s3:::x",
			},
		},
		{
			"everything but", doc(t, list), doc(t, `{"Effect":"Deny","NotPrincipal":{"AWS":"x"},"NotAction":"a:b","NotResource":"r"}`),
			[]string{"statement 1: statement Deny all actions but a:b on all but r to all but x not expected", "statement 1: statement " +
				"Allow s3:ListBucket on arn:aws:s3:::lab missing"},
		},
	} {
		checkPair(t, c.want, c.got)
		if says := lines(Diff(c.want, c.got)); !slices.Equal(says, c.says) {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, strings.Join(says, "\n"), strings.Join(c.says, "\n"))
		}
	}
}

func lines[T fmt.Stringer](of []T) []string {
	var all []string
	for _, one := range of {
		all = append(all, one.String())
	}
	return all
}

// TestDiffOfTrustPolicies is every way of breaking the trust policy; the prefix is never shown.
func TestDiffOfTrustPolicies(t *testing.T) {
	want := trustPolicy()
	for _, c := range []struct{ name, old, by, says string }{
		{"audience gone", `"StringEquals": {"` + provider + `:aud": "sts.amazonaws.com"},`, "", ":aud sts.amazonaws.com missing"},
		{"sub of another namespace", "serviceaccount:use1", "serviceaccount:euc1", ":sub expected " +
			"system:serviceaccount:use1:irsa-use1-gds*, found system:serviceaccount:euc1:irsa-use1-gds*"},
		{"prefix without -*", prefix + "-*", prefix, "Condition StringLike sts:RoleSessionName expected ***, found ***"},
		{"prefix *", prefix + "-*", "*", "Condition StringLike sts:RoleSessionName expected ***, found ***"},
		{"a second prefix", `"` + prefix + `-*"`, `["` + prefix + `-*","other-*"]`, "Condition StringLike sts:RoleSessionName *** " +
			"not expected"},
		{"no prefix", `, "sts:RoleSessionName": "` + prefix + `-*"`, "", "Condition StringLike sts:RoleSessionName *** missing"},
		{"principal replaced", provider + `"},`, `oidc.example.org"},`, "found " +
			"arn:aws:iam::123456789012:oidc-provider/oidc.example.org"},
		{"operator ignores case", `"StringEquals"`, `"StringEqualsIgnoreCase"`, "Condition StringEqualsIgnoreCase " + provider +
			":aud sts.amazonaws.com not expected"},
		{"second statement", `}]}`, `},{"Effect":"Allow","Principal":{"AWS":"arn:aws:sts::123456789012:assumed-role/ICA/` + prefix +
			`-1"},"Action":"sts:AssumeRole"}]}`, "statement 2: statement Allow sts:AssumeRole to arn:aws:sts::123456789012:assumed-role/ICA/*** not expected"},
		{"operator twice", `"sts:RoleSessionName": "` + prefix + `-*"}`, `"x":"y"},"StringEquals":{"sts:rolesessionname":"` + prefix + `-*"}`, ""},
	} {
		text := strings.Replace(want, c.old, c.by, 1)
		got, err := Parse(text)
		if c.says == "" {
			if err == nil {
				t.Errorf("%s: parses", c.name)
			}
			continue
		}
		if err != nil || text == want {
			t.Fatalf("%s: %v", c.name, err)
		}
		checkPair(t, must(t, want), got)
		says := strings.Join(lines(Diff(must(t, want), got)), "\n")
		if !strings.Contains(says, c.says) || strings.Contains(says, prefix) {
			t.Errorf("%s: %s\nwant %s, without the prefix", c.name, says, c.says)
		}
	}
}
