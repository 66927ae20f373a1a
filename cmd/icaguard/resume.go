package main

import (
	"context"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/spf13/cobra"

	"github.com/icaguard/icaguard/internal/guard"
)

func newResume() *cobra.Command {
	return &cobra.Command{
		Use:   "resume STORAGE|all",
		Short: "End a pause, and let the guard check at once",
		Long: `End the pause of a storage, or the one of all, and ask the deployed guard to check at once everything that was paused.
A pause of all and one of a storage are two: each is ended by its name.

Exit status: 0 there is no such pause now, 2 it could not be ended, or the guard could not be asked.`,
		Example: `  icaguard resume lab-prod
  icaguard resume all`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := newSession(cmd)
			if err != nil {
				return err
			}
			return s.resume(cmd.Context(), cmd.OutOrStdout(), args[0])
		},
	}
}

func (s session) resume(ctx context.Context, w io.Writer, storage string) error {
	if err := s.knownStorage("resume", storage, guard.PauseAll); err != nil {
		return err
	}
	before, err := s.pauseNow(ctx, storage)
	if err != nil {
		return err
	}
	if before == "" {
		fmt.Fprintf(w, "nothing to resume: there is no pause of %s\n", storage)
		return s.printOthers(ctx, w, storage)
	}
	if err := s.endPause(ctx, storage); err != nil {
		return err
	}
	fmt.Fprintf(w, "ended: %s\n", before)
	asked := scope{Storage: storage}
	if storage == guard.PauseAll {
		asked.Storage = ""
	}
	// The event of the deletion makes the guard check too, and once more when the deletion shows everywhere.
	if err := s.askToReconcile(ctx, w, asked); err != nil {
		return fmt.Errorf("resume: the pause is ended, but nobody was asked to check: %w", err)
	}
	return s.printOthers(ctx, w, storage)
}

func (s session) endPause(ctx context.Context, storage string) error {
	name := guard.PauseParameters + storage
	if _, err := ssm.NewFromConfig(s.aws).DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: aws.String(name)}); err != nil {
		return fmt.Errorf("resume: delete parameter %s: %w", name, err)
	}
	return nil
}

// printOthers says what is paused all the same.
func (s session) printOthers(ctx context.Context, w io.Writer, storage string) error {
	active, err := s.pauses().Active(ctx)
	for _, p := range active {
		if p.Storage != storage { // that one may still show
			fmt.Fprintf(w, "still paused: %s; to end it: icaguard resume %s\n", p, p.Storage)
		}
	}
	return err
}
