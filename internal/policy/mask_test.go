package policy

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

func TestMask(t *testing.T) {
	policyText := strings.Replace(trustPolicy(), prefix+"-*", masked, 1)
	for _, c := range []struct{ name, text, want string }{
		{"a trust policy, byte for byte", trustPolicy(), policyText},
		{"URL-encoded", strings.ReplaceAll(url.QueryEscape(trustPolicy()), "+", "%20"), policyText},
		{"nothing to mask", `{"a" : "b%20<>&\u0041" }`, `{"a" : "b%20<>&\u0041" }`},
		{"other case", `{"STS:ROLESESSIONNAME":"` + prefix + `"}`, `{"STS:ROLESESSIONNAME":"***"}`},
		{
			"escaped key", `{"sts:\u0052oleSession\u004eame" : "` + prefix + `" ,"a":1}`,
			`{"sts:\u0052oleSession\u004eame" : "***" ,"a":1}`,
		},
		{
			"escaped key in a text", `{"doc":"{\"sts:\\u0052oleSessionName\":\"` + prefix + `\"}"}`,
			`{"doc":"{\"sts:\\u0052oleSessionName\":\"***\"}"}`,
		},
		{"a list", `{"sts:RoleSessionName":[ "` + prefix + `-*", "x" ],"a":["b"]}`, `{"sts:RoleSessionName":"***","a":["b"]}`},
		{"an object", `{"sts:RoleSessionName":{"x":["` + prefix + `"]}}`, `{"sts:RoleSessionName":"***"}`},
		{"a number", `{"sts:RoleSessionName":12345678}`, `{"sts:RoleSessionName":"***"}`},
		{
			"the key twice", `{"sts:RoleSessionName":"` + prefix + `","sts:RoleSessionName":"` + prefix + `2"}`,
			`{"sts:RoleSessionName":"***","sts:RoleSessionName":"***"}`,
		},
		{
			"CloudTrail's event of the call", `{"roleArn":"x","roleSessionName":"` + prefix + `-1"}`,
			`{"roleArn":"x","roleSessionName":"***"}`,
		},
		{
			"a session's ARN", `["arn:aws:sts::123456789012:assumed-role/ICA/` + prefix + `-1"]`,
			`["arn:aws:sts::123456789012:assumed-role/ICA/***"]`,
		},
		{
			"all sessions", `["arn:aws:sts::123456789012:assumed-role/ICA/*","AROAX:*"]`,
			`["arn:aws:sts::123456789012:assumed-role/ICA/*","AROAX:*"]`,
		},
		{"a session's id", `{"aws:userid":"AROAX:` + prefix + `-*"}`, `{"aws:userid":"AROAX:***"}`},
		{"text that says it is text", `"sts:RoleSessionName"`, `"sts:RoleSessionName ***"`},
		{"not JSON", `{"sts:RoleSessionName":"` + prefix + `-*",,"a":1}`, `{"sts:RoleSessionName ***`},
		{"cut short", `{"a":1,"sts:RoleSessionName":"` + prefix[:5], `{"a":1,"sts:RoleSessionName ***`},
		{"not JSON, escaped", `{,"sts:\u0052oleSessionName":"` + prefix, `{,"sts:RoleSessionName ***`},
		{"an error's text", "sts:RoleSessionName = " + prefix, "sts:RoleSessionName ***"},
		{
			"an error's session", "arn:aws:sts::1:assumed-role/ICA/" + prefix + "-1 is not authorized",
			"arn:aws:sts::1:assumed-role/ICA/*** is not authorized",
		},
		{"encoded and cut short", "%7B%22sts%3ARoleSessionName%22%3A%22" + prefix + "%", `{"sts:RoleSessionName ***`},
		{"escaped without end", "x%" + strings.Repeat("25", 10000) + "41", "rolesessionname ***"},
		{"plain text", "50% of nothing \\u", "50% of nothing \\u"},
		{"empty", "", ""},
	} {
		got := Mask(c.text)
		if got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
		if Mask(got) != got {
			t.Errorf("%s: masked again it is %s", c.name, Mask(got))
		}
	}
}

// TestMaskNested: events and templates hold documents as text, more than once encoded.
func TestMaskNested(t *testing.T) {
	text := trustPolicy()
	for range 3 {
		out, err := json.Marshal(map[string]string{"policyDocument": text, "kept": "x"})
		if err != nil {
			t.Fatal(err)
		}
		text = string(out)
		for _, form := range []string{text, url.PathEscape(text), text[:len(text)-1]} {
			if got := Mask(form); strings.Contains(got, prefix) || !strings.Contains(got, masked) {
				t.Errorf("%s", got)
			}
		}
		if got := Mask(text); !json.Valid([]byte(got)) || !strings.Contains(got, `"kept":"x"`) {
			t.Errorf("%s", got)
		}
	}
}

// FuzzMask puts a secret under the key into whatever text surrounds it.
func FuzzMask(f *testing.F) {
	f.Add(`{"a":`, `}`, `sts:RoleSessionName`)
	f.Add(`{"Condition":{"StringLike":`, `}}`, `STS:rolesessionNAME`)
	f.Add(`{"x":"\u00`, `"`, `sts:RoleSessionName`)
	f.Add("\x9f\x9f\x9f\x9f\x9f\x9f\x9f\x9f", "0", `sts:RoleSessionName`) // once shifted by the invalid bytes
	f.Add(`%7B`, `%`, `sts:RoleSessionName`)
	f.Fuzz(func(t *testing.T, before, after, key string) {
		const secret = "Qz7-secret-Qz7"
		if lower(key) != sessionNameKey || strings.Contains(before+after, "Qz7") {
			return
		}
		text := before + `{"` + key + `":["` + secret + `"]}` + after
		got := Mask(text)
		if strings.Contains(got, secret) {
			t.Fatalf("%q is masked as %q", text, got)
		}
		if json.Valid([]byte(text)) && !json.Valid([]byte(got)) {
			t.Fatalf("%q is no longer JSON: %q", text, got)
		}
	})
}
