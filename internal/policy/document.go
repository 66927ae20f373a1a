// Package policy reads, compares, merges and questions IAM policy documents: identity, trust and resource policies.
//
// Invariant: doubt is never in favour of access. What is not understood does not parse; what parses and is not known to mean the same is
// different; a Deny that may hit does hit; an Allow grants only what is certain. Statements keep the bytes they were read with, so that
// those of others are written back untouched, and nothing of this package prints the value of a sts:RoleSessionName condition.
//
// Sources named in comments are chapters of AWS's IAM User Guide ("IAM: …") and S3 User Guide ("S3: …").
package policy

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
)

const (
	versionCurrent = "2012-10-17"
	versionOld     = "2008-10-17" // knows no policy variables (IAM: Version)
)

// Document is a policy document. The zero value, without statements, stands for "there is no policy". Documents are not changed
// once made: the functions of this package return new ones.
//
// Documents and statements print masked. Keep them in exported fields: fmt calls no methods on what it reaches through others.
type Document struct {
	version    string
	id         json.RawMessage // nil: none
	statements []Statement
}

// Statement is one statement of a Document.
type Statement struct {
	raw        json.RawMessage // as it was read
	sid        string
	effect     string
	principals principals
	actions    list
	resources  list
	conditions []condition
}

const (
	allow = "Allow"
	deny  = "Deny"
)

// list is Action or NotAction, Resource or NotResource. It is absent if it has no values.
type list struct {
	not    bool
	values []string
}

// principals is Principal or NotPrincipal, absent if it has no names.
type principals struct {
	not   bool
	names []principal
}

// principal is one name under a kind (AWS, Federated, Service, CanonicalUser); "Principal": "*" has the kind "".
type principal struct{ kind, name string }

func (p principal) everyone() bool { return p.name == "*" && (p.kind == "" || p.kind == "AWS") }

// condition is one key under one operator with its values. A Condition without operators, which AWS's console writes, is one without all three.
type condition struct {
	operator, key string
	values        []string
}

// Place says which statement of a document is meant.
type Place struct {
	Number int // from 1
	Sid    string
}

// String is "statement 2 (Sid X)", as people count and search.
func (p Place) String() string {
	text := "statement " + strconv.Itoa(p.Number)
	if p.Sid != "" {
		text += " (Sid " + p.Sid + ")"
	}
	return text
}

// JSON is the document to send to AWS, statements as they were read. It is "" if there is no statement: AWS refuses such a document,
// so delete the policy instead. It shows session name prefixes: use Mask for people.
func (d Document) JSON() string {
	if len(d.statements) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(`{"Version":"` + d.version + `",`)
	if d.id != nil {
		b.WriteString(`"Id":` + string(d.id) + `,`)
	}
	b.WriteString(`"Statement":[`)
	for i, s := range d.statements {
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(s.raw)
	}
	b.WriteString("]}")
	return b.String()
}

// Statements returns the statements in their order.
func (d Document) Statements() []Statement { return slices.Clone(d.statements) }

// Empty says that there is no statement, so no policy.
func (d Document) Empty() bool { return len(d.statements) == 0 }

// placed is a statement and where it stands.
type placed struct {
	Place
	Statement
}

func (d Document) placed() []placed {
	all := make([]placed, len(d.statements))
	for i, s := range d.statements {
		all[i] = placed{Place{i + 1, s.sid}, s}
	}
	return all
}

// Sid is the statement's name, "" if it has none.
func (s Statement) Sid() string { return s.sid }

// JSON is the statement as it was read. It shows session name prefixes: use Mask for people.
func (s Statement) JSON() string { return string(s.raw) }

// Format prints the document masked, whatever the verb.
func (d Document) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Mask(d.JSON())) }

// LogValue masks the document for slog.
func (d Document) LogValue() slog.Value { return slog.StringValue(Mask(d.JSON())) }

// Format prints the statement masked, whatever the verb.
func (s Statement) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Mask(s.JSON())) }

// LogValue masks the statement for slog.
func (s Statement) LogValue() slog.Value { return slog.StringValue(Mask(s.JSON())) }

// IsDeny says that the statement's effect is Deny.
func (s Statement) IsDeny() bool { return s.effect == deny }
