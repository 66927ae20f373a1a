package guard

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Statement is one IAM statement that a function needs.
type Statement struct {
	Actions   []string
	Resources []string
	Condition Condition
}

// ReadStatements allow what a check needs, on the storages' own resources only.
func ReadStatements(rows []Row, storages []icaconfig.Storage) []Statement {
	return statements(rows, storages, func(r Row, _ icaconfig.Storage) []Action { return r.Reads })
}

// WriteStatements allow what restoring needs, and only where the storage's mode is enforce.
func WriteStatements(settings []Setting, storages []icaconfig.Storage) []Statement {
	return statements(settings, storages, func(s Setting, st icaconfig.Storage) []Action {
		if s.Mode(st) != icaconfig.Enforce {
			return nil
		}
		return s.Writes
	})
}

// statements makes one statement for each condition and resource, and joins those that allow the same, in a stable order.
func statements[R any](rows []R, storages []icaconfig.Storage, actions func(R, icaconfig.Storage) []Action) []Statement {
	type place struct{ resource, condition string }
	byPlace := map[place][]string{}
	for _, storage := range storages {
		for _, row := range rows {
			for _, action := range actions(row, storage) {
				arn := action.On.ARN(storage)
				if arn == "" || action.If != nil && !action.If(storage) {
					continue
				}
				at := place{arn, action.conditionText(storage)}
				byPlace[at] = append(byPlace[at], action.Name)
			}
		}
	}
	joined := map[string]*Statement{}
	for at, names := range byPlace {
		slices.Sort(names)
		names = slices.Compact(names)
		key := strings.Join(names, ",") + at.condition
		if joined[key] == nil {
			joined[key] = &Statement{Actions: names, Condition: parseCondition(at.condition)}
		}
		joined[key].Resources = append(joined[key].Resources, at.resource)
	}
	var out []Statement
	for _, key := range slices.Sorted(maps.Keys(joined)) {
		slices.Sort(joined[key].Resources)
		out = append(out, *joined[key])
	}
	return out
}

// conditionText is the condition as JSON, by which equal ones are found; "" for none.
func (a Action) conditionText(s icaconfig.Storage) string {
	if a.Condition == nil {
		return ""
	}
	condition := a.Condition(s)
	if len(condition) == 0 {
		return ""
	}
	return text(condition)
}

func parseCondition(text string) Condition {
	var condition Condition
	if text != "" && json.Unmarshal([]byte(text), &condition) != nil {
		panic("guard: a condition of ours does not parse: " + text)
	}
	return condition
}

// text is JSON. Marshalling a condition of ours cannot fail: it holds texts only.
func text(c Condition) string {
	data, err := json.Marshal(c)
	if err != nil {
		panic("guard: marshal a condition: " + err.Error())
	}
	return string(data)
}
