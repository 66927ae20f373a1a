package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/report"
)

func newValidate() *cobra.Command {
	var asJSON bool
	var asked auditScope
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check every setting of every storage; change nothing",
		Long: `Check every setting of every storage and report what differs from what ICA needs. Where icaguard is deployed, check its own
resources too (the self checks). Nothing is changed.

What is paused is said under the table. While a deploy runs, what it may be changing of icaguard's own is deferred
rather than action-required.

Exit status: 0 all is well, 1 something differs, 2 something could not be checked.`,
		Example: `  icaguard validate
  icaguard validate --setting guard-trail --setting guard-rules
  icaguard validate --config labs/prod.yaml --json | jq .outcomes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := newSession(cmd)
			if err != nil {
				return err
			}
			result, err := s.validate(cmd.Context(), asked)
			if err != nil {
				return err
			}
			if err := printReport(cmd.OutOrStdout(), result, asJSON); err != nil {
				return err
			}
			if result.ExitCode != 0 {
				return exitCode(result.ExitCode)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the report as JSON")
	cmd.Flags().StringVar(&asked.storage, "storage", "", "only this storage, without the self checks")
	cmd.Flags().StringArrayVar(&asked.settings, "setting", nil, "only this setting, by its `id`; may be repeated")
	return cmd
}

// auditScope is what to check; empty: everything.
type auditScope struct {
	storage  string
	settings []string
}

func (s session) validate(ctx context.Context, asked auditScope) (report.Report, error) {
	if asked.storage != "" {
		if err := s.knownStorage("--storage", asked.storage); err != nil {
			return report.Report{}, err
		}
	}
	if err := knownSettings(self.AllRows(), asked.settings...); err != nil {
		return report.Report{}, err
	}
	engine, warning := s.engine(ctx)
	if errors.Is(warning, errNotDeployed) && asked.ownOnly() {
		return report.Report{}, fmt.Errorf("validate: %w", warning)
	}
	outcomes := engine.Audit(ctx, asked.requests(engine)...)
	result := report.New(s.file, outcomes).WithUnmatched(engine.Unmatched(outcomes)).WithPauses(s.pauses().Active(ctx))
	if warning != nil {
		result.Warnings = append(result.Warnings, warning.Error())
	}
	if _, wrong := settings.Organization(ctx, engine.Clients, s.baseline.Home); wrong != "" {
		result.Warnings = append(result.Warnings, wrong)
	}
	if len(result.Outcomes) == 0 {
		result.Warnings = append(
			result.Warnings, "nothing was checked: no storage asked for has what "+strings.Join(asked.settings, ", ")+" is about",
		)
	}
	if warning != nil && !errors.Is(warning, errNotDeployed) {
		result.ExitCode = 2 // whether anything guards the storages is not known
	}
	return result, nil
}

// requests asks for the scope. A storage alone is asked for without the guard, which is nobody's storage.
func (a auditScope) requests(e *guard.Engine) []guard.Request {
	if a.storage != "" {
		requests := requestsFor(e, a.storage, a.settings...)
		if len(requests) == 0 {
			return []guard.Request{{Resource: "nothing"}}
		}
		return requests
	}
	var requests []guard.Request
	for _, id := range a.settings {
		requests = append(requests, guard.Request{Setting: id})
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

// ownOnly reports whether the scope names settings of the guard itself and no other.
func (a auditScope) ownOnly() bool {
	storages := ids(guard.RowsOf(settings.All()))
	return len(a.settings) > 0 && !slices.ContainsFunc(a.settings, func(id string) bool { return slices.Contains(storages, id) })
}

func printReport(w io.Writer, r report.Report, asJSON bool) error {
	if !asJSON {
		return r.Print(w)
	}
	return printJSON(w, r)
}

// printJSON prints what a command found for a program.
func printJSON(w io.Writer, what any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(what); err != nil {
		return fmt.Errorf("print as JSON: %w", err)
	}
	return nil
}
