// Package foreign reads what ICA needs and what others own beside it: the documents of a bucket, a role, a provider and a
// key, cut into parts whose text is their meaning.
//
// Invariant: it reads through the AWS SDK alone and uses no code of icaguard, so it can prove icaguard wrong.
package foreign

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// Clients call past whatever injects faults, and with UsePathStyle where the local AWS answers.
type Clients struct {
	S3  *s3.Client
	IAM *iam.Client
	KMS *kms.Client
}

// Names are those of the resources to read; what is empty is not read.
type Names struct {
	Bucket, Role string   // names
	Policy       string   // ARN of the role's managed policy for ICA
	Provider     string   // ARN
	Keys         []string // ARNs
}

// Parts are what the documents hold, by document. A document that is not there has no parts. The order of the parts
// means something in ordered documents only.
type Parts map[string][]string

// The documents.
const (
	BucketPolicy   = "bucket policy"
	CORS           = "CORS rules" // ordered: the first that matches a request decides
	Notifications  = "notifications"
	Lifecycle      = "lifecycle rules"
	Tiering        = "Intelligent-Tiering"
	BucketTags     = "bucket tags"
	Trust          = "trust policy"
	RoleIdentity   = "role"
	RoleTags       = "role tags"
	Inline         = "inline policies"
	Attached       = "attached policies"
	Boundary       = "boundary"
	PolicyVersions = "policy versions" // of ICA's policy
	Audiences      = "audiences"
	ProviderTags   = "provider tags"
	KeyPolicy      = "key policy" // the key's ARN follows
	KeyTags        = "key tags"   // the key's ARN follows

	// What follows is ICA's alone.
	PublicAccess    = "public access block"
	Encryption      = "encryption"
	Ownership       = "ownership"
	Versioning      = "versioning"
	SessionDuration = "session duration"
	Permissions     = "permission policy" // the default version
	KeyState        = "key state"         // the key's ARN follows
)

// Read reads all documents of a storage.
func Read(ctx context.Context, c Clients, n Names) (Parts, error) {
	r := reader{ctx: ctx, Clients: c, Names: n, parts: Parts{}}
	if n.Bucket != "" {
		r.bucket()
		r.bucketState()
	}
	if n.Role != "" {
		r.role()
	}
	if n.Policy != "" {
		r.versions()
	}
	if n.Provider != "" {
		r.provider()
	}
	for _, key := range n.Keys {
		r.key(key)
	}
	if r.err != nil {
		return nil, fmt.Errorf("foreign: read: %w", r.err)
	}
	return r.parts, nil
}

// Lost says what of others is in before and no more in after, and what that is not ours is new in after. Parts of an
// ordered document that changed places are lost as well.
func Lost(before, after Parts, ours Ours) []string {
	return changed(before, after, func(document string) (old, now []string) {
		if document == PolicyVersions {
			return withoutRoom(before[document], after[document])
		}
		return ours.without(document, before[document]), ours.without(document, after[document])
	})
}

// Broken says which of ICA's parts are in before and not in after, and what of ICA's is new in after, by document.
func Broken(before, after Parts, ours Ours) []string {
	return changed(before, after, func(document string) (old, now []string) {
		if document == PolicyVersions {
			return nil, nil
		}
		return ours.only(document, before[document]), ours.only(document, after[document])
	})
}

func changed(before, after Parts, of func(document string) (old, now []string)) []string {
	var found []string
	for _, document := range slices.Sorted(maps.Keys(union(before, after))) {
		old, now := of(document)
		lost, added := without(old, now), without(now, old)
		for _, part := range lost {
			found = append(found, document+": lost "+part)
		}
		for _, part := range added {
			found = append(found, document+": new "+part)
		}
		if document == CORS && len(lost)+len(added) == 0 && !slices.Equal(old, now) {
			found = append(found, document+": in another order "+strings.Join(now, " "))
		}
	}
	return found
}

// withoutRoom leaves out the versions that had to go: IAM keeps five, and one of those that is not the default makes room
// for the next. Which is the default is ICA's, and so are new ones.
func withoutRoom(before, after []string) (old, now []string) {
	const most = 5
	if len(before) >= most || len(after) == 0 {
		return nil, nil
	}
	for _, version := range before {
		old = append(old, strings.TrimSuffix(version, isDefault))
	}
	for _, version := range after {
		if id := strings.TrimSuffix(version, isDefault); slices.Contains(old, id) {
			now = append(now, id)
		}
	}
	return old, now
}

func union(a, b Parts) Parts {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// without are the parts that the others do not have, as often as they do.
func without(parts, others []string) []string {
	left, others := []string{}, slices.Clone(others)
	for _, part := range parts {
		if i := slices.Index(others, part); i >= 0 {
			others = slices.Delete(others, i, i+1)
		} else {
			left = append(left, part)
		}
	}
	return left
}

// reader collects the parts; after an error it reads no more.
type reader struct {
	Clients
	Names

	ctx   context.Context //nolint:containedctx // of one call of Read
	parts Parts
	err   error
}

// ok reports whether an answer is there to be cut into parts. What does not exist has none.
func (r *reader) ok(err error) bool {
	var api smithy.APIError
	isCode := func(part string) bool { return errors.As(err, &api) && strings.Contains(api.ErrorCode(), part) }
	// A key whose policy denies everybody has no parts but its policy's: nobody could have changed others unseen.
	if err != nil && !isCode("NoSuch") && !isCode("NotFound") && !isCode("AccessDenied") {
		r.err = cmp.Or(r.err, err)
	}
	return err == nil && r.err == nil
}

func (r *reader) add(document string, parts ...string) {
	r.parts[document] = append(r.parts[document], parts...)
}

// policy adds the parts of a policy document: each statement, and what stands beside the statements.
func (r *reader) policy(document, text string) {
	parts, err := Policy(text)
	if err != nil {
		r.add(document, "unreadable: "+text) // its bytes are its meaning then
		return
	}
	r.add(document, parts...)
}

// Policy cuts a policy document, URL-encoded or not, into parts.
func Policy(text string) ([]string, error) {
	if decoded, err := url.PathUnescape(text); err == nil && strings.HasPrefix(text, "%") {
		text = decoded
	}
	var document map[string]any
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		return nil, fmt.Errorf("foreign: policy: %w", err)
	}
	var parts []string
	for name, value := range document {
		if name != "Statement" {
			parts = append(parts, name+"="+canonical(value))
			continue
		}
		for _, statement := range list(value) {
			parts = append(parts, canonical(meaning("", statement)))
		}
	}
	slices.Sort(parts)
	return parts, nil
}

// meaning is a statement whose lists are sorted sets of text, and whose actions are in lower case: there IAM ignores
// order, repetition and case.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html
func meaning(name string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, inner := range v {
			out[key] = meaning(cmp.Or(name, key), inner)
		}
		return out
	case []any, string, bool, float64:
		if name == "Sid" || name == "Effect" {
			return v
		}
		var texts []string
		for _, one := range list(v) {
			text, isText := one.(string)
			if !isText {
				text = canonical(one)
			}
			if name == "Action" || name == "NotAction" {
				text = strings.ToLower(text)
			}
			texts = append(texts, text)
		}
		slices.Sort(texts)
		return slices.Compact(texts)
	}
	return value
}

func list(value any) []any {
	if all, ok := value.([]any); ok {
		return all
	}
	return []any{value}
}

// canonical is JSON with the keys of objects in order.
func canonical(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // it came from JSON, or is an SDK's structure
	}
	return string(text)
}

// plain is an SDK's structure as JSON without what is not set.
func plain(value any) string {
	var decoded any
	if err := json.Unmarshal([]byte(canonical(value)), &decoded); err != nil {
		panic(err)
	}
	return canonical(set(decoded))
}

func set(value any) any {
	switch v := value.(type) {
	case map[string]any:
		maps.DeleteFunc(v, func(_ string, inner any) bool { return inner == nil || set(inner) == nil })
		if len(v) == 0 {
			return nil
		}
		return v
	case []any:
		for i := range v {
			v[i] = set(v[i])
		}
	case string:
		if v == "" {
			return nil
		}
	}
	return value
}
