package policy

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// meets says whether the calls meet the condition, and why where that is not certain.
func (x request) meets(cond condition) reason {
	if v := x.compare(cond); v != maybe {
		return reason{v, "condition " + cond.summary() + " is true of it"}
	}
	if op, _ := parseOperator(cond.operator); ofNetwork(cond.key) && (op.negated || strings.HasPrefix(op.base, "NotIp")) {
		return reason{maybe, "condition " + cond.summary() + " is true of it unless the network that it calls from is among them"}
	}
	return reason{maybe, "whether " + cond.summary() + " is true of its calls is not known"}
}

func (x request) compare(cond condition) comparison {
	key := x.of(cond.key)
	op, understood := parseOperator(cond.operator)
	if !key.known() || !understood || len(cond.values) == 0 || key.multi && op.set == "" && op.base != "Null" {
		return maybe
	}
	return op.compare(key, cond.values)
}

// operator is a condition operator (IAM: Condition operators).
type operator struct {
	set      string // ForAllValues, ForAnyValue
	base     string // without set, Not and IfExists
	negated  bool
	ifExists bool
}

// parseOperator understands the operators about text, ARNs, truth, absence, numbers and dates, spelt as AWS spells them.
// It does not understand those about addresses, and not IfExists together with a set, whose meaning is not documented.
func parseOperator(name string) (operator, bool) {
	var op operator
	set, rest, found := strings.Cut(name, ":")
	if found {
		op.set, name = set, rest
	}
	op.base, op.ifExists = strings.CutSuffix(name, "IfExists")
	plain := op.base
	for _, family := range []string{"String", "Arn", "Numeric", "Date"} {
		if rest, ok := strings.CutPrefix(plain, family+"Not"); ok {
			op.base, op.negated = family+rest, true
		}
	}
	switch {
	case op.set != "" && op.ifExists, op.base == "Null" && (op.set != "" || op.ifExists),
		!slices.Contains([]string{"", "ForAllValues", "ForAnyValue"}, op.set):
		return op, false
	case op.negated:
		return op, slices.Contains(negatable(), op.base)
	}
	return op, slices.Contains(append(negatable(), "Bool", "Null"), op.base) || compares(op.base)
}

// negatable are the operators that have a form with Not.
func negatable() []string {
	return []string{"StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike", "NumericEquals", "DateEquals"}
}

// compares: more or less than a number or a date.
func compares(base string) bool {
	than, ok := strings.CutPrefix(base, "Numeric")
	if !ok {
		than, ok = strings.CutPrefix(base, "Date")
	}
	return ok && slices.Contains([]string{"LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"}, than)
}

// compare: where the key may be there or not, both have to give the same answer.
func (o operator) compare(key fate, values []string) comparison {
	switch {
	case o.base == "Null":
		return o.compareNull(key, values)
	case key.absent == yes:
		return o.ofAbsent()
	case key.absent == maybe && o.ofPresent(key, values) != o.ofAbsent():
		return maybe
	}
	return o.ofPresent(key, values)
}

func (o operator) compareNull(key fate, values []string) comparison {
	best := no
	for _, v := range values {
		switch lower(v) {
		case "true":
			best = max(best, key.absent)
		case "false":
			best = max(best, key.absent.not())
		default:
			best = max(best, maybe)
		}
	}
	return best
}

// ofAbsent: an absent key matches nothing, so that negated operators are true of it, and those with IfExists; ForAllValues
// is true of no values, ForAnyValue is not (IAM: Condition operators, and "Multivalued context keys").
func (o operator) ofAbsent() comparison {
	return certainly(o.set == "ForAllValues" || o.set == "" && (o.negated || o.ifExists))
}

// ofPresent: a negated operator asks that no value matches. The answer is certain if all that the key can be give it.
func (o operator) ofPresent(key fate, values []string) comparison {
	all := make([]comparison, len(key.values))
	for i, k := range key.values {
		for _, v := range values {
			all[i] = max(all[i], o.match(key, k, v))
		}
	}
	answer := maybe
	if slices.Min(all) == slices.Max(all) {
		answer = all[0]
	}
	if o.negated {
		return answer.not()
	}
	return answer
}

// match compares one value of the condition with one that the key can have. ArnEquals and ArnLike are the same, and
// compare each part of an ARN by itself.
func (o operator) match(of fate, key pattern, value string) comparison {
	switch family := o.base[:3]; {
	case family == "Num":
		number, err := strconv.ParseFloat(value, 64)
		return o.than(of.number, number, err == nil)
	case family == "Dat":
		date, ok := parseDate(value)
		return o.than(of.date, date, ok)
	case o.base == "Bool", o.base == "StringEqualsIgnoreCase":
		return matchValue(lower(value), key.lower(), false)
	case o.base == "StringEquals":
		return matchValue(value, key, false)
	case o.base == "StringLike":
		return matchValue(value, key, true)
	}
	v := matchValue(value, key, true)
	if v == yes && !arnCovers(value, key.text()) {
		return maybe // a wildcard across colons: documented not to match
	}
	return v
}

// than compares a value with a limit, of which nothing is known but that it is at least least.
func (o operator) than(least *float64, limit float64, readable bool) comparison {
	if least == nil || !readable {
		return maybe
	}
	var never, ever bool
	switch strings.TrimPrefix(strings.TrimPrefix(o.base, "Numeric"), "Date") {
	case "LessThan":
		never = limit <= *least
	case "LessThanEquals", "Equals":
		never = limit < *least
	case "GreaterThan":
		ever = limit < *least
	case "GreaterThanEquals":
		ever = limit <= *least
	}
	switch {
	case never:
		return no
	case ever:
		return yes
	}
	return maybe
}

// parseDate reads the forms of ISO 8601 that AWS's examples have, and seconds since 1970 (IAM: Date condition operators).
func parseDate(value string) (seconds float64, ok bool) {
	if n, err := strconv.ParseInt(value, 10, 64); err == nil {
		return float64(n), len(value) >= 9 && len(value) <= 11 // not a year, not milliseconds
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", time.DateOnly} {
		if t, err := time.Parse(layout, value); err == nil {
			return float64(t.Unix()), true
		}
	}
	return 0, false
}

func matchValue(value string, key pattern, wild bool) comparison {
	p, variable := valuePattern(value, wild)
	if v := matchPattern(p, key); v == no || !variable {
		return v
	}
	return maybe
}

func certainly(b bool) comparison {
	if b {
		return yes
	}
	return no
}

func (p pattern) text() string {
	var b strings.Builder
	for _, t := range p {
		switch t {
		case anything:
			b.WriteByte('*')
		case anyOne:
			b.WriteByte('?')
		default:
			b.WriteRune(rune(t))
		}
	}
	return b.String()
}

func (p pattern) lower() pattern {
	low := slices.Clone(p)
	for i, t := range low {
		if 'A' <= t && t <= 'Z' {
			low[i] = t + 'a' - 'A'
		}
	}
	return low
}

// ConditionValues are the values that the statement's conditions ask for under a key, which ignores case; none where no
// condition names it. Those of sts:RoleSessionName are not to be printed.
func (s Statement) ConditionValues(key string) []string {
	var values []string
	for _, c := range s.conditions() {
		if lower(c.key) == lower(key) {
			values = append(values, c.values...)
		}
	}
	return values
}
