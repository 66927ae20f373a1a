package policy

import (
	"encoding/json"
	"fmt"
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
		if s.IsDeny() || s.actions.not || !slices.ContainsFunc(s.actions.values, isIdle) {
			rest.statements = append(rest.statements, s)
			continue
		}
		kept := slices.DeleteFunc(slices.Clone(s.actions.values), isIdle)
		for _, action := range s.actions.values {
			if isIdle(action) {
				found = append(found, action)
			}
		}
		if len(kept) > 0 {
			rest.statements = append(rest.statements, s.withActions(kept))
		}
	}
	return rest, found
}

// withActions is the statement with another list of actions. Its other members were read before, so they can be written.
func (s Statement) withActions(actions []string) Statement {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(s.raw, &members); err != nil {
		panic(fmt.Sprintf("policy: a statement that was parsed does not parse: %v", err))
	}
	list, err := json.Marshal(actions)
	if err != nil {
		panic(fmt.Sprintf("policy: marshal actions: %v", err))
	}
	members["Action"] = list
	raw, err := json.Marshal(members)
	if err != nil {
		panic(fmt.Sprintf("policy: marshal statement: %v", err))
	}
	s.raw, s.actions.values = raw, actions
	return s
}
