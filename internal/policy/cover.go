package policy

import "slices"

// Covers says that have applies wherever need applies, and has the same effect: an Allow that covers another grants at
// least as much to at least the same principals, a Deny that covers another denies at least as much. It is certain when
// true; false may also mean that it was not seen: NotAction, NotPrincipal and NotResource cover only what means the
// same. Whether a Deny elsewhere takes away what have grants is for Denies to say.
func Covers(have, need Statement) bool {
	if Same(have, need) {
		return true
	}
	return have.Effect == need.Effect &&
		have.principals().cover(need.principals()) &&
		have.actions().cover(need.actions(), func(h, n string) bool { return matchAction(h, n) == yes }) &&
		have.resources().cover(need.resources(), func(h, n string) bool { return h == n || matchResource(h, n) == yes }) &&
		weaker(have.conditions(), need.conditions())
}

func (l list) cover(need list, match func(have, need string) bool) bool {
	if l.not || need.not || len(l.values) == 0 || len(need.values) == 0 {
		return len(l.values) == 0 && len(need.values) == 0
	}
	return !slices.ContainsFunc(need.values, func(n string) bool {
		return !slices.ContainsFunc(l.values, func(h string) bool { return match(h, n) })
	})
}

func (p principals) cover(need principals) bool {
	if p.not || need.not || len(p.names) == 0 || len(need.names) == 0 {
		return len(p.names) == 0 && len(need.names) == 0
	}
	return !slices.ContainsFunc(need.names, func(n principal) bool {
		return !slices.ContainsFunc(p.names, func(h principal) bool { return h.covers(n) })
	})
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
// not ask for.
func weaker(have, need []condition) bool {
	return !slices.ContainsFunc(have, func(h condition) bool { return !slices.ContainsFunc(need, h.same) })
}

// alone is a statement of nothing else.
func (c condition) alone() Statement {
	return Statement{Condition: Condition{c.operator: {c.key: c.values}}}
}

func (c condition) same(o condition) bool {
	return Same(c.alone(), o.alone())
}
