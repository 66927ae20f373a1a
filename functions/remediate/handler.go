package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/report"
)

// handler turns one invocation into requests, and their results into reports and the batch's answer.
type handler struct {
	engine *guard.Engine
	queue  guard.Queue
	topic  report.Topic
	meter  report.Meter
	self   string // session ARN under which CloudTrail shows our own calls
	log    *slog.Logger
}

// item is one message with the items that it asks for.
type item struct {
	id       string
	requests []guard.Request
	notice   *guard.Notice
	// deployed is set where the check everything follows a deploy: people get its result.
	deployed *guard.StackEvent
}

// handle takes an SQS batch, or one bare message for `aws lambda invoke`. A message fails only when nothing else can
// bring it back; all others are done, whatever became of their neighbours.
func (h *handler) handle(ctx context.Context, payload json.RawMessage) (events.SQSEventResponse, error) {
	var batch events.SQSEvent
	if err := json.Unmarshal(payload, &batch); err != nil || len(batch.Records) == 0 {
		return events.SQSEventResponse{}, h.handleOne(ctx, payload)
	}
	var items []item
	failed := map[string]error{}
	for _, record := range batch.Records {
		r, err := h.read(ctx, record.Body)
		if err != nil {
			failed[record.MessageId] = err
			continue
		}
		r.id = record.MessageId
		items = append(items, r)
	}
	for id, err := range h.work(ctx, items) {
		failed[id] = err
	}
	return h.answer(ctx, failed), nil
}

// handleOne does a bare message. What cannot be understood is answered to the caller, who is there to read it.
func (h *handler) handleOne(ctx context.Context, payload json.RawMessage) error {
	message, err := guard.ParseMessage(payload)
	if err != nil {
		return err
	}
	r, err := h.take(ctx, message)
	return errors.Join(err, h.work(ctx, []item{r})[""])
}

func (h *handler) answer(ctx context.Context, failed map[string]error) events.SQSEventResponse {
	var response events.SQSEventResponse
	for id, err := range failed {
		h.log.ErrorContext(ctx, "message comes again", "messageId", id, "error", err)
		response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: id})
	}
	return response
}

// read understands one queue message. One that cannot be understood goes to the dead-letter queue with the reason and is then done: it
// would not become clearer by coming again.
func (h *handler) read(ctx context.Context, body string) (item, error) {
	message, err := guard.ParseMessage([]byte(body))
	if err != nil {
		h.log.ErrorContext(ctx, "message not understood, sent to the dead-letter queue", "error", err)
		return item{}, h.queue.SendToDeadLetters(ctx, body, err.Error())
	}
	return h.take(ctx, message)
}

func (h *handler) take(ctx context.Context, message guard.Message) (item, error) {
	switch {
	case message.Notice != nil:
		return item{notice: message.Notice}, nil
	case message.Request != nil:
		return item{requests: []guard.Request{*message.Request}}, nil
	case message.Stack != nil:
		return h.settled(ctx, *message.Stack)
	}
	return h.route(ctx, *message.Event), nil
}

// settled checks everything when a deploy has ended, now and a minute later, as reads may still show what was before.
func (h *handler) settled(ctx context.Context, e guard.StackEvent) (item, error) {
	if !e.Settles(h.engine.Baseline.Home) {
		h.log.InfoContext(ctx, "stack event ignored", "stack", e.Stack.Name, "region", e.Stack.Region, "status", e.Status)
		return item{}, nil
	}
	h.log.InfoContext(ctx, "stack settled", "stack", e.Stack.Name, "region", e.Stack.Region, "status", e.Status)
	request := guard.Request{Reason: e.String()}
	r := item{requests: []guard.Request{request}}
	if e.Last(ctx, h.engine.Deploys) {
		r.deployed = &e
	}
	return r, h.engine.Requeue(ctx, request, time.Minute)
}

func (h *handler) route(ctx context.Context, event cloudtrail.Event) item {
	requests := guard.Route(event, h.self, h.engine.Settings, h.engine.Baseline)
	if len(requests) == 0 {
		h.log.InfoContext(ctx, "event ignored", "event", event.Name, "eventId", event.ID, "requestId", event.RequestID, "reason", guard.WhyIgnored(event, h.engine.Settings, h.engine.Baseline))
		return item{}
	}
	h.log.InfoContext(ctx, "event", "source", event.Source, "region", event.Region, "event", event.Name, "eventId", event.ID, "requestId", event.RequestID, "events", requests[0].Events, "requests", len(requests))
	return item{requests: requests}
}

// work reconciles everything asked for, once, reports, and returns the items that have to come again.
func (h *handler) work(ctx context.Context, items []item) map[string]error {
	var requests []guard.Request
	for _, r := range items {
		requests = append(requests, r.requests...)
	}
	failed := map[string]error{}
	results := h.engine.Handle(ctx, requests)
	for _, result := range results {
		err := errors.Join(result.Err, h.report(ctx, result.Outcome))
		if err == nil {
			continue
		}
		for _, r := range items {
			if h.asked(r, result) {
				failed = join(failed, r.id, err)
			}
		}
	}
	for _, r := range items {
		if r.deployed != nil {
			failed = join(failed, r.id, h.summarise(ctx, *r.deployed, results))
		}
	}
	// Notices that come again wait behind the requests: a slow SNS must not keep a storage offline.
	for _, r := range items {
		if r.notice == nil {
			continue
		}
		failed = join(failed, r.id, h.notify(ctx, *r.notice))
	}
	return failed
}

func join(failed map[string]error, id string, err error) map[string]error {
	if err != nil {
		failed[id] = errors.Join(failed[id], err)
	}
	return failed
}

// summarise tells people what the first check after a deploy found.
func (h *handler) summarise(ctx context.Context, e guard.StackEvent, results []guard.Result) error {
	var outcomes []guard.Outcome
	for _, result := range results {
		outcomes = append(outcomes, result.Outcome)
	}
	notice, err := report.Summary("first request after "+e.String(), outcomes)
	if err != nil {
		return err
	}
	return h.notify(ctx, notice)
}

func (h *handler) asked(r item, result guard.Result) bool {
	for _, request := range r.requests {
		if h.engine.AsksFor(request, result) {
			return true
		}
	}
	return false
}

func (h *handler) report(ctx context.Context, o guard.Outcome) error {
	report.Log(ctx, h.log, o)
	h.meter.Outcome(ctx, o)
	notice, wanted := report.NoticeFor(o)
	if !wanted {
		return nil
	}
	return h.notify(ctx, notice)
}

// maxNotifications bounds how often a notice is tried; with the growing delay that is about three hours.
const maxNotifications = 15

// notify sends a notice. One that SNS does not take now is put on the queue: the restore that it tells of happened
// once and would not be told again. One that SNS never takes ends in the dead-letter queue, with the reason.
func (h *handler) notify(ctx context.Context, n guard.Notice) error {
	err := h.publish(ctx, n)
	if err == nil {
		return nil
	}
	h.log.ErrorContext(ctx, "notice not delivered", "subject", n.Subject, "attempts", n.Attempts, "error", err)
	n.Attempts++
	if n.Attempts >= maxNotifications {
		body, encodeErr := guard.EncodeNotice(n)
		return errors.Join(encodeErr, h.queue.SendToDeadLetters(ctx, body, fmt.Sprintf("notice not delivered %d times: %v", n.Attempts, err)))
	}
	return h.queue.NotifyAgain(ctx, n, time.Duration(n.Attempts)*time.Minute)
}

// posting is kept of the function's time for the queue: a slow SNS must not take the time to keep what it does not take.
const posting = 3 * time.Second

func (h *handler) publish(ctx context.Context, n guard.Notice) error {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-posting))
		defer cancel()
	}
	return h.topic.Publish(ctx, n)
}
