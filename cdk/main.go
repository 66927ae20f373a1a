// Command cdk is the CDK app: it turns ica.yaml into the stacks of one account.
//
// Invariant: this is the only package that knows jsii, and it decides nothing about ICA: documents and names come from
// icaconfig, event patterns and IAM statements from guard's table of settings.
package main

import (
	"bytes"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	defer jsii.Close()
	in, err := loadInput(environmentOr("CONFIG", "ica.yaml"), environmentOr("DIST", "dist"))
	if err != nil {
		return err
	}
	for _, warning := range in.warnings {
		fmt.Fprintln(os.Stderr, "warning:", warning)
	}
	app := awscdk.NewApp(nil)
	if err := newStacks(app, in); err != nil {
		return fmt.Errorf("synth: %w", err)
	}
	if err := checkTemplates(app.Synth(nil)); err != nil {
		return fmt.Errorf("synth: %w", err)
	}
	return nil
}

func environmentOr(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

// input is all that the stacks are made from.
type input struct {
	baseline icaconfig.Baseline
	warnings []string
	dist     string // folder with remediate/ and validate/, each a bootstrap and its ica.yaml
	goarch   string // what the functions were built for
}

var (
	errNoAccount = errors.New(
		`which account? Give the CDK command line AWS credentials, or write account: "123456789012" into ica.yaml`,
	)
	errStale    = errors.New("the functions were built with another configuration")
	errNotLinux = errors.New("the functions were not built for Linux, which AWS Lambda runs: make build GOOS=linux")
)

func loadInput(config, dist string) (input, error) {
	file, err := icaconfig.Load(config, settings.Exceptable())
	if err != nil {
		return input{}, err
	}
	account := file.Account
	if account == "" {
		account = os.Getenv("CDK_DEFAULT_ACCOUNT")
	}
	if account == "" {
		return input{}, fmt.Errorf("synth: %w", errNoAccount)
	}
	owner, err := file.Owner(account, "aws")
	if err != nil {
		return input{}, fmt.Errorf("synth: %w", err)
	}
	baseline := file.Baseline(owner)
	goarch, err := checkBuild(config, icaconfig.DocumentFiles(file), dist)
	if err != nil {
		return input{}, fmt.Errorf("synth: %w", err)
	}
	return input{baseline: baseline, warnings: file.Warnings(), dist: dist, goarch: goarch}, nil
}

// checkBuild makes sure that what is deployed is what is configured, and tells for which processor it was built.
func checkBuild(config string, documents []string, dist string) (goarch string, err error) {
	for _, function := range []string{"remediate", "validate"} {
		folder := filepath.Join(dist, function)
		err := sameFile(config, filepath.Join(folder, "ica.yaml"))
		for _, document := range documents {
			err = errors.Join(err, sameFile(filepath.Join(filepath.Dir(config), document), filepath.Join(folder, document)))
		}
		if err != nil {
			return "", fmt.Errorf("%w: make build CONFIG=%s", err, config)
		}
		if goarch, err = builtFor(filepath.Join(folder, "bootstrap")); err != nil {
			return "", err
		}
	}
	return goarch, nil
}

func sameFile(configured, built string) error {
	want, err := os.ReadFile(configured)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	got, err := os.ReadFile(built)
	if err != nil {
		return fmt.Errorf("read the build's configuration: %w", err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s: %w", built, errStale)
	}
	return nil
}

func builtFor(binary string) (goarch string, err error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return "", fmt.Errorf("read build of %s: %w", binary, err)
	}
	settings := map[string]string{}
	for _, setting := range info.Settings {
		settings[setting.Key] = setting.Value
	}
	// A custom endpoint is a local AWS, which runs the functions on this machine, whatever it is.
	if settings["GOOS"] != "linux" && os.Getenv("AWS_ENDPOINT_URL") == "" {
		return "", fmt.Errorf("%s: %w", binary, errNotLinux)
	}
	return settings["GOARCH"], nil
}
