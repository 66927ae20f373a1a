package watch

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/gates"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	"github.com/icaguard/icaguard/internal/policy"
)

// A guard at home in us-east-1 with storages there and in eu-central-1.
const twoRegions = `
homeRegion: us-east-1
alerts: {emails: [first@example.org, second@example.org]}
storages:
  - name: us
    icaRegion: US
    bucket: {name: lab-us-ica, folder: ica}
    role: {name: RoleUS, policyName: policy-us, sessionNamePrefix: "ssm:/ica/us"}
  - name: eu
    icaRegion: EU
    bucket: {name: lab-eu-ica, folder: ica}
    role: {name: RoleEU, policyName: policy-eu, sessionNamePrefix: "ssm:/ica/eu"}
`

const (
	inHome = "us-east-1"
	away   = "eu-central-1"
	// naming a key makes the guard listen to KMS in its region.
	keyAway = `kmsKeyArn: "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"`
)

// selfEnv is the guard itself in a local AWS of its own, and a stranger.
type selfEnv struct {
	t        *testing.T
	local    *localaws.AWS
	key      string // access key of the engine
	engine   guard.Engine
	home     icaconfig.Home
	stranger guard.Clients
	requeued []guard.Request

	mu     sync.Mutex
	events []cloudtrail.Event
}

// newHome makes the env of a home as the stacks of an hour ago left it. Without parts the home is made in full; naming
// a key only adds rules, so it always is.
func newHome(t *testing.T, local *localaws.AWS, withKey bool, parts ...string) *selfEnv {
	t.Helper()
	w := &selfEnv{t: t, local: local, key: "AKIAGUARDHOME", stranger: guard.Clients{Config: local.Config(inHome, "AKIASTRANGER")}}
	w.configure(true)
	home := localawstest.Home{
		Regions:      w.home.Regions(),
		Queue:        guard.RequestQueue,
		DeadLetters:  guard.DeadLetterQueue,
		Topic:        guard.AlertTopic,
		Table:        guard.LedgerTable,
		Trail:        guard.TrailName,
		PartitionKey: "resource",
		SortKey:      "entry",
		Functions:    []string{guard.RemediateFunction, guard.ValidateFunction},
		Roles:        self.Roles(w.home)[2:],
		Emails:       w.home.Emails,
		Rules:        homeRules(w.home),
		Policies:     map[string]string{},
	}
	w.configure(withKey)
	for arn, statements := range self.Policies(w.home) {
		home.Policies[arn] = policy.New(statements...).JSON()
	}
	home.Make(t, local, parts...)
	w.play(time.Now().Add(-time.Hour), "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
	local.Recorder().SetEmit(w.collect)
	local.Recorder().ResetCalls()
	return w
}

func homeRules(h icaconfig.Home) []localawstest.Rule {
	var rules []localawstest.Rule
	for _, r := range self.AllRules(h) {
		rules = append(rules, localawstest.Rule{
			Name: r.Name, Region: r.Region, Pattern: r.Pattern, Schedule: r.Schedule, TargetARN: r.Target, Input: r.Input, RoleARN: r.Role,
		})
	}
	return rules
}

func (w *selfEnv) configure(withKey bool) {
	w.t.Helper()
	text := twoRegions
	if withKey {
		text = strings.Replace(text, "{name: lab-eu-ica,", "{name: lab-eu-ica, "+keyAway+",", 1)
	}
	file, err := icaconfig.Parse("ica.yaml", []byte(text))
	if err != nil {
		w.t.Fatal(err)
	}
	owner, err := file.Owner(w.local.Account(), "aws")
	if err != nil {
		w.t.Fatal(err)
	}
	baseline := file.Baseline(owner)
	cfg := w.local.Config(inHome, w.key)
	cfg.RetryMaxAttempts = 1
	w.home = baseline.Home
	w.engine = guard.Engine{
		Baseline: baseline,
		Self:     All(),
		Clients:  guard.Clients{Config: cfg, Account: w.local.Account()},
		Now:      time.Now,
		Sleep:    guard.Sleep,
		Queue:    w,
	}
}

// Post keeps what the engine puts on its queue.
func (w *selfEnv) Post(_ context.Context, requests []guard.Delayed) []error {
	for _, r := range requests {
		w.requeued = append(w.requeued, r.Request)
	}
	return make([]error, len(requests))
}

// play makes all stacks pass through statuses, one a minute, beginning at a time.
func (w *selfEnv) play(from time.Time, statuses ...string) {
	for _, stack := range w.home.Stacks {
		w.playOne(stack.Name, from, statuses...)
	}
}

func (w *selfEnv) playOne(stack string, from time.Time, statuses ...string) {
	state := localaws.StackState{
		Status: statuses[len(statuses)-1], LastUpdated: from, Outputs: map[string]string{icaconfig.DigestOutput: w.home.Digest},
	}
	for i, status := range statuses {
		state.Events = append(state.Events, localaws.StackEvent{Time: from.Add(time.Duration(i) * time.Minute), Status: status})
	}
	w.local.Recorder().PlayStack(stack, state)
}

// hear keeps what strangers do, in place of the rules.
func (w *selfEnv) collect(_ context.Context, envelope localaws.Envelope) error {
	body, err := json.Marshal(envelope)
	if err != nil {
		return err
	}
	event, err := cloudtrail.Parse(body)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, event)
	return err
}

// requests are those that what was heard since the last call leads to.
func (w *selfEnv) requests() []guard.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	var requests []guard.Request
	for _, event := range w.events {
		requests = append(requests, guard.Route(event, "", w.engine.Rows(), w.engine.Baseline)...)
	}
	w.events = nil
	return requests
}

// handle is one batch, with gates that know nothing yet.
func (w *selfEnv) handle(requests ...guard.Request) []guard.Outcome {
	w.t.Helper()
	w.engine.Deploys = gates.NewDeploys(w.engine.Clients, w.home)
	return w.reconcile(requests...)
}

// reconcile answers the outcomes in the order of the table.
func (w *selfEnv) reconcile(requests ...guard.Request) []guard.Outcome {
	w.t.Helper()
	var mu sync.Mutex
	var outcomes []guard.Outcome
	failed := w.engine.Handle(w.t.Context(), requests, func(_ context.Context, result guard.Result) {
		mu.Lock()
		defer mu.Unlock()
		outcomes = append(outcomes, result.Outcome)
	})
	if len(failed) > 0 {
		w.t.Fatal(failed)
	}
	return w.engine.Sorted(outcomes)
}

func (w *selfEnv) handleOne(requests ...guard.Request) guard.Outcome {
	w.t.Helper()
	outcomes := w.handle(requests...)
	if len(outcomes) != 1 {
		w.t.Fatalf("%d outcomes, want one: %+v", len(outcomes), outcomes)
	}
	return outcomes[0]
}

func (w *selfEnv) must(_ any, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// storage stands for the guard where clients ask for one.
func (w *selfEnv) storage() icaconfig.Storage { return w.engine.Baseline.Storages[0] }

// calls are the engine's calls for its settings; those of the gates are the gates' tests' to check.
func (w *selfEnv) calls() []localaws.Call {
	return slices.DeleteFunc(w.local.Recorder().Calls(), func(c localaws.Call) bool {
		return c.AccessKeyID != w.key || c.Service == "cloudformation"
	})
}

// selfCase is one way of breaking the guard itself, and what must come of it.
type selfCase struct {
	setting, name string
	key           bool // a KMS key is named
	breakIt       func(*selfEnv)
	want          guard.Status
	says          string // a part of what people are told
	unreported    bool   // no event tells of it: the schedule finds it
}

// selfCases are all of them, each setting's in its own test file.
func selfCases() []selfCase {
	return slices.Concat(
		guardTrailCases(), guardRulesCases(), guardQueueCases(), guardFunctionCases(), guardRoleCases(), guardTopicCases(),
		guardAlarmsCases(), guardLedgerCases(), guardPauseCases(),
	)
}

func TestSelfChecks(t *testing.T) {
	local := localawstest.Start(t)
	newHome(t, local, true)
	parts := map[string]string{
		"guard-trail": "trail", "guard-rules": "rules", "guard-queue": "queues", "guard-function": "functions", "guard-role": "roles",
		"guard-topic": "topic", "guard-alarms": "none", "guard-ledger": "table", "guard-pause": "none",
	}
	if len(parts) != len(All()) {
		t.Errorf("%d of %d settings are tested", len(parts), len(All()))
	}
	for setting, part := range parts {
		t.Run(setting, func(t *testing.T) {
			used := map[string]bool{}
			for _, withKey := range []bool{false, true} {
				testSelfInSync(newHome(t, local, withKey, part), setting, used)
			}
			for _, c := range selfCases() {
				if c.setting == setting {
					t.Run(c.name, func(t *testing.T) { testSelfCase(newHome(t, local, c.key, part), c, used) })
				}
			}
			t.Run("declared actions are the used ones", func(t *testing.T) { testDeclared(t, rowOf(t, setting), used) })
			t.Run("faults", func(t *testing.T) { testSelfFaults(newHome(t, local, true, part), setting) })
		})
	}
}

func rowOf(t *testing.T, id string) guard.Row {
	t.Helper()
	all := self.All()
	i := slices.IndexFunc(all, func(s guard.SelfCheck) bool { return s.ID == id })
	if i < 0 {
		t.Fatalf("no self check %s", id)
	}
	return all[i].Row
}

// testDeclared compares the actions that the row declares with those that its calls needed.
func testDeclared(t *testing.T, row guard.Row, used map[string]bool) {
	t.Helper()
	declared := map[string]bool{}
	for _, action := range row.Reads {
		declared[action.Name] = true
	}
	if diff := cmp.Diff(declared, used); diff != "" {
		t.Errorf("actions of %s (-declared +used):\n%s", row.ID, diff)
	}
}

func expectStatus(t *testing.T, o guard.Outcome, want guard.Status) {
	t.Helper()
	got := o.Status
	if got == guard.InSync && len(o.Notes) > 0 {
		got = withNotes
	}
	if got != want {
		t.Errorf("%s: status %s, want %s (%+v)", o.Setting, got, want, o)
	}
}

// withNotes is InSync where tests expect that something is worth knowing.
const withNotes guard.Status = "in-sync, with notes"

func testSelfInSync(w *selfEnv, setting string, used map[string]bool) {
	w.t.Helper()
	if o := w.handleOne(guard.Request{Setting: setting}); o.Status != guard.InSync ||
		!slices.Equal(o.Storages, []string{"icaguard"}) {
		w.t.Errorf("as deployed it must be in sync, and nobody's but the guard's: %+v", o)
	}
	for _, call := range w.calls() {
		used[call.Action] = true
	}
}

func testSelfCase(w *selfEnv, c selfCase, used map[string]bool) {
	c.breakIt(w)
	requests := slices.DeleteFunc(w.requests(), func(r guard.Request) bool { return r.Setting != c.setting })
	if c.unreported != (len(requests) == 0) {
		w.t.Fatalf("reported by %d events, want some: %v", len(requests), !c.unreported)
	}
	if c.unreported {
		requests = []guard.Request{{Setting: c.setting}}
	}
	w.local.Recorder().ResetCalls()
	o := w.handleOne(requests...)
	for _, call := range w.calls() {
		used[call.Action] = true
	}
	expectStatus(w.t, o, c.want)
	if text := fmt.Sprint(o.Alerts, o.Notes, o.Problem); !strings.Contains(text, c.says) ||
		(c.says == "") != (c.want == guard.InSync) {
		w.t.Errorf("people must read %q, read %s", c.says, text)
	}
	if c.want == guard.ActionRequired &&
		(o.Remediation == "" || o.Effect == "" || !c.unreported && !strings.Contains(fmt.Sprint(o.Events), "user/AKIASTRANGER")) {
		w.t.Errorf("an alert must say what breaks, what to do and who did it: %+v", o)
	}
	if again := len(w.requeued) == 1; again != (c.want == guard.InSync || c.want == withNotes) && !c.unreported {
		w.t.Errorf("requests again: %v; want that only where an event shows nothing to do, as the read may be stale", again)
	}
}

// testSelfFaults lets every call fail in every way: nothing is well or broken that could not be seen.
func testSelfFaults(w *selfEnv, setting string) {
	w.handleOne(guard.Request{Setting: setting})
	var operations []string
	for _, call := range w.calls() {
		operations = append(operations, call.Operation)
	}
	slices.Sort(operations)
	for _, operation := range slices.Compact(operations) {
		for kind, want := range map[localaws.Kind]guard.Status{
			localaws.Denied: guard.Unknown, localaws.Throttled: guard.Unknown, localaws.Malformed: guard.Unknown,
			localaws.ExplicitDeny: guard.ActionRequired,
		} {
			remove := w.local.Recorder().Inject(localaws.Fault{Operation: operation, AccessKeyID: w.key, Kind: kind})
			w.requeued = nil
			o := w.handleOne(guard.Request{Setting: setting})
			remove()
			if o.Status != want || o.Problem == "" || o.Remediation == "" || len(o.Alerts) > 0 ||
				len(w.requeued) != map[guard.Status]int{guard.Unknown: 1}[want] {
				w.t.Errorf("%s %s: want %s, why and what to do: %+v, again %v", operation, kind, want, o, w.requeued)
			}
		}
	}
	if o := w.handleOne(guard.Request{Setting: setting}); o.Status != guard.InSync {
		w.t.Errorf("not in sync when AWS is well again: %+v", o)
	}
}

// TestSelfChecksAreDoneOnce: storages share the guard, in whatever region they are, and nothing of it is restored.
func TestSelfChecksAreDoneOnce(t *testing.T) {
	w := &selfEnv{t: t, local: localawstest.Start(t)}
	w.configure(false)
	var got, want []string
	for _, o := range w.engine.Audit(t.Context()) {
		got = append(got, o.Setting+" "+strings.Join(o.Storages, " "))
		o.Diffs = []guard.Diff{{Path: "played"}}
		if requests := w.engine.FoundByAudit([]guard.Outcome{o}); len(requests) != 0 {
			t.Errorf("%s would be restored: %v", o.Setting, requests)
		}
	}
	for _, row := range self.All() {
		want = append(want, row.ID+" icaguard")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
}
