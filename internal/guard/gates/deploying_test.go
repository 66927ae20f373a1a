package gates

import (
	"testing"
	"time"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

func TestChanging(t *testing.T) {
	at := time.Date(2026, 1, 15, 9, 12, 33, 0, time.UTC)
	status := func(after time.Duration, name string) stackStatus { return stackStatus{at.Add(after), name} }
	for name, c := range map[string]struct {
		newestFirst []stackStatus
		want        bool
	}{
		"no stack":                 {nil, false},
		"before the first":         {[]stackStatus{status(time.Minute, "CREATE_IN_PROGRESS")}, false},
		"begun in the same second": {[]stackStatus{status(900*time.Millisecond, "CREATE_IN_PROGRESS")}, true},
		"in progress":              {[]stackStatus{status(-time.Hour, "UPDATE_IN_PROGRESS")}, true},
		"over": {[]stackStatus{status(-time.Second, "UPDATE_COMPLETE"), status(-time.Hour,
			"UPDATE_IN_PROGRESS")}, false},
		"ended in the same second": {[]stackStatus{status(100*time.Millisecond, "UPDATE_COMPLETE"), status(-time.Hour,
			"UPDATE_IN_PROGRESS")}, true},
		"ended later": {[]stackStatus{status(time.Hour, "UPDATE_COMPLETE"), status(-time.Hour,
			"UPDATE_IN_PROGRESS")}, true},
		"between two": {[]stackStatus{status(time.Hour, "UPDATE_IN_PROGRESS"), status(-time.Hour,
			"UPDATE_COMPLETE")}, false},
		"rolling back": {[]stackStatus{status(time.Hour, "UPDATE_ROLLBACK_COMPLETE"), status(-time.Hour,
			"UPDATE_ROLLBACK_IN_PROGRESS")}, true},
		"cleaning up":                     {[]stackStatus{status(-time.Hour, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")}, true},
		"a change set in review, no more": {[]stackStatus{status(-time.Hour, "REVIEW_IN_PROGRESS")}, false},
	} {
		if got := changing(c.newestFirst, at); got != c.want {
			t.Errorf("%s: changing %v, want %v", name, got, c.want)
		}
	}
}

func TestSettles(t *testing.T) {
	stack := icaconfig.Stack{Kind: icaconfig.GuardStack, Name: "icaguard-guard", Region: "us-east-1"}
	home := icaconfig.Home{Account: "123456789012", Stacks: []icaconfig.Stack{stack}}
	event := func(status string) cloudtrail.StackEvent {
		return cloudtrail.StackEvent{Account: "123456789012", Stack: "icaguard-guard", Region: "us-east-1", Status: status}
	}
	for status, settles := range map[string]bool{
		"CREATE_COMPLETE": true, "UPDATE_COMPLETE": true, "UPDATE_ROLLBACK_COMPLETE": true, "ROLLBACK_COMPLETE": true,
		"UPDATE_ROLLBACK_FAILED": true,
		"DELETE_FAILED":          true, "IMPORT_COMPLETE": true,
		"UPDATE_IN_PROGRESS": false, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": false, "DELETE_COMPLETE": false, "": false,
	} {
		if Settles(event(status), home) != settles {
			t.Errorf("%q settles: %v, want %v", status, !settles, settles)
		}
	}
	for _, e := range []cloudtrail.StackEvent{
		{Account: "123456789012", Stack: "icaguard-guard-2", Region: "us-east-1", Status: "UPDATE_COMPLETE"},
		{Account: "123456789012", Stack: "icaguard-guard", Region: "us-west-2", Status: "UPDATE_COMPLETE"},
		{Account: "999999999999", Stack: "icaguard-guard", Region: "us-east-1", Status: "UPDATE_COMPLETE"},
	} {
		if Settles(e, home) {
			t.Errorf("another stack's event settles ours: %s", e)
		}
	}
}
