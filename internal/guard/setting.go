// Package guard is the domain of icaguard: what is guarded, when to look, what counts as drift, how it is restored.
//
// Invariants: an event only says where to look, never what to write (level-triggered). A setting is one row of the
// table in table.go; event patterns, routes, IAM statements and docs are derived from that row. Nothing is called
// Restored that was not read back.
package guard

import (
	"context"
	"fmt"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Setting is one row of the table: one thing that ICA needs, how to hear that it changed and how to put it right.
type Setting struct {
	ID     string // stable name in reports, metrics and messages: "bucket-cors"
	Title  string // what people read
	Breaks string // what stops working in ICA without it, with ICA's own words where known
	// ByHand tells a person what to do when the guard may not or cannot restore.
	ByHand   func(icaconfig.Storage) string
	On       Kind
	Triggers []Trigger
	Reads    []Action
	Writes   []Action

	plan func(context.Context, Clients, icaconfig.Storage) (Plan, error)
}

// Kind is a kind of guarded resource.
type Kind string

// The kinds of guarded resources.
const (
	OnBucket Kind = "bucket"
	OnRole   Kind = "role"
)

// ARN names the storage's resource of this kind, as IAM statements and outcomes do.
func (k Kind) ARN(s icaconfig.Storage) string {
	switch k {
	case OnBucket:
		return s.Bucket.ARN
	case OnRole:
		return s.Role.ARN
	}
	panic("guard: no ARN for kind " + string(k))
}

// Mode is the mode in which the storage's resource of this kind is guarded: a shared role has one of its own.
func (k Kind) Mode(s icaconfig.Storage) icaconfig.Mode {
	if k == OnRole {
		return s.Role.Mode
	}
	return s.Mode
}

// Action is an IAM action and the kind of resource it is allowed on.
type Action struct {
	Name string // "s3:PutBucketCORS"
	On   Kind
}

// Trigger names CloudTrail events that may have changed a setting, and where they name the resource.
type Trigger struct {
	Source    string   // EventBridge source: "aws.s3"
	Events    []string // CloudTrail event names
	Parameter string   // the key of requestParameters that names the resource
	Name      func(icaconfig.Storage) string
}

// bucketEvents is a trigger for the bucket. Events that create or delete it concern every setting on it.
func bucketEvents(names ...string) Trigger {
	return Trigger{
		Source:    "aws.s3",
		Events:    append(names, "CreateBucket", "DeleteBucket"),
		Parameter: "bucketName",
		Name:      func(s icaconfig.Storage) string { return s.Bucket.Name },
	}
}

// roleEvents is a trigger for the role. IAM events name a role by its name alone, without path or ARN.
func roleEvents(names ...string) Trigger {
	return Trigger{
		Source:    "aws.iam",
		Events:    append(names, "CreateRole", "DeleteRole"),
		Parameter: "roleName",
		Name:      func(s icaconfig.Storage) string { return s.Role.Name },
	}
}

// Plan is what a look found. No diffs: clean.
type Plan struct {
	Diffs []Diff
	// merges: restoring keeps parts that others own, so the state must be settled before it is written.
	merges   bool
	observed any
	restore  func(context.Context) error
}

// Diff is one difference, in the words of the setting's own document.
type Diff struct {
	Path string `json:"path"`
	Want string `json:"want"`
	Got  string `json:"got"`
}

// spec is the typed half of a setting: four small functions over one type of state.
type spec[T any] struct {
	want func(icaconfig.Storage) T
	// read returns the zero state for "no such configuration"; only a missing resource is an error.
	read func(context.Context, Clients, icaconfig.Storage) (T, error)
	diff func(want, got T) []Diff
	// put sees the observed state too, because AWS's writes replace or reset what they are not given.
	put    func(ctx context.Context, c Clients, s icaconfig.Storage, want, got T) error
	merges bool
}

// define joins a row with its typed half.
func define[T any](s Setting, sp spec[T]) Setting {
	s.plan = func(ctx context.Context, c Clients, st icaconfig.Storage) (Plan, error) {
		want := sp.want(st)
		got, err := sp.read(ctx, c, st)
		if err != nil {
			return Plan{}, fmt.Errorf("%s: read: %w", s.ID, err)
		}
		restore := func(ctx context.Context) error {
			if err := sp.put(ctx, c, st, want, got); err != nil {
				return fmt.Errorf("%s: restore: %w", s.ID, err)
			}
			return nil
		}
		return Plan{Diffs: sp.diff(want, got), merges: sp.merges, observed: got, restore: restore}, nil
	}
	return s
}
