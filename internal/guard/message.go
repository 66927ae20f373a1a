package guard

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/icaguard/icaguard/internal/cloudtrail"
)

// Message is what can stand in the queue: a cloudtrail.Event, a cloudtrail.StackEvent, a Request or a Notice.
type Message any

// Notice is a message to people, sent through SNS. One that could not be delivered is put on the queue and tried again.
type Notice struct {
	Subject  string              `json:"subject"`            // at most 100 ASCII characters, SNS's limit for e-mail
	Body     string              `json:"body"`               // plain text
	Filter   map[string][]string `json:"filter"`             // SNS message attributes, so that subscribers can choose
	Attempts count               `json:"attempts,omitempty"` // deliveries that failed so far
}

// wire is what tells the kinds of messages apart: "icaguard" marks ours, "detail-type" AWS's.
type wire struct {
	Kind    json.RawMessage `json:"icaguard"`
	Request json.RawMessage `json:"request"`
	Notice  json.RawMessage `json:"notice"`

	DetailType json.RawMessage `json:"detail-type"`
	Detail     json.RawMessage `json:"detail"`
}

var errUnknownKind = errors.New("a message of ours of an unknown kind: it was written by another version of icaguard")

// Encode writes a Request or a Notice as a message for icaguard's queue.
func Encode(m Message) (string, error) {
	out := map[string]any{}
	switch m.(type) {
	case Request:
		out["icaguard"], out["request"] = "request", m
	case Notice:
		out["icaguard"], out["notice"] = "notice", m
	default:
		return "", fmt.Errorf("message: encode %T: %w", m, errUnknownKind)
	}
	body, err := json.Marshal(out)
	if err != nil {
		return "", fmt.Errorf("message: encode: %w", err)
	}
	return string(body), nil
}

// ParseMessage reads a body from the queue, by the parser of its kind: an event as EventBridge delivers it, or a message of ours.
func ParseMessage(body []byte) (Message, error) {
	var w wire
	if err := json.Unmarshal(body, &w); err != nil {
		return nil, fmt.Errorf("message: parse: %w", err)
	}
	message, err := w.parse(body)
	if err != nil {
		return nil, fmt.Errorf("message: %w", err)
	}
	return message, nil
}

func (w wire) parse(body []byte) (Message, error) {
	switch {
	case isText(w.Kind, "request") && w.Request != nil:
		return parseRequest(w.Request)
	case isText(w.Kind, "notice") && w.Notice != nil:
		var n Notice
		err := json.Unmarshal(w.Notice, &n)
		return n, err
	case w.Kind != nil && !isText(w.Kind, ""):
		return nil, fmt.Errorf("parse %s: %w", w.Kind, errUnknownKind)
	case isText(w.DetailType, cloudtrail.StackDetailType):
		return cloudtrail.ParseStackEvent(w.Detail)
	case w.Detail != nil:
		return cloudtrail.ParseRecord(w.Detail)
	}
	return cloudtrail.Parse(body)
}

func isText(raw json.RawMessage, text string) bool {
	var got string
	return json.Unmarshal(raw, &got) == nil && got == text
}
