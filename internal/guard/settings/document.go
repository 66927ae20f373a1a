package settings

import (
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/policy"
)

// document is a policy as AWS has it. It may hold the session-name prefix: it goes into the ledger, never to people.
type document string

// newDocument undoes the URL encoding in which IAM returns documents
// (https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html).
func newDocument(text *string) document {
	encoded := aws.ToString(text)
	if decoded, err := url.PathUnescape(encoded); err == nil && !strings.HasPrefix(strings.TrimSpace(encoded), "{") {
		return document(decoded)
	}
	return document(encoded)
}

func (d document) parse() (policy.Document, error) { return policy.Parse(string(d)) }

// diffDocument compares a document that is ours as a whole. One that does not parse is drift: doubt is.
func diffDocument(want policy.Document, got document) []guard.Diff {
	present, err := got.parse()
	if err != nil {
		return []guard.Diff{{Path: "document", Expected: "as ICA needs it", Found: "does not parse: " + err.Error()}}
	}
	return differences(policy.Diff(want, present))
}

// foreignDenies finds Deny statements that the wanted document does not have. Somebody put them there to keep ICA, or
// whoever took the role, out; an explicit Deny is never undone, so the whole document is left to people.
func foreignDenies(want policy.Document, got document) []guard.Finding {
	present, err := got.parse()
	if err != nil {
		return nil
	}
	ours := want.Statements()
	var found []guard.Finding
	for i, s := range present.Statements() {
		known := slices.ContainsFunc(ours, func(o policy.Statement) bool { return policy.Same(o, s) })
		if s.IsDeny() && !known {
			place := policy.Place{Number: i + 1, Sid: s.Sid}
			found = append(found, aboutStatement(
				place, s, place.String()+" is a Deny that is not ICA's; nothing of the document is changed while it stands",
				"ask who put it there and why; once it is no longer needed, delete the statement, and icaguard restores the rest",
			))
		}
	}
	return found
}

// besidesDenies alerts where the document differs in more than such a Deny: whoever accepts the Deny accepts no more.
func besidesDenies(want policy.Document, got document) guard.Comparison {
	present, err := got.parse()
	if err != nil {
		return guard.Comparison{}
	}
	left := policy.New(slices.DeleteFunc(present.Statements(), policy.Statement.IsDeny)...)
	diffs := differences(policy.Diff(want, left))
	if len(diffs) == 0 {
		return guard.Comparison{}
	}
	return guard.Alert("the rest of the document is not as ICA needs it either, and is not restored beside that Deny: "+paths(diffs),
		"once the Deny is no longer needed, delete it, and icaguard restores the rest; until then change it by hand")
}

func differences(found []policy.Difference) []guard.Diff {
	diffs := make([]guard.Diff, len(found))
	for i, d := range found {
		path := d.Element
		if d.Statement != (policy.Place{}) {
			path = d.Statement.String() + " " + path
		}
		diffs[i] = guard.Diff{Path: path, Expected: orNothing(d.Expected), Found: orNothing(d.Found)}
	}
	return diffs
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}
