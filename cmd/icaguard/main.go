// Command icaguard is the command line of icaguard: it audits an account, asks the deployed guard to check, and replays
// events. It uses the same table and engine as the deployed functions.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newRoot().ExecuteContext(ctx)
	stop()
	var code exitCode
	switch {
	case err == nil:
	case errors.As(err, &code):
		os.Exit(int(code))
	default:
		fmt.Fprintln(os.Stderr, "icaguard:", err)
		os.Exit(2)
	}
}

// exitCode ends the process with a status that is a result, not a failure of the command.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "icaguard",
		Short: "Check and repair the AWS side of ICA bring-your-own-bucket storage",
		Long: `icaguard checks and repairs what Illumina Connected Analytics (ICA) needs in an AWS account:
the IAM role, its policy, the OIDC provider, and the bucket's settings.

It reads ica.yaml and uses AWS credentials as the AWS CLI does (environment, profile, SSO).`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return refuseEmpty(cmd.Flags()) },
	}
	root.PersistentFlags().String("config", "ica.yaml", "the file that describes the storages")
	root.AddCommand(
		newBundle(), newCheckKeys(), newValidate(), newReconcile(), newPause(), newResume(), newProbe(), newDeadLetters(), newReplay(),
		newRender(), newRegions(), newInit(),
	)
	return root
}

var errEmptyFlag = errors.New("is empty: leave it out, or give it a value")

// refuseEmpty refuses a flag without a value, as a script's variable that nobody set makes one: it would mean everything. What
// has to be given says by itself which values it takes.
func refuseEmpty(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		if _, required := f.Annotations[cobra.BashCompOneRequiredFlag]; f.Value.String() == "" && !required {
			err = fmt.Errorf("--%s %w", f.Name, errEmptyFlag)
		}
	})
	return err
}
