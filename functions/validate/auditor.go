package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/gates"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/notify"
	"github.com/icaguard/icaguard/internal/queue"
	"github.com/icaguard/icaguard/internal/report"
)

// auditor audits and reports. An audit by hand only answers; a scheduled one also hands on what drifted, measures,
// and notifies people when the result is another than the last one.
type auditor struct {
	engine *guard.Engine
	file   *icaconfig.File
	pauses *gates.Pauses
	queue  queue.Queue
	topic  notify.Topic
	meter  report.Meter
	log    *slog.Logger
}

var errAsk = errors.New(`audit: not one of "everything", "iam"; leave it out for an audit by hand`)

func (a *auditor) handle(ctx context.Context, payload json.RawMessage) (report.Report, error) {
	var asked struct {
		Audit      string `json:"audit"`
		DetailType string `json:"detail-type"`
	}
	if err := json.Unmarshal(payload, &asked); err != nil {
		return report.Report{}, fmt.Errorf("validate: parse the invocation: %w", err)
	}
	if asked.DetailType != "" {
		return report.Report{}, a.reportChange(ctx, payload)
	}
	switch asked.Audit {
	case "":
		return a.audit(ctx), nil
	case self.AuditEverything:
		r := a.audit(ctx)
		a.meter.Health(ctx, r.Outcomes)
		ledgerErr, err := a.summarise(ctx, r.Outcomes)
		if ledgerErr != nil {
			a.log.ErrorContext(ctx, "the last summary is not known or could not be recorded", "error", ledgerErr)
			r.Warnings = append(r.Warnings, ledgerErr.Error())
		}
		return r, errors.Join(err, a.handOn(ctx, r.Outcomes))
	case self.AuditIAM:
		r := a.audit(ctx, guard.ForSource("aws.iam", a.engine.Rows())...)
		return r, a.handOn(ctx, r.Outcomes)
	}
	return report.Report{}, fmt.Errorf("validate: %q: %w", asked.Audit, errAsk)
}

// reportChange notifies people of what somebody did to the rules, the queue or the other function, which therefore
// might not report it.
func (a *auditor) reportChange(ctx context.Context, payload json.RawMessage) error {
	event, err := cloudtrail.Parse(payload)
	if err != nil {
		return fmt.Errorf("validate: %w", err)
	}
	requests := guard.Route(event, "", guard.RowsOf(a.engine.Self), a.engine.Baseline)
	if len(requests) == 0 || event.Actor.From == guard.CloudFormation {
		a.log.InfoContext(ctx, "event ignored", "event", event.Name, "eventId", event.ID)
		return nil
	}
	event.Actor = guard.Who(event, a.engine.Baseline)
	a.log.WarnContext(
		ctx, "event about icaguard's own resources", "event", event.Name, "eventId", event.ID, "events", requests[0].Events,
	)
	return a.topic.Publish(ctx, notify.GuardChanged(event))
}

func (a *auditor) audit(ctx context.Context, requests ...guard.Request) report.Report {
	outcomes := a.engine.Audit(ctx, requests...)
	for _, outcome := range outcomes {
		report.Log(ctx, a.log, outcome)
	}
	return report.New(a.file, outcomes).WithUnmatched(a.engine.Unmatched(outcomes)).WithPauses(a.pauses.Active(ctx))
}

// handOn lets remediate restore what no event reported.
func (a *auditor) handOn(ctx context.Context, outcomes []guard.Outcome) error {
	var requests []guard.Delayed
	for _, request := range a.engine.FoundByAudit(outcomes) {
		requests = append(requests, guard.Delayed{Request: request})
	}
	if len(requests) == 0 {
		return nil
	}
	return errors.Join(a.queue.Post(ctx, requests)...)
}

// The last summary, in the ledger.
const (
	summaryOf = guard.SelfName
	summary   = "summary"
)

// summarise mails the result when it is not the last one's. A ledger that is away is no reason to fail, as Lambda would then
// try again and mail again: where no summary is recorded, it is mailed if something needs attention.
func (a *auditor) summarise(ctx context.Context, outcomes []guard.Outcome) (ledgerErr, err error) {
	found := notify.Fingerprint(outcomes)
	last, ledgerErr := a.engine.Clients.Store.Get(ctx, summaryOf, summary)
	if ledgerErr == nil && last == found || ledgerErr != nil && guard.ExitCode(outcomes) == 0 {
		return ledgerErr, nil
	}
	notice, err := notify.Summary("audit", outcomes, 0)
	if err != nil {
		return ledgerErr, err
	}
	if err := a.topic.Publish(ctx, notice); err != nil {
		return ledgerErr, err // not recorded, so the next audit mails it
	}
	return errors.Join(ledgerErr, a.engine.Clients.Store.Put(ctx, summaryOf, summary, found)), nil
}
