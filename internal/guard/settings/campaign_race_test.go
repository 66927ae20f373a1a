package settings

import (
	"encoding/json"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/icaguard/icaguard/internal/campaign"
	"github.com/icaguard/icaguard/internal/campaign/foreign"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/localaws"
)

// raced is the kind of fault that two processes have the same messages at once.
const raced localaws.Kind = "race"

// racePart lets two processes of remediate have the same messages at once, as SQS may deliver them.
func racePart() campaign.Part[*fixture] {
	const kind = string(raced)
	return campaign.Part[*fixture]{Kinds: []string{kind}, Sample: 1, Cases: wayCases(kind,
		func(t *testing.T, s *fixture, c testCase, trial campaign.Trial) {
			r := s.reference(t, c)
			g := newGuarded(t, s, c.variant)
			defer g.leave(c.setting)
			c.breakIt(g.env)
			made, parts := g.change(c, s.received()), g.foreignParts()
			count := campaign.Count{Steps: 1}
			if batch := made.events[:min(len(made.events), mostMessages)]; len(batch) > 0 { // else only the audit hears of it
				failed, overlapped := g.race(batch)
				if len(failed) > 0 {
					t.Errorf("messages %d come again", failed)
				}
				if overlapped {
					count.Strikes++
				}
			}
			g.deliver(s.received())
			g.audit()
			mails, dead := g.read(), g.Dead()
			count.Restores, count.Alerts, count.DeadLetters = campaign.Restores(mails), campaign.Alerts(mails), len(dead)
			g.checkState(c, r, mails)
			for _, lost := range foreign.Lost(parts, g.foreignParts(), g.foreignOurs()) {
				t.Errorf("a part of others: %s", lost)
			}
			if len(dead) > 0 {
				t.Errorf("dead letters %+v", dead)
			}
			g.checkRacers(c, r, count.Alerts)
			g.checkTold(c, r, made, mails, true, &count)
			trial.Tally.Add(kind, count)
		},
	)}
}

// mostMessages is how many SQS gives at once.
const mostMessages = 10

// race lets two processes have the events in one batch. It answers which come again, and whether both worked at once.
func (g *guarded) race(happened []localaws.Envelope) (failed []int, overlapped bool) {
	g.t.Helper()
	var batch events.SQSEvent
	for i, event := range happened {
		batch.Records = append(batch.Records, events.SQSMessage{
			MessageId: strconv.Itoa(i), Body: text(event), EventSource: "aws:sqs", EventSourceARN: g.Requests.ARN,
		})
	}
	payload, err := json.Marshal(batch)
	g.must(payload, err)
	before := len(g.local.Recorder().Calls())
	another := g.Start(g.Another())
	defer func() { _ = another.Close() }()
	var both sync.WaitGroup
	var answers [2][]int
	for i, function := range []*localaws.Function{g.Function, another} {
		both.Go(func() { answers[i] = g.answer(function, payload, len(happened)) })
	}
	both.Wait()
	if len(answers[1]) > 0 {
		g.t.Errorf("no fault struck a process, and messages %d come again", answers[1])
	}
	calls := g.local.Recorder().Calls()[before:]
	failed = slices.Compact(slices.Sorted(slices.Values(slices.Concat(answers[:]...))))
	return failed, overlapping(madeBy(calls, g.Key()), madeBy(calls, g.AnotherKey()))
}

// answer is which messages of a batch fail; all do where the function fails.
func (g *guarded) answer(function *localaws.Function, payload []byte, messages int) (failed []int) {
	result, err := function.Invoke(g.t.Context(), payload)
	var answer events.SQSEventResponse
	if err != nil || result.FunctionError != "" || json.Unmarshal(result.Payload, &answer) != nil {
		for i := range messages {
			failed = append(failed, i)
		}
		g.t.Logf("raced: %v %s", err, result.Payload)
	}
	for _, item := range answer.BatchItemFailures {
		i, err := strconv.Atoi(item.ItemIdentifier)
		g.must(item, err)
		failed = append(failed, i)
	}
	return failed
}

func madeBy(calls []localaws.Call, key string) []localaws.Call {
	return slices.DeleteFunc(slices.Clone(calls), func(c localaws.Call) bool { return c.AccessKeyID != key })
}

// overlapping reports whether each of two processes called before the other had ended.
func overlapping(one, other []localaws.Call) bool {
	if len(one) == 0 || len(other) == 0 {
		return false
	}
	return one[0].Time.Before(other[len(other)-1].Time) && other[0].Time.Before(one[len(one)-1].Time)
}

// checkRacers: neither process writes anything twice, and what both restored is no alert.
func (g *guarded) checkRacers(c testCase, r *reference, alerts int) {
	g.t.Helper()
	for _, calls := range [][]localaws.Call{g.Calls(), madeBy(g.local.Recorder().Calls(), g.AnotherKey())} {
		for write, times := range g.writes(calls) {
			if times > 1 && !several.MatchString(write) {
				g.t.Errorf("one process did %s %d times", write, times)
			}
		}
	}
	if c.want == guard.Restored && alerts > r.alerts {
		g.t.Errorf("%d alerts, %d where there is one process: nothing is wrong", alerts, r.alerts)
	}
}
