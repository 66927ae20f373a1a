// Package report tells people and machines about outcomes: structured log, SNS message, terminal table.
//
// Invariant: every outcome that is not clean reaches the log, and every one that people should know of makes a notice;
// no text here holds more than the outcome says.
package report

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Log writes one line per outcome, at the level that its status deserves.
func Log(ctx context.Context, log *slog.Logger, o guard.Outcome) {
	log.Log(ctx, level(o.Status), "outcome",
		"status", o.Status, "setting", o.Setting, "storage", o.Storage, "resource", o.Resource,
		"diffs", o.Diffs, "alerts", o.Alerts, "notes", o.Notes, "events", o.Events, "problem", o.Problem, "backupError", o.BackupError,
		"gateSkipped", o.GateSkipped, "foundByAudit", o.FoundByAudit)
}

func level(s guard.Status) slog.Level {
	switch s {
	case guard.InSync, guard.Restored:
		return slog.LevelInfo
	case guard.Drifted, guard.Deferred, guard.Unknown, guard.RestoreFailed:
		return slog.LevelWarn
	case guard.Unverified, guard.ActionRequired:
	}
	return slog.LevelError
}

// severity sorts notices for subscribers: "critical" needs a person, "info" is good to know, "" makes no notice.
func severity(s guard.Status) string {
	switch s {
	case guard.Drifted, guard.Unverified, guard.ActionRequired:
		return "critical"
	case guard.Restored:
		return "info"
	case guard.InSync, guard.Deferred, guard.Unknown, guard.RestoreFailed:
		// Deferred, Unknown and Failed are checked again; what remains of them ends as one of the above.
	}
	return ""
}

// NoticeFor writes the message to people about an outcome, if it deserves one and no other setting tells it.
func NoticeFor(o guard.Outcome) (guard.Notice, bool) {
	how := severity(o.Status)
	if o.DeferredTooLong {
		how = "critical"
	}
	if o.Status == guard.Unverified && o.Again && o.Attempt > 0 {
		how = "" // told at the first check; the last one, and the restore, are told again
	}
	if how == "" || o.RootCause != "" {
		return guard.Notice{}, false
	}
	return guard.Notice{
		Subject: subject(fmt.Sprintf("[icaguard] %s: %s %s", o.Storage, o.Setting, o.Status)),
		Body:    body(o),
		Filter: map[string]string{
			"severity": how, "status": string(o.Status), "setting": o.Setting, "storage": o.Storage,
		},
	}, true
}

// subject keeps SNS's limit of 100 characters for e-mail subjects.
func subject(s string) string {
	const limit = 100
	if len(s) > limit {
		return s[:limit]
	}
	return s
}

func body(o guard.Outcome) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nstorage   %s\nresource  %s\nstatus    %s\n", o.Title, o.Storage, o.Resource, o.Status)
	for _, d := range o.Diffs {
		fmt.Fprintf(&b, "drift     %s: expected %s, found %s\n", d.Path, d.Expected, d.Found)
	}
	for _, a := range o.Alerts {
		fmt.Fprintf(&b, "alert     %s\n          do: %s\n", a.What, a.Remediation)
	}
	for _, r := range o.Notes {
		fmt.Fprintf(&b, "note      %s\n", joined(r.What, r.Remediation))
	}
	for _, c := range o.Events {
		fmt.Fprintf(&b, "event     %s by %s at %s (%s)\n", c.Event, c.Actor, c.Time.UTC().Format("2006-01-02 15:04:05Z"), c.EventID)
	}
	for _, line := range [][2]string{{"problem", o.Problem}, {"backup", o.BackupError}, {"gateSkipped", o.GateSkipped}, {"effect", o.Effect}, {"do", o.Remediation}} {
		if line[1] != "" {
			fmt.Fprintf(&b, "%-9s %s\n", line[0], line[1])
		}
	}
	return b.String()
}

func joined(what, remediation string) string {
	if remediation == "" {
		return what
	}
	return what + "; " + remediation
}

// Table prints outcomes for a terminal: a line each, and under it what differs and what to do.
func Table(w io.Writer, outcomes []guard.Outcome) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "STORAGE\tSETTING\tSTATUS\tRESOURCE")
	for _, o := range outcomes {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", o.Storage, o.Setting, o.Status, o.Resource)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("report: print table: %w", err)
	}
	for _, o := range outcomes {
		if o.Status != guard.InSync || len(o.Notes) > 0 {
			fmt.Fprintf(w, "\n%s", body(o))
		}
	}
	return nil
}

// Topic publishes notices to one SNS topic.
type Topic struct {
	SNS *sns.Client
	ARN string
}

// Publish sends one notice.
func (t Topic) Publish(ctx context.Context, n guard.Notice) error {
	attributes := map[string]types.MessageAttributeValue{}
	for name, value := range n.Filter {
		attributes[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
	}
	_, err := t.SNS.Publish(ctx, &sns.PublishInput{
		TopicArn: &t.ARN, Subject: &n.Subject, Message: &n.Body, MessageAttributes: attributes,
	})
	if err != nil {
		return fmt.Errorf("report: publish to %s: %w", t.ARN, err)
	}
	return nil
}

// Report is the result of an audit.
type Report struct {
	ExitCode int             `json:"exitCode"` // 0 all is well, 1 something differs, 2 something is not known
	Outcomes []guard.Outcome `json:"outcomes"`
	Pauses   []string        `json:"pauses,omitempty"` // what is not restored now, until when and why
	Warnings []string        `json:"warnings,omitempty"`
}

// New makes the report of an audit of what the file describes.
func New(file *icaconfig.File, outcomes []guard.Outcome) Report {
	return Report{ExitCode: guard.ExitCode(outcomes), Outcomes: outcomes, Warnings: file.Warnings()}
}

// WithPauses adds what is paused. The audit stands, whatever of the pauses could not be read.
func (r Report) WithPauses(active []guard.Pause, err error) Report {
	for _, pause := range active {
		r.Pauses = append(r.Pauses, pause.String())
	}
	if err != nil {
		r.Warnings = append(r.Warnings, err.Error())
	}
	return r
}

// Print writes the report for a terminal.
func (r Report) Print(w io.Writer) error {
	if err := Table(w, r.Outcomes); err != nil {
		return err
	}
	for _, pause := range r.Pauses {
		fmt.Fprintf(w, "\npaused: %s\n", pause)
	}
	for _, warning := range r.Warnings {
		fmt.Fprintf(w, "\nwarning: %s\n", warning)
	}
	return nil
}
