package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

func newRegions() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "regions",
		Short: "Print the regions of ICA and what belongs to each",
		Long: `Print the regions of ICA: the AWS region of the bucket, the OIDC provider's id and the namespace that the trust policy names, and
Illumina's role that copies across accounts. The source is Illumina's page "IAM Role Method"; what is doubtful there is said.

ica.yaml overrides id and namespace under oidcProvider.`,
		Example: `  icaguard regions
  icaguard regions --json | jq '.[] | select(.id == "US")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return regionsJSON(cmd.OutOrStdout())
			}
			return regionsTable(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the table as JSON")
	return cmd
}

func regionsTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tNAME\tAWS REGION\tOIDC PROVIDER ID\tNAMESPACE\tCROSS-ACCOUNT ROLE")
	for _, r := range icaconfig.Regions() {
		fmt.Fprintf(
			table, "%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Name, r.AWS, cmp.Or(r.OIDCProviderID, "-"), cmp.Or(r.Namespace, "-"),
			r.CrossAccountRole,
		)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("regions: print: %w", err)
	}
	fmt.Fprintln(w)
	for _, r := range icaconfig.Regions() {
		if r.Doubt != "" {
			fmt.Fprintf(w, "%s: %s\n", r.ID, r.Doubt)
		}
	}
	return nil
}

// regionRow is a region as JSON has it; the keys are a promise to scripts.
type regionRow struct {
	ID               string `json:"id"`
	Name             string `json:"name"`
	AWS              string `json:"aws"`
	OIDCProviderID   string `json:"oidcProviderID,omitempty"`
	Namespace        string `json:"namespace,omitempty"`
	CrossAccountRole string `json:"crossAccountRole"`
	Doubt            string `json:"doubt,omitempty"`
}

func regionsJSON(w io.Writer) error {
	var rows []regionRow
	for _, r := range icaconfig.Regions() {
		rows = append(rows, regionRow(r))
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(rows); err != nil {
		return fmt.Errorf("regions: print as JSON: %w", err)
	}
	return nil
}
