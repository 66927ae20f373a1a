package settings

import (
	"testing"
	"time"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

func storage(name, bucket, role string) icaconfig.Storage {
	return icaconfig.Storage{
		Name: name, Mode: icaconfig.Enforce,
		Bucket:   icaconfig.Bucket{Name: bucket, ARN: "arn:aws:s3:::" + bucket},
		Role:     icaconfig.Role{Name: role, ARN: "arn:aws:iam::123456789012:role/" + role, Mode: icaconfig.Enforce},
		Provider: icaconfig.Provider{ARN: "provider-of-" + name},
	}
}

func TestManyLooksAtOneThingAreOneLook(t *testing.T) {
	e := guard.Engine{Settings: []guard.Setting{bucketCORS(), roleSessionDuration()}, Baseline: icaconfig.Baseline{Storages: []icaconfig.Storage{
		storage("a", "bucket-a", "shared"), storage("b", "bucket-b", "shared"), storage("c", "bucket-c", "own"),
	}}}
	var requests []guard.Request
	for i := range 100 {
		cause := guard.Event{EventID: string(rune('A' + i%20)), Event: "UpdateRole"}
		requests = append(requests, guard.Request{Storage: []string{"a", "b"}[i%2], Setting: "role-session-duration", Attempt: i % 3, Events: []guard.Event{cause}})
	}
	jobs := e.jobs(requests)
	if len(jobs) != 1 {
		t.Fatalf("%d looks at one role, want 1", len(jobs))
	}
	got := jobs[0].request
	if got.Storage != "a" || got.Attempt != 0 || len(got.Events) != maxEvents || got.Events[maxEvents-1].EventID != "T" {
		t.Errorf("merged look: %+v", got)
	}
	if all := e.jobs([]guard.Request{{}}); len(all) != 5 {
		t.Errorf("a look at everything is %d requests, want 3 buckets and 2 roles", len(all))
	}
	if none := e.jobs([]guard.Request{{Storage: "removed"}, {Setting: "unknown"}}); len(none) != 0 {
		t.Errorf("looks at what is no longer configured: %+v", none)
	}
}

func TestJobsFollowTheTable(t *testing.T) {
	e := guard.Engine{Settings: Settings(), Baseline: icaconfig.Baseline{Storages: []icaconfig.Storage{storage("a", "bucket-a", "role")}}}
	jobs := e.jobs([]guard.Request{{Setting: "role-session-duration"}, {Setting: "bucket-cors"}})
	if jobs[0].setting.ID != "bucket-cors" || jobs[1].setting.ID != "role-session-duration" {
		t.Errorf("order %s, %s: want the table's", jobs[0].setting.ID, jobs[1].setting.ID)
	}
}

func TestStoragesThatShareAResourceAreOneGroup(t *testing.T) {
	groups := sharing([]icaconfig.Storage{
		storage("a", "bucket-a", "role-1"), storage("b", "bucket-b", "role-2"),
		storage("c", "bucket-a", "role-2"), storage("d", "bucket-d", "role-4"),
	})
	if groups["a"] != groups["b"] || groups["b"] != groups["c"] || groups["a"] == groups["d"] {
		t.Errorf("groups %v: want a, b, c together and d alone", groups)
	}
}

func TestAgain(t *testing.T) {
	stranger := []guard.Event{{EventID: "1"}}
	for name, c := range map[string]struct {
		request guard.Request
		status  guard.Status
		want    time.Duration
	}{
		"clean after a stranger's event": {guard.Request{Events: stranger}, guard.InSync, 15 * time.Second},
		"clean at the second look":       {guard.Request{Events: stranger, Attempt: 1}, guard.InSync, 0},
		"clean after our own echo":       {guard.Request{}, guard.InSync, 0},
		"restored":                       {guard.Request{Events: stranger}, guard.Restored, 0},
		"drifted in observe":             {guard.Request{Events: stranger}, guard.Drifted, 0},
		"unknown":                        {guard.Request{}, guard.Unknown, 5 * time.Second},
		"unknown for the fifth time":     {guard.Request{Attempt: 4}, guard.Unknown, 2 * time.Minute},
		"unknown for the last time":      {guard.Request{Attempt: 5}, guard.Unknown, 0},
		"failed":                         {guard.Request{Attempt: 1}, guard.RestoreFailed, 15 * time.Second},
		"still drifted":                  {guard.Request{Attempt: 2}, guard.Unverified, 30 * time.Second},
		"action-required":                {guard.Request{}, guard.ActionRequired, 0},
	} {
		if after, reason := again(c.request, guard.Outcome{Status: c.status}); after != c.want || (after > 0) != (reason != "") {
			t.Errorf("%s: again after %s because %q, want %s", name, after, reason, c.want)
		}
	}
}

func TestExitCode(t *testing.T) {
	for code, statuses := range [][]guard.Status{
		{guard.InSync, guard.Restored},
		{guard.Drifted, guard.Unverified, guard.ActionRequired, guard.Deferred},
		{guard.Unknown, guard.RestoreFailed},
	} {
		for _, status := range statuses {
			if got := guard.ExitCode([]guard.Outcome{{Status: guard.InSync}, {Status: status}}); got != code {
				t.Errorf("exit code of %s is %d, want %d", status, got, code)
			}
		}
	}
	if got := guard.ExitCode([]guard.Outcome{{Status: guard.Unknown, RootCause: "role"}, {Status: guard.InSync}}); got != 1 {
		t.Errorf("exit code of what is unknown for a known cause is %d, want 1", got)
	}
	if got := guard.ExitCode([]guard.Outcome{{Status: guard.Unknown}, {Status: guard.Drifted}}); got != 2 {
		t.Errorf("exit code of unknown and drifted is %d, want 2", got)
	}
}
