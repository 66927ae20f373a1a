package policy

import "slices"

// Allows says that the document's Allow statements let the caller make all of the calls, asked one by one: each may be
// another statement's, and a condition counts as met where it certainly is. It is certain when true. A statement for the
// caller's account counts; whether the account's own policies then allow the call, and whether a Deny takes it away, is
// for others to ask.
func Allows(d Document, who Caller, calls []Calls) bool {
	var fitting []Statement
	for _, s := range d.Statements() {
		if s.Effect == allow && !s.principals().not && s.principals().include(who).comparison == yes {
			fitting = append(fitting, s)
		}
	}
	asked := who.questions(calls)
	return len(asked) > 0 && !slices.ContainsFunc(asked, func(q question) bool { return !q.allowed(fitting) })
}

func (q question) allowed(by []Statement) bool {
	met := slices.DeleteFunc(slices.Clone(by), func(s Statement) bool {
		return slices.ContainsFunc(s.conditions(), func(c condition) bool { return q.meets(c).comparison != yes })
	})
	return !slices.ContainsFunc(q.calls, func(c call) bool {
		return !slices.ContainsFunc(met, func(s Statement) bool {
			return min(s.resources().on(c.resource), s.actions().matches(c.action, matchAction)) == yes
		})
	})
}
