// Package wiring is what both functions do at start: read the configuration beside the binary, set up log and AWS.
//
// Invariant: starting makes no call to AWS; account, partition and region come from the invoked function's ARN.
package wiring

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/gates"
	"github.com/icaguard/icaguard/internal/guard/self/watch"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/ledger"
)

// Function is a started function.
type Function struct {
	File *icaconfig.File
	AWS  aws.Config
	Log  *slog.Logger

	state *state
}

// Start reads the configuration and sets up the AWS clients' configuration.
func Start(ctx context.Context) (Function, error) {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	path, err := configPath()
	if err != nil {
		return Function{Log: log}, err
	}
	file, err := icaconfig.Load(path, settings.Exceptable())
	if err != nil {
		return Function{Log: log}, fmt.Errorf("start: %w", err)
	}
	cfg, err := awsclient.LoadConfig(ctx, "")
	if err != nil {
		return Function{Log: log}, fmt.Errorf("start: %w", err)
	}
	return Function{File: file, AWS: cfg, Log: log, state: &state{}}, nil
}

func configPath() (string, error) {
	if path := os.Getenv(guard.EnvConfig); path != "" {
		return path, nil
	}
	binary, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("start: find the configuration beside the binary: %w", err)
	}
	return filepath.Join(filepath.Dir(binary), "ica.yaml"), nil
}

// Self is what an invocation tells a function about itself.
type Self struct {
	Account, Partition, Region, Name string
}

var errNoFunctionARN = errors.New("the invocation names no function ARN: icaguard's functions run in AWS Lambda only")

// SelfFrom reads the ARN of the invoked function from the invocation.
func SelfFrom(ctx context.Context) (Self, error) {
	invocation, ok := lambdacontext.FromContext(ctx)
	if !ok {
		return Self{}, errNoFunctionARN
	}
	parsed, err := arn.Parse(invocation.InvokedFunctionArn)
	if err != nil {
		return Self{}, fmt.Errorf("%w: %q: %w", errNoFunctionARN, invocation.InvokedFunctionArn, err)
	}
	return Self{
		Account: parsed.AccountID, Partition: parsed.Partition, Region: parsed.Region, Name: lambdacontext.FunctionName,
	}, nil
}

// Session is the ARN under which CloudTrail shows the function's own calls: its role has the function's name, and
// Lambda names the session after the function.
func (s Self) Session() string {
	return fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/%s", s.Partition, s.Account, s.Name, s.Name)
}

// Wired is the engine for one invocation, with no queue to post to, and its gates, which keep what they learnt.
type Wired struct {
	*guard.Engine
	Deploys *gates.Deploys
	Pauses  *gates.Pauses
	Ledger  ledger.Ledger
}

// Engine makes the engine for one invocation.
func (f Function) Engine(self Self) (Wired, error) {
	baseline, err := f.baseline(self)
	if err != nil {
		return Wired{}, fmt.Errorf("engine: %w", err)
	}
	cfg := f.AWS.Copy()
	cfg.Region = self.Region
	store := ledger.Ledger{Config: cfg, Table: guard.LedgerTable, Now: time.Now}
	clients := guard.Clients{
		Config: cfg, Account: self.Account, Store: store,
		RoleARN: fmt.Sprintf("arn:%s:iam::%s:role/%s", self.Partition, self.Account, self.Name),
	}
	deploys, pauses := gates.NewDeploys(clients, baseline.Home), gates.NewPauses(clients, baseline, time.Now)
	engine := &guard.Engine{
		Baseline: baseline, Settings: settings.All(), Self: watch.All(), Clients: clients,
		Gates:   []guard.Gate{deploys.Gate, pauses.Gate},
		Deploys: deploys, SecondChecks: &f.state.secondChecks,
		Sleep: guard.Sleep, Now: time.Now,
	}
	return Wired{engine, deploys, pauses, store}, nil
}

// state is what a process keeps from invocation to invocation.
type state struct {
	once         sync.Once
	baseline     icaconfig.Baseline
	err          error
	secondChecks guard.SecondChecks
}

// baseline derives what is to be true once: every invocation of a function is in the same account.
func (f Function) baseline(self Self) (icaconfig.Baseline, error) {
	f.state.once.Do(func() {
		var owner icaconfig.Owner
		if owner, f.state.err = f.File.Owner(self.Account, self.Partition); f.state.err == nil {
			f.state.baseline = f.File.Baseline(owner)
		}
	})
	return f.state.baseline, f.state.err
}
