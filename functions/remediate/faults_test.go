package main_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/ledger"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	"github.com/icaguard/icaguard/internal/testlab"
)

// shortTimeout leaves three seconds for checking: the engine keeps six for posting and reporting.
const shortTimeout = 9 * time.Second

// testDenied lets the request to check again arrive by itself, after its delay, when AWS allows the call again.
func testDenied(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	event := w.heardOne(func() { w.ShortenSession(testlab.Stranger) })
	allow := w.Inject(localaws.Fault{Operation: "GetRole", Kind: localaws.Denied})
	w.done(event)
	again := w.expectAgain(w.expectPosts(1)[0], "role-session-duration", 5*time.Second, "is not authorized to perform: iam:GetRole")
	if ids := eventsOf(t, again); !slices.Equal(ids, []string{eventID(t, event)}) {
		t.Errorf("events %v, want the one", ids)
	}
	if notices := w.notices(); len(notices) != 0 {
		t.Errorf("what may pass by itself is nobody's news yet: %+v", notices)
	}
	allow()
	batches := w.poll(true)
	if len(batches) != 1 || batches[0].Messages[0].Body != again {
		t.Fatalf("want the request again to arrive: %+v", batches)
	}
	w.ExpectRestored()
	w.expectNotice(guard.Restored, "info", "user/"+testlab.Stranger)
}

func testExplicitDeny(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	event := w.heardOne(func() { w.ShortenSession(testlab.Stranger) })
	w.Inject(localaws.Fault{Operation: "UpdateRole", Kind: localaws.ExplicitDeny})
	w.done(event)
	w.expectPosts(0)
	w.expectNotice(
		guard.ActionRequired, "critical", "user/"+testlab.Stranger, "iam:UpdateRole", "explicit deny in a service control policy",
		"icaguard never works around one. Ask its owner for an exception", "the storage configuration goes offline",
	)
	w.ExpectSession(3600)
}

// testSlow lets AWS answer only after the function's time would be over. What it then does not reach comes at once, as it was.
func testSlow(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	w.config.Timeout = shortTimeout
	w.start()
	events := w.breakIt()
	var faster []func()
	for _, service := range []string{"iam", "s3"} {
		faster = append(faster, w.Inject(localaws.Fault{Service: service, Kind: localaws.Slow, Delay: time.Minute}))
	}
	w.invokeBatch(events...) // the function answers: it was not killed
	posts := w.expectPosts(2)
	at := slices.IndexFunc(posts, func(p localawstest.Post) bool { return requestOf(t, p.MessageBody).Setting == "bucket-cors" })
	w.expectAgain(posts[max(0, at)], "bucket-cors", 5*time.Second, "deadline exceeded")
	later := posts[1-max(0, at)]
	r := requestOf(t, later.MessageBody)
	if later.DelaySeconds != 0 || r.Setting != "role-session-duration" || r.Resource != w.Storage.Role.ARN || r.Attempt != 0 ||
		!slices.Equal(eventsOf(t, later.MessageBody), []string{eventID(t, events[1])}) {
		t.Errorf("want the request for the role at once, as it came: %+v", later)
	}
	for _, remove := range faster {
		remove()
	}
	w.poll(true)
	w.ExpectRestored()
}

// testAway closes every endpoint to the function, its own queue's too.
func testAway(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	events := w.breakIt()
	const nowhere = "http://127.0.0.1:1" // nothing listens there
	w.config.Env["AWS_ENDPOINT_URL"], w.config.Env["AWS_ENDPOINT_URL_SQS"] = nowhere, nowhere
	w.start()
	needed := slices.Concat(events, []string{`{"hello":"env"}`}) // its way to the dead-letter queue is closed too
	ignored := strings.ReplaceAll(events[1], w.Storage.Role.Name, "AnotherRole")
	if failed := w.failing(slices.Concat(needed, []string{ignored})...); !slices.Equal(failed, needed) {
		t.Errorf("messages that come again: %s, want all but the one that asks for nothing", failed)
	}
	log := w.logged()
	for _, text := range []string{"connection refused", "message comes again", "bucket-cors: requeue: queue: send to"} {
		if !strings.Contains(log, text) {
			t.Errorf("the log lacks %q:\n%s", text, log)
		}
	}
}

// testRequeueFails needs a request to check the role again, and does not get it sent.
func testRequeueFails(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	cors, role := w.heardOne(w.DeleteCORS), w.heardOne(func() { w.ShortenSession(testlab.Stranger) })
	request := w.request("", "role-session-duration")
	ignored := strings.ReplaceAll(role, w.Storage.Role.Name, "AnotherRole")
	w.Inject(localaws.Fault{Operation: "GetRole", Kind: localaws.Denied})
	w.Inject(localaws.Fault{Operation: "SendMessageBatch", Kind: localaws.Denied})
	failed := w.failing(role, cors, ignored, request, w.request("", "bucket-cors"))
	if want := []string{role, request}; !slices.Equal(failed, want) {
		t.Errorf("messages that come again: %s, want those that asked for the role: %s", failed, want)
	}
	w.ExpectCORS(w.NeededCORS())
	w.expectNotice(guard.Restored, "info", "DeleteBucketCors by")
}

// testNoticeFails lets SNS refuse the notice of a restore, which must not be lost: the restore will not happen again.
func testNoticeFails(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	event := w.heardOne(func() { w.ShortenSession(testlab.Stranger) })
	allow := w.Inject(localaws.Fault{Operation: "Publish", Kind: localaws.Denied})
	w.done(event)
	w.ExpectRestored()
	first := w.expectNoticePosted(time.Minute, 1)
	w.done(first) // still refused
	second := w.expectNoticePosted(2*time.Minute, 2)
	if notices := w.notices(); len(notices) != 0 {
		t.Fatalf("SNS took what it refused: %+v", notices)
	}
	allow()
	w.done(second)
	w.expectNotice(guard.Restored, "info", "user/"+testlab.Stranger, "expected 43200 s, found 3600 s")
	w.done(second) // delivered twice
	w.expectPosts(0)
	if again := w.notices(); len(again) != 0 {
		t.Errorf("what was delivered is deleted: %+v", again)
	}
}

// testNoticeAndLedgerFail: neither SNS nor the ledger takes the notice of a restore. What was stored before the write is
// reported by the next check that both let through.
func testNoticeAndLedgerFail(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	event := w.heardOne(func() { w.ShortenSession(testlab.Stranger) })
	publish := w.Inject(localaws.Fault{Operation: "Publish", Kind: localaws.Denied})
	w.Inject(localaws.Fault{Operation: "PutItem", Kind: localaws.Slow, Times: 1}) // the backup gets through
	put := w.Inject(localaws.Fault{Operation: "PutItem", Kind: localaws.Denied})
	w.done(event)
	w.ExpectRestored()
	again := w.expectPosts(1)[0].MessageBody
	if r := requestOf(t, again); r.Setting != "role-session-duration" || r.Backup == "" || len(r.Events) != 0 {
		t.Errorf("request %+v, want the key of what was stored and no more", r)
	}
	publish()
	put()
	get := w.Inject(localaws.Fault{Operation: "GetItem", Kind: localaws.Denied})
	w.done(again)
	again = w.expectPosts(1)[0].MessageBody // it is not known yet whether it was restored
	get()
	w.done(again)
	w.expectNotice(guard.Restored, "info", "user/"+testlab.Stranger, "expected 43200 s, found 3600 s")
	w.expectPosts(0)
}

// expectNoticePosted wants one notice on the queue, after this delay and so many attempts, and answers its body.
func (w *env) expectNoticePosted(delay time.Duration, attempts int) string {
	w.t.Helper()
	p := w.expectPosts(1)[0]
	message, err := guard.ParseMessage([]byte(p.MessageBody))
	w.must(err)
	notice, ok := message.(guard.NoticeKey)
	if !ok || strings.Contains(p.MessageBody, "role") || int(notice.Attempts) != attempts ||
		p.QueueURL != w.queues[requests].URL || p.DelaySeconds != int(delay.Seconds()) {
		w.t.Errorf("%+v, want a notice after %s, attempt %d", p, delay, attempts)
	}
	return p.MessageBody
}

// testNoticeSlow lets SNS answer only after the function's time would be over: the notice of what was done stays.
func testNoticeSlow(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	w.config.Timeout = shortTimeout
	w.start()
	event := w.heardOne(func() { w.ShortenSession(testlab.Stranger) })
	faster := w.Inject(localaws.Fault{Operation: "Publish", Kind: localaws.Slow, Delay: time.Minute})
	w.done(event)
	w.ExpectRestored()
	posted := w.expectNoticePosted(time.Minute, 1)
	faster()
	w.done(posted)
	w.expectNotice(guard.Restored, "info", "user/"+testlab.Stranger)
}

func testNoticeNeverSent(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	w.Inject(localaws.Fault{Operation: "Publish", Kind: localaws.Denied})
	body := w.noticeKept(guard.Notice{Subject: "[icaguard] test", Body: "tried 14 times"}, 14)
	w.done(body)
	if p := w.expectPosts(1)[0]; p.QueueURL != w.queues[deadLetters].URL {
		t.Errorf("sent to %s, want the dead-letter queue", p.QueueURL)
	}
	dead := w.queues[deadLetters].Take()
	if len(dead) != 1 || strings.Contains(aws.ToString(dead[0].Body), "tried 14 times") {
		t.Fatalf("dead letters %+v, want the key of the notice", dead)
	}
	w.expectKept(aws.ToString(dead[0].Body), "tried 14 times")
	if reason := aws.ToString(dead[0].MessageAttributes["reason"].StringValue); !strings.Contains(
		reason, "notice not delivered 15 times: notify: publish to",
	) {
		t.Errorf("reason %q", reason)
	}
}

// noticeKept puts a notice into the ledger, as remediate does, and answers the message with its key.
func (w *env) noticeKept(n guard.Notice, attempts int) string {
	w.t.Helper()
	key, err := w.ledger().PutNotice(w.t.Context(), n)
	w.must(err)
	return fmt.Sprintf(`{"icaguard":"notice","notice":{"key":%q,"attempts":%d}}`, key, attempts)
}

// expectKept wants the notice that a message names in the ledger.
func (w *env) expectKept(message, text string) {
	w.t.Helper()
	parsed, err := guard.ParseMessage([]byte(message))
	w.must(err)
	key, _ := parsed.(guard.NoticeKey)
	if n, found, err := w.ledger().Notice(w.t.Context(), key.Key); err != nil || !found || !strings.Contains(n.Body, text) {
		w.t.Errorf("notice %+v, found %v, %v", n, found, err)
	}
}

func (w *env) ledger() ledger.Ledger {
	return ledger.Ledger{Config: w.fixture.DirectConfig(testlab.Region), Table: guard.LedgerTable, Now: time.Now}
}

// testDeadLetterFails has a message that nobody understands and no place to put it: it comes again, its neighbour is done.
func testDeadLetterFails(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	event := w.heardOne(func() { w.ShortenSession(testlab.Stranger) })
	w.Inject(localaws.Fault{Operation: "SendMessage", Kind: localaws.Denied})
	if failed := w.failing(`{"hello":"env"}`, event); !slices.Equal(failed, []string{`{"hello":"env"}`}) {
		t.Errorf("messages that come again: %s, want the one that is not understood", failed)
	}
	w.ExpectRestored()
}
