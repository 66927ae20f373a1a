package settings

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// sharedPolicy is what must be true of a resource's policy that others own too: ours is in it, and no Deny of it hits
// those who rely on the resource. What others wrote is never changed, only reported.
type sharedPolicy struct {
	ours    []policy.Statement
	limit   int // bytes that AWS takes
	callers []caller
	wayBack string // who can still change the policy once icaguard cannot read it
}

// caller is a role that calls on the resource.
type caller struct {
	policy.Caller
	who   string // for people
	calls []policy.Calls
	// seen: when it is denied its own requests say so, so a Deny that only may hit it is no alert.
	seen bool
}

// parseShared reads a policy; "" is none.
func parseShared(got document) (policy.Document, error) {
	if got == "" {
		return policy.Document{}, nil
	}
	return got.parse()
}

// compare is about the policy as it will be with ours in it.
func (p sharedPolicy) compare(got document) guard.Comparison {
	present, err := parseShared(got)
	if err != nil {
		return guard.Alert("the policy cannot be read as one, so icaguard writes nothing over it: "+err.Error(),
			"correct the policy by hand; its statements belong to others too")
	}
	merged, changes, err := policy.Merge(present, p.ours)
	v := guard.Comparison{Diffs: differences(changes)}
	size := len(merged.JSON())
	switch {
	case err != nil:
		v, merged = guard.Alert("ICA's part cannot be put into the policy: "+err.Error(), "change the policy by hand as said"), present
	case len(changes) > 0 && size > p.limit:
		v = guard.Alert(
			fmt.Sprintf("with ICA's part the policy would have %d bytes, and AWS takes %d: %s", size, p.limit, differing(changes)),
			"remove statements of others that are no longer needed",
		)
	}
	return v.And(p.denials(merged)).And(orphans(merged, len(v.Diffs) > 0)).And(p.unasked(merged))
}

// merged is the policy to write.
func (p sharedPolicy) merged(got document) (string, error) {
	present, err := parseShared(got)
	if err != nil {
		return "", err
	}
	merged, _, err := policy.Merge(present, p.ours)
	return merged.JSON(), err
}

// restored are the statements of the policy to write; none where nothing can be written.
func (p sharedPolicy) restored(got document) []policy.Statement {
	text, err := p.merged(got)
	if err != nil {
		return nil
	}
	merged, err := parseShared(document(text))
	if err != nil {
		return nil
	}
	return merged.Statements()
}

// denials are the Denies in the way of those who rely on the resource, each told once, whomever it hits. An explicit Deny
// is a decision of people.
func (p sharedPolicy) denials(d policy.Document) guard.Comparison {
	found := map[int]*denial{}
	for _, c := range p.callers {
		for _, hit := range policy.Denies(d, c.Caller, c.calls) {
			n := hit.Statement.Number
			if found[n] == nil {
				found[n] = &denial{place: hit.Statement, statement: d.Statements()[n-1], wayBack: p.wayBack}
			}
			found[n].hits = append(found[n].hits, callerHit{c, hit})
		}
	}
	var v guard.Comparison
	for _, n := range slices.Sorted(maps.Keys(found)) {
		if found[n].alerts() {
			v.Alerts = append(v.Alerts, found[n].finding())
		} else {
			v.Notes = append(v.Notes, found[n].finding())
		}
	}
	return v
}

// denial is one Deny statement and all whom it hits, or may hit.
type denial struct {
	place     policy.Place
	statement policy.Statement
	hits      []callerHit
	wayBack   string
}

type callerHit struct {
	caller
	policy.Hit
}

// alerts: what only may hit a caller who would say so is worth knowing.
func (d denial) alerts() bool {
	return slices.ContainsFunc(d.hits, func(h callerHit) bool { return h.Certain || !h.seen })
}

func (d denial) finding() guard.Finding {
	texts := make([]string, len(d.hits))
	for i, h := range d.hits {
		texts[i] = h.who + ": " + h.String()
	}
	f := aboutStatement(d.place, d.statement, strings.Join(texts, "; "), "let the owner of "+d.place.String()+" "+d.advice())
	certain := func(h callerHit) bool { return h.Certain }
	switch {
	case !slices.ContainsFunc(d.hits, certain): // whoever accepts what may hit somebody has not accepted that it does
		return f.As("may hit")
	case !slices.ContainsFunc(d.hits, func(h callerHit) bool { return h.Certain && !h.seen }):
		return f.As("hits icaguard")
	}
	return f
}

// advice ends with the whole statement as it should be. How uploads are encrypted is no matter of exceptions.
func (d denial) advice() string {
	var roles []string
	var text string
	for _, h := range d.hits {
		if !h.Upload && !slices.Contains(roles, h.RoleARN) {
			roles = append(roles, h.RoleARN)
		}
	}
	if len(roles) == 0 {
		return d.hits[0].HowToExcept
	}
	text = policy.HowToExcept(d.statement, roles...)
	if fixed, ok := policy.Except(d.statement, roles...); ok {
		text += ", so that it reads " + policy.Mask(fixed.JSON())
	}
	if slices.ContainsFunc(d.hits, func(h callerHit) bool { return strings.Contains(h.Why, "NotPrincipal always denies") }) {
		text += "; leave the permissions boundary where it is"
	}
	if slices.ContainsFunc(d.hits, func(h callerHit) bool { return h.seen && h.Certain }) {
		text += ". Do so before icaguard is locked out: " + d.wayBack
	}
	return text
}

// aboutStatement is a finding about a statement of others, which an exception can name by its Sid, or else by its digest.
func aboutStatement(place policy.Place, s policy.Statement, what, remediation string) guard.Finding {
	f := guard.Finding{What: what, Remediation: remediation}.About(place.Sid, s.JSON())
	if _, everyone := s.Principal["*"]; !s.IsDeny() && (everyone || slices.Contains(s.Principal["AWS"], "*")) {
		f.MustEnd = "public access"
	}
	return f
}

// orphans are the principals of others that were deleted. AWS does not save a policy again that names one
// (https://repost.aws/knowledge-center/s3-invalid-principal-in-policy-error), so they stand in the way of a restore.
func orphans(d policy.Document, restoring bool) guard.Comparison {
	var found []guard.Finding
	for _, p := range policy.DeletedPrincipals(d) {
		what := " names "
		if p.Not {
			what = " spares "
		}
		found = append(found, guard.Finding{
			What: p.Statement.String() + what + p.ID + ", the id of a role or user that was deleted; recreating that does not " +
				"repair it",
			Remediation: "put the ARN of whoever is meant there, or remove the id: until then AWS refuses to save this policy, by " +
				"icaguard too",
		})
	}
	if restoring {
		return guard.Comparison{Alerts: found}
	}
	return guard.Comparison{Notes: found}
}

// unasked are statements under our names that ica.yaml does not ask for (any more). Who put them cannot be known.
func (p sharedPolicy) unasked(d policy.Document) guard.Comparison {
	var v guard.Comparison
	for _, s := range d.Statements() {
		ofUs := slices.Contains([]string{icaconfig.SidCrossAccountCopy, icaconfig.SidRequireTLS}, s.Sid)
		asked := slices.ContainsFunc(p.ours, func(o policy.Statement) bool { return o.Sid == s.Sid || policy.Covers(s, o) })
		if ofUs && !asked {
			v.Notes = append(v.Notes, guard.Finding{
				What:        "Sid " + s.Sid + " is in the policy, but ica.yaml does not ask for it",
				Remediation: "remove the statement, or ask for it in ica.yaml",
			})
		}
	}
	return v
}

func differing(changes []policy.Difference) string {
	texts := make([]string, len(changes))
	for i, c := range changes {
		texts[i] = c.String()
	}
	return strings.Join(texts, "; ")
}

// asked is what is known of every caller of a shared policy: on which resource it stands, and in which account.
type asked struct {
	kind         *guard.Kind
	on, account  string
	region       string
	organization string // of the account that icaguard runs in
	passed       []policy.Passed
}

// role is a role of the account that icaguard runs in.
func (a asked) role(arn string) policy.Caller {
	return policy.Caller{
		RoleARN: arn, ResourceAccount: a.account, On: a.on, Region: a.region, Organization: a.organization, Passed: a.passed,
	}
}

// icaRole is ICA's role, of which more is known where the policy asks for it.
func (a asked) icaRole(s icaconfig.Storage, known roleFacts) policy.Caller {
	who := a.role(s.Role.ARN)
	who.RoleID, who.Tags, who.Boundary, who.Provider = known.ID, known.Tags, known.Boundary, s.Provider.ARN
	who.KMSViaS3 = true
	for _, b := range s.Role.Buckets {
		if a.kind == guard.OnKey && b.KMSKeyARN == a.on {
			who.Buckets = append(who.Buckets, b.ARN)
		}
	}
	return who
}

// copying is Illumina's role, whose account may be in any organization.
func (a asked) copying(s icaconfig.Storage) policy.Caller {
	who := a.role(s.CrossAccount)
	who.Organization, who.Passed, who.KMSViaS3 = "", nil, true
	if a.account == accountOf(s) {
		who.ResourceOrganization = a.organization
	}
	return who
}

// own are the roles of the guard's own functions, and what the table lets them do on a kind of resource.
func (a asked) own(s icaconfig.Storage) []caller {
	iamOfAccount, _, _ := strings.Cut(s.Role.ARN, ":role/")
	own := func(name string, actions []string) caller {
		who := a.role(iamOfAccount + ":role/" + name)
		who.Function = true
		return caller{who: name, seen: true, Caller: who, calls: []policy.Calls{{Actions: actions, Resources: []string{a.on}}}}
	}
	reads, writes := ownActions(s, a.kind)
	return []caller{own(guard.RemediateFunction, append(writes, reads...)), own(guard.ValidateFunction, reads)}
}

func ownActions(s icaconfig.Storage, kind *guard.Kind) (reads, writes []string) {
	for _, setting := range All() {
		if setting.On.ARN(s) == "" {
			continue
		}
		reads = append(reads, namesOn(kind, s, setting.Reads)...)
		if setting.Mode(s) == icaconfig.Enforce {
			writes = append(writes, namesOn(kind, s, setting.Writes)...)
		}
	}
	return reads, writes
}

func namesOn(kind *guard.Kind, s icaconfig.Storage, actions []guard.Action) []string {
	var names []string
	for _, a := range actions {
		if a.On == kind && (a.If == nil || a.If(s)) {
			names = append(names, a.Name)
		}
	}
	return names
}

// roleFacts is what a policy may ask about ICA's role; the zero value where it does not ask, or the role is gone.
type roleFacts struct {
	ID       string
	Boundary string            // its ARN, or policy.NoBoundary
	Tags     map[string]string // nil where a session may have others
}

var speaksOfRole = regexp.MustCompile(`(?i)aws:userid|AROA|aws:PrincipalTag/|NotPrincipal`)

// factsOfRole reads the role where the policy asks about more than its ARN.
func factsOfRole(ctx context.Context, c guard.Clients, s icaconfig.Storage, in document) (roleFacts, error) {
	if !speaksOfRole.MatchString(string(in)) {
		return roleFacts{}, nil
	}
	role, err := roleOfName(ctx, c, s)
	switch {
	case awserr.Classify(err) == awserr.Gone:
		return roleFacts{}, nil
	case err != nil:
		return roleFacts{}, err
	case aws.ToString(role.Arn) != s.Role.ARN: // another role that has our name; setting role reports it
		return roleFacts{}, nil
	}
	known := roleFacts{ID: aws.ToString(role.RoleId), Boundary: policy.NoBoundary}
	if b := role.PermissionsBoundary; b != nil {
		known.Boundary = aws.ToString(b.PermissionsBoundaryArn)
	}
	if !letsSessionsTag(newDocument(role.AssumeRolePolicyDocument)) {
		known.Tags = map[string]string{}
		for _, tag := range role.Tags {
			known.Tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
		}
	}
	return known, nil
}

// letsSessionsTag: a session has tags of its own only where the trust policy allows sts:TagSession
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html).
func letsSessionsTag(trust document) bool {
	present, err := trust.parse()
	return err != nil || slices.ContainsFunc(present.Statements(), func(s policy.Statement) bool {
		return !s.IsDeny() && (len(s.NotAction) > 0 || slices.ContainsFunc(s.Action, func(a string) bool {
			return strings.ContainsAny(a, "*?") || strings.EqualFold(a, "sts:TagSession")
		}))
	})
}

// hint adds what an error of one class may mean.
func hint(err error, class awserr.Class, text string) error {
	if awserr.Classify(err) != class {
		return err
	}
	return fmt.Errorf("%w; %s", err, text)
}
