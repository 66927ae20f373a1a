// Package guard is the domain of icaguard: what is guarded, when to check, what counts as drift, how it is restored.
//
// Invariants: an event only says where to check, never what to write (level-triggered). A setting is one row of the
// table in table.go; event patterns, routes, IAM statements and docs are derived from that row. Nothing is called
// Restored that was not read back.
package guard

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Setting is one row of the table: one thing that ICA needs, how to hear that it changed and how to put it right.
type Setting struct {
	ID     string // stable name in reports, metrics and messages: "bucket-cors"
	Title  string // what people read
	Effect string // what stops working in ICA without it, with ICA's own words where known
	// Remediation tells a person what to do when the guard may not or cannot restore.
	Remediation func(icaconfig.Storage) string
	// Did says what an event did that is an alert by itself; "": it changed the guard itself.
	Did      string
	On       Kind
	Triggers []Trigger
	Reads    []Action
	Writes   []Action

	plan func(context.Context, Clients, icaconfig.Storage) (Plan, error)
	// record puts into the store what an event shows and no later check could: who put the present state. A check without cause comes here
	// too: the first check finds what was there before all events.
	record func(context.Context, Clients, icaconfig.Storage, []Event) error
}

// Kind is a kind of resource that settings stand on and that IAM actions are allowed on.
type Kind string

// The kinds of resources.
const (
	OnBucket    Kind = "bucket"
	OnKey       Kind = "key"
	OnProvider  Kind = "provider"
	OnRole      Kind = "role"
	OnPolicy    Kind = "policy"
	OnParameter Kind = "parameter"
	OnPolicies  Kind = "policies" // every managed policy, AWS's own included: read only
	OnAccount   Kind = "account"  // for actions that AWS allows on "*" only

	// The guard's own, by name: in every region where it has some.
	OnTrails     Kind = "trails" // every CloudTrail trail of the account
	OnRules      Kind = "rules"
	OnQueues     Kind = "queues"
	OnFunctions  Kind = "functions"
	OnGuardRoles Kind = "guard roles"
	OnTopic      Kind = "topic"
	OnLedger     Kind = "ledger"
	OnPauses     Kind = "pauses"
)

// ARN names the storage's resource of this kind, as IAM statements and outcomes do; "" if the storage has none.
func (k Kind) ARN(s icaconfig.Storage) string {
	switch k {
	case OnBucket:
		return s.Bucket.ARN
	case OnKey:
		return s.Key.ARN
	case OnProvider:
		return s.Provider.ARN
	case OnRole:
		return s.Role.ARN
	case OnPolicy:
		return s.Role.Policy.ARN
	case OnParameter:
		return s.Role.Prefix.ARN
	case OnPolicies:
		partition, _, _ := strings.Cut(strings.TrimPrefix(s.Role.ARN, "arn:"), ":")
		return "arn:" + partition + ":iam::*:policy/*"
	case OnAccount:
		return "*"
	case OnTrails, OnRules, OnQueues, OnFunctions, OnGuardRoles, OnTopic, OnLedger, OnPauses:
		return k.ownARN(s.Home)
	}
	panic("guard: no ARN for kind " + string(k))
}

// Mode is the mode in which the storage's resource of this kind is guarded: what storages share has one of its own.
func (k Kind) Mode(s icaconfig.Storage) icaconfig.Mode {
	switch k {
	case OnBucket, OnAccount:
		return s.Mode
	case OnKey:
		return s.Key.Mode
	case OnProvider:
		return s.Provider.Mode
	case OnRole, OnPolicy, OnPolicies, OnParameter:
		return s.Role.Mode
	case OnTrails, OnRules, OnQueues, OnFunctions, OnGuardRoles, OnTopic, OnLedger, OnPauses:
		return icaconfig.Observe // CloudFormation's to restore
	}
	panic("guard: no mode for kind " + string(k))
}

// recreated tells whether the guard creates a resource of this kind again when it is gone. A bucket's data and a key's
// are lost with it, and a bucket's name can be taken by others, so those are a person's.
func (k Kind) recreated() bool { return k == OnProvider || k == OnRole || k == OnPolicy }

// rootCause is the setting that tells people when a resource of this kind is gone.
func (k Kind) rootCause() string {
	switch k {
	case OnBucket:
		return "bucket"
	case OnKey:
		return "kms-key-state"
	case OnProvider:
		return "oidc-provider"
	case OnRole:
		return "role"
	case OnPolicy:
		return "permission-policy"
	case OnParameter:
		return "role-trust"
	case OnPolicies, OnAccount, OnTrails, OnRules, OnQueues, OnFunctions, OnGuardRoles, OnTopic, OnLedger, OnPauses:
	}
	return ""
}

// Action is an IAM action and the kind of resource it is allowed on.
type Action struct {
	Name string // "s3:PutBucketCORS"
	On   Kind
	// If limits the action to the storages that need it; nil: all.
	If func(icaconfig.Storage) bool
	// Condition is an IAM condition that bounds the action further; nil: none.
	Condition func(icaconfig.Storage) Condition
}

// Condition is the condition block of an IAM statement: operator → key → value.
type Condition map[string]map[string]string

// on lists actions on one kind of resource.
func on(kind Kind, names ...string) []Action {
	actions := make([]Action, len(names))
	for i, name := range names {
		actions[i] = Action{Name: name, On: kind}
	}
	return actions
}

// where limits actions to the storages that need them, so that power is granted where it is used only.
func where(needed func(icaconfig.Storage) bool, actions []Action) []Action {
	for i := range actions {
		actions[i].If = needed
	}
	return actions
}

// under bounds actions by a condition.
func under(condition func(icaconfig.Storage) Condition, actions []Action) []Action {
	for i := range actions {
		actions[i].Condition = condition
	}
	return actions
}

// Trigger names CloudTrail events that may have changed a setting, and where they name the resource.
type Trigger struct {
	Source    string   // EventBridge source: "aws.s3"
	Events    []string // CloudTrail event names
	Parameter string   // the key of requestParameters that names the resource; resources[].ARN counts too
	Names     func(icaconfig.Storage) []string
	// AnyResource: these events concern us whatever they name.
	AnyResource bool
	// MatchARNSegment: the parameter holds the name as one part of an ARN or a URL.
	MatchARNSegment bool
	// AlwaysAlert: the event is an alert by itself. What it changed cannot be compared with what was deployed.
	AlwaysAlert bool
}

// bucketEvents is a trigger for the bucket. Events that create or delete it concern every setting on it.
func bucketEvents(names ...string) Trigger {
	return Trigger{
		Source:    "aws.s3",
		Events:    append(names, "CreateBucket", "DeleteBucket"),
		Parameter: "bucketName",
		Names:     func(s icaconfig.Storage) []string { return []string{s.Bucket.Name} },
	}
}

// roleEvents is a trigger for the role. IAM events name a role by its name alone, without path or ARN.
func roleEvents(names ...string) Trigger {
	return Trigger{
		Source:    "aws.iam",
		Events:    append(names, "CreateRole", "DeleteRole"),
		Parameter: "roleName",
		Names:     func(s icaconfig.Storage) []string { return []string{s.Role.Name} },
	}
}

// Finding is something that no restore restores.
type Finding struct {
	What        string `json:"what"`
	Remediation string `json:"remediation,omitempty"`
}

// Comparison is what comparing found: what a restore restores, what needs a person, and what is worth knowing.
type Comparison struct {
	Diffs  []Diff
	Alerts []Finding
	Notes  []Finding
}

// Plan is what a check found. An empty comparison: clean.
type Plan struct {
	Comparison
	// merges: restoring keeps parts that others own, so the state must be settled before it is written.
	merges bool
	// destroys: restoring deletes what others made, so it waits until that is kept.
	destroys bool
	observed any
	restore  func(context.Context) error
}

// original is the observed state in full, for the store; never for people, as it may hold the prefix.
func (p Plan) original() (string, error) {
	text, err := json.Marshal(p.observed)
	if err != nil {
		return "", fmt.Errorf("back up the replaced value: %w", err)
	}
	return string(text), nil
}

// Diff is one difference, in the words of the setting's own document.
type Diff struct {
	Path     string `json:"path"`
	Expected string `json:"expected"`
	Found    string `json:"found"`
}

// spec is the typed half of a setting: small functions over one type of state.
type spec[T any] struct {
	// read returns the zero state for "no such configuration"; only a missing resource is an error.
	read func(context.Context, Clients, icaconfig.Storage) (T, error)
	// compare is pure.
	compare func(icaconfig.Storage, T) Comparison
	// put sees the observed state too, because AWS's writes replace or reset what they are not given. A setting that is
	// only watched has none.
	put      func(context.Context, Clients, icaconfig.Storage, T) error
	merges   bool
	destroys bool
}

// define joins a row with its typed half.
func define[T any](s Setting, sp spec[T]) Setting {
	s.plan = func(ctx context.Context, c Clients, st icaconfig.Storage) (Plan, error) {
		got, err := sp.read(ctx, c, st)
		if err != nil {
			return Plan{}, fmt.Errorf("%s: read: %w", s.ID, err)
		}
		restore := func(ctx context.Context) error {
			if err := sp.put(ctx, c, st, got); err != nil {
				return fmt.Errorf("%s: restore: %w", s.ID, err)
			}
			return nil
		}
		return Plan{Comparison: sp.compare(st, got), merges: sp.merges, destroys: sp.destroys, observed: got, restore: restore}, nil
	}
	return s
}
