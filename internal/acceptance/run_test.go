package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/icaguard/icaguard/internal/acceptance/evidence"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/deployed"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	"github.com/icaguard/icaguard/internal/testlab"
)

// Tests of all packages take -update; this one has no golden files.
var _ = flag.Bool("update", false, "rewrite golden files")

const (
	person = "ASIAPERSON"
	root   = "../.."
)

// env is a local AWS with what the program needs of it.
type env struct {
	t     *testing.T
	local *localaws.AWS
	guard *deployed.Guard
	stop  func() // of the functions
	out   bytes.Buffer
	dir   string
}

func newEnv(t *testing.T) *env {
	t.Helper()
	testlab.DependOn(t, "cdk", "cmd/icaguard", "functions/remediate", "functions/validate")
	e := &env{t: t, local: localawstest.Start(t), dir: t.TempDir(), stop: func() {}}
	e.local.Recorder().Identify(person, localaws.AssumedRole(e.local.Account(), "Administrators", "jane.doe"))
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(e.dir, "icaguard"), "./cmd/icaguard")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return e
}

// site is the local AWS as the program's site: real binaries of the functions, deployed by the real CDK command line.
func (e *env) site() Site {
	return Site{
		Local:  true,
		Config: func(region string) aws.Config { return e.local.Config(region, person) },
		Command: func(ctx context.Context, name string, args ...string) *exec.Cmd {
			cmd := exec.CommandContext(ctx, name, args...)
			cmd.Dir, cmd.Env = root, e.local.CommandEnv(person, nil)
			return cmd
		},
		CLI:       filepath.Join(e.dir, "icaguard"),
		Bootstrap: func(context.Context, string, string) error { return nil }, // a part of deployed.Deploy
		Deploy:    e.deploy,
		Assumed: func(key, role, session string) {
			e.local.Recorder().Identify(key, localaws.AssumedRole(e.local.Account(), role, session))
		},
		Patience: 20 * time.Second, Pause: 50 * time.Millisecond,
	}
}

func (e *env) deploy(ctx context.Context, config string) (err error) {
	if e.guard, err = deployed.Deploy(ctx, e.local, deployed.Options{Config: config}); err != nil {
		return err
	}
	poller, err := e.guard.Poller(ctx, nil)
	if err != nil {
		return err
	}
	polling, cancel := context.WithCancel(e.t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = localaws.Poll(polling, poller) }) // ends with the queue, too
	e.stop = func() { cancel(); running.Wait(); _ = e.guard.Close() }
	return nil
}

func (e *env) options() Options {
	return Options{
		Site: e.site(), Out: &e.out, Folder: filepath.Join(e.dir, "acceptance"), Account: e.local.Account(), ICARegion: "US",
		Breaks: Breaks(), Version: "test",
	}
}

// TestRun plays the whole program.
func TestRun(t *testing.T) {
	e := newEnv(t)
	defer func() { e.stop() }()
	o := e.options()
	var seen evidence.Evidence
	o.Breaks = slices.DeleteFunc(o.Breaks, func(b Break) bool { return !strings.Contains(os.Getenv("ONLY"), b.Setting) })
	o.Ask = func(_ context.Context, ev evidence.Evidence) (string, any) {
		seen = ev
		return "asked\n", []string{"asked"}
	}
	err := Run(t.Context(), o)
	t.Logf("%s", e.out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	_ = seen
	for _, f := range []string{"report.md", "report.json"} {
		text, err := os.ReadFile(filepath.Join(o.Folder, f))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s", text)
	}
}

var _ = []any{json.Marshal, errors.Is, slices.Sort[[]string], strings.Contains, guard.Sleep}
