package localaws

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// CDKOptions of a run of the CDK command line.
type CDKOptions struct {
	Dir string            // with cdk.json; default: the module's root
	Env map[string]string // added to the environment
	Log io.Writer         // receives the output; nil discards it
}

// CDK runs the project's own CDK command line against the local AWS, past the recorder: args are `bootstrap`, or
// `deploy --all --require-approval never --method direct` and the like. Its error has the last lines of the output.
func (a *AWS) CDK(ctx context.Context, options CDKOptions, args ...string) error {
	if options.Log == nil {
		options.Log = io.Discard
	}
	if options.Dir == "" {
		root, err := moduleRoot()
		if err != nil {
			return fmt.Errorf("localaws: cdk: %w", err)
		}
		options.Dir = root
	}
	output := &tail{next: options.Log}
	cmd := exec.CommandContext(ctx, "npx", append([]string{"--no-install", "cdk", "--notices=false", "--no-color"}, args...)...)
	cmd.Dir = options.Dir
	cmd.Env = commandEnv(a.endpoint, setUpKey, options.Env)
	cmd.Stdout, cmd.Stderr = output, output
	inOwnGroup(cmd)
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("localaws: cdk %s: %w; its last output:\n%s", strings.Join(args, " "), err, output)
	}
	return nil
}

// CommandEnv is the environment of a command of the project's, such as make, that calls the local AWS through the
// recorder, as the identity of that access key.
func (a *AWS) CommandEnv(accessKeyID string, added map[string]string) []string {
	return commandEnv(strings.Replace(a.recorder.URL(), "127.0.0.1", "localhost", 1), accessKeyID, added)
}

// commandEnv is a clean environment: a developer's own AWS_* must not decide where this deploys to.
func commandEnv(endpoint, accessKeyID string, added map[string]string) []string {
	env := keptEnv(func(name string) bool {
		// The app is a Go program that must run on this machine.
		return basics(name) || strings.HasPrefix(name, "GO") && name != "GOOS" && name != "GOARCH"
	})
	env = append(env,
		"AWS_ENDPOINT_URL="+endpoint, "AWS_REGION="+home, "AWS_DEFAULT_REGION="+home,
		"AWS_ACCESS_KEY_ID="+accessKeyID, "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=20", "CDK_DISABLE_CLI_TELEMETRY=true", "CDK_DISABLE_VERSION_CHECK=1",
	)
	for name, value := range added {
		env = append(env, name+"="+value)
	}
	return env
}
