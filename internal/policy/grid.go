package policy

import (
	"fmt"
	"slices"
	"strings"
)

// A statement is about each of its principals, on each of its resources, with each of its actions; so a document means
// the same however these are spread over statements with the same Effect and Condition. A grid is that set.
type grid map[cell]actionSet

// cell is all that a request is but its action. What stands under a Not… element is not spread, but one part.
type cell struct{ effectAndCondition, principal, resource string }

// actionSet has a bit for each action that some statement names.
type actionSet []uint64

// mostCells bounds the work for documents at AWS's size limits, and what follows from it: beyond it documents are
// compared statement by statement, which finds more differences, never fewer.
const mostCells = 1 << 16

// actionIndex numbers the actions of several documents.
type actionIndex map[string]int

func indexOf(all ...[]placed) actionIndex {
	index := actionIndex{}
	for _, statements := range all {
		for _, s := range statements {
			for _, a := range s.actionParts() {
				if _, ok := index[a]; !ok {
					index[a] = len(index)
				}
			}
		}
	}
	return index
}

// gridOf is nil where it would be too large.
func gridOf(statements []placed, index actionIndex) grid {
	g, cells := grid{}, 0
	for _, s := range statements {
		if cells += len(s.principalParts()) * len(s.resourceParts()); cells > mostCells {
			return nil
		}
		set := index.set(s.actionParts())
		for _, c := range s.cells() {
			if g[c] == nil {
				g[c] = make(actionSet, len(set))
			}
			for i, bits := range set {
				g[c][i] |= bits
			}
		}
	}
	return g
}

func (x actionIndex) set(actions []string) actionSet {
	set := make(actionSet, len(x)/64+1)
	for _, a := range actions {
		set[x[a]/64] |= 1 << (x[a] % 64)
	}
	return set
}

func (s actionSet) without(other actionSet) actionSet {
	rest := slices.Clone(s)
	for i := range other {
		rest[i] &^= other[i]
	}
	return rest
}

func (s actionSet) empty() bool {
	return !slices.ContainsFunc(s, func(bits uint64) bool { return bits != 0 })
}

func (s actionSet) overlaps(o actionSet) bool {
	return slices.ContainsFunc(o.indexes(), func(i int) bool { return s[i/64]&(1<<(i%64)) != 0 })
}

func (s actionSet) indexes() []int {
	var all []int
	for i := range 64 * len(s) {
		if s[i/64]&(1<<(i%64)) != 0 {
			all = append(all, i)
		}
	}
	return all
}

// within says that the other grid has all of this one.
func (g grid) within(other grid) bool {
	for c, set := range g {
		if !set.without(other[c]).empty() {
			return false
		}
	}
	return true
}

func (s Statement) cells() []cell {
	var all []cell
	context := s.effectAndCondition()
	for _, p := range s.principalParts() {
		for _, r := range s.resourceParts() {
			all = append(all, cell{context, p, r})
		}
	}
	return all
}

func (s Statement) effectAndCondition() string {
	return Statement{Effect: s.Effect, Condition: s.Condition}.canonical()
}

// The parts over which a statement can be spread, in their canonical spelling; one that is absent is one part.
func (s Statement) principalParts() []string {
	var parts []string
	for f := range (Statement{Effect: s.Effect, Principal: s.Principal, NotPrincipal: s.NotPrincipal}).facts() {
		if f.element != "Effect" {
			parts = append(parts, fmt.Sprintf("%q %q", f.operator, f.value))
		}
	}
	return spread(s.principals().not, parts)
}

func (s Statement) actionParts() []string {
	parts := make([]string, len(s.actions().values))
	for i, a := range s.actions().values {
		parts[i] = lower(a)
	}
	return spread(s.actions().not, parts)
}

func (s Statement) resourceParts() []string {
	return spread(s.resources().not, slices.Clone(s.resources().values))
}

func spread(not bool, parts []string) []string {
	slices.Sort(parts)
	parts = slices.Compact(parts)
	switch {
	case len(parts) == 0:
		return []string{""}
	case not:
		return []string{fmt.Sprintf("not %q", parts)}
	}
	return parts
}

// Equal says that two documents mean the same: the same version, and statements about the same requests, however they are
// ordered, repeated or split. Sid and Id have no meaning. It is true exactly if Diff finds nothing.
func Equal(a, b Document) bool {
	if a.Empty() || b.Empty() {
		return a.Empty() && b.Empty()
	}
	return a.version == b.version && sameStatements(a.placed(), b.placed())
}

func sameStatements(a, b []placed) bool {
	if slices.Equal(canonicals(a), canonicals(b)) {
		return true
	}
	index := indexOf(a, b)
	x, y := gridOf(a, index), gridOf(b, index)
	return x != nil && y != nil && x.within(y) && y.within(x)
}

// canonicals are the statements in an order of their own, each once.
func canonicals(statements []placed) []string {
	all := make([]string, len(statements))
	for i, s := range statements {
		all[i] = s.canonical()
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// onCells names cells for people: resources, and to whom where that is said.
func onCells(resources []string, of Statement) string {
	text := strings.Join(shown("", resources), ", ")
	if len(of.principals().names) > 0 {
		text += " to " + of.principals().summary()
	}
	for _, c := range of.conditions() {
		text += " if " + c.summary()
	}
	return text
}
