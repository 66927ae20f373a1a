package testlab

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/policy"
)

// Call is a call as AWS's authorization sees it.
type Call struct {
	Principal        policy.Principal // "AWS" with the ARNs that a policy may name the caller by, or "Service"; nil: anonymous
	Action, Resource string
	// Keys is the request context; a key that is not there is absent, which decides as AWS says.
	Keys map[string]string
	// Identity are the caller's own policies.
	Identity []policy.Statement
}

// Decision is whether the call is allowed, and by which statements: those that deny, else those that allow.
type Decision struct {
	Allowed bool
	By      []string // Sids
}

// Decide answers a call within one account as AWS documents it: an explicit Deny in the resource's policy or in the
// caller's own ends it, else one Allow in either is enough. What it does not know it panics on rather than guess.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics-single-account.html
func Decide(resourcePolicy []policy.Statement, c Call) Decision {
	var allows, denies []string
	for i, s := range slices.Concat(resourcePolicy, c.Identity) {
		if i < len(resourcePolicy) && !c.isNamedBy(s) || !c.isAbout(s) || !c.meets(s.Condition) {
			continue
		}
		if s.IsDeny() {
			denies = append(denies, s.Sid)
		} else {
			allows = append(allows, s.Sid)
		}
	}
	if len(denies) > 0 {
		return Decision{By: denies}
	}
	return Decision{Allowed: len(allows) > 0, By: allows}
}

func (c Call) isNamedBy(s policy.Statement) bool {
	if len(s.NotPrincipal) > 0 {
		panic("judge: NotPrincipal")
	}
	for kind, names := range s.Principal {
		if kind == "*" || kind == "AWS" && slices.Contains(names, "*") {
			return true
		}
		if slices.ContainsFunc(names, func(name string) bool { return slices.Contains(c.Principal[kind], name) }) {
			return true
		}
	}
	return false
}

func (c Call) isAbout(s policy.Statement) bool {
	action, resource := likeAny(s.Action, c.Action, true), likeAny(s.Resource, c.Resource, false)
	if len(s.NotAction) > 0 {
		action = !likeAny(s.NotAction, c.Action, true)
	}
	if len(s.NotResource) > 0 {
		resource = !likeAny(s.NotResource, c.Resource, false)
	}
	return action && resource
}

// meets: all conditions have to hold. Where the key is absent, a negated operator holds and a positive one does not; with
// IfExists both do.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
func (c Call) meets(conditions policy.Condition) bool {
	for operator, keys := range conditions {
		base, ifExists := strings.CutSuffix(operator, "IfExists")
		for key, values := range keys {
			got, there := c.key(key)
			switch {
			case base == "Null":
				if slices.Contains(values, "true") == there {
					return false
				}
			case !there:
				if !ifExists && !strings.Contains(base, "Not") {
					return false
				}
			case matchesAny(base, values, got) == strings.Contains(base, "Not"):
				return false
			}
		}
	}
	return true
}

// key looks a key up, whose case does not matter.
func (c Call) key(name string) (value string, there bool) {
	for key, value := range c.Keys {
		if strings.EqualFold(key, name) {
			return value, true
		}
	}
	return "", false
}

// matchesAny compares without the operator's Not. ArnEquals and ArnLike are the same.
func matchesAny(operator string, values []string, got string) bool {
	switch strings.Replace(operator, "Not", "", 1) {
	case "StringEquals":
		return slices.Contains(values, got)
	case "StringLike", "ArnEquals", "ArnLike":
		return likeAny(values, got, false)
	case "StringEqualsIgnoreCase", "Bool":
		return slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, got) })
	}
	panic(fmt.Sprintf("judge: operator %s", operator))
}

func likeAny(patterns []string, text string, anyCase bool) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		expression := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(pattern))
		if anyCase {
			expression = "(?i)" + expression
		}
		return regexp.MustCompile("^" + expression + "$").MatchString(text)
	})
}
