package policy

import "strings"

// comparison is an answer that may be open. Its order makes "and" the minimum, "or" the maximum.
type comparison int

const (
	no comparison = iota
	maybe
	yes
)

func (v comparison) not() comparison { return yes - v }

// pattern is text with IAM's wildcards: * for any characters, ? for one (IAM: Resource, Action).
type pattern []token

// token is a character, or one of the wildcards, which no character equals.
type token rune

const (
	anything token = -1
	anyOne   token = -2
)

func wildcards(text string) pattern {
	p := literal(text)
	for i, r := range []rune(text) {
		switch r {
		case '*':
			p[i] = anything
		case '?':
			p[i] = anyOne
		}
	}
	return p
}

func literal(text string) pattern {
	p := make(pattern, 0, len(text))
	for _, r := range text {
		p = append(p, token(r))
	}
	return p
}

// covers says that p matches all that q matches. It is certain when true; false may also mean "not seen": only a * of p
// absorbs a * of q.
func (p pattern) covers(q pattern) bool {
	return walk(p, q, func(a, b token) bool { return b != anything && (a == anyOne || a == b) }, false)
}

// overlaps says that there is text that both match. It is exact.
func (p pattern) overlaps(q pattern) bool {
	return walk(p, q, func(a, b token) bool { return a == anyOne || b == anyOne || a == b }, true)
}

// walk consumes p and q together: single tokens that fit, and as much of the other as it likes for a * of p (and of q,
// if both may).
// row[j] says whether the part of p walked so far and the first j tokens of q can be consumed.
func walk(p, q pattern, fit func(a, b token) bool, both bool) bool {
	star := func(j int) bool { return both && q[j-1] == anything }
	row := make([]bool, len(q)+1)
	row[0] = true
	for j := 1; j <= len(q); j++ {
		row[j] = row[j-1] && star(j)
	}
	for _, t := range p {
		diagonal := row[0]
		row[0] = row[0] && t == anything
		for j := 1; j <= len(q); j++ {
			above := row[j]
			switch {
			case t == anything:
				row[j] = above || row[j-1]
			case star(j):
				row[j] = above || row[j-1]
			default:
				row[j] = diagonal && fit(t, q[j-1])
			}
			diagonal = above
		}
	}
	return row[len(q)]
}

// matchAction says whether the action pattern matches an action, of which it is enough to be named in any case.
func matchAction(of, action string) comparison {
	return matchPattern(wildcards(lower(of)), wildcards(lower(action)))
}

func matchPattern(p, q pattern) comparison {
	switch {
	case p.covers(q):
		return yes
	case p.overlaps(q):
		return maybe
	}
	return no
}

// matchResource says whether the resource pattern matches all (yes) or some (maybe) of what another pattern stands for.
// Wildcards are said to work within the parts between the colons of an ARN only (IAM: Resource), so that across them a
// match is possible, never certain. A policy variable may stand for anything, but is certain to stand for nothing.
func matchResource(of, resource string) comparison {
	p, _ := valuePattern(of, true)
	q, _ := valuePattern(resource, true)
	switch {
	case of == "*" || arnCovers(of, resource):
		return yes
	case p.overlaps(q):
		return maybe
	}
	return no
}

// arnParts are the six parts of an ARN, nil if there are fewer.
func arnParts(arn string) []string {
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 {
		return parts
	}
	return nil
}

// arnCovers takes policy variables in of as plain text, so that they cover nothing, and those in arn as anything.
func arnCovers(of, arn string) bool {
	p, q := arnParts(of), arnParts(arn)
	if p == nil || q == nil {
		return false
	}
	for i := range p {
		part, _ := valuePattern(q[i], true)
		if !wildcards(p[i]).covers(part) {
			return false
		}
	}
	return true
}

// valuePattern reads a value in which wildcards count or not, and in which a policy variable such as ${aws:username}
// may become anything.
func valuePattern(value string, wild bool) (p pattern, variable bool) {
	read := literal
	if wild {
		read = wildcards
	}
	for {
		before, rest, found := strings.Cut(value, "${")
		p = append(p, read(before)...)
		if !found {
			return p, variable
		}
		p, variable = append(p, anything), true
		_, value, _ = strings.Cut(rest, "}")
	}
}
