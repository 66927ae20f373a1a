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

// racePart lets two processes of remediate have the same messages at once, as SQS may deliver them.
func racePart() campaign.Part[*fixture] {
	const kind = "race"
	return campaign.Part[*fixture]{Kinds: []string{kind}, Sample: 1, Cases: wayCases(kind,
		func(t *testing.T, s *fixture, c testCase, trial campaign.Trial) {
			r := s.reference(t, c)
			g := newGuarded(t, s, c.variant)
			defer g.leave(c.setting)
			c.breakIt(g.env)
			made, parts := g.change(c, s.received()), g.foreignParts()
			key := g.race(made.events)
			count := campaign.Count{Steps: 1}
			if overlapping(g.Calls(), g.callsOf(key)) {
				count.Strikes++
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
			g.checkRacers(c, r, key, count.Alerts)
			g.checkTold(c, r, made, mails, true, &count)
			trial.Tally.Add(kind, count)
		},
	)}
}

// race lets both processes have the events in one batch, and answers the second one's access key.
func (g *guarded) race(happened []localaws.Envelope) (key string) {
	g.t.Helper()
	config := g.Another()
	var batch events.SQSEvent
	for i, event := range happened[:min(len(happened), 10)] {
		batch.Records = append(batch.Records, events.SQSMessage{
			MessageId: strconv.Itoa(i), Body: text(event), EventSource: "aws:sqs", EventSourceARN: g.Requests.ARN,
		})
	}
	if len(happened) == 0 {
		return config.Env["AWS_ACCESS_KEY_ID"] // nobody hears of it but the audit
	}
	payload, err := json.Marshal(batch)
	g.must(payload, err)
	var both sync.WaitGroup
	another := g.Start(config)
	defer func() { _ = another.Close() }()
	for _, function := range []*localaws.Function{g.Function, another} {
		both.Go(func() {
			result, err := function.Invoke(g.t.Context(), payload)
			var answer events.SQSEventResponse
			if err != nil || result.FunctionError != "" || json.Unmarshal(result.Payload, &answer) != nil ||
				len(answer.BatchItemFailures) > 0 {
				g.t.Errorf("%v: %s", err, result.Payload)
			}
		})
	}
	both.Wait()
	return config.Env["AWS_ACCESS_KEY_ID"]
}

func (g *guarded) callsOf(key string) []localaws.Call {
	return slices.DeleteFunc(g.local.Recorder().Calls(), func(c localaws.Call) bool { return c.AccessKeyID != key })
}

// overlapping reports whether each of two processes called before the other had ended.
func overlapping(one, other []localaws.Call) bool {
	if len(one) == 0 || len(other) == 0 {
		return false
	}
	return one[0].Time.Before(other[len(other)-1].Time) && other[0].Time.Before(one[len(one)-1].Time)
}

// checkRacers: neither process writes anything twice, and what both restored is no alert.
func (g *guarded) checkRacers(c testCase, r *reference, key string, alerts int) {
	g.t.Helper()
	for _, calls := range [][]localaws.Call{g.Calls(), g.callsOf(key)} {
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
