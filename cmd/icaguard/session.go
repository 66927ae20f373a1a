package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/spf13/cobra"

	"github.com/icaguard/icaguard/internal/awslore"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/ledger"
)

// session is a configuration with the account of the credentials at hand.
type session struct {
	file     *icaconfig.File
	baseline icaconfig.Baseline
	aws      aws.Config
}

func newSession(cmd *cobra.Command) (session, error) {
	path, err := cmd.Flags().GetString("config")
	if err != nil {
		return session{}, fmt.Errorf("flags: %w", err)
	}
	file, err := icaconfig.Load(path)
	if err != nil {
		return session{}, err
	}
	cfg, err := awslore.LoadConfig(cmd.Context(), file.HomeRegion)
	if err != nil {
		return session{}, err
	}
	account, partition, err := whoAmI(cmd.Context(), cfg)
	if err != nil {
		return session{}, err
	}
	baseline, err := file.Baseline(account, partition)
	if err != nil {
		return session{}, err
	}
	return session{file: file, baseline: baseline, aws: cfg}, nil
}

func whoAmI(ctx context.Context, cfg aws.Config) (account, partition string, err error) {
	identity, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	if err != nil {
		return "", "", fmt.Errorf("no AWS credentials that work, or no way to AWS: log in as for the AWS CLI, or mend the network (proxy, AWS_ENDPOINT_URL); check with: aws sts get-caller-identity: %w", err)
	}
	parsed, err := arn.Parse(aws.ToString(identity.Arn))
	if err != nil {
		return "", "", fmt.Errorf("credentials: read own ARN %q: %w", aws.ToString(identity.Arn), err)
	}
	return parsed.AccountID, parsed.Partition, nil
}

func (s session) engine() *guard.Engine {
	return &guard.Engine{
		Baseline: s.baseline,
		Settings: guard.Settings(),
		Clients: guard.Clients{
			Config: s.aws, Account: s.baseline.Account,
			Memory: ledger.Ledger{Config: s.aws, Table: guard.LedgerTable, Now: time.Now},
		},
		Sleep: guard.Sleep, Now: time.Now,
	}
}
