package settings

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/icaguard/icaguard/internal/campaign"
	"github.com/icaguard/icaguard/internal/campaign/foreign"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/ledger"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

var options = campaign.Flags() //nolint:gochecknoglobals // flags are read before any test runs

// TestCampaign breaks storages under faults while the real functions guard them.
func TestCampaign(t *testing.T) {
	binaries, references := campaign.Build(t), &references{byCase: map[string]*reference{}}
	fixture := func(t *testing.T) *fixture {
		t.Helper()
		s := &fixture{binaries: binaries, references: references}
		s.furnish(t, localawstest.Start(t))
		return s
	}
	campaign.Run(t, *options, fixture, killPart(), stalePart(), droppedPart(), faultPart(), randomPart(*options),
		racePart(), poisonPart())
}

// guarded is an env that the real functions guard.
type guarded struct {
	*env
	*campaign.Guard
}

// newGuarded makes an env as ICA needs it, and icaguard around it as it is deployed.
func newGuarded(t *testing.T, s *fixture, v variant) *guarded {
	t.Helper()
	return s.guard(t, newEnv(t, s, v))
}

// guard puts icaguard around an env. All envs of a local AWS share its home.
func (s *fixture) guard(t *testing.T, w *env) *guarded {
	t.Helper()
	if !s.home {
		deployment.MakeHome(t, s.AWS, w.storage.Home)
		s.home = true
	}
	kept := ledger.Ledger{Config: s.DirectConfig(localawstest.Region), Table: guard.LedgerTable, Now: w.engine.Now}
	for key, value := range w.store.recorded {
		resource, what, _ := strings.Cut(key, " ")
		w.must(nil, kept.Put(t.Context(), resource, what, value))
	}
	g := &guarded{w, campaign.NewGuard(t, s.AWS, s.binaries, w.storage.Name, w.config, w.storage.Home)}
	s.received() // creating it is no change
	return g
}

// received takes the events since the last call.
func (f *fixture) received() []localaws.Envelope {
	f.mu.Lock()
	defer f.mu.Unlock()
	taken := f.heard
	f.heard = nil
	return taken
}

// deliver puts events on the queue, as EventBridge does, and then those of what icaguard did, until nothing is left to do.
func (g *guarded) deliver(events []localaws.Envelope) {
	g.t.Helper()
	for ; len(events) > 0; events = g.local.received() {
		for _, event := range events {
			body, err := json.Marshal(event)
			g.must(body, err)
			g.Requests.Send(string(body))
		}
		g.Settle()
	}
}

// audit is the scheduled audit and what comes of it.
func (g *guarded) audit() {
	g.t.Helper()
	g.Audit(deployment.Audit)
	g.deliver(g.local.received())
}

// inject injects a fault into the calls of remediate.
func (g *guarded) inject(fault localaws.Fault) (remove func()) {
	fault.AccessKeyID, fault.Kill = g.Key(), g.Function.Kill
	return g.local.Recorder().Inject(fault)
}

// reference is what comes of a way of breaking when nothing disturbs icaguard.
type reference struct {
	once       sync.Once
	calls      []localaws.Call
	operations []string // of what the events made icaguard call
	writes     map[string]int
	state      map[string]string // without the names that are this env's alone
	lost       []string          // of others, which it is icaguard's to remove
	told       int               // how often people are told the same of it; 0: they need not know
	alerts     int               // how often people are asked for something
}

// references are made once each.
type references struct {
	mu     sync.Mutex
	byCase map[string]*reference
}

func (f *fixture) reference(t *testing.T, c testCase) *reference {
	t.Helper()
	f.references.mu.Lock()
	r := f.references.byCase[c.setting+"/"+c.name]
	if r == nil {
		r = &reference{}
		f.references.byCase[c.setting+"/"+c.name] = r
	}
	f.references.mu.Unlock()
	r.once.Do(func() { r.make(newGuarded(t, f, c.variant), c) })
	return r
}

func (r *reference) make(g *guarded, c testCase) {
	g.t.Helper()
	c.breakIt(g.env)
	made := g.change(c, g.local.received())
	g.deliver(made.events)
	r.operations = operations(g.Calls())
	g.checkReadBack(g.Calls())
	g.audit()
	r.calls = g.Calls()
	if len(r.operations) == 0 { // no event tells of it
		r.operations = operations(r.calls)
	}
	state := g.state()
	r.state, r.lost = g.neutralState(state), g.lost(made)
	mails := g.Mail.Take()
	r.writes, r.told, r.alerts = g.writes(r.calls), made.Told(mails), campaign.Alerts(mails)
	for write, times := range r.writes {
		if times > 1 && !several.MatchString(write) {
			g.t.Errorf("nothing disturbed icaguard, and %s was done %d times", write, times)
		}
	}
	if r.told == 0 && (c.want == guard.Restored || c.want == guard.ActionRequired) {
		g.t.Errorf("nothing disturbed icaguard, and nobody was told")
	}
	if c.check != nil {
		return
	}
	if diff := cmp.Diff(g.before, state); diff != "" || len(r.lost) > 0 {
		g.t.Errorf("nothing disturbed icaguard, and the state is another (-before +after):\n%s\nlost of others: %q", diff, r.lost)
	}
}

func operations(calls []localaws.Call) (names []string) {
	for _, call := range calls {
		names = append(names, call.Operation)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// change is what a way of breaking changed, with the events of it.
type change struct {
	campaign.Change
	events []localaws.Envelope
	parts  foreign.Parts // of the storage, right after it
}

// lost are the parts of others that were there after a change and are not any more.
func (g *guarded) lost(made change) []string {
	g.t.Helper()
	neutral := g.neutral()
	var lost []string
	for _, part := range foreign.Lost(made.parts, g.foreignParts(), g.foreignOurs()) {
		if strings.Contains(part, ": lost ") {
			lost = append(lost, neutral(part))
		}
	}
	return lost
}

func (g *guarded) change(c testCase, events []localaws.Envelope) change {
	made := change{events: events, Change: campaign.Change{Setting: c.setting}, parts: g.foreignParts()}
	for _, setting := range g.engine.Settings {
		if setting.ID == c.setting {
			made.Resource = setting.On.ARN(g.storage)
		}
	}
	for _, event := range events {
		made.Events = append(made.Events, event.Detail.EventID)
	}
	return made
}

// neutral takes out of a text what another env has otherwise: names, and ids that AWS draws.
func (g *guarded) neutral() func(text string) string {
	n := strings.TrimPrefix(g.storage.Name, "lab-")
	names := strings.NewReplacer(
		"lab-"+n, "lab-N", g.storage.Role.Name, "RoleN", "policy-"+n, "policy-N", "prefix-"+n, "prefix-N",
		"second-"+n, "second-N", fmt.Sprintf("%032s", n), "ID",
	)
	return func(text string) string { return drawn.ReplaceAllString(names.Replace(text), "DRAWN") }
}

func (g *guarded) neutralState(state map[string]string) map[string]string {
	neutral, out := g.neutral(), map[string]string{}
	for setting, text := range state {
		out[setting] = neutral(text)
	}
	return out
}

// writes are what remediate wrote to what is guarded, by operation and resource.
func (g *guarded) writes(calls []localaws.Call) map[string]int {
	neutral, counted := g.neutral(), map[string]int{}
	for _, call := range calls {
		if isWrite(call) {
			counted[call.Operation+" "+neutral(call.Resource)]++
		}
	}
	return counted
}

func isWrite(call localaws.Call) bool {
	return call.Done && slices.Contains([]string{"s3", "iam", "kms"}, call.Service) && !reading.MatchString(call.Operation)
}

var (
	reading = regexp.MustCompile(`^(Get|List|Head|Describe)`)
	drawn   = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|A(ROA|IDA|NPA)[A-Z0-9]{16,}|20\d\d-[0-9T:.Z-]+`)
	several = regexp.MustCompile(`^(Add|Delete|Detach|Remove)`) // of a resource's parts, each by a call of its own
)

// disturb breaks one setting in one way while faults strike, lets icaguard work off what it hears of it and an audit, and
// checks what must hold whatever struck.
type disturb struct {
	kind string // of fault, as it is counted
	// before injects faults before anything is broken, which end as those do.
	before func(*guarded) (end func())
	// hear are the events that icaguard hears of those that happened.
	hear func(*guarded, []localaws.Envelope) []localaws.Envelope
	// during injects faults, which end when icaguard has worked off the events.
	during func(*guarded) (end func())
}

func (d disturb) run(t *testing.T, s *fixture, c testCase, trial campaign.Trial) {
	t.Helper()
	r := s.reference(t, c)
	g := newGuarded(t, s, c.variant)
	end := func() {}
	if d.before != nil {
		end = d.before(g)
	}
	c.breakIt(g.env)
	made := g.change(c, s.received())
	heard := made.events
	if d.hear != nil {
		heard = d.hear(g, made.events)
	}
	if d.during != nil {
		end = d.during(g)
	}
	g.deliver(heard)
	g.checkReadBack(g.Calls())
	end()
	g.audit()
	count := g.check(c, r, made)
	count.Strikes += len(made.events) - len(heard)
	trial.Tally.Add(d.kind, count)
	if count.Untold > 0 {
		trial.Tally.Untold(trial)
	}
	if t.Failed() {
		t.Logf("%s struck %d times", d.kind, count.Strikes)
	}
}

// check checks what must hold in the end, and counts.
func (g *guarded) check(c testCase, r *reference, made change) campaign.Count {
	g.t.Helper()
	mails, dead, calls := g.Mail.Take(), g.Dead(), g.Calls()
	strikes := map[localaws.Kind]int{}
	for _, call := range calls {
		strikes[call.Fault]++
	}
	delete(strikes, "")
	count := campaign.Count{
		Steps: 1, Restores: campaign.Restores(mails), Alerts: campaign.Alerts(mails), DeadLetters: len(dead),
	}
	for _, n := range strikes {
		count.Strikes += n
	}
	g.checkState(c, r, mails)
	g.checkWrites(r, g.writes(calls), strikes)
	for _, part := range g.lost(made) {
		if !slices.Contains(r.lost, part) {
			g.t.Errorf("lost of others: %s", part)
		}
	}
	for _, letter := range dead {
		if reason := aws.ToString(letter.MessageAttributes["reason"].StringValue); reason == "" && count.Strikes-strikes[localaws.Stale] < mostReceives {
			g.t.Errorf("a dead letter that no fault explains, after %v: %s", strikes, aws.ToString(letter.Body))
		} else if reason != "" {
			g.t.Errorf("icaguard did not understand a message: %s: %s", reason, aws.ToString(letter.Body))
		}
	}
	switch told := made.Told(mails); {
	case r.told == 0: // nobody has to know
	case told == 0:
		count.Untold++
		if c.want == guard.ActionRequired {
			g.t.Errorf("it is not as ICA needs it, and nobody was told")
		}
	case told <= r.told:
		count.Once++
	default:
		count.Twice++
	}
	return count
}

// mostReceives is how often a message comes before it is a dead letter.
const mostReceives = 5

// checkState: every setting is as it is when nothing disturbs icaguard, or people were told that it is not.
func (g *guarded) checkState(c testCase, r *reference, mails []localawstest.Mail) {
	g.t.Helper()
	state := g.state()
	want, got := r.state, g.neutralState(state)
	for _, setting := range slices.Sorted(maps.Keys(want)) {
		if want[setting] == got[setting] {
			continue
		}
		diff := cmp.Diff(want[setting], got[setting])
		if campaign.Open(mails, setting) {
			g.t.Logf("%s differs, and people know (-undisturbed +now): %s", setting, diff)
			continue
		}
		g.t.Errorf("%s differs, and nobody was told (-undisturbed +now): %s", setting, diff)
	}
	if c.check == nil {
		if diff := cmp.Diff(g.before, state); diff != "" && !campaign.Open(mails, c.setting) {
			g.t.Errorf("state (-before +after):\n%s", diff)
		}
	}
}

// checkWrites: nothing is written more often than when nothing disturbs icaguard. Where it could not hear that a write was
// done, or did not see it, it may be written once more for each such fault.
func (g *guarded) checkWrites(r *reference, wrote map[string]int, strikes map[localaws.Kind]int) {
	g.t.Helper()
	again := strikes[localaws.Lost] + strikes[localaws.Stale]
	for write, times := range wrote {
		if extra := times - r.writes[write]; extra > again {
			g.t.Errorf("%s was done %d times, undisturbed %d times, and %v explain %d more", write, times, r.writes[write],
				strikes, again)
		}
	}
}

// checkReadBack: what was written after events is read afterwards, whoever is killed in between.
func (g *guarded) checkReadBack(calls []localaws.Call) {
	g.t.Helper()
	for i, write := range calls {
		readBack := func(c localaws.Call) bool {
			return c.Service == write.Service && c.Resource == write.Resource && reading.MatchString(c.Operation)
		}
		if isWrite(write) && !slices.ContainsFunc(calls[i:], readBack) {
			g.t.Errorf("%s of %q is never read back", write.Operation, write.Resource)
		}
	}
}
