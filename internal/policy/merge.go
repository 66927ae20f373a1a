package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Merge puts our statements into a document that others own too. Theirs, the Id and the version stay as they are, in their order.
//
// A statement under one of our Sids is ours: it is restored in its place unless it means the same. A statement of ours
// that is not there is appended, unless theirs cover it. The differences say what is changed; without any the
// result is present, nothing is to be written.
//
// It fails where doing so would harm: a Deny stands under the Sid of our Allow (an explicit Deny is a decision of
// people), or ours has a policy variable and the document is of 2008-10-17, where it would be plain text (IAM:
// Version).
func Merge(present Document, ours []Statement) (Document, []Difference, error) {
	merged := Document{version: present.version, id: present.id, statements: slices.Clone(present.statements)}
	if present.Empty() {
		merged = Document{version: versionCurrent}
	}
	var all []Difference
	var absent []Statement
	for _, need := range ours {
		if merged.version != versionCurrent && strings.Contains(need.JSON(), "${") {
			return Document{}, nil, fmt.Errorf("policy: merge: Sid %q of ours has a policy variable, which version %s does not know: "+
				"change the document's Version to %s after checking its other statements", need.Sid, merged.version, versionCurrent)
		}
		changes, found, err := merged.restore(need)
		if err != nil {
			return Document{}, nil, fmt.Errorf("policy: merge: %w", err)
		}
		if all = append(all, changes...); !found {
			absent = append(absent, need)
		}
	}
	for _, need := range absent { // what covers one may have stood under the Sid of another
		all = append(all, merged.add(need)...)
	}
	if len(all) == 0 {
		return present, nil, nil
	}
	return merged, all, nil
}

// restore makes the statement under our Sid ours again; false if there is none.
func (d *Document) restore(need Statement) (changes []Difference, found bool, err error) {
	var ours []placed
	for _, s := range d.placed() {
		if need.Sid != "" && s.Sid == need.Sid {
			ours = append(ours, s)
		}
	}
	for _, s := range ours {
		if s.Effect == deny && need.Effect == allow {
			return nil, true, fmt.Errorf("%v is a Deny, and an explicit Deny is never removed: give it another Sid or delete it", s.Place)
		}
	}
	if len(ours) == 0 {
		return nil, false, nil
	}
	return d.correct(need, ours), true, nil
}

func (d *Document) add(need Statement) []Difference {
	if d.Covers(need) {
		return nil
	}
	d.statements = append(d.statements, entry{Statement: need})
	return []Difference{missing(placed{Place{len(d.statements), need.Sid}, need})}
}

// correct leaves one statement under our Sid, the wanted one, where the first stood.
func (d *Document) correct(need Statement, ours []placed) []Difference {
	var all []Difference
	if first := ours[0]; !Same(first.Statement, need) {
		d.statements[first.Place.Number-1] = entry{Statement: need}
		all = differences(first.Place, need, first.Statement)
	}
	for _, more := range slices.Backward(ours[1:]) {
		d.statements = slices.Delete(d.statements, more.Place.Number-1, more.Place.Number)
		all = append(all, Difference{Statement: more.Place, Element: "statement", Found: more.summary()})
	}
	return all
}

// Without returns the document without the statements that have one of the Sids.
func (d Document) Without(sids ...string) Document {
	rest := slices.DeleteFunc(slices.Clone(d.statements), func(s entry) bool { return s.Sid != "" && slices.Contains(sids, s.Sid) })
	return Document{version: d.version, id: d.id, statements: rest}
}
