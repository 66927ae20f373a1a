package localaws_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/icaguard/icaguard/internal/localaws"
)

const functionARN = "arn:aws:lambda:eu-central-1:123456789012:function:echo"

func buildEcho(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "bootstrap")
	output, err := exec.CommandContext(
		t.Context(), "go", "build", "-tags", "lambda.norpc", "-o", binary, "./testdata/echo",
	).CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, output)
	}
	return binary
}

func startEcho(t *testing.T, timeout time.Duration, env map[string]string) *localaws.Function {
	t.Helper()
	function, err := localaws.StartFunction(t.Context(), localaws.FunctionConfig{
		Name: "echo", ARN: functionARN, Binary: buildEcho(t), Timeout: timeout, Env: env,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = function.Close() })
	return function
}

type echoed struct {
	Event     json.RawMessage
	Env       []string
	ARN       string
	Remaining time.Duration
}

func TestFunctionAnswers(t *testing.T) {
	t.Setenv("AWS_PROFILE", "the-developers-own")
	t.Setenv("AWS_ACCESS_KEY_ID", "the-developers-own")
	function := startEcho(t, 20*time.Second, map[string]string{"ICAGUARD_CONFIG": "/somewhere.json"})
	for i := range 3 {
		result := invoke(t, function, `{"Records":[]}`)
		if (i == 0) != (result.InitDuration > 0) {
			t.Errorf("invocation %d: init %s", i, result.InitDuration)
		}
		if runtime.GOOS == "linux" && result.MaxMemory < 1<<20 {
			t.Errorf("invocation %d: at most %d bytes of memory", i, result.MaxMemory)
		}
		var got echoed
		if err := json.Unmarshal(result.Payload, &got); err != nil {
			t.Fatalf("%v: %s", err, result.Payload)
		}
		equal(t, "event", string(got.Event), `{"Records":[]}`)
		equal(t, "arn", got.ARN, functionARN)
		if got.Remaining <= 0 || got.Remaining > 20*time.Second {
			t.Errorf("deadline in %s", got.Remaining)
		}
		checkEnv(t, got.Env)
	}
}

func checkEnv(t *testing.T, env []string) {
	t.Helper()
	for _, wanted := range []string{
		"AWS_REGION=eu-central-1", "AWS_LAMBDA_FUNCTION_NAME=echo", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=128",
		"ICAGUARD_CONFIG=/somewhere.json", "_HANDLER=bootstrap",
	} {
		if !slices.Contains(env, wanted) {
			t.Errorf("environment lacks %s", wanted)
		}
	}
	if all := strings.Join(env, "\n"); strings.Contains(all, "the-developers-own") || strings.Contains(all, "HOME=") {
		t.Errorf("environment of the developer leaked:\n%s", all)
	}
}

func TestFunctionFails(t *testing.T) {
	function := startEcho(t, 2*time.Second, nil)
	for _, test := range []struct{ body, kind, message string }{
		{"error", "errorString", "as told"},
		{"crash", "Runtime.ExitError", "Runtime exited with error: exit status 3"},
		{"panic", "string", "as told"},
		{"hang", "Sandbox.Timedout", "Task timed out after 2.00 seconds"},
	} {
		t.Run(test.body, func(t *testing.T) {
			result := invoke(t, function, `{"Records":[{"messageId":"1","body":"`+test.body+`"}]}`)
			equal(t, "function error", result.FunctionError, "Unhandled")
			var got struct{ ErrorType, ErrorMessage string }
			if err := json.Unmarshal(result.Payload, &got); err != nil {
				t.Fatalf("%v: %s", err, result.Payload)
			}
			equal(t, "type", got.ErrorType, test.kind)
			if !strings.HasSuffix(got.ErrorMessage, test.message) {
				t.Errorf("message %q", got.ErrorMessage)
			}
			if after := invoke(t, function, `{}`); after.FunctionError != "" {
				t.Errorf("the next invocation fails too: %s", after.Payload)
			}
		})
	}
}

func TestFunctionIsKilled(t *testing.T) {
	function := startEcho(t, time.Minute, nil)
	function.Kill()           // there is no process yet
	invoke(t, function, `{}`) // now there is
	time.AfterFunc(100*time.Millisecond, function.Kill)
	result := invoke(t, function, `{"Records":[{"messageId":"1","body":"hang"}]}`)
	if result.FunctionError == "" || !strings.Contains(string(result.Payload), "signal: killed") {
		t.Errorf("%q %s", result.FunctionError, result.Payload)
	}
	if after := invoke(t, function, `{}`); after.FunctionError != "" || after.InitDuration == 0 {
		t.Errorf("the next start is not cold: %+v", after)
	}
}

func TestFunctionFailsToStart(t *testing.T) {
	function := startEcho(t, time.Second, map[string]string{"FAIL_INIT": "1"})
	for range 2 {
		result := invoke(t, function, `{}`)
		if !strings.Contains(string(result.Payload), "Runtime.ExitError") ||
			!strings.Contains(string(result.Payload), "exit status 7") {
			t.Errorf("payload %s", result.Payload)
		}
	}
	for name, config := range map[string]localaws.FunctionConfig{
		"no such file":      {ARN: functionARN, Binary: "testdata/no-such"},
		"not executable":    {ARN: functionARN, Binary: "testdata/echo/main.go"},
		"no function's ARN": {ARN: "arn:aws:s3:::lab", Binary: "/bin/sh"},
	} {
		if _, err := localaws.StartFunction(t.Context(), config); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestClosedFunction(t *testing.T) {
	function := startEcho(t, time.Second, nil)
	if err := function.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := function.Invoke(t.Context(), []byte(`{}`)); err == nil {
		t.Error("a closed function was invoked")
	}
}

func invoke(t *testing.T, function *localaws.Function, payload string) localaws.Result {
	t.Helper()
	result, err := function.Invoke(t.Context(), []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return result
}
