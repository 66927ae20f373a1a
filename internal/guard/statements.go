package guard

import (
	"maps"
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// ReadStatements allow what a check needs, on the storages' own resources only.
func ReadStatements(rows []Row, storages []icaconfig.Storage) []policy.Statement {
	return statements(rows, storages, func(r Row, _ icaconfig.Storage) []Action { return r.Reads })
}

// WriteStatements allow what restoring needs, and only where the storage's mode is enforce.
func WriteStatements(settings []Setting, storages []icaconfig.Storage) []policy.Statement {
	return statements(settings, storages, func(s Setting, st icaconfig.Storage) []Action {
		if s.Mode(st) != icaconfig.Enforce {
			return nil
		}
		return s.Writes
	})
}

// InAccount bounds the statements about buckets. Their ARNs carry no account, so a condition says whose bucket it has to
// be; those of keys do carry it, and a key may be another account's.
func InAccount(h icaconfig.Home, statements []policy.Statement) []policy.Statement {
	for i, s := range statements {
		if !strings.HasPrefix(s.Resource[0], "arn:"+h.Partition+":s3:") {
			continue
		}
		condition := policy.Condition{"StringEquals": {}}
		for operator, keys := range s.Condition {
			condition[operator] = maps.Clone(keys)
		}
		condition["StringEquals"]["aws:ResourceAccount"] = policy.Values{h.Account}
		statements[i].Condition = condition
	}
	return statements
}

// onKind is a row, or a setting, which has one.
type onKind interface{ kind() *Kind }

// statements joins the statements of all places that allow the same, in a stable order.
func statements[R onKind](
	rows []R, storages []icaconfig.Storage, actions func(R, icaconfig.Storage) []Action,
) []policy.Statement {
	joined := map[string]*policy.Statement{}
	for at, s := range perPlace(rows, storages, actions) {
		slices.Sort(s.Action)
		s.Action = slices.Compact(s.Action)
		key := strings.Join(s.Action, ",") + at.condition
		if joined[key] == nil {
			joined[key] = s
		}
		joined[key].Resource = append(joined[key].Resource, at.resource)
	}
	var out []policy.Statement
	for _, key := range slices.Sorted(maps.Keys(joined)) {
		slices.Sort(joined[key].Resource)
		out = append(out, *joined[key])
	}
	return out
}

// place is a resource under a condition, as JSON, by which equal ones are found; "" for none.
type place struct{ resource, condition string }

// perPlace makes one statement for each place, as yet without its resource.
func perPlace[R onKind](
	rows []R, storages []icaconfig.Storage, actions func(R, icaconfig.Storage) []Action,
) map[place]*policy.Statement {
	all := map[place]*policy.Statement{}
	for _, storage := range storages {
		for _, row := range rows {
			for _, view := range row.kind().Each(storage) {
				for _, action := range actions(row, view) {
					action.allow(all, view)
				}
			}
		}
	}
	return all
}

// allow puts the action into the statements of its places.
func (a Action) allow(all map[place]*policy.Statement, storage icaconfig.Storage) {
	for _, view := range a.On.Each(storage) {
		if a.If != nil && !a.If(view) {
			continue
		}
		s, at := policy.Statement{Effect: "Allow"}, place{resource: a.On.ARN(view)}
		if a.Condition != nil && a.Condition(view) != nil {
			s.Condition = a.Condition(view)
			at.condition = s.JSON()
		}
		if all[at] == nil {
			all[at] = &s
		}
		all[at].Action = append(all[at].Action, a.Name)
	}
}
