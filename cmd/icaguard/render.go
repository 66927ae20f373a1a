package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/render"
)

// renderFlags are the flags of render, as typed.
type renderFlags struct {
	storage, account, out     string
	qualifier                 string
	versioned, versionedGiven bool
	reveal                    bool
}

func renderHelp(documents []string) string {
	return `Print a document for one storage, ready to paste, for people who may not deploy.
The document goes to standard output; how sure its source is, and the AWS CLI
command that applies it, go to standard error, as a shell script.

Documents:
  ` + strings.Join(documents, "\n  ") + `

scp is a service control policy with which only icaguard and CloudFormation
change a storage's settings, scp-icaguard the one that protects icaguard itself
and the roles that the others except: a storage is safe with both.

reader-policy is an identity policy for people who look and change nothing. It
allows, on what the configuration names, what these commands read:
` + strings.Join(render.ReadingCommands(), ", ") + `.
render and regions need no permission; dead-letters takes messages off their
queue for a moment, so it does more than read. What one policy of IAM cannot
hold goes on in a second one, and with --out in a second file.

AWS is not asked, besides for the account where neither --account nor account:
in the configuration says it. So the session-name prefix is not read: the trust
policy holds a placeholder, and the command reads the parameter.`
}

func newRender() *cobra.Command {
	var flags renderFlags
	names := render.Documents()
	cmd := &cobra.Command{
		Use:   "render DOCUMENT",
		Short: "Print a document that ICA needs, and the AWS CLI command that applies it",
		Long:  renderHelp(names),
		Example: `  icaguard render permission-policy --storage lab-prod --out permission-policy.json
  icaguard render cors >cors.json 2>apply-cors.sh
  icaguard render scp --storage lab-prod
  icaguard render scp-icaguard --account 123456789012
  icaguard render reader-policy --out reader-policy.json`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: names,
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.versionedGiven = cmd.Flags().Changed("versioned")
			return renderDocument(cmd, args[0], flags)
		},
	}
	cmd.Flags().StringVar(&flags.storage, "storage", "", "the storage; may be left out where there is only one")
	cmd.Flags().StringVar(
		&flags.account, "account", "",
		"AWS account, 12 digits (default: account: of the configuration, else that of the credentials)",
	)
	cmd.Flags().StringVar(&flags.out, "out", "", "write the document into this file")
	cmd.Flags().BoolVar(
		&flags.versioned, "versioned", false,
		"the variant for a bucket whose versioning is enabled or suspended (default: whether versioning: says enabled)",
	)
	cmd.Flags().StringVar(
		&flags.qualifier, "qualifier", render.DefaultQualifier, "what cdk bootstrap was given as --qualifier; for scp and scp-icaguard",
	)
	cmd.Flags().BoolVar(&flags.reveal, "reveal", false, "show a session-name prefix that stands in the configuration")
	return cmd
}

func renderDocument(cmd *cobra.Command, document string, flags renderFlags) error {
	path, err := cmd.Flags().GetString("config")
	if err != nil {
		return fmt.Errorf("flags: %w", err)
	}
	if err := render.Check(document); err != nil {
		return err
	}
	if !qualifier.MatchString(flags.qualifier) {
		return fmt.Errorf("--qualifier %q: %w", flags.qualifier, errQualifier)
	}
	file, err := icaconfig.Load(path, settings.Exceptable())
	if err != nil {
		return err
	}
	baseline, err := baselineFor(cmd.Context(), file, flags.account)
	if err != nil {
		return err
	}
	request, err := flags.request(document, file, baseline)
	if err != nil {
		return err
	}
	request.Config = path
	rendered, err := render.Document(document, request)
	if err != nil {
		return err
	}
	for i, text := range rendered.Documents {
		if flags.out == "" {
			fmt.Fprint(cmd.OutOrStdout(), text)
		} else if err := os.WriteFile(render.FileName(flags.out, i+1), []byte(text), 0o600); err != nil {
			return fmt.Errorf("render: write: %w", err)
		}
	}
	fmt.Fprint(cmd.ErrOrStderr(), rendered.Apply)
	return nil
}

// qualifier is what cdk bootstrap takes (https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-customizing.html).
var qualifier = regexp.MustCompile(`^[A-Za-z0-9_-]{1,10}$`)

var errQualifier = errors.New("cdk bootstrap takes up to 10 letters, digits, hyphens and underscores")

// baselineFor needs credentials only if nobody says which account it is for. ICA exists in one partition.
func baselineFor(ctx context.Context, file *icaconfig.File, account string) (icaconfig.Baseline, error) {
	partition := "aws"
	if account = cmp.Or(account, file.Account); account == "" {
		cfg, err := awsclient.LoadConfig(ctx, file.HomeRegion)
		if err != nil {
			return icaconfig.Baseline{}, err
		}
		if account, partition, err = whoAmI(ctx, cfg); err != nil {
			return icaconfig.Baseline{}, fmt.Errorf("%w; or say which account it is for: --account, or account: in the configuration", err)
		}
	}
	owner, err := file.Owner(account, partition)
	if err != nil {
		return icaconfig.Baseline{}, err
	}
	return file.Baseline(owner), nil
}

func (f renderFlags) request(document string, file *icaconfig.File, b icaconfig.Baseline) (render.Request, error) {
	r := render.Request{
		Storages: b.Storages, Account: b.Account, HomeRegion: b.HomeRegion, Reveal: f.reveal,
		File: cmp.Or(f.out, document+".json"), Qualifier: f.qualifier,
	}
	at := slices.IndexFunc(b.Storages, func(s icaconfig.Storage) bool { return s.Name == f.storage })
	switch {
	case f.storage == "" && (len(b.Storages) == 1 || render.Whole(document)):
		at = 0
	case at < 0:
		return r, session{baseline: b}.knownStorage("--storage", f.storage)
	}
	r.Storage, r.Own = b.Storages[at], file.Storages[at].Documents
	r.Versioned = f.versioned
	if !f.versionedGiven {
		r.Versioned = r.Storage.Bucket.Versioning == icaconfig.VersioningEnabled
	}
	return r, nil
}
