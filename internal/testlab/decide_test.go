package testlab

import (
	"testing"

	"github.com/icaguard/icaguard/internal/policy"
)

// TestDecide: what AWS documents of keys that are absent, which a guess gets wrong.
func TestDecide(t *testing.T) {
	const key = "aws:PrincipalArn"
	for name, c := range map[string]struct {
		operator, value string
		keys            map[string]string
		holds           bool
	}{
		"positive, absent":           {"ArnEquals", "a:b", nil, false},
		"negated, absent":            {"ArnNotEquals", "a:b", nil, true},
		"positive if exists, absent": {"ArnEqualsIfExists", "a:b", nil, true},
		"negated if exists, absent":  {"StringNotEqualsIfExists", "a:b", nil, true},
		"null, absent":               {"Null", "true", nil, true},
		"null, there":                {"Null", "true", map[string]string{key: "a:b"}, false},
		"key in another case":        {"ArnLike", "a:*", map[string]string{"AWS:principalARN": "a:b"}, true},
		"negated, equal":             {"ArnNotLike", "a:*", map[string]string{key: "a:b"}, false},
		"text is no pattern":         {"StringEquals", "a:*", map[string]string{key: "a:b"}, false},
		"Bool in another case":       {"Bool", "False", map[string]string{key: "false"}, true},
		"Bool, absent":               {"Bool", "false", nil, false},
		"Bool if exists, absent":     {"BoolIfExists", "false", nil, true},
	} {
		deny := policy.Statement{
			Sid: "deny", Effect: "Deny", Principal: policy.Everyone(), Action: policy.Values{"sqs:Send*"}, Resource: []string{"*"},
			Condition: policy.Condition{c.operator: {key: {c.value}}},
		}
		decision := Decide([]policy.Statement{deny}, Call{
			Action: "SQS:SendMessage", Resource: "queue", Keys: c.keys,
			Identity: []policy.Statement{{Sid: "own", Effect: "Allow", Action: policy.Values{"*"}, Resource: []string{"*"}}},
		})
		if decision.Allowed == c.holds {
			t.Errorf("%s: %+v, the condition holds: %v", name, decision, c.holds)
		}
	}
}
