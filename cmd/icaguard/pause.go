package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/spf13/cobra"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/gates"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// A pause is for work that somebody is doing: long enough for that, and over by itself when it is forgotten.
const (
	shortestPause = time.Minute
	longestReason = 500 // characters; a standard parameter holds 4 KB
)

func newPause() *cobra.Command {
	var length time.Duration
	var p gates.Pause
	cmd := &cobra.Command{
		Use:   "pause STORAGE|all",
		Short: "Keep the guard from restoring a storage, or all, for a while",
		Long: `Keep the deployed guard from restoring a storage, or all of them, for a while. It goes on checking: restores are deferred until the
pause ends. There is no pause without an end; at most it lasts 7 days. Pausing again replaces the pause.

What storages share (a role, a key, an OIDC provider) is paused with the first of them that is.

Events meanwhile are not lost: after the end the next event or audit restores, and icaguard resume checks at once. The pause is
the SSM parameter ` + guard.PauseParameters + `STORAGE, so that CloudTrail knows who set it.

Exit status: 0 it is paused, 2 it is not.`,
		Example: `  icaguard pause lab-prod --for 2h --reason "moving to the new KMS key, ticket 4711"
  icaguard pause lab-prod --for 30m --reason "trying other CORS rules" --setting bucket-cors
  icaguard pause all --for 8h --reason "incident 42"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.Storage, p.Reason = args[0], strings.Join(strings.Fields(p.Reason), " ")
			if err := checkPause(length, p); err != nil {
				return err
			}
			s, err := newSession(cmd)
			if err != nil {
				return err
			}
			p.Until = time.Now().Add(length).UTC().Truncate(time.Second)
			return s.pause(cmd.Context(), cmd.OutOrStdout(), p)
		},
	}
	cmd.Flags().DurationVar(&length, "for", 0, "how long, from 1m to 168h (7 days)")
	cmd.Flags().StringVar(&p.Reason, "reason", "", "why, for all who meet it")
	cmd.Flags().StringArrayVar(&p.Settings, "setting", nil, "only this setting, by its `id`; may be repeated")
	for _, name := range []string{"for", "reason"} {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // the flag stands above
		}
	}
	return cmd
}

var errBadPause = errors.New("a pause needs another value")

// checkPause refuses what needs no configuration to be refused.
func checkPause(length time.Duration, p gates.Pause) error {
	switch {
	case length < shortestPause || length > gates.LongestPause:
		return fmt.Errorf("--for %s: %w: from 1m to 168h (7 days)", length, errBadPause)
	case p.Reason == "" || len([]rune(p.Reason)) > longestReason:
		return fmt.Errorf("--reason: %w: 1 to %d characters that tell others why", errBadPause, longestReason)
	}
	return knownSettings(guard.RowsOf(settings.All()), p.Settings...)
}

func (s session) pause(ctx context.Context, w io.Writer, p gates.Pause) error {
	if err := s.knownStorage("pause", p.Storage, guard.PauseAll); err != nil {
		return err
	}
	before, err := s.pauseNow(ctx, p.Storage)
	if err != nil {
		return err
	}
	value, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("pause: write as JSON: %w", err)
	}
	if _, err := ssm.NewFromConfig(s.aws).PutParameter(ctx, &ssm.PutParameterInput{
		Name:        aws.String(guard.PauseParameters + p.Storage),
		Value:       aws.String(string(value)),
		Type:        types.ParameterTypeString,
		Description: aws.String("Keeps icaguard from restoring; written by icaguard pause, ended by icaguard resume"),
		Overwrite:   aws.Bool(true),
	}); err != nil {
		return fmt.Errorf("pause: put parameter %s%s: %w", guard.PauseParameters, p.Storage, err)
	}
	fmt.Fprintln(w, p)
	if before != "" {
		fmt.Fprintf(w, "it replaces: %s\n", before)
	}
	for _, line := range s.sharedBy(p) {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintf(
		w,
		"events meanwhile are not lost: after the end the next event or audit restores; to end it now and check at once: icaguard "+
			"resume %s\n",
		p.Storage,
	)
	return nil
}

// pauseNow tells what is set now, whether it has ended or not; "" for nothing. It asks for the parameter in a list, as
// the guard may:
// then one that does not exist is no error.
func (s session) pauseNow(ctx context.Context, storage string) (string, error) {
	name := guard.PauseParameters + storage
	out, err := ssm.NewFromConfig(s.aws).GetParameters(ctx, &ssm.GetParametersInput{Names: []string{name}})
	if err != nil {
		return "", fmt.Errorf("pause: get parameter %s: %w", name, err)
	}
	if len(out.Parameters) == 0 {
		return "", nil
	}
	p, err := gates.ParsePause(storage, aws.ToString(out.Parameters[0].Value))
	switch {
	case err != nil: // it holds nothing, and must not keep anybody from replacing or removing it
		return "a parameter that is no pause: " + policy.Mask(err.Error()), nil
	case !p.Until.After(time.Now()):
		return p.String() + ", which is over", nil
	}
	return p.String(), nil
}

// sharedBy names what the pause of one storage keeps from being restored for others too.
func (s session) sharedBy(p gates.Pause) []string {
	at := slices.IndexFunc(s.baseline.Storages, func(st icaconfig.Storage) bool { return st.Name == p.Storage })
	if at < 0 {
		return nil // all
	}
	st := s.baseline.Storages[at]
	var lines []string
	for _, setting := range settings.All() {
		if len(p.Settings) > 0 && !slices.Contains(p.Settings, setting.ID) {
			continue
		}
		for _, view := range setting.On.Each(st) {
			others := slices.DeleteFunc(
				slices.Clone(setting.On.Shared(view).Storages), func(name string) bool { return name == st.Name },
			)
			line := fmt.Sprintf("shared, so paused for %s too: %s", strings.Join(others, ", "), setting.On.ARN(view))
			if len(others) > 0 && !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
	}
	return lines
}
