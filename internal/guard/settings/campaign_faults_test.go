package settings

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/icaguard/icaguard/internal/campaign"
	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/localaws"
)

// wayCases are the cases of a part, one for each way of breaking.
func wayCases(part string, run func(*testing.T, *fixture, testCase, campaign.Trial)) []campaign.Case[*fixture] {
	var cases []campaign.Case[*fixture]
	for _, c := range testCases() {
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

func stalePart(depth int) campaign.Part[*fixture] {
	kind := fmt.Sprintf("stale %d deep", depth)
	run := func(t *testing.T, s *fixture, c testCase, trial campaign.Trial) {
		stale := func(beforeBreak bool) {
			inject := func(g *guarded) func() {
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
			d := disturb{kind: kind, during: inject}
			if beforeBreak {
				d.during, d.before = nil, func(g *guarded) func() {
					end := inject(g)
					g.readAll()
					return end
				}
			}
			d.run(t, s, c, trial)
		}
		if !trial.Full {
			stale(trial.IntN(2) == 0)
			return
		}
		stale(false)
		stale(true)
	}
	return campaign.Part[*fixture]{Cases: wayCases(kind, run), Kinds: []string{kind}, Sample: 1}
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
	const kind = "event dropped"
	run := func(t *testing.T, s *fixture, c testCase, trial campaign.Trial) {
		drop := func(which int) (events int) {
			disturb{kind: kind, hear: func(g *guarded, all []localaws.Envelope) []localaws.Envelope {
				events = len(all)
				return slices.DeleteFunc(slices.Clone(all), func(e localaws.Envelope) bool {
					return g.routed(e) && (which >= events || e.ID == all[which].ID)
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

// routed reports whether somebody listens to an event: dropping another one is no fault.
func (g *guarded) routed(e localaws.Envelope) bool {
	g.t.Helper()
	parsed, err := cloudtrail.Parse([]byte(text(e)))
	g.must(parsed, err)
	return len(guard.Route(parsed, "", guard.RowsOf(g.engine.Settings), g.engine.Baseline)) > 0
}

// faultParts let each call that remediate makes go wrong, a few times or until there is nothing left to do.
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
			times := trial.IntN(7) // of 7, the SDK's retries hide the first two
			faulty(kind, operations[trial.IntN(len(operations))], times).run(t, s, c, trial)
			return
		}
		for _, operation := range operations {
			for _, times := range []int{2, 4, 0} {
				faulty(kind, operation, times).run(t, s, c, trial)
			}
		}
	}
	return campaign.Part[*fixture]{Cases: wayCases(string(kind), run), Sample: 1, Kinds: []string{string(kind)}}
}

// faulty lets an operation go wrong so many times, wherever they fall; 0: until all events are worked off. A few slow calls
// take longer than the functions wait, lasting ones do not.
func faulty(kind localaws.Kind, operation string, times int) disturb {
	fault := localaws.Fault{Operation: operation, Kind: kind, Times: times}
	if kind == localaws.Slow {
		if fault.Delay = 5 * time.Second; times == 0 {
			fault.Delay = time.Second
		}
	}
	return disturb{kind: string(kind), during: func(g *guarded) func() {
		end := g.inject(fault)
		if times > 0 {
			return func() {}
		}
		return end
	}}
}
