package policy

import (
	"slices"
	"strconv"
	"strings"
)

// fate is what is known about a condition key in the caller's requests.
type fate struct {
	absent bool
	value  pattern // of all values that it can have
}

// context are the condition keys (in lower case) whose values in the caller's requests are known. Source: IAM: AWS
// global condition context keys, and the table "Principal key values" of IAM: Variables. What is not in it may have any
// value.
func (c Caller) context() map[string]fate {
	known := map[string]fate{
		"aws:principalarn":          {value: literal(c.RoleARN)}, // in all signed requests; of a session: the role's
		"aws:principalaccount":      {value: literal(c.account())},
		"aws:principaltype":         {value: literal("AssumedRole")},
		"aws:principalisawsservice": {value: literal("false")},
		"aws:securetransport":       {value: literal("true")},
		"aws:username":              {absent: true},          // users only
		"s3:tlsversion":             {value: literal("1.2")}, // at least: AWS's endpoints accept nothing older
	}
	if c.RoleID != "" {
		known["aws:userid"] = fate{value: wildcards(c.RoleID + ":?*")} // ROLE-ID:SESSION-NAME
	}
	if c.ResourceAccount != "" {
		known["aws:resourceaccount"] = fate{value: literal(c.ResourceAccount)}
	}
	return known
}

// meets says whether the caller's requests meet the condition, and why where that is not certain.
func (c Caller) meets(cond condition) reason {
	open := reason{maybe, "whether " + cond.summary() + " is true of its calls is not known"}
	key, known := c.context()[lower(cond.key)]
	operator, understood := parseOperator(cond.operator)
	if !known || !understood || len(cond.values) == 0 {
		return open
	}
	v := operator.compare(key, cond.values)
	if v == maybe {
		return open
	}
	return reason{v, "condition " + cond.summary() + " is true of it"}
}

// operator is a condition operator (IAM: Condition operators).
type operator struct {
	base     string // without Not and IfExists
	negated  bool
	ifExists bool
}

// parseOperator understands what is said about text, ARNs, truth, absence and smaller numbers, spelt as AWS spells it.
// It does not understand ForAllValues and ForAnyValue, which are for keys with several values.
func parseOperator(name string) (operator, bool) {
	base, ifExists := strings.CutSuffix(name, "IfExists")
	op := operator{base: base, ifExists: ifExists}
	for _, family := range []string{"String", "Arn"} {
		if rest, ok := strings.CutPrefix(base, family+"Not"); ok {
			op.base, op.negated = family+rest, true
		}
	}
	known := []string{
		"StringEquals",
		"StringEqualsIgnoreCase",
		"StringLike",
		"ArnEquals",
		"ArnLike",
		"Bool",
		"Null",
		"NumericLessThan",
	}
	return op, slices.Contains(known, op.base)
}

// compare: a negated operator asks that no value matches. An absent key matches nothing, so that negated operators are
// true of it, and those with IfExists.
func (o operator) compare(key fate, values []string) comparison {
	best := no
	for _, v := range values {
		best = max(best, o.match(key, v))
	}
	switch {
	case o.base == "Null":
		return best
	case key.absent && (o.negated || o.ifExists):
		return yes
	case key.absent:
		return no
	case o.negated:
		return best.not()
	}
	return best
}

// match compares one value. ArnEquals and ArnLike are the same, and compare each part of an ARN by itself.
func (o operator) match(key fate, value string) comparison {
	switch o.base {
	case "Null":
		return certainly(lower(value) == "true" && key.absent || lower(value) == "false" && !key.absent)
	case "Bool", "StringEqualsIgnoreCase":
		return matchValue(lower(value), key.value.lower(), false)
	case "StringEquals":
		return matchValue(value, key.value, false)
	case "NumericLessThan":
		return below(value, key.value.text())
	case "StringLike":
		return matchValue(value, key.value, true)
	}
	v := matchValue(value, key.value, true)
	if v == yes && !arnCovers(value, key.value.text()) {
		return maybe // a wildcard across colons: documented not to match
	}
	return v
}

// below says whether a number that is at least atLeast is less than the value.
func below(value, atLeast string) comparison {
	limit, err := strconv.ParseFloat(value, 64)
	least, _ := strconv.ParseFloat(atLeast, 64)
	if err == nil && limit <= least {
		return no
	}
	return maybe
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
// condition names it.
// Those of sts:RoleSessionName are not to be printed.
func (s Statement) ConditionValues(key string) []string {
	var values []string
	for _, c := range s.conditions() {
		if lower(c.key) == lower(key) {
			values = append(values, c.values...)
		}
	}
	return values
}
