// Package guard is the domain of icaguard: when to check what, what counts as drift, what follows an attempt, who has
// to wait. The rows that say what is guarded stand in its subpackages settings and self.
//
// Invariants: an event only says where to check, never what to write (level-triggered). Event patterns, routes, IAM
// statements and docs are derived from the rows. Nothing is called restored that was not read back. One job never ends
// another. This package calls no AWS service.
package guard

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// Row is what a setting and a self check have in common: what events ask for it, and what it may read.
type Row struct {
	ID     string // stable name in reports, metrics and messages: "bucket-cors"
	Title  string // what people read
	Effect string // what a break means for ICA, with ICA's own words where known
	// Remediation tells a person what to do when icaguard may not or cannot restore.
	Remediation func(icaconfig.Storage) string
	On          *Kind
	Triggers    []Trigger
	Reads       []Action
	// MustEnd is what makes an exception of any finding need an end: "trust", "public access"; "": nothing.
	MustEnd string
}

// Setting is one row of the table of settings: one thing that ICA needs, which events may have changed it and how it is restored.
type Setting struct {
	Row
	Writes []Action
	// Record puts into the store what an event shows and no later check could: who put the present state. A check without
	// an event comes here too: the first check finds what was there before all events.
	Record func(context.Context, Clients, icaconfig.Storage, []Event) error

	plan func(context.Context, Clients, icaconfig.Storage) (Plan, error)
}

// Mode is the mode in which the storage's resource is guarded: what storages share has the most careful of theirs.
func (s Setting) Mode(st icaconfig.Storage) icaconfig.Mode { return s.On.Shared(st).Mode }

// Check reads and compares, and writes nothing.
func (s Setting) Check(ctx context.Context, c Clients, st icaconfig.Storage) (Plan, error) {
	return s.plan(ctx, c, st)
}

// Action is an IAM action and the kind of resource it is allowed on.
type Action struct {
	Name string // "s3:PutBucketCORS"
	On   *Kind
	// If limits the action to the storages that need it; nil: all.
	If func(icaconfig.Storage) bool
	// Condition is an IAM condition that bounds the action further; nil: none.
	Condition func(icaconfig.Storage) policy.Condition
}

// Actions lists actions on one kind of resource.
func Actions(kind *Kind, names ...string) []Action {
	actions := make([]Action, len(names))
	for i, name := range names {
		actions[i] = Action{Name: name, On: kind}
	}
	return actions
}

// OnlyIf limits actions to the storages that need them, so that power is granted only where it is used.
func OnlyIf(needed func(icaconfig.Storage) bool, actions []Action) []Action {
	for i := range actions {
		actions[i].If = needed
	}
	return actions
}

// WithCondition bounds actions by a condition.
func WithCondition(condition func(icaconfig.Storage) policy.Condition, actions []Action) []Action {
	for i := range actions {
		actions[i].Condition = condition
	}
	return actions
}

// Trigger names CloudTrail events that may have changed a row, and where they name the resource.
type Trigger struct {
	Source    string                           // EventBridge source: "aws.s3"
	Events    []string                         // CloudTrail event names, without the version of an API
	Parameter string                           // the key of requestParameters that names the resource; resources[].ARN counts too
	Names     func(icaconfig.Storage) []string // one that ends in * stands for all that begin so
	// AnyResource: these events concern us whatever they name, but for what Except names.
	AnyResource bool
	Except      func(icaconfig.Storage) []string
	// Answers are the keys of responseElements that name the resource of an AnyResource trigger, for GuardChangedRule.
	Answers []string
	// MatchARNSegment: the parameter holds the name as one part of an ARN or a URL.
	MatchARNSegment bool
	// AlwaysAlert: the event is an alert by itself. What it changed cannot be compared with what was deployed.
	AlwaysAlert bool
}

// Finding is something that no restore repairs.
type Finding struct {
	What        string `json:"what"`
	Remediation string `json:"remediation,omitempty"`
	// Match is what an exception in ica.yaml names: a statement's Sid, the ARN of a policy, the id of a rule; "": this
	// cannot be excepted. Digest tells when what is named has become another (DigestOf).
	Match  string `json:"match,omitempty"`
	Digest string `json:"digest,omitempty"`
	// MustEnd is what makes an exception of this finding need an end, as Row.MustEnd.
	MustEnd string `json:"mustEnd,omitempty"`
	// Exception is why an exception that names it does not apply.
	Exception string `json:"exception,omitempty"`

	accounts string // that what it is about names
}

// About names what a finding is about, so that an exception can: a statement, a policy, a rule, whose content is as AWS
// answers it. What has no name has its digest for one.
func (f Finding) About(name, content string) Finding {
	f.Digest = DigestOf(content)
	f.Match, f.accounts = cmp.Or(name, f.Digest), strings.Join(icaconfig.Accounts(name+" "+content), " ")
	return f
}

// As tells findings of different kinds about one thing apart by their digests: whoever accepts that a policy is there has
// not accepted that it keeps ICA out.
func (f Finding) As(kind string) Finding {
	named := f.Match != f.Digest
	f.Digest = DigestOf(kind + " " + f.Digest)
	if !named {
		f.Match = f.Digest
	}
	return f
}

// DigestOf is a short digest of a document or a statement as AWS answers it, for people to paste: 12 hexadecimal digits.
func DigestOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:6])
}

// Comparison is what comparing found: what a restore repairs, what needs a person, and what is worth knowing.
type Comparison struct {
	Diffs  []Diff
	Alerts []Finding
	Notes  []Finding
}

// And is both comparisons.
func (c Comparison) And(o Comparison) Comparison {
	return Comparison{
		Diffs:  slices.Concat(c.Diffs, o.Diffs),
		Alerts: slices.Concat(c.Alerts, o.Alerts),
		Notes:  slices.Concat(c.Notes, o.Notes),
	}
}

// Alert is a comparison that needs a person.
func Alert(what, remediation string) Comparison {
	return Comparison{Alerts: []Finding{{What: what, Remediation: remediation}}}
}

// Note is a comparison that is worth knowing.
func Note(what, remediation string) Comparison {
	return Comparison{Notes: []Finding{{What: what, Remediation: remediation}}}
}

// Diff is one difference, in the words of the setting's own document.
type Diff struct {
	Path     string `json:"path"`
	Expected string `json:"expected"`
	Found    string `json:"found"`
}

// Plan is what a check found. An empty comparison: in sync.
type Plan struct {
	Comparison
	// Observed is the state that was read, of the setting's own type.
	Observed any
	// merges: restoring keeps parts that others own, so the state must be settled before it is written.
	merges bool
	// destroys: restoring deletes what others made, so it waits until that is backed up.
	destroys bool
	restore  func(context.Context) error
	// witness asks events what was written.
	witness func([]Event) testimony
}

// original is the observed state in full, for the store; never for people, as it may hold the prefix.
func (p Plan) original() (string, error) {
	text, err := json.Marshal(p.Observed)
	if err != nil {
		return "", fmt.Errorf("back up the replaced value: %w", err)
	}
	return string(text), nil
}

// Spec is the typed half of a setting: small functions over one type of state.
type Spec[T any] struct {
	// Read returns the zero state for "no such configuration". A missing resource is an error, and so is an answer without
	// an element that AWS always sends: restoring on its word would overwrite what is really there.
	Read func(context.Context, Clients, icaconfig.Storage) (T, error)
	// Compare is pure.
	Compare func(icaconfig.Storage, T) Comparison
	// Put sees the observed state too, because AWS's writes replace or reset what they are not given. A setting that is
	// only watched has none.
	Put      func(context.Context, Clients, icaconfig.Storage, T) error
	Merges   bool
	Destroys bool
	// Witness is what was read, with the document that an event's parameters say was written; false where they do not
	// say it or cannot be read. Missing names the parts that a restore over one state writes and one over the other
	// does not. Both are pure, and for settings that merge; without them no event is asked.
	Witness func(e Event, got T) (T, bool)
	Missing func(st icaconfig.Storage, from, in T) []string
}

// Define joins a row with its typed half.
func Define[T any](s Setting, sp Spec[T]) Setting {
	s.plan = func(ctx context.Context, c Clients, st icaconfig.Storage) (Plan, error) {
		got, err := sp.Read(ctx, c, st)
		if err != nil {
			return Plan{}, fmt.Errorf("%s: read: %w", s.ID, err)
		}
		restore := func(ctx context.Context) error {
			if err := sp.Put(ctx, c, st, got); err != nil {
				return fmt.Errorf("%s: restore: %w", s.ID, err)
			}
			return nil
		}
		return Plan{
			Comparison: sp.Compare(st, got), Observed: got, merges: sp.Merges, destroys: sp.Destroys, restore: restore,
			witness: func(events []Event) testimony { return witness(sp, st, got, events) },
		}, nil
	}
	return s
}
