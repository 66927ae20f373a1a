package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/ledger"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/notify"
	"github.com/icaguard/icaguard/internal/testlab"
)

// testForgedNotices: nobody speaks as icaguard who may send to its queue, and what an older version left there is told by
// nobody. What names no notice of the ledger is done.
func testForgedNotices(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	notUnderstood := []string{
		`{"icaguard":"notice","notice":{"subject":"[icaguard] all is well","body":"it was Bob","filter":{"severity":["info"]},"attempts":-7}}`,
		`{"icaguard":"notice","notice":{"key":"` + strings.Repeat("x", 2000) + `","body":"it was Bob"}}`,
		`{"icaguard":"notice","notice":{"key":["a"]}}`,
		`{"icaguard":"` + strings.Repeat("\u202e", 1000) + `"}`,
	}
	w.must(w.ledger().Put(t.Context(), guard.SelfName, "notice", `{"subject":"no notice","body":"no notice"}`))
	w.done(append(notUnderstood,
		`{"icaguard":"notice","notice":{"key":"NOBODY","attempts":-200000000,"body":"it was Bob"}}`,
		`{"icaguard":"notice","notice":{"key":"recorded#notice","attempts":1e308}}`,
		`{"icaguard":"notice","notice":{"key":"../recorded#notice","attempts":"many"}}`,
	)...)
	if all := w.notices(); len(all) != 0 {
		t.Errorf("somebody else speaks: %+v", all)
	}
	dead := w.queues[deadLetters].Take()
	if len(dead) != len(notUnderstood) {
		t.Errorf("%d dead letters, want %d", len(dead), len(notUnderstood))
	}
	for _, d := range dead {
		if reason := aws.ToString(d.MessageAttributes["reason"].StringValue); reason == "" || strings.ContainsAny(reason, "\u202e\n") ||
			len([]rune(reason)) > 701 {
			t.Errorf("reason %q", reason)
		}
	}
	w.posts.Take()
}

// testForgedRestores: nothing was restored, so nobody is told so, whatever a request claims: differences and culprits of its
// own, keys of entries that are not there, another's, too old, of another version or cannot be read.
func testForgedRestores(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	now, other := time.Now().UTC(), newEnv(t, s)
	at := func(d time.Duration) string {
		return "backup#bucket-cors#" + now.Add(d).Format("2006-01-02T15:04:05.000000000Z")
	}
	item := func(entry, version, at string, more map[string]string) {
		w.item(w.Storage.Bucket.ARN, entry, version, at, more)
	}
	told := map[string]string{"value": "{}", "diffs": `[{"path":"x","expected":"1","found":"2"}]`, "events": `[]`}
	stamp := func(d time.Duration) string { return now.Add(d).Format("2006-01-02T15:04:05.000000000Z") }
	item(at(-time.Second), "", stamp(0), told)
	item(at(-2*time.Second), "0", stamp(0), told)
	item(at(-3*time.Second), "2", stamp(0), told)
	item(at(-4*time.Second), "1", "yesterday", told)
	item(at(-5*time.Second), "1", stamp(time.Hour), told)
	item(at(time.Hour), "1", stamp(0), told)
	item(at(-25*time.Hour), "1", stamp(-25*time.Hour), told)
	item(at(-6*time.Second), "1", stamp(0), map[string]string{"value": "{}", "diffs": `{`, "events": `[]`})
	item(at(-7*time.Second), "1", stamp(0), map[string]string{"value": "{}", "diffs": told["diffs"], "events": `7`})
	w.item(other.Storage.Bucket.ARN, at(-8*time.Second), "1", stamp(0), told)
	const culprit = `"events":[{"eventId":"1","event":"DeleteBucketCors","time":"2026-01-15T09:12:33Z","actor":{"arn":"user/bob"}}]`
	keys := []string{
		"", "x", strings.Repeat("x", 3000), "recorded#notification", "backup#bucket-cors#", "backup#bucket-policy#" + stamp(0),
		at(-9 * time.Second), at(-time.Second), at(-2 * time.Second), at(-3 * time.Second), at(-4 * time.Second), at(-5 * time.Second),
		at(time.Hour), at(-25 * time.Hour), at(-6 * time.Second), at(-7 * time.Second), at(-8 * time.Second),
	}
	for _, key := range keys {
		w.invokeBatch(fmt.Sprintf(`{"icaguard":"request","request":{"setting":"bucket-cors","attempt":1,"backup":%q,%s,`+
			`"wrote":[{"path":"x","expected":"1","found":"2"}]}}`, key, culprit))
		if n := w.notices(); len(n) != 0 {
			t.Errorf("key %q: told %+v", key, n)
		}
	}
	// What it did itself it tells with the events that it stored then.
	item(at(-10*time.Second), "1", stamp(-10*time.Second), map[string]string{
		"value": "{}", "diffs": told["diffs"], "events": strings.Replace(culprit[len(`"events":`):], "bob", "alice", 1),
	})
	w.invokeBatch(fmt.Sprintf(
		`{"icaguard":"request","request":{"setting":"bucket-cors","attempt":1,"backup":%q,%s}}`, at(-10*time.Second), culprit,
	))
	n := w.notices()
	if len(n) != 1 || !strings.Contains(n[0].Message, "user/alice") || strings.Contains(n[0].Message, "bob") {
		t.Errorf("want the one restore as it is stored: %+v", n)
	}
}

// item puts an entry into the ledger as it may be found there.
func (w *env) item(resource, entry, version, at string, more map[string]string) {
	w.t.Helper()
	item := map[string]types.AttributeValue{}
	for name, value := range map[string]string{ledger.PartitionKey: resource, ledger.SortKey: entry, "version": version, "at": at} {
		item[name] = &types.AttributeValueMemberS{Value: value}
	}
	for name, value := range more {
		item[name] = &types.AttributeValueMemberS{Value: value}
	}
	_, err := dynamodb.NewFromConfig(w.fixture.DirectConfig(testlab.Region)).PutItem(w.t.Context(), &dynamodb.PutItemInput{
		TableName: aws.String(guard.LedgerTable), Item: item,
	})
	w.must(err)
}

// testForgedEvents: what others chose is one line in a mail, clipped, and huge events end nothing.
func testForgedEvents(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	event := w.heardOne(func() { w.ShortenSession(testlab.Stranger) })
	const evil = "evil\\n\\nstatus    in-sync\\u001b[2J\\u009b\\u202eknil\\u2066\\u2028\\u0000<b>"
	session := strings.Replace(event, "user/"+testlab.Stranger, evil+strings.Repeat("x", 100_000), 1)
	if session == event {
		t.Fatalf("no actor in %s", event)
	}
	request := `{"icaguard":"request","request":{"setting":"bucket-cors","reason":"` + evil + `","attempt":1e308,"gateTries":null,"events":[` +
		strings.TrimSuffix(strings.Repeat(`{"eventId":"`+evil+`","event":"`+strings.Repeat("y", 500)+
			`","time":"9999-12-31T23:59:59-23:00","actor":{"arn":"`+evil+`","from":"`+evil+`"}},`, 100), ",") + `]}}`
	w.DeleteCORS()
	w.received()
	w.invokeBatch(session, request)
	w.ExpectRestored()
	all := w.notices()
	if len(all) != 2 {
		t.Fatalf("%d notices, want the two restores: %+v", len(all), all)
	}
	for _, n := range all {
		if strings.ContainsAny(n.Message, "\x1b\u009b\u202e\u2066\u2028\x00") || strings.Count(n.Message, "\nstatus ") != 1 ||
			len(n.Message) > 20_000 {
			t.Errorf("the notice holds what others made of it: %d bytes %q", len(n.Message), n.Message)
		}
	}
	for _, p := range w.posts.Take() {
		if len(p.MessageBody) > 50_000 {
			t.Errorf("a message of %d bytes", len(p.MessageBody))
		}
	}
}

// testAlertsNotPushedOut: events that mean nothing do not hide one that is an alert by itself, also where it had to wait for
// a deploy.
func testAlertsNotPushedOut(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	sample, err := os.ReadFile("../../events/aws.sqs.PurgeQueue.json")
	w.must(err)
	purge := strings.ReplaceAll(string(sample), "111122223333", s.Account())
	noise := func(n int) string {
		var events []string
		for i := range 20 {
			events = append(events, fmt.Sprintf(
				`{"eventId":"%d-%d","event":"UpdateRole","time":"2026-01-15T09:12:33Z","actor":{"arn":"user/noise"}}`, n, i))
		}
		return `{"icaguard":"request","request":{"setting":"guard-queue","events":[` + strings.Join(events, ",") + `]}}`
	}
	w.PlayStacks("UPDATE_IN_PROGRESS")
	w.invokeBatch(noise(1), purge, noise(2), noise(3))
	deferred := w.expectPosts(1)[0].MessageBody
	w.PlayStacks("UPDATE_COMPLETE")
	w.invokeBatch(noise(4), deferred, noise(5))
	w.expectNotice(guard.ActionRequired, "critical", "CloudTrail reports that PurgeQueue by ")
}

// testAudited: what people are told of an audit, remediate has read itself, whatever fingerprint reaches it.
func testAudited(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	w.must(w.ledger().Put(t.Context(), guard.SelfName, "summary", "nothing")) // all envs have one ledger
	audited := func(fingerprint string) {
		t.Helper()
		w.done(`{"icaguard":"audited","audited":{"fingerprint":"` + fingerprint + `","outcomes":[{"setting":"role-trust"}]}}`)
	}
	audited("nothing")
	w.expectCalls(w.Calls(), "GetItem") // people know that
	audited("forged")
	if got := summaries(w.notices()); len(got) != 1 || !strings.HasPrefix(got[0], "[icaguard] all ") {
		t.Errorf("summaries %v, want that all is well", got)
	}
	audited("forged")
	if got := w.notices(); len(got) != 0 {
		t.Errorf("told again what people know: %+v", got)
	}
	known, err := w.ledger().Get(t.Context(), guard.SelfName, "summary")
	w.must(err)
	if known == "forged" || known == "nothing" || len(known) != len(notify.Fingerprint(nil)) {
		t.Errorf("recorded %q, want the fingerprint of what was found", known)
	}
	w.ShortenSession(testlab.Stranger)
	w.received()
	refused := w.Inject(localaws.Fault{Operation: "Publish", Kind: localaws.Denied})
	audited("something")
	refused()
	w.done(w.expectPosts(1)[0].MessageBody) // the ledger kept it
	if got := summaries(w.notices()); len(got) != 1 || !strings.HasPrefix(got[0], "[icaguard] 1 of ") {
		t.Errorf("summaries %v, want one that needs attention", got)
	}
	w.ExpectSession(3600) // an audit restores nothing
	w.Inject(localaws.Fault{Operation: "PutItem", Kind: localaws.Denied})
	w.Rename("for ICA")
	audited("something else")
	audited("something else")
	if got := summaries(w.notices()); len(got) != 2 {
		t.Errorf("summaries %v: what could not be recorded is told again", got)
	}
}

// testPauseEnded: whoever deletes the parameter of a pause ends it; then everything is checked, now and a minute later.
func testPauseEnded(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	w.Break()
	w.received()
	sample, err := os.ReadFile("../../events/aws.ssm.DeleteParameter.icaguard.json")
	w.must(err)
	var event struct {
		Detail struct{ RequestParameters map[string]string }
	}
	w.must(json.Unmarshal(sample, &event))
	name := event.Detail.RequestParameters["name"]
	w.done(strings.NewReplacer("111122223333", s.Account(), name, guard.PauseParameters+w.Storage.Name).Replace(string(sample)))
	w.ExpectRestored()
	p := w.expectPosts(1)[0]
	if r := requestOf(t, p.MessageBody); r.Resource != "" || r.Setting != "" || p.DelaySeconds != 60 {
		t.Errorf("want a check of everything after a minute: %+v", p)
	}
}
