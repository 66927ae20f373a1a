package settings

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/gates"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
)

// gatedEnv is an env whose engine asks the gates. The stacks are played: moto's are never in progress.
type gatedEnv struct {
	*env
	now time.Time
}

func newGatedEnv(t *testing.T) *gatedEnv {
	t.Helper()
	w := &gatedEnv{env: newEnv(t, newFixture(t), variant{}), now: time.Now()}
	home := &w.engine.Baseline.Home
	home.Stacks = append(home.Stacks,
		icaconfig.Stack{Kind: icaconfig.StorageStack, Name: "icaguard-storage-eu-central-1", Region: "eu-central-1"},
		icaconfig.Stack{Kind: icaconfig.RelayStack, Name: "icaguard-relay", Region: "us-west-2"})
	w.local.Recorder().Free(w.key) // these stacks are in no template
	w.engine.Now = func() time.Time { return w.now }
	w.settled()
	return w
}

// settled plays all stacks as deployed with the configuration of the engine.
func (w *gatedEnv) settled() {
	for _, stack := range w.engine.Baseline.Stacks {
		w.playStack(stack.Name, "CREATE_COMPLETE", w.engine.Baseline.Digest)
	}
}

func (w *gatedEnv) playStack(name, status, digest string) {
	state := localaws.StackState{Status: status, AccessKeyID: w.key}
	if digest != "" {
		state.Outputs = map[string]string{icaconfig.DigestOutput: digest}
	}
	w.local.Recorder().PlayStack(name, state)
}

// handle is one batch, with gates that know nothing yet.
func (w *gatedEnv) handle(requests ...guard.Request) []guard.Outcome {
	w.t.Helper()
	deploys := gates.NewDeploys(w.engine.Clients, w.engine.Baseline.Home)
	w.engine.Deploys, w.engine.Gates = deploys, []guard.Gate{
		deploys.Gate,
		gates.NewPauses(w.engine.Clients, w.engine.Baseline, w.engine.Now).Gate,
	}
	w.requeued, w.after = nil, nil
	return w.env.handle(requests...)
}

// breakCORS lets a stranger delete it, and answers what came of the event.
func (w *gatedEnv) breakCORS() guard.Outcome {
	w.t.Helper()
	w.deleteCORS()
	return w.handle(corsEvent())[0]
}

func corsEvent() guard.Request {
	return guard.Request{
		Setting: "bucket-cors",
		Events: []guard.Event{
			{EventID: "1", Event: "DeleteBucketCors", Actor: cloudtrail.Actor{ARN: "arn:aws:iam::123456789012:user/stranger"}},
		},
	}
}

// expectDeferred wants a check again after this time (0: none), and nothing written.
func (w *gatedEnv) expectDeferred(o guard.Outcome, after time.Duration, reason string) {
	w.t.Helper()
	expectStatus(w.t, o, guard.Deferred)
	if !strings.Contains(o.Problem, reason) || o.Remediation == "" {
		w.t.Errorf("deferred because %q, to do %q; want %q", o.Problem, o.Remediation, reason)
	}
	if len(w.cors()) != 0 {
		w.t.Error("held, and restored all the same")
	}
	if after == 0 && len(w.requeued) != 0 || after != 0 && !slices.Equal(w.after, []time.Duration{after}) {
		w.t.Errorf("checked again after %v, want %v", w.after, after)
	}
}

// gateCalls are the calls that only the gates make.
func (w *gatedEnv) gateCalls() []string {
	var names []string
	for _, call := range w.calls() {
		if call.Service == "cloudformation" || call.Operation == "GetParameters" {
			names = append(names, call.Operation)
		}
	}
	return names
}

func TestDeploying(t *testing.T) {
	w := newGatedEnv(t)
	ours, held := w.engine.Baseline.Digest, "deploying: stack "
	const guardStack, storage, elsewhere, relay = "icaguard-guard", "icaguard-storage-us-east-1", "icaguard-storage-eu-central-1",
		"icaguard-relay"
	for _, c := range []struct{ stack, status, digest, held string }{
		{guardStack, "UPDATE_IN_PROGRESS", ours, "icaguard-guard in us-east-1 is in status UPDATE_IN_PROGRESS"},
		{storage, "UPDATE_IN_PROGRESS", ours, "icaguard-storage-us-east-1 in us-east-1 is in status UPDATE_IN_PROGRESS"},
		{storage, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", ours, "is in status"},
		{storage, "UPDATE_ROLLBACK_IN_PROGRESS", ours, "is in status"},
		{guardStack, "DELETE_IN_PROGRESS", ours, "is in status"},
		{guardStack, "DELETE_FAILED", ours, "was to be deleted, and is in status DELETE_FAILED"},
		{guardStack, "", "", "icaguard-guard in us-east-1 does not exist"},
		{storage, "", "", "does not exist"},
		{storage, "REVIEW_IN_PROGRESS", "", "does not exist"},
		{guardStack, "UPDATE_COMPLETE", "new", "was deployed with configuration new, this is " + ours},
		{storage, "UPDATE_COMPLETE", "new", "was deployed with configuration new"},
		{guardStack, "CREATE_COMPLETE", "", "was deployed with configuration (none)"},
		{guardStack, "UPDATE_ROLLBACK_COMPLETE", "new", "was deployed with configuration new"},
		{guardStack, "UPDATE_ROLLBACK_COMPLETE", ours, ""}, // the old one, which this guard is
		{guardStack, "UPDATE_ROLLBACK_FAILED", ours, ""},
		{guardStack, "UPDATE_COMPLETE", ours, ""},
		{elsewhere, "UPDATE_IN_PROGRESS", ours, ""},
		{elsewhere, "", "", ""},
		{relay, "UPDATE_IN_PROGRESS", ours, ""},
	} {
		t.Run(c.stack+" "+c.status+" "+c.digest, func(t *testing.T) {
			w.t = t
			w.settled()
			w.playStack(c.stack, c.status, c.digest)
			o := w.breakCORS()
			if c.held == "" {
				expectStatus(t, o, guard.Restored)
				return
			}
			w.expectDeferred(o, time.Minute, held)
			w.expectDeferred(o, time.Minute, c.held)
			w.settled()
			o = w.handle(w.requeued...)[0]
			expectStatus(t, o, guard.Restored)
			if len(o.Events) != 1 || o.Events[0].Actor.ARN != "arn:aws:iam::123456789012:user/stranger" {
				t.Errorf("who did it is forgotten: %+v", o.Events)
			}
		})
	}
}

// TestStacksOfResources: a bucket waits for its region's stack and the guard's, a role for the guard's alone.
func TestStacksOfResources(t *testing.T) {
	w := newGatedEnv(t)
	for stack, want := range map[string]guard.Status{
		"icaguard-storage-us-east-1": guard.Restored,
		"icaguard-guard":             guard.Deferred,
	} {
		w.settled()
		w.playStack(stack, "UPDATE_COMPLETE", "new")
		w.updateRole(aws.Int32(3600), aws.String("for ICA"))
		expectStatus(t, w.handle(guard.Request{Setting: "role-session-duration"})[0], want)
		expectStatus(t, w.breakCORS(), guard.Deferred)
	}
}

// TestGatesAreAskedForRestoresOnly, and then once for a batch.
func TestGatesAreAskedForRestoresOnly(t *testing.T) {
	w := newGatedEnv(t)
	w.local.Recorder().ResetCalls()
	w.handle(guard.Request{})
	if calls := w.gateCalls(); len(calls) != 0 {
		t.Errorf("nothing differs, but the gates called %v", calls)
	}
	w.deleteCORS()
	w.updateRole(aws.Int32(3600), aws.String("for ICA"))
	w.local.Recorder().ResetCalls()
	w.handle(guard.Request{})
	calls := w.gateCalls()
	slices.Sort(calls)
	if !slices.Equal(calls, []string{"DescribeStacks", "DescribeStacks", "GetParameters"}) {
		t.Errorf("the gates called %v, want each stack of this region and the pauses once", calls)
	}
	w.expectInSync()
	w.engine.Baseline.Storages[0].Bucket.Mode = icaconfig.Observe
	w.local.Recorder().ResetCalls()
	expectStatus(t, w.breakCORS(), guard.Drifted)
	if calls := w.gateCalls(); len(calls) != 0 {
		t.Errorf("nothing is restored, but the gates called %v", calls)
	}
}

// TestGateCannotTell: three tries, then the restore goes on and says so.
func TestGateCannotTell(t *testing.T) {
	for operation, says := range map[string]string{
		"DescribeStacks": "deploys: describe stack icaguard-guard", "GetParameters": "pause: read parameters /icaguard/pause/",
	} {
		t.Run(operation, func(t *testing.T) {
			w := newGatedEnv(t)
			remove := w.local.Recorder().Inject(localaws.Fault{Operation: operation, AccessKeyID: w.key, Kind: localaws.Denied})
			defer remove()
			o := w.breakCORS()
			w.expectDeferred(o, 5*time.Second, says)
			w.expectDeferred(w.handle(w.requeued...)[0], 15*time.Second, says)
			o = w.handle(w.requeued...)[0]
			expectStatus(t, o, guard.Restored)
			if !strings.HasPrefix(o.GateSkipped, "asked 3 times in vain") || !strings.Contains(o.GateSkipped, says) ||
				len(w.requeued) != 0 {
				t.Errorf("gate skipped %q, again %v", o.GateSkipped, w.requeued)
			}
			w.breakCORS()
			remove()
			if o := w.handle(w.requeued...)[0]; o.Status != guard.Restored || o.GateSkipped != "" {
				t.Errorf("told at the second try: %+v", o)
			}
		})
	}
}

// TestHeldForLong: people are told once after an hour; the guard goes on holding, and in the end restores.
func TestHeldForLong(t *testing.T) {
	w := newGatedEnv(t)
	w.playStack("icaguard-guard", "UPDATE_IN_PROGRESS", w.engine.Baseline.Digest)
	w.breakCORS()
	var told []int
	for minute := 1; minute <= 90; minute++ {
		w.now = w.now.Add(time.Minute)
		requests := w.requeued
		if minute == 30 { // an event of the same thing meets the waiting check
			requests = append([]guard.Request{{Setting: "bucket-cors", Events: []guard.Event{{EventID: "2"}}}}, requests...)
		}
		o := w.handle(requests...)[0]
		w.expectDeferred(o, time.Minute, "UPDATE_IN_PROGRESS")
		if o.DeferredTooLong {
			told = append(told, minute)
		}
	}
	if !slices.Equal(told, []int{60}) {
		t.Errorf("told after minutes %v, want 60 alone", told)
	}
	w.settled()
	remove := w.local.Recorder().Inject(localaws.Fault{Operation: "GetBucketCors", AccessKeyID: w.key, Kind: localaws.Throttled})
	expectStatus(t, w.handle(w.requeued...)[0], guard.Unknown)
	if len(w.requeued) != 1 || !w.requeued[0].DeferredSince.IsZero() || w.requeued[0].DeferralReported {
		t.Errorf("waiting uses up no tries, and is over: %+v", w.requeued)
	}
	remove()
	o := w.handle(w.requeued...)[0]
	expectStatus(t, o, guard.Restored)
	if len(o.Events) != 2 || o.DeferredTooLong {
		t.Errorf("%+v", o)
	}
}

// pause puts the parameter for as long as the test runs.
func (w *gatedEnv) pause(storage, value string) {
	w.t.Helper()
	client, name := ssm.NewFromConfig(w.local.DirectConfig("us-east-1")), aws.String(guard.PauseParameters+storage)
	w.must(
		client.PutParameter(
			w.t.Context(),
			&ssm.PutParameterInput{Name: name, Type: types.ParameterTypeString, Value: &value, Overwrite: aws.Bool(true)},
		),
	)
	w.t.Cleanup(func() {
		w.must(client.DeleteParameter(context.Background(), &ssm.DeleteParameterInput{Name: name})) // the test's context is over
	})
}

// until is a pause that ends so much later, optionally for some settings only.
func (w *gatedEnv) until(d time.Duration, settings ...string) string {
	w.t.Helper()
	value, err := json.Marshal(gates.Pause{Until: w.now.Add(d), Reason: "a migration", Settings: settings})
	w.must(value, err)
	return string(value)
}

func TestPaused(t *testing.T) {
	w := newGatedEnv(t)
	for name, c := range map[string]struct {
		storage, value, held string
	}{
		"all":          {guard.PauseAll, w.until(time.Hour), "paused: all paused until "},
		"this storage": {w.storage.Name, w.until(time.Hour), "paused: " + w.storage.Name + " paused until "},
		"this setting": {guard.PauseAll, w.until(time.Hour, "bucket-policy", "bucket-cors"), "a migration (only bucket-policy, " +
			"bucket-cors)"},
		"another storage":  {"lab-other", w.until(time.Hour), ""},
		"another setting":  {w.storage.Name, w.until(time.Hour, "bucket-policy"), ""},
		"ended":            {guard.PauseAll, w.until(-time.Second), ""},
		"ends this moment": {guard.PauseAll, w.until(0), ""},
	} {
		t.Run(name, func(t *testing.T) {
			defer func(outer *testing.T) { w.t = outer }(w.t)
			w.t = t
			w.pause(c.storage, c.value)
			o := w.breakCORS()
			if c.held == "" {
				expectStatus(t, o, guard.Restored)
				return
			}
			w.expectDeferred(o, 0, c.held)
			if !strings.Contains(o.Remediation, "icaguard resume "+c.storage) {
				t.Errorf("to do: %s", o.Remediation)
			}
			w.now = w.now.Add(2 * time.Hour)
			expectStatus(t, w.handle(guard.Request{Setting: "bucket-cors"})[0], guard.Restored) // the next event or audit
			w.now = w.now.Add(-2 * time.Hour)
		})
	}
}

// TestPauseThatCannotBeRead counts as none after three tries.
func TestPauseThatCannotBeRead(t *testing.T) {
	for name, c := range map[string]struct{ value, says string }{
		"malformed":      {`{"until": tomorrow}`, "pause: parse /icaguard/pause/all: invalid character"},
		"not a time":     {`{"until": "tomorrow"}`, "pause: parse /icaguard/pause/all: parsing time"},
		"without an end": {`{"reason": "for ever"}`, "pause: parse /icaguard/pause/all: it has no end: write"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newGatedEnv(t)
			w.pause(guard.PauseAll, c.value)
			w.expectDeferred(w.breakCORS(), 5*time.Second, c.says)
			w.expectDeferred(w.handle(w.requeued...)[0], 15*time.Second, c.says)
			o := w.handle(w.requeued...)[0]
			expectStatus(t, o, guard.Restored)
			if !strings.Contains(o.GateSkipped, c.says) {
				t.Errorf("gate skipped %q", o.GateSkipped)
			}
			w.pause(w.storage.Name, w.until(time.Hour)) // one that can be read holds all the same
			w.expectDeferred(w.breakCORS(), 0, "paused: "+w.storage.Name)
		})
	}
}

// TestPauseOfAStorageHoldsWhatItShares: the role of two storages is paused with either of them, the other one's bucket is not.
func TestPauseOfAStorageHoldsWhatItShares(t *testing.T) {
	a, b, c := storage("a", "bucket-a", "shared"), storage("b", "bucket-b", "shared"), storage("c", "bucket-c", "own")
	b.Role = a.Role
	a.Role.Storages = []string{"a", "b"}
	w := newGatedEnv(t)
	baseline := icaconfig.Baseline{Home: w.engine.Baseline.Home, Storages: []icaconfig.Storage{a, b, c}}
	w.pause("b", w.until(time.Hour))
	pauses := gates.NewPauses(w.engine.Clients, baseline, w.engine.Now)
	for _, one := range []struct {
		storage icaconfig.Storage
		setting guard.Setting
		held    bool
	}{
		{a, roleSessionDuration(), true},
		{b, roleSessionDuration(), true},
		{c, roleSessionDuration(), false},
		{a, bucketCORS(), false},
		{b, bucketCORS(), true},
	} {
		hold, err := pauses.Gate(t.Context(), one.setting.Target(one.storage))
		if err != nil || (hold.Reason != "") != one.held {
			t.Errorf("%s of %s: %+v %v, want held %v", one.setting.ID, one.storage.Name, hold, err, one.held)
		}
	}
}

// TestManyPauses: SSM takes ten names in a call.
func TestManyPauses(t *testing.T) {
	w := newGatedEnv(t)
	baseline := icaconfig.Baseline{Home: w.engine.Baseline.Home}
	for i := range 25 {
		baseline.Storages = append(baseline.Storages, icaconfig.Storage{Name: fmt.Sprintf("many-%d", i)})
	}
	w.pause("many-0", w.until(time.Hour))
	w.pause("many-24", w.until(time.Hour))
	active, err := gates.NewPauses(w.engine.Clients, baseline, w.engine.Now).Active(t.Context())
	if err != nil || len(active) != 2 || active[0].Storage != "many-0" || active[1].Storage != "many-24" {
		t.Errorf("%v %v", active, err)
	}
}

// TestGateStatements: what the gates call is what they are allowed, on our own stacks and parameters only.
func TestGateStatements(t *testing.T) {
	w := newGatedEnv(t)
	w.local.Recorder().ResetCalls()
	w.breakCORS()
	if _, err := w.engine.Deploys.ExcludeOwnDeploys(t.Context(), []guard.Event{{Time: w.now}}); err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, call := range w.calls() {
		if call.Service != "s3" {
			used[call.Action] = true
		}
	}
	for _, s := range gates.Statements(w.engine.Baseline) {
		for _, action := range s.Action {
			if !used[action] {
				t.Errorf("%s is allowed and not used", action)
			}
			delete(used, action)
		}
		for _, resource := range s.Resource {
			if !strings.Contains(resource, ":123456789012:stack/icaguard-") && !strings.Contains(resource, ":parameter/icaguard/pause/") {
				t.Errorf("%v on %s", s.Action, resource)
			}
		}
	}
	if len(used) > 0 {
		t.Errorf("used and not allowed: %v", used)
	}
}
