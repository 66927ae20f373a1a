package authz

import (
	"slices"
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/policy"
)

func allow(action, resource string) policy.Statement {
	return policy.Statement{Sid: "allow", Effect: "Allow", Action: policy.Values{action}, Resource: []string{resource}}
}

// TestConditions: what AWS documents of keys that are absent, or have several values, which a guess gets wrong.
func TestConditions(t *testing.T) {
	const key = "aws:PrincipalArn"
	absent := map[string][]string{key: nil}
	is := func(values ...string) map[string][]string { return map[string][]string{key: values} }
	for name, c := range map[string]struct {
		operator, value string
		keys            map[string][]string
		holds           bool
	}{
		"positive, absent":                 {"ArnEquals", "a:b", absent, false},
		"negated, absent":                  {"ArnNotEquals", "a:b", absent, true},
		"positive if exists, absent":       {"ArnEqualsIfExists", "a:b", absent, true},
		"negated if exists, absent":        {"StringNotEqualsIfExists", "a:b", absent, true},
		"null, absent":                     {"Null", "true", absent, true},
		"null, there":                      {"Null", "true", is("a:b"), false},
		"key in another case":              {"ArnLike", "a:*", map[string][]string{"AWS:principalARN": {"a:b"}}, true},
		"negated, equal":                   {"ArnNotLike", "a:*", is("a:b"), false},
		"text is no pattern":               {"StringEquals", "a:*", is("a:b"), false},
		"Bool in another case":             {"Bool", "False", is("false"), true},
		"Bool, absent":                     {"Bool", "false", absent, false},
		"Bool if exists, absent":           {"BoolIfExists", "false", absent, true},
		"a part of an ARN is no other":     {"ArnLike", "a:*:c", is("a:b:x:c"), false},
		"a number is no text":              {"NumericLessThan", "10", is("9"), true},
		"all of none":                      {"ForAllValues:StringEquals", "a", absent, true},
		"any of none":                      {"ForAnyValue:StringEquals", "a", absent, false},
		"all of some":                      {"ForAllValues:StringEquals", "a", is("a", "b"), false},
		"any of some":                      {"ForAnyValue:StringEquals", "a", is("a", "b"), true},
		"none of some":                     {"ForAllValues:StringNotEquals", "a", is("a", "b"), false},
		"one that is not among them":       {"ForAnyValue:StringNotEquals", "a", is("a", "b"), true},
		"one that is not among none":       {"ForAnyValue:StringNotEquals", "a", absent, false},
		"two wildcards":                    {"StringLike", "*b*d?", is("abcde"), true},
		"wildcards need what is between":   {"StringLike", "*b*d?", is("acbe"), false},
		"a wildcard at the end is nothing": {"StringLike", "ab*", is("ab"), true},
	} {
		deny := policy.Statement{
			Sid: "deny", Effect: "Deny", Principal: policy.Everyone(), Action: policy.Values{"sqs:Send*"}, Resource: []string{"*"},
			Condition: policy.Condition{c.operator: {key: {c.value}}},
		}
		decision, err := Decide([]policy.Statement{deny}, Call{
			Action: "SQS:SendMessage", Resource: "queue", Keys: c.keys, Identity: []policy.Statement{allow("*", "*")},
		})
		if err != nil || decision.Allowed == c.holds {
			t.Errorf("%s: %+v, %v, the condition holds: %v", name, decision, err, c.holds)
		}
	}
}

// TestBoundary: https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
func TestBoundary(t *testing.T) {
	const role, session = "arn:aws:iam::123456789012:role/r", "arn:aws:sts::123456789012:assumed-role/r/s"
	named := func(principal string) []policy.Statement {
		s := allow("sqs:*", "queue")
		s.Principal = policy.Principal{"AWS": {principal}}
		return []policy.Statement{s}
	}
	identity, deny := []policy.Statement{allow("*", "*")}, allow("*", "*")
	deny.Effect = "Deny"
	other, denied := []policy.Statement{allow("s3:*", "*")}, []policy.Statement{deny}
	for name, c := range map[string]struct {
		resource, identity, boundary []policy.Statement
		why                          string
	}{
		"allowed by both":                 {nil, identity, identity, ""},
		"not in the boundary":             {nil, identity, other, "because no permissions boundary"},
		"in the boundary alone":           {nil, nil, identity, "because no identity-based policy"},
		"denied by the boundary":          {named(session), nil, denied, "an explicit deny in a permissions boundary"},
		"the queue lets the role in":      {named(role), nil, other, "because no permissions boundary"},
		"the queue lets the session in":   {named(session), nil, other, ""},
		"the queue lets it in, unbounded": {named(role), nil, nil, ""},
		"the queue lets another in":       {named(role + "2"), nil, nil, "because no identity-based policy"},
	} {
		got, err := Decide(c.resource, Call{
			Principal: policy.Principal{"AWS": {role, session}}, Session: session, Action: "sqs:SendMessage", Resource: "queue",
			Identity: c.identity, Boundary: c.boundary,
		})
		if err != nil || got.Allowed != (c.why == "") || !strings.Contains(got.Why, c.why) {
			t.Errorf("%s: %+v, %v, want %q", name, got, err, c.why)
		}
	}
}

// TestUnknown: what is not known is no decision.
func TestUnknown(t *testing.T) {
	for operator, key := range map[string]string{
		"StringEquals": "aws:SourceVpc", "IpAddress": "aws:PrincipalArn", "ForNoValue:StringEquals": "aws:PrincipalArn",
		"ForAllValues:Null": "aws:PrincipalArn",
	} {
		s := allow("*", "*")
		s.Condition = policy.Condition{operator: {key: {"x"}}}
		c := Call{Action: "a:b", Resource: "c", Keys: map[string][]string{"aws:PrincipalArn": {"d"}}, Identity: []policy.Statement{s}}
		if got, err := Decide(nil, c); err == nil {
			t.Errorf("%s of %s: %+v", operator, key, got)
		}
	}
}

func TestNearest(t *testing.T) {
	for _, c := range []struct {
		identity []policy.Statement
		want     string
	}{
		{nil, "no statement"},
		{[]policy.Statement{allow("s3:GetObject", "bucket"), allow("s3:PutObject", "other")}, "other resources"},
		{[]policy.Statement{allow("sqs:*", "*"), allow("s3:GetObject", "bucket")}, "other actions"},
		{[]policy.Statement{allow("s3:Put*", "other"), allow("s3:PutObject", "bucket")}, "condition"},
	} {
		if got := Nearest(Call{Action: "s3:PutObject", Resource: "bucket", Identity: c.identity}); !strings.Contains(got, c.want) {
			t.Errorf("%v: %q, want %q", slices.Clone(c.identity), got, c.want)
		}
	}
}
