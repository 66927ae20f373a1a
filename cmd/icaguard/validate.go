package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/icaguard/icaguard/internal/report"
)

func newValidate() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Look at every setting of every storage; change nothing",
		Long: `Look at every setting of every storage and say what differs from what ICA needs. Nothing is changed.

Exit status: 0 all is well, 1 something differs, 2 something could not be looked at.`,
		Example: `  icaguard validate
  icaguard validate --config labs/prod.yaml --json | jq .outcomes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := newSession(cmd)
			if err != nil {
				return err
			}
			result := report.New(s.file, s.engine().Audit(cmd.Context()))
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
	return cmd
}

func printReport(w io.Writer, r report.Report, asJSON bool) error {
	if !asJSON {
		return r.Print(w)
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return fmt.Errorf("report: print as JSON: %w", err)
	}
	return nil
}
