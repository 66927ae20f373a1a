package authz

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// compare says whether one condition holds. Of several values one has to match; with a negated operator none may.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html
func compare(operator string, values, got []string) (bool, error) {
	set, name, isSet := strings.Cut(operator, ":")
	if !isSet {
		set, name = "", operator
	}
	name, ifExists := strings.CutSuffix(name, "IfExists")
	match, negated := matcher(name)
	switch {
	case name == "Null" && !isSet && !ifExists:
		return slices.Contains(values, "true") == (len(got) == 0), nil
	case match == nil, isSet && set != "ForAllValues" && set != "ForAnyValue":
		return false, fmt.Errorf("condition operator %s is not known", operator)
	case slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, "${") }):
		return false, fmt.Errorf("policy variables are not known: %v", values)
	case len(got) == 0:
		return ifExists || negated && set != "ForAnyValue" || set == "ForAllValues", nil
	case !isSet && len(got) > 1:
		return false, fmt.Errorf("condition operator %s of a key with several values", operator)
	}
	holds := func(one string) bool {
		return slices.ContainsFunc(values, func(v string) bool { return match(v, one) }) != negated
	}
	if set == "ForAllValues" {
		return !slices.ContainsFunc(got, func(one string) bool { return !holds(one) }), nil
	}
	return slices.ContainsFunc(got, holds), nil
}

// matcher is what an operator compares by, without its Not.
func matcher(name string) (match func(value, got string) bool, negated bool) {
	plain := strings.Replace(name, "Not", "", 1)
	negated = plain != name
	switch plain {
	case "StringEquals":
		return func(value, got string) bool { return value == got }, negated
	case "StringLike":
		return like, negated
	case "StringEqualsIgnoreCase":
		return strings.EqualFold, negated
	case "ArnEquals", "ArnLike": // they are the same
		return likeARN, negated
	case "NumericEquals":
		return numeric(func(value, got float64) bool { return got == value }), negated
	}
	return map[string]func(value, got string) bool{
		"Bool":                     strings.EqualFold,
		"NumericLessThan":          numeric(func(value, got float64) bool { return got < value }),
		"NumericLessThanEquals":    numeric(func(value, got float64) bool { return got <= value }),
		"NumericGreaterThan":       numeric(func(value, got float64) bool { return got > value }),
		"NumericGreaterThanEquals": numeric(func(value, got float64) bool { return got >= value }),
	}[name], false
}

func numeric(holds func(value, got float64) bool) func(value, got string) bool {
	return func(value, got string) bool {
		a, errA := strconv.ParseFloat(value, 64)
		b, errB := strconv.ParseFloat(got, 64)
		return errA == nil && errB == nil && holds(a, b)
	}
}

// likeARN compares the six parts of an ARN one by one.
func likeARN(pattern, arn string) bool {
	patterns, parts := strings.SplitN(pattern, ":", 6), strings.SplitN(arn, ":", 6)
	if len(patterns) != len(parts) {
		return pattern == "*"
	}
	for i := range parts {
		if !like(patterns[i], parts[i]) {
			return false
		}
	}
	return true
}

func likeAny(patterns []string, text string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return like(pattern, text) })
}

// like matches IAM's wildcards: * is any text, ? one character. It goes back to the last * only, so that it takes no
// longer than the texts are long together, as it runs on every call.
func like(pattern, text string) bool {
	p, t, star, mark := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
