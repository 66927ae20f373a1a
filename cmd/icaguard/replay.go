package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/notify"
)

func newReplay() *cobra.Command {
	var enforce bool
	cmd := &cobra.Command{
		Use:   "replay EVENT.json",
		Short: "Say what the guard would do with an event, or do it",
		Long: `Read an event (an EventBridge event or a CloudTrail record), say where it makes the guard check and what it finds
there now. Nothing is changed unless --enforce is given; then what drifted is restored as the deployed guard would,
where the storage's mode is enforce.

Exit status: as of validate, for the settings checked.`,
		Example: `  icaguard replay event-from-cloudtrail.json
  icaguard replay --enforce event-from-cloudtrail.json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			event, err := readEvent(args[0])
			if err != nil {
				return err
			}
			s, err := newSession(cmd)
			if err != nil {
				return err
			}
			return s.replay(cmd.Context(), cmd.OutOrStdout(), event, enforce)
		},
	}
	cmd.Flags().BoolVar(&enforce, "enforce", false, "restore what drifted")
	return cmd
}

func readEvent(path string) (cloudtrail.Event, error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return cloudtrail.Event{}, fmt.Errorf("replay: %w", err)
	}
	event, err := cloudtrail.Parse(body)
	if err != nil {
		return cloudtrail.Event{}, fmt.Errorf("replay: %s: %w", path, err)
	}
	return event, nil
}

func (s session) replay(ctx context.Context, w io.Writer, event cloudtrail.Event, enforce bool) error {
	engine, warning := s.engine(ctx)
	fmt.Fprintf(
		w, "%s %s by %s at %s in account %s\n", event.Source, event.Name, event.Actor, event.Time.UTC().Format(time.RFC3339),
		event.Account,
	)
	requests := guard.Route(event, "", engine.Rows(), engine.Baseline)
	if len(requests) == 0 {
		fmt.Fprintf(w, "ignored: %s\n", guard.WhyIgnored(event, engine.Rows(), engine.Baseline))
		return nil
	}
	if warning != nil {
		fmt.Fprintf(w, "warning: %v\n", warning)
	}
	outcomes := s.outcomes(ctx, w, engine, requests, enforce)
	if err := notify.Table(w, outcomes); err != nil {
		return err
	}
	if code := guard.ExitCode(outcomes); code != 0 {
		return exitCode(code)
	}
	return nil
}

func (s session) outcomes(
	ctx context.Context,
	w io.Writer,
	engine *guard.Engine,
	requests []guard.Request,
	enforce bool,
) []guard.Outcome {
	if !enforce {
		return engine.Audit(ctx, requests...)
	}
	engine.Queue = printed{w}
	var outcomes []guard.Outcome
	var mu sync.Mutex
	engine.Handle(ctx, requests, func(_ context.Context, result guard.Result) {
		mu.Lock()
		defer mu.Unlock()
		outcomes = append(outcomes, result.Outcome)
	})
	return engine.Sorted(outcomes)
}

// printed is a queue that says what the deployed guard would put on its own.
type printed struct{ w io.Writer }

// Post never fails.
func (p printed) Post(_ context.Context, requests []guard.Delayed) []error {
	for _, request := range requests {
		fmt.Fprintf(p.w, "the deployed guard would check %s again in %s: %s\n", request.Setting, request.After, request.Reason)
	}
	return make([]error, len(requests))
}
