package policy

import "slices"

// Covers says that have applies wherever need applies, and has the same effect: an Allow that covers another grants at
// least as much to at least the same principals, a Deny that covers another denies at least as much. It is certain when
// true; false may also mean that it was not seen: NotAction, NotPrincipal and NotResource cover only what means the
// same. Whether a Deny elsewhere takes away what have grants is for Denies to say.
func Covers(have, need Statement) bool { return New(have).Covers(need) }

// Covers says that the document's statements together do what need does: each of its principals, actions and resources
// may be another statement's. What an action is never about (s3:GetObject on a bucket) does not count.
func (d Document) Covers(need Statement) bool {
	if slices.ContainsFunc(d.statements, func(have entry) bool { return Same(have.Statement, need) }) {
		return true
	}
	who, actions, resources := need.principals(), need.actions(), need.resources()
	if who.not || actions.not || resources.not {
		return false
	}
	fitting := slices.DeleteFunc(d.Statements(), func(have Statement) bool {
		return have.Effect != need.Effect || have.principals().not || have.actions().not || have.resources().not ||
			len(have.principals().names) == 0 != (len(who.names) == 0) ||
			len(have.resources().values) == 0 != (len(resources.values) == 0) || !weaker(have.conditions(), need.conditions())
	})
	asked := false
	for _, p := range orOne(who.names) {
		for _, a := range actions.values {
			for _, r := range orOne(resources.values) {
				if !actsOn(a, r) {
					continue
				}
				asked = true
				if !slices.ContainsFunc(fitting, func(have Statement) bool { return have.coversOne(p, a, r) }) {
					return false
				}
			}
		}
	}
	return asked
}

// orOne is one zero value in place of none, for an element that is absent.
func orOne[T any](all []T) []T {
	if len(all) == 0 {
		return make([]T, 1)
	}
	return all
}

// coversOne: the zero principal and resource stand for an element that neither statement has.
func (s Statement) coversOne(p principal, action, resource string) bool {
	covers := func(h principal) bool { return h.covers(p) || s.IsDeny() && h.everyone() && p.everyone() }
	matches := func(h string) bool { return h == resource || matchResource(h, resource) == yes }
	return (p == principal{} || slices.ContainsFunc(s.principals().names, covers)) &&
		slices.ContainsFunc(s.actions().values, func(h string) bool { return matchAction(h, action) == yes }) &&
		(resource == "" || slices.ContainsFunc(s.resources().values, matches))
}

// covers: an account does not cover its roles, as naming it only hands the decision to the account's own policies (IAM:
// Principal).
func (p principal) covers(need principal) bool {
	if p.everyone() && (p.kind == "" || p.kind == need.kind) {
		return true
	}
	return p.kind == need.kind && p.canonical() == need.canonical()
}

// weaker says that whatever meets the conditions of need also meets those of have: have asks for nothing that need does
// not ask for. With IfExists a condition is true more often.
func weaker(have, need []condition) bool {
	return !slices.ContainsFunc(have, func(h condition) bool {
		return !slices.ContainsFunc(need, func(n condition) bool {
			return h.same(n) || h.same(condition{n.operator + "IfExists", n.key, n.values})
		})
	})
}

// alone is a statement of nothing else.
func (c condition) alone() Statement {
	return Statement{Condition: Condition{c.operator: {c.key: c.values}}}
}

func (c condition) same(o condition) bool {
	return Same(c.alone(), o.alone())
}
