package yamlspec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing in the file that cannot be used: where it stands, what is wrong, what is allowed there, and an example.
type Fault struct {
	File         string
	Line, Column int
	Key          string // path as "servers[0].disk.size"; "" for the file as a whole
	What         string
	Allowed      string // "" where What says it all
	Example      string // "" where nothing fits on a line
}

// Error prints the fault on one line in the form that editors and terminals make clickable: file:line:column: key: what.
func (f Fault) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", f.File, f.Line, f.Column)
	if f.Key != "" {
		b.WriteString(f.Key + ": ")
	}
	b.WriteString(f.What)
	if f.Allowed != "" {
		b.WriteString("; allowed: " + f.Allowed)
	}
	if f.Example != "" {
		b.WriteString("; example: " + f.Example)
	}
	return b.String()
}

// Faults is everything that is wrong with one file, in the order of its lines. It is never empty when it travels as an error.
type Faults []Fault

// Error prints all faults, one per line.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives errors.Is and errors.As each fault.
func (fs Faults) Unwrap() []error {
	errs := make([]error, len(fs))
	for i, f := range fs {
		errs[i] = f
	}
	return errs
}

func (fs Faults) sort() {
	slices.SortStableFunc(fs, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
