package guard

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/icaguard/icaguard/internal/cloudtrail"
)

// Request asks to check one setting of one storage. It is also the message on the guard's own queue: an empty Storage
// or Setting there means all of them.
type Request struct {
	Storage string  `json:"storage,omitempty"`
	Setting string  `json:"setting,omitempty"`
	Attempt int     `json:"attempt,omitempty"` // how often it was checked already
	Reason  string  `json:"reason,omitempty"`
	Events  []Event `json:"events,omitempty"`
	// Missed says that no event told of the drift: found by the audit.
	FoundByAudit bool `json:"foundByAudit,omitempty"`
	// DeferredSince is when a restore first had to wait, DeferralReported whether people know that it has waited too long, GateTries how often
	// nobody could tell whether it has to.
	DeferredSince    time.Time `json:"deferredSince,omitzero"`
	DeferralReported bool      `json:"deferralReported,omitempty"`
	GateTries        int       `json:"gateTries,omitempty"`
	// Wrote is what a check before restored without seeing it: clean now means restored.
	Wrote []Diff `json:"wrote,omitempty"`
}

// Event is what is kept of an event that made us check: who did what, when.
type Event struct {
	EventID string           `json:"eventId"`
	Event   string           `json:"event"`
	Time    time.Time        `json:"time"`
	Actor   cloudtrail.Actor `json:"actor"`
}

// maxEvents bounds what one check carries: 100 events on one role are one check, and SQS messages have a size limit.
const maxEvents = 10

// Message is what can stand in the queue: exactly one of its fields is set.
type Message struct {
	Event   *cloudtrail.Event
	Stack   *StackEvent
	Request *Request
	// Notice is a message to people that could not be delivered and is tried again.
	Notice *Notice
}

// wire is the JSON form of our own messages; "icaguard" tells them from AWS's events.
type wire struct {
	Kind    string   `json:"icaguard"`
	Request *Request `json:"request,omitempty"`
	Notice  *Notice  `json:"notice,omitempty"`
}

var errUnknownKind = errors.New("a message of ours of an unknown kind: it was written by another version of icaguard")

// EncodeRequest writes a check as a message for the guard's queue.
func EncodeRequest(r Request) (string, error) { return encode(wire{Kind: "request", Request: &r}) }

// EncodeNotice writes an undelivered notice as a message for the guard's queue.
func EncodeNotice(n Notice) (string, error) { return encode(wire{Kind: "notice", Notice: &n}) }

func encode(w wire) (string, error) {
	body, err := json.Marshal(w)
	if err != nil {
		return "", fmt.Errorf("message: encode: %w", err)
	}
	return string(body), nil
}

// ParseMessage reads a body from the queue: an event as EventBridge delivers it, or a message of ours.
func ParseMessage(body []byte) (Message, error) {
	var w wire
	if err := json.Unmarshal(body, &w); err != nil {
		return Message{}, fmt.Errorf("message: parse: %w", err)
	}
	switch {
	case w.Kind == "request" && w.Request != nil:
		return Message{Request: w.Request}, nil
	case w.Kind == "notice" && w.Notice != nil:
		return Message{Notice: w.Notice}, nil
	case w.Kind != "":
		return Message{}, fmt.Errorf("message: parse %q: %w", w.Kind, errUnknownKind)
	}
	stack, isStack, err := parseStackEvent(body)
	if err != nil {
		return Message{}, fmt.Errorf("message: %w", err)
	}
	if isStack {
		return Message{Stack: &stack}, nil
	}
	event, err := cloudtrail.Parse(body)
	if err != nil {
		return Message{}, fmt.Errorf("message: %w", err)
	}
	return Message{Event: &event}, nil
}

// merge joins two checks the same thing: all events once, the newest kept, and the lower attempt, because a new event
// deserves its second check also when it meets an old one's.
func (l Request) merge(other Request) Request {
	l.Attempt = min(l.Attempt, other.Attempt)
	l.FoundByAudit = l.FoundByAudit && other.FoundByAudit
	for _, event := range other.Events {
		if !slices.Contains(l.Events, event) {
			l.Events = append(slices.Clip(l.Events), event)
		}
	}
	if extra := len(l.Events) - maxEvents; extra > 0 {
		l.Events = l.Events[extra:]
	}
	if len(l.Wrote) == 0 {
		l.Wrote = other.Wrote
	}
	if l.Reason == "" {
		l.Reason = other.Reason
	}
	if l.DeferredSince.IsZero() || !other.DeferredSince.IsZero() && other.DeferredSince.Before(l.DeferredSince) {
		l.DeferredSince = other.DeferredSince
	}
	l.DeferralReported = l.DeferralReported || other.DeferralReported
	l.GateTries = max(l.GateTries, other.GateTries)
	return l
}
