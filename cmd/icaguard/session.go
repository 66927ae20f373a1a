package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/spf13/cobra"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/gates"
	"github.com/icaguard/icaguard/internal/guard/self/watch"
	"github.com/icaguard/icaguard/internal/guard/settings"
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
	file, err := icaconfig.Load(path, settings.Exceptable())
	if err != nil {
		return session{}, err
	}
	cfg, err := awsclient.LoadConfig(cmd.Context(), file.HomeRegion)
	if err != nil {
		return session{}, err
	}
	account, partition, err := whoAmI(cmd.Context(), cfg)
	if err != nil {
		return session{}, err
	}
	owner, err := file.Owner(account, partition)
	if err != nil {
		return session{}, err
	}
	baseline := file.Baseline(owner)
	return session{file: file, baseline: baseline, aws: cfg}, nil
}

func whoAmI(ctx context.Context, cfg aws.Config) (account, partition string, err error) {
	identity, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil)
	if err != nil {
		return "", "", fmt.Errorf(
			"no AWS credentials that work, or no way to AWS: log in as for the AWS CLI, or fix the network (proxy, AWS_ENDPOINT_URL); "+
				"check with: aws sts get-caller-identity: %w",
			err,
		)
	}
	parsed, err := arn.Parse(aws.ToString(identity.Arn))
	if err != nil {
		return "", "", fmt.Errorf("credentials: read own ARN %q: %w", aws.ToString(identity.Arn), err)
	}
	return parsed.AccountID, parsed.Partition, nil
}

func (s session) clients() guard.Clients {
	return guard.Clients{
		Config: s.aws, Account: s.baseline.Account,
		Store: ledger.Ledger{Config: s.aws, Table: guard.LedgerTable, Now: time.Now},
	}
}

var errNotDeployed = errors.New("nothing guards these storages; make deploy")

// engine checks as the deployed guard does. Where none is deployed it leaves out the guard itself, and says so; it also
// says when nobody can tell.
func (s session) engine(ctx context.Context) (e *guard.Engine, warning error) {
	clients := s.clients()
	deploys := gates.NewDeploys(clients, s.baseline.Home)
	e = &guard.Engine{
		Baseline: s.baseline, Settings: settings.All(), Self: watch.All(), Clients: clients, Deploys: deploys,
		Gates: []guard.Gate{deploys.Gate, s.pauses().Gate},
		Sleep: guard.Sleep, Now: time.Now,
	}
	if warning = s.mustBeDeployed(ctx, deploys); errors.Is(warning, errNotDeployed) {
		e.Self, e.Deploys, e.Gates = nil, nil, nil
	}
	return e, warning
}

// mustBeDeployed wraps errNotDeployed if there is no guard stack.
func (s session) mustBeDeployed(ctx context.Context, deploys *gates.Deploys) error {
	deployed, err := deploys.Deployed(ctx)
	if err != nil {
		return fmt.Errorf(
			"it is not known whether icaguard is deployed in account %s, region %s: %w", s.baseline.Account, s.baseline.HomeRegion,
			err,
		)
	}
	if !deployed {
		return fmt.Errorf(
			"icaguard is not deployed in account %s, region %s: %w", s.baseline.Account, s.baseline.HomeRegion, errNotDeployed,
		)
	}
	return nil
}

func (s session) pauses() *gates.Pauses { return gates.NewPauses(s.clients(), s.baseline, time.Now) }

var errUnknownName = errors.New("no such name")

// knownStorage refuses a misspelt name here, where somebody is there to read it. What says where the name stood.
func (s session) knownStorage(what, name string, also ...string) error {
	var names []string
	for _, st := range s.baseline.Storages {
		names = append(names, st.Name)
	}
	if names = append(names, also...); !slices.Contains(names, name) {
		return fmt.Errorf("%s %q: %w: the configuration has %s", what, name, errUnknownName, strings.Join(names, ", "))
	}
	return nil
}

// knownSettings refuses ids that are not in the table.
func knownSettings(table []guard.Row, asked ...string) error {
	known := ids(table)
	for _, id := range asked {
		if !slices.Contains(known, id) {
			return fmt.Errorf("--setting %q: %w: there are %s", id, errUnknownName, strings.Join(known, ", "))
		}
	}
	return nil
}

func ids(table []guard.Row) []string {
	var all []string
	for _, row := range table {
		all = append(all, row.ID)
	}
	return all
}
