// Package deployed is icaguard itself, deployed into a local AWS by the project's own CDK app and command line, with
// the real function binaries running. The demo and the end-to-end tests share it.
//
// Invariant: what runs is what was deployed: environment, timeout, names and policies of the functions are read back from
// the local AWS, never repeated here.
package deployed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
)

// Options of a deployment.
type Options struct {
	Config string    // path of ica.yaml
	CDKLog io.Writer // what the CDK command line prints; nil discards it
	Log    io.Writer // what remediate logs; nil discards it
	Tag    string    // KEY=VALUE of CDK's own stacks; "": none
}

// Guard is a deployed icaguard.
type Guard struct {
	Remediate, Validate *localaws.Function
	TopicARN            string
	QueueURL            string

	local *localaws.AWS
	home  icaconfig.Home
	dir   string
}

// Deploy builds the functions for this machine, deploys the app and makes the functions ready. Close removes all files.
func Deploy(ctx context.Context, local *localaws.AWS, options Options) (*Guard, error) {
	file, err := icaconfig.Load(options.Config, settings.Exceptable())
	if err != nil {
		return nil, fmt.Errorf("deploy: %w", err)
	}
	owner, err := file.Owner(local.Account(), "aws")
	if err != nil {
		return nil, fmt.Errorf("deploy: %w", err)
	}
	baseline := file.Baseline(owner)
	dir, err := os.MkdirTemp("", "icaguard-")
	if err != nil {
		return nil, fmt.Errorf("deploy: make a folder for the build: %w", err)
	}
	g := &Guard{local: local, home: baseline.Home, dir: dir}
	if err := errors.Join(g.runCDK(ctx, options), ctx.Err()); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	if err := g.start(ctx, options.Log); err != nil {
		return nil, errors.Join(err, g.Close())
	}
	return g, nil
}

func (g *Guard) runCDK(ctx context.Context, options Options) error {
	bootstrap := []string{"bootstrap"}
	for _, region := range g.home.Regions() {
		bootstrap = append(bootstrap, "aws://"+g.local.Account()+"/"+region)
	}
	if options.Tag != "" {
		bootstrap = append(bootstrap, "--tags", options.Tag)
	}
	if err := g.CDK(ctx, options, bootstrap...); err != nil {
		return err
	}
	return g.CDK(ctx, options, "deploy", "--all", "--require-approval", "never", "--method", "direct")
}

// CDK runs the project's CDK command line with what was built for this deployment.
func (g *Guard) CDK(ctx context.Context, options Options, args ...string) error {
	config, err := filepath.Abs(options.Config)
	if err != nil {
		return fmt.Errorf("deploy: %w", err)
	}
	cdk := localaws.CDKOptions{Log: options.CDKLog, Env: map[string]string{
		"CONFIG": config, "DIST": g.dist(), "GOOS": runtime.GOOS, "GOARCH": runtime.GOARCH,
	}}
	if err := g.local.CDK(ctx, cdk, append(args, "--output", filepath.Join(g.dir, "cdk.out"))...); err != nil {
		return fmt.Errorf("deploy: %w", err)
	}
	return nil
}

func (g *Guard) dist() string { return filepath.Join(g.dir, "dist") }

// start makes the functions ready as they were deployed.
func (g *Guard) start(ctx context.Context, log io.Writer) (err error) {
	if g.Remediate, err = g.function(ctx, guard.RemediateFunction, "remediate", log); err != nil {
		return err
	}
	g.Validate, err = g.function(ctx, guard.ValidateFunction, "validate", nil)
	return err
}

func (g *Guard) function(ctx context.Context, name, folder string, log io.Writer) (*localaws.Function, error) {
	deployed, err := lambda.NewFromConfig(g.local.DirectConfig(g.home.HomeRegion)).
		GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
	if err != nil {
		return nil, fmt.Errorf("deploy: read function %s back: %w", name, err)
	}
	if err := g.authorize(ctx, name, aws.ToString(deployed.FunctionArn)); err != nil {
		return nil, err
	}
	env := g.local.FunctionEnv(Key(name))
	if deployed.Environment != nil {
		for k, v := range deployed.Environment.Variables {
			env[k] = v
		}
	}
	if topic := env[guard.EnvTopicARN]; topic != "" {
		g.TopicARN, g.QueueURL = topic, env[guard.EnvQueueURL]
	}
	f, err := localaws.StartFunction(ctx, localaws.FunctionConfig{
		Name: name, ARN: aws.ToString(deployed.FunctionArn), Binary: filepath.Join(g.dist(), folder, "bootstrap"), Env: env,
		Timeout: time.Duration(aws.ToInt32(deployed.Timeout)) * time.Second, MemoryMB: int(aws.ToInt32(deployed.MemorySize)), Log: log,
		Logs: cloudwatchlogs.NewFromConfig(g.local.Config(g.home.HomeRegion, KeyOfLambda(name))),
	})
	if err != nil {
		return nil, fmt.Errorf("deploy: start function %s: %w", name, err)
	}
	g.local.Recorder().Serve(f)
	return f, nil
}

// Key is the access key of a function.
func Key(function string) string { return "ASIA" + function }

// KeyOfLambda is the access key of Lambda itself, which writes a function's log and polls its queue in the name of the
// function's role.
func KeyOfLambda(function string) string { return "ASIALAMBDA" + function }

// authorize lets a function, and Lambda in its role's name, do what was deployed, and nothing else.
func (g *Guard) authorize(ctx context.Context, function, arn string) error {
	grants, err := g.local.Grants(ctx, function, g.home.Regions()...)
	if err != nil {
		return fmt.Errorf("deploy: %w", err)
	}
	recorder, who := g.local.Recorder(), localaws.AssumedRole(g.local.Account(), function, function)
	recorder.Identify(KeyOfLambda(function), who)
	recorder.Authorize(KeyOfLambda(function), grants)
	grants.Function = arn
	recorder.Identify(Key(function), who)
	recorder.Authorize(Key(function), grants)
	return nil
}

// Poller is the event source mapping from the guard's queue to remediate.
func (g *Guard) Poller(ctx context.Context, observe func(localaws.Batch)) (localaws.PollerConfig, error) {
	client := sqs.NewFromConfig(g.local.Config(g.home.HomeRegion, KeyOfLambda(guard.RemediateFunction)))
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &g.QueueURL, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		return localaws.PollerConfig{}, fmt.Errorf("deploy: read queue %s: %w", g.QueueURL, err)
	}
	return localaws.PollerConfig{
		SQS: client, QueueURL: g.QueueURL, QueueARN: out.Attributes["QueueArn"], Function: g.Remediate, Observe: observe,
	}, nil
}

// Close ends the functions and removes the build.
func (g *Guard) Close() error {
	var errs []error
	for _, f := range []*localaws.Function{g.Remediate, g.Validate} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(g.dir))...)
}
