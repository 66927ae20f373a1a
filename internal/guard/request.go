package guard

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/icaguard/icaguard/internal/cloudtrail"
)

// Request asks to check one setting of one resource. It is also the message on icaguard's own queue: an empty Resource
// or Setting there means all of them.
type Request struct {
	Resource string `json:"resource,omitempty"` // ARN
	Setting  string `json:"setting,omitempty"`
	// Settings are those that are meant where Setting is none; none: all.
	Settings []string `json:"settings,omitempty"`
	Attempt  count    `json:"attempt,omitempty"` // how often it was checked already
	Reason   string   `json:"reason,omitempty"`  // for whoever reads the queue; it is told to nobody
	// Events are told as reported, and decide nothing but that an event which is an alert by itself is told at all: what
	// it did shows nowhere else, and the queue takes messages of EventBridge and of our two functions alone.
	Events []Event `json:"events,omitempty"`
	// FoundByAudit says that no event reported the drift.
	FoundByAudit bool `json:"foundByAudit,omitempty"`
	// DeferredSince is when a restore first had to wait, DeferralReported whether people know that it has waited too long,
	// GateTries how often nobody could tell whether it has to.
	DeferredSince    time.Time `json:"deferredSince,omitzero"`
	DeferralReported bool      `json:"deferralReported,omitempty"`
	GateTries        count     `json:"gateTries,omitempty"`
	// Backup is the key of what an attempt before stored, wrote and did not read back: in sync now means restored, as the
	// store says.
	Backup string `json:"backup,omitempty"`

	// Messages are the ids of the queue messages that ask for this: those have to come again if it cannot be requeued.
	Messages []string `json:"-"`
}

// Event is what is kept of an event that made us check: who did what, when.
type Event struct {
	EventID string           `json:"eventId"`
	Event   string           `json:"event"`
	Time    time.Time        `json:"time"`
	Actor   cloudtrail.Actor `json:"actor"`
	// Parameters are what the call was made with. Only Route fills them in, of an event that was received in this pass:
	// no request carries them, so no second check has any.
	Parameters Parameters `json:"-"`
}

// Parameters are an event's requestParameters as JSON, "" where they are not known. They are a witness of what was
// written: they are compared with what is read, and never written anywhere.
type Parameters string

// maxParameters bounds what is kept of an event. CloudTrail itself leaves out request parameters above 100 KB
// (https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html).
const maxParameters = 256 * 1024

func newParameters(fields map[string]json.RawMessage) Parameters {
	text, err := json.Marshal(fields)
	if err != nil || len(fields) == 0 || len(text) > maxParameters {
		return ""
	}
	return Parameters(text)
}

// Fields are the parameters by their names.
func (p Parameters) Fields() map[string]json.RawMessage {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal([]byte(p), &fields) // what cannot be read says nothing
	return fields
}

// Format prints nothing of them: a trust policy in them holds the session-name prefix.
func (p Parameters) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "(%d bytes)", len(p)) }

// same reports whether it is the same event, with its parameters or without.
func (e Event) same(other Event) bool {
	e.Parameters, other.Parameters = "", ""
	return e == other
}

// String is for people.
func (e Event) String() string {
	at := "an unknown time"
	if !e.Time.IsZero() {
		at = e.Time.UTC().Format("2006-01-02 15:04:05Z")
	}
	return fmt.Sprintf("%s by %s at %s (%s)", e.Event, e.Actor, at, e.EventID)
}

// count is a small number in a message, which anybody may have written who may send to the queue: it is clamped when it is read.
type count int

// maxCount is more than any number of attempts that icaguard makes.
const maxCount = 100

// UnmarshalJSON takes every number; what is none counts as 0.
func (c *count) UnmarshalJSON(data []byte) error {
	number, err := strconv.ParseFloat(string(bytes.TrimSpace(data)), 64)
	switch {
	case err != nil && number == 0 || number < 0:
		*c = 0
	case number > maxCount:
		*c = maxCount
	default:
		*c = count(number)
	}
	return nil
}

// What one request carries is bounded: 100 events on one role are one check, and SQS messages have a size limit.
const (
	maxEvents      = 10
	maxAlertEvents = 40 // of those that are alerts by themselves
	// maxEventBytes is more than so many real events have: names of IAM have at most 577 characters.
	maxEventBytes = 200_000
)

// asksFor reports whether the request asks for a row on a resource.
func (r Request) asksFor(resource, id string) bool {
	if r.Setting == "" && len(r.Settings) > 0 && !slices.Contains(r.Settings, id) {
		return false
	}
	return (r.Resource == "" || r.Resource == resource) && (r.Setting == "" || r.Setting == id)
}

// plain reports whether the request carries nothing but what it asks for.
func (r Request) plain() bool {
	return !r.FoundByAudit && len(r.Events) == 0 &&
		r.Backup == "" && r.Attempt == 0 && r.GateTries == 0 && r.DeferredSince.IsZero()
}

// merge joins two requests for the same thing: all events once, the newest kept, and the lower attempt of those with
// events, because a new event deserves its second check also when it meets an old one's.
func (r Request) merge(other Request) Request {
	switch {
	case len(other.Events) > 0 && len(r.Events) > 0:
		r.Attempt = min(r.Attempt, other.Attempt)
	case len(other.Events) > 0:
		r.Attempt = other.Attempt
	case len(r.Events) == 0:
		r.Attempt = max(r.Attempt, other.Attempt)
	}
	r.FoundByAudit = r.FoundByAudit && other.FoundByAudit
	r.Events = each(append(slices.Clip(r.Events), other.Events...))
	r.Backup, r.Reason = max(r.Backup, other.Backup), cmp.Or(r.Reason, other.Reason) // of two keys the newer one
	if r.DeferredSince.IsZero() || !other.DeferredSince.IsZero() && other.DeferredSince.Before(r.DeferredSince) {
		r.DeferredSince = other.DeferredSince
	}
	r.DeferralReported = r.DeferralReported || other.DeferralReported
	r.GateTries = max(r.GateTries, other.GateTries)
	r.Messages = append(slices.Clip(r.Messages), other.Messages...)
	return r
}

// each has every event once, in the order of their times.
func each(events []Event) []Event {
	var all []Event
	for _, event := range events {
		at := slices.IndexFunc(all, event.same)
		if at < 0 {
			all = append(all, event)
		} else if all[at].Parameters == "" {
			all[at] = event
		}
	}
	slices.SortStableFunc(all, func(a, b Event) int { return a.Time.Compare(b.Time) })
	return all
}

// carried are the events that a request carries on: those that are alerts by themselves, the first of them, so that
// nothing that comes later pushes one out, and the newest of the others.
func (r Row) carried(events []Event) []Event {
	var alerts, others []Event
	for _, event := range each(events) {
		if r.alwaysAlerts(event) {
			alerts = append(alerts, event)
		} else {
			others = append(others, event)
		}
	}
	return fitting(append(alerts[:min(len(alerts), maxAlertEvents)], others[max(0, len(others)-maxEvents):]...))
}

// fitting are the events without those that make the message too large, as one could be forged to keep the others from
// being carried on.
func fitting(events []Event) []Event {
	size := 0
	return slices.DeleteFunc(events, func(e Event) bool {
		text, err := json.Marshal(e)
		if err != nil || size+len(text) > maxEventBytes {
			return true
		}
		size += len(text)
		return false
	})
}

// alwaysAlerts reports whether an event of the row is an alert by itself.
func (r Row) alwaysAlerts(e Event) bool {
	return slices.ContainsFunc(r.Triggers, func(t Trigger) bool { return t.AlwaysAlert && t.hears(e.Event) })
}

// parseRequest reads a request as anybody may have written it who may send to the queue.
func parseRequest(raw json.RawMessage) (Request, error) {
	var r Request
	err := json.Unmarshal(raw, &r)
	for _, text := range []*string{&r.Resource, &r.Setting, &r.Reason, &r.Backup} {
		*text = cloudtrail.Plain(*text)
	}
	for i := range r.Settings {
		r.Settings[i] = cloudtrail.Plain(r.Settings[i])
	}
	r.Events = r.Events[:min(len(r.Events), maxAlertEvents+maxEvents)]
	for i, e := range r.Events {
		actor := cloudtrail.Actor{
			ARN: cloudtrail.Plain(e.Actor.ARN), Issuer: cloudtrail.Plain(e.Actor.Issuer), From: cloudtrail.Plain(e.Actor.From),
		}
		r.Events[i] = Event{EventID: cloudtrail.Plain(e.EventID), Event: cloudtrail.Plain(e.Event), Time: e.Time, Actor: actor}
	}
	return r, err
}
