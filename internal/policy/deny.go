package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Hit is a Deny that stands, or may stand, in the way of calls.
type Hit struct {
	Statement   Place
	Certain     bool   // false: it may hit, and Why says what is open
	Why         string // one sentence
	HowToExcept string // what a person has to write so that it spares the role; we never do
	// Upload: it hits by how uploads are encrypted, which the caller's own configuration says. It needs no exception.
	Upload bool
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

// Denies finds the Deny statements that hit, or may hit, the caller's calls: in a resource policy, or in an identity policy,
// whose statements are about whoever holds it. It is conservative: what it cannot know (a condition key that is not in the
// table of keys, a source network, when a token was issued) may hit. It reads this document only: an SCP, a boundary or a
// session policy may deny as well.
func Denies(d Document, who Caller, calls []Calls) []Hit {
	asked := who.questions(calls)
	var all []Hit
	for _, s := range d.placed() {
		if s.Effect != deny || s.sparesAccount(who) {
			continue
		}
		if hit, ok := s.hits(who, asked); ok {
			all = append(all, hit)
		}
	}
	return all
}

// question is what is asked about the calls to one service.
type question struct {
	request
	calls []call
}

// call is one action on one resource.
type call struct{ action, resource string }

// questions sorts the calls by their service, as what is known about a condition key depends on it. A policy of one
// resource decides on that alone.
func (c Caller) questions(calls []Calls) []question {
	byService := map[string][]call{}
	for _, many := range calls {
		for _, resource := range many.Resources {
			for _, on := range c.narrowed(resource) {
				for _, action := range many.Actions {
					if service := serviceOf(action); actsOn(action, on) {
						byService[service] = append(byService[service], call{action, on})
					}
				}
			}
		}
	}
	var all []question
	for _, service := range slices.Sorted(maps.Keys(byService)) {
		all = append(all, question{c.request(service), byService[service]})
	}
	return all
}

// serviceOf is "" where a wildcard stands for it.
func serviceOf(action string) string {
	service, _, found := strings.Cut(lower(action), ":")
	if !found || strings.ContainsAny(service, "*?") {
		return ""
	}
	return service
}

// narrowed are the parts of a resource that the document decides on: all of it, or the bucket and its objects, or the key.
func (c Caller) narrowed(resource string) []string {
	if c.On == "" {
		return []string{resource}
	}
	var parts []string
	for _, part := range []string{c.On, c.On + "/*"} {
		switch {
		case matchResource(resource, part) == yes:
			parts = append(parts, part)
		case matchResource(part, resource) > no:
			parts = append(parts, resource)
		}
	}
	return parts
}

// actsOn: an S3 action is about buckets or about objects, which its name tells (Service Authorization Reference: S3). On
// the other kind it says nothing.
func actsOn(action, resource string) bool {
	name, isS3 := strings.CutPrefix(lower(action), "s3:")
	path, isARN := strings.CutPrefix(resource, "arn:")
	if !isS3 || !isARN || strings.ContainsAny(name, "*?") {
		return true
	}
	ofBucket := strings.Contains(name, "bucket")
	ofObject := strings.Contains(name, "object") || strings.Contains(name, "multipartupload")
	switch isObject := strings.Contains(path, "/"); {
	case ofBucket == ofObject: // neither or both, as s3:GetBucketObjectLockConfiguration
		return true
	case ofBucket:
		return !isObject
	default:
		return isObject || strings.HasSuffix(path, "*")
	}
}

// reason is a comparison and what it rests on.
type reason struct {
	comparison
	text string // "" if there is nothing to say
}

func (s placed) hits(who Caller, asked []question) (Hit, bool) {
	var calls []call
	for _, q := range asked {
		calls = append(calls, q.calls...)
	}
	partly, _ := s.reaches(calls)
	elsewhere := s.elsewhere(who, calls)
	best, texts, actions := no, []string{}, []string{}
	for _, q := range asked {
		v, reached := s.reaches(q.calls)
		if elsewhere {
			v, partly = min(v, maybe), maybe
		}
		why := []reason{s.principals().include(who)}
		for _, c := range s.conditions() {
			why = append(why, q.meets(c))
		}
		for _, r := range why {
			v = min(v, r.comparison)
		}
		if v > no {
			actions = append(actions, reached...)
		}
		if v > best {
			best, texts = v, reasons(why)
		}
	}
	if best == no {
		return Hit{}, false
	}
	about := "it is about " + some(actions)
	if partly == maybe {
		about += ", for some of the calls or resources"
	}
	return s.hit(who, best == yes, append([]string{about}, texts...)), true
}

// some names actions, and how many more there are where they are many.
func some(actions []string) string {
	const most = 6
	slices.Sort(actions)
	actions = slices.Compact(actions)
	if rest := len(actions) - most; rest > 1 {
		return fmt.Sprintf("%s and %d more actions", strings.Join(actions[:most], ", "), rest)
	}
	return strings.Join(actions, ", ")
}

// elsewhere says that it may stand on another resource than those that it reaches: NotResource covers what its own policy
// does not decide on.
func (s Statement) elsewhere(who Caller, calls []call) bool {
	return who.On == "" && s.resources().not && len(s.principals().names) > 0 &&
		slices.ContainsFunc(calls, func(c call) bool { return s.resources().on(c.resource) < yes })
}

func reasons(all []reason) []string {
	var texts []string
	for _, r := range all {
		if r.text != "" {
			texts = append(texts, r.text)
		}
	}
	return texts
}

func (s placed) hit(who Caller, certain bool, why []string) Hit {
	verb := "denies"
	if !certain {
		verb = "may deny"
	}
	upload := !certain && slices.ContainsFunc(s.conditions(), func(c condition) bool { return ofEncryption(c.key) })
	h := Hit{
		Statement: s.Place, Certain: certain, HowToExcept: s.exception(who), Upload: upload,
		Why: fmt.Sprintf("%s %s: %s", verb, who.RoleARN, strings.Join(why, "; ")),
	}
	if upload {
		h.HowToExcept = "leave it without an exception for " + who.RoleARN + ": in ICA's storage configuration, set the server-side " +
			"encryption algorithm, and the key if it asks for one, so that uploads meet " + s.encryption()
	}
	return h
}

// encryption names the conditions about how uploads are encrypted.
func (s Statement) encryption() string {
	var all []string
	for _, c := range s.conditions() {
		if ofEncryption(c.key) {
			all = append(all, c.summary())
		}
	}
	return strings.Join(all, " and ")
}

// reaches compares actions and resources, and names the actions.
func (s Statement) reaches(calls []call) (comparison, []string) {
	best, hit := no, []string{}
	on, acts := map[string]comparison{}, map[string]comparison{}
	for _, c := range calls {
		if _, done := on[c.resource]; !done {
			on[c.resource] = s.resources().on(c.resource)
		}
		if _, done := acts[c.action]; !done {
			acts[c.action] = s.actions().matches(c.action, matchAction)
		}
		if v := min(on[c.resource], acts[c.action]); v > no {
			best, hit = max(best, v), append(hit, c.action)
		}
	}
	return best, hit
}

// sparesAccount says that a call of the same account passed which the statement would certainly have hit, were it not for
// what the account's organization is.
func (s placed) sparesAccount(who Caller) bool {
	rest, found := s.Statement, false
	rest.Condition = Condition{}
	for operator, keys := range s.Condition {
		for key, values := range keys {
			if forAccount(key) && !strings.Contains(strings.Join(values, " "), "${") {
				found = true
				continue
			}
			if rest.Condition[operator] == nil {
				rest.Condition[operator] = map[string]Values{}
			}
			rest.Condition[operator][key] = values
		}
	}
	return found && who.On != "" && slices.ContainsFunc(who.Passed, func(p Passed) bool {
		if p.Caller.account() != who.account() || p.Caller.On != who.On {
			return false
		}
		hit, ok := placed{s.Place, rest}.hits(p.Caller, p.Caller.questions([]Calls{p.Calls}))
		return ok && hit.Certain
	})
}

// on compares the resources with one.
func (l list) on(resource string) comparison {
	if len(l.values) == 0 {
		return yes // a document on one resource, such as a trust policy
	}
	return l.matches(resource, matchResource)
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
		return p.exclude(who)
	}
	best := reason{no, ""}
	for _, n := range p.names {
		if r := n.includes(who); r.comparison > best.comparison {
			best = r
		}
	}
	return best
}

// exclude compares NotPrincipal (IAM: NotPrincipal). The session is evaluated besides the role and the account, and a
// principal with a permissions boundary is always denied, whatever is listed.
func (p principals) exclude(who Caller) reason {
	bounded := who.Boundary != "" && who.Boundary != NoBoundary
	spared := no
	for _, n := range p.names {
		spared = max(spared, n.spares(who))
	}
	switch {
	case bounded:
		return reason{yes, "NotPrincipal always denies a principal with a permissions boundary, and it has " + who.Boundary}
	case spared == no:
		return reason{yes, "NotPrincipal spares only sessions that it names, and nobody can name a role's sessions in advance"}
	case spared == yes && who.Boundary == NoBoundary:
		return reason{no, ""}
	case spared == yes:
		return reason{maybe, "NotPrincipal denies it if it has a permissions boundary, which is not known"}
	}
	return reason{maybe, "NotPrincipal spares only the sessions that it names"}
}

// spares says whether a name under NotPrincipal stands for a session; that of its role or account does not.
func (p principal) spares(who Caller) comparison {
	switch {
	case p.everyone():
		return yes
	case p.kind == "Service":
		return no
	case p.kind != "AWS":
		return maybe
	case who.isSession(p.name), strings.ContainsAny(p.name, "*?"):
		return maybe
	}
	return no
}

// isSession says that the name can be that of a session of the role, or several.
func (c Caller) isSession(name string) bool {
	return wildcards(name).overlaps(wildcards(c.sessionsARN() + c.sessionName()))
}

func (p principal) includes(who Caller) reason {
	switch p.kind {
	case "", "AWS":
		return p.includesAWS(who)
	case "Service":
		return reason{no, ""}
	case "Federated":
		// IAM: Principal, "OIDC session principals": sessions that come from AssumeRoleWithWebIdentity can be named by their provider.
		if _, host, _ := strings.Cut(who.Provider, ":oidc-provider/"); who.Provider != "" && p.name != who.Provider && p.name != host {
			return reason{no, ""}
		}
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
	case who.isSession(p.name):
		return reason{maybe, "Principal " + show("", p.name) + " is a session of it"}
	case wildcards(p.name).overlaps(literal(who.RoleARN)): // AWS refuses wildcards in names, other servers take them
		return reason{maybe, text}
	}
	return reason{no, ""}
}
