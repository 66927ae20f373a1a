package policy

import (
	"encoding/json"
	"reflect"
	"testing"
)

// checkWritten: plain data says all that the document says, before and after it is written in our form.
func checkWritten(t *testing.T, d Document) {
	t.Helper()
	ours := New(d.Statements()...)
	back, err := Parse(ours.JSON())
	if err != nil || !Equal(ours, back) || back.JSON() != ours.JSON() {
		t.Fatalf("%v: %s is read back as %s", err, ours.JSON(), back.JSON())
	}
	if d.Version() == versionCurrent && !Equal(d, ours) {
		t.Fatalf("%s is written as %s", d.JSON(), ours.JSON())
	}
	if !reflect.DeepEqual(back.Statements(), d.Statements()) {
		t.Fatalf("%v is read back as %v", d, back)
	}
}

func TestStatementsAreWritten(t *testing.T) {
	one := Statement{
		Sid: "Ours<&>", Effect: deny, Principal: Everyone(), Action: Values{"s3:*"}, Resource: []string{"arn:aws:s3:::lab"},
		Condition: Condition{"StringLike": {"b": {"2"}, "a": {"1", "<"}}, "Bool": {"aws:SecureTransport": {"false"}}},
	}
	const want = `{"Sid":"Ours<&>","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::lab"],` +
		`"Condition":{"Bool":{"aws:SecureTransport":"false"},"StringLike":{"a":["1","<"],"b":"2"}}}`
	if one.JSON() != want {
		t.Errorf("got  %s\nwant %s", one.JSON(), want)
	}
	all := New(one, Statement{
		Effect:       allow,
		NotPrincipal: Principal{"AWS": {"x", "y"}, "*": {"z"}},
		NotAction:    Values{"a:b", "a:c"},
		NotResource:  []string{"r"},
	})
	const rest = `{"Effect":"Allow","NotPrincipal":{"*":"z","AWS":["x","y"]},"NotAction":["a:b","a:c"],"NotResource":["r"]}`
	if got, want := all.JSON(), `{"Version":"2012-10-17","Statement":[`+want+`,`+rest+`]}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	checkWritten(t, all)
	for _, text := range documents() {
		checkWritten(t, must(t, text))
	}
	const bare = `{"Effect":"Allow","Action":"a:b"`
	checkWritten(t, doc(t, bare+`}`, bare+`,"Condition":{}}`, bare+`,"Condition":{"Bool":{}}}`))
}

func TestDocumentsAsMembers(t *testing.T) {
	some := New(statement(t, tlsOnly()))
	got, err := json.Marshal(struct{ None, Some Document }{Some: some})
	if want := `{"None":{"Version":"","Statement":null},"Some":` + some.JSON() + `}`; err != nil || string(got) != want {
		t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
	}
	var back Document
	if err := json.Unmarshal([]byte(some.JSON()), &back); err != nil || !Equal(back, some) {
		t.Errorf("%v %v", err, back)
	}
	if err := json.Unmarshal([]byte(`{"Version":"2012-10-17","Statement":[]}`), &back); err == nil || !back.Empty() {
		t.Errorf("%v: what does not parse reads as %v", err, back)
	}
}

func TestStatementsAreReadStrictly(t *testing.T) {
	var s Statement
	if err := json.Unmarshal([]byte(tlsOnly()), &s); err != nil || !Same(s, statement(t, tlsOnly())) {
		t.Errorf("%v %v", err, s)
	}
	for _, text := range []string{
		`{}`, `null`, `{"effect":"Allow","Action":"a:b"}`, `{"Effect":"Allow","Action":"a:b","Action":"a:c"}`,
	} {
		if err := json.Unmarshal([]byte(text), &s); err == nil {
			t.Errorf("%s is read as %v", text, s)
		}
	}
}

func TestConditionValues(t *testing.T) {
	c := Condition{"StringLike": {"aws:PrincipalArn": {"x"}}}
	if got := c.Values("StringLike", "AWS:principalarn"); !reflect.DeepEqual(got, Values{"x"}) {
		t.Errorf("got %v", got)
	}
	for _, other := range []Values{
		c.Values("stringlike", "aws:PrincipalArn"), c.Values("StringLike", "aws:PrincipalArn2"), Condition(nil).Values("a", "b"),
	} {
		if other != nil {
			t.Errorf("under another operator or key: %v", other)
		}
	}
}
