package policy

import (
	"net/url"
	"reflect"
	"strings"
	"testing"
)

func TestParseKeepsBytes(t *testing.T) {
	const foreign = `{ "Sid":"Lab's own <&>", "Effect":"Allow","Principal":{"AWS":"123456789012"},
	  "Action":"s3:Get\u004fbject" ,"Resource":"arn:aws:s3:::lab\/*", "Condition":{}}`
	d := must(t, "\n "+`{"Statement" : [ `+foreign+` , `+tlsOnly()+` ], "Id" : "x\u0041" , "Version":"2008-10-17" }`+" \n")
	want := `{"Version":"2008-10-17","Id":"x\u0041","Statement":[` + foreign + `,` + tlsOnly() + `]}`
	if d.JSON() != want {
		t.Errorf("got  %s\nwant %s", d.JSON(), want)
	}
	read := Statement{
		Sid: "Lab's own <&>", Effect: allow, Principal: Principal{"AWS": {account}}, Action: Values{"s3:GetObject"},
		Resource: []string{"arn:aws:s3:::lab/*"}, Condition: Condition{},
	}
	if s := d.Statements()[0]; !reflect.DeepEqual(s, read) {
		t.Errorf("read %v, want %v", s, read)
	}
}

func TestParseURLEncoded(t *testing.T) {
	for _, text := range documents() {
		encoded := strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
		if d := must(t, encoded); d.JSON() != must(t, text).JSON() {
			t.Errorf("URL-encoded differs: %s", d.JSON())
		}
	}
	raw := doc(t, `{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::lab/100%25+"}`)
	if raw.Statements()[0].Resource[0] != "arn:aws:s3:::lab/100%25+" {
		t.Error("a document that is not encoded was decoded")
	}
}

func TestParseOneStatementWithoutList(t *testing.T) {
	alone := must(t, `{"Version":"2012-10-17","Statement":`+tlsOnly()+`}`)
	if !Equal(alone, doc(t, tlsOnly())) {
		t.Error("a lone statement differs from a list of it")
	}
}

func TestParseRefuses(t *testing.T) {
	body := func(s string) string { return `{"Version":"2012-10-17","Statement":[` + tlsOnly() + `,` + s + `]}` }
	const rest = `"Effect":"Allow","Action":"s3:GetObject","Resource":"*"`
	for _, c := range []struct{ name, text, says string }{
		{"nothing", "", "unexpected end"},
		{"a list", "[]", "it is a list, not an object"},
		{"null", "null", "it is null"},
		{"not JSON", "{\n'", "line 2"},
		{"encoded, not JSON", "%7B%20", "unexpected end"},
		{"encoded wrongly", "%7", "neither JSON nor"},
		{"trailing data", body(`{`+rest+`}`) + " {}", "after top-level value"},
		{"not UTF-8", body("{\"Sid\":\"\xff\"," + rest + `}`), "UTF-8"},
		{"encoded, not UTF-8", "%7B%22%FF%22%7D", "neither JSON nor"},
		{"half a surrogate", body(`{"Sid":"\ud800",` + rest + `}`), "statement 2: in Sid: it has a character"},
		{"half a surrogate in a key", body(`{"\ud800":"",` + rest + `}`), "statement 2: a key"},
		{"no Version", `{"Statement":[{` + rest + `}]}`, "no Version"},
		{"another Version", `{"Version":"2024-01-01","Statement":[{` + rest + `}]}`, `unknown Version "2024-01-01"`},
		{"Version a number", `{"Version":2012,"Statement":[{` + rest + `}]}`, "Version: it is a number"},
		{"Id a list", `{"Version":"2012-10-17","Id":["x"],"Statement":[{` + rest + `}]}`, "Id: it is a list"},
		{"unknown key", `{"Version":"2012-10-17","Statements":[]}`, `"Statements" is unknown`},
		{"key in other case", `{"version":"2012-10-17","Statement":[{` + rest + `}]}`, `"version" is unknown`},
		{"key twice", `{"Version":"2012-10-17","Version":"2012-10-17","Statement":[{` + rest + `}]}`, `"Version" stands twice`},
		{
			"key twice, escaped", `{"Version":"2012-10-17","\u0056ersion":"2012-10-17","Statement":[{` + rest + `}]}`,
			`"Version" stands twice`,
		},
		{"no Statement", `{"Version":"2012-10-17"}`, "no Statement"},
		{"empty Statement", `{"Version":"2012-10-17","Statement":[]}`, "Statement: it is empty"},
		{"Statement null", `{"Version":"2012-10-17","Statement":null}`, "statement 1: it is null"},
		{"statement text", body(`"x"`), "statement 2: it is text"},
		{"statement's unknown key", body(`{"Actions":"s3:*",` + rest + `}`), `statement 2: key "Actions" is unknown`},
		{"statement's key twice", body(`{"Sid":"X",` + rest + `,"Effect":"Deny"}`), `statement 2: key "Effect" stands twice`},
		{"Sid a number", body(`{"Sid":1,` + rest + `}`), "statement 2: in Sid: it is a number"},
		{"no Effect", body(`{"Sid":"X","Action":"s3:GetObject"}`), "statement 2 (Sid X): no Effect"},
		{"Effect in other case", body(`{"Effect":"deny","Action":"s3:GetObject"}`), `unknown Effect "deny"`},
		{"no Action", body(`{"Effect":"Allow","Resource":"*"}`), "no Action"},
		{"both Actions", body(`{"NotAction":"s3:GetObject",` + rest + `}`), "both Action and NotAction"},
		{"both Resources", body(`{"NotResource":"*",` + rest + `}`), "both Resource and NotResource"},
		{"both Principals", body(`{"NotPrincipal":"*","Principal":"*",` + rest + `}`), "both Principal and NotPrincipal"},
		{"Action empty", body(`{"Effect":"Allow","Action":[]}`), "Action: it is empty"},
		{"Action null", body(`{"Effect":"Allow","Action":null}`), "Action: it is null"},
		{"NotAction a list of lists", body(`{"Effect":"Allow","NotAction":[["s3:*"]]}`), "NotAction: it is a list"},
		{"Resource true", body(`{"Effect":"Allow","Action":"s3:*","Resource":true}`), "Resource: it is true or false"},
		{"Principal other text", body(`{"Principal":"` + account + `",` + rest + `}`), "Principal: it is text"},
		{"Principal empty", body(`{"Principal":{},` + rest + `}`), "Principal: it is empty"},
		{"Principal kind empty", body(`{"Principal":{"AWS":[]},` + rest + `}`), "Principal AWS: it is empty"},
		{"Principal kind twice", body(`{"Principal":{"AWS":"*","AWS":"*"},` + rest + `}`), `Principal: key "AWS" stands twice`},
		{"Principal list", body(`{"Principal":["*"],` + rest + `}`), "Principal: it is a list"},
		{"Condition text", body(`{"Condition":"x",` + rest + `}`), "Condition: it is text"},
		{
			"operator twice", body(`{"Condition":{"Bool":{"a":true},"Bool":{"a":true}},` + rest + `}`),
			`Condition: key "Bool" stands twice`,
		},
		{"operator text", body(`{"Condition":{"Bool":"true"},` + rest + `}`), "Condition Bool: it is text"},
		{
			"condition key twice", body(`{"Condition":{"Bool":{"a":true,"a":true}},` + rest + `}`),
			`Condition Bool: key "a" stands twice`,
		},
		{
			"condition key twice in other case", body(`{"Condition":{"Bool":{"aws:x":true,"AWS:X":true}},` + rest + `}`),
			"Condition Bool: key AWS:X stands twice",
		},
		{"condition value null", body(`{"Condition":{"Bool":{"a":null}},` + rest + `}`), "Condition Bool: a: it is null"},
		{"condition value object", body(`{"Condition":{"Bool":{"a":{}}},` + rest + `}`), "a: it is an object"},
		{"condition value empty", body(`{"Condition":{"Bool":{"a":[]}},` + rest + `}`), "a: it is empty"},
		{"too deep", strings.Repeat("[", 20000), "depth"},
	} {
		_, err := Parse(c.text)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want an error with %q", c.name, err, c.says)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "policy: parse: ") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range documents() {
		f.Add(text)
	}
	f.Add(
		`{"Version":"2012-10-17","Statement":{"Effect":"Deny","NotPrincipal":"*","NotAction":"*","NotResource":"*","Condition":{"Null":{}}}}`,
	)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse(text)
		if err != nil {
			if !d.Empty() {
				t.Fatal("a document beside an error")
			}
			return
		}
		again, err := Parse(d.JSON())
		if err != nil || !Equal(d, again) || again.JSON() != d.JSON() {
			t.Fatalf("%v: %s is read back as %s", err, d.JSON(), again.JSON())
		}
		checkWritten(t, d)
		// Nothing that parses may stop the rest.
		who := Caller{RoleARN: roleARN, RoleID: roleID}
		Denies(d, who, d.Calls())
		Widens(d, "*")
		AdministratorLike(d)
		DeletedPrincipals(d)
		_, _, _ = Merge(d, d.Statements())
	})
}
