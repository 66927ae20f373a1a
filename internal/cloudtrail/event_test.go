package cloudtrail

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const eventsDir = "../../events"

// TestSamplesParse: the guard tells of every sample when and where it happened, and who did it.
func TestSamplesParse(t *testing.T) {
	constructed, err := filepath.Glob(filepath.Join(eventsDir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	recorded, err := filepath.Glob(filepath.Join(eventsDir, "recorded", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(constructed) == 0 || len(recorded) < 34 {
		t.Fatalf("found %d constructed and %d recorded events; want some and 34", len(constructed), len(recorded))
	}
	for _, path := range append(constructed, recorded...) {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		event, err := Parse(body)
		if err != nil || event.ID == "" || event.Time.IsZero() || event.Region == "" || event.Account == "" || event.Actor.ARN == "" {
			t.Errorf("%s: incomplete: %+v %v", path, event, err)
		}
	}
}

func TestNoEvent(t *testing.T) {
	for name, body := range map[string]string{
		"not JSON":             `{`,
		"empty":                ``,
		"a list":               `[]`,
		"nothing of an event":  `{"hello":"env"}`,
		"detail is text":       `{"detail":"x"}`,
		"S3's test message":    `{"Service":"Amazon S3","Event":"s3:TestEvent"}`,
		"a number for a name":  `{"eventSource":"s3.amazonaws.com","eventName":7}`,
		"a source of no value": `{"eventSource":null,"eventName":"PutBucketCors"}`,
	} {
		if event, err := Parse([]byte(body)); err == nil {
			t.Errorf("%s: accepted as %+v", name, event)
		}
	}
}

func TestOddParametersParse(t *testing.T) {
	for _, parameters := range []string{`null`, `""`, `[]`, `{"bucketName":["x"]}`, `{"bucketName":{"a":1}}`} {
		event, err := Parse([]byte(`{"detail":{"eventSource":"s3.amazonaws.com","eventName":"PutBucketCors","requestParameters":` +
			parameters + `}}`))
		if err != nil {
			t.Errorf("%s: %v", parameters, err)
			continue
		}
		for _, name := range event.Named("bucketName") {
			if name != "x" {
				t.Errorf("%s: bucketName = %q", parameters, name)
			}
		}
	}
}

// TestOddTypes: a field of an unforeseen type is left out, and nothing else of its event: an event that is lost is a
// drift that is not found.
func TestOddTypes(t *testing.T) {
	const record = `{"eventID":"1","requestID":"2","eventSource":"s3.amazonaws.com","eventName":"PutBucketCors","awsRegion":"us-east-1",` +
		`"eventTime":"2026-01-15T09:12:33Z","recipientAccountId":"123456789012","sourceIPAddress":"198.51.100.7",` +
		`"userIdentity":{"arn":"arn:aws:iam::123456789012:user/who","accountId":"123456789012"},` +
		`"requestParameters":{"bucketName":"b"},"resources":[{"ARN":"arn:aws:s3:::b"}]}`
	whole := Event{
		ID: "1", RequestID: "2", Source: "aws.s3", Name: "PutBucketCors", Region: "us-east-1", Account: "123456789012",
		Time:      time.Date(2026, 1, 15, 9, 12, 33, 0, time.UTC),
		Actor:     Actor{ARN: "arn:aws:iam::123456789012:user/who", From: "198.51.100.7"},
		Resources: []string{"arn:aws:s3:::b"},
	}
	for name, c := range map[string]struct {
		old, odd string
		want     func(*Event)
	}{
		"as it is":                      {"", "", func(*Event) {}},
		"a number for the time":         {`"2026-01-15T09:12:33Z"`, `1234567`, func(e *Event) { e.Time = time.Time{} }},
		"no time":                       {`"2026-01-15T09:12:33Z"`, `"yesterday"`, func(e *Event) { e.Time = time.Time{} }},
		"a number for the event's id":   {`"eventID":"1"`, `"eventID":1`, func(e *Event) { e.ID = "" }},
		"a number for the request's id": {`"requestID":"2"`, `"requestID":2`, func(e *Event) { e.RequestID = "" }},
		"a list for the region":         {`"us-east-1"`, `["us-east-1"]`, func(e *Event) { e.Region = "" }},
		"a number for the address":      {`"198.51.100.7"`, `7`, func(e *Event) { e.Actor.From = "" }},
		"an error that is a number":     {`"eventID"`, `"errorCode":5,"eventID"`, func(*Event) {}},
		"an error that is nothing":      {`"eventID"`, `"errorCode":null,"eventID"`, func(*Event) {}},
		"text for the identity": {
			`{"arn":"arn:aws:iam::123456789012:user/who","accountId":"123456789012"}`, `"root"`, func(e *Event) { e.Actor.ARN = "root" },
		},
		"a number for the identity": {
			`{"arn":"arn:aws:iam::123456789012:user/who","accountId":"123456789012"}`, `7`, func(e *Event) { e.Actor.ARN = "unknown" },
		},
		"a number for the user": {`"arn:aws:iam::123456789012:user/who"`, `7`, func(e *Event) { e.Actor.ARN = "123456789012" }},
		"text for the session":  {`{"arn"`, `{"sessionContext":"x","arn"`, func(*Event) {}},
		"text for the session's role": {
			`{"arn"`, `{"sessionContext":{"sessionIssuer":"x","webIdFederationData":""},"arn"`,
			func(*Event) {},
		},
		"text for the resources":      {`[{"ARN":"arn:aws:s3:::b"}]`, `"x"`, func(e *Event) { e.Resources = nil }},
		"one resource that is text":   {`[{"ARN"`, `["x",7,null,{"ARN":3},{"ARN"`, func(*Event) {}},
		"a number for the parameters": {`{"bucketName":"b"}`, `7`, func(*Event) {}},
		"text for the parameters":     {`{"bucketName":"b"}`, `"x"`, func(*Event) {}},
		"a number for the account": {
			`"recipientAccountId":"123456789012"`, `"recipientAccountId":123456789012`, func(*Event) {},
		},
		"a number for the account, which begins with a zero": {
			`"recipientAccountId":"123456789012"`, `"recipientAccountId":12345678901`, func(e *Event) { e.Account = "012345678901" },
		},
		"no account, a number for the identity's": {
			`"accountId":"123456789012"},"requestParameters":{"bucketName":"b"},"resources":[{"ARN":"arn:aws:s3:::b"}]}`,
			`"accountId":123456789012},"recipientAccountId":null}`, func(e *Event) { e.Resources = nil },
		},
		// the identity has it
		"a list for the account": {`"recipientAccountId":"123456789012"`, `"recipientAccountId":[]`, func(*Event) {}},
		"no account at all": {
			`"accountId":"123456789012"},"requestParameters":{"bucketName":"b"},"resources":[{"ARN":"arn:aws:s3:::b"}]}`,
			`"accountId":{}},"recipientAccountId":true}`, func(e *Event) { e.Account, e.Resources = "", nil },
		},
	} {
		odd := strings.Replace(record, c.old, c.odd, 1)
		if c.old != "" && odd == record {
			t.Errorf("%s: the record has no %s", name, c.old)
		}
		want := whole
		want.Resources = slices.Clone(whole.Resources)
		c.want(&want)
		for _, body := range []string{odd, `{"detail-type":"AWS API Call via CloudTrail","account":7,"time":{},"region":[],"resources":"x","detail":` + odd + `}`} {
			got, err := Parse([]byte(body))
			if err != nil {
				t.Errorf("%s: the event is lost: %v", name, err)
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Event{}, "Parameters")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
			if hasParameters := strings.Contains(odd, `{"bucketName":"b"}`); hasParameters != slices.Equal(got.Named("bucketName"),
				[]string{"b"}) {
				t.Errorf("%s: parameters %s", name, got.Parameters)
			}
		}
	}
}

func TestAPIName(t *testing.T) {
	for name, want := range map[string]string{
		"UpdateFunctionCode20150331v2": "UpdateFunctionCode", "DeleteFunction20150331": "DeleteFunction",
		"PutFunctionRecursionConfig": "PutFunctionRecursionConfig", "ListObjectsV2": "ListObjectsV", "": "", "20150331v2": "",
	} {
		if got := APIName(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
