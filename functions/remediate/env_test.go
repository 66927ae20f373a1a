package main_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	"github.com/icaguard/icaguard/internal/testlab"
)

// Tests of all packages take -update; this one has no golden files.
var _ = flag.Bool("update", false, "rewrite golden files")

// fixture is a local AWS with room for many envs, and the binary that all of them run: both take their time to make.
type fixture struct {
	*localaws.AWS
	binary    string
	templates localaws.Templates // whose policies bind the function

	mu     sync.Mutex
	envs   int
	events []localaws.Envelope // of all envs, in place of a bus and its rules
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	s := &fixture{AWS: localawstest.Start(t), binary: localawstest.Build(t, "remediate"), templates: testlab.Synthesise(t)}
	testlab.MakeHome(t, s.AWS, testlab.Home(t, s.AWS))
	s.Recorder().SetEmit(s.collect)
	return s
}

// env is a lab and the deployed parts around remediate: queue, dead-letter queue, topic with a subscriber.
type env struct {
	*testlab.Lab
	t        *testing.T
	fixture  *fixture
	config   localaws.FunctionConfig // of function, which starts with the first invocation
	function *localaws.Function
	log      *localawstest.Buffer
	queues   map[string]*localawstest.Queue // by what they are for
	posts    *localawstest.Postbox
	mail     *localawstest.Mailbox
}

// The queues of an env.
const (
	requests    = "requests"
	deadLetters = "dead-letters"
)

func newEnv(t *testing.T, s *fixture) *env { return newEnvIn(t, s, icaconfig.Enforce) }

func newEnvIn(t *testing.T, s *fixture, mode icaconfig.Mode) *env {
	t.Helper()
	w := guarding(t, s, testlab.New(t, s.AWS, s.nextName(), mode))
	name := w.Storage.Name
	w.Authorize(s.templates, guard.RemediateFunction, name+"-"+requests, name+"-"+deadLetters, name)
	return w
}

// guarding makes the deployed parts around remediate for a lab.
func guarding(t *testing.T, s *fixture, lab *testlab.Lab) *env {
	t.Helper()
	name := lab.Storage.Name
	w := &env{
		Lab: lab, t: t, fixture: s, log: localawstest.NewBuffer(t), queues: map[string]*localawstest.Queue{},
	}
	for _, queue := range []string{requests, deadLetters} {
		w.queues[queue] = localawstest.NewQueue(t, s.AWS, name+"-"+queue, nil)
	}
	w.posts, w.mail = localawstest.NewPostbox(t, s.Recorder().URL()), localawstest.NewMailbox(t, s.AWS, name)
	w.config = w.Function(guard.RemediateFunction, s.binary)
	w.config.Log = w.log
	w.config.Env[guard.EnvQueueURL] = w.queues[requests].URL
	w.config.Env[guard.EnvDeadLetterURL] = w.queues[deadLetters].URL
	w.config.Env[guard.EnvTopicARN] = w.mail.TopicARN
	w.config.Env["AWS_ENDPOINT_URL_SQS"] = w.posts.URL
	w.received() // creating the lab is no change
	return w.start()
}

func (s *fixture) nextName() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.envs++
	return fmt.Sprintf("lab-%d", s.envs)
}

// start makes the function ready as w.config describes it now.
func (w *env) start() *env {
	w.t.Helper()
	w.function = testlab.Start(w.t, w.config)
	return w
}

func (w *env) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (s *fixture) collect(_ context.Context, event localaws.Envelope) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, event)
	return nil
}

// heard takes the events about this env since the last call, as EventBridge would put them into the queue.
func (w *env) received() []string {
	w.t.Helper()
	w.fixture.mu.Lock()
	defer w.fixture.mu.Unlock()
	var bodies []string
	w.fixture.events = slices.DeleteFunc(w.fixture.events, func(e localaws.Envelope) bool {
		of := e.Detail.RequestParameters
		if of["bucketName"] != w.Storage.Bucket.Name && of["roleName"] != w.Storage.Role.Name {
			return false
		}
		body, err := json.Marshal(e)
		w.must(err)
		bodies = append(bodies, string(body))
		return true
	})
	return bodies
}

// breakIt breaks both settings and answers the two events.
func (w *env) breakIt() []string {
	w.t.Helper()
	w.Break()
	return w.received()
}

// send puts messages on the queue of requests, in order.
func (w *env) send(bodies ...string) {
	w.t.Helper()
	w.queues[requests].Send(bodies...)
}

// deliver sends messages, lets the function work on all that are visible, and answers the batches.
func (w *env) deliver(bodies ...string) []localaws.Batch {
	w.t.Helper()
	w.send(bodies...)
	return w.poll(false)
}

// poll drains the queue of requests; all waits for delayed messages too.
func (w *env) poll(all bool) []localaws.Batch {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute) // should messages come again for ever
	defer cancel()
	var batches []localaws.Batch
	_, err := localaws.Drain(ctx, localaws.PollerConfig{
		SQS: w.queues[requests].SQS, QueueURL: w.queues[requests].URL, QueueARN: w.queues[requests].ARN,
		Function: w.function, AwaitAll: all,
		Observe: func(b localaws.Batch) { batches = append(batches, b) },
	})
	w.must(err)
	return batches
}

// done delivers messages that all have to be done in one batch.
func (w *env) done(bodies ...string) {
	w.t.Helper()
	if failed := w.failing(bodies...); len(failed) > 0 {
		w.t.Errorf("%d messages come again, want none: %s", len(failed), failed)
	}
}

// failing delivers messages in one batch that the function has to answer, and answers the bodies that come again.
func (w *env) failing(bodies ...string) []string {
	w.t.Helper()
	batches := w.deliver(bodies...)
	if len(batches) != 1 || len(batches[0].Messages) != len(bodies) {
		w.t.Fatalf("%d batches, want one of %d messages", len(batches), len(bodies))
	}
	b := batches[0]
	if b.Result.FunctionError != "" {
		w.t.Fatalf("the function failed: %s", b.Result.Payload)
	}
	var failed []string
	for _, message := range b.Messages {
		if slices.Contains(b.Failed, message.MessageId) {
			failed = append(failed, message.Body)
		}
	}
	return failed
}

// invokeBatch invokes the function with a batch past the queue, from which its own messages are not taken then. All has to
// be done.
func (w *env) invokeBatch(bodies ...string) {
	w.t.Helper()
	var batch events.SQSEvent
	for i, body := range bodies {
		batch.Records = append(batch.Records, events.SQSMessage{
			MessageId: strconv.Itoa(i), Body: body, EventSource: "aws:sqs", EventSourceARN: w.queues[requests].ARN,
		})
	}
	payload, err := json.Marshal(batch)
	w.must(err)
	var response events.SQSEventResponse
	testlab.Invoke(w.t, w.function, string(payload), &response)
	if len(response.BatchItemFailures) > 0 {
		w.t.Errorf("not all is done: %v", response)
	}
}

// notices takes what the topic's subscriber got.
func (w *env) notices() []localawstest.Mail { return w.mail.Take() }

// expectNotice wants exactly one notice, with this status, severity and these texts.
func (w *env) expectNotice(status guard.Status, severity string, texts ...string) {
	w.t.Helper()
	all := w.notices()
	if len(all) != 1 {
		w.t.Fatalf("%d notices, want one that is %s: %+v", len(all), status, all)
	}
	got := all[0]
	if got.MessageAttributes["status"].Value != string(status) || got.MessageAttributes["severity"].Value != severity {
		w.t.Errorf("notice %+v, want status %s and severity %s", got.MessageAttributes, status, severity)
	}
	for _, text := range texts {
		if !strings.Contains(got.Message, text) {
			w.t.Errorf("the notice lacks %q:\n%s", text, got.Message)
		}
	}
}

// expectAgain wants the post to be a first request to check again, with this delay and reason, and answers its body.
func (w *env) expectAgain(p localawstest.Post, setting string, delay time.Duration, reason string) string {
	w.t.Helper()
	request := requestOf(w.t, p.MessageBody)
	if p.QueueURL != w.queues[requests].URL {
		w.t.Fatalf("not on the queue of requests: %+v", p)
	}
	resource := w.resourceOf(setting)
	if request.Resource != resource || request.Setting != setting || request.Attempt != 1 ||
		!strings.Contains(request.Reason, reason) {
		w.t.Errorf("request %+v, want attempt 1 at %s of %s because %q", request, setting, resource, reason)
	}
	if got := time.Duration(p.DelaySeconds) * time.Second; got != delay {
		w.t.Errorf("request at %s after %s, want after %s", setting, got, delay)
	}
	return p.MessageBody
}

// requestOf is the request that a message holds.
func requestOf(t *testing.T, body string) guard.Request {
	t.Helper()
	message, err := guard.ParseMessage([]byte(body))
	request, ok := message.(guard.Request)
	if err != nil || !ok {
		t.Fatalf("no request: %v: %s", err, body)
	}
	return request
}

// resourceOf is the ARN of what a setting stands on.
func (w *env) resourceOf(setting string) string {
	w.t.Helper()
	all := self.AllRows()
	i := slices.IndexFunc(all, func(r guard.Row) bool { return r.ID == setting })
	if i < 0 {
		w.t.Fatalf("no setting %s", setting)
	}
	return all[i].On.ARN(w.Storage)
}

// expectPosts wants so many messages of the function since the last call, and answers them.
func (w *env) expectPosts(want int) []localawstest.Post {
	w.t.Helper()
	posts := w.posts.Take()
	if len(posts) != want {
		w.t.Fatalf("the function sent %d messages, want %d: %+v", len(posts), want, posts)
	}
	return posts
}

// logged ends the function and answers all that it logged: only the end of a process surely flushes its output.
func (w *env) logged() string {
	w.t.Helper()
	w.must(w.function.Close())
	return w.log.String()
}

// expectCalls wants exactly these operations.
func (w *env) expectCalls(calls []localaws.Call, want ...string) {
	w.t.Helper()
	if got := testlab.Operations(calls); !slices.Equal(got, want) {
		w.t.Errorf("calls %v, want %v", got, want)
	}
}
