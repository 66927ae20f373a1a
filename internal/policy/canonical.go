package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// fact is one thing that a statement says. Two statements mean the same if and only if they state the same facts: so
// order, repetition and "one value or a list of one" have no meaning, and all that is not known to be the same stays
// different.
type fact struct {
	element  string // as in AWS's grammar: Effect, Principal, NotAction, …
	operator string // of a condition; the kind of a principal
	// of a condition, in lower case: condition keys ignore case (IAM: Condition). Operators are not known to, so they do not
	key   string
	value string
}

// spelling is how a fact was written, masked.
type spelling struct{ title, value string }

// facts maps each fact to its spelling. Not a fact: the Sid, which has no meaning in the evaluation.
func (s Statement) facts() map[fact]spelling {
	all := map[fact]spelling{}
	add := func(f fact, key, value string) {
		title := strings.Join(strings.Fields(f.element+" "+f.operator+" "+key), " ")
		all[f] = spelling{title, value}
	}
	add(fact{element: "Effect", value: s.Effect}, "", s.Effect)
	who, actions, resources := s.principals(), s.actions(), s.resources()
	for _, p := range who.names {
		if s.IsDeny() && !who.not && p.everyone() {
			p.kind = "" // a Deny to "*" and to {"AWS": "*"} are the same (IAM: Principal, "All principals")
		}
		add(fact{element: element(who.not, "Principal"), operator: p.kind, value: p.canonical()}, "", show("", p.name))
	}
	for _, a := range actions.values {
		add(fact{element: element(actions.not, "Action"), value: lower(a)}, "", show("", a))
	}
	for _, r := range resources.values {
		add(fact{element: element(resources.not, "Resource"), value: r}, "", show("", r))
	}
	for _, c := range s.conditions() {
		f := fact{element: "Condition", operator: c.operatorMeant(), key: lower(c.key)}
		if len(c.values) == 0 {
			add(f, c.key, "without values")
		}
		for _, v := range c.values {
			f.value = c.valueMeant(v)
			add(f, c.key, show(c.key, v))
		}
	}
	return all
}

// operatorMeant: aws:SecureTransport is in every request (IAM: global keys), so that IfExists adds nothing.
func (c condition) operatorMeant() string {
	if c.operator == "BoolIfExists" && lower(c.key) == "aws:securetransport" {
		return "Bool"
	}
	return c.operator
}

// valueMeant: true and false ignore case (IAM: Boolean condition operators).
func (c condition) valueMeant(value string) string {
	if op, ok := parseOperator(c.operator); ok && (op.base == "Bool" || op.base == "Null") {
		return lower(value)
	}
	return value
}

func element(not bool, name string) string {
	if not {
		return "Not" + name
	}
	return name
}

// canonical makes an account's root ARN and its bare id one (IAM: Principal, "behave the same way"), in any partition:
// a policy can name accounts of its own partition only. In an Allow, "*" and {"AWS": "*"} stay different: S3 says that they
// function differently (S3: Principals).
func (p principal) canonical() string {
	if account, ok := p.account(); ok {
		return account
	}
	return p.name
}

// account is the id of the account that the principal stands for as a whole.
func (p principal) account() (id string, ok bool) {
	if p.kind != "AWS" {
		return "", false
	}
	id = p.name
	if arn := strings.Split(p.name, ":"); len(arn) == 6 && arn[0] == "arn" && arn[2] == "iam" && arn[3] == "" && arn[5] == "root" {
		id = arn[4]
	}
	return id, len(id) == 12 && strings.Trim(id, "0123456789") == ""
}

// lower folds ASCII only, byte for byte, so that positions stay. strings.ToLower would make the Kelvin sign a k, and
// nobody knows what AWS makes of it.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func byFact(a, b fact) int {
	return cmp.Or(
		cmp.Compare(a.element, b.element), cmp.Compare(a.operator, b.operator), cmp.Compare(a.key, b.key),
		cmp.Compare(a.value, b.value),
	)
}

func sorted(facts map[fact]spelling) []fact { return slices.SortedFunc(maps.Keys(facts), byFact) }

// canonical is a text that two statements share if and only if they mean the same. It is not masked.
func (s Statement) canonical() string {
	var b strings.Builder
	for _, f := range sorted(s.facts()) {
		fmt.Fprintf(&b, "%q %q %q %q\n", f.element, f.operator, f.key, f.value)
	}
	return b.String()
}

// Same says that two statements mean the same.
func Same(a, b Statement) bool { return a.canonical() == b.canonical() }
