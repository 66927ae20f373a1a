package policy

import (
	"fmt"
	"slices"
	"strings"
)

// principalARN is the key by which AWS advises to spare somebody, instead of by NotPrincipal. It covers all sessions, as
// it is the role's ARN and not the session's (GLOBAL), and spares principals with a permissions boundary too.
const principalARN = "aws:PrincipalArn"

// sparing are the operators under which a value of principalARN is an exception, also with IfExists.
func sparing() []string {
	return []string{"ArnNotLike", "ArnNotEquals", "StringNotLike", "StringNotEquals"}
}

// HowToExcept says how the statement can be told to spare the roles.
func HowToExcept(s Statement, roles ...string) string {
	names := encoded(Values(roles))
	add := fmt.Sprintf(`add "ArnNotLike": {%q: %s} to its Condition`, principalARN, names)
	if operator, key, ok := s.exceptions(); ok {
		add = fmt.Sprintf("add %s to the values of its condition %s %s", strings.Trim(names, "[]"), operator, key)
	}
	if s.principals().not {
		return `replace NotPrincipal by "Principal": "*", and ` + add + " besides the ARNs of all that it spares now"
	}
	return add
}

// exception is HowToExcept for one caller. A boundary is what NotPrincipal hits it by, and no reason to remove that.
func (s Statement) exception(who Caller) string {
	text := HowToExcept(s, who.RoleARN)
	if s.principals().not && who.Boundary != "" && who.Boundary != NoBoundary {
		text += "; leave the permissions boundary where it is"
	}
	return text
}

// exceptions are the operator and the key, as they are written, under which the statement spares principals by their ARN.
func (s Statement) exceptions() (operator, key string, found bool) {
	for _, c := range slices.Backward(s.conditions()) {
		if lower(c.key) == lower(principalARN) && slices.Contains(sparing(), strings.TrimSuffix(c.operator, "IfExists")) {
			operator, key, found = c.operator, c.key, true
		}
	}
	return operator, key, found
}

// Except is the statement as it spares these roles too, ready to paste: one statement, whatever stood in the way of each.
// It is false where what NotPrincipal spares now cannot be said in a condition on aws:PrincipalArn.
func Except(s Statement, roles ...string) (Statement, bool) {
	if s.principals().not {
		for _, p := range s.principals().names {
			arn, ok := p.asCondition()
			if !ok {
				return Statement{}, false
			}
			roles = append(roles, arn)
		}
		s.NotPrincipal, s.Principal = nil, Everyone()
	}
	operator, key, found := s.exceptions()
	if !found {
		operator, key = "ArnNotLike", principalARN
	}
	condition := s.Condition.clone()
	if condition == nil {
		condition = Condition{}
	}
	if condition[operator] == nil {
		condition[operator] = map[string]Values{}
	}
	all := slices.Clone(condition[operator][key])
	for _, role := range roles {
		if !slices.Contains(all, role) {
			all = append(all, role)
		}
	}
	condition[operator][key] = all
	s.Condition = condition
	return s, true
}

// asCondition is the value of aws:PrincipalArn for who a principal is. A session has its role's ARN there, whose path its
// own does not tell.
func (p principal) asCondition() (string, bool) {
	if account, ok := p.account(); ok {
		return "arn:aws:iam::" + account + ":root", true
	}
	arn := arnParts(p.name)
	if p.kind != "AWS" || arn == nil || arn[2] != "iam" {
		return "", false
	}
	return p.name, true
}
