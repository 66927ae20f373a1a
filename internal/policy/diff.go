package policy

import (
	"slices"
	"strings"
)

// Difference is one thing in which a document is not as wanted, masked, for people.
type Difference struct {
	Statement       Place  // in the present document; where it is wanted, if it is missing as a whole; zero: the document itself
	Element         string // for example "Action", "Condition StringLike sts:RoleSessionName", "statement"
	Expected, Found string // "": not wanted, missing
}

// String is one line, for example: statement 2 (Sid Objects): Action s3:DeleteObject missing.
func (d Difference) String() string {
	text := d.Element + " "
	switch {
	case d.Found == "":
		text += d.Expected + " missing"
	case d.Expected == "":
		text += d.Found + " not expected"
	default:
		text += "expected " + d.Expected + ", found " + d.Found
	}
	if d.Statement == (Place{}) {
		return text
	}
	return d.Statement.String() + ": " + text
}

// Diff says in what got differs from want, in got's order, what is missing as a whole last. It is empty exactly if the
// two are Equal. A statement that is most likely an altered copy of a wanted one is compared with it; where several are
// about the same, as when they were joined or split, only what no statement of the other document says is told.
func Diff(want, got Document) []Difference {
	var all []Difference
	if want.version != got.version && !want.Empty() && !got.Empty() {
		all = append(all, Difference{Element: "Version", Expected: want.version, Found: got.version})
	}
	if sameStatements(want.placed(), got.placed()) {
		return all
	}
	c := compare(want.placed(), got.placed())
	wanted := slices.DeleteFunc(slices.Clone(c.wanted), func(w *part) bool { return w.joined })
	for _, g := range c.present {
		closest := -1
		if !g.joined {
			closest = g.closest(wanted, c.present)
		}
		switch {
		case closest >= 0:
			if !g.within || !wanted[closest].within {
				all = append(all, between(g.Place, wanted[closest].facts, g.facts)...)
			}
			wanted = slices.Delete(wanted, closest, closest+1)
		case !g.within:
			all = append(all, c.added(g)...)
		}
	}
	for _, w := range c.wanted {
		if !w.within && (w.joined || slices.Contains(wanted, w)) {
			all = append(all, c.missing(w)...)
		}
	}
	return all
}

func missing(w placed) Difference {
	return Difference{Statement: w.Place, Element: "statement", Expected: w.summary()}
}

// part is a statement that the other document does not have word for word.
type part struct {
	placed
	facts   map[fact]spelling
	cells   []cell
	actions actionSet
	within  bool // the other document says all of it, in other statements
	joined  bool // it is about the same as several of the other document, or one of those is about the same as several of this
}

// comparison of two documents by what they say in all.
type comparing struct {
	wanted, present   []*part
	index             actionIndex
	wantGrid, gotGrid grid // nil where they would be too large
}

func compare(want, got []placed) comparing {
	c := comparing{index: indexOf(want, got)}
	c.wantGrid, c.gotGrid = gridOf(want, c.index), gridOf(got, c.index)
	if c.wantGrid == nil || c.gotGrid == nil {
		c.wantGrid, c.gotGrid = nil, nil
	}
	c.wanted, c.present = c.parts(want, got, c.gotGrid), c.parts(got, want, c.wantGrid)
	if c.wantGrid != nil {
		join(c.wanted, c.present)
	}
	return c
}

// parts are the statements of one document that the other does not have; repeating one has no meaning.
func (c comparing) parts(of, other []placed, otherGrid grid) []*part {
	have := canonicals(other)
	var all []*part
	for _, s := range of {
		if slices.Contains(have, s.canonical()) {
			continue
		}
		p := &part{placed: s, facts: s.facts()}
		if otherGrid != nil {
			p.cells, p.actions = s.cells(), c.index.set(s.actionParts())
			p.within = !slices.ContainsFunc(p.cells, func(at cell) bool { return !p.actions.without(otherGrid[at]).empty() })
		}
		all = append(all, p)
	}
	return all
}

// join marks the parts that are about the same as several others.
func join(wanted, present []*part) {
	at := map[cell][]*part{}
	for _, w := range wanted {
		for _, c := range w.cells {
			at[c] = append(at[c], w)
		}
	}
	partners := map[*part]map[*part]bool{}
	add := func(a, b *part) {
		if partners[a] == nil {
			partners[a] = map[*part]bool{}
		}
		partners[a][b] = true
	}
	for _, g := range present {
		for _, c := range g.cells {
			for _, w := range at[c] {
				if w.actions.overlaps(g.actions) {
					add(w, g)
					add(g, w)
				}
			}
		}
	}
	for one, others := range partners {
		for other := range others {
			if len(others) > 1 || len(partners[other]) > 1 {
				one.joined, other.joined = true, true
			}
		}
	}
}

// added is what only the present document says: all of a statement, or some actions on some resources.
func (c comparing) added(g *part) []Difference {
	if !g.joined {
		return []Difference{{Statement: g.Place, Element: "statement", Found: g.summary()}}
	}
	var all []Difference
	for _, one := range c.only(g, c.wantGrid) {
		all = append(all, Difference{Statement: g.Place, Element: one.element, Found: one.value})
	}
	return all
}

func (c comparing) missing(w *part) []Difference {
	if !w.joined {
		return []Difference{missing(w.placed)}
	}
	var all []Difference
	for _, one := range c.only(w, c.gotGrid) {
		all = append(all, Difference{Element: one.element, Expected: one.value})
	}
	return all
}

// only is what the part says and the other document does not: for each action, on which resources.
func (c comparing) only(p *part, other grid) []fact {
	on := map[int][]string{}
	for _, at := range p.cells {
		for _, action := range p.actions.without(other[at]).indexes() {
			on[action] = append(on[action], at.resource)
		}
	}
	var all []fact
	for name, action := range c.index {
		if resources := on[action]; resources != nil {
			slices.Sort(resources)
			element := "Action on " + onCells(slices.Compact(resources), p.Statement)
			all = append(all, fact{element: element, value: show("", p.spelt(name))})
		}
	}
	slices.SortFunc(all, byFact)
	return all
}

// spelt is how the statement writes an action.
func (s Statement) spelt(action string) string {
	for _, a := range s.actions().values {
		if lower(a) == action {
			return a
		}
	}
	return action
}

// closest finds the wanted statement that g is most likely an altered copy of: by Sid, else by common facts besides the
// Effect, among those whose Sid no other has; -1: none.
func (p *part) closest(wanted, present []*part) int {
	best, most := -1, 0
	for i, w := range wanted {
		if w.Sid != "" && w.Sid == p.Sid {
			return i
		}
		n := 0
		for f := range p.facts {
			if _, ok := w.facts[f]; ok && f.element != "Effect" {
				n++
			}
		}
		if n > most && (w.Sid == "" || !slices.ContainsFunc(present, func(o *part) bool { return o.Sid == w.Sid })) {
			best, most = i, n
		}
	}
	return best
}

func differences(at Place, want, got Statement) []Difference {
	return between(at, want.facts(), got.facts())
}

// between compares fact by fact. Where one value is missing and one is not wanted in the same place, they are one change.
func between(at Place, w, g map[fact]spelling) []Difference {
	lost, added := only(w, g), only(g, w)
	var all []Difference
	for _, f := range lost {
		d := Difference{Statement: at, Element: w[f].title, Expected: w[f].value}
		if there := inPlace(added, f); len(there) == 1 && len(inPlace(lost, f)) == 1 {
			d.Found = g[there[0]].value
			added = slices.DeleteFunc(added, f.samePlace)
		}
		all = append(all, d)
	}
	for _, f := range added {
		all = append(all, Difference{Statement: at, Element: g[f].title, Found: g[f].value})
	}
	return all
}

func only(in, notIn map[fact]spelling) []fact {
	return slices.DeleteFunc(sorted(in), func(f fact) bool { _, ok := notIn[f]; return ok })
}

func inPlace(facts []fact, f fact) []fact {
	return slices.DeleteFunc(slices.Clone(facts), func(o fact) bool { return !f.samePlace(o) })
}

func (f fact) samePlace(o fact) bool {
	return f.element == o.element && f.operator == o.operator && f.key == o.key
}

// summary is the statement in one line: "Allow s3:GetObject, s3:PutObject on arn:aws:s3:::lab/*".
func (s Statement) summary() string {
	text := s.Effect + " " + s.actions().summary("all actions but ")
	if len(s.resources().values) > 0 {
		text += " on " + s.resources().summary("all but ")
	}
	if len(s.principals().names) > 0 {
		text += " to " + s.principals().summary()
	}
	for _, c := range s.conditions() {
		if c.key != "" {
			text += " if " + c.summary()
		}
	}
	return text
}

func (l list) summary(not string) string {
	text := strings.Join(shown("", l.values), ", ")
	if l.not {
		text = not + text
	}
	return text
}

func (p principals) summary() string {
	names := make([]string, len(p.names))
	for i, n := range p.names {
		names[i] = show("", n.name)
	}
	return list{p.not, names}.summary("all but ")
}

func (c condition) summary() string {
	return c.operator + " " + c.key + " " + strings.Join(shown(c.key, c.values), ", ")
}

func shown(key string, values []string) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = show(key, v)
	}
	return all
}
