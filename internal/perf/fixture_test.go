// Package perf measures what icaguard costs: tests count AWS calls, benchmarks take the time. It knows the functions only as
// they are deployed: a binary with an ica.yaml and an environment, messages in, calls out. So it has no code of its own to
// import, and stands apart from both functions, as most of its figures concern both.
//
//	go test ./internal/perf                       # the counts
//	go test -run '^$' -bench . ./internal/perf    # the times, some minutes; each benchmark repeats what it has to itself
package perf

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	"github.com/icaguard/icaguard/internal/testlab"
)

const module = "github.com/icaguard/icaguard/"

// As the stack names and limits the functions, and the messages that they take.
const (
	remediate, validate               = "icaguard-remediate", "icaguard-validate"
	remediateTimeout, validateTimeout = 30 * time.Second, 300 * time.Second

	// reconcileEverything is the message of icaguard's own that asks to check and restore all settings of all storages.
	reconcileEverything = `{"icaguard":"request","request":{"reason":"benchmark"}}`
)

// build builds a command as `make build` builds the functions, but for this machine. It lives as long as the test.
func build(t testing.TB, command string) string {
	t.Helper()
	localawstest.DependOn(t, command)
	binary := filepath.Join(t.TempDir(), "bootstrap")
	run(t, "go", "build", "-trimpath", "-ldflags", "-s -w", "-tags", "lambda.norpc", "-o", binary, module+command)
	return binary
}

// run runs a command that has to succeed, without cgo.
func run(t testing.TB, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, output)
	}
}

// configuration is an ica.yaml with so many tags, and these storages in one region.
func configuration(tags int, storages ...string) string {
	var text strings.Builder
	text.WriteString("alerts:\n  emails: [storage-oncall@example.org]\n")
	if tags > 0 {
		text.WriteString("tags:\n")
	}
	for i := range tags {
		fmt.Fprintf(&text, "  tag-%d: value %d\n", i+1, i+1)
	}
	text.WriteString("storages:\n")
	for _, name := range storages {
		fmt.Fprintf(&text, `  - name: %[1]s
    icaRegion: US
    bucket: {name: %[1]s-ica, folder: ica}
    role: {name: %[1]s-role, policyName: %[1]s-policy, sessionNamePrefix: "ssm:/ica/%[1]s/session-name-prefix"}
`, name)
	}
	return text.String()
}

// names are those of so many storages.
func names(count int) []string {
	all := make([]string, count)
	for i := range all {
		all[i] = fmt.Sprintf("lab-%d", i+1)
	}
	return all
}

// fixture is an account with storages as ICA needs them and with icaguard itself. Lab is that of the first storage; its
// configuration and its access key are those of all.
type fixture struct {
	*testlab.Lab
	t        testing.TB
	sqs      *sqs.Client // past the recorder
	topicARN string
	labs     []*testlab.Lab // of each storage
}

// The queues of a fixture. In AWS they are one, and remediate takes batches of that one only, so both have its ARN: apart,
// the batches of events are as a test makes them.
const (
	events   = "perf-events"   // read by remediate
	requests = "perf-requests" // posted to by both functions
)

func newFixture(t testing.TB, storages int) *fixture {
	t.Helper()
	local := localawstest.Start(t)
	f := &fixture{t: t, sqs: sqs.NewFromConfig(local.DirectConfig(testlab.Region))}
	for _, name := range names(storages) {
		f.labs = append(f.labs, testlab.NewFrom(t, local, configuration(0, name)))
	}
	f.Lab = testlab.Configure(t, local, configuration(0, names(storages)...))
	testlab.MakeHome(t, local, f.Storage.Home)
	f.PlayStacks("CREATE_COMPLETE")
	f.topicARN = testlab.NewMailbox(t, local, "perf").TopicARN
	for _, queue := range []string{events, requests} {
		f.makeQueue(queue)
	}
	return f
}

// makeQueue makes a queue that is empty, whatever is there of it.
func (f *fixture) makeQueue(name string) {
	f.t.Helper()
	if old, err := f.sqs.GetQueueUrl(f.t.Context(), &sqs.GetQueueUrlInput{QueueName: &name}); err == nil {
		_, err = f.sqs.DeleteQueue(f.t.Context(), &sqs.DeleteQueueInput{QueueUrl: old.QueueUrl})
		f.must(err)
	}
	_, err := f.sqs.CreateQueue(f.t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	f.must(err)
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) url(queue string) string {
	f.t.Helper()
	out, err := f.sqs.GetQueueUrl(f.t.Context(), &sqs.GetQueueUrlInput{QueueName: &queue})
	f.must(err)
	return aws.ToString(out.QueueUrl)
}

func (f *fixture) arn(queue string) string {
	return "arn:aws:sqs:" + testlab.Region + ":" + f.Local.Account() + ":" + queue
}

// start makes a function ready to guard all storages. It starts with its first invocation.
func (f *fixture) start(name, binary string, timeout time.Duration) *localaws.Function {
	f.t.Helper()
	config := f.Function(name, binary)
	config.Timeout = timeout
	config.Env["ICAGUARD_QUEUE_URL"], config.Env["ICAGUARD_TOPIC_ARN"] = f.url(requests), f.topicARN
	return testlab.Start(f.t, config)
}

// audit lets validate audit everything, which has to find everything in sync.
func (f *fixture) audit(function *localaws.Function) []localaws.Call {
	f.t.Helper()
	before := len(f.Calls())
	var report struct{ ExitCode int }
	testlab.Invoke(f.t, function, `{}`, &report)
	if report.ExitCode != 0 {
		f.t.Fatalf("exit code %d of an audit where everything is in sync", report.ExitCode)
	}
	return f.Calls()[before:]
}

// drain lets remediate work on a queue until it is empty, and answers the batches. all waits for delayed messages too.
func (f *fixture) drain(queue string, function *localaws.Function, all bool) []localaws.Batch {
	f.t.Helper()
	var batches []localaws.Batch
	_, err := localaws.Drain(f.t.Context(), localaws.PollerConfig{
		SQS: f.sqs, QueueURL: f.url(queue), QueueARN: f.arn(requests), Function: function, AwaitAll: all,
		Observe: func(b localaws.Batch) {
			batches = append(batches, b)
			if len(b.Failed) > 0 {
				f.t.Fatalf("%d messages come again: %q %s", len(b.Failed), b.Result.FunctionError, b.Result.Payload)
			}
		},
	})
	f.must(err)
	return batches
}

// ofStorages leaves out the calls about icaguard itself, whose number does not depend on the storages.
func ofStorages(calls []localaws.Call) []localaws.Call {
	return slices.DeleteFunc(slices.Clone(calls), func(c localaws.Call) bool {
		switch c.Service {
		case "cloudformation", "cloudtrail", "events", "lambda", "sns", "sqs":
			return true
		case "dynamodb":
			return !strings.HasSuffix(c.Operation, "Item") // what is recorded of a bucket concerns its storage
		}
		return strings.HasPrefix(strings.TrimPrefix(c.Resource, "/"), "icaguard") // a role, or the parameter that pauses
	})
}

// table counts calls by operation.
func table(calls []localaws.Call) string {
	counts := map[string]int{}
	for _, call := range calls {
		counts[call.Action]++
	}
	var text strings.Builder
	for _, action := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&text, "%5d %s\n", counts[action], action)
	}
	return text.String()
}
