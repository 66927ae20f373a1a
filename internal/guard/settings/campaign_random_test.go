package settings

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/icaguard/icaguard/internal/campaign"
	"github.com/icaguard/icaguard/internal/campaign/foreign"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

// randomPart takes random steps over five storages of one ica.yaml: people break settings and rightfully change parts of
// their own, while events are dropped, doubled, delayed and shuffled and faults strike the real functions.
func randomPart(o campaign.Options) campaign.Part[*fixture] {
	part := campaign.Part[*fixture]{Sample: 1, Steps: true, Cases: []campaign.Case[*fixture]{{
		Name: campaign.RandomSteps,
		Run: func(t *testing.T, s *fixture, trial campaign.Trial) {
			f := newFive(t, s, trial)
			for steps := o.StepsOfSeed(12); f.steps < steps && !t.Failed(); {
				f.round()
			}
		},
	}}}
	for _, kind := range append(randomFaults(), dropped, doubled, delayed, shuffled) {
		part.Kinds = append(part.Kinds, campaign.AmongSteps(string(kind)))
	}
	return part
}

// What becomes of events on their way, counted as faults are.
const (
	dropped  localaws.Kind = "event dropped"
	doubled  localaws.Kind = "doubled"
	delayed  localaws.Kind = "delayed"
	shuffled localaws.Kind = "shuffled"
)

func randomFaults() []localaws.Kind {
	return []localaws.Kind{
		localaws.Killed, localaws.Throttled, localaws.ServerError, localaws.Cut, localaws.Lost, localaws.Denied, localaws.Slow,
	}
}

// five are the storages of one ica.yaml that one icaguard guards.
type five struct {
	*guarded // by the first one's env

	trial   campaign.Trial
	members []*member
	steps   int
	log     []string            // the steps, for who replays them
	pending []localaws.Envelope // events that are still to come
	since   since
}

// since is what happened since the last audit.
type since struct {
	changes []change
	stale   int // how deep reads are stale: then every event comes, and in time
}

// member is one of the storages.
type member struct {
	*env
	variant variant
	// special are the settings that the variant treats otherwise than the plain one's.
	special []string

	ours  foreign.Ours
	whole foreign.Parts // as it was made
	parts foreign.Parts // as the last change of others left it
	saved saved
	// open are the settings that were changed so that ICA's parts may rightly be others than they were made.
	open  map[string]bool
	steps int // changes since the last audit

	others map[string]bool // resources of the other storages
	read   foreign.Parts   // that were read last
	readAt int             // how many writes there were then
}

// now are the storage's parts. They are read again only where somebody wrote since: all writes pass the recorder.
func (m *member) now() foreign.Parts {
	m.t.Helper()
	if writes := m.written(); m.read == nil || m.readAt != writes {
		m.read, m.readAt = m.foreignParts(), writes
	}
	return maps.Clone(m.read)
}

// written is how many calls wrote since the recorder's calls were reset, but for those on other storages alone.
func (m *member) written() int {
	own, writes := m.resources(), 0
	for _, call := range m.local.Recorder().Calls() {
		if call.Done && !reading.MatchString(call.Operation) && (slices.Contains(own, call.Resource) || !m.others[call.Resource]) {
			writes++
		}
	}
	return writes
}

// resources are the storage's, as calls name them.
func (m *member) resources() []string {
	n := m.foreignNames()
	return append([]string{n.Bucket, n.Role, n.Policy, n.Provider}, n.Keys...)
}

func newFive(t *testing.T, s *fixture, trial campaign.Trial) *five {
	t.Helper()
	f := &five{trial: trial, members: []*member{
		{},
		{
			variant: variant{key: true, second: true, storage: "kms: {restore: true}", bucket: "crossAccountCopy: true"},
			special: []string{"bucket-encryption", "role-trust"},
		},
		{
			variant: variant{bucket: "versioning: enabled\n      objectTags: true", role: "strict: true"},
			special: []string{"bucket-versioning", "bucket-object-lock", "permission-policy", "role-foreign-policies"},
		},
		{
			variant: variant{
				bucket: "existing: true", role: "existing: true\n      boundary: icaguard", storage: "mode: enforce",
			},
			special: []string{"bucket-ownership", "bucket-policy", "role", "role-boundary", "permission-policy"},
		},
		{}, // shares the first one's role
	}}
	f.make(t, s)
	f.guarded = s.guard(t, f.members[0].env)
	for _, m := range f.members {
		m.others = map[string]bool{}
		for _, other := range f.members {
			for _, resource := range other.resources() {
				m.others[resource] = true
			}
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s\n%s\n%s", trial, strings.Join(f.log, "\n"), f.Log.Take())
		}
	})
	for n, m := range f.members {
		for _, c := range m.foreignChanges() {
			c.put(m.env, n)
		}
	}
	f.deliver(s.received())
	f.audit()
	f.Mail.Take()
	for _, m := range f.members {
		m.whole, m.parts, m.saved, m.open = m.now(), m.now(), m.save(), map[string]bool{}
	}
	return f
}

// make makes the storages as newEnv makes one.
func (f *five) make(t *testing.T, s *fixture) {
	t.Helper()
	text := "\nstorages:"
	for _, m := range f.members {
		m.env = newClients(t, s)
		text += m.entry(m.variant)
	}
	shares := func(m *member, names ...string) {
		for _, name := range names {
			text = strings.Replace(text, fmt.Sprintf(name, m.number), fmt.Sprintf(name, f.members[0].number), 1)
		}
	}
	for _, m := range f.members[1:] { // those of a region have the same provider
		shares(m, `{id: "%032d"}`)
	}
	shares(f.members[4], "name: Role%d\n", "policyName: policy-%d\n", `"ssm:/ica/prefix-%d"`)
	for i, m := range f.members {
		m.configure(text)
		m.storage, m.engine.Clients.Store = m.engine.Baseline.Storages[i], f.members[0].store
		if err := m.attempt((*env).prepare); err != nil && i < 4 { // the last one's boundary is there already
			t.Fatal(err)
		}
		m.ours = m.foreignOurs()
	}
	unfit := func(o guard.Outcome) bool { return o.Status != guard.InSync && o.Status != guard.Restored }
	outcomes := f.members[0].handle(guard.Request{})
	if slices.ContainsFunc(outcomes, unfit) { // moto fails now and then where several calls come at once
		outcomes = f.members[0].handle(guard.Request{})
	}
	if i := slices.IndexFunc(outcomes, unfit); i >= 0 {
		t.Fatalf("a new storage is not as ICA needs it: %+v", outcomes[i])
	}
}

// refusal ends what AWS refused.
type refusal struct{ error }

// attempt does something that AWS may refuse, because of what was done before.
func (w *env) attempt(do func(*env)) (err error) {
	w.refused = func(err error) { panic(refusal{err}) }
	defer func() {
		w.refused = nil
		problem := recover()
		if refused, ok := problem.(refusal); ok {
			err = refused.error
		} else if problem != nil {
			panic(problem)
		}
	}()
	do(w)
	return nil
}

// round is some steps, of which icaguard hears by and by, then an audit, and what must hold after it.
func (f *five) round() {
	f.t.Helper()
	f.since = since{}
	f.Batches = nil
	for _, m := range f.members {
		if m.steps = 0; m.written() != m.readAt {
			m.read = nil
		}
		m.readAt = 0
	}
	f.local.Recorder().ResetCalls()
	fresh := func() {}
	if f.trial.IntN(5) == 0 {
		f.since.stale = 1 + f.trial.IntN(3)
		fresh = f.readStale()
	}
	for range 4 + f.trial.IntN(6) {
		f.step()
		if f.trial.IntN(3) == 0 {
			f.hear(false)
		}
	}
	f.hear(true)
	f.audit()
	fresh()
	f.note("audit")
	f.check()
}

func (f *five) note(format string, args ...any) { f.log = append(f.log, fmt.Sprintf(format, args...)) }

// readStale lets reads answer what they answer now, so many times each, once that is not the truth any more.
func (f *five) readStale() (end func()) {
	f.note("reads are stale, %d deep", f.since.stale)
	remove := f.inject(localaws.Fault{Kind: localaws.Stale, Times: f.since.stale})
	f.Requests.Send(`{"icaguard":"request","request":{"reason":"campaign"}}`)
	f.Settle()
	return remove
}

// step is one change of somebody's.
func (f *five) step() {
	f.t.Helper()
	f.steps++
	m := f.members[f.trial.IntN(len(f.members))]
	m.steps++
	if f.trial.IntN(4) == 0 {
		f.changeOwn(m)
	} else {
		f.breakOne(m)
	}
	for _, other := range f.members {
		if other == m || other.storage.Role.Name == m.storage.Role.Name {
			other.parts = other.now()
		}
	}
	for _, other := range f.members { // all have one provider
		for _, document := range []string{foreign.Audiences, foreign.ProviderTags} {
			other.parts[document] = m.parts[document]
		}
	}
}

func (f *five) changeOwn(m *member) {
	f.t.Helper()
	all := m.foreignChanges()
	c, n := all[f.trial.IntN(len(all))], f.trial.IntN(1000)
	do, verb := c.put, "put"
	if c.drop != nil && f.trial.IntN(3) == 0 {
		do, verb = c.drop, "drop"
	}
	err := m.attempt(func(w *env) { do(w, n) })
	f.pending = append(f.pending, f.local.received()...)
	f.note("%s: others %s their %s %d: %v", m.storage.Name, verb, c.name, n, err)
}

func (f *five) breakOne(m *member) {
	f.t.Helper()
	ways := slices.DeleteFunc(testCases(), func(c testCase) bool { return !m.plays(c) })
	c := ways[f.trial.IntN(len(ways))]
	err := m.attempt(c.breakIt)
	events := f.local.received()
	f.pending = append(f.pending, events...)
	f.note("%s: break %s, %s: %v", m.storage.Name, c.setting, c.name, err)
	if c.want != guard.Restored || c.check != nil || !m.takes(c) { // as where ICA's prefix is another one from now on
		m.open[c.setting] = true
	}
	if err == nil && len(events) > 0 && (c.want == guard.Restored || c.want == guard.ActionRequired) {
		f.since.changes = append(f.since.changes, (&guarded{env: m.env}).change(c, events))
	}
}

// plays reports whether a way of breaking can be played on the storage.
func (m *member) plays(c testCase) bool {
	if _, out := leftOut()[c.setting+"/"+c.name]; out || c.variant.previous {
		return false
	}
	return (m.storage.Key != nil || !c.variant.key) && (len(m.storage.Role.Prefixes) > 1 || !c.variant.second)
}

// takes reports whether what the case expects is expected of this storage, too.
func (m *member) takes(c testCase) bool {
	in := strings.Contains
	v, s := m.variant, c.variant
	return in(v.bucket, s.bucket) && in(v.role, s.role) && in(v.storage, s.storage) &&
		(s != variant{} || !slices.Contains(m.special, c.setting))
}

// Why a way cannot be played where the real functions guard (engine, file), or one of several storages is broken.
const (
	account   = "all storages share the account"
	taken     = "only the other account can give the name back"
	elsewhere = "whoever reads others' parts asks the storage's region"
	engine    = "it asks the test's own engine, which guards nothing here"
	file      = "it changes what the test takes for ica.yaml, which the functions have read"
)

// leftOut are the ways that cannot be played with five storages, and why.
func leftOut() map[string]string {
	return map[string]string{
		"bucket/created in another region":                                                                elsewhere,
		"bucket/deleted and taken by a stranger":                                                          taken,
		"permission-policy/its only bucket is a stranger's":                                               taken,
		"bucket-public-access/the account's block removed":                                                account,
		"bucket-public-access/both removed":                                                               account,
		"bucket-notification/ICA's entry removed, and its target gone":                                    account,
		"bucket-notification/ICA's role adds an entry, then all are removed":                              engine,
		"bucket-notification/ICA's role puts an entry in our own account, then all are removed":           engine,
		"bucket-notification/ICA's role takes its entry away":                                             engine,
		"bucket-notification/emptied before anything of ICA was seen":                                     engine,
		"permission-policy/default set back to an older version":                                          engine,
		"kms-key-policy/our principal turned into the id of a role that was deleted and recreated":        engine,
		"permission-policy/adopted, one action missing":                                                   file,
		"permission-policy/adopted, one action missing, detached from ICA's role and attached to another": file,
		"bucket-policy/members of the organization only, and ica.yaml names another":                      file,
		"kms-key-policy/a key of another account":                                                         file,
		"kms-key-state/gone":                                                       file,
		"kms-key-state/in another account":                                         file,
		"kms-key-state/in another account, disabled":                               file,
		"role-boundary/one set where none is asked for, and it permits all":        file,
		"role-boundary/the one that the organisation demands permits all":          file,
		"role-boundary/the one that the organisation demands lacks an action":      file,
		"role-boundary/the one that the organisation demands denies ICA's calls":   file,
		"role-boundary/the one that the organisation demands may deny ICA's calls": file,
		"role-boundary/the one that the organisation demands cannot be read":       file,
	}
}

// hear lets icaguard hear of what happened, while faults strike; at last of everything, however late.
func (f *five) hear(last bool) {
	f.t.Helper()
	f.pending = append(f.pending, f.local.received()...)
	events := f.onTheirWay(last)
	var removes []func()
	for range 2 + f.trial.IntN(4) {
		removes = append(removes, f.injectOne())
	}
	before := len(f.Calls())
	f.note("heard of %d events", len(events))
	if f.since.stale == 0 && len(events) > 0 && f.trial.IntN(5) > 0 {
		events = f.raced(events)
	}
	for _, event := range events {
		f.Requests.Send(text(event))
	}
	f.Settle()
	for _, remove := range removes {
		remove()
	}
	for _, call := range f.Calls()[before:] {
		if call.Fault != "" {
			f.strike(call.Fault)
		}
	}
	if last {
		f.deliver(f.local.received())
	}
	f.expectForeignKept()
}

func (f *five) strike(kind localaws.Kind) {
	if kind == localaws.Stale {
		kind = staleKind(f.since.stale)
	}
	f.trial.Tally.Add(campaign.AmongSteps(string(kind)), campaign.Count{Strikes: 1})
}

// raced lets two processes have the events, and answers those that come again.
func (f *five) raced(events []localaws.Envelope) (again []localaws.Envelope) {
	f.t.Helper()
	batch := events[:min(len(events), mostMessages)]
	failed, overlapped := f.race(batch)
	f.note("two processes had %d of them, %d come again", len(batch), len(failed))
	if overlapped {
		f.strike(raced)
	}
	for _, i := range failed {
		again = append(again, batch[i])
	}
	return append(again, events[len(batch):]...)
}

// injectOne injects a fault into some calls of remediate, whichever they are.
func (f *five) injectOne() (remove func()) {
	kinds := append(randomFaults(), localaws.Killed, localaws.Lost, localaws.Slow) // these strike less often when they are drawn
	fault := localaws.Fault{Kind: kinds[f.trial.IntN(len(kinds))], Skip: f.trial.IntN(12), Times: 1 + f.trial.IntN(3)}
	if fault.Kind == localaws.Killed {
		fault.Times = 1
	}
	if fault.Kind == localaws.Slow {
		fault.Delay = time.Duration(f.trial.IntN(1500)) * time.Millisecond
	}
	f.note("fault: %s after %d calls, %d times", fault.Kind, fault.Skip, fault.Times)
	return f.inject(fault)
}

// onTheirWay are the events that arrive now. While reads are stale none is lost or late: nobody could know better then.
func (f *five) onTheirWay(last bool) []localaws.Envelope {
	var now, later []localaws.Envelope
	for _, event := range f.pending {
		switch draw := f.trial.IntN(20); {
		case draw < 3 && f.since.stale == 0:
			f.strike(dropped)
		case draw < 10 && f.since.stale == 0 && !last:
			f.strike(delayed)
			later = append(later, event)
		case draw < 14:
			f.strike(doubled)
			now = append(now, event, event)
		default:
			now = append(now, event)
		}
	}
	f.pending = later
	if f.trial.IntN(4) > 0 && len(now) > 1 {
		f.strike(shuffled)
		f.trial.Shuffle(len(now), func(i, j int) { now[i], now[j] = now[j], now[i] })
	}
	return now
}

// expectForeignKept: whatever icaguard did since others' last change, that is there in meaning, and nothing is new.
func (f *five) expectForeignKept() {
	f.t.Helper()
	for _, m := range f.members {
		for _, lost := range foreign.Lost(m.parts, m.now(), m.ours) {
			f.t.Errorf("%s: a part of others: %s", m.storage.Name, lost)
		}
	}
}

// check is what must hold after every audit.
func (f *five) check() {
	f.t.Helper()
	mails, dead := f.Mail.Take(), f.Dead()
	f.expectForeignKept()
	count := campaign.Count{
		Restores: campaign.Restores(mails), Alerts: campaign.Alerts(mails), DeadLetters: len(dead),
	}
	for _, m := range f.members {
		count.Steps += m.steps
		f.checkBaseline(m, mails)
	}
	f.checkWrites()
	f.checkBatches()
	f.checkLetters(dead)
	for _, made := range f.since.changes {
		count.Told(made.Told(mails), 1, made.Summed(mails))
	}
	f.trial.Tally.Add(campaign.RandomSteps, count)
	f.recover(mails)
}

// checkWrites: nothing was written more often than somebody changed something of the storage. A write whose answer was
// lost may have been done twice.
func (f *five) checkWrites() {
	f.t.Helper()
	for _, m := range f.members {
		of, wrote, changes := m.resources(), map[string]int{}, f.stepsOn(m)
		for _, call := range f.local.Recorder().Calls() {
			if !call.Done || reading.MatchString(call.Operation) || !slices.Contains(of, call.Resource) {
				continue
			}
			if call.AccessKeyID != f.Key() {
				changes++
			} else if call.Fault != localaws.Lost && call.Fault != localaws.Killed {
				wrote[call.Operation+" "+call.Resource]++
			}
		}
		for what, times := range wrote {
			if times > changes {
				f.t.Errorf("%s was done %d times after %d changes", what, times, changes)
			}
		}
	}
}

// stepsOn are those on the storage and on the one that it shares its role with.
func (f *five) stepsOn(m *member) int {
	steps := 0
	for _, other := range f.members {
		if other.storage.Role.Name == m.storage.Role.Name {
			steps += other.steps
		}
	}
	return steps
}

// settingOf names the settings that guard ICA's part of a document.
func settingOf(document string) string {
	kind, _, _ := strings.Cut(document, ":")
	kind, _, _ = strings.Cut(kind, " arn")
	return map[string]string{
		foreign.BucketPolicy: "bucket-policy", foreign.CORS: "bucket-cors", foreign.Notifications: "bucket-notification",
		foreign.PublicAccess: "bucket-public-access", foreign.Encryption: "bucket-encryption", foreign.Ownership: "bucket-ownership",
		foreign.Versioning: "bucket-versioning", foreign.Trust: "role-trust", foreign.RoleTags: "role",
		foreign.Boundary: "role-boundary", foreign.Attached: "permission-policy-attached", foreign.Permissions: "permission-policy",
		foreign.SessionDuration: "role-session-duration", foreign.Audiences: "oidc-provider", foreign.KeyPolicy: "kms-key-policy",
		foreign.KeyState: "kms-key-state",
	}[kind]
}

// checkBaseline: ICA's parts are as they were made, or people know that they are not. Where somebody changed a setting in a
// way that need not be undone, the setting's own comparison is asked.
func (f *five) checkBaseline(m *member, mails []localawstest.Mail) {
	f.t.Helper()
	for _, broken := range foreign.Broken(m.whole, m.now(), m.ours) {
		id := settingOf(broken)
		if id == "" || m.told(mails, id) || f.isOpen(m, id) && m.inSync(id) {
			continue
		}
		f.t.Errorf("%s: %s is not as it was made, and nobody knows: %s", m.storage.Name, id, broken)
	}
}

// isOpen reports whether the setting may rightly be another than it was made, for the storage or one that shares what it is
// about. What a permission policy grants follows the versioning of each of its role's buckets.
func (f *five) isOpen(m *member, id string) bool {
	for _, other := range f.members {
		shares := other.storage.Role.Name == m.storage.Role.Name || id == "oidc-provider"
		versions := other.open["bucket-versioning"] || other.open["bucket-object-lock"] // which turns versioning on
		if shares && (other.open[id] || id == "permission-policy" && versions) {
			return true
		}
	}
	return false
}

// told reports whether people were asked for something about the setting, or about what it stands on.
func (m *member) told(mails []localawstest.Mail, id string) bool {
	asked := slices.DeleteFunc(slices.Clone(mails), func(mail localawstest.Mail) bool {
		return mail.MessageAttributes["status"].Value == string(guard.Restored)
	})
	for _, setting := range m.engine.Settings {
		resource := setting.On.ARN(m.storage)
		if resource == "" || setting.ID != id && setting.ID != "bucket" && setting.ID != "role" {
			continue
		}
		if c := (campaign.Change{Setting: setting.ID, Resource: resource}); c.Told(asked) > 0 || c.Summed(asked) {
			return true
		}
	}
	return false
}

func (m *member) inSync(id string) bool {
	m.t.Helper()
	for _, setting := range m.engine.Settings {
		if setting.ID == id {
			plan, err := setting.Check(m.t.Context(), m.engine.Clients, m.storage)
			return err == nil && len(plan.Diffs) == 0
		}
	}
	return false
}

// recover lets people do what only they can: the storages about which they were asked for something, or which are not as
// they were made, are made so again.
func (f *five) recover(mails []localawstest.Mail) {
	f.t.Helper()
	if f.t.Failed() {
		return
	}
	var again []*member
	for _, m := range f.members {
		asked := slices.ContainsFunc(m.engine.Settings, func(s guard.Setting) bool { return m.told(mails, s.ID) })
		if asked || len(m.open) > 0 && f.trial.IntN(3) == 0 {
			again = append(again, m)
		}
	}
	for _, m := range again {
		m.saved.put(m.env)
		m.open = map[string]bool{}
	}
	if len(again) == 0 {
		return
	}
	f.note("people repaired %d storages", len(again))
	events := slices.Concat(f.pending, f.local.received())
	f.pending = nil
	if f.trial.IntN(4) == 0 { // or the next audit finds it well
		f.deliver(events)
	}
	f.Mail.Take()
	for _, m := range f.members {
		m.parts = m.now()
		if !slices.Contains(again, m) {
			continue
		}
		for _, broken := range foreign.Broken(m.whole, m.parts, m.ours) {
			f.t.Errorf("%s: after people repaired it: %s", m.storage.Name, broken)
		}
	}
}
