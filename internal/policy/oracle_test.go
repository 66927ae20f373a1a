package policy

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// oracle is testdata/oracle/denies.json, which its README describes.
type oracle struct {
	Calls map[string][]Calls
	Rows  []oracleRow
}

type oracleRow struct {
	ID, Kind, Calls, Version, Truth string
	Statement                       json.RawMessage
	Boundary                        bool
}

func readOracle(t testing.TB, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "oracle", name))
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (r oracleRow) document(t testing.TB) Document {
	t.Helper()
	version := r.Version
	if version == "" {
		version = versionCurrent
	}
	return must(t, `{"Version":"`+version+`","Statement":[`+string(r.Statement)+`]}`)
}

// caller is all that the README says of ICA's role.
func (r oracleRow) caller() Caller {
	const bucket, key = "arn:aws:s3:::lab-prod-ica", "arn:aws:kms:us-east-1:111122223333:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
	c := Caller{
		RoleARN: "arn:aws:iam::111122223333:role/Illumina_ICA_Role", RoleID: "AROAEXAMPLEICA0000001", ResourceAccount: "111122223333",
		On: bucket, Region: "us-east-1", Organization: "o-examplelab", Boundary: NoBoundary,
		Tags:     map[string]string{"icaguard": "managed", "owner": "genomics"},
		Provider: "arn:aws:iam::111122223333:oidc-provider/" + provider, SessionName: "Xy12AbCd34EfGh-*",
		KMSViaS3: true, Buckets: []string{bucket},
	}
	if r.Kind == "key" {
		c.On = key
	}
	if r.Boundary {
		c.Boundary = "arn:aws:iam::111122223333:policy/icaguard-boundary-Illumina_ICA_Role"
	}
	return c
}

// answer is no, may or certain.
func answer(hits []Hit) string {
	switch {
	case len(hits) == 0:
		return "no"
	case hits[0].Certain:
		return "certain"
	}
	return "may"
}

// holds is the hard rule: what is ever denied is never said not to be, and certain is what always is.
func holds(truth, answer string) bool {
	return (answer != "no" || truth == "no") && (answer != "certain" || truth == "always")
}

func TestOracleOfDenies(t *testing.T) {
	var all oracle
	readOracle(t, "denies.json", &all)
	right, noise, vague := 0, 0, 0
	for _, r := range all.Rows {
		got := answer(Denies(r.document(t), r.caller(), all.Calls[r.Calls]))
		if !holds(r.Truth, got) {
			t.Errorf("%s: %s, but the truth is %s\n  %s", r.ID, got, r.Truth, r.Statement)
		}
		switch {
		case r.Truth == "no" && got == "may":
			noise++
			t.Logf("may, though it never is: %s", r.ID)
		case r.Truth == "always" && got == "may":
			vague++
		default:
			right++
		}
	}
	t.Logf("%d rows: %d as recorded, %d may though never, %d may though always", len(all.Rows), right, noise, vague)
	if len(all.Rows) != 202 {
		t.Errorf("%d rows", len(all.Rows))
	}
}

// TestOracleWithLessKnown: whatever is not known of the caller, the hard rule holds.
func TestOracleWithLessKnown(t *testing.T) {
	var all oracle
	readOracle(t, "denies.json", &all)
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 21))
		for _, row := range all.Rows {
			who := forget(r, row.caller())
			if got := answer(Denies(row.document(t), who, all.Calls[row.Calls])); !holds(row.Truth, got) {
				t.Fatalf("%s: %s, but the truth is %s\n  %s\n  %+v", row.ID, got, row.Truth, row.Statement, who)
			}
		}
	}
}

// forget drops some of what is known of the caller; nothing in the first round.
func forget(r *rand.Rand, c Caller) Caller {
	for _, drop := range []func(){
		func() { c.RoleID = "" }, func() { c.ResourceAccount = "" }, func() { c.On = "" }, func() { c.Region = "" },
		func() { c.Organization = "" }, func() { c.Boundary = "" }, func() { c.Tags = nil }, func() { c.Provider = "" },
		func() { c.SessionName = "" }, func() { c.KMSViaS3 = false }, func() { c.Buckets = nil },
	} {
		if r.IntN(2) == 0 {
			drop()
		}
	}
	return c
}

// TestUnknownConditions: a condition of which nothing is known, added to any Deny, never makes it certain, and never takes
// away that it may hit.
func TestUnknownConditions(t *testing.T) {
	var all oracle
	readOracle(t, "denies.json", &all)
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 22))
		for _, row := range all.Rows {
			d, who, calls := row.document(t), row.caller(), all.Calls[row.Calls]
			before := answer(Denies(d, who, calls))
			s := d.Statements()[0]
			operator, key, value := unknownCondition(r)
			c := Condition{operator: {key: {value}}}
			for o, keys := range s.Condition {
				for k, values := range keys {
					if c[o] == nil {
						c[o] = map[string]Values{}
					}
					c[o][k] = values
				}
			}
			s.Condition = c
			after := answer(Denies(Document{version: d.version, statements: []entry{{Statement: s}}}, who, calls))
			if after == "certain" || before != "no" && after == "no" {
				t.Fatalf("%s: %s before, %s with %s %s %s\n  %s", row.ID, before, after, operator, key, value, s.JSON())
			}
		}
	}
}

// unknownCondition has a key or an operator that AWS may have tomorrow, or today and we do not know.
func unknownCondition(r *rand.Rand) (operator, key, value string) {
	operators := []string{
		"StringEquals", "StringNotEquals", "StringNotLikeIfExists", "StringLike", "StringLikeIfExists", "Bool", "BoolIfExists", "Null",
		"ArnNotLike", "ForAllValues:StringNotLike", "ForAnyValue:StringEquals", "IpAddress", "NotIpAddress", "NumericLessThanIfExists",
		"DateGreaterThan", "BinaryEquals", "ForSomeValues:StringEquals", "stringlike", "NullIfExists", "StringNotSoundsLike", "",
	}
	keys := []string{
		"aws:Unheard", "s3:Unheard", "kms:Unheard", "foo:bar", "aws:SourceIp", "aws:PrincipalTags", "sts:RoleSessionName",
		"aws:TokenIssueTime", "aws:PrincipalArn2", "s3:x-amz-server-side-encryption", "lambda:SourceFunctionArn", "",
	}
	values := []string{"*", "true", "false", "", "1", "${aws:PrincipalArn}", "arn:aws:iam::111122223333:role/Illumina_ICA_Role"}
	pick := func(from []string) string { return from[r.IntN(len(from))] }
	if r.IntN(4) == 0 { // a known key under an operator that nobody knows
		return pick(operators[15:]), "aws:PrincipalArn", pick(values)
	}
	return pick(operators), pick(keys), pick(values)
}

// TestOracleOfEqual: what AWS judges otherwise is never equal, and Diff says so exactly then.
func TestOracleOfEqual(t *testing.T) {
	var pairs []struct{ Name, Truth, A, B string }
	readOracle(t, "equal.json", &pairs)
	mayDiffer := []string{
		"Allow covered by another", "** and *", "StringLike without wildcard", "1.2 and 1.20", "Resource * in a trust-less list",
	}
	for _, p := range pairs {
		a, errA := Parse(p.A)
		b, errB := Parse(p.B)
		if errA != nil || errB != nil {
			if p.Truth == "same" {
				t.Errorf("%s: %v, %v", p.Name, errA, errB)
			}
			continue // what does not parse is not equal
		}
		equal := Equal(a, b)
		if equal != Equal(b, a) || equal != (len(Diff(a, b)) == 0) || equal != (len(Diff(b, a)) == 0) {
			t.Errorf("%s: Equal and Diff disagree: %v, %v", p.Name, Diff(a, b), Diff(b, a))
		}
		switch may := slices.Contains(mayDiffer, p.Name); {
		case equal && p.Truth == "diff":
			t.Errorf("%s: equal, but AWS judges some request otherwise", p.Name)
		case !equal && p.Truth == "same" && !may:
			t.Errorf("%s: different: %v", p.Name, Diff(a, b))
		case equal && may:
			t.Errorf("%s: equal by now: take it off the list", p.Name)
		}
	}
}
