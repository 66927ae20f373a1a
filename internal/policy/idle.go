package policy

import (
	"slices"
	"strings"
)

// WithoutActions takes actions out of the document's Allow statements, and statements that hold nothing else with
// them. It names what it found. All other statements keep their bytes.
func (d Document) WithoutActions(actions ...string) (Document, []string) {
	rest := Document{version: d.version, id: d.id}
	var found []string
	for _, s := range d.statements {
		isIdle := func(action string) bool {
			return slices.ContainsFunc(actions, func(a string) bool { return strings.EqualFold(a, action) })
		}
		if s.IsDeny() || !slices.ContainsFunc(s.Action, isIdle) {
			rest.statements = append(rest.statements, s)
			continue
		}
		for _, action := range s.Action {
			if isIdle(action) {
				found = append(found, action)
			}
		}
		kept := s.Statement
		kept.Action = slices.DeleteFunc(slices.Clone(s.Action), isIdle)
		if len(kept.Action) > 0 {
			rest.statements = append(rest.statements, entry{Statement: kept})
		}
	}
	return rest, found
}
