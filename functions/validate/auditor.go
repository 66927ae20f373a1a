package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/gates"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/notify"
	"github.com/icaguard/icaguard/internal/queue"
	"github.com/icaguard/icaguard/internal/report"
)

// auditor audits and reports. An audit by hand only answers; a scheduled one also measures, and hands on what drifted
// and a fingerprint of the result: remediate restores, and notifies people when the result is another than the last one.
type auditor struct {
	engine *guard.Engine
	file   *icaconfig.File
	pauses *gates.Pauses
	queue  queue.Queue
	topic  notify.Topic
	meter  report.Meter
	log    *slog.Logger
}

func (a *auditor) handle(ctx context.Context, payload json.RawMessage) (any, error) {
	asked, err := parseAsk(payload)
	switch {
	case err != nil:
	case asked.DetailType != "":
		return report.Report{}, a.reportChange(ctx, payload)
	case asked.Reconcile != nil:
		return a.reconcile(ctx, *asked.Reconcile)
	default:
		return a.audited(ctx, asked)
	}
	return nil, fmt.Errorf("%s: %w", guard.ValidateFunction, err)
}

func (a *auditor) audited(ctx context.Context, asked ask) (report.Report, error) {
	switch asked.Audit {
	case "":
		requests, err := a.engine.Ask(asked.Storage, asked.Setting)
		if err != nil {
			return report.Report{}, fmt.Errorf("%s: %w", guard.ValidateFunction, err)
		}
		return a.audit(ctx, requests...), nil
	case self.AuditEverything:
		r := a.audit(ctx)
		a.meter.Health(ctx, r.Outcomes)
		posted, err := a.handOn(ctx, r.Outcomes)
		return r, errors.Join(err, a.summarise(ctx, r.Outcomes, posted))
	case self.AuditIAM:
		r := a.audit(ctx, guard.ForSource("aws.iam", a.engine.Rows())...)
		_, err := a.handOn(ctx, r.Outcomes)
		return r, err
	}
	return report.Report{}, fmt.Errorf("%s: %q: %w", guard.ValidateFunction, asked.Audit, errAudit)
}

// reconcile asks remediate, and answers what it asked.
func (a *auditor) reconcile(ctx context.Context, of scope) (report.Asked, error) {
	requests, err := a.engine.Ask(of.Storage, of.Setting)
	if err != nil {
		return report.Asked{}, fmt.Errorf("%s: reconcile: %w", guard.ValidateFunction, err)
	}
	var delayed []guard.Delayed
	for i := range requests {
		requests[i].Reason = "asked for by an invocation of " + guard.ValidateFunction
		delayed = append(delayed, guard.Delayed{Request: requests[i]})
	}
	a.log.InfoContext(ctx, "reconcile", "storage", of.Storage, "setting", of.Setting, "requests", len(requests))
	return report.Asked{Asked: requests}, errors.Join(a.queue.Post(ctx, delayed)...)
}

// reportChange reports a call on the rules, the queue, a function or a role of the guard, past the queue and past
// remediate, which therefore might not do it. What it says of them it has read here: the event, which whoever may invoke
// this function can make up, only says where to read and names a call, its actor and its time. It is reported also where
// all reads as deployed, because code cannot be compared.
func (a *auditor) reportChange(ctx context.Context, payload json.RawMessage) error {
	event, err := cloudtrail.Parse(payload)
	if err != nil {
		return fmt.Errorf("%s: %w", guard.ValidateFunction, err)
	}
	requests := guard.Route(event, "", guard.RowsOf(a.engine.Self), a.engine.Baseline)
	if len(requests) == 0 {
		a.log.InfoContext(ctx, "event ignored", "event", event.Name, "eventId", event.ID)
		return nil
	}
	reported := requests[0].Events[0]
	for i := range requests {
		requests[i].Events = nil // what is found has to be found without it
	}
	read := a.engine.Audit(ctx, requests...)
	if event.Actor.From == guard.CloudFormation && !slices.ContainsFunc(read, amiss) {
		a.log.InfoContext(ctx, "a deploy's event, and all reads as deployed", "event", event.Name, "eventId", event.ID)
		return nil
	}
	a.log.WarnContext(ctx, "reported call on icaguard's own resources", "event", reported, "read", read)
	return a.topic.Publish(ctx, notify.GuardChanged(reported, read))
}

// amiss: what is deferred, a deploy of our own may still be changing.
func amiss(o guard.Outcome) bool { return o.Status != guard.InSync && o.Status != guard.Deferred }

func (a *auditor) audit(ctx context.Context, requests ...guard.Request) report.Report {
	outcomes := a.engine.Audit(ctx, requests...)
	for _, outcome := range outcomes {
		report.Log(ctx, a.log, outcome)
	}
	r := report.New(a.file, outcomes).WithUnmatched(a.engine.Unmatched(outcomes)).WithPauses(a.pauses.Active(ctx))
	if _, warning := settings.Organization(ctx, a.engine.Clients, a.engine.Baseline.Home); warning != "" {
		r.Warnings = append(r.Warnings, warning)
	}
	return r
}

// handOn lets remediate restore what no event reported, and answers whether there is something.
func (a *auditor) handOn(ctx context.Context, outcomes []guard.Outcome) (bool, error) {
	var requests []guard.Delayed
	for _, request := range a.engine.FoundByAudit(outcomes) {
		requests = append(requests, guard.Delayed{Request: request})
	}
	return len(requests) > 0, errors.Join(a.queue.Post(ctx, requests)...)
}

// summarise lets remediate tell people the result if it is not the last one's: after what it was handed on, if it was.
func (a *auditor) summarise(ctx context.Context, outcomes []guard.Outcome, afterRestores bool) error {
	after := time.Duration(0)
	if afterRestores {
		after = time.Minute
	}
	return a.queue.Send(ctx, guard.Audited{Fingerprint: notify.Fingerprint(outcomes)}, after)
}
