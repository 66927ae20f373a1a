package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/report"
)

// auditor looks and tells. An audit by hand only answers; one of the schedule also hands on what drifted, measures, and tells people
// when the result is another than the last one.
type auditor struct {
	engine *guard.Engine
	file   *icaconfig.File
	pauses *guard.Pauses
	queue  guard.Queue
	topic  report.Topic
	meter  report.Meter
	log    *slog.Logger
}

var errAsk = errors.New(`schedule: not one of "everything", "iam"; leave it out for an audit by hand`)

func (a *auditor) handle(ctx context.Context, payload json.RawMessage) (report.Report, error) {
	var asked struct {
		Schedule string `json:"schedule"`
	}
	if err := json.Unmarshal(payload, &asked); err != nil {
		return report.Report{}, fmt.Errorf("validate: parse the invocation: %w", err)
	}
	switch asked.Schedule {
	case "":
		return a.audit(ctx)
	case guard.AskEverything:
		r, err := a.audit(ctx)
		a.meter.Health(ctx, r.Outcomes)
		return r, errors.Join(err, a.handOn(ctx, r.Outcomes), a.tell(ctx, r.Outcomes))
	case guard.AskIAM:
		r, err := a.audit(ctx, guard.HeardBy("aws.iam", a.engine.Settings)...)
		return r, errors.Join(err, a.handOn(ctx, r.Outcomes))
	}
	return report.Report{}, fmt.Errorf("validate: %q: %w", asked.Schedule, errAsk)
}

func (a *auditor) audit(ctx context.Context, looks ...guard.Look) (report.Report, error) {
	outcomes := a.engine.Audit(ctx, looks...)
	for _, outcome := range outcomes {
		report.Log(ctx, a.log, outcome)
	}
	return report.New(a.file, outcomes).WithPauses(a.pauses.Active(ctx)), nil
}

// handOn lets remediate look at what no event told of.
func (a *auditor) handOn(ctx context.Context, outcomes []guard.Outcome) error {
	var errs []error
	for _, look := range a.engine.Missed(outcomes) {
		errs = append(errs, a.queue.LookAgain(ctx, look, 0))
	}
	return errors.Join(errs...)
}

// The last summary, in the guard's memory.
const (
	summaryOf = guard.Itself
	summary   = "summary"
)

// tell mails the result when it is not the last one's. Where nobody remembers that, it is told if something needs attention.
func (a *auditor) tell(ctx context.Context, outcomes []guard.Outcome) error {
	found := report.Fingerprint(outcomes)
	last, err := a.engine.Clients.Memory.Recall(ctx, summaryOf, summary)
	if err == nil && last == found || err != nil && guard.ExitCode(outcomes) == 0 {
		return err
	}
	notice, renderErr := report.Summary("audit", outcomes)
	if renderErr != nil {
		return errors.Join(err, renderErr)
	}
	if publishErr := a.topic.Publish(ctx, notice); publishErr != nil {
		return errors.Join(err, publishErr) // not remembered, so the next audit tells it
	}
	return errors.Join(err, a.engine.Clients.Memory.Remember(ctx, summaryOf, summary, found))
}
