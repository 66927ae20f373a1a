// Package render writes any document that ICA needs, ready to paste, with the AWS CLI command that applies it: for people
// who may not deploy.
//
// Invariants: it makes no call to AWS, so it knows a session-name prefix only where it stands in ica.yaml, and shows it
// only where that is asked for. How a document is applied is a POSIX shell script, all prose of it in comments.
package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// Request says what to render for whom.
type Request struct {
	Storage    icaconfig.Storage
	Storages   []icaconfig.Storage     // all of the configuration
	Qualifier  string                  // of `cdk bootstrap`, in the names of CDK's roles
	Own        icaconfig.DocumentsSpec // the user's own documents, by file name
	HomeRegion string                  // AWS region of the prefix's parameter
	Account    string                  // 12 digits
	Versioned  bool                    // the bucket is versioned or suspended
	Reveal     bool                    // show a literal prefix
	Config     string                  // path of ica.yaml
	File       string                  // name of the file in which the document will stand
}

// Rendered is a document and what to do with it.
type Rendered struct {
	Documents []string // JSON; more than one where AWS takes no longer one
	Apply     string   // a shell script
}

// ErrNone says that the storage needs no such document; the error's text says why.
var ErrNone = errors.New("there is nothing to render")

// kind is a kind of document.
type kind struct {
	name   string
	source icaconfig.Source
	own    func(icaconfig.DocumentsSpec) string // the user's own file in place of ours, may be nil
	body   func(Request) (any, error)
	apply  func(Request) []string // lines of the script
	whole  bool                   // it is the account's, whatever storage was named
}

func kinds() []kind {
	all := []kind{
		{name: "cors", body: corsBody, apply: applyCORS, own: func(d icaconfig.DocumentsSpec) string { return d.CORS }},
		{
			name: "permission-policy", body: permissionsBody, apply: applyPermissions,
			own: func(d icaconfig.DocumentsSpec) string { return d.PermissionPolicy },
		},
		{
			name: "trust-policy", body: trustBody, apply: applyTrust,
			own: func(d icaconfig.DocumentsSpec) string { return d.TrustPolicy },
		},
		{
			name: "bucket-policy", body: bucketPolicyBody, apply: applyBucketPolicy,
			own: func(d icaconfig.DocumentsSpec) string { return d.CrossAccountStatements },
		},
		{name: "key-policy", body: keyPolicyBody, apply: applyKeyPolicy},
		{name: "boundary", body: boundaryBody, apply: applyBoundary},
		{
			name:   "scp",
			body:   scpBody,
			apply:  applySCP,
			source: icaconfig.Source{Sure: "derived", Why: "from the table of settings: what icaguard writes, and what undoes it"},
		},
		{
			name:   "scp-icaguard",
			whole:  true,
			body:   ownSCPBody,
			apply:  applyOwnSCP,
			source: icaconfig.Source{Sure: "derived", Why: "from the table of self checks: what changes icaguard itself"},
		},
		{
			name:   "reader-policy",
			whole:  true,
			body:   func(r Request) (any, error) { return readerDocuments(r), nil },
			apply:  applyReader,
			source: icaconfig.Source{Sure: "derived", Why: "from the tables of settings and self checks: what they read"},
		},
	}
	for i, k := range all {
		for _, source := range icaconfig.Sources() {
			if source.Document == k.name {
				all[i].source = source
			}
		}
	}
	return all
}

// Documents names the documents that can be rendered.
func Documents() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// Whole says that a document is the account's, the same whatever storage is named.
func Whole(name string) bool {
	return slices.ContainsFunc(kinds(), func(k kind) bool { return k.whole && k.name == name })
}

// Check fails for the name of a document that there is not, and says which there are.
func Check(name string) error {
	if !slices.Contains(Documents(), name) {
		return fmt.Errorf("render: there is no document %q: there are %s", name, strings.Join(Documents(), ", "))
	}
	return nil
}

// Document renders a document. The error is that of Check, or ErrNone.
func Document(name string, r Request) (Rendered, error) {
	if err := Check(name); err != nil {
		return Rendered{}, err
	}
	all := kinds()
	i := slices.IndexFunc(all, func(k kind) bool { return k.name == name })
	body, err := all[i].body(r)
	if err != nil {
		return Rendered{}, fmt.Errorf("render: %s of storage %s: %w", name, r.Storage.Name, err)
	}
	of := "storage " + r.Storage.Name
	if all[i].whole {
		of = "account " + r.Account
	}
	lines := append(
		[]string{"# " + name + " for " + of, "# How sure it is: " + all[i].sure(r.Own)},
		all[i].apply(r)...)
	return Rendered{Documents: texts(body), Apply: strings.Join(lines, "\n") + "\n"}, nil
}

func texts(body any) []string {
	several, ok := body.([]policy.Document)
	if !ok {
		return []string{indented(body)}
	}
	var all []string
	for _, document := range several {
		all = append(all, indented(document))
	}
	return all
}

// FileName names the file of the n-th document, from 1, after that of the first.
func FileName(first string, n int) string {
	if n == 1 {
		return first
	}
	name, json := strings.CutSuffix(first, ".json")
	name = fmt.Sprintf("%s-%d", name, n)
	if json {
		name += ".json"
	}
	return name
}

func (k kind) sure(own icaconfig.DocumentsSpec) string {
	if k.own != nil && k.own(own) != "" {
		return "yours, from " + k.own(own)
	}
	return k.source.Sure + ": " + k.source.Why
}

// indented is JSON for people, besides what was made short on purpose. Marshalling our own plain data cannot fail.
func indented(body any) string {
	if short, ok := body.(json.RawMessage); ok {
		return string(short) + "\n"
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(body); err != nil {
		panic(fmt.Sprintf("render: marshal document: %v", err))
	}
	return b.String()
}

func corsBody(r Request) (any, error) {
	return map[string][]icaconfig.CORSRule{"CORSRules": {r.Storage.Bucket.CORS}}, nil
}

// permissionsBody: the flag is about the storage's own bucket; the role's others are as ica.yaml says.
func permissionsBody(r Request) (any, error) {
	return r.Storage.Role.PermissionPolicy(func(b *icaconfig.Bucket) bool {
		if b.Name == r.Storage.Bucket.Name {
			return r.Versioned
		}
		return b.Versioning == icaconfig.VersioningEnabled
	}), nil
}

// Placeholder stands in the trust policy where the prefix is not shown; of several each has its number. It has no
// wildcard: pasted as it is, it lets nobody in, where "***" would let in every ICA tenant of the region.
const Placeholder = "SESSION_NAME_PREFIX"

func trustBody(r Request) (any, error) {
	var prefixes []string
	for _, p := range r.prefixes() {
		if p.Literal != "" && r.Reveal {
			p.placeholder = p.Literal.Reveal()
		}
		prefixes = append(prefixes, p.placeholder)
	}
	return r.Storage.TrustPolicy(prefixes...), nil
}

func bucketPolicyBody(r Request) (any, error) {
	ours := r.Storage.BucketStatements(r.Versioned)
	if len(ours) == 0 {
		return nil, fmt.Errorf(
			"%w: ICA needs no bucket policy, and ica.yaml asks neither for crossAccountCopy nor for requireTLS", ErrNone,
		)
	}
	return policy.New(ours...), nil
}

// keyPolicyBody is a list, not a policy: a key policy of these statements alone would lock the account out.
func keyPolicyBody(r Request) (any, error) {
	if r.Storage.Key == nil {
		return nil, fmt.Errorf("%w: ica.yaml names no bucket.kmsKeyArn", ErrNone)
	}
	return append(r.Storage.KeyRoleStatements(), r.Storage.KeyStatements()...), nil
}

func boundaryBody(r Request) (any, error) {
	if !r.Storage.Role.Boundary.Ours {
		return nil, fmt.Errorf(
			"%w: ica.yaml asks for no boundary of icaguard's on role %s; with role: {boundary: icaguard} it would", ErrNone,
			r.Storage.Role.Name,
		)
	}
	return r.Storage.Role.BoundaryDocument(), nil
}
