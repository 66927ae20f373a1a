package guard

import (
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Route tells where an event asks to check: nowhere if the call failed, happened in another account, or concerns
// nothing of ours. Self is the session ARN of the guard's own function; its echoes are checked once, without the event.
func Route(e cloudtrail.Event, self string, rows []Row, b icaconfig.Baseline) []Request {
	if e.ErrorCode != "" || e.Account != b.Account {
		return nil
	}
	var events []Event
	if who := Who(e, b); self == "" || who.ARN != self {
		events = []Event{{EventID: e.ID, Event: e.Name, Time: e.Time, Actor: who, Parameters: newParameters(e.Parameters)}}
	}
	var requests []Request
	seen := map[string]bool{}
	for _, storage := range b.Storages {
		for _, row := range rows {
			for _, view := range row.On.Each(storage) {
				resource := row.On.ARN(view)
				if key := row.ID + " " + resource; !seen[key] && row.heeds(e, view) {
					seen[key] = true
					requests = append(requests, Request{Resource: resource, Setting: row.ID, Events: events, Reason: "event " + e.Name})
				}
			}
		}
	}
	return requests
}

func (r Row) heeds(e cloudtrail.Event, s icaconfig.Storage) bool {
	return slices.ContainsFunc(r.Triggers, func(t Trigger) bool { return t.concerns(e, s) })
}

// Who is the actor as it may be shown. CloudTrail tells a web identity's session; should it ever not, a session of
// ICA's role is still known by its issuer or its name.
func Who(e cloudtrail.Event, b icaconfig.Baseline) cloudtrail.Actor {
	for _, role := range b.Roles {
		if role.ARN == e.Actor.Issuer || strings.Contains(e.Actor.ARN, ":assumed-role/"+role.Name+"/") {
			return e.Actor.WithoutSession()
		}
	}
	return e.Actor
}

// WhyIgnored tells people why Route leads nowhere for this event.
func WhyIgnored(e cloudtrail.Event, rows []Row, b icaconfig.Baseline) string {
	switch {
	case e.ErrorCode != "":
		return "the call failed with " + e.ErrorCode + ", so nothing changed"
	case e.Account != b.Account:
		return "it happened in account " + e.Account + ", not in " + b.Account
	case !listens(rows, e):
		return "no setting listens to " + e.Source + " " + e.Name
	}
	return "it concerns nothing of this configuration"
}

func listens(rows []Row, e cloudtrail.Event) bool {
	return slices.ContainsFunc(rows, func(r Row) bool {
		return slices.ContainsFunc(r.Triggers, func(t Trigger) bool { return t.Source == e.Source && t.hears(e.Name) })
	})
}

// ForSource asks to check every row that events of a source would lead to.
func ForSource(source string, rows []Row) []Request {
	var requests []Request
	for _, row := range rows {
		if slices.ContainsFunc(row.Triggers, func(t Trigger) bool { return t.Source == source }) {
			requests = append(requests, Request{Setting: row.ID})
		}
	}
	return requests
}

func (t Trigger) concerns(e cloudtrail.Event, s icaconfig.Storage) bool {
	if t.Source != e.Source || !t.hears(e.Name) {
		return false
	}
	if t.AnyResource {
		return t.Except == nil || !t.named(e, t.Except(s))
	}
	return t.named(e, t.Names(s))
}

// named reports whether the event names one of the names.
func (t Trigger) named(e cloudtrail.Event, names []string) bool {
	for _, named := range append(e.Named(t.Parameter), e.Resources...) {
		if slices.ContainsFunc(names, func(name string) bool { return name != "" && t.means(named, name) }) {
			return true
		}
	}
	return false
}

// hears tells whether an event, with or without the version of its API, is one of the trigger's.
func (t Trigger) hears(eventName string) bool {
	return slices.Contains(t.Events, eventName) || slices.Contains(t.Events, cloudtrail.APIName(eventName))
}

// means: IAM tells names apart without regard to case, and taking another's event for ours costs a read only.
func (t Trigger) means(named, name string) bool {
	if !t.MatchARNSegment {
		return same(named, name)
	}
	parts := strings.FieldsFunc(named, func(r rune) bool { return r == ':' || r == '/' })
	return slices.ContainsFunc(parts, func(part string) bool { return same(part, name) })
}

// same compares with a name that may end in *.
func same(named, name string) bool {
	if beginning, open := strings.CutSuffix(name, "*"); open {
		return len(named) >= len(beginning) && strings.EqualFold(named[:len(beginning)], beginning)
	}
	return strings.EqualFold(named, name)
}

// Sources lists the EventBridge sources of the rows with the event names received from each, sorted. Rule patterns hold
// these and nothing narrower: whose resource it is, Route decides, because a pattern on a wrong path never matches, and
// nobody notices.
func Sources(rows []Row) map[string][]string {
	sources := map[string][]string{}
	for _, row := range rows {
		for _, trigger := range row.Triggers {
			sources[trigger.Source] = append(sources[trigger.Source], trigger.Events...)
		}
	}
	for source, names := range sources {
		slices.Sort(names)
		sources[source] = slices.Compact(names)
	}
	return sources
}
