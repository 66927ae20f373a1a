package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/discover"
)

func newInit() *cobra.Command {
	var region, out string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Read an account in which ICA was set up by hand, and write its ica.yaml",
		Long: `Read the account of your credentials, without changing anything: OIDC providers of ICA, roles that trust one, the buckets and
keys that their policies name, and how these buckets are set. Write an ica.yaml that describes what is there, with
comments where it is in doubt. All of it is marked as existing, so icaguard starts in mode observe.

The session-name prefix is not written: the file names a parameter, and has the command that copies the prefix into it from the
trust policy, without showing it.

Exit status: 0 the file is written, 1 nothing of ICA was found, 2 something could not be read.`,
		Example: `  icaguard init
  icaguard init --region eu-central-1 --out labs/prod.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return initialise(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), region, out)
		},
	}
	cmd.Flags().StringVar(
		&region, "region", "", "AWS region in which the guard is to run, homeRegion (default: that of the first storage)",
	)
	cmd.Flags().StringVar(&out, "out", "ica.yaml", "the file to write; one that is there is not overwritten")
	return cmd
}

func initialise(ctx context.Context, stdout, stderr io.Writer, region, out string) error {
	if _, err := os.Lstat(out); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("init: %s is there already: choose another file with --out", out)
	}
	account, err := survey(ctx, region)
	if err != nil {
		return err
	}
	description, err := discover.Describe(account, region)
	if err != nil {
		return err
	}
	if len(description.Storages) == 0 {
		printNothing(stdout, account, description)
	} else {
		if err := writeNew(out, description.Text); err != nil {
			return err
		}
		printNext(stdout, account, description, out)
	}
	for _, denied := range account.Denied {
		fmt.Fprintf(stderr, "not read: you lack the permission %s\n", denied)
	}
	switch {
	case len(account.Denied) > 0:
		return exitCode(2)
	case len(description.Storages) == 0:
		return exitCode(1)
	}
	return nil
}

// survey calls from any region: IAM has none, and buckets are asked in their own.
func survey(ctx context.Context, region string) (discover.Account, error) {
	cfg, err := awsclient.LoadConfig(ctx, region)
	if err != nil {
		return discover.Account{}, err
	}
	cfg.Region = cmp.Or(cfg.Region, "us-east-1")
	account, _, err := whoAmI(ctx, cfg)
	if err != nil {
		return discover.Account{}, err
	}
	return discover.Survey(ctx, cfg, account)
}

// writeNew never overwrites, whatever happened since the start.
func writeNew(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("init: write: %w", err)
	}
	_, err = file.WriteString(text)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("init: write: %w", err)
	}
	return nil
}

func printNext(w io.Writer, account discover.Account, d discover.Description, out string) {
	fmt.Fprintf(w, "wrote %s for account %s: %s\n\nNext:\n", out, account.ID, strings.Join(d.Storages, ", "))
	if d.Doubts > 0 {
		fmt.Fprintf(w, "- Read it. %d places with \"# ?\" are in doubt.\n", d.Doubts)
	}
	if len(d.Commands) > 0 {
		fmt.Fprintf(
			w, "- Copy the session-name prefix into its parameter, without showing it:\n\n%s\n\n", strings.Join(d.Commands, "\n"),
		)
	}
	fmt.Fprintf(w, "- See what differs from what ICA needs: icaguard validate --config %s\n", out)
}

func printNothing(w io.Writer, account discover.Account, d discover.Description) {
	fmt.Fprintf(w, `found no storage of ICA in account %s.
Searched for: roles whose trust policy lets in tokens of ICA's OIDC providers (icaguard regions) with
sts:AssumeRoleWithWebIdentity, and the buckets of this account that their policies name.
`, account.ID)
	for _, text := range d.LeftOut {
		fmt.Fprintf(w, "Left out: %s\n", text)
	}
	fmt.Fprintln(w, "To set ICA up with icaguard, copy ica.example.yaml to ica.yaml and fill it in.")
}
