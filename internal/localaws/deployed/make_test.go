package deployed_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
)

// testMakeDeploy deploys a change that widens access with the Makefile's own target, as a pipeline does: nobody is there
// to approve it. What the target does after the deploy goes to the functions that run.
func (w *env) testMakeDeploy() {
	example, err := os.ReadFile("../../../ica.example.yaml")
	w.must(err)
	dir := w.t.TempDir()
	config := filepath.Join(dir, "ica.yaml")
	wider := strings.Replace(string(example), "#versioning: auto ", "versioning: enabled ", 1)
	w.must(os.WriteFile(config, []byte(wider), 0o600))
	stop := w.poll()
	defer stop()
	const deployer = "ASIADEPLOYER"
	w.local.Recorder().Identify(deployer, localaws.AssumedRole(w.local.Account(), "Deployer", "pipeline"))
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Minute) // should it wait for an answer
	defer cancel()
	cmd := exec.CommandContext(ctx, "make", "--no-print-directory", "deploy", "CONFIG="+config, "DIST="+filepath.Join(dir, "dist"),
		"GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	cmd.Dir = "../../.."
	cmd.Env = w.local.CommandEnv(deployer, map[string]string{
		"CDK_OUTPUT": filepath.Join(dir, "cdk.out"), "CDK_METHOD": "direct", "PROBE_TIMEOUT": "1m",
	})
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "APPROVAL=never") {
		w.t.Fatalf("make deploy without a terminal: %v\n%s", err, out)
	}
	if digest := w.digest(config); !strings.Contains(string(out), "icaguard-guard.ConfigDigest = "+digest) {
		w.t.Errorf("configuration %s was not deployed:\n%s", digest, out)
	}
	for _, step := range []string{
		"asked the guard", "guard-topic  in-sync", "TagRole               arrived", "PutPublicAccessBlock  arrived",
	} {
		if !strings.Contains(string(out), step) {
			w.t.Errorf("make deploy does not say %q:\n%s", step, out)
		}
	}
}

// digest is by which a deployed configuration is known.
func (w *env) digest(config string) string {
	w.t.Helper()
	file, err := icaconfig.Load(config, settings.Exceptable())
	w.must(err)
	owner, err := file.Owner(w.local.Account(), "aws")
	w.must(err)
	return file.Baseline(owner).Digest
}

// poll lets remediate work on its queue until stop is called.
func (w *env) poll() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		for ctx.Err() == nil {
			if _, err := localaws.Drain(ctx, w.poller); err != nil && ctx.Err() == nil {
				w.t.Error(err)
				return
			}
			_ = guard.Sleep(ctx, 200*time.Millisecond) // the loop ends with the context
		}
	})
	return func() { cancel(); running.Wait() }
}
