package campaign

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

// Batch is what became of one batch of messages, and the faults that struck meanwhile.
type Batch struct {
	localaws.Batch
	Struck []localaws.Kind
}

// Binaries are the functions as they are deployed, built for this machine.
type Binaries struct{ Remediate, Validate string }

// Build builds both; they live as long as the test.
func Build(t testing.TB) Binaries {
	t.Helper()
	return Binaries{localawstest.Build(t, "remediate"), localawstest.Build(t, "validate")}
}

// Guard is icaguard as it is deployed for one ica.yaml: the real functions, the queue of requests with its dead-letter
// queue, and a topic with one subscriber. The ledger and all else that it has only once in an account is the fixture's.
type Guard struct {
	Requests, DeadLetters *localawstest.Queue
	Mail                  *localawstest.Mailbox
	Remediate, Validate   localaws.FunctionConfig
	// Function is the process of remediate that polls the queue.
	Function *localaws.Function
	// Log is what the functions wrote.
	Log *localawstest.Buffer
	// Batches are all that any process had in this case.
	Batches []Batch

	t         *current
	local     *localaws.AWS
	later     *later
	validator *localaws.Function
	home      icaconfig.Home
}

// maxReceives is how often a message comes before it goes to the dead-letter queue, as the stack sets it.
const maxReceives = 5

// current is the test of the case that uses a guard now. What is made lasts as long as the test that the guard was made for.
type current struct {
	testing.TB
	whole testing.TB
}

func (c *current) Cleanup(f func())         { c.whole.Cleanup(f) }
func (c *current) Context() context.Context { return c.whole.Context() }
func (c *current) TempDir() string          { return c.whole.TempDir() }

// Serve makes it another case's, as if it were new.
func (g *Guard) Serve(t testing.TB) {
	g.t.TB = t
	g.Batches = nil
	g.Function.Restart()
	g.Log.Take()
	g.Mail.Take()
	g.Dead()
}

// Close ends its processes before the test does.
func (g *Guard) Close() {
	_, _ = g.Function.Close(), g.validator.Close()
	g.later.server.Close()
}

// NewGuard makes it under a name of its own, for test t, until whole ends. home is that of the ica.yaml.
func NewGuard(t, whole testing.TB, local *localaws.AWS, b Binaries, name, text string, home icaconfig.Home) *Guard {
	t.Helper()
	now := &current{t, whole}
	g := &Guard{t: now, local: local, home: home, Log: &localawstest.Buffer{}, Mail: localawstest.NewMailbox(now, local, name)}
	g.DeadLetters = localawstest.NewQueue(now, local, name+"-dead-letters", nil)
	g.Requests = localawstest.NewQueue(now, local, name+"-requests", map[string]string{
		"RedrivePolicy": `{"deadLetterTargetArn":"` + g.DeadLetters.ARN + `","maxReceiveCount":"` + strconv.Itoa(maxReceives) + `"}`,
	})
	g.later = newLater(now, local, g.Requests, name+"-later")
	config := filepath.Join(now.TempDir(), "ica.yaml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	g.Remediate = g.function(guard.RemediateFunction, "ASIAREMEDIATE"+name, b.Remediate, config)
	g.Validate = g.function(guard.ValidateFunction, "ASIAVALIDATE"+name, b.Validate, config)
	g.Function, g.validator = g.Start(g.Remediate), g.Start(g.Validate)
	return g
}

// function describes a function with an access key of its own, which tells its calls from all others.
func (g *Guard) function(name, key, binary, config string) localaws.FunctionConfig {
	env := g.local.FunctionEnv(g.identified(name, key))
	maps.Copy(env, map[string]string{
		guard.EnvConfig: config, guard.EnvQueueURL: g.Requests.URL, guard.EnvDeadLetterURL: g.DeadLetters.URL,
		guard.EnvTopicARN: g.Mail.TopicARN, "AWS_ENDPOINT_URL_SQS": g.later.url,
	})
	return localaws.FunctionConfig{
		Name: name, ARN: "arn:aws:lambda:" + localawstest.Region + ":" + g.local.Account() + ":function:" + name,
		Binary: binary, Env: env, Timeout: 30 * time.Second, Log: g.Log,
	}
}

// identified makes an access key that of a function's role, for which all stacks of ours are as they were deployed.
func (g *Guard) identified(name, key string) string {
	recorder := g.local.Recorder()
	recorder.Identify(key, localaws.AssumedRole(g.local.Account(), name, name))
	for _, stack := range g.home.Stacks {
		recorder.PlayStack(stack.Name, localaws.StackState{
			Status: "CREATE_COMPLETE", Outputs: map[string]string{icaconfig.DigestOutput: g.home.Digest}, AccessKeyID: key,
		})
	}
	return key
}

// Another describes remediate with another access key: Lambda gives each process its own.
func (g *Guard) Another() localaws.FunctionConfig {
	config := g.Remediate
	config.Env = maps.Clone(config.Env)
	config.Env["AWS_ACCESS_KEY_ID"] = g.identified(config.Name, g.AnotherKey())
	return config
}

// AnotherKey is the access key of that process's calls.
func (g *Guard) AnotherKey() string { return g.Key() + "-2" }

// Start makes a function ready until the test ends: a further process, if there is one of it already.
func (g *Guard) Start(config localaws.FunctionConfig) *localaws.Function {
	g.t.Helper()
	function, err := localaws.StartFunction(g.t.Context(), config)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = function.Close() })
	return function
}

// Key is the access key of remediate's calls.
func (g *Guard) Key() string { return g.Remediate.Env["AWS_ACCESS_KEY_ID"] }

// Calls are the calls of remediate so far, in order.
func (g *Guard) Calls() []localaws.Call {
	return slices.DeleteFunc(g.local.Recorder().Calls(), func(c localaws.Call) bool { return c.AccessKeyID != g.Key() })
}

// Poller lets a process of remediate take messages from the queue. What fails comes again at once.
func (g *Guard) Poller(function *localaws.Function, observe func(localaws.Batch)) localaws.PollerConfig {
	return localaws.PollerConfig{
		SQS: g.Requests.SQS, QueueURL: g.Requests.URL, QueueARN: g.Requests.ARN, Function: function,
		Observe: func(b localaws.Batch) {
			g.showAgain(b)
			observe(b)
		},
	}
}

// showAgain ends the time for which SQS hides the messages of a batch that failed.
func (g *Guard) showAgain(b localaws.Batch) {
	for _, message := range b.Messages {
		if !slices.Contains(b.Failed, message.MessageId) {
			continue
		}
		if _, err := g.Requests.SQS.ChangeMessageVisibility(g.t.Context(), &sqs.ChangeMessageVisibilityInput{
			QueueUrl: &g.Requests.URL, ReceiptHandle: &message.ReceiptHandle,
		}); err != nil {
			g.t.Error(err)
		}
	}
}

// mostBatches is more than any number of messages of one case makes.
const mostBatches = 300

// Settle lets remediate work off the queue, and what comes later once there is nothing else, until nothing is left. A process
// does not notice that its time was skipped: what it remembers for seconds would be wrong, so it starts anew.
func (g *Guard) Settle() {
	g.t.Helper()
	batches, before := 0, len(g.Calls())
	poller := g.Poller(g.Function, func(b localaws.Batch) {
		calls := g.Calls()
		g.Batches = append(g.Batches, Batch{b, struck(calls[min(before, len(calls)):])})
		before = len(calls)
	})
	for g.later.release(false); ; {
		n, err := localaws.Drain(g.t.Context(), poller)
		if err != nil {
			g.t.Fatal(err)
		}
		if batches += n; batches > mostBatches {
			g.t.Fatalf("messages come again for ever: %d batches", batches)
		}
		if g.later.release(false) || n > 0 {
			continue
		}
		if !g.later.release(true) {
			return
		}
		g.Function.Restart()
	}
}

func struck(calls []localaws.Call) (kinds []localaws.Kind) {
	for _, call := range calls {
		if call.Fault != "" {
			kinds = append(kinds, call.Fault)
		}
	}
	return kinds
}

// Audit lets validate do its scheduled audit, asked for by this payload, and remediate what comes of it.
func (g *Guard) Audit(payload string) {
	g.t.Helper()
	result, err := g.validator.Invoke(g.t.Context(), []byte(payload))
	if err != nil {
		g.t.Fatal(err)
	}
	if result.FunctionError != "" {
		g.t.Errorf("the audit failed: %s", result.Payload)
	}
	g.Settle()
}

// Dead takes what the dead-letter queue holds.
func (g *Guard) Dead() []types.Message { return g.DeadLetters.Take() }
