package settings

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/campaign"
	"github.com/icaguard/icaguard/internal/campaign/foreign"
	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/localaws"
)

// wayCases are the cases of a part, one for each way of breaking that can be played while the real functions guard.
func wayCases(part string, run func(*testing.T, *fixture, testCase, campaign.Trial)) []campaign.Case[*fixture] {
	var cases []campaign.Case[*fixture]
	left := leftOut()
	for _, c := range testCases() {
		if why := left[c.setting+"/"+c.name]; slices.Contains([]string{engine, file, elsewhere}, why) {
			continue
		}
		cases = append(cases, campaign.Case[*fixture]{
			Name: part + "/" + c.setting + "/" + c.name,
			Run:  func(t *testing.T, s *fixture, trial campaign.Trial) { run(t, s, c, trial) },
		})
	}
	return cases
}

// killPart kills remediate after its k-th call, once AWS has done it. In a soak it is killed up to three times, so no message
// comes as often as a dead letter.
func killPart() campaign.Part[*fixture] {
	const kind = string(localaws.Killed)
	run := func(t *testing.T, s *fixture, c testCase, trial campaign.Trial) {
		n := len(s.reference(t, c).calls)
		kill := func(ks ...int) {
			disturb{kind: kind, during: func(g *guarded) func() {
				for _, k := range ks {
					g.inject(localaws.Fault{Kind: localaws.Killed, Skip: k - 1, Times: 1})
				}
				return func() {}
			}}.run(t, s, c, trial)
		}
		if !trial.Full {
			var ks []int
			for range 1 + trial.IntN(3) {
				ks = append(ks, 1+trial.IntN(n))
			}
			kill(ks...)
			return
		}
		for k := range n {
			kill(k + 1)
		}
	}
	return campaign.Part[*fixture]{Cases: wayCases("kill", run), Kinds: []string{kind}, Sample: 2}
}

// staleParts let reads answer what was before the break, or before the restore, one to three times each.
func staleParts() (parts []campaign.Part[*fixture]) {
	for depth := 1; depth <= 3; depth++ {
		parts = append(parts, stalePart(depth))
	}
	return parts
}

func staleKind(depth int) localaws.Kind { return localaws.Kind(fmt.Sprintf("stale %d deep", depth)) }

func stalePart(depth int) campaign.Part[*fixture] {
	kind := string(staleKind(depth))
	run := func(t *testing.T, s *fixture, c testCase, trial campaign.Trial) {
		ways := []func(){
			func() { disturb{kind: kind, stale: true, during: staleReads(depth)}.run(t, s, c, trial) },
			func() {
				disturb{kind: kind, stale: true, before: func(g *guarded) func() {
					defer g.readAll()
					return staleReads(depth)(g)
				}}.run(t, s, c, trial)
			},
		}
		if changed := foreignBeside(c); changed != nil {
			ways = append(ways, func() { besideForeign(t, s, c, trial, depth, *changed) })
		}
		if !trial.Full {
			ways = ways[len(ways)-1-trial.IntN(len(ways)):][:1]
		}
		for _, way := range ways {
			way()
		}
	}
	return campaign.Part[*fixture]{Cases: wayCases(kind, run), Kinds: []string{kind}, Sample: 1}
}

// staleReads lets each read answer so many times what it answered first.
func staleReads(depth int) func(*guarded) (end func()) {
	return func(g *guarded) func() {
		var ends []func()
		for _, service := range []string{"s3", "iam", "kms", "ssm"} {
			ends = append(ends, g.inject(localaws.Fault{Service: service, Kind: localaws.Stale, Times: depth}))
		}
		return func() {
			for _, end := range ends {
				end()
			}
		}
	}
}

// foreignBeside is a change of others in the document that the case breaks, if icaguard restores that.
func foreignBeside(c testCase) *foreignChange {
	name := map[string]string{
		"bucket-policy": "bucket policy", "bucket-cors": "CORS", "bucket-notification": "notifications", "kms-key-policy": "key policy",
	}[c.setting]
	if name == "" || c.want != guard.Restored {
		return nil
	}
	all := append(foreignBucketChanges(), foreignKeyChanges()...)
	return &all[slices.IndexFunc(all, func(f foreignChange) bool { return f.name == name })]
}

// besideForeign breaks a document, in which others then put a part of their own that reads do not show yet.
func besideForeign(t *testing.T, s *fixture, c testCase, trial campaign.Trial, depth int, others foreignChange) {
	t.Helper()
	g := newGuarded(t, s, c.variant)
	defer g.leave(c.setting)
	c.breakIt(g.env)
	end := staleReads(depth)(g)
	g.readBy(g.Key())
	others.put(g.env, trial.IntN(1000))
	made := g.change(c, s.received())
	g.deliver(made.events)
	end()
	g.audit()
	mails, now := g.read(), g.foreignParts()
	for _, lost := range foreign.Lost(made.parts, now, g.foreignOurs()) {
		t.Errorf("lost of others: %s", lost)
	}
	for _, broken := range foreign.Broken(g.parts, now, g.foreignOurs()) {
		if c.check == nil && !campaign.Open(mails, c.setting) {
			t.Errorf("not as it was made, and nobody was told: %s", broken)
		}
	}
	dead := g.Dead()
	g.checkBatches()
	g.checkLetters(dead)
	count := campaign.Count{
		Steps: 2, Restores: campaign.Restores(mails), Alerts: campaign.Alerts(mails), DeadLetters: len(dead),
	}
	for _, call := range g.Calls() {
		if call.Fault != "" {
			count.Strikes++
		}
	}
	count.Told(made.Told(mails), 1, made.Summed(mails))
	trial.Tally.Add(string(staleKind(depth)), count)
}

// readBy reads all that settings read, as the owner of an access key.
func (g *guarded) readBy(key string) {
	g.t.Helper()
	clients := g.engine.Clients
	clients.Config = awsclient.Checked(g.local.Config("us-east-1", key))
	for _, setting := range g.engine.Settings {
		if setting.On.ARN(g.storage) != "" {
			_, _ = setting.Check(g.t.Context(), clients, g.storage) // what is broken may be gone
		}
	}
	g.local.Recorder().ResetCalls()
}

// readAll lets remediate check everything, which finds nothing to do.
func (g *guarded) readAll() {
	g.t.Helper()
	body, err := guard.Encode(guard.Request{Reason: "what it reads now, it may read again later"})
	g.must(body, err)
	g.Requests.Send(body)
	g.Settle()
}

// droppedPart drops one of the events, or all.
func droppedPart() campaign.Part[*fixture] {
	const kind = string(dropped)
	run := func(t *testing.T, s *fixture, c testCase, trial campaign.Trial) {
		drop := func(which int) (events int) {
			disturb{kind: kind, hear: func(g *guarded, all []localaws.Envelope) []localaws.Envelope {
				events = len(all)
				return slices.DeleteFunc(slices.Clone(all), func(e localaws.Envelope) bool {
					return g.reaches(e, "") && (which >= events || e.ID == all[which].ID)
				})
			}}.run(t, s, c, trial)
			return events
		}
		if !trial.Full {
			drop(trial.IntN(4))
			return
		}
		for which, events := 0, 0; which <= events; which++ {
			events = drop(which)
		}
	}
	return campaign.Part[*fixture]{Cases: wayCases("dropped", run), Kinds: []string{kind}, Sample: 1}
}

// reaches reports whether a setting, or with "" any, listens to an event: dropping one to which none does is no fault.
func (g *guarded) reaches(e localaws.Envelope, setting string) bool {
	g.t.Helper()
	parsed, err := cloudtrail.Parse([]byte(text(e)))
	g.must(parsed, err)
	asked := guard.Route(parsed, "", guard.RowsOf(g.engine.Settings), g.engine.Baseline)
	return slices.ContainsFunc(asked, func(r guard.Request) bool { return setting == "" || r.Setting == setting })
}

// faultParts let each call that remediate makes go wrong, or all of them, a few times or until there is nothing left to do.
func faultParts() (parts []campaign.Part[*fixture]) {
	for _, kind := range []localaws.Kind{localaws.Slow, localaws.Throttled, localaws.ServerError, localaws.Cut, localaws.Denied} {
		parts = append(parts, faultPart(kind))
	}
	return parts
}

func faultPart(kind localaws.Kind) campaign.Part[*fixture] {
	run := func(t *testing.T, s *fixture, c testCase, trial campaign.Trial) {
		operations := s.reference(t, c).operations
		if !trial.Full {
			operation, times := operations[trial.IntN(len(operations))], trial.IntN(7) // the SDK's retries hide the first two
			if trial.IntN(4) == 0 {
				operation, times = "", 5+trial.IntN(40)
			}
			faulty(kind, operation, times).run(t, s, c, trial)
			return
		}
		faulty(kind, "", 20).run(t, s, c, trial)
		for _, operation := range operations {
			for _, times := range []int{2, 4, 0} {
				faulty(kind, operation, times).run(t, s, c, trial)
			}
		}
	}
	return campaign.Part[*fixture]{Cases: wayCases(string(kind), run), Sample: 1, Kinds: []string{string(kind)}}
}

// faulty lets an operation, or with "" each call, go wrong so many times, wherever they fall; 0: until all events are
// worked off. A few slow calls take longer than the functions wait, lasting ones do not.
func faulty(kind localaws.Kind, operation string, times int) disturb {
	fault := localaws.Fault{Operation: operation, Kind: kind, Times: times}
	if kind == localaws.Slow {
		if fault.Delay = 5 * time.Second; times == 0 || operation == "" {
			fault.Delay = time.Second
		}
	}
	return disturb{kind: string(kind), during: func(g *guarded) func() {
		end := g.inject(fault)
		if times > 0 && operation != "" {
			return func() {}
		}
		return end // an audit in which no call works finds nothing either
	}}
}
