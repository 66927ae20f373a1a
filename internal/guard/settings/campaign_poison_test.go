package settings

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/icaguard/icaguard/internal/campaign"
	"github.com/icaguard/icaguard/internal/campaign/foreign"
)

// poison is a kind of messages that icaguard has nothing to do for, or must not do what they say.
type poison struct {
	name string
	// bodies makes messages of an event that is a good one.
	bodies func(g *guarded, good string) []string
}

// poisonParts have messages of each kind of poison in batches of good ones, which must be worked off as if they were alone.
func poisonParts(o campaign.Options) (parts []campaign.Part[*fixture]) {
	const poisoned = "poison: "
	for _, p := range append(poisonTexts(), poisonEvents()...) {
		kind := poisoned + p.name
		run := func(t *testing.T, s *fixture, trial campaign.Trial) {
			g := newGuarded(t, s, variant{})
			defer g.leave("")
			for range o.StepsOfSeed(1) {
				trial.Tally.Add(kind, g.poisoned(p, trial))
			}
		}
		parts = append(parts, campaign.Part[*fixture]{
			Kinds: []string{kind}, Sample: 1, Cases: []campaign.Case[*fixture]{{Name: kind, Run: run}},
		})
	}
	return parts
}

// poisoned breaks two settings and lets remediate have the events among poison, in one batch.
func (g *guarded) poisoned(p poison, trial campaign.Trial) campaign.Count {
	g.t.Helper()
	g.putCORS(foreignRule())
	cors := g.change(testCase{setting: "bucket-cors"}, g.local.received())
	g.updateRole(aws.Int32(3600), aws.String("for ICA"))
	session := g.change(testCase{setting: "role-session-duration"}, g.local.received())
	good := []string{text(cors.events[0]), text(session.events[0])}
	bad := p.bodies(g, good[trial.IntN(2)])
	bodies := slices.Clone(good)
	for i := range 8 { // as many as SQS has in a batch beside the good ones
		bodies = append(bodies, bad[i%len(bad)])
	}
	trial.Shuffle(len(bodies), func(i, j int) { bodies[i], bodies[j] = bodies[j], bodies[i] })
	logged := len(g.logged()) - 1
	failed := g.batch(g.Requests.ARN, bodies)
	if len(failed) > 0 {
		g.t.Errorf("messages come again: %q", failed)
	}
	g.Settle()
	said := g.ignored(logged, len(bodies)-len(good))
	g.deliver(g.local.received())
	mails, dead := g.Mail.Take(), g.Dead()
	g.checkPoison(bodies, good, said, dead)
	now := g.foreignParts()
	for _, broken := range append(foreign.Broken(g.parts, now, g.foreignOurs()), foreign.Lost(g.parts, now, g.foreignOurs())...) {
		g.t.Errorf("not as before: %s", broken)
	}
	count := campaign.Count{Strikes: len(bodies) - len(good), Steps: 2, DeadLetters: len(dead)}
	count.Restores, count.Alerts = campaign.Restores(mails), campaign.Alerts(mails)
	for _, made := range []change{cors, session} {
		told := made.Told(mails)
		if count.Told(told, 1, false); told == 0 {
			g.t.Errorf("nobody was told that %s was restored: %+v", made.Setting, mails)
		}
	}
	return count
}

// checkPoison: each dead letter is poison and has a reason, each other one was ignored with a line in the log.
func (g *guarded) checkPoison(bodies, good []string, said int, dead []types.Message) {
	g.t.Helper()
	for _, letter := range dead {
		if slices.Contains(good, aws.ToString(letter.Body)) {
			g.t.Errorf("a good message is dead: %s", aws.ToString(letter.Body))
		}
		if aws.ToString(letter.MessageAttributes["reason"].StringValue) == "" {
			g.t.Errorf("a dead letter without its reason: %.200s", aws.ToString(letter.Body))
		}
	}
	if poison := len(bodies) - len(good); said < poison {
		g.t.Errorf("%d messages of poison, but %d dead letters and %d lines that say what became of them", poison, len(dead), said)
	}
}

// batch lets remediate have messages in one batch, and answers those that come again.
func (g *guarded) batch(arn string, bodies []string) (failed []string) {
	g.t.Helper()
	var batch events.SQSEvent
	for i, body := range bodies {
		batch.Records = append(batch.Records, events.SQSMessage{
			MessageId: strconv.Itoa(i), Body: body, EventSource: "aws:sqs", EventSourceARN: arn,
		})
	}
	payload, err := json.Marshal(batch)
	g.must(payload, err)
	result, err := g.Function.Invoke(g.t.Context(), []byte(strings.ReplaceAll(string(payload), notUTF8, "\xff\xfe")))
	g.must(result, err)
	var answer events.SQSEventResponse
	if result.FunctionError != "" || json.Unmarshal(result.Payload, &answer) != nil {
		return bodies
	}
	for _, item := range answer.BatchItemFailures {
		i, err := strconv.Atoi(item.ItemIdentifier)
		g.must(i, err)
		failed = append(failed, bodies[i])
	}
	return failed
}

// notUTF8 stands in a body for bytes that are no text.
const notUTF8 = "NOT-UTF-8"

func (g *guarded) logged() []string {
	return strings.Split(g.Log.String(), "\n")
}

// ignored are how many lines since so many say that something was ignored. A process's output may come after its answer.
func (g *guarded) ignored(since, most int) int {
	said := 0
	for range 20 {
		said = 0
		for _, line := range g.logged()[since:] {
			if strings.Contains(line, "ignored") || strings.Contains(line, "no such notice") || strings.Contains(line, "not understood") {
				said++
			}
		}
		if said >= most {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return said
}

func poisonTexts() []poison {
	texts := func(all ...string) func(*guarded, string) []string {
		return func(*guarded, string) []string { return all }
	}
	deep := func(open, inner, end string, n int) string {
		return strings.Repeat(open, n) + inner + strings.Repeat(end, n)
	}
	return []poison{
		{"not JSON", texts("hello", "{", "<Event/>", `{"detail":}`, "\x00", "'", `{"a":1}{"b":2}`, `{"icaguard":"request",}`)},
		{"empty", texts("", " ", "{}", "null", "[]", `""`, "\n\t", "0")},
		{"deep", texts(deep("[", "", "]", 20_000), deep(`{"detail":`, "{}", "}", 20_000), deep(`{"request":`, "1", "}", 9_000))},
		{"invalid UTF-8", texts(notUTF8, `{"icaguard":"`+notUTF8+`"}`, `{"detail-type":"x`+notUTF8+`","detail":{"eventName":"`+notUTF8+`"}}`)},
		{"wrong types", texts(
			`7`, `"text"`, `[{}]`, `{"detail":7}`, `{"detail-type":[1],"detail":"x"}`, `{"icaguard":{"a":1},"request":[]}`,
			`{"icaguard":"request","request":"x"}`, `{"icaguard":"audited","audited":[7]}`,
		)},
		{"unknown versions", texts(
			`{"icaguard":"request/2","request":{}}`, `{"icaguard":"look","look":{"setting":"bucket-cors"}}`, `{"icaguard":2,"request":{}}`,
			`{"icaguard":"request"}`, `{"icaguard":"notice","notice":{"subject":"x","body":"y"}}`, `{"icaguard":"REQUEST","request":{}}`,
		)},
		{"forged notices", texts(
			`{"icaguard":"notice","notice":{"key":"NOBODY","attempts":-200000000}}`, `{"icaguard":"notice","notice":{"key":["a"]}}`,
			`{"icaguard":"notice","notice":{"key":"recorded#notice","attempts":1e308}}`, `{"icaguard":"notice","notice":{"key":""}}`,
			`{"icaguard":"notice","notice":{"key":"`+strings.Repeat("x", 3000)+`"}}`, `{"icaguard":"notice","notice":{"subject":"all is well"}}`,
		)},
		{"unknown resources", texts(
			`{"icaguard":"request","request":{"setting":"no-such-setting"}}`, `{"icaguard":"request","request":{"resource":"arn:aws:s3:::gone"}}`,
			`{"icaguard":"request","request":{"resource":"*","setting":"bucket-cors"}}`,
			`{"icaguard":"request","request":{"settings":["x","y"]}}`, `{"icaguard":"request","request":{"resource":"../../x"}}`,
		)},
		{"ARNs of others", texts(
			`{"icaguard":"request","request":{"resource":"arn:aws:iam::999999999999:role/Role1","setting":"role-trust"}}`,
			`{"icaguard":"request","request":{"resource":"arn:aws:s3:::strangers","setting":"bucket-policy","attempt":3}}`,
			`{"icaguard":"request","request":{"resource":"arn:aws:kms:us-east-1:999999999999:key/k","setting":"kms-key-state"}}`,
			`{"icaguard":"request","request":{"resource":"arn:aws-cn:s3:::lab-1-ica"}}`,
		)},
	}
}

func poisonEvents() []poison {
	edited := func(pairs ...[]string) func(*guarded, string) []string {
		return func(_ *guarded, good string) (all []string) {
			for _, pair := range pairs {
				all = append(all, strings.NewReplacer(pair...).Replace(good))
			}
			return all
		}
	}
	request := func(more ...string) func(*guarded, string) []string {
		return func(g *guarded, _ string) (all []string) {
			for _, m := range more {
				all = append(all, `{"icaguard":"request","request":{"resource":"`+g.storage.Bucket.ARN+`x","setting":"bucket-cors",`+m+`}}`)
			}
			return all
		}
	}
	return []poison{
		{"huge", func(*guarded, string) []string {
			long := strings.Repeat("x", 250_000)
			return []string{
				`{"detail":{"eventSource":"s3.amazonaws.com","eventName":"` + long + `"}}`, `{"icaguard":"` + long + `"}`, long,
				`{"icaguard":"request","request":{"setting":"` + long + `"}}`,
			}
		}},
		{"forged numbers", request(
			`"attempt":-200000000`, `"attempt":1e308,"gateTries":-5`, `"gateTries":99999999999999999999`, `"attempt":"many"`,
			`"deferredSince":"9999-12-31T23:59:59Z","attempt":-1`, `"attempt":null,"events":[{"time":"0001-01-01T00:00:00Z"}]`,
		)},
		{"other accounts", edited(
			[]string{"123456789012", "999999999999"}, []string{`"recipientAccountId":"123456789012"`, `"recipientAccountId":"999999999999"`},
		)},
		{"failed calls", edited(
			[]string{`"requestParameters":`, `"errorCode":"AccessDenied","requestParameters":`},
			[]string{`"requestParameters":`, `"errorCode":"Throttling","errorMessage":"x","requestParameters":`},
		)},
		{"other names", edited(
			[]string{"lab-", "nobodys-", "Role", "Nobodys"}, []string{"Bucket", "Bracket", "UpdateRole", "UpgradeRole"},
		)},
		{"duplicate keys", edited(
			[]string{`"detail":`, `"detail":{"eventName":"CreateUser"},"icaguard":"x","icaguard":"y","detail":`},
			[]string{`"detail":`, `"icaguard":"notice","notice":{"key":"a"},"icaguard":"look","detail":`},
		)},
		{"stack events", func(*guarded, string) (all []string) {
			const others = "arn:aws:cloudformation:us-east-1:999999999999:stack/icaguard-guard/x"
			for _, stack := range []string{"somebodys", "icaguard-guard/x", "", others} {
				all = append(all, `{"detail-type":"CloudFormation Stack Status Change","source":"aws.cloudformation","detail":{"stack-id":"`+stack+
					`","status-details":{"status":"UPDATE_COMPLETE"}}}`)
			}
			return all
		}},
		{"another queue's", func(g *guarded, good string) []string {
			// The whole batch is refused: what is on another queue stays there.
			if failed := g.batch(g.DeadLetters.ARN, []string{good}); len(failed) != 1 {
				g.t.Error("a batch of another queue was taken")
			}
			if rules := g.cors(); len(rules) != 1 {
				g.t.Errorf("a batch of another queue made icaguard restore: %v", rules)
			}
			return []string{"another queue's"}
		}},
	}
}
