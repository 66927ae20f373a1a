package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/gates"
	"github.com/icaguard/icaguard/internal/notify"
	"github.com/icaguard/icaguard/internal/queue"
	"github.com/icaguard/icaguard/internal/report"
)

// handler turns one invocation into requests, and their results into reports and the batch's answer.
type handler struct {
	engine  *guard.Engine
	deploys *gates.Deploys
	queue   queue.Queue
	topic   notify.Topic
	meter   report.Meter
	self    string // session ARN under which CloudTrail shows our own calls
	log     *slog.Logger
}

// batch is what the messages of one invocation ask for, and which of them have to come again.
type batch struct {
	requests []guard.Request
	notices  []from[guard.Notice]
	// settled are stacks of ours that have settled: where that ended a deploy, people get the result of the reconciliation
	// that follows.
	settled []from[cloudtrail.StackEvent]

	mu       sync.Mutex
	outcomes []guard.Outcome
	failed   map[string]error // by message id
}

// from is something that a message holds.
type from[T any] struct {
	id   string
	what T
}

func (b *batch) fail(id string, err error) {
	if err == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failed[id] = errors.Join(b.failed[id], err)
}

// handle takes an SQS batch, or one bare message for `aws lambda invoke`. A message fails only when nothing else can
// bring it back; all others are done, whatever became of their neighbours.
func (h *handler) handle(ctx context.Context, payload json.RawMessage) (events.SQSEventResponse, error) {
	b := &batch{failed: map[string]error{}}
	var records events.SQSEvent
	if err := json.Unmarshal(payload, &records); err != nil || len(records.Records) == 0 {
		return events.SQSEventResponse{}, h.handleOne(ctx, b, payload)
	}
	for _, record := range records.Records {
		b.fail(record.MessageId, h.read(ctx, b, record.MessageId, record.Body))
	}
	h.work(ctx, b)
	return h.answer(ctx, b.failed), nil
}

// handleOne does a bare message. What cannot be understood is answered to the caller, who is there to read it.
func (h *handler) handleOne(ctx context.Context, b *batch, payload json.RawMessage) error {
	message, err := guard.ParseMessage(payload)
	if err != nil {
		return err
	}
	b.fail("", h.take(ctx, b, "", message))
	h.work(ctx, b)
	return b.failed[""]
}

func (h *handler) answer(ctx context.Context, failed map[string]error) events.SQSEventResponse {
	var response events.SQSEventResponse
	for id, err := range failed {
		h.log.ErrorContext(ctx, "message comes again", "messageId", id, "error", err)
		response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: id})
	}
	return response
}

// read understands one queue message. One that cannot be understood goes to the dead-letter queue with the reason and
// is then done: it would not become clearer by coming again, and it never ends the others.
func (h *handler) read(ctx context.Context, b *batch, id, body string) (err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = h.giveUp(ctx, body, fmt.Errorf("internal error, please report it: %v", problem))
		}
	}()
	message, err := guard.ParseMessage([]byte(body))
	if err != nil {
		return h.giveUp(ctx, body, err)
	}
	return h.take(ctx, b, id, message)
}

func (h *handler) giveUp(ctx context.Context, body string, why error) error {
	h.log.ErrorContext(ctx, "message not understood, sent to the dead-letter queue", "error", why)
	return h.queue.SendToDeadLetters(ctx, body, why.Error())
}

func (h *handler) take(ctx context.Context, b *batch, id string, message guard.Message) error {
	switch m := message.(type) {
	case guard.Notice:
		b.notices = append(b.notices, from[guard.Notice]{id, m})
	case guard.Request:
		b.ask(id, m)
	case cloudtrail.StackEvent:
		return h.settled(ctx, b, id, m)
	case cloudtrail.Event:
		b.ask(id, h.route(ctx, m)...)
	}
	return nil
}

func (b *batch) ask(id string, requests ...guard.Request) {
	for _, request := range requests {
		request.Messages = []string{id}
		b.requests = append(b.requests, request)
	}
}

// settled checks everything when a deploy has ended, now and a minute later, as reads may still show what was before.
func (h *handler) settled(ctx context.Context, b *batch, id string, e cloudtrail.StackEvent) error {
	if !gates.Settles(e, h.engine.Baseline.Home) {
		h.log.InfoContext(ctx, "stack event ignored", "stack", e.Stack, "region", e.Region, "status", e.Status)
		return nil
	}
	h.log.InfoContext(ctx, "stack settled", "stack", e.Stack, "region", e.Region, "status", e.Status)
	everything := guard.Request{Reason: e.String()}
	b.ask(id, everything)
	b.settled = append(b.settled, from[cloudtrail.StackEvent]{id, e})
	return errors.Join(h.queue.Post(ctx, []guard.Delayed{{Request: everything, After: time.Minute}})...)
}

func (h *handler) route(ctx context.Context, event cloudtrail.Event) []guard.Request {
	requests := guard.Route(event, h.self, h.engine.Rows(), h.engine.Baseline)
	log := h.log.With("event", event.Name, "eventId", event.ID, "requestId", event.RequestID)
	if len(requests) == 0 {
		log.InfoContext(ctx, "event ignored", "reason", guard.WhyIgnored(event, h.engine.Rows(), h.engine.Baseline))
		return nil
	}
	log.InfoContext(
		ctx, "event", "source", event.Source, "region", event.Region, "events", requests[0].Events, "requests", len(requests),
	)
	return requests
}

// work reconciles once what is asked for, and reports each outcome as it is known.
func (h *handler) work(ctx context.Context, b *batch) {
	failed := h.engine.Handle(ctx, b.requests, func(ctx context.Context, result guard.Result) {
		err := h.report(ctx, result.Outcome)
		b.mu.Lock()
		b.outcomes = append(b.outcomes, result.Outcome)
		b.mu.Unlock()
		for _, id := range result.Request.Messages {
			b.fail(id, err)
		}
	})
	for id, err := range failed {
		b.fail(id, err)
	}
	for _, stack := range b.settled {
		b.fail(stack.id, h.summarise(ctx, stack.what, b))
	}
	// Notices that come again wait behind the requests: a slow SNS must not keep a storage offline.
	for _, notice := range b.notices {
		b.fail(notice.id, h.notify(ctx, notice.what))
	}
}

// summarise notifies people of what the first check after a deploy found.
func (h *handler) summarise(ctx context.Context, e cloudtrail.StackEvent, b *batch) error {
	asking, cancel := context.WithTimeout(ctx, askingFor)
	defer cancel()
	if !h.deploys.EndsDeploy(asking, e) {
		return nil
	}
	notReached := h.engine.Count(b.requests) - len(b.outcomes)
	notice, err := notify.Summary("first check after "+e.String(), h.engine.Sorted(b.outcomes), notReached)
	if err != nil {
		return err
	}
	return h.notify(ctx, notice)
}

func (h *handler) report(ctx context.Context, o guard.Outcome) error {
	report.Log(ctx, h.log, o)
	h.meter.Outcome(ctx, o)
	decision := notify.Decide(o)
	if !decision.Notify {
		h.log.DebugContext(ctx, "not notified", "setting", o.Setting, "resource", o.Resource, "reason", decision.Reason)
		return nil
	}
	return h.notify(ctx, notify.NoticeFor(o, decision.Severity))
}

// maxNotifications bounds how often a notice is tried; with the growing delay that is about three hours.
const maxNotifications = 15

// notify sends a notice. One that SNS does not take now is put on the queue: the restore that it reports happened
// once and would not be reported again. One that SNS never takes ends in the dead-letter queue, with the reason.
func (h *handler) notify(ctx context.Context, n guard.Notice) error {
	err := h.publish(ctx, n)
	if err == nil {
		return nil
	}
	h.log.ErrorContext(ctx, "notice not delivered", "subject", n.Subject, "attempts", n.Attempts, "error", err)
	n.Attempts++
	if n.Attempts >= maxNotifications {
		body, encodeErr := guard.Encode(n)
		return errors.Join(
			encodeErr, h.queue.SendToDeadLetters(ctx, body, fmt.Sprintf("notice not delivered %d times: %v", n.Attempts, err)),
		)
	}
	return h.queue.Renotify(ctx, n, time.Duration(n.Attempts)*time.Minute)
}

const (
	// posting is kept of the function's time for the queue: a slow SNS must not take the time to keep what it does not take.
	posting = 3 * time.Second
	// publishing bounds one publish: what SNS does not take by then waits on the queue, not before the storage's next check.
	publishing = 3 * time.Second
	// askingFor bounds asking whether a deploy has ended.
	askingFor = 5 * time.Second
)

func (h *handler) publish(ctx context.Context, n guard.Notice) error {
	latest := time.Now().Add(publishing)
	if deadline, limited := ctx.Deadline(); limited && deadline.Add(-posting).Before(latest) {
		latest = deadline.Add(-posting)
	}
	ctx, cancel := context.WithDeadline(ctx, latest)
	defer cancel()
	return h.topic.Publish(ctx, n)
}
