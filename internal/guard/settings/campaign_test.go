package settings

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
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
	furnished := func(t *testing.T) *fixture {
		t.Helper()
		s := &fixture{campaign: &inCampaign{worker: t, binaries: binaries, references: references, whole: map[variant]*guarded{}}}
		s.furnish(t, localawstest.Start(t))
		return s
	}
	campaign.Run(t, *options, furnished, slices.Concat(
		[]campaign.Part[*fixture]{randomPart(*options), killPart()}, // what takes longest comes first
		staleParts(), []campaign.Part[*fixture]{droppedPart()}, faultParts(), []campaign.Part[*fixture]{racePart()},
		poisonParts(*options),
	)...)
}

// inCampaign is what a worker's fixture has besides.
type inCampaign struct {
	worker     *testing.T
	home       bool // icaguard's own resources are made
	binaries   campaign.Binaries
	references *references
	// whole are envs that a case left as it found them: making one takes hundreds of calls.
	whole map[variant]*guarded
}

// guarded is an env that the real functions guard.
type guarded struct {
	*env
	*campaign.Guard

	parts foreign.Parts       // as it was made
	ends  []func()            // of the faults that were injected
	mails []localawstest.Mail // that people got in this case
	dead  []types.Message     // letters of this case
}

// read are all messages that people got in this case.
func (g *guarded) read() []localawstest.Mail {
	g.t.Helper()
	g.mails = append(g.mails, g.Mail.Take()...)
	return g.mails
}

// newGuarded makes an env as ICA needs it, and icaguard around it as it is deployed, or takes one that is whole again. The
// case leaves it when it ends.
func newGuarded(t *testing.T, s *fixture, v variant) *guarded {
	t.Helper()
	g := s.campaign.whole[v]
	if g == nil {
		return s.guard(t, newEnv(t, s, v))
	}
	delete(s.campaign.whole, v)
	g.t = t
	g.Serve(t)
	s.received()
	s.Recorder().ResetCalls()
	return g
}

// leave leaves the env to the next case with its variant, if all is as it was made. What ICA's role did stays in the ledger.
func (g *guarded) leave(setting string) {
	for _, end := range g.ends {
		end()
	}
	log := g.Log.Take()
	if g.t.Failed() {
		g.t.Log(log)
	}
	if strings.Contains(log, secretPrefix) {
		g.t.Error("the log holds the prefix")
	}
	if g.t.Failed() || setting == "bucket-notification" || !maps.Equal(g.before, g.state()) ||
		!reflect.DeepEqual(g.parts, g.foreignParts()) {
		g.Close()
		return
	}
	g.ends, g.mails, g.dead, g.local.campaign.whole[g.variant] = nil, nil, nil, g
}

// guard puts icaguard around an env. All envs of a local AWS share its home.
func (s *fixture) guard(t *testing.T, w *env) *guarded {
	t.Helper()
	if !s.campaign.home {
		deployment.MakeHome(t, s.AWS, w.storage.Home)
		s.campaign.home = true
	}
	kept := ledger.Ledger{Config: s.DirectConfig(localawstest.Region), Table: guard.LedgerTable, Now: w.engine.Now}
	for key, value := range w.store.recorded {
		resource, what, _ := strings.Cut(key, " ")
		w.must(nil, kept.Put(t.Context(), resource, what, value))
	}
	g := &guarded{env: w, Guard: campaign.NewGuard(
		t, s.campaign.worker, s.AWS, s.campaign.binaries, w.storage.Name, w.config, w.storage.Home,
	)}
	g.parts = g.foreignParts()
	s.received() // creating it is no change
	return g
}

// received takes the events since the last call.
func (s *fixture) received() []localaws.Envelope {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.heard
	s.heard = nil
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
	end := g.local.Recorder().Inject(fault)
	g.ends = append(g.ends, end)
	return end
}

// reference is what comes of a way of breaking when nothing disturbs icaguard.
type reference struct {
	once       sync.Once
	calls      []localaws.Call
	operations []string // of what the events made icaguard call
	writes     map[string]int
	state      map[string]string // without the names that are this env's alone
	lost       []string          // of others, which it is icaguard's to remove
	told       int               // how often people are told the same of it
	byEvents   int               // how often before the audit
	summed     bool              // a summary tells of it
	alerts     int               // how often people are asked for something
}

// references are made once each.
type references struct {
	mu     sync.Mutex
	byCase map[string]*reference
}

func (s *fixture) reference(t *testing.T, c testCase) *reference {
	t.Helper()
	all := s.campaign.references
	all.mu.Lock()
	r := all.byCase[c.setting+"/"+c.name]
	if r == nil {
		r = &reference{}
		all.byCase[c.setting+"/"+c.name] = r
	}
	all.mu.Unlock()
	r.once.Do(func() { r.make(newGuarded(t, s, c.variant), c) })
	return r
}

func (r *reference) make(g *guarded, c testCase) {
	g.t.Helper()
	defer g.leave(c.setting)
	c.breakIt(g.env)
	made := g.change(c, g.local.received())
	g.deliver(made.events)
	r.operations = operations(g.Calls())
	g.checkReadBack(g.Calls())
	r.byEvents = made.Told(g.read())
	g.audit()
	r.calls = g.Calls()
	if len(r.operations) == 0 { // no event tells of it
		r.operations = operations(r.calls)
	}
	state := g.state()
	r.state, r.lost = g.neutralState(state), g.lost(made)
	mails := g.read()
	r.writes, r.told, r.summed = g.writes(r.calls), made.Told(mails), made.Summed(mails)
	r.alerts = campaign.Alerts(mails)
	g.checkBatches()
	g.checkLetters(g.Dead())
	for write, times := range r.writes {
		if times > 1 && !several.MatchString(write) {
			g.t.Errorf("nothing disturbed icaguard, and %s was done %d times", write, times)
		}
	}
	heard := slices.ContainsFunc(made.events, func(e localaws.Envelope) bool { return g.reaches(e, c.setting) })
	if (c.want == guard.Restored || c.want == guard.ActionRequired) && (heard && r.byEvents == 0 || r.told == 0 && !r.summed) {
		g.t.Errorf("nothing disturbed icaguard, and nobody was told (heard: %v, in the end: %d, in a summary: %v)",
			heard, r.told, r.summed)
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
	neutral, now := g.neutral(), g.foreignParts()
	g.checkKept(made, now)
	var lost []string
	for _, part := range foreign.Lost(made.parts, now, g.foreignOurs()) {
		if strings.Contains(part, ": lost ") {
			lost = append(lost, neutral(part))
		}
	}
	return lost
}

// checkKept: what of others stood there before a change, and after it, stays. Even undisturbed icaguard may not remove it.
func (g *guarded) checkKept(made change, now foreign.Parts) {
	g.t.Helper()
	kept := foreign.Parts{}
	for document, parts := range g.parts {
		for _, part := range parts {
			if document != foreign.PolicyVersions && slices.Contains(made.parts[document], part) {
				kept[document] = append(kept[document], part)
			}
		}
	}
	for _, part := range foreign.Lost(kept, now, g.foreignOurs()) {
		if strings.Contains(part, ": lost ") {
			g.t.Errorf("of others, and there from the start: %s", part)
		}
	}
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
	drawn   = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|A(ROA|IDA|NPA)[A-Z0-9]{16,}|20\d\d-[0-9T:.Z-]+|` +
		`"ID":"v\d+"|"id":"[0-9A-Za-z]{50}"`) // of a policy's version, and of an entry that has none
	several = regexp.MustCompile(`^(Add|Delete|Detach|Remove)`) // of a resource's parts, each by a call of its own
)

// disturb breaks one setting in one way while faults strike, lets icaguard work off what it hears of it and an audit, and
// checks what must hold whatever struck.
type disturb struct {
	kind string // of fault, as it is counted
	// before injects faults before anything is broken, which end as those do.
	before func(*guarded) (end func())
	// hear are the events that icaguard hears of those that happened.
	hear  func(*guarded, []localaws.Envelope) []localaws.Envelope
	stale bool // reads are, so the audit may be the first to see it
	// during injects faults, which end when icaguard has worked off the events.
	during func(*guarded) (end func())
}

func (d disturb) run(t *testing.T, s *fixture, c testCase, trial campaign.Trial) {
	t.Helper()
	r := s.reference(t, c)
	g := newGuarded(t, s, c.variant)
	defer g.leave(c.setting)
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
	seen := len(heard) == len(made.events) && !d.stale
	if seen {
		g.checkHeard(r, made)
	}
	end()
	g.audit()
	count := g.check(c, r, made, seen)
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
func (g *guarded) check(c testCase, r *reference, made change, seen bool) campaign.Count {
	g.t.Helper()
	g.dead = append(g.dead, g.Dead()...)
	mails, dead, calls := g.read(), g.dead, g.Calls()
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
	g.checkBatches()
	g.checkLetters(dead)
	g.checkTold(c, r, made, mails, seen && len(dead) == 0, &count)
	return count
}

// checkTold counts how often people were told of a change. What needs a person is told by itself if icaguard heard of it and
// could see it: what its reads do not show yet, and what died with its message, an audit sums up.
func (g *guarded) checkTold(c testCase, r *reference, made change, mails []localawstest.Mail, seen bool, count *campaign.Count) {
	g.t.Helper()
	times, summed := made.Told(mails), made.Summed(mails)
	if r.told == 0 && !r.summed {
		return // nobody has to know
	}
	count.Told(times, max(1, r.told), summed)
	if c.want == guard.ActionRequired && times == 0 && (!summed || seen && r.told > 0) {
		g.t.Errorf("it is not as ICA needs it, and nobody was told of it by itself (summed up: %v)", summed)
	}
}

// checkHeard: whatever struck, people were told of a change of which icaguard heard without an audit, unless the message is dead.
func (g *guarded) checkHeard(r *reference, made change) {
	g.t.Helper()
	g.dead = append(g.dead, g.Dead()...)
	if r.byEvents > 0 && len(g.dead) == 0 && made.Told(g.read()) == 0 {
		g.t.Errorf("icaguard heard of it, and told nobody before an audit")
	}
}

// checkBatches: no process ends, and no message comes again, but for a fault that struck.
func (g *guarded) checkBatches() {
	g.t.Helper()
	for _, why := range campaign.Unexplained(g.Batches) {
		g.t.Error(why)
	}
}

// checkLetters: every dead letter has faults that explain it.
func (g *guarded) checkLetters(dead []types.Message) {
	g.t.Helper()
	for _, letter := range dead {
		if why := campaign.UnexplainedLetter(letter, g.Batches); why != "" {
			g.t.Errorf("a dead letter: %s: %s", why, aws.ToString(letter.Body))
		}
	}
}

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

// checkReadBack: what was written after events is read afterwards, whoever is killed in between, and before people are told.
func (g *guarded) checkReadBack(calls []localaws.Call) {
	g.t.Helper()
	for i, write := range calls {
		if !isWrite(write) {
			continue
		}
		readBack := slices.IndexFunc(calls[i:], func(c localaws.Call) bool {
			same := write.Resource == "" || c.Resource == write.Resource // AWS names what it creates
			return c.Service == write.Service && same && reading.MatchString(c.Operation)
		})
		told := slices.IndexFunc(calls[i:], func(c localaws.Call) bool { return c.Operation == "Publish" })
		if readBack < 0 || told >= 0 && told < readBack {
			g.t.Errorf("%s of %q is not read back (call %d; read: %d, told: %d after it)",
				write.Operation, write.Resource, i, readBack, told)
		}
	}
}
