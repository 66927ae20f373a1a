// Command acceptance deploys icaguard into a sandbox account, breaks each setting once, answers what icaguard believes of
// AWS, writes a report and removes everything: `make acceptance`, docs/acceptance.md.
//
// It stands apart from the command line icaguard, so that the tool of every day cannot break anything.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/icaguard/icaguard/internal/acceptance"
	"github.com/icaguard/icaguard/internal/acceptance/beliefs"
	"github.com/icaguard/icaguard/internal/awsclient"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "\nacceptance:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	o := acceptance.Options{Out: os.Stdout, Breaks: acceptance.Breaks(), Try: beliefs.Try}
	flag.StringVar(&o.Account, "account", "", "the AWS account, as a confirmation")
	flag.StringVar(&o.Home, "region", "", "AWS region of icaguard; default: the bucket's")
	flag.StringVar(&o.ICARegion, "ica-region", "US", "ICA's region, which gives the bucket's")
	flag.StringVar(&o.Folder, "report", "acceptance", "folder of the report")
	clean := flag.Bool("clean", false, "remove what a run that was killed left behind")
	flag.Parse()
	site, err := onAWS(ctx)
	if err != nil {
		return err
	}
	o.Site, o.Version = site, version(ctx)
	if *clean {
		return acceptance.Clean(ctx, o.Site, o.Out, o.Folder)
	}
	return acceptance.Run(ctx, o)
}

// version is that of the checkout; a changed one is marked.
func version(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--tags").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// onAWS deploys as a lab does: by the Makefile's own targets.
func onAWS(ctx context.Context) (acceptance.Site, error) {
	base, err := awsclient.LoadConfig(ctx, "")
	if err != nil {
		return acceptance.Site{}, err
	}
	base.HTTPClient = awshttp.NewBuildableClient().WithTimeout(time.Minute) // as a call that creates must not be made twice
	base.Retryer = patient
	show := func(ctx context.Context, name string, args ...string) error {
		cmd := command(ctx, name, args...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
		}
		return nil
	}
	return acceptance.Site{
		Config: func(region string) aws.Config {
			cfg := base.Copy()
			cfg.Region = region
			return cfg
		},
		Command: command,
		CLI:     "bin/icaguard",
		Bootstrap: func(ctx context.Context, config, environment, tag string) error {
			return show(ctx, "env", "CONFIG="+config, "npx", "--no-install", "cdk", "bootstrap", environment, "--tags", tag)
		},
		Deploy: func(ctx context.Context, config string) error {
			return show(ctx, "make", "--no-print-directory", "deploy", "CONFIG="+config, "APPROVAL=never")
		},
		Patience: 10 * time.Minute, Pause: time.Second,
	}, nil
}

// patient tries again what AWS refuses as it still does the last change of the same thing, or has had too many calls.
func patient() aws.Retryer {
	return retry.AddWithErrorCodes(retry.AddWithMaxAttempts(retry.NewStandard(), 8),
		"OperationAborted", "ConcurrentModification", "ConcurrentModificationException", "ResourceConflictException")
}

// command has a process group of its own, as make passes an interrupt on to nothing that it runs: CDK must not go on
// deploying while all is removed.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 30 * time.Second
	return cmd
}
