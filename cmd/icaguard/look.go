package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/spf13/cobra"

	"github.com/icaguard/icaguard/internal/guard"
)

func newLook() *cobra.Command {
	var all bool
	var storage, setting string
	cmd := &cobra.Command{
		Use:   "look",
		Short: "Ask the deployed guard to look now, and to restore what drifted",
		Long: `Put a look on the queue of the deployed guard: it looks at once and, where the mode is enforce, restores what
drifted. Use it after the first deploy, after an outage, or when something was repaired by hand.

What the guard finds stands in the log group ` + remediateLog + `; what people should know comes by SNS.`,
		Example: `  icaguard look --all
  icaguard look --storage lab-prod --setting bucket-cors`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := newSession(cmd)
			if err != nil {
				return err
			}
			if err := s.checkLook(storage, setting); err != nil {
				return err
			}
			if err := s.sendLook(cmd.Context(), guard.Look{Storage: storage, Setting: setting, Reason: "icaguard look"}, 0); err != nil {
				return err
			}
			s.printAsked(cmd.OutOrStdout())
			return nil
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every setting of every storage")
	cmd.Flags().StringVar(&storage, "storage", "", "only this storage")
	cmd.Flags().StringVar(&setting, "setting", "", "only this setting")
	cmd.MarkFlagsOneRequired("all", "storage", "setting")
	cmd.MarkFlagsMutuallyExclusive("all", "storage")
	cmd.MarkFlagsMutuallyExclusive("all", "setting")
	return cmd
}

// checkLook: the guard looks at itself too, so its own rows may be asked for.
func (s session) checkLook(storage, setting string) error {
	if storage != "" {
		if err := s.knownStorage("--storage", storage); err != nil {
			return err
		}
	}
	if setting == "" {
		return nil
	}
	return knownSettings(guard.All(), setting)
}

func (s session) printAsked(w io.Writer) {
	fmt.Fprintf(w, "asked the guard in %s to look; follow it with: aws logs tail %s --follow --region %s\n",
		s.baseline.HomeRegion, remediateLog, s.baseline.HomeRegion)
}

// remediateLog is the log group in which remediate says what it heard and found.
const remediateLog = "/aws/lambda/" + guard.RemediateFunction

func (s session) sendLook(ctx context.Context, look guard.Look, after ...time.Duration) error {
	client := sqs.NewFromConfig(s.aws)
	out, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(guard.LookQueue)})
	if err != nil {
		return fmt.Errorf("look: find the guard's queue %s in %s: %w: is icaguard deployed in account %s? make deploy",
			guard.LookQueue, s.baseline.HomeRegion, err, s.baseline.Account)
	}
	queue := guard.Queue{SQS: client, URL: aws.ToString(out.QueueUrl)}
	for _, delay := range after {
		if err := queue.LookAgain(ctx, look, delay); err != nil {
			return fmt.Errorf("look: %w", err)
		}
	}
	return nil
}
