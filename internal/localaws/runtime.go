package localaws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
)

// FunctionConfig describes a Lambda function with a custom runtime (provided.al2023).
type FunctionConfig struct {
	Name     string
	ARN      string            // arn:aws:lambda:REGION:ACCOUNT:function:NAME; its region becomes AWS_REGION
	Binary   string            // path of the bootstrap binary, built for this machine
	Env      map[string]string // the function's own variables, and credentials: see AWS.FunctionEnv
	Timeout  time.Duration     // default: 3 s, as on AWS
	MemoryMB int               // default: 128; told to the function, not enforced
	Log      io.Writer         // what the function writes; nil discards it
	// Logs also delivers it to the log group /aws/lambda/NAME, one stream per process, while the function runs; nil: not.
	// Close tells what could not be delivered. A client made with AWS.DirectConfig keeps this out of the recorder's calls.
	Logs *cloudwatchlogs.Client
}

// Result is what an invocation answers.
type Result struct {
	Payload []byte
	// FunctionError is empty, or "Unhandled" when the function failed, crashed or took too long: then the payload
	// is AWS's {"errorType", "errorMessage"}.
	FunctionError string
	Duration      time.Duration // of the handler
	InitDuration  time.Duration // of the process's start, on a cold start
	// MaxMemory is the most memory in bytes that the process has had resident, as the REPORT line of Lambda says it; 0 where
	// the process is gone or the system does not say.
	MaxMemory int64
}

// Function is a deployed function: one execution environment that is started at an invocation when there is none.
type Function struct {
	config FunctionConfig
	region string
	binary string

	mu      sync.Mutex // one invocation at a time
	sandbox *sandbox   // nil: the next start is cold
	closed  bool
	lost    error // log lines

	running atomic.Pointer[sandbox] // the same, for Kill, which waits for no invocation
}

// initTimeout is AWS's limit, https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
const initTimeout = 10 * time.Second

// StartFunction makes a function ready to be invoked, until Close or the end of ctx. As on AWS its process starts with
// the first invocation, so an error in its initialisation is that invocation's.
func StartFunction(ctx context.Context, config FunctionConfig) (*Function, error) {
	binary, err := filepath.Abs(config.Binary)
	if err != nil {
		return nil, fmt.Errorf("localaws: function %s: %w", config.Name, err)
	}
	if info, err := os.Stat(binary); err != nil {
		return nil, fmt.Errorf("localaws: function %s: %w: build it first", config.Name, err)
	} else if info.Mode()&0o111 == 0 {
		return nil, fmt.Errorf("localaws: function %s: %s is not executable", config.Name, binary)
	}
	parts := strings.Split(config.ARN, ":")
	if len(parts) < 7 || parts[2] != "lambda" {
		return nil, fmt.Errorf("localaws: function %s: %q is no function's ARN", config.Name, config.ARN)
	}
	if config.Timeout == 0 {
		config.Timeout = 3 * time.Second
	}
	if config.MemoryMB == 0 {
		config.MemoryMB = 128
	}
	if config.Log == nil {
		config.Log = io.Discard
	}
	function := &Function{config: config, region: parts[3], binary: binary}
	context.AfterFunc(ctx, func() { _ = function.Close() })
	return function, nil
}

// Invoke runs the function with a payload (JSON). Its error means that it could not be invoked at all: the function is
// closed, or ctx has ended. What the function itself does wrong is in the result.
func (f *Function) Invoke(ctx context.Context, payload []byte) (Result, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return Result{}, fmt.Errorf("localaws: invoke %s: function is closed", f.config.Name)
	}
	inv := invocation{requestID: newUUID(), payload: payload}
	result, err := f.attempt(ctx, inv)
	if errors.Is(err, errGone) { // the process ended after its last answer, as Go's does after a panic: a cold start
		result, err = f.attempt(ctx, inv)
	}
	if err != nil {
		return Result{}, fmt.Errorf("localaws: invoke %s: %w", f.config.Name, err)
	}
	return result, nil
}

// errGone says that the process had ended before it took the invocation.
var errGone = errors.New("the process ended before it took the invocation")

func (f *Function) attempt(ctx context.Context, inv invocation) (Result, error) {
	initDuration, failed, err := f.ensureStarted(ctx, inv.requestID)
	if err != nil {
		return Result{}, err
	}
	if failed != nil {
		return Result{Payload: failed, FunctionError: unhandled, InitDuration: initDuration}, nil
	}
	inv.deadline = time.Now().Add(f.config.Timeout)
	result, err := f.run(ctx, inv)
	result.InitDuration = initDuration
	return result, err
}

// Close ends the function's process. It may be called repeatedly. Its error is that log lines could not be delivered.
func (f *Function) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.stop()
	if f.lost != nil {
		return fmt.Errorf("localaws: function %s: %w", f.config.Name, f.lost)
	}
	return nil
}

// Kill ends the function's process in the midst of an invocation, as a host that fails does. The invocation fails with a
// crash; the next start is cold.
func (f *Function) Kill() {
	if box := f.running.Load(); box != nil {
		killGroup(box.cmd)
	}
}

// Restart ends the function's process, between two invocations: the next start is cold.
func (f *Function) Restart() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stop()
}

// unhandled is what AWS calls every error of a custom runtime's function.
const unhandled = "Unhandled"

// ensureStarted starts the process if there is none, and waits until it asks for its first invocation. failed is the
// payload that tells why the initialisation failed.
func (f *Function) ensureStarted(ctx context.Context, requestID string) (took time.Duration, failed []byte, err error) {
	if f.sandbox != nil {
		return 0, nil, nil
	}
	began := time.Now()
	if f.sandbox, err = startSandbox(context.WithoutCancel(ctx), f.binary, f.config, f.region); err != nil {
		return 0, nil, err
	}
	f.running.Store(f.sandbox)
	timer := time.NewTimer(initTimeout)
	defer timer.Stop()
	select {
	case <-f.sandbox.ready:
		return time.Since(began), nil, nil
	case failed = <-f.sandbox.initError:
	case <-f.sandbox.exited:
		failed = exitError(requestID, f.sandbox.exitStatus)
		select {
		case failed = <-f.sandbox.initError: // it told why before it ended
		default:
		}
	case <-timer.C:
		failed = timeoutError(requestID, initTimeout)
	case <-ctx.Done():
		err = ctx.Err()
	}
	f.stop()
	return time.Since(began), failed, err
}

// run hands one invocation to the process. A process that fails it by ending, or by not ending it, is gone afterwards.
func (f *Function) run(ctx context.Context, inv invocation) (Result, error) {
	began := time.Now()
	timer := time.NewTimer(time.Until(inv.deadline))
	defer timer.Stop()
	select {
	case f.sandbox.next <- inv:
	case <-f.sandbox.exited:
		f.stop()
		return Result{}, errGone
	case <-timer.C:
		return f.timedOut(inv, began), nil
	case <-ctx.Done():
		f.stop()
		return Result{}, ctx.Err()
	}
	select {
	case result := <-f.sandbox.outcomes:
		result.Duration, result.MaxMemory = time.Since(began), f.sandbox.maxMemory()
		return result, nil
	case <-f.sandbox.exited:
		return f.crashed(inv, began), nil
	case <-timer.C:
		return f.timedOut(inv, began), nil
	case <-ctx.Done():
		f.stop()
		return Result{}, ctx.Err()
	}
}

func (f *Function) timedOut(inv invocation, began time.Time) Result {
	f.stop()
	return Result{
		Payload:       timeoutError(inv.requestID, f.config.Timeout),
		FunctionError: unhandled, Duration: time.Since(began),
	}
}

func (f *Function) crashed(inv invocation, began time.Time) Result {
	defer f.stop()
	select {
	case result := <-f.sandbox.outcomes: // it answered, then ended
		result.Duration = time.Since(began)
		return result
	default:
		return Result{
			Payload:       exitError(inv.requestID, f.sandbox.exitStatus),
			FunctionError: unhandled, Duration: time.Since(began),
		}
	}
}

func (f *Function) stop() {
	if f.sandbox != nil {
		f.running.Store(nil)
		f.lost = errors.Join(f.lost, f.sandbox.stop())
		f.sandbox = nil
	}
}

// exitError is Lambda's payload for a process that ended by itself.
func exitError(requestID, status string) []byte {
	return errorPayload("Runtime.ExitError", requestID, "Runtime exited with error: "+status)
}

// timeoutError is Lambda's payload for a process that was killed because its time was over.
func timeoutError(requestID string, timeout time.Duration) []byte {
	return errorPayload("Sandbox.Timedout", requestID, fmt.Sprintf("Task timed out after %.2f seconds", timeout.Seconds()))
}

func errorPayload(kind, requestID, message string) []byte {
	payload, _ := json.Marshal(map[string]string{ // strings always marshal
		"errorType": kind, "errorMessage": fmt.Sprintf("RequestId: %s Error: %s", requestID, message),
	})
	return payload
}

type invocation struct {
	requestID string
	payload   []byte
	deadline  time.Time
}

// sandbox is one execution environment: a process, and the runtime API that this process alone talks to. The next
// process gets another one, so nothing of a killed process can answer for it.
type sandbox struct {
	config FunctionConfig
	server *http.Server
	cmd    *exec.Cmd
	logs   *logStream // nil: not delivered

	next      chan invocation
	outcomes  chan Result // room for one: an invocation has one
	initError chan []byte
	ready     chan struct{} // closed when the process first asks for an invocation
	readyOnce sync.Once

	exited     chan struct{} // closed when the process is gone
	exitStatus string        // readable then
}

// startSandbox starts a process that outlives the invocation it is started for.
func startSandbox(ctx context.Context, binary string, config FunctionConfig, region string) (*sandbox, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	box := &sandbox{
		config: config, next: make(chan invocation), outcomes: make(chan Result, 1), initError: make(chan []byte, 1),
		ready: make(chan struct{}), exited: make(chan struct{}),
	}
	box.server = &http.Server{Handler: box.api(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = box.server.Serve(listener) }() // ends with stop

	box.cmd = exec.CommandContext(ctx, binary)
	box.cmd.Dir = filepath.Dir(binary)
	stream := newLogStreamName()
	box.cmd.Env = lambdaEnv(binary, config, region, listener.Addr().String(), stream)
	output := config.Log
	if config.Logs != nil {
		box.logs = &logStream{client: config.Logs, group: "/aws/lambda/" + config.Name, name: stream, ctx: ctx}
		output = io.MultiWriter(config.Log, box.logs)
	}
	box.cmd.Stdout, box.cmd.Stderr = output, output // the same for both: one goroutine writes
	inOwnGroup(box.cmd)
	if err := box.cmd.Start(); err != nil {
		_ = box.server.Close()
		return nil, err
	}
	go func() {
		_ = box.cmd.Wait() // the status says it
		box.exitStatus = box.cmd.ProcessState.String()
		close(box.exited)
	}()
	return box, nil
}

// stop ends the process. Its error is that log lines could not be delivered.
func (s *sandbox) stop() error {
	killGroup(s.cmd)
	<-s.exited
	_ = s.server.Close()
	if s.logs == nil {
		return nil
	}
	return s.logs.close()
}

// maxMemory reads Linux's high-water mark. The usage that a process leaves at its end would not do: it begins with what the
// process that started it had.
func (s *sandbox) maxMemory() int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	_, mark, _ := strings.Cut(string(status), "VmHWM:")
	var kilobytes int64
	_, _ = fmt.Sscan(mark, &kilobytes) // 0 where there is none
	return kilobytes << 10
}

// lambdaEnv is the whole environment of the process: what Lambda sets, and the function's own. Nothing is inherited.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html (AWS_EXECUTION_ENV is not set for OS-only runtimes)
func lambdaEnv(binary string, config FunctionConfig, region, api, stream string) []string {
	variables := map[string]string{
		"PATH": "/usr/local/bin:/usr/bin/:/bin:/opt/bin", "LANG": "en_US.UTF-8", "TZ": ":UTC", "TMPDIR": os.TempDir(),
		"_HANDLER": "bootstrap", "LAMBDA_TASK_ROOT": filepath.Dir(binary), "LAMBDA_RUNTIME_DIR": "/var/runtime",
		"AWS_REGION": region, "AWS_DEFAULT_REGION": region, "AWS_LAMBDA_RUNTIME_API": api,
		"AWS_LAMBDA_FUNCTION_NAME": config.Name, "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(config.MemoryMB), "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/" + config.Name, "AWS_LAMBDA_LOG_STREAM_NAME": stream,
	}
	for name, value := range config.Env {
		variables[name] = value
	}
	env := make([]string, 0, len(variables))
	for name, value := range variables {
		env = append(env, name+"="+value)
	}
	return env
}

// api is the runtime API, https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
func (s *sandbox) api() http.Handler {
	const root = "/2018-06-01/runtime"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+root+"/invocation/next", s.serveNext)
	mux.HandleFunc("POST "+root+"/invocation/{id}/response", s.take(""))
	mux.HandleFunc("POST "+root+"/invocation/{id}/error", s.take(unhandled))
	mux.HandleFunc("POST "+root+"/init/error", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		select {
		case s.initError <- body:
		default: // it has told one already
		}
		w.WriteHeader(http.StatusAccepted)
	})
	return mux
}

func (s *sandbox) serveNext(w http.ResponseWriter, r *http.Request) {
	s.readyOnce.Do(func() { close(s.ready) })
	select {
	case inv := <-s.next:
		header := w.Header()
		header.Set("Content-Type", "application/json")
		header.Set("Lambda-Runtime-Aws-Request-Id", inv.requestID)
		header.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
		header.Set("Lambda-Runtime-Invoked-Function-Arn", s.config.ARN)
		header.Set("Lambda-Runtime-Trace-Id", "Root=1-"+strings.ReplaceAll(inv.requestID, "-", "")[:32]+";Sampled=0")
		_, _ = w.Write(inv.payload) // a process that is gone is noticed by its exit
	case <-r.Context().Done():
	}
}

// take receives the answer to an invocation.
func (s *sandbox) take(functionError string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil && !errors.Is(err, io.EOF) {
			return
		}
		select {
		case s.outcomes <- Result{Payload: body, FunctionError: functionError}:
			w.WriteHeader(http.StatusAccepted)
		case <-r.Context().Done():
		}
	}
}
