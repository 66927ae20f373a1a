package guard

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/icaguard/icaguard/internal/cloudtrail"
)

// Message is what can stand in the queue: a cloudtrail.Event, a cloudtrail.StackEvent, a Request, a NoticeKey or an
// Audited. Nobody speaks as icaguard who can only send to the queue: none of them holds a text or a difference that is
// reported as a fact.
type Message any

// Notice is a message to people, sent through SNS.
type Notice struct {
	Subject string              `json:"subject"` // at most 100 ASCII characters, SNS's limit for e-mail
	Body    string              `json:"body"`    // plain text
	Filter  map[string][]string `json:"filter"`  // SNS message attributes, so that subscribers can choose
}

// NoticeKey names a notice that SNS did not take yet and that the store keeps.
type NoticeKey struct {
	Key      string `json:"key"`
	Attempts count  `json:"attempts,omitempty"` // deliveries that failed so far
}

// Audited says that an audit has ended. The fingerprint is that of its outcomes: when it is not the one that people
// know, whoever tells them audits again and tells what it has read itself.
type Audited struct {
	Fingerprint string `json:"fingerprint"`
}

// wire is what tells the kinds of messages apart: "icaguard" marks ours, "detail-type" AWS's.
type wire struct {
	Kind    json.RawMessage `json:"icaguard"`
	Request json.RawMessage `json:"request"`
	Notice  json.RawMessage `json:"notice"`
	Audited json.RawMessage `json:"audited"`

	DetailType json.RawMessage `json:"detail-type"`
	Detail     json.RawMessage `json:"detail"`
}

const anotherVersion = "it was written by another version of icaguard"

var (
	errUnknownKind = errors.New("a message of ours of an unknown kind: " + anotherVersion)
	errNoKey       = errors.New("a notice that names no entry of the ledger: " + anotherVersion)
)

// Encode writes a Request, a NoticeKey or an Audited as a message for icaguard's queue.
func Encode(m Message) (string, error) {
	out := map[string]any{}
	switch m.(type) {
	case Request:
		out["icaguard"], out["request"] = "request", m
	case NoticeKey:
		out["icaguard"], out["notice"] = "notice", m
	case Audited:
		out["icaguard"], out["audited"] = "audited", m
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
		return parseNoticeKey(w.Notice)
	case isText(w.Kind, "audited") && w.Audited != nil:
		var a Audited
		err := json.Unmarshal(w.Audited, &a)
		return a, err
	case w.Kind != nil && !isText(w.Kind, ""):
		return nil, fmt.Errorf("parse %s: %w", cloudtrail.Plain(string(w.Kind)), errUnknownKind)
	case isText(w.DetailType, cloudtrail.StackDetailType):
		return cloudtrail.ParseStackEvent(w.Detail)
	case w.Detail != nil:
		return cloudtrail.ParseRecord(w.Detail)
	}
	return cloudtrail.Parse(body)
}

func parseNoticeKey(raw json.RawMessage) (NoticeKey, error) {
	const longest = 64 // more than a key has
	var n NoticeKey
	err := json.Unmarshal(raw, &n)
	if err == nil && (n.Key == "" || len(n.Key) > longest) {
		err = errNoKey
	}
	return n, err
}

func isText(raw json.RawMessage, text string) bool {
	var got string
	return json.Unmarshal(raw, &got) == nil && got == text
}
