package guard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// storages makes storages of one region by "name role key", "" for no key; the first with a role or key owns it.
func storages(lines ...string) icaconfig.Baseline {
	b := icaconfig.Baseline{Home: icaconfig.Home{Account: "123456789012"}}
	provider := &icaconfig.Provider{ARN: "provider"}
	roles, keys := map[string]*icaconfig.Role{}, map[string]*icaconfig.Key{}
	use := func(s *icaconfig.Shared, name string) {
		s.Storages, s.Mode = append(s.Storages, name), icaconfig.Enforce
	}
	for _, line := range lines {
		name, role, key := "", "", ""
		_, _ = fmt.Sscan(line, &name, &role, &key)
		s := icaconfig.Storage{Name: name, Bucket: &icaconfig.Bucket{ARN: "bucket-" + name}, Provider: provider}
		if roles[role] == nil {
			roles[role] = &icaconfig.Role{ARN: role}
		}
		s.Role = roles[role]
		use(&s.Bucket.Shared, name)
		use(&s.Role.Shared, name)
		use(&provider.Shared, name)
		if key != "" {
			if keys[key] == nil {
				keys[key] = &icaconfig.Key{ARN: key}
			}
			s.Key = keys[key]
			use(&s.Key.Shared, name)
		}
		b.Storages = append(b.Storages, s)
	}
	return b
}

// on is a setting that does what the function says when it is checked.
func on(kind *Kind, id string, check func(icaconfig.Storage) (Comparison, error)) Setting {
	row := Row{ID: id, Title: id, On: kind, Remediation: func(icaconfig.Storage) string { return "do " + id }}
	return Define(Setting{Row: row}, Spec[string]{
		Read: func(_ context.Context, _ Clients, s icaconfig.Storage) (string, error) {
			_, err := check(s)
			return kind.ARN(s), err
		},
		Compare: func(s icaconfig.Storage, _ string) Comparison {
			found, _ := check(s) // Read returned the error
			return found
		},
		Put: func(context.Context, Clients, icaconfig.Storage, string) error {
			return errors.New("not to be written")
		},
	})
}

func inSync(icaconfig.Storage) (Comparison, error) { return Comparison{}, nil }

// posted is a queue that keeps what it takes.
type posted struct {
	requests []Delayed
	err      error
}

func (p *posted) Post(_ context.Context, requests []Delayed) []error {
	p.requests = append(p.requests, requests...)
	errs := make([]error, len(requests))
	for i := range errs {
		errs[i] = p.err
	}
	return errs
}

func newEngine(b icaconfig.Baseline, queue *posted, settings ...Setting) *Engine {
	return &Engine{Baseline: b, Settings: settings, Queue: queue, Sleep: Sleep, Now: time.Now}
}

// handle returns the outcomes in the order of the tables.
func handle(ctx context.Context, e *Engine, requests ...Request) ([]Outcome, map[string]error) {
	var mu sync.Mutex
	var outcomes []Outcome
	failed := e.Handle(ctx, requests, func(_ context.Context, r Result) {
		mu.Lock()
		defer mu.Unlock()
		outcomes = append(outcomes, r.Outcome)
	})
	return e.Sorted(outcomes), failed
}

func TestManyRequestsForOneThingAreOneJob(t *testing.T) {
	e := newEngine(storages("a shared", "b shared", "c own"), nil, on(OnBucket, "cors", inSync), on(OnRole, "duration", inSync))
	var requests []Request
	for i := range 100 {
		requests = append(requests, Request{
			Resource: "shared", Setting: "duration", Attempt: count(i % 3), Events: []Event{{EventID: string(rune('A' + i%20))}},
			Messages: []string{fmt.Sprint(i)},
		})
	}
	jobs := e.jobs(requests)
	if len(jobs) != 1 {
		t.Fatalf("%d jobs on one role, want 1", len(jobs))
	}
	got := jobs[0].request
	if got.Attempt != 0 || len(got.Events) != maxEvents || got.Events[maxEvents-1].EventID != "T" || len(got.Messages) != 100 {
		t.Errorf("merged request: %+v", got)
	}
	if !slices.Equal(jobs[0].Storages, []string{"a", "b"}) {
		t.Errorf("storages %v: want both that share the role", jobs[0].Storages)
	}
	if all := e.jobs([]Request{{}}); len(all) != 5 {
		t.Errorf("a request for everything is %d jobs, want 3 buckets and 2 roles", len(all))
	}
	if none := e.jobs([]Request{{Resource: "removed"}, {Setting: "unknown"}}); len(none) != 0 {
		t.Errorf("jobs of what is no longer configured: %+v", none)
	}
}

// TestUnits: a provider comes first; each storage's unit has what it is the first to depend on, in the table's order,
// and waits for the units that hold its role or key.
func TestUnits(t *testing.T) {
	e := newEngine(
		storages("a one key", "b two", "c one", "d three key"), nil, on(OnBucket, "cors", inSync), on(OnKey, "key", inSync),
		on(OnProvider, "provider", inSync), on(OnRole, "role", inSync), on(OnBucket, "policy", inSync),
	)
	e.Self = []SelfCheck{{Row: Row{ID: "guard", On: OnAccount}}}
	shared, rest := e.newRun([]Request{{}}).units()
	describe := func(units []*unit) []string {
		var lines []string
		for _, u := range units {
			line := u.name + " after " + strings.Join(u.after, ",") + ":"
			for _, j := range u.jobs {
				line += " " + j.ID
			}
			lines = append(lines, line)
		}
		return lines
	}
	if diff := cmp.Diff([]string{"provider after : provider"}, describe(shared)); diff != "" {
		t.Error(diff)
	}
	want := []string{
		"a after : cors key role policy",
		"b after : cors role policy",
		"c after a: cors policy",
		"d after a: cors role policy",
		"icaguard after : guard",
	}
	if diff := cmp.Diff(want, describe(rest)); diff != "" {
		t.Errorf("units (-want +got):\n%s", diff)
	}
}

// TestOneJobNeverEndsTheOthers: a job that panics is unforeseen, and says so; all others are done.
func TestOneJobNeverEndsTheOthers(t *testing.T) {
	broken := func(s icaconfig.Storage) (Comparison, error) {
		if s.Name == "a" {
			panic("index out of range")
		}
		return Comparison{}, nil
	}
	e := newEngine(storages("a one", "b two"), &posted{}, on(OnBucket, "first", broken), on(OnBucket, "second", inSync))
	outcomes, failed := handle(t.Context(), e, Request{})
	var got []string
	for _, o := range outcomes {
		got = append(got, o.Setting+" "+string(o.Status))
	}
	if want := []string{
		"first action-required",
		"first in-sync",
		"second in-sync",
		"second in-sync",
	}; !slices.Equal(got, want) ||
		len(failed) != 0 {
		t.Errorf("outcomes %v, failed %v; want %v", got, failed, want)
	}
	if !strings.Contains(outcomes[0].Problem, "first: internal error, please report it: index out of range at ") {
		t.Errorf("problem %q", outcomes[0].Problem)
	}
	if audited := e.Audit(t.Context()); audited[0].Status != Unknown || audited[3].Status != InSync {
		t.Errorf("audit: %+v", audited)
	}
}

// TestReportingNeverEndsTheOthers: what ends unforeseen while an outcome is reported lets its messages come again, and no others.
func TestReportingNeverEndsTheOthers(t *testing.T) {
	e := newEngine(storages("a one", "b two"), &posted{}, on(OnBucket, "cors", inSync))
	failed := e.Handle(t.Context(), []Request{
		{Resource: "bucket-a", Messages: []string{"1"}}, {Resource: "bucket-b", Messages: []string{"2"}},
	}, func(_ context.Context, r Result) {
		if r.Outcome.Resource == "bucket-a" {
			panic("no severity")
		}
	})
	if len(failed) != 1 || !strings.Contains(failed["1"].Error(), "cors: internal error, please report it: no severity") {
		t.Errorf("failed %v, want message 1", failed)
	}
}

// TestWhatIsNotReachedComesAgain: it is one message for what carries nothing of its own on one resource, and one for
// each that does.
func TestWhatIsNotReachedComesAgain(t *testing.T) {
	queue := &posted{}
	e := newEngine(
		storages("a one", "b two"), queue, on(OnBucket, "cors", inSync), on(OnBucket, "policy", inSync), on(OnRole, "role", inSync),
	)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second) // less than the reserve
	defer cancel()
	event := Request{Resource: "one", Setting: "role", Events: []Event{{EventID: "1"}}, Messages: []string{"2"}}
	outcomes, failed := handle(ctx, e, Request{Messages: []string{"1"}}, event)
	if len(outcomes) != 0 || len(failed) != 0 {
		t.Errorf("outcomes %+v, failed %v; want none", outcomes, failed)
	}
	var got []string
	for _, d := range queue.requests {
		got = append(got, fmt.Sprint(d.Resource, " ", d.Setting, " ", d.Settings, " ", len(d.Events), " ", d.After))
	}
	slices.Sort(got)
	want := []string{
		"bucket-a  [cors policy] 0 0s", "bucket-b  [cors policy] 0 0s", "one role [] 1 0s", "two  [role] 0 0s",
	}
	if !slices.Equal(got, want) {
		t.Errorf("posted %q, want %q", got, want)
	}
	queue.err = errors.New("refused")
	if _, failed := handle(ctx, e, Request{Messages: []string{"1"}}, event); len(failed) != 2 ||
		!strings.Contains(failed["2"].Error(), "role: requeue: refused") {
		t.Errorf("failed %v: want the messages that asked for what the queue did not take", failed)
	}
	for _, o := range e.Audit(ctx) {
		if o.Status != Unknown || !strings.Contains(o.Problem, "the time was over") {
			t.Errorf("an audit says what it did not reach: %+v", o)
		}
	}
}

func TestReserveGrowsWithTheWork(t *testing.T) {
	if reserve(1) >= reserve(1000) || reserve(1000) > 15*time.Second {
		t.Errorf("reserve %s for one, %s for a thousand", reserve(1), reserve(1000))
	}
}

// TestSecondChecksArePostedOnce for all events on one thing of one actor that come while one is on its way.
func TestSecondChecksArePostedOnce(t *testing.T) {
	queue, now := &posted{}, time.Unix(1000, 0)
	e := newEngine(storages("a one"), queue, on(OnRole, "role", inSync))
	e.SecondChecks, e.Now = &SecondChecks{}, func() time.Time { return now }
	event := func(id string) Request { return Request{Setting: "role", Events: []Event{{EventID: id}}} }
	for _, id := range []string{"1", "2", "3"} {
		outcomes, _ := handle(t.Context(), e, event(id))
		if len(outcomes) != 1 {
			t.Fatal("every event is checked")
		}
		now = now.Add(time.Second)
	}
	if len(queue.requests) != 1 {
		t.Fatalf("%d second checks for three events in three seconds", len(queue.requests))
	}
	other := event("3b")
	other.Events[0].Actor.ARN = "somebody else"
	handle(t.Context(), e, other)
	if len(queue.requests) != 2 {
		t.Error("whoever else is behind an event has to be named by a second check")
	}
	now = now.Add(secondCheck)
	handle(t.Context(), e, event("4"))
	if len(queue.requests) != 3 {
		t.Error("an event after the second check needs one of its own")
	}
	queue.err = errors.New("refused")
	now = now.Add(time.Minute)
	handle(t.Context(), e, event("5"))
	queue.err = nil
	handle(t.Context(), e, event("5"))
	if len(queue.requests) != 5 {
		t.Errorf("%d posts: a second check that the queue did not take is posted again", len(queue.requests))
	}
}

func TestFoundByAuditHandsOnWhateverDiffers(t *testing.T) {
	diff := []Diff{{Path: "x", Expected: "1", Found: "2"}}
	e := newEngine(storages("a one", "b two"), nil, on(OnBucket, "policy", inSync))
	e.Baseline.Storages[1].Bucket.Mode = icaconfig.Observe
	got := e.FoundByAudit([]Outcome{
		{Setting: "policy", Resource: "bucket-a", Status: ActionRequired, Diffs: diff, Alerts: []Finding{{What: "a Deny"}}},
		{Setting: "policy", Resource: "bucket-a", Status: ActionRequired, Alerts: []Finding{{What: "a Deny"}}},
		{Setting: "policy", Resource: "bucket-b", Status: Drifted, Diffs: diff},
	})
	if len(got) != 1 || got[0].Resource != "bucket-a" || !got[0].FoundByAudit {
		t.Errorf("handed on %+v, want what differs beside an alert, and nothing that is observed", got)
	}
}

func TestExitCode(t *testing.T) {
	for code, statuses := range [][]Status{
		{InSync, Restored},
		{Drifted, Unverified, ActionRequired, Deferred},
		{Unknown, RestoreFailed},
	} {
		for _, status := range statuses {
			if got := ExitCode([]Outcome{{Status: InSync}, {Status: status}}); got != code {
				t.Errorf("exit code of %s is %d, want %d", status, got, code)
			}
		}
	}
	if got := ExitCode([]Outcome{{Status: Unknown, RootCause: "role"}, {Status: InSync}}); got != 1 {
		t.Errorf("exit code of what is unknown for a known cause is %d, want 1", got)
	}
	if got := ExitCode([]Outcome{{Status: Unknown}, {Status: Drifted}}); got != 2 {
		t.Errorf("exit code of unknown and drifted is %d, want 2", got)
	}
}

// TestErrorsThatQuoteTheTrustPolicyShowNoPrefix: IAM may quote in an error what it was sent.
func TestErrorsThatQuoteTheTrustPolicyShowNoPrefix(t *testing.T) {
	err := errors.New(
		`update trust policy: value {"Condition":{"StringLike":{"sts:RoleSessionName":"prefix-that-must-not-show-*"}}} failed to satisfy constraint`,
	)
	o := (Outcome{on: OnRole}).failed(RestoreFailed, err)
	if strings.Contains(o.Problem, "prefix-that") || !strings.Contains(o.Problem, "update trust policy") {
		t.Error("the problem shows the prefix, or nothing at all")
	}
}

func TestReadOnce(t *testing.T) {
	reads := 0
	c := Clients{}.with(newPass())
	read := func(err error) (int, error) {
		return ReadOnce(c, "GetRole x", func() (int, error) { reads++; return reads, err })
	}
	if _, err := read(awserr.ErrBroken); err == nil {
		t.Error("an error is an error")
	}
	first, _ := read(nil)
	again, _ := read(nil)
	if first != 2 || again != 2 {
		t.Errorf("read %d, then %d: an error is not remembered, an answer is", first, again)
	}
	c.pass.drop()
	if fresh, _ := read(nil); fresh != 3 {
		t.Error("a write drops what was read")
	}
	if unshared, _ := ReadOnce(Clients{}, "GetRole x", func() (int, error) { return 7, nil }); unshared != 7 {
		t.Error("outside a pass everything is read")
	}
}

// TestAlertEventsAreNotPushedOut by whatever else is reported of the same thing before or after them.
func TestAlertEventsAreNotPushedOut(t *testing.T) {
	row := Row{Triggers: []Trigger{{Events: []string{"PurgeQueue"}, AlwaysAlert: true}, {Events: []string{"SetQueueAttributes"}}}}
	var events []Event
	for i := range 200 {
		name := "SetQueueAttributes"
		if i == 100 {
			name = "PurgeQueue"
		}
		events = append(events, Event{EventID: fmt.Sprint(i), Event: name}, Event{EventID: fmt.Sprint(i), Event: name})
	}
	got := row.carried(events)
	if len(got) != 1+maxEvents || got[0].EventID != "100" || got[maxEvents].EventID != "199" {
		t.Errorf("carried %+v", got)
	}
	for i := range events {
		events[i].Event = "PurgeQueue"
	}
	if got := row.carried(events); len(got) != maxAlertEvents || got[0].EventID != "0" {
		t.Errorf("carried %d, from %+v: the first are not pushed out either", len(got), got[0])
	}
}

// TestUntold: what was written without reading it back, and is in no store, no later check can tell of.
func TestUntold(t *testing.T) {
	for _, c := range []struct {
		o    Outcome
		want bool
	}{{Outcome{wrote: true}, true}, {Outcome{wrote: true, Backup: "x"}, false}, {Outcome{}, false}} {
		if c.o.Untold() != c.want {
			t.Errorf("%+v: untold %v", c.o, !c.want)
		}
	}
}
