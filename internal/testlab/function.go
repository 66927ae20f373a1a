package testlab

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	"github.com/icaguard/icaguard/internal/wiring"
)

// Build builds one of the functions for this machine, with the tags of make build. The binary lives as long as the test.
func Build(t testing.TB, function string) string {
	t.Helper()
	localawstest.DependOn(t, "functions/"+function)
	binary := filepath.Join(t.TempDir(), "bootstrap")
	localawstest.Run(t, "go", "build", "-tags", "lambda.norpc", "-o", binary, module+"functions/"+function)
	return binary
}

const module = "github.com/icaguard/icaguard/"

// Function describes a function that guards the lab: with the deployed name and timeout, under a role session of its own.
func (l *Lab) Function(name, binary string) localaws.FunctionConfig {
	l.Local.Recorder().Identify(l.Key(), localaws.AssumedRole(l.Local.Account(), name, name))
	env := l.Local.FunctionEnv(l.Key())
	env[wiring.EnvConfig] = l.Config
	return localaws.FunctionConfig{
		Name: name, ARN: "arn:aws:lambda:" + Region + ":" + l.Local.Account() + ":function:" + name,
		Binary: binary, Env: env, Timeout: 30 * time.Second,
	}
}

// Key is the access key of whatever guards the lab, function or command line, which tells its calls from all others.
func (l *Lab) Key() string { return "ASIA" + l.Storage.Name }

// Calls are the calls of the lab's guard so far, in order.
func (l *Lab) Calls() []localaws.Call {
	return slices.DeleteFunc(l.Local.Recorder().Calls(), func(c localaws.Call) bool { return c.AccessKeyID != l.Key() })
}

// Operations names calls, optionally those of one service alone (signing name: s3, iam, sqs …).
func Operations(calls []localaws.Call, services ...string) []string {
	var names []string
	for _, call := range calls {
		if len(services) == 0 || slices.Contains(services, call.Service) {
			names = append(names, call.Operation)
		}
	}
	return names
}

// ExpectReads fails the test if there are no calls, or any that does more than read.
func ExpectReads(t testing.TB, calls []localaws.Call) {
	t.Helper()
	names := Operations(calls)
	if writes := slices.DeleteFunc(
		slices.Clone(names), regexp.MustCompile(`^(Get|List|Head|Describe)`).MatchString,
	); len(names) == 0 ||
		len(writes) > 0 {
		t.Errorf("want reads alone, got %v, of which %v do more", names, writes)
	}
}

// Inject injects a fault into the calls of the lab's function only.
func (l *Lab) Inject(fault localaws.Fault) (remove func()) {
	fault.AccessKeyID = l.Key()
	return l.Local.Recorder().Inject(fault)
}

// Start makes a function ready until the end of the test.
func Start(t testing.TB, config localaws.FunctionConfig) *localaws.Function {
	t.Helper()
	function, err := localaws.StartFunction(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = function.Close() })
	return function
}

// Invoke invokes a function that has to answer, and decodes its answer.
func Invoke(t testing.TB, function *localaws.Function, payload string, answer any) {
	t.Helper()
	result := invoke(t, function, payload)
	if result.FunctionError != "" {
		t.Fatalf("the function failed: %s", result.Payload)
	}
	if err := json.Unmarshal(result.Payload, answer); err != nil {
		t.Fatalf("%v: %s", err, result.Payload)
	}
}

// ExpectFailure invokes a function that has to fail, with all of the texts in its message, which it returns.
func ExpectFailure(t testing.TB, function *localaws.Function, payload string, texts ...string) string {
	t.Helper()
	result := invoke(t, function, payload)
	var failure struct{ ErrorMessage string }
	if err := json.Unmarshal(result.Payload, &failure); err != nil || result.FunctionError == "" {
		t.Fatalf("the function did not fail as it should: %q %s", result.FunctionError, result.Payload)
	}
	for _, text := range texts {
		if !strings.Contains(failure.ErrorMessage, text) {
			t.Errorf("the function's message lacks %q:\n%s", text, failure.ErrorMessage)
		}
	}
	return failure.ErrorMessage
}

func invoke(t testing.TB, function *localaws.Function, payload string) localaws.Result {
	t.Helper()
	result, err := function.Invoke(t.Context(), []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return result
}
