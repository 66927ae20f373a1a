// Package cloudtrail turns the bytes of an event into what happened and who did it: CloudTrail's records, as EventBridge delivers them or
// bare.
//
// Invariant: an event says where to check and who acted, never what to write. The name of a session of ICA's role, which bears the
// session-name prefix, leaves this package masked.
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

// record is a CloudTrail record. Only what has one shape in every recorded event is typed: lists of one element become
// objects and empty strings stand for structures, so requestParameters stay raw.
type record struct {
	EventID            string          `json:"eventID"`
	RequestID          string          `json:"requestID"`
	EventSource        string          `json:"eventSource"`
	EventName          string          `json:"eventName"`
	EventTime          string          `json:"eventTime"`
	AWSRegion          string          `json:"awsRegion"`
	RecipientAccountID string          `json:"recipientAccountId"`
	SourceIPAddress    string          `json:"sourceIPAddress"`
	ErrorCode          string          `json:"errorCode"`
	RequestParameters  json.RawMessage `json:"requestParameters"`
	Resources          json.RawMessage `json:"resources"`
	UserIdentity       struct {
		Type           string `json:"type"`
		ARN            string `json:"arn"`
		AccountID      string `json:"accountId"`
		InvokedBy      string `json:"invokedBy"`
		SessionContext struct {
			SessionIssuer struct {
				ARN string `json:"arn"`
			} `json:"sessionIssuer"`
			WebIDFederationData struct {
				FederatedProvider string `json:"federatedProvider"`
			} `json:"webIdFederationData"`
		} `json:"sessionContext"`
	} `json:"userIdentity"`
}

var errNotAnEvent = errors.New(`neither an EventBridge event with a CloudTrail record in "detail" nor a CloudTrail record`)

// Parse reads an EventBridge envelope or a bare CloudTrail record. It fails on what is neither.
func Parse(body []byte) (Event, error) {
	var envelope struct {
		Detail json.RawMessage `json:"detail"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return Event{}, fmt.Errorf("event: parse: %w", err)
	}
	if len(envelope.Detail) > 0 {
		body = envelope.Detail
	}
	var r record
	if err := json.Unmarshal(body, &r); err != nil {
		return Event{}, fmt.Errorf("event: parse record: %w", err)
	}
	if r.EventSource == "" || r.EventName == "" {
		return Event{}, fmt.Errorf("event: parse: %w", errNotAnEvent)
	}
	return r.event(), nil
}

// event takes account and region from the record: an event bus that relays from another region may not keep the
// envelope's own fields.
func (r record) event() Event {
	return Event{
		ID:         r.EventID,
		RequestID:  r.RequestID,
		Source:     eventBridgeSource(r.EventSource),
		Name:       r.EventName,
		Account:    cmp.Or(r.RecipientAccountID, r.UserIdentity.AccountID), // old records have no recipient
		Region:     r.AWSRegion,
		Time:       parseTime(r.EventTime),
		Actor:      r.actor(),
		ErrorCode:  r.ErrorCode,
		Parameters: parseParameters(r.RequestParameters),
		Resources:  parseResources(r.Resources),
	}
}

func (r record) actor() Actor {
	id := r.UserIdentity
	arn := id.ARN
	switch {
	case arn != "":
	case id.InvokedBy != "":
		arn = id.InvokedBy
	default:
		arn = id.Type + " " + id.AccountID
	}
	actor := Actor{ARN: arn, Issuer: id.SessionContext.SessionIssuer.ARN, From: r.SourceIPAddress}
	if id.SessionContext.WebIDFederationData.FederatedProvider != "" {
		return actor.WithoutSession()
	}
	return actor
}

// WithoutSession masks the session's name. ICA's sessions are named PREFIX-…, and the prefix is the proof of the lab's
// identity, so it must reach no log, message or report.
func (a Actor) WithoutSession() Actor {
	if at := strings.LastIndex(a.ARN, "/"); at >= 0 && strings.Contains(a.ARN, ":assumed-role/") {
		a.ARN = a.ARN[:at] + "/***"
	}
	return a
}

// eventBridgeSource turns "s3.amazonaws.com" into "aws.s3".
func eventBridgeSource(eventSource string) string {
	const suffix = ".amazonaws.com"
	if len(eventSource) > len(suffix) && eventSource[len(eventSource)-len(suffix):] == suffix {
		return "aws." + eventSource[:len(eventSource)-len(suffix)]
	}
	return eventSource
}

// parseTime accepts AWS's form and the one that a log pipeline made of it; the time is told to people, never decided on.
func parseTime(s string) time.Time {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	return time.Time{}
}

// parseParameters yields nothing for null, "" or a list: denied IAM calls have null there.
func parseParameters(raw json.RawMessage) map[string]json.RawMessage {
	var parameters map[string]json.RawMessage
	if json.Unmarshal(raw, &parameters) != nil {
		return nil
	}
	return parameters
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
	var named []struct{ ARN string }
	if json.Unmarshal(raw, &named) != nil {
		return nil
	}
	arns := make([]string, len(named))
	for i, resource := range named {
		arns[i] = resource.ARN
	}
	return arns
}
