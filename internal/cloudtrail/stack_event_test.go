package cloudtrail

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStackEvent(t *testing.T) {
	sample, err := os.ReadFile(filepath.Join(eventsDir, "stacks", "aws.cloudformation.UPDATE_COMPLETE.json"))
	if err != nil {
		t.Fatal(err)
	}
	var envelope struct {
		DetailType string          `json:"detail-type"`
		Detail     json.RawMessage `json:"detail"`
	}
	if err := json.Unmarshal(sample, &envelope); err != nil {
		t.Fatal(err)
	}
	if envelope.DetailType != StackDetailType {
		t.Errorf("detail type %q, want %q", envelope.DetailType, StackDetailType)
	}
	got, err := ParseStackEvent(envelope.Detail)
	if want := (StackEvent{
		Account: "111122223333", Stack: "icaguard-guard", Region: "us-east-1", Status: "UPDATE_COMPLETE",
	}); err != nil || got != want {
		t.Errorf("%+v %v, want %+v", got, err, want)
	}
	if got.String() != "stack icaguard-guard in us-east-1 is in status UPDATE_COMPLETE" {
		t.Errorf("people read %q", got)
	}
	for _, bad := range []string{
		strings.ReplaceAll(string(envelope.Detail), "arn:aws:cloudformation", "nothing"), `{"stack-id":7}`, `{}`, `[]`, `"x"`, ``,
		`{"stack-id":"arn:aws:cloudformation:us-east-1:123456789012:changeSet/x"}`,
	} {
		if e, err := ParseStackEvent([]byte(bad)); err == nil {
			t.Errorf("%s: a stack event without a stack's id is understood: %+v", bad, e)
		}
	}
	for _, status := range []string{`7`, `"x"`, `{"status":7}`, `null`} {
		e, err := ParseStackEvent([]byte(`{"stack-id":"arn:aws:cloudformation:us-east-1:123456789012:stack/s/1","status-details":` +
			status + `}`))
		if want := (StackEvent{Account: "123456789012", Stack: "s", Region: "us-east-1"}); err != nil || e != want || e.Ended() {
			t.Errorf("status %s: %+v %v, want %+v", status, e, err, want)
		}
	}
}

func TestStackEventEnded(t *testing.T) {
	for status, ended := range map[string]bool{
		"CREATE_COMPLETE": true, "UPDATE_COMPLETE": true, "UPDATE_ROLLBACK_COMPLETE": true, "ROLLBACK_COMPLETE": true,
		"UPDATE_ROLLBACK_FAILED": true,
		"DELETE_FAILED":          true, "IMPORT_COMPLETE": true,
		"UPDATE_IN_PROGRESS": false, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": false, "DELETE_COMPLETE": false, "": false,
	} {
		if (StackEvent{Status: status}).Ended() != ended {
			t.Errorf("%q ended: %v, want %v", status, !ended, ended)
		}
	}
}
