package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
	"github.com/icaguard/icaguard/internal/testlab"
)

// TestRemediate runs the real binary behind the Lambda runtime API. The envs of its tests do not see each other.
func TestRemediate(t *testing.T) {
	s := newFixture(t)
	for name, test := range map[string]func(*testing.T, *fixture){
		"malformed among good":         testMalformedAmongGood,
		"nothing of ours":              testNothingOfOurs,
		"recorded events":              testRecordedEvents,
		"many events about one role":   testManyEventsAboutOneRole,
		"no batch":                     testNoBatch,
		"requests of one":              testRequests,
		"queued request":               testQueuedRequest,
		"configuration missing":        testConfigMissing,
		"configuration faulty":         testConfigFaulty,
		"configuration beside binary":  testConfigBesideBinary,
		"another account":              testAnotherAccount,
		"observe":                      testObserve,
		"own echo":                     testOwnEcho,
		"second check":                 testSecondCheck,
		"AWS refuses":                  testDenied,
		"AWS refuses explicitly":       testExplicitDeny,
		"AWS is slow":                  testSlow,
		"AWS is away":                  testAway,
		"requeue fails":                testRequeueFails,
		"notice cannot be sent":        testNoticeFails,
		"notice and ledger fail":       testNoticeAndLedgerFail,
		"notice is slow":               testNoticeSlow,
		"forged notices":               testForgedNotices,
		"forged restores":              testForgedRestores,
		"forged events":                testForgedEvents,
		"alerts are not pushed out":    testAlertsNotPushedOut,
		"audited":                      testAudited,
		"pause ended":                  testPauseEnded,
		"notice can never be sent":     testNoticeNeverSent,
		"dead-letter queue is refused": testDeadLetterFails,
		"deploy settled":               testSettled,
		"deploy not over":              testDeployNotOver,
		"stack events of no interest":  testOtherStackEvents,
		"found by an audit":            testFoundByAudit,
		"request id":                   testRequestID,
		"shared role":                  testSharedRole,
		"an accepted finding":          testAccepted,
		"odd numbers among good":       testOddNumbers,
		"odd gate tries":               testOddGateTries,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, s)
		})
	}
}

func testMalformedAmongGood(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	good := w.breakIt()
	malformed := map[string]string{
		`{"hello":"env"}`:     "neither an EventBridge event",
		`{"detail":`:          "unexpected end of JSON input",
		`{"icaguard":"sing"}`: `"sing": a message of ours of an unknown kind: it was written by another version of icaguard`,
	}
	batch := slices.Clone(good)
	for body := range malformed {
		batch = slices.Insert(batch, 1, body)
	}
	w.done(batch...)
	w.ExpectRestored()
	dead := w.queues[deadLetters].Take()
	if len(dead) != len(malformed) {
		t.Errorf("%d messages in the dead-letter queue, want the %d malformed ones", len(dead), len(malformed))
	}
	for _, message := range dead {
		want, ours := malformed[aws.ToString(message.Body)]
		if reason := aws.ToString(message.MessageAttributes["reason"].StringValue); !ours || !strings.Contains(reason, want) {
			t.Errorf("%s: reason %q, want %q", aws.ToString(message.Body), reason, want)
		}
	}
	if left := w.poll(true); len(left) != 0 {
		t.Errorf("messages come again: %+v", left)
	}
}

// others are events that ask for nothing here, with what the log says of each.
func (w *env) others() map[string]string {
	w.t.Helper()
	event := w.heardOne(func() { w.ShortenSession(testlab.Stranger) })
	replaced := func(old, text string) string {
		if !strings.Contains(event, old) {
			w.t.Fatalf("no %s in %s", old, event)
		}
		return strings.ReplaceAll(event, old, text)
	}
	role, account := w.Storage.Role.Name, w.fixture.Account()
	return map[string]string{
		replaced(role, "AnotherRole"): "it concerns nothing of this " +
			"configuration",
		replaced(`"UpdateRole"`, `"UpdateFamily"`): "no setting listens to aws.iam " +
			"UpdateFamily",
		replaced("iam.amazonaws", "sagemaker.amazonaws"): "no setting listens to aws.sagemaker " +
			"UpdateRole",
		replaced(account, "999999999999"): "it happened in account " +
			"999999999999, not in " + account,
		replaced(`"eventName"`, `"errorCode":"AccessDenied","eventName"`): "the call failed with AccessDenied, " +
			"so nothing changed",
		strings.ReplaceAll(w.heardOne(w.DeleteCORS), w.Storage.Bucket.Name, "another-bucket"): "it concerns nothing of this " +
			"configuration",
	}
}

// heardOne is the one event of a change.
func (w *env) heardOne(change func()) string {
	w.t.Helper()
	change()
	events := w.received()
	if len(events) != 1 {
		w.t.Fatalf("%d events, want one", len(events))
	}
	return events[0]
}

func testNothingOfOurs(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	others := w.others()
	for event := range others {
		w.done(event)
	}
	w.expectCalls(w.Calls())
	w.ExpectBroken()
	log := w.logged()
	for event, why := range others {
		if !strings.Contains(log, why) {
			t.Errorf("the log does not say %q of %s:\n%s", why, event, log)
		}
	}
}

// testRecordedEvents lets the function run in the account that the recordings show, so that routing decides.
func testRecordedEvents(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	w.config.ARN = strings.Replace(w.config.ARN, s.Account(), "111122223333", 1)
	w.start()
	paths, err := filepath.Glob("../../events/recorded/*.json")
	w.must(err)
	if len(paths) < 34 {
		t.Fatalf("%d recorded events, want 34", len(paths))
	}
	for batch := range slices.Chunk(paths, 10) {
		var bodies []string
		for _, path := range batch {
			body, err := os.ReadFile(path)
			w.must(err)
			bodies = append(bodies, string(body))
		}
		w.done(bodies...)
	}
	w.expectCalls(w.Calls(), "GetRole", "GetRole") // two change what a policy says: whether ICA's role has it, a check tells
	if dead := w.queues[deadLetters].Take(); len(dead) != 0 {
		t.Errorf("%d recorded events were not understood", len(dead))
	}
}

func testManyEventsAboutOneRole(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	var people []string
	for i := range 10 {
		person := fmt.Sprintf("AKIAPERSON%d", i)
		w.ShortenSession(person)
		people = append(people, "arn:aws:iam::"+s.Account()+":user/"+person+" from")
	}
	w.done(w.received()...)
	if calls := testlab.Operations(w.Calls(), "iam"); !slices.Equal(calls, []string{"GetRole", "GetRole", "UpdateRole", "GetRole"}) {
		t.Errorf("calls %v, want one check, one read before the write, one restore, one reading back", calls)
	}
	w.expectNotice(guard.Restored, "info", people...)
	w.ExpectRestored()
}

// testNoBatch: whoever may invoke the function makes it do nothing, and is told what to do instead.
func testNoBatch(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	event := w.heardOne(w.DeleteCORS)
	batchFrom := func(source, arn string) string {
		batch, err := json.Marshal(events.SQSEvent{Records: []events.SQSMessage{
			{MessageId: "1", Body: event, EventSource: source, EventSourceARN: arn},
		}})
		w.must(err)
		return string(batch)
	}
	ours := w.queues[requests].ARN
	for _, payload := range []string{
		event, w.request("", ""), `{}`, `null`, `[]`, `"x"`, `{"Records":[]}`, `{"Records":{}}`, `{"icaguard":"sing"}`,
		batchFrom("", ""), batchFrom("aws:sqs", ""), batchFrom("aws:sns", ours), batchFrom("aws:sqs", ours+"-2"),
		batchFrom("aws:sqs", strings.Replace(ours, s.Account(), "999999999999", 1)),
	} {
		testlab.ExpectFailure(t, w.function, payload, "batches of its own queue only", "icaguard reconcile")
	}
	w.expectCalls(w.Calls())
}

// request is the message that asks to check a setting on a resource; empty: all of them.
func (w *env) request(resource, setting string) string {
	w.t.Helper()
	body, err := guard.Encode(guard.Request{Resource: resource, Setting: setting, Reason: "test"})
	w.must(err)
	return body
}

func testRequests(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	w.Break()
	w.invokeBatch(w.request(w.Storage.Bucket.ARN, "bucket-cors"))
	w.expectNotice(guard.Restored, "info", "resource  "+w.Storage.Bucket.ARN)
	w.ExpectSession(3600) // nobody asked for it
	w.invokeBatch(w.request("", "role-session-duration"))
	w.expectNotice(guard.Restored, "info", "resource  "+w.Storage.Role.ARN)
	w.ExpectRestored()
	w.Break()
	w.invokeBatch(w.request("", ""))
	w.ExpectRestored()
}

func testQueuedRequest(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	w.Break()
	w.done(w.request("", ""), w.request("arn:aws:s3:::removed-bucket", ""), w.request("", "removed-setting"))
	w.ExpectRestored()
	mark := len(w.Calls())
	w.done(w.request("", "bucket-cors"), w.request("", "role-session-duration")) // now all is well
	w.expectCalls(w.Calls()[mark:], "GetBucketCors", "GetRole")
	w.expectPosts(0)
}

func testConfigMissing(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	event := w.heardOne(w.DeleteCORS)
	w.config.Env[guard.EnvConfig] = filepath.Join(t.TempDir(), "ica.yaml")
	w.start()
	for range 2 { // the message is the same when the process is warm
		testlab.ExpectFailure(
			t,
			w.function,
			event,
			"config: read: open "+w.config.Env[guard.EnvConfig],
			"no such file",
			"copy ica.example.yaml there",
		)
	}
	w.expectCalls(w.Calls())
}

func testConfigFaulty(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	event := w.heardOne(w.DeleteCORS)
	w.must(os.WriteFile(w.Config, []byte("storages:\n  - name: lab-prod\n    icaRegion: XX\n    colour: red\n"), 0o600))
	w.start()
	for range 2 {
		testlab.ExpectFailure(t, w.function, event,
			w.Config+`:3:16: storages[0].icaRegion: `, "allowed: AU, CA,", "example: icaRegion: US",
			w.Config+`:4:5: storages[0].colour: unknown key`, "storages[0].bucket.name: is missing")
	}
	w.expectCalls(w.Calls())
}

func testConfigBesideBinary(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	event := w.heardOne(w.DeleteCORS)
	delete(w.config.Env, guard.EnvConfig)
	w.config.Binary = filepath.Join(t.TempDir(), "bootstrap")
	w.must(os.Link(s.binary, w.config.Binary))
	beside := filepath.Join(filepath.Dir(w.config.Binary), "ica.yaml")
	testlab.ExpectFailure(t, w.start().function, event, "config: read: open "+beside, "no such file")
	text, err := os.ReadFile(w.Config)
	w.must(err)
	w.must(os.WriteFile(beside, text, 0o600))
	w.start().invokeBatch(event)
	w.ExpectRestored()
}

func testAnotherAccount(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	event := w.heardOne(w.DeleteCORS)
	text, err := os.ReadFile(w.Config)
	w.must(err)
	w.must(os.WriteFile(w.Config, append([]byte("account: \"999999999999\"\n"), text...), 0o600))
	testlab.ExpectFailure(t, w.start().function, event, "asks for account 999999999999", "those of "+s.Account(), "correct account")
	w.expectCalls(w.Calls())
}

func testObserve(t *testing.T, s *fixture) {
	w := newEnvIn(t, s, icaconfig.Observe)
	w.done(w.heardOne(func() { w.ShortenSession(testlab.Stranger) }))
	w.expectCalls(w.Calls(), "GetRole", "Publish")
	w.ExpectSession(3600)
	w.expectNotice(
		guard.Drifted, "critical", "user/"+testlab.Stranger, "expected 43200 s, found 3600 s",
		"do        IAM console, role "+w.Storage.Role.Name,
	)
	w.expectPosts(0)
}

// testOwnEcho delivers the events of the restore itself.
func testOwnEcho(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	w.done(w.breakIt()...)
	echoes := w.received()
	if len(echoes) != 2 || !strings.Contains(echoes[0], "assumed-role/"+guard.RemediateFunction+"/"+guard.RemediateFunction) {
		t.Fatalf("want the events of the two restores: %s", echoes)
	}
	w.expectPosts(0)
	mark := len(w.Calls())
	w.done(echoes...)
	w.expectCalls(w.Calls()[mark:], "GetBucketCors", "GetRole")
	w.expectPosts(0)
}

// testSecondCheck delivers an event that says "changed" while the check says "in-sync".
func testSecondCheck(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	w.done(w.heardOne(func() { w.Rename("renamed") }))
	second := w.expectAgain(w.expectPosts(1)[0], "role-session-duration", 15*time.Second, "second check")
	w.done(second)
	w.expectPosts(0)
	w.expectCalls(w.Calls(), "GetRole", "SendMessageBatch", "GetRole")
	if notices := w.notices(); len(notices) != 0 {
		t.Errorf("a check in sync is nobody's news: %+v", notices)
	}
}

// testAccepted: nobody is told of a finding that ica.yaml accepts, until it changes.
func testAccepted(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	deny := w.Deny("LabDeny", "s3:PutObject")
	w.done(w.heardOne(func() { w.PutBucketPolicy(deny) }))
	w.expectNotice(guard.ActionRequired, "critical", "LabDeny")
	found := guard.Finding{}.About(deny.Sid, policy.New(deny).Statements()[0].JSON())
	w.Except(icaconfig.ExceptionSpec{
		Storage: w.Storage.Name, Setting: "bucket-policy", Match: found.Match, Digest: found.Digest, Reason: "ticket LAB-12",
	}.Line())
	w.start()
	w.done(w.heardOne(func() { w.PutBucketPolicy(deny) }))
	if notices := w.notices(); len(notices) != 0 {
		t.Errorf("people were told of what they accept: %+v", notices)
	}
	w.done(w.heardOne(func() { w.PutBucketPolicy(w.Deny("LabDeny", "s3:PutObject", "s3:GetObject")) }))
	w.expectNotice(guard.ActionRequired, "critical", "LabDeny", "has changed since")
	if logged := w.logged(); !strings.Contains(logged, `"status":"accepted"`) || !strings.Contains(logged, "ticket LAB-12") {
		t.Errorf("the log does not say what is accepted and why: %s", logged)
	}
}

// eventsOf are the ids of the events that a message carries.
func eventsOf(t *testing.T, body string) []string {
	t.Helper()
	var ids []string
	for _, event := range requestOf(t, body).Events {
		ids = append(ids, event.EventID)
	}
	return ids
}

func eventID(t *testing.T, body string) string {
	t.Helper()
	var event struct {
		Detail struct {
			EventID string `json:"eventID"`
		} `json:"detail"`
	}
	if err := json.Unmarshal([]byte(body), &event); err != nil || event.Detail.EventID == "" {
		t.Fatalf("no event: %v: %s", err, body)
	}
	return event.Detail.EventID
}
