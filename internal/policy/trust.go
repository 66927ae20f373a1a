package policy

import (
	"slices"
	"strings"
)

// Plain is the document in its plainest form, which means the same: StringLike without a wildcard is StringEquals (IAM:
// Condition operators), and version 2008-10-17, which only takes policy variables for text, is the current one where there
// are none (IAM: Version).
func (d Document) Plain() Document {
	plain := Document{version: d.version, id: d.id}
	if d.version == versionOld && !strings.Contains(d.JSON(), "${") {
		plain.version = versionCurrent
	}
	for _, s := range d.statements {
		p := s.Statement
		p.Condition = p.Condition.plain()
		plain.statements = append(plain.statements, entry{Statement: p})
	}
	return plain
}

// plain moves keys from StringLike to StringEquals. Where both have the key, both have to be met: they stay.
func (c Condition) plain() Condition {
	out := c.clone()
	for operator, keys := range c {
		like, ifExists := strings.CutSuffix(operator, "IfExists")
		exact := map[string]string{"StringLike": "StringEquals", "StringNotLike": "StringNotEquals"}[like]
		if exact == "" {
			continue
		}
		if ifExists {
			exact += "IfExists"
		}
		for key, values := range keys {
			if c.Values(exact, key) == nil && len(values) > 0 && !slices.ContainsFunc(values, wild) {
				out.move(operator, exact, key)
			}
		}
	}
	return out
}

// wild reports whether a value holds what StringLike reads as more than text.
func wild(value string) bool {
	return strings.ContainsAny(value, "*?") || strings.Contains(value, "${")
}

func (c Condition) move(from, to, key string) {
	if c[to] == nil {
		c[to] = map[string]Values{}
	}
	c[to][key] = c[from][key]
	if delete(c[from], key); len(c[from]) == 0 {
		delete(c, from)
	}
}

func (c Condition) clone() Condition {
	if c == nil {
		return nil
	}
	out := Condition{}
	for operator, keys := range c {
		out[operator] = map[string]Values{}
		for key, values := range keys {
			out[operator][key] = slices.Clone(values)
		}
	}
	return out
}

// Narrowed finds the statements of got that mean what one of want's does, but for a condition on the key that admits only
// some of the values that want's admits. It answers got with want's in their place, and how many they are.
func Narrowed(want, got Document, key string) (Document, int) {
	out := Document{version: got.version, id: got.id, statements: slices.Clone(got.statements)}
	found := 0
	for i, g := range got.statements {
		for _, w := range want.statements {
			if !Same(w.Statement, g.Statement) && g.narrows(w.Statement, key) {
				out.statements[i], found = w, found+1
			}
		}
	}
	return out, found
}

func (s Statement) narrows(want Statement, key string) bool {
	rest, values := s.without(key)
	wantRest, admitted := want.without(key)
	return len(values) > 0 && Same(rest, wantRest) && !slices.ContainsFunc(values, func(v pattern) bool {
		return !slices.ContainsFunc(admitted, func(a pattern) bool { return a.covers(v) })
	})
}

// without takes what StringEquals and StringLike say about the key out of the statement. Where both do, each narrows the
// other: then nothing is taken out.
func (s Statement) without(key string) (Statement, []pattern) {
	exact, like := s.Condition.Values("StringEquals", key), s.Condition.Values("StringLike", key)
	if len(exact) > 0 && len(like) > 0 {
		return s, nil
	}
	var values []pattern
	for _, v := range exact {
		values = append(values, literal(v))
	}
	for _, v := range like {
		p, variable := valuePattern(v, true)
		if variable {
			return s, nil
		}
		values = append(values, p)
	}
	s.Condition = s.Condition.clone()
	for _, operator := range []string{"StringEquals", "StringLike"} {
		for k := range s.Condition[operator] {
			if lower(k) == lower(key) {
				delete(s.Condition[operator], k)
			}
		}
		if len(s.Condition[operator]) == 0 {
			delete(s.Condition, operator)
		}
	}
	return s, values
}
