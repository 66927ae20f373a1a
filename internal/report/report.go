// Package report writes outcomes for machines and terminals: structured log, metrics, table, JSON.
//
// Invariant: every outcome reaches the log; no text here holds more than the outcome says.
package report

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/gates"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/notify"
)

// Log writes one line per outcome, at the level that its status deserves.
func Log(ctx context.Context, log *slog.Logger, o guard.Outcome) {
	log.Log(ctx, level(o.Status), "outcome",
		"status", o.Status, "setting", o.Setting, "storages", o.Storages, "resource", o.Resource,
		"diffs", o.Diffs, "alerts", o.Alerts, "notes", o.Notes, "accepted", o.Accepted, "events", o.Events,
		"problem", o.Problem, "backupError", o.BackupError, "gateSkipped", o.GateSkipped, "foundByAudit", o.FoundByAudit)
}

func level(s guard.Status) slog.Level {
	switch s {
	case guard.InSync, guard.Accepted, guard.Restored:
		return slog.LevelInfo
	case guard.Drifted, guard.Deferred, guard.Unknown, guard.RestoreFailed:
		return slog.LevelWarn
	case guard.Unverified, guard.ActionRequired:
	}
	return slog.LevelError
}

// Report is the result of an audit.
type Report struct {
	ExitCode int             `json:"exitCode"` // 0 all is well, 1 something differs, 2 something is not known
	Outcomes []guard.Outcome `json:"outcomes"`
	Pauses   []string        `json:"pauses,omitempty"` // what is not restored now, until when and why
	Warnings []string        `json:"warnings,omitempty"`
	// NotVisible names what no audit of an account can see.
	NotVisible string `json:"notVisible"`
}

// Asked is the answer to who asks the deployed guard to check: what was put on its queue.
type Asked struct {
	Asked []guard.Request `json:"asked"`
}

// New makes the report of an audit of what the file describes.
func New(file *icaconfig.File, outcomes []guard.Outcome) Report {
	return Report{ExitCode: guard.ExitCode(outcomes), Outcomes: outcomes, Warnings: file.Warnings(), NotVisible: guard.NotVisible}
}

// WithPauses adds what is paused. The audit stands, whatever of the pauses could not be read.
func (r Report) WithPauses(active []gates.Pause, err error) Report {
	for _, pause := range active {
		r.Pauses = append(r.Pauses, pause.String())
	}
	if err != nil {
		r.Warnings = append(r.Warnings, err.Error())
	}
	return r
}

// WithUnmatched adds the exceptions that the audit found nothing for.
func (r Report) WithUnmatched(exceptions []icaconfig.Exception) Report {
	for _, e := range exceptions {
		r.Warnings = append(r.Warnings, e.Place+": exceptions: what it accepts is not there (any more): remove it")
	}
	return r
}

// Print writes the report for a terminal.
func (r Report) Print(w io.Writer) error {
	if err := notify.Table(w, r.Outcomes); err != nil {
		return err
	}
	r.printLines(w)
	for _, pause := range r.Pauses {
		fmt.Fprintf(w, "\npaused: %s\n", cloudtrail.Line(pause))
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(w, "\nwarning: %s\n", cloudtrail.Line(warning))
	}
	return nil
}

// printLines prints what accepts findings. Whoever pastes a line has to write why.
func (r Report) printLines(w io.Writer) {
	var lines []string
	for _, o := range r.Outcomes {
		lines = append(lines, o.Accept...)
	}
	if len(lines) == 0 {
		return
	}
	fmt.Fprint(
		w, "\nto accept a finding as it stands, put its line under exceptions in ica.yaml, with the reason and the last day:\n",
	)
	for _, line := range lines {
		fmt.Fprintf(w, "  %s\n", line)
	}
}
