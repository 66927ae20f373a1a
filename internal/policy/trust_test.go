package policy

import "testing"

func conditioned(t *testing.T, version, condition string) Document {
	t.Helper()
	d, err := Parse(`{"Version":"` + version + `","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:TagSession","Condition":` +
		condition + `}]}`)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestPlain(t *testing.T) {
	for _, c := range []struct {
		name, version, a, b string
		same                bool
	}{
		{"no wildcard", versionCurrent, `{"StringLike":{"x:aud":"a"}}`, `{"StringEquals":{"x:aud":"a"}}`, true},
		{"negated", versionCurrent, `{"StringNotLike":{"x:aud":["a","b"]}}`, `{"StringNotEquals":{"x:aud":["b","a"]}}`, true},
		{"if exists", versionCurrent, `{"StringLikeIfExists":{"x:aud":"a"}}`, `{"StringEqualsIfExists":{"x:aud":"a"}}`, true},
		{"beside another key", versionCurrent, `{"StringLike":{"x:aud":"a","y":"b*"}}`, `{"StringEquals":{"x:aud":"a"},"StringLike":{"y":"b*"}}`, true},
		{"a wildcard", versionCurrent, `{"StringLike":{"x":"a*"}}`, `{"StringEquals":{"x":"a*"}}`, false},
		{"one wildcard of two", versionCurrent, `{"StringLike":{"x":["a","b?"]}}`, `{"StringEquals":{"x":["a","b?"]}}`, false},
		{"a variable", versionCurrent, `{"StringLike":{"x":"${*}"}}`, `{"StringEquals":{"x":"${*}"}}`, false},
		{"case", versionCurrent, `{"StringEqualsIgnoreCase":{"x":"a"}}`, `{"StringEquals":{"x":"a"}}`, false},
		{"both", versionCurrent, `{"StringLike":{"x":"a"},"StringEquals":{"X":"b"}}`, `{"StringEquals":{"x":["a","b"]}}`, false},
		{"several values or none", versionCurrent, `{"ForAnyValue:StringLike":{"x":"a"}}`, `{"StringEquals":{"x":"a"}}`, false},
		{"old version", versionOld, `{"StringEquals":{"x":"a"}}`, `{"StringEquals":{"x":"a"}}`, true},
		{"old version with what looks like a variable", versionOld, `{"StringEquals":{"x":"${y}"}}`, `{"StringEquals":{"x":"${y}"}}`, false},
	} {
		a, b := conditioned(t, c.version, c.a), conditioned(t, versionCurrent, c.b)
		if before := a.JSON(); Equal(a.Plain(), b.Plain()) != c.same || a.JSON() != before {
			t.Errorf("%s: the same %v, want %v; or the document was changed", c.name, !c.same, c.same)
		}
	}
}

func TestNarrowed(t *testing.T) {
	want := conditioned(t, versionCurrent, `{"StringLike":{"x:sub":"a:gds*","n":"p-*"}}`)
	for got, n := range map[string]int{
		`{"StringLike":{"n":"p-*"},"StringEquals":{"x:sub":"a:gds"}}`:                      1,
		`{"StringLike":{"x:sub":["a:gds-1*","a:gds-2"],"n":"p-*"}}`:                        1,
		`{"StringLike":{"x:sub":"a:gds*","n":"p-*"}}`:                                      0, // the same
		`{"StringLike":{"x:sub":["a:gds","b:gds"],"n":"p-*"}}`:                             0,
		`{"StringLike":{"x:sub":"*","n":"p-*"}}`:                                           0,
		`{"StringLike":{"x:sub":"a:gds","n":"q-*"}}`:                                       0,
		`{"StringLike":{"x:sub":"a:gds${y}","n":"p-*"}}`:                                   0,
		`{"StringLike":{"n":"p-*"}}`:                                                       0,
		`{"StringLike":{"x:sub":"a:gds*","n":"p-*"},"StringEquals":{"X:sub":"a:gds"}}`:     0,
		`{"StringLike":{"x:sub":"a:gds","n":"p-*"},"IpAddress":{"aws:SourceIp":"::/128"}}`: 0,
	} {
		back, found := Narrowed(want, conditioned(t, versionCurrent, got), "x:sub")
		if found != n || (n == 1) != (Equal(back, want) && found > 0) {
			t.Errorf("%s: %d, want %d", got, found, n)
		}
	}
}
