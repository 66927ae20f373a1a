package policy

import (
	"fmt"
	"slices"
	"strings"
)

// Caller is a role whose sessions make calls, signed and over TLS.
type Caller struct {
	RoleARN         string // arn:aws:iam::ACCOUNT:role/path/name
	RoleID          string // AROA…, "" if not known
	ResourceAccount string // owner of the bucket or key, 12 digits, "" if not known
}

// Calls are actions on resources: each of the actions on each of the resources. Resources are ARNs, with wildcards
// where many are meant.
type Calls struct{ Actions, Resources []string }

// Hit is a Deny that stands, or may stand, in the way of calls.
type Hit struct {
	Statement   Place
	Certain     bool   // false: it may hit, and Why says what is open
	Why         string // one sentence
	HowToExcept string // what a person has to write so that it spares the role; we never do
}

// String is one line for people.
func (h Hit) String() string { return h.Statement.String() + " " + h.Why }

// Calls are what the Allow statements of an identity policy permit, so what somebody who holds it relies on. NotAction
// and NotResource become "*".
func (d Document) Calls() []Calls {
	var all []Calls
	for _, s := range d.statements {
		if s.Effect == allow {
			all = append(all, Calls{s.actions().orAll(), s.resources().orAll()})
		}
	}
	return all
}

func (l list) orAll() []string {
	if l.not || len(l.values) == 0 {
		return []string{"*"}
	}
	return slices.Clone(l.values)
}

// Denies finds the Deny statements that hit, or may hit, the caller's calls. It is conservative: what it cannot know
// (another condition key, a source network, a session's name) may hit. It reads this document only: an SCP, a boundary
// or a session policy may deny as well.
func Denies(d Document, who Caller, calls []Calls) []Hit {
	var all []Hit
	for _, s := range d.placed() {
		if s.Effect != deny {
			continue
		}
		if hit, ok := s.hits(who, calls); ok {
			all = append(all, hit)
		}
	}
	return all
}

// reason is a comparison and what it rests on.
type reason struct {
	comparison
	text string // "" if there is nothing to say
}

func (s placed) hits(who Caller, calls []Calls) (Hit, bool) {
	reasons := []reason{s.reaches(calls), s.principals().include(who)}
	for _, c := range s.conditions() {
		if c.key != "" {
			reasons = append(reasons, who.meets(c))
		}
	}
	worst, texts := yes, []string{}
	for _, r := range reasons {
		worst = min(worst, r.comparison)
		if r.text != "" {
			texts = append(texts, r.text)
		}
	}
	if worst == no {
		return Hit{}, false
	}
	verb := "denies"
	if worst == maybe {
		verb = "may deny"
	}
	return Hit{
		Statement: s.Place, Certain: worst == yes, HowToExcept: s.exception(who),
		Why: fmt.Sprintf("%s %s: %s", verb, who.RoleARN, strings.Join(texts, "; ")),
	}, true
}

// reaches compares actions and resources.
func (s Statement) reaches(calls []Calls) reason {
	best, hit := no, []string{}
	for _, c := range calls {
		on := s.resources().matchesAny(c.Resources, matchResource)
		for _, a := range c.Actions {
			if v := min(on, s.actions().matches(a, matchAction)); v > no {
				best = max(best, v)
				hit = append(hit, a)
			}
		}
	}
	slices.Sort(hit)
	text := "it is about " + strings.Join(slices.Compact(hit), ", ")
	if best == maybe {
		text += ", for some of the calls or resources"
	}
	return reason{best, text}
}

func (l list) matchesAny(things []string, match func(of, thing string) comparison) comparison {
	if len(l.values) == 0 {
		return yes // a document on one resource, such as a trust policy
	}
	best := no
	for _, t := range things {
		best = max(best, l.matches(t, match))
	}
	return best
}

func (l list) matches(thing string, match func(of, thing string) comparison) comparison {
	best := no
	for _, v := range l.values {
		best = max(best, match(v, thing))
	}
	if l.not {
		return best.not()
	}
	return best
}

// include compares Principal or NotPrincipal. In an identity policy, which has neither, the principal is whoever holds it.
func (p principals) include(who Caller) reason {
	switch {
	case len(p.names) == 0:
		return reason{yes, ""}
	case p.not:
		// IAM: NotPrincipal: the session is evaluated besides the role and the account, and a principal with a permissions boundary is
		// always denied, whatever is listed.
		return reason{yes, "NotPrincipal spares only sessions that it names, and nobody can name a role's sessions in advance"}
	}
	best := reason{no, ""}
	for _, n := range p.names {
		if r := n.includes(who); r.comparison > best.comparison {
			best = r
		}
	}
	return best
}

func (p principal) includes(who Caller) reason {
	switch p.kind {
	case "", "AWS":
		return p.includesAWS(who)
	case "Service":
		return reason{no, ""}
	case "Federated":
		// IAM: Principal, "OIDC session principals": sessions that come from AssumeRoleWithWebIdentity can be named by their provider.
		return reason{maybe, "Principal Federated " + show("", p.name) + " can stand for a role's web identity sessions"}
	}
	return reason{maybe, "whether Principal " + p.kind + " " + show("", p.name) + " stands for it is not known"}
}

func (p principal) includesAWS(who Caller) reason {
	text := "Principal " + show("", p.name) + " stands for it"
	account, isAccount := p.account()
	switch {
	case p.everyone():
		return reason{yes, "its Principal is everyone"}
	case p.name == who.RoleARN, who.RoleID != "" && p.name == who.RoleID:
		return reason{yes, text}
	case isAccount && account == who.account():
		return reason{yes, text + ", as it is the account's"}
	case deletedID(p.name) && who.RoleID == "":
		return reason{maybe, "whether Principal " + p.name + " is its unique id is not known"}
	case strings.HasPrefix(p.name, who.sessionsARN()):
		return reason{maybe, "Principal " + show("", p.name) + " is a session of it"}
	case wildcards(p.name).overlaps(literal(who.RoleARN)): // AWS refuses wildcards in names, other servers take them
		return reason{maybe, text}
	}
	return reason{no, ""}
}

func (c Caller) account() string {
	if arn := arnParts(c.RoleARN); arn != nil {
		return arn[4]
	}
	return ""
}

// sessionsARN begins the ARNs of the role's sessions, which have its name without its path.
func (c Caller) sessionsARN() string {
	arn := arnParts(c.RoleARN)
	if arn == nil {
		return "arn:"
	}
	name := arn[5][strings.LastIndex(arn[5], "/")+1:]
	return "arn:" + arn[1] + ":sts::" + arn[4] + ":assumed-role/" + name + "/"
}

// exception says how the statement can be told to spare the role. The condition is what AWS advises instead of
// NotPrincipal, and it covers all sessions (IAM: aws:PrincipalArn is the role's ARN, not the session's).
func (s Statement) exception(who Caller) string {
	const key = "aws:PrincipalArn"
	add := fmt.Sprintf(`add "ArnNotLike": {%q: %q} to its Condition`, key, who.RoleARN)
	for _, c := range s.conditions() {
		if lower(c.key) == lower(key) &&
			slices.Contains([]string{"ArnNotLike", "ArnNotEquals", "StringNotLike", "StringNotEquals"}, c.operator) {
			add = fmt.Sprintf("add %q to the values of its condition %s %s", who.RoleARN, c.operator, c.key)
		}
	}
	if s.principals().not {
		return `replace NotPrincipal by "Principal": "*", and ` + add + " besides the ARNs of all that it spares now"
	}
	return add
}
