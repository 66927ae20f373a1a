package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/policy"
)

func newDeadLetters() *cobra.Command {
	var empty bool
	cmd := &cobra.Command{
		Use:   "dead-letters",
		Short: "Show what could not be delivered or handled, and why",
		Long: `Show the messages of the queue ` + guard.DeadLetterQueue + ` in every region: events that EventBridge could not deliver, and messages that
the guard could not understand or gave up. Afterwards they lie there as before; with --empty those that were shown are deleted.

No event and no request is needed any more once the guard has checked everything, as it checks states and not events:
icaguard reconcile --all. Nothing can be put back on the queue. A notice is a message to people that could not be
delivered; the table ` + guard.LedgerTable + ` still has it: resource icaguard, entry notice#KEY.

Exit status: 0 all queues were read, 2 one could not be read or emptied.`,
		Example: `  icaguard dead-letters
  icaguard reconcile --all && icaguard dead-letters --empty`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := newSession(cmd)
			if err != nil {
				return err
			}
			return s.deadLetters(cmd.Context(), cmd.OutOrStdout(), empty)
		},
	}
	cmd.Flags().BoolVar(&empty, "empty", false, "delete the messages that are shown")
	return cmd
}

// deadLetters shows all regions' messages before it deletes any. A region that cannot be read does not keep the others
// from being shown.
func (s session) deadLetters(ctx context.Context, w io.Writer, empty bool) error {
	var queues []*deadQueue
	var errs []error
	var letters []letter
	for _, region := range s.baseline.Regions() {
		q, err := s.openDead(ctx, region)
		errs = append(errs, err)
		if q == nil {
			continue
		}
		queues = append(queues, q)
		letters = append(letters, s.letters(q)...)
	}
	printErr := printLetters(w, letters)
	for _, q := range queues {
		if empty && printErr == nil {
			errs = append(errs, q.remove(ctx))
		}
		errs = append(errs, q.release(ctx))
	}
	if err := errors.Join(append(errs, printErr)...); err != nil {
		return err
	}
	switch {
	case len(letters) == 0:
		fmt.Fprintf(w, "no dead letters in %s\n", strings.Join(s.baseline.Regions(), ", "))
	case empty:
		fmt.Fprintf(w, "\nremoved %d; events and requests are made up for by: icaguard reconcile --all\n", len(letters))
	default:
		fmt.Fprintf(w, "\nremove them: icaguard dead-letters --empty\nmake up for events and requests: icaguard reconcile --all\n")
	}
	return nil
}

// letter is what people may see of a message: never its body, which may hold the session-name prefix.
type letter struct {
	region, event, who, reason string
	when                       time.Time
}

func printLetters(w io.Writer, letters []letter) error {
	if len(letters) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "REGION\tEVENT\tWHO\tWHEN\tREASON")
	for _, l := range letters {
		fmt.Fprintf(
			table, "%s\t%s\t%s\t%s\t%s\n", l.region, cloudtrail.Line(l.event), cloudtrail.Line(cmp.Or(l.who, "-")),
			l.when.UTC().Format("2006-01-02 15:04:05Z"), cloudtrail.Line(l.reason),
		)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("dead-letters: print: %w", err)
	}
	return nil
}

// lostAudit reads what Lambda and EventBridge leave behind of an audit that failed or could not be started.
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
func lostAudit(body string) (audit, failure string, is bool) {
	type request struct {
		Audit string `json:"audit"`
	}
	var record struct {
		request
		RequestPayload  request `json:"requestPayload"`
		ResponsePayload struct {
			ErrorMessage string `json:"errorMessage"`
		} `json:"responsePayload"`
	}
	if json.Unmarshal([]byte(body), &record) != nil {
		return "", "", false
	}
	asked := cmp.Or(record.Audit, record.RequestPayload.Audit)
	return "scheduled audit: " + asked, record.ResponsePayload.ErrorMessage, asked != ""
}

// letters are the queue's, the oldest first.
func (s session) letters(q *deadQueue) []letter {
	var all []letter
	for _, m := range q.messages {
		l := s.letter(m)
		l.region = q.region
		all = append(all, l)
	}
	slices.SortStableFunc(all, func(a, b letter) int { return a.when.Compare(b.when) })
	return all
}

func (s session) letter(m deadMessage) letter {
	l := letter{reason: m.reason(), when: m.sent, event: "not understood"}
	message, err := guard.ParseMessage([]byte(m.body))
	switch audit, failure, isAudit := lostAudit(m.body); {
	case isAudit:
		l.event, l.reason = audit, cmp.Or(policy.Mask(failure), l.reason)
	case err != nil:
		l.reason = cmp.Or(l.reason, policy.Mask(err.Error()))
	default:
		l = s.understood(l, message)
	}
	l.reason = cmp.Or(l.reason, "no reason is given")
	return l
}

// understood says what a message is about.
func (s session) understood(l letter, message guard.Message) letter {
	switch m := message.(type) {
	case cloudtrail.Event:
		l.event, l.who = strings.TrimPrefix(m.Source, "aws.")+" "+m.Name, guard.Who(m, s.baseline).String()
		if !m.Time.IsZero() {
			l.when = m.Time
		}
	case cloudtrail.StackEvent:
		l.event = m.String()
	case guard.NoticeKey:
		l.event = "notice " + m.Key + " in " + guard.LedgerTable
	case guard.Audited:
		l.event = "result of an audit"
	case guard.Request:
		l.event = fmt.Sprintf("check %s of %s", cmp.Or(m.Setting, "everything"), cmp.Or(m.Resource, "every storage"))
		if len(m.Events) > 0 {
			l.who = m.Events[0].Actor.String()
		}
	}
	return l
}

// reason is remediate's own, EventBridge's, or that the message was received in vain until the queue gave it up.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
func (m deadMessage) reason() string {
	if text := m.attributes["reason"]; text != "" {
		return policy.Mask(text)
	}
	if code := m.attributes["ERROR_CODE"]; code != "" {
		_, rule, _ := strings.Cut(m.attributes["RULE_ARN"], ":rule/")
		return strings.TrimSuffix(fmt.Sprintf("%s: %s, rule %s", code, policy.Mask(m.attributes["ERROR_MESSAGE"]), rule), ", rule ")
	}
	if m.receives > 0 {
		return "given up: received " + strconv.Itoa(m.receives) + " times and never done"
	}
	return ""
}
