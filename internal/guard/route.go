package guard

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Route tells where an event asks to check: nowhere if the call failed, happened in another account, or concerns
// nothing of ours. Self is the session ARN of the guard's own function; its echoes are checked once, without event.
func Route(e cloudtrail.Event, self string, settings []Setting, b icaconfig.Baseline) []Request {
	if e.ErrorCode != "" || e.Account != b.Account {
		return nil
	}
	var events []Event
	if who := Who(e, b); self == "" || who.ARN != self {
		events = []Event{{EventID: e.ID, Event: e.Name, Time: e.Time, Actor: who}}
	}
	var requests []Request
	for _, storage := range b.Storages {
		for _, setting := range settings {
			if setting.On.ARN(storage) != "" && slices.ContainsFunc(setting.Triggers, func(t Trigger) bool { return t.concerns(e, storage) }) {
				requests = append(requests, Request{Storage: storage.Name, Setting: setting.ID, Events: events, Reason: "event " + e.Name})
			}
		}
	}
	return requests
}

// Who is the actor as it may be shown. CloudTrail tells a web identity's session; should it ever not, a session of ICA's role is still
// known by its issuer or its name.
func Who(e cloudtrail.Event, b icaconfig.Baseline) cloudtrail.Actor {
	for _, s := range b.Storages {
		if s.Role.ARN == e.Actor.Issuer || strings.Contains(e.Actor.ARN, ":assumed-role/"+s.Role.Name+"/") {
			return e.Actor.WithoutSession()
		}
	}
	return e.Actor
}

// WhyIgnored tells people why Route leads nowhere for this event.
func WhyIgnored(e cloudtrail.Event, settings []Setting, b icaconfig.Baseline) string {
	switch {
	case e.ErrorCode != "":
		return "the call failed with " + e.ErrorCode + ", so nothing changed"
	case e.Account != b.Account:
		return "it happened in account " + e.Account + ", not in " + b.Account
	case !slices.Contains(Sources(settings)[e.Source], e.Name):
		return "no setting listens to " + e.Source + " " + e.Name
	}
	return "it concerns nothing of this configuration"
}

// HeardBy asks to check every setting that events of a source would lead to.
func HeardBy(source string, settings []Setting) []Request {
	var requests []Request
	for _, setting := range settings {
		if slices.ContainsFunc(setting.Triggers, func(t Trigger) bool { return t.Source == source }) {
			requests = append(requests, Request{Setting: setting.ID})
		}
	}
	return requests
}

func (t Trigger) concerns(e cloudtrail.Event, s icaconfig.Storage) bool {
	if t.Source != e.Source || !slices.Contains(t.Events, e.Name) {
		return false
	}
	if t.AnyResource {
		return true
	}
	for _, named := range append(e.Named(t.Parameter), e.Resources...) {
		if slices.ContainsFunc(t.Names(s), func(name string) bool { return name != "" && t.means(named, name) }) {
			return true
		}
	}
	return false
}

// means: IAM tells names apart without regard to case, and taking another's event for ours costs a read only.
func (t Trigger) means(named, name string) bool {
	if !t.MatchARNSegment {
		return strings.EqualFold(named, name)
	}
	parts := strings.FieldsFunc(named, func(r rune) bool { return r == ':' || r == '/' })
	return slices.ContainsFunc(parts, func(part string) bool { return strings.EqualFold(part, name) })
}

// Sources lists the EventBridge sources of the table with the event names heard from each, sorted. Rule patterns hold
// these and nothing narrower: whose resource it is, Route decides, because a pattern on a wrong path is never matched, and nobody would notice.
func Sources(settings []Setting) map[string][]string {
	sources := map[string][]string{}
	for _, setting := range settings {
		for _, trigger := range setting.Triggers {
			sources[trigger.Source] = append(sources[trigger.Source], trigger.Events...)
		}
	}
	for source, names := range sources {
		slices.Sort(names)
		sources[source] = slices.Compact(names)
	}
	return sources
}

// Statement is one IAM statement that a function needs.
type Statement struct {
	Actions   []string
	Resources []string
	Condition Condition
}

// ReadStatements allow what a check needs, on the storages' own resources only.
func ReadStatements(settings []Setting, storages []icaconfig.Storage) []Statement {
	return statements(settings, storages, func(s Setting, _ icaconfig.Storage) []Action { return s.Reads })
}

// WriteStatements allow what restoring needs, and only where the storage's mode is enforce.
func WriteStatements(settings []Setting, storages []icaconfig.Storage) []Statement {
	return statements(settings, storages, func(s Setting, st icaconfig.Storage) []Action {
		if s.On.Mode(st) != icaconfig.Enforce {
			return nil
		}
		return s.Writes
	})
}

// statements makes one statement for each condition and resource, and joins those that allow the same, in a stable order.
func statements(settings []Setting, storages []icaconfig.Storage, actions func(Setting, icaconfig.Storage) []Action) []Statement {
	type place struct{ resource, condition string }
	byPlace := map[place][]string{}
	for _, storage := range storages {
		for _, setting := range settings {
			for _, action := range actions(setting, storage) {
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
