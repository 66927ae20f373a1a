package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/queue"
)

// FuzzBatch: a payload is refused, or each of its messages names our queue as its source, and is then understood or not
// by itself.
func FuzzBatch(f *testing.F) {
	const name = ":icaguard-requests"
	const ours, another = "arn:aws:sqs:us-east-1:123456789012" + name, "arn:aws:sqs:us-east-1:999999999999" + name
	record := func(arn, body string) string {
		text, err := json.Marshal(map[string]any{"messageId": "1", "eventSource": "aws:sqs", "eventSourceARN": arn, "body": body})
		if err != nil {
			f.Fatal(err)
		}
		return string(text)
	}
	request := record(ours, `{"icaguard":"request","request":{}}`)
	for _, records := range []string{
		request, request + "," + record(ours, "{"), request + "," + record(another, "{}"), record(ours+":x", "{}"),
		"", "null", "{}", "7",
		strings.Replace(request, "aws:sqs", "aws:sns", 1), strings.Replace(request, `"body":"`, `"body":"\ud800`, 1),
	} {
		f.Add([]byte(`{"Records":[` + records + `]}`))
	}
	f.Add([]byte(`{"records":` + `[` + request + `],"Records":null}`))
	h := handler{queue: queue.Queue{URL: "https://sqs.us-east-1.amazonaws.com/123456789012/icaguard-requests"}}
	f.Fuzz(func(t *testing.T, payload []byte) {
		messages, ok := h.messages(payload)
		if !ok {
			return
		}
		for _, m := range messages {
			if m.EventSource != "aws:sqs" || !strings.HasSuffix(m.EventSourceARN, ":123456789012:icaguard-requests") {
				t.Errorf("taken from %s %s", m.EventSource, m.EventSourceARN)
			}
			if message, err := guard.ParseMessage([]byte(m.Body)); (err == nil) == (message == nil) {
				t.Errorf("%v beside %v", message, err)
			}
		}
	})
}
