package foreign

import (
	"slices"
	"strings"
)

// Ours tells ICA's parts from those of others, for one storage.
type Ours struct {
	CORS     string // CORSPart of ICA's rule
	Target   string // part of the ARN of what ICA's notifications lead to
	Policy   string // ARN of the role's policy for ICA
	Boundary string // ARN, "" where none is asked for
	Role     []string
	Tags     []string // of what icaguard creates
	Strict   bool     // policies of others are removed from the role, unless they deny
}

// without are the parts of a document that are not ours.
func (o Ours) without(document string, parts []string) []string {
	return slices.DeleteFunc(slices.Clone(parts), func(part string) bool { return o.has(document, part) })
}

// only are the parts of a document that are ours.
func (o Ours) only(document string, parts []string) []string {
	return slices.DeleteFunc(slices.Clone(parts), func(part string) bool { return !o.has(document, part) })
}

func (o Ours) has(document, part string) bool {
	denies := strings.Contains(strings.ToLower(part), "deny") || strings.Contains(part, "denies")
	switch kind, _, _ := strings.Cut(document, " arn:"); kind {
	case BucketPolicy, KeyPolicy:
		return part == `Version="2012-10-17"` || hasSid(part)
	case CORS:
		return part == o.CORS
	case Notifications:
		return strings.Contains(part, o.Target)
	case Trust:
		return !strings.Contains(part, `"Effect":"Deny"`) // ICA's as a whole while nobody denies
	case RoleIdentity:
		return slices.Contains(o.Role, part)
	case RoleTags, ProviderTags:
		return slices.Contains(o.Tags, part)
	case Boundary:
		return part == o.Boundary
	case Audiences:
		return part == "sts.amazonaws.com"
	case Attached:
		return part == o.Policy || o.Strict && !denies
	case PublicAccess, Encryption, Ownership, Versioning, SessionDuration, Permissions, KeyState:
		return true
	case Inline:
		return o.Strict && !denies
	}
	return false
}

// hasSid reports whether a statement has one of the names of ICA's statements, and allows, but for the one that only
// denies what is not encrypted: an explicit Deny of others is never undone, whatever its name is.
func hasSid(part string) bool {
	const tls = `"Sid":"IcaguardRequireTLS"`
	if strings.Contains(part, tls) {
		return true
	}
	return strings.Contains(part, `"Sid":"Ica`) && strings.Contains(part, `"Effect":"Allow"`)
}
