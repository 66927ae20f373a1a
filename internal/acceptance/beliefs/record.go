package beliefs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/icaguard/icaguard/internal/acceptance/evidence"
	"github.com/icaguard/icaguard/internal/cloudtrail"
)

// record is what the beliefs ask of an event: the envelope's fields and the record in it. A bare record has no envelope.
type record struct {
	Source, Region, Account, DetailType string
	Detail                              detail
	Received                            time.Time
	WentBy                              string // the region of the rule that took it
}

type detail struct {
	EventName, EventSource, AWSRegion, SourceIPAddress, VPCEndpointID, ErrorCode, RequestID, EventType string

	EventTime         string // log pipelines write it in other forms
	ReadOnly          bool
	RequestParameters map[string]any
	Resources         []struct{ ARN string }
	UserIdentity      struct {
		ARN            string
		SessionContext struct {
			SessionIssuer struct{ UserName, ARN string }
		}
	}
}

// parse reads an envelope or a bare record. What is neither has no event name, and no belief is about it.
func parse(raw evidence.Raw) record {
	var outer struct {
		Source, Region, Account string
		DetailType              string `json:"detail-type"`
		Detail                  json.RawMessage
	}
	r := record{Received: raw.Received, WentBy: raw.Region}
	if json.Unmarshal(raw.Body, &outer) != nil {
		return r
	}
	r.Source, r.Region, r.Account, r.DetailType = outer.Source, outer.Region, outer.Account, outer.DetailType
	if outer.Detail == nil {
		outer.Detail = raw.Body
	}
	_ = json.Unmarshal(outer.Detail, &r.Detail) // a field of an unforeseen type is left out
	return r
}

func (r record) name() string { return cloudtrail.APIName(r.Detail.EventName) }

// took is how long after its call the event came; false where that is not known.
func (r record) took() (time.Duration, bool) {
	made, err := time.Parse(time.RFC3339, r.Detail.EventTime)
	return r.Received.Sub(made), err == nil && !r.Received.IsZero()
}

// source is EventBridge's name of the service.
func (r record) source() string {
	return "aws." + strings.TrimSuffix(r.Detail.EventSource, ".amazonaws.com")
}

// lacks says which request parameter is not there in the given form; "" if it is. A path goes through objects: "a.b".
func (r record) lacks(path, form string) string {
	var at any = r.Detail.RequestParameters
	for _, member := range strings.Split(path, ".") {
		object, _ := at.(map[string]any)
		at = object[member]
	}
	if got := formOf(at); got != form {
		return fmt.Sprintf("requestParameters.%s is %s, not %s", path, got, form)
	}
	return ""
}

func formOf(value any) string {
	switch value.(type) {
	case nil:
		return "absent"
	case string:
		return "text"
	case []any:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return "a number or a boolean"
}

// seen are the successful events, of all names or of the given ones.
func seen(e evidence.Evidence, names ...string) []record {
	var records []record
	for _, raw := range e.Events("") {
		if len(names) > 0 && !slices.ContainsFunc(names, func(name string) bool { return bytes.Contains(raw.Body, []byte(name)) }) {
			continue // not worth to be parsed
		}
		r := parse(raw)
		if r.Detail.EventName != "" && r.Detail.ErrorCode == "" && (len(names) == 0 || slices.Contains(names, r.name())) {
			records = append(records, r)
		}
	}
	return records
}

// each is confirmed where every event of these names is as believed, and refuted by the first that is not. Differs says
// how one differs, "" where it does not.
func each(differs func(record) string, names ...string) witness {
	return func(e evidence.Evidence) evidence.Answer {
		records := seen(e, names...)
		for _, r := range records {
			if what := differs(r); what != "" {
				return refuted("%s: %s", r.Detail.EventName, what)
			}
		}
		if len(records) == 0 {
			return notSeen("no event %s", strings.Join(names, ", "))
		}
		return confirmed("%d events: %s", len(records), strings.Join(namesOf(records), ", "))
	}
}

func namesOf(records []record) []string {
	var names []string
	for _, r := range records {
		names = append(names, r.Detail.EventName)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// every is each, and not seen as long as one of the names was not: a belief about several is confirmed as a whole.
func every(differs map[string]func(record) string) witness {
	return func(e evidence.Evidence) evidence.Answer {
		var whys, missing []string
		for _, name := range sortedKeys(differs) {
			switch a := each(differs[name], name)(e); a.Verdict {
			case evidence.Refuted:
				return a
			case evidence.Confirmed:
				whys = append(whys, name)
			case evidence.NotSeen, evidence.NotTried:
				missing = append(missing, name)
			}
		}
		if len(missing) > 0 {
			return notSeen("no event %s; as believed: %s", strings.Join(missing, ", "), orNone(whys))
		}
		return confirmed("as believed: %s", strings.Join(whys, ", "))
	}
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// has makes the difference of one parameter.
func has(path, form string) func(record) string {
	return func(r record) string { return r.lacks(path, form) }
}
