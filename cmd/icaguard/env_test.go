package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/golden"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/testlab"
)

// asCommand makes the test binary be icaguard itself: its exit status and both outputs are then the real ones.
const asCommand = "ICAGUARD_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// env is where somebody types icaguard commands: a folder, an environment, and nothing else of this machine.
type env struct {
	t         *testing.T
	dir       string
	variables map[string]string
}

func newEnv(t *testing.T, dir string, variables map[string]string) *env {
	t.Helper()
	d := &env{t: t, dir: dir, variables: map[string]string{
		asCommand: "1", "HOME": t.TempDir(), "PATH": "", "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_EC2_METADATA_DISABLED": "true",
		"GORACE":                    "atexit_sleep_ms=0", // with -race every process would wait for a second at its end
	}}
	for name, value := range variables {
		d.variables[name] = value
	}
	return d
}

// storageEnv is a lab, and a env with its ica.yaml and credentials.
type storageEnv struct {
	*testlab.Lab
	*env
}

func newStorageEnv(t *testing.T, local *localaws.AWS, name string) storageEnv {
	t.Helper()
	return storageEnvOf(t, testlab.New(t, local, name, icaconfig.Enforce))
}

func storageEnvOf(t *testing.T, lab *testlab.Lab) storageEnv {
	t.Helper()
	return storageEnv{lab, newEnv(t, filepath.Dir(lab.Config), lab.Local.FunctionEnv(lab.Key()))}
}

// write puts a file into the env's folder.
func (d *env) write(name, text string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// must fails the test on an error of an SDK call whose answer does not matter.
func (d *env) must(_ any, err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// answer is what a command answered.
type answer struct {
	args           []string
	stdout, stderr string
	code           int
}

func (d *env) run(args ...string) answer {
	d.t.Helper()
	self, err := os.Executable()
	if err != nil {
		d.t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(d.t.Context(), self, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = d.dir, &stdout, &stderr
	for name, value := range d.variables {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		d.t.Fatal(err)
	}
	return answer{args, stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// golden runs a command and compares all of its answer with testdata/NAME.txt.
func (d *env) golden(name string, args ...string) {
	d.t.Helper()
	golden.Check(d.t, *update, filepath.Join("testdata", name+".txt"), d.run(args...).transcript())
}

// transcript shows the answer as a terminal would, without what is chance: request ids and times.
func (a answer) transcript() string {
	var b strings.Builder
	b.WriteString("$ icaguard")
	for _, arg := range a.args {
		if arg == "" || strings.ContainsAny(arg, " \n") {
			arg = strconv.Quote(arg)
		}
		b.WriteString(" " + arg)
	}
	b.WriteString("\n")
	stdout := a.stdout
	for pattern, text := range map[string]string{
		`RequestID: [0-9A-Za-z-]+`: "RequestID: …", `\(request [0-9A-Za-z-]+\)`: "(request …)",
		`until [0-9-]+ [0-9:]+Z`: "until …", `until: "?20[0-9-]+"?`: "until: …", `arrived after [0-9.]+ s`: "arrived after … s",
		`(:eu-central-1:[0-9]+:key/)[0-9a-f-]{36}`: "$1…",
	} {
		stdout = regexp.MustCompile(pattern).ReplaceAllString(stdout, text)
	}
	b.WriteString(stdout)
	for line := range strings.Lines(a.stderr) {
		b.WriteString("stderr: " + line)
	}
	return b.String() + "exit status " + strconv.Itoa(a.code) + "\n"
}

// expectFailure runs a command that has to fail with all of these texts, and nothing but them to read.
func (d *env) expectFailure(args []string, texts ...string) {
	d.t.Helper()
	a := d.run(args...)
	if a.code != 2 || a.stdout != "" || !strings.HasPrefix(a.stderr, "icaguard: ") {
		d.t.Errorf("want exit status 2 and a message on standard error alone:\n%s", a.transcript())
	}
	for _, text := range texts {
		if !strings.Contains(a.stderr, text) {
			d.t.Errorf("the message lacks %q:\n%s", text, a.stderr)
		}
	}
}

// read reads a file of the env's folder.
func (d *env) read(name string) (string, error) {
	content, err := os.ReadFile(filepath.Join(d.dir, name))
	return string(content), err
}
