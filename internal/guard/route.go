package guard

import (
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Route tells where an event asks to look: nowhere if the call failed, happened in another account, or concerns
// nothing of ours. Self is the session ARN of the guard's own function; its echoes are looked at once, without cause.
func Route(e Event, self string, settings []Setting, b icaconfig.Baseline) []Look {
	if e.ErrorCode != "" || e.Account != b.Account {
		return nil
	}
	// CloudTrail tells a web identity's session; should it ever not, a session of ICA's role is still known by its issuer.
	if slices.ContainsFunc(b.Storages, func(s icaconfig.Storage) bool { return s.Role.ARN == e.Actor.Issuer }) {
		e.Actor = e.Actor.withoutSession()
	}
	var causes []Cause
	if self == "" || e.Actor.ARN != self {
		causes = []Cause{{EventID: e.ID, Event: e.Name, Time: e.Time, Actor: e.Actor}}
	}
	var looks []Look
	for _, storage := range b.Storages {
		for _, setting := range settings {
			if setting.On.ARN(storage) != "" && slices.ContainsFunc(setting.Triggers, func(t Trigger) bool { return t.concerns(e, storage) }) {
				looks = append(looks, Look{Storage: storage.Name, Setting: setting.ID, Causes: causes, Reason: "event " + e.Name})
			}
		}
	}
	return looks
}

// WhyIgnored tells people why Route leads nowhere for this event.
func WhyIgnored(e Event, settings []Setting, b icaconfig.Baseline) string {
	switch {
	case e.ErrorCode != "":
		return "the call failed with " + e.ErrorCode + ", so nothing changed"
	case e.Account != b.Account:
		return "it happened in account " + e.Account + ", not in " + b.Account
	case !slices.Contains(Sources(settings)[e.Source], e.Name):
		return "no setting listens to " + e.Source + " " + e.Name
	}
	return "it concerns no bucket or role of this configuration"
}

func (t Trigger) concerns(e Event, s icaconfig.Storage) bool {
	if t.Source != e.Source || !slices.Contains(t.Events, e.Name) {
		return false
	}
	named := append([]string{e.parameter(t.Parameter)}, e.resources...)
	return slices.ContainsFunc(t.Names(s), func(name string) bool { return name != "" && slices.Contains(named, name) })
}

// Sources lists the EventBridge sources of the table with the event names heard from each, sorted. Rule patterns hold
// these and nothing narrower: whose resource it is, Route decides, because a pattern on a wrong path is silently deaf.
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
}

// ReadStatements allow what a look needs, on the storages' own resources only.
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

// statements groups actions by the resources they are allowed on, in a stable order.
func statements(settings []Setting, storages []icaconfig.Storage, actions func(Setting, icaconfig.Storage) []Action) []Statement {
	byResource := map[string][]string{}
	for _, storage := range storages {
		for _, setting := range settings {
			for _, action := range actions(setting, storage) {
				if arn := action.On.ARN(storage); arn != "" && (action.If == nil || action.If(storage)) {
					byResource[arn] = append(byResource[arn], action.Name)
				}
			}
		}
	}
	byActions := map[string][]string{}
	for arn, names := range byResource {
		slices.Sort(names)
		key := strings.Join(slices.Compact(names), ",")
		byActions[key] = append(byActions[key], arn)
	}
	var out []Statement
	for key, arns := range byActions {
		slices.Sort(arns)
		out = append(out, Statement{Actions: strings.Split(key, ","), Resources: arns})
	}
	slices.SortFunc(out, func(a, b Statement) int { return slices.Compare(a.Actions, b.Actions) })
	return out
}
