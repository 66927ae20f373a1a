package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/gates"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/ledger"
	"github.com/icaguard/icaguard/internal/notify"
	"github.com/icaguard/icaguard/internal/queue"
	"github.com/icaguard/icaguard/internal/report"
)

// handler turns one invocation into requests, and their results into reports and the batch's answer.
type handler struct {
	engine  *guard.Engine
	deploys *gates.Deploys
	queue   queue.Queue
	ledger  ledger.Ledger
	topic   notify.Topic
	meter   report.Meter
	self    string // session ARN under which CloudTrail shows our own calls
	log     *slog.Logger
}

// batch is what the messages of one invocation ask for, and which of them have to come again.
type batch struct {
	requests []guard.Request
	notices  []from[guard.NoticeKey]
	audited  []from[guard.Audited]
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

var errNoBatch = errors.New("takes batches of its own queue only; to check now and restore: icaguard reconcile")

// handle takes a batch of the queue. A message fails only when nothing else can bring it back; all others are done,
// whatever became of their neighbours.
func (h *handler) handle(ctx context.Context, payload json.RawMessage) (events.SQSEventResponse, error) {
	messages, ok := h.messages(payload)
	if !ok {
		return events.SQSEventResponse{}, fmt.Errorf("%s: %w", guard.RemediateFunction, errNoBatch)
	}
	b := &batch{failed: map[string]error{}}
	for _, record := range messages {
		b.fail(record.MessageId, h.read(ctx, b, record.MessageId, record.Body))
	}
	h.work(ctx, b)
	return h.answer(ctx, b.failed), nil
}

// messages are those of a batch that came from our queue: what another mapping would feed us waits on its own queue.
func (h *handler) messages(payload json.RawMessage) ([]events.SQSMessage, bool) {
	var batch events.SQSEvent
	err := json.Unmarshal(payload, &batch)
	other := func(m events.SQSMessage) bool { return m.EventSource != "aws:sqs" || !h.queue.Is(m.EventSourceARN) }
	return batch.Records, err == nil && len(batch.Records) > 0 && !slices.ContainsFunc(batch.Records, other)
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
	case guard.NoticeKey:
		b.notices = append(b.notices, from[guard.NoticeKey]{id, m})
	case guard.Audited:
		b.audited = append(b.audited, from[guard.Audited]{id, m})
	case guard.Request:
		if h.engine.Count([]guard.Request{m}) == 0 {
			h.log.InfoContext(ctx, "request ignored", "resource", m.Resource, "setting", m.Setting,
				"reason", "nothing that ica.yaml configures is named so")
		}
		b.ask(id, m)
	case cloudtrail.StackEvent:
		return h.settled(ctx, b, id, m)
	case cloudtrail.Event:
		requests := h.route(ctx, m)
		b.ask(id, requests...)
		if self.EndsPause(m, requests) {
			return h.checkEverything(ctx, b, id, "a pause was ended")
		}
	}
	return nil
}

func (b *batch) ask(id string, requests ...guard.Request) {
	for _, request := range requests {
		request.Messages = []string{id}
		b.requests = append(b.requests, request)
	}
}

// settled checks everything when a deploy has ended.
func (h *handler) settled(ctx context.Context, b *batch, id string, e cloudtrail.StackEvent) error {
	if !gates.Settles(e, h.engine.Baseline.Home) {
		h.log.InfoContext(ctx, "stack event ignored", "account", e.Account, "stack", e.Stack, "region", e.Region, "status", e.Status)
		return nil
	}
	h.log.InfoContext(ctx, "stack settled", "stack", e.Stack, "region", e.Region, "status", e.Status)
	b.settled = append(b.settled, from[cloudtrail.StackEvent]{id, e})
	return h.checkEverything(ctx, b, id, e.String())
}

// checkEverything asks for it now and a minute later, as reads may still show what was before: a parameter that was
// deleted, for half a minute (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteParameter.html).
func (h *handler) checkEverything(ctx context.Context, b *batch, id, reason string) error {
	everything := guard.Request{Reason: reason}
	b.ask(id, everything)
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
	for _, audit := range b.audited {
		b.fail(audit.id, h.audited(ctx, audit.what))
	}
	// Notices that come again wait behind the requests: a slow SNS must not keep a storage offline.
	for _, notice := range b.notices {
		b.fail(notice.id, h.notifyAgain(ctx, notice.what))
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
	err := h.notify(ctx, notify.NoticeFor(o, decision.Severity))
	if err != nil && o.Status == guard.Restored && o.Backup != "" {
		return h.reportLater(ctx, o)
	}
	return err
}

// reportLater is for a restore that neither SNS nor the ledger took the notice of: the next check finds it in sync, and
// what was stored before the write.
func (h *handler) reportLater(ctx context.Context, o guard.Outcome) error {
	request := guard.Request{
		Resource: o.Resource, Setting: o.Setting, Backup: o.Backup, FoundByAudit: o.FoundByAudit, Attempt: 1, Reason: "not reported",
	}
	return errors.Join(h.queue.Post(ctx, []guard.Delayed{{Request: request, After: time.Minute}})...)
}

// maxNotifications bounds how often a notice is tried; with the growing delay that is about three hours.
const maxNotifications = 15

// notify sends a notice. One that SNS does not take now is kept in the ledger, and its key is put on the queue: the
// restore that it reports happened once and would not be reported again.
func (h *handler) notify(ctx context.Context, n guard.Notice) error {
	err := h.publish(ctx, n)
	if err == nil {
		return nil
	}
	h.log.ErrorContext(ctx, "notice not delivered", "subject", n.Subject, "error", err)
	key, keepErr := h.ledger.PutNotice(ctx, n)
	if keepErr != nil {
		return errors.Join(err, keepErr)
	}
	return h.queue.Send(ctx, guard.NoticeKey{Key: key, Attempts: 1}, time.Minute)
}

// notifyAgain sends a notice that the ledger keeps. One that SNS never takes ends in the dead-letter queue, with the
// reason; the ledger still has it.
func (h *handler) notifyAgain(ctx context.Context, k guard.NoticeKey) error {
	notice, found, err := h.ledger.Notice(ctx, k.Key)
	if err == nil && !found {
		h.log.WarnContext(ctx, "no such notice in the ledger", "key", cloudtrail.Plain(k.Key))
		return nil
	}
	if err == nil {
		err = h.publish(ctx, notice)
	}
	if err == nil {
		if err := h.ledger.DeleteNotice(ctx, k.Key); err != nil {
			h.log.ErrorContext(ctx, "a notice that was delivered stays in the ledger", "key", k.Key, "error", err)
		}
		return nil
	}
	k.Attempts++
	h.log.ErrorContext(ctx, "notice not delivered", "key", k.Key, "attempts", k.Attempts, "error", err)
	if k.Attempts < maxNotifications {
		return h.queue.Send(ctx, k, time.Duration(k.Attempts)*time.Minute)
	}
	body, encodeErr := guard.Encode(k)
	reason := fmt.Sprintf("notice not delivered %d times: %v", k.Attempts, err)
	return errors.Join(encodeErr, h.queue.SendToDeadLetters(ctx, body, reason))
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
