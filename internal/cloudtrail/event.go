// Package cloudtrail turns the bytes of an event into what happened and who did it: CloudTrail's records, as
// EventBridge delivers them or bare, and CloudFormation's own events about stacks.
//
// Invariant: an event says where to check and who acted, never what to write. The name of a session of ICA's role,
// which bears the session-name prefix, leaves this package masked. What is shown of an event is Plain, because
// whoever acts chooses the names. A field of an unforeseen type is left out; it never takes the rest of its event along.
package cloudtrail

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Event is what icaguard needs of a CloudTrail event: where to check, and who did it.
type Event struct {
	ID        string
	RequestID string // of the call, as its caller saw it
	Source    string // EventBridge source: "aws.s3"
	Name      string // CloudTrail eventName
	Account   string
	Region    string
	Time      time.Time
	Actor     Actor
	ErrorCode string // set when the call failed: nothing changed

	// Parameters are requestParameters as they came: lists of one element became objects, and empty texts stand for structures.
	Parameters map[string]json.RawMessage
	Resources  []string // ARNs
}

// Actor is who made a call, as CloudTrail's userIdentity says.
type Actor struct {
	ARN    string `json:"arn"`              // the session or user; for AWS services the service's name
	Issuer string `json:"issuer,omitempty"` // the role behind a session
	From   string `json:"from,omitempty"`   // source address, or the AWS service that called on somebody's behalf
}

// String names the actor for people.
func (a Actor) String() string {
	if a.From == "" {
		return a.ARN
	}
	return a.ARN + " from " + a.From
}

// WithoutSession masks the session's name. ICA's sessions are named PREFIX-…, and the prefix is the proof of the lab's
// identity, so it must reach no log, message or report.
func (a Actor) WithoutSession() Actor {
	if at := strings.LastIndex(a.ARN, "/"); at >= 0 && strings.Contains(a.ARN, ":assumed-role/") {
		a.ARN = a.ARN[:at] + "/***"
	}
	return a
}

var errNotAnEvent = errors.New(`neither an EventBridge event with a CloudTrail record in "detail" nor a CloudTrail record`)

// Parse reads an EventBridge envelope or a bare CloudTrail record. It fails on what is neither.
func Parse(body []byte) (Event, error) {
	outer, err := parseFields(body)
	if err != nil {
		return Event{}, fmt.Errorf("event: parse: %w", err)
	}
	if len(outer["detail"]) > 0 {
		return ParseRecord(outer["detail"])
	}
	return outer.record()
}

// ParseRecord reads a bare CloudTrail record.
func ParseRecord(body []byte) (Event, error) {
	record, err := parseFields(body)
	if err != nil {
		return Event{}, fmt.Errorf("event: parse record: %w", err)
	}
	return record.record()
}

func (f fields) record() (Event, error) {
	if f.text("eventSource") == "" || f.text("eventName") == "" {
		return Event{}, fmt.Errorf("event: parse: %w", errNotAnEvent)
	}
	return f.event(), nil
}

// fields are the members of a JSON object, each read only when it is asked for: only few have one shape in every recorded event.
type fields map[string]json.RawMessage

func parseFields(raw []byte) (fields, error) {
	var f fields
	err := json.Unmarshal(raw, &f)
	return f, err
}

// text is a member that is a text, "" for one of any other type. Whoever calls AWS chooses some of them.
func (f fields) text(name string) string {
	var text string
	if json.Unmarshal(f[name], &text) != nil {
		return ""
	}
	return Plain(text)
}

// account is a member that is an account id. Where a log pipeline made a number of it, its leading zeros are lost.
func (f fields) account(name string) string {
	var number uint64
	if json.Unmarshal(f[name], &number) != nil || number == 0 {
		return f.text(name)
	}
	return fmt.Sprintf("%012d", number)
}

// within are the members of a member that is an object, none for one of any other type.
func (f fields) within(name string) fields {
	inner, err := parseFields(f[name])
	if err != nil {
		return nil
	}
	return inner
}

// event takes account and region from the record: an event bus that relays from another region may not keep the
// envelope's own fields.
func (f fields) event() Event {
	return Event{
		ID:        f.text("eventID"),
		RequestID: f.text("requestID"),
		Source:    eventBridgeSource(f.text("eventSource")),
		Name:      f.text("eventName"),
		// old records have no recipient
		Account:    cmp.Or(f.account("recipientAccountId"), f.within("userIdentity").account("accountId")),
		Region:     f.text("awsRegion"),
		Time:       parseTime(f.text("eventTime")),
		Actor:      f.actor(),
		ErrorCode:  f.text("errorCode"),
		Parameters: f.within("requestParameters"),
		Resources:  parseResources(f["resources"]),
	}
}

func (f fields) actor() Actor {
	id := f.within("userIdentity")
	session := id.within("sessionContext")
	nobody := strings.TrimSpace(id.text("type") + " " + id.account("accountId"))
	actor := Actor{
		ARN:    cmp.Or(id.text("arn"), id.text("invokedBy"), nobody, f.text("userIdentity"), "unknown"),
		Issuer: session.within("sessionIssuer").text("arn"), From: f.text("sourceIPAddress"),
	}
	if session.within("webIdFederationData").text("federatedProvider") != "" {
		return actor.WithoutSession()
	}
	return actor
}

// APIName is an event's name without the version of the API that Lambda's bear: UpdateFunctionCode20150331v2. It is "still
// referring to the same public API action", and which names bear one is not to be relied on
// (https://docs.aws.amazon.com/lambda/latest/dg/logging-using-cloudtrail.html).
func APIName(eventName string) string {
	const digits = "0123456789"
	name := strings.TrimRight(eventName, digits)
	if dated, ok := strings.CutSuffix(name, "v"); ok && strings.TrimRight(dated, digits) != dated {
		name = strings.TrimRight(dated, digits)
	}
	return name
}

// eventBridgeSource turns "s3.amazonaws.com" into "aws.s3".
func eventBridgeSource(eventSource string) string {
	service, isAWS := strings.CutSuffix(eventSource, ".amazonaws.com")
	if !isAWS || service == "" {
		return eventSource
	}
	return "aws." + service
}

// parseTime accepts AWS's form and the one that a log pipeline made of it; the time is told to people, never decided on. A
// message carries it on as JSON, which has no zones of a day and no years of five digits.
func parseTime(s string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05.999999999"} {
		t, err := time.Parse(layout, s)
		if t = t.UTC(); err == nil && t.Year() > 0 && t.Year() < 10000 {
			return t
		}
	}
	return time.Time{}
}

// Named are the values of a request parameter that is a string or a list of strings.
func (e Event) Named(parameter string) []string {
	var one string
	if json.Unmarshal(e.Parameters[parameter], &one) == nil {
		return []string{one}
	}
	var many []string
	if json.Unmarshal(e.Parameters[parameter], &many) != nil {
		return nil
	}
	return many
}

// parseResources yields the ARNs of the resources that the record names; encoding/json takes "ARN" and "arn" alike.
func parseResources(raw json.RawMessage) []string {
	var all []json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		return nil
	}
	var arns []string
	for _, one := range all {
		var named struct{ ARN string }
		if json.Unmarshal(one, &named) == nil && named.ARN != "" {
			arns = append(arns, named.ARN)
		}
	}
	return arns
}
