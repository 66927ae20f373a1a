// Package policy reads, writes, compares, merges and questions IAM policy documents: identity, trust and resource
// policies.
//
// Invariant: doubt is never in favour of access. What is not understood does not parse; what parses and is not known to
// mean the same is different; a Deny that may hit does hit; an Allow grants only what is certain. A document keeps the
// bytes it was read with, so that statements of others are written back untouched, and nothing of this package prints
// the value of a sts:RoleSessionName condition.
//
// Sources named in comments are chapters of AWS's IAM User Guide ("IAM: …") and S3 User Guide ("S3: …").
package policy

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
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
	statements []entry
}

// entry is a statement of a document, with its bytes if it was read: those of others are written back untouched.
type entry struct {
	Statement
	raw string // "": ours
}

// JSON is what was read, or else as ours are written.
func (e entry) JSON() string {
	if e.raw != "" {
		return e.raw
	}
	return e.Statement.JSON()
}

// New is the document of statements of ours.
func New(statements ...Statement) Document {
	d := Document{version: versionCurrent, statements: make([]entry, len(statements))}
	for i, s := range statements {
		d.statements[i].Statement = s
	}
	return d
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

// JSON is the document to send to AWS, statements as they were read. It is "" if there is no statement: AWS refuses
// such a document, so delete the policy instead. It shows session name prefixes: use Mask for people.
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
		b.WriteString(s.JSON())
	}
	b.WriteString("]}")
	return b.String()
}

// MarshalJSON is JSON; "there is no policy" has no statements there.
func (d Document) MarshalJSON() ([]byte, error) {
	if d.Empty() {
		return []byte(`{"Version":"","Statement":null}`), nil
	}
	return []byte(d.JSON()), nil
}

// UnmarshalJSON is Parse.
func (d *Document) UnmarshalJSON(data []byte) (err error) {
	*d, err = Parse(string(data))
	return err
}

// Version is 2012-10-17 or 2008-10-17; "" if there is no policy.
func (d Document) Version() string { return d.version }

// Statements returns the statements in their order. They share their lists and maps with the document: copy what you
// change.
func (d Document) Statements() []Statement {
	all := make([]Statement, len(d.statements))
	for i, s := range d.statements {
		all[i] = s.Statement
	}
	return all
}

// Empty says that there is no statement, so no policy.
func (d Document) Empty() bool { return len(d.statements) == 0 }

// placed is a statement and where it stands.
type placed struct {
	Place Place
	Statement
}

func (d Document) placed() []placed {
	all := make([]placed, len(d.statements))
	for i, s := range d.statements {
		all[i] = placed{Place{i + 1, s.Sid}, s.Statement}
	}
	return all
}

// Format prints the document masked, whatever the verb.
func (d Document) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Mask(d.JSON())) }

// LogValue masks the document for slog.
func (d Document) LogValue() slog.Value { return slog.StringValue(Mask(d.JSON())) }
