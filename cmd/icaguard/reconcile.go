package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/report"
)

func newReconcile() *cobra.Command {
	var all, wait bool
	var asked scope
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Ask the deployed guard to check now, and to restore what drifted",
		Long: `Invoke ` + guard.ValidateFunction + `, which puts a request on the queue of the deployed guard: it checks at once and,
where the mode is enforce, restores what drifted. Use it after the first deploy, after an outage, to make up for dead
letters, or when something was repaired by hand. Needs lambda:InvokeFunction on ` + guard.ValidateFunction + `.

What the guard finds stands in the log group ` + remediateLog + `; what people should know comes by SNS.
With --wait, ask again until all of it is in sync, for a minute at most, and print the last answer.

Exit status: 0 the guard was asked, 2 it could not be asked; with --wait as of validate.`,
		Example: `  icaguard reconcile --all
  icaguard reconcile --storage lab-prod --setting bucket-cors --wait`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := newSession(cmd)
			if err != nil {
				return err
			}
			if err := s.checkScope(asked); err != nil {
				return err
			}
			if err := s.askToReconcile(cmd.Context(), cmd.OutOrStdout(), asked); err != nil {
				return fmt.Errorf("reconcile: %w", err)
			}
			if !wait {
				return nil
			}
			return s.await(cmd.Context(), cmd.OutOrStdout(), asked)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every setting of every storage")
	cmd.Flags().StringVar(&asked.Storage, "storage", "", "only this storage")
	cmd.Flags().StringVar(&asked.Setting, "setting", "", "only this setting")
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until all of it is in sync, for a minute at most")
	cmd.MarkFlagsOneRequired("all", "storage", "setting")
	cmd.MarkFlagsMutuallyExclusive("all", "storage")
	cmd.MarkFlagsMutuallyExclusive("all", "setting")
	return cmd
}

// checkScope: the guard checks itself too, so its own rows may be asked for.
func (s session) checkScope(asked scope) error {
	if asked.Storage != "" {
		if err := s.knownStorage("--storage", asked.Storage); err != nil {
			return err
		}
	}
	if asked.Setting == "" {
		return nil
	}
	return knownSettings(self.AllRows(), asked.Setting)
}

// askToReconcile lets validate put the request on the queue, which takes messages of our own functions only.
func (s session) askToReconcile(ctx context.Context, w io.Writer, asked scope) error {
	var answer report.Asked
	if err := s.invoke(ctx, map[string]scope{"reconcile": asked}, &answer); err != nil {
		return err
	}
	fmt.Fprintf(w, "asked the guard in %s to check; follow it with: aws logs tail %s --follow --region %s\n",
		s.baseline.HomeRegion, remediateLog, s.baseline.HomeRegion)
	return nil
}

// remediateLog is the log group in which remediate says what it received and found.
const remediateLog = "/aws/lambda/" + guard.RemediateFunction

// await asks validate what is so until all of it is in sync, for a minute at most.
func (s session) await(ctx context.Context, w io.Writer, asked scope) error {
	const most, between = time.Minute, 2 * time.Second
	for deadline := time.Now().Add(most); ; {
		var answer report.Report
		if err := s.invoke(ctx, asked, &answer); err != nil {
			return fmt.Errorf("reconcile: wait: %w", err)
		}
		switch {
		case answer.ExitCode == 0:
			return answer.Print(w)
		case time.Now().Add(between).After(deadline):
			if err := answer.Print(w); err != nil {
				return err
			}
			return exitCode(answer.ExitCode)
		}
		if err := guard.Sleep(ctx, between); err != nil {
			return fmt.Errorf("reconcile: wait: %w", err)
		}
	}
}
