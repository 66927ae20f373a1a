package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/spf13/cobra"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/queue"
)

func newReconcile() *cobra.Command {
	var all bool
	var storage, setting string
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Ask the deployed guard to check now, and to restore what drifted",
		Long: `Put a request on the queue of the deployed guard: it checks at once and, where the mode is enforce, restores what
drifted. Use it after the first deploy, after an outage, or when something was repaired by hand.

What the guard finds stands in the log group ` + remediateLog + `; what people should know comes by SNS.`,
		Example: `  icaguard reconcile --all
  icaguard reconcile --storage lab-prod --setting bucket-cors`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := newSession(cmd)
			if err != nil {
				return err
			}
			if err := s.checkRequest(storage, setting); err != nil {
				return err
			}
			requests := s.requests("icaguard reconcile", storage, setting)
			if len(requests) == 0 {
				return fmt.Errorf("reconcile: %w: storage %s has nothing that setting %s is about", errNothing, storage, setting)
			}
			if err := s.sendRequests(cmd.Context(), requests, 0); err != nil {
				return err
			}
			s.printAsked(cmd.OutOrStdout())
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every setting of every storage")
	cmd.Flags().StringVar(&storage, "storage", "", "only this storage")
	cmd.Flags().StringVar(&setting, "setting", "", "only this setting")
	cmd.MarkFlagsOneRequired("all", "storage", "setting")
	cmd.MarkFlagsMutuallyExclusive("all", "storage")
	cmd.MarkFlagsMutuallyExclusive("all", "setting")
	return cmd
}

var errNothing = errors.New("nothing to check")

// checkRequest: the guard checks itself too, so its own rows may be asked for.
func (s session) checkRequest(storage, setting string) error {
	if storage != "" {
		if err := s.knownStorage("--storage", storage); err != nil {
			return err
		}
	}
	if setting == "" {
		return nil
	}
	return knownSettings(self.AllRows(), setting)
}

func (s session) printAsked(w io.Writer) {
	fmt.Fprintf(w, "asked the guard in %s to check; follow it with: aws logs tail %s --follow --region %s\n",
		s.baseline.HomeRegion, remediateLog, s.baseline.HomeRegion)
}

// remediateLog is the log group in which remediate says what it received and found.
const remediateLog = "/aws/lambda/" + guard.RemediateFunction

// requests asks for a setting, or all, of a storage, or all.
func (s session) requests(reason, storage, setting string) []guard.Request {
	requests := []guard.Request{{Setting: setting}}
	if storage != "" {
		engine := &guard.Engine{Baseline: s.baseline, Settings: settings.All()}
		requests = requestsFor(engine, storage, slices.DeleteFunc([]string{setting}, func(id string) bool { return id == "" })...)
	}
	for i := range requests {
		requests[i].Reason = reason
	}
	return requests
}

// requestsFor asks for all that a storage depends on, or for the settings with these ids. Those of the guard itself are nobody's
// storage's: they are asked for where they are named.
func requestsFor(e *guard.Engine, storage string, asked ...string) []guard.Request {
	requests := e.RequestsFor(storage, asked...)
	for _, id := range ids(guard.RowsOf(self.All())) {
		if slices.Contains(asked, id) {
			requests = append(requests, guard.Request{Setting: id})
		}
	}
	return requests
}

// sendRequests puts the requests on the queue, once for each delay.
func (s session) sendRequests(ctx context.Context, requests []guard.Request, after ...time.Duration) error {
	client := sqs.NewFromConfig(s.aws)
	out, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(guard.RequestQueue)})
	if err != nil {
		return fmt.Errorf("reconcile: find the guard's queue %s in %s: %w: is icaguard deployed in account %s? make deploy",
			guard.RequestQueue, s.baseline.HomeRegion, err, s.baseline.Account)
	}
	var delayed []guard.Delayed
	for _, delay := range after {
		for _, request := range requests {
			delayed = append(delayed, guard.Delayed{Request: request, After: delay})
		}
	}
	if err := errors.Join(queue.Queue{SQS: client, URL: aws.ToString(out.QueueUrl)}.Post(ctx, delayed)...); err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	return nil
}
