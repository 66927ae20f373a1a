package policy

import "slices"

// Lack is a call that a permissions boundary does not permit.
type Lack struct {
	Action, Resource string
	Certain          bool // false: a statement may permit it, under a condition or on some of the resources
}

// Lacks finds the calls that no Allow of the document is certain to permit, so that they fail where it is a permissions
// boundary (IAM: Permissions boundaries for IAM entities). An Allow is asked as Denies asks a Deny: it permits for
// certain only what it always applies to.
func Lacks(d Document, who Caller, calls []Calls) []Lack {
	permits := Document{version: d.version}
	for _, s := range d.statements {
		if s.Effect == allow {
			s.Effect = deny
			permits.statements = append(permits.statements, s)
		}
	}
	var all []Lack
	for _, c := range calls {
		for _, resource := range c.Resources {
			for _, action := range c.Actions {
				hits := Denies(permits, who, []Calls{{[]string{action}, []string{resource}}})
				if !slices.ContainsFunc(hits, func(h Hit) bool { return h.Certain }) {
					all = append(all, Lack{action, resource, len(hits) == 0})
				}
			}
		}
	}
	return all
}
