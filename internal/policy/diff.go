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
// two are Equal.
func Diff(want, got Document) []Difference {
	var all []Difference
	if want.version != got.version && !want.Empty() && !got.Empty() {
		all = append(all, Difference{Element: "Version", Expected: want.version, Found: got.version})
	}
	wanted, present := withoutSame(want.placed(), got.placed())
	for _, g := range present {
		w := closest(g, wanted, present)
		if w < 0 {
			all = append(all, Difference{Statement: g.Place, Element: "statement", Found: g.summary()})
			continue
		}
		all = append(all, differences(g.Place, wanted[w].Statement, g.Statement)...)
		wanted = slices.Delete(wanted, w, w+1)
	}
	for _, w := range wanted {
		all = append(all, missing(w))
	}
	return all
}

func missing(w placed) Difference {
	return Difference{Statement: w.Place, Element: "statement", Expected: w.summary()}
}

// withoutSame leaves out what both have, each as often as both have it.
func withoutSame(want, got []placed) (restWant, restGot []placed) {
	for _, g := range got {
		same := slices.IndexFunc(want, func(w placed) bool { return Same(w.Statement, g.Statement) })
		if same < 0 {
			restGot = append(restGot, g)
			continue
		}
		want = slices.Delete(want, same, same+1)
	}
	return want, restGot
}

// closest finds the wanted statement that g is most likely an altered copy of: by Sid, else by common facts besides the
// Effect, among those whose Sid no other has; -1: none.
func closest(g placed, wanted, present []placed) int {
	best, most := -1, 0
	for i, w := range wanted {
		if w.Sid != "" && w.Sid == g.Sid {
			return i
		}
		taken := w.Sid != "" && slices.ContainsFunc(present, func(p placed) bool { return p.Sid == w.Sid })
		if n := common(g.Statement, w.Statement); n > most && !taken {
			best, most = i, n
		}
	}
	return best
}

func common(a, b Statement) int {
	n, other := 0, b.facts()
	for f := range a.facts() {
		if _, ok := other[f]; ok && f.element != "Effect" {
			n++
		}
	}
	return n
}

// differences compares fact by fact. Where one value is missing and one is not wanted in the same place, they are one change.
func differences(at Place, want, got Statement) []Difference {
	w, g := want.facts(), got.facts()
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
