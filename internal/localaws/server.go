package localaws

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

const (
	// account is moto's default, and AWS's example account.
	account = "123456789012"
	// setUpKey is the access key of calls that set the stage and pass by the recorder.
	setUpKey = "set-up"
	// home is the region of the set-up calls, and the only one where IAM's events appear.
	home = "us-east-1"

	// startTimeout only ends what hangs. Importing moto takes a second, but more than 30 s were seen where its files are read
	// for the first time beside a compiler.
	startTimeout = 5 * time.Minute
	// endTimeout is what it has to clean up after itself.
	endTimeout = 5 * time.Second
)

// Options of Start. The zero value is right for most uses.
type Options struct {
	// Log receives what moto and the recorder log; nil discards it.
	Log io.Writer
	// WithoutGaps names emulations of emulation.py to leave out, so that a test can show that it needs one.
	WithoutGaps []string
	// LocalStack answers instead of moto, without emulations: a witness for what the two do alike. It needs the Python
	// environment that `make witness` installs.
	LocalStack bool
}

// program is the Python program that answers: a script in this directory, and the environment in which it runs.
func (o Options) program() (venv, script string) {
	if o.LocalStack {
		return filepath.Join(".tools", "localstack"), "localstack.py"
	}
	return ".venv", "emulation.py"
}

// AWS is one running local AWS: a moto process of its own and the recorder in front of it.
type AWS struct {
	endpoint string
	moto     *exec.Cmd
	lifeline io.Closer
	output   *tail // of moto and of the recorder
	recorder *Recorder
	http     aws.HTTPClient

	exited    chan struct{} // closed when moto is gone
	closeOnce sync.Once
	closeErr  error
}

// Start runs moto on a free loopback port and a recorder in front of it, until Close or the end of ctx.
//
// It needs the Python environment that `make setup` installs in the module's root directory.
func Start(ctx context.Context, options Options) (*AWS, error) {
	if options.Log == nil {
		options.Log = io.Discard
	}
	local, err := startMoto(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("localaws: start moto: %w", err)
	}
	if local.recorder, err = startRecorder(ctx, local); err != nil {
		return nil, errors.Join(fmt.Errorf("localaws: start recorder: %w", err), local.Close())
	}
	return local, nil
}

// startMoto starts emulation.py, or what stands in for it. The child reports its port, so the listener is surely the child; it
// ends when its standard input is closed, which also happens when this process is killed.
func startMoto(ctx context.Context, options Options) (*AWS, error) {
	venv, script := options.program()
	cmd, err := python(ctx, venv, script)
	if err != nil {
		return nil, err
	}
	port, portWriter, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = port.Close() }()
	lifeline, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	output := &tail{next: options.Log}
	cmd.Stdout, cmd.Stderr = output, output
	cmd.ExtraFiles = []*os.File{portWriter}
	cmd.Env = append(cmd.Env, "ICAGUARD_GAPS_OFF="+strings.Join(options.WithoutGaps, ","),
		"MOTO_IAM_LOAD_MANAGED_POLICIES=true", "MOTO_DISABLE_GLOBAL_CORS=true")
	inOwnGroup(cmd)
	err = cmd.Start()
	_ = portWriter.Close()
	if err != nil {
		return nil, err
	}
	local := &AWS{moto: cmd, lifeline: lifeline, output: output, exited: make(chan struct{}), http: awshttp.NewBuildableClient()}
	go func() {
		_ = cmd.Wait() // how it ended is told by its output
		close(local.exited)
	}()
	if local.endpoint, err = endpointFrom(port); err != nil {
		_ = local.Close()
		return nil, fmt.Errorf("%w; its last output:\n%s", err, output)
	}
	return local, nil
}

func endpointFrom(port *os.File) (string, error) {
	if err := port.SetReadDeadline(time.Now().Add(startTimeout)); err != nil {
		return "", err
	}
	line, err := io.ReadAll(port)
	if err != nil {
		return "", fmt.Errorf("no port within %s: %w", startTimeout, err)
	}
	number, err := strconv.Atoi(strings.TrimSpace(string(line)))
	if err != nil {
		return "", errors.New("it ended before it listened")
	}
	// The CDK command line's S3 client uses paths for buckets only when the host is a name without dots.
	return fmt.Sprintf("http://localhost:%d", number), nil
}

// Endpoint is moto's own address, without the recorder: for the CDK and for setting the stage.
func (a *AWS) Endpoint() string { return a.endpoint }

// Recorder is the proxy in front of moto.
func (a *AWS) Recorder() *Recorder { return a.recorder }

// Account is the id of the account that everything belongs to.
func (a *AWS) Account() string { return account }

// Config configures an SDK client that calls through the recorder, as the identity of that access key.
func (a *AWS) Config(region, accessKeyID string) aws.Config {
	return a.clientConfig(region, accessKeyID, a.recorder.URL())
}

// DirectConfig configures an SDK client that calls moto itself: nothing is recorded, no fault is injected.
// S3 clients need UsePathStyle with it; with Config they do not.
func (a *AWS) DirectConfig(region string) aws.Config {
	return a.clientConfig(region, setUpKey, a.endpoint)
}

// FunctionEnv is the environment by which the code of a Lambda function finds the local AWS, through the recorder.
func (a *AWS) FunctionEnv(accessKeyID string) map[string]string {
	return map[string]string{
		"AWS_ENDPOINT_URL":      a.recorder.URL(),
		"AWS_ACCESS_KEY_ID":     accessKeyID,
		"AWS_SECRET_ACCESS_KEY": "test",
	}
}

// Reset empties moto and makes the recorder forget calls, faults and played stacks. Identities and the emit function stay.
func (a *AWS) Reset(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, a.endpoint+"/moto-api/reset", http.NoBody)
	if err != nil {
		return fmt.Errorf("localaws: reset: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("localaws: reset: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("localaws: reset: moto answered %s", response.Status)
	}
	a.recorder.forget()
	return nil
}

// Close stops the recorder and moto. Its error is what the recorder could not deliver, see Recorder.Err.
func (a *AWS) Close() error {
	a.closeOnce.Do(func() {
		if a.recorder != nil {
			a.closeErr = a.recorder.close()
		}
		_ = a.lifeline.Close() // it ends by itself then
		select {
		case <-a.exited:
		case <-time.After(endTimeout):
			killGroup(a.moto)
			<-a.exited
		}
	})
	return a.closeErr
}

// Gap is one entry of the list of what moto does not do as AWS does.
type Gap struct {
	ID       string `json:"id"`
	Service  string `json:"service"`
	Moto     string `json:"moto"`
	AWS      string `json:"aws"`
	Doc      string `json:"doc"` // the AWS documentation that the emulation follows
	Emulated bool   `json:"emulated"`
	By       string `json:"by"` // the file, and in emulation.py the function, that emulates it
}

// Gaps reads the list from emulation.py.
func Gaps(ctx context.Context) ([]Gap, error) {
	venv, script := Options{}.program()
	cmd, err := python(ctx, venv, script, "--list")
	if err != nil {
		return nil, fmt.Errorf("localaws: list gaps: %w", err)
	}
	var output, errOutput bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &errOutput
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("localaws: list gaps: %w: %s", err, errOutput.Bytes())
	}
	var gaps []Gap
	if err := json.Unmarshal(output.Bytes(), &gaps); err != nil {
		return nil, fmt.Errorf("localaws: list gaps: %w", err)
	}
	return gaps, nil
}

// python is the command that runs a script of this directory in a virtual environment of the module's root.
func python(ctx context.Context, venv, script string, args ...string) (*exec.Cmd, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	interpreter := filepath.Join(root, venv, "bin", "python")
	if _, err := os.Stat(interpreter); err != nil {
		return nil, fmt.Errorf("no Python environment (%w): run make setup", err)
	}
	file := filepath.Join(root, "internal", "localaws", script)
	cmd := exec.CommandContext(ctx, interpreter, append([]string{"-B", file}, args...)...)
	cmd.Env = keptEnv(basics)
	return cmd, nil
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod in the working directory or above: run this inside a checkout of icaguard")
		}
		dir = parent
	}
}

// keptEnv is the part of our environment that children get. Above all no AWS_*: a developer's own credentials and
// endpoints must never reach them.
func keptEnv(keep func(name string) bool) []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return !keep(name)
	})
}

func basics(name string) bool {
	return slices.Contains([]string{"PATH", "HOME", "TMPDIR", "LANG", "XDG_CACHE_HOME"}, name)
}

func (a *AWS) clientConfig(region, accessKeyID, endpoint string) aws.Config {
	return aws.Config{
		HTTPClient:   a.http, // one for all clients, or every client made would keep connections of its own open
		Region:       region,
		Credentials:  credentials.NewStaticCredentialsProvider(accessKeyID, "test", ""),
		BaseEndpoint: aws.String(endpoint),
	}
}

// inOwnGroup makes the command's process the head of a group, which ends as a whole with the command's context.
func inOwnGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { killGroup(cmd); return nil }
	cmd.WaitDelay = 5 * time.Second
}

func killGroup(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may be gone already
}

// tail passes output on and keeps its end, for error messages.
type tail struct {
	next io.Writer

	mu   sync.Mutex
	kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if excess := len(t.kept) - 4096; excess > 0 {
		t.kept = t.kept[excess:]
	}
	return t.next.Write(p)
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.kept)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}
