package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/report"
)

// handler turns one invocation into looks, and their results into reports and the batch's answer.
type handler struct {
	engine *guard.Engine
	queue  guard.Queue
	topic  report.Topic
	meter  report.Meter
	self   string // session ARN under which CloudTrail shows our own calls
	log    *slog.Logger
}

// request is one message with the looks that it asks for.
type request struct {
	id     string
	looks  []guard.Look
	notice *guard.Notice
	// deployed is set where the look at everything follows a deploy: people get its result.
	deployed *guard.StackEvent
}

// handle takes an SQS batch, or one bare message for `aws lambda invoke`. A message fails only when nothing else can
// bring it back; all others are done, whatever became of their neighbours.
func (h *handler) handle(ctx context.Context, payload json.RawMessage) (events.SQSEventResponse, error) {
	var batch events.SQSEvent
	if err := json.Unmarshal(payload, &batch); err != nil || len(batch.Records) == 0 {
		return events.SQSEventResponse{}, h.handleOne(ctx, payload)
	}
	var requests []request
	failed := map[string]error{}
	for _, record := range batch.Records {
		r, err := h.read(ctx, record.Body)
		if err != nil {
			failed[record.MessageId] = err
			continue
		}
		r.id = record.MessageId
		requests = append(requests, r)
	}
	for id, err := range h.work(ctx, requests) {
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
	return errors.Join(err, h.work(ctx, []request{r})[""])
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
func (h *handler) read(ctx context.Context, body string) (request, error) {
	message, err := guard.ParseMessage([]byte(body))
	if err != nil {
		h.log.ErrorContext(ctx, "message not understood, sent to the dead-letter queue", "error", err)
		return request{}, h.queue.SendToDeadLetters(ctx, body, err.Error())
	}
	return h.take(ctx, message)
}

func (h *handler) take(ctx context.Context, message guard.Message) (request, error) {
	switch {
	case message.Notice != nil:
		return request{notice: message.Notice}, nil
	case message.Look != nil:
		return request{looks: []guard.Look{*message.Look}}, nil
	case message.Stack != nil:
		return h.settled(ctx, *message.Stack)
	}
	return h.route(ctx, *message.Event), nil
}

// settled looks at everything when a deploy has ended, now and a minute later, as reads may still show what was before.
func (h *handler) settled(ctx context.Context, e guard.StackEvent) (request, error) {
	if !e.Settles(h.engine.Baseline.Home) {
		h.log.InfoContext(ctx, "stack event ignored", "stack", e.Stack.Name, "region", e.Stack.Region, "status", e.Status)
		return request{}, nil
	}
	h.log.InfoContext(ctx, "stack settled", "stack", e.Stack.Name, "region", e.Stack.Region, "status", e.Status)
	look := guard.Look{Reason: e.String()}
	r := request{looks: []guard.Look{look}}
	if e.Last(ctx, h.engine.Deploys) {
		r.deployed = &e
	}
	return r, h.engine.LookAgain(ctx, look, time.Minute)
}

func (h *handler) route(ctx context.Context, event guard.Event) request {
	looks := guard.Route(event, h.self, h.engine.Settings, h.engine.Baseline)
	if len(looks) == 0 {
		h.log.InfoContext(ctx, "event ignored", "event", event.Name, "eventId", event.ID, "requestId", event.RequestID, "reason", guard.WhyIgnored(event, h.engine.Settings, h.engine.Baseline))
		return request{}
	}
	h.log.InfoContext(ctx, "event", "source", event.Source, "region", event.Region, "event", event.Name, "eventId", event.ID, "requestId", event.RequestID, "causes", looks[0].Causes, "looks", len(looks))
	return request{looks: looks}
}

// work looks once at everything asked for, reports, and returns the requests that have to come again.
func (h *handler) work(ctx context.Context, requests []request) map[string]error {
	var looks []guard.Look
	for _, r := range requests {
		looks = append(looks, r.looks...)
	}
	failed := map[string]error{}
	results := h.engine.Handle(ctx, looks)
	for _, result := range results {
		err := errors.Join(result.Err, h.report(ctx, result.Outcome))
		if err == nil {
			continue
		}
		for _, r := range requests {
			if h.asked(r, result) {
				failed = join(failed, r.id, err)
			}
		}
	}
	for _, r := range requests {
		if r.deployed != nil {
			failed = join(failed, r.id, h.summarise(ctx, *r.deployed, results))
		}
	}
	// Notices that come again wait behind the looks: a slow SNS must not keep a storage offline.
	for _, r := range requests {
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

// summarise tells people what the first look after a deploy found.
func (h *handler) summarise(ctx context.Context, e guard.StackEvent, results []guard.Result) error {
	var outcomes []guard.Outcome
	for _, result := range results {
		outcomes = append(outcomes, result.Outcome)
	}
	notice, err := report.Summary("first look after "+e.String(), outcomes)
	if err != nil {
		return err
	}
	return h.notify(ctx, notice)
}

func (h *handler) asked(r request, result guard.Result) bool {
	for _, look := range r.looks {
		if h.engine.AsksFor(look, result) {
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
