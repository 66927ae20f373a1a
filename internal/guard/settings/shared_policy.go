package settings

import (
	"context"
	"fmt"
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

// denials are the Denies in the way of those who rely on the resource. An explicit Deny is a decision of people.
func (p sharedPolicy) denials(d policy.Document) guard.Comparison {
	var v guard.Comparison
	for _, c := range p.callers {
		for _, hit := range policy.Denies(d, c.Caller, c.calls) {
			found := aboutStatement(guard.Finding{
				What:        c.who + ": " + hit.String(),
				Remediation: "let the owner of " + hit.Statement.String() + " " + hit.HowToExcept,
			}, d.Statements()[hit.Statement.Number-1], c.ResourceAccount)
			if hit.Certain || !c.seen {
				v.Alerts = append(v.Alerts, found)
			} else {
				v.Notes = append(v.Notes, found)
			}
		}
	}
	return v
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
		asked := slices.ContainsFunc(p.ours, func(o policy.Statement) bool { return o.Sid == s.Sid })
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

// ownCallers are the roles of the guard's own functions, and what the table lets them do on a kind of resource.
func ownCallers(s icaconfig.Storage, kind *guard.Kind, account string) []caller {
	iamOfAccount, _, _ := strings.Cut(s.Role.ARN, ":role/")
	own := func(name string, actions []string) caller {
		return caller{
			who: name, seen: true,
			Caller: policy.Caller{RoleARN: iamOfAccount + ":role/" + name, ResourceAccount: account},
			calls:  []policy.Calls{{Actions: actions, Resources: []string{kind.ARN(s)}}},
		}
	}
	reads, writes := ownActions(s, kind)
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

var speaksOfIDs = regexp.MustCompile(`(?i)aws:userid|AROA`)

// roleID is the unique id of ICA's role where the policy speaks of such ids, as a Deny that excepts somebody by
// aws:userId does; else "", and when the role is gone.
func roleID(ctx context.Context, c guard.Clients, s icaconfig.Storage, in document) (string, error) {
	if !speaksOfIDs.MatchString(string(in)) {
		return "", nil
	}
	role, err := roleOfName(ctx, c, s)
	switch {
	case awserr.Classify(err) == awserr.Gone:
		return "", nil
	case err != nil:
		return "", err
	case aws.ToString(role.Arn) != s.Role.ARN: // another role that has our name; setting role reports it
		return "", nil
	}
	return aws.ToString(role.RoleId), nil
}

// hint adds what an error of one class may mean.
func hint(err error, class awserr.Class, text string) error {
	if awserr.Classify(err) != class {
		return err
	}
	return fmt.Errorf("%w; %s", err, text)
}
