// Package authz answers a call as AWS's authorization does: by policies of the caller and of the resource.
//
// Invariant: what it does not know of policies, an operator or a key that nobody said is there or absent, is an error and
// never a guess.
package authz

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/policy"
)

// Call is a call as AWS's authorization sees it.
type Call struct {
	Principal        policy.Principal // "AWS" with the ARNs that a policy may name the caller by, or "Service"; nil: anonymous
	Session          string           // of Principal, the ARN of the role's session, which no boundary limits in resource policies
	Action, Resource string
	// Keys is the request context. A key without values is absent, and so is a tag that is not there.
	Keys map[string][]string
	// Identity are the caller's own policies, Boundary its permissions boundary; nil: it has none.
	Identity, Boundary []policy.Statement
}

// Decision is whether the call is allowed, and by which statements: those that deny, else those that allow.
type Decision struct {
	Allowed bool
	By      []string // Sids
	Why     string   // it is not allowed, as AWS's message ends: "because no identity-based policy allows the s3:GetObject action"
}

// Decide answers a call within one account as AWS documents it: an explicit Deny in any policy ends it, else one Allow is
// enough, in the caller's own policies or in the resource's. A permissions boundary has to allow too what the caller's own
// policies allow, and what the resource's do, but for those that name the role's session.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics-single-account.html
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
func Decide(resourcePolicy []policy.Statement, c Call) (Decision, error) {
	resource, err := c.judge(slices.DeleteFunc(slices.Clone(resourcePolicy), func(s policy.Statement) bool {
		return len(s.NotPrincipal) == 0 && !c.isNamedBy(s, c.Principal)
	}))
	if err != nil {
		return Decision{}, err
	}
	identity, err := c.judge(c.Identity)
	if err != nil {
		return Decision{}, err
	}
	boundary, err := c.judge(c.Boundary)
	if err != nil {
		return Decision{}, err
	}
	switch with := "with an explicit deny in "; {
	case len(resource.denies) > 0:
		return Decision{By: sids(resource.denies), Why: with + "a resource-based policy"}, nil
	case len(identity.denies) > 0:
		return Decision{By: sids(identity.denies), Why: with + "an identity-based policy"}, nil
	case len(boundary.denies) > 0:
		return Decision{By: sids(boundary.denies), Why: with + "a permissions boundary"}, nil
	}
	return c.allowed(resource, identity, boundary), nil
}

// allowed decides where nothing denies.
func (c Call) allowed(resource, identity, boundary verdict) Decision {
	allows := slices.Concat(resource.allows, identity.allows)
	ofSession := c.Session != "" && slices.ContainsFunc(resource.allows, func(s policy.Statement) bool {
		return c.isNamedBy(s, policy.Principal{"AWS": {c.Session}})
	})
	switch bounded := c.Boundary != nil && len(boundary.allows) == 0 && !ofSession; {
	case len(allows) == 0:
		return Decision{Why: "because no identity-based policy allows the " + c.Action + " action"}
	case bounded:
		return Decision{Why: "because no permissions boundary allows the " + c.Action + " action"}
	}
	return Decision{Allowed: true, By: sids(allows)}
}

func sids(statements []policy.Statement) []string {
	all := make([]string, len(statements))
	for i, s := range statements {
		all[i] = s.Sid
	}
	return all
}

// verdict is the statements that hit a call.
type verdict struct{ denies, allows []policy.Statement }

func (c Call) judge(statements []policy.Statement) (verdict, error) {
	var v verdict
	for _, s := range statements {
		if !c.isAbout(s) {
			continue
		}
		if len(s.NotPrincipal) > 0 {
			return v, fmt.Errorf("authz: NotPrincipal is not known: %s", s.JSON())
		}
		hits, err := c.meets(s.Condition)
		switch {
		case err != nil:
			return v, fmt.Errorf("authz: %s on %s: %w: %s", c.Action, c.Resource, err, s.JSON())
		case hits && s.IsDeny():
			v.denies = append(v.denies, s)
		case hits:
			v.allows = append(v.allows, s)
		}
	}
	return v, nil
}

func (c Call) isNamedBy(s policy.Statement, who policy.Principal) bool {
	for kind, names := range s.Principal {
		if kind == "*" || kind == "AWS" && slices.Contains(names, "*") {
			return true
		}
		if slices.ContainsFunc(names, func(name string) bool { return slices.Contains(who[kind], name) }) {
			return true
		}
	}
	return false
}

func (c Call) isAbout(s policy.Statement) bool { return c.isAction(s) && c.isOn(s) }

func (c Call) isAction(s policy.Statement) bool {
	is := func(pattern string) bool { return like(strings.ToLower(pattern), strings.ToLower(c.Action)) }
	if len(s.NotAction) > 0 {
		return !slices.ContainsFunc(s.NotAction, is)
	}
	return slices.ContainsFunc(s.Action, is)
}

func (c Call) isOn(s policy.Statement) bool {
	if len(s.NotResource) > 0 {
		return !likeAny(s.NotResource, c.Resource)
	}
	return likeAny(s.Resource, c.Resource)
}

// Nearest is the Allow that comes nearest to the call, and what it lacks; of equals the first.
func Nearest(c Call) string {
	var found string
	best := 0
	for _, s := range c.Identity {
		if s.IsDeny() {
			continue
		}
		rank, lacks := 0, ""
		switch action, on := c.isAction(s), c.isOn(s); {
		case action && on:
			rank, lacks = 3, "its condition is not met, or another policy stands against it"
		case action:
			rank, lacks = 2, "it is on other resources"
		case on && !slices.Contains(s.Resource, "*"):
			rank, lacks = 1, "it allows other actions"
		}
		if rank > best {
			best, found = rank, lacks+": "+s.JSON()
		}
	}
	return cmp.Or(found, "no statement allows the action, or anything on the resource")
}

// meets: all conditions have to hold. Where the key is absent, a negated operator holds and a positive one does not; with
// IfExists both do.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
func (c Call) meets(conditions policy.Condition) (bool, error) {
	met := true
	for operator, keys := range conditions {
		for key, values := range keys {
			got, known := c.key(key)
			if !known {
				return false, fmt.Errorf("condition key %s is not known of such a call", key)
			}
			holds, err := compare(operator, values, got)
			if err != nil {
				return false, err
			}
			met = met && holds
		}
	}
	return met, nil
}

// key looks a key up, whose case does not matter.
func (c Call) key(name string) (values []string, known bool) {
	for _, key := range slices.Sorted(maps.Keys(c.Keys)) {
		if strings.EqualFold(key, name) {
			return c.Keys[key], true
		}
	}
	return nil, len(name) > len(requestTag) && strings.EqualFold(name[:len(requestTag)], requestTag)
}

// requestTag begins the keys of the tags in a request.
const requestTag = "aws:RequestTag/"
