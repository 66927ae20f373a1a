package main

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	"github.com/icaguard/icaguard/internal/policy"
	"github.com/icaguard/icaguard/internal/testlab"
)

// account is a local AWS in which a guard stands. Its names are fixed, so there is one in each.
type account struct {
	*localaws.AWS
	remediate string // the binaries
	validate  string
	topic     string
	queues    map[string]string // names → URLs
	sqs       *sqs.Client
}

func TestPause(t *testing.T) {
	withGuard(t, map[string]func(*testing.T, *account){
		"pause": testPause, "one setting": testPauseSetting, "all": testPauseAll, "resume": testResume, "validate": testValidateGuard,
		"reconcile": testReconcileWaits,
	})
}

func TestProbe(t *testing.T) {
	withGuard(t, map[string]func(*testing.T, *account){"probe": testProbe, "not there": testProbeUnfit})
}

func TestDeadLetters(t *testing.T) {
	withGuard(t, map[string]func(*testing.T, *account){"show and empty": testDeadLetters})
}

// withGuard runs commands against an account with a guard: the queues, the topic and the real remediate. Each test
// function has an account of its own and runs beside the others, as most of the time is waiting; its tests follow each
// other.
func withGuard(t *testing.T, tests map[string]func(*testing.T, *account)) {
	t.Helper()
	t.Parallel()
	a := newAccount(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, a) })
	}
}

func newAccount(t *testing.T) *account {
	t.Helper()
	a := &account{AWS: localawstest.Start(t), remediate: localawstest.Build(t, "remediate"), queues: map[string]string{}}
	a.validate = localawstest.Build(t, "validate")
	a.sqs = sqs.NewFromConfig(a.DirectConfig(testlab.Region))
	for _, name := range []string{guard.RequestQueue, guard.DeadLetterQueue} {
		out, err := a.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
		if err != nil {
			t.Fatal(err)
		}
		a.queues[name] = aws.ToString(out.QueueUrl)
	}
	out, err := sns.NewFromConfig(a.DirectConfig(testlab.Region)).CreateTopic(
		t.Context(), &sns.CreateTopicInput{Name: aws.String(guard.AlertTopic)},
	)
	if err != nil {
		t.Fatal(err)
	}
	a.topic = aws.ToString(out.TopicArn)
	return a
}

// guardedEnv is a lab with its guard, and a env.
type guardedEnv struct {
	storageEnv
	account   *account
	remediate *localaws.Function
	log       *localawstest.Buffer
}

func newGuardedEnv(t *testing.T, a *account, name string) *guardedEnv {
	t.Helper()
	lab := testlab.New(t, a.AWS, name, icaconfig.Enforce)
	d := &guardedEnv{storageEnv: storageEnvOf(t, lab), account: a, log: localawstest.NewBuffer(t)}
	d.start()
	return d
}

// start makes both functions ready, with what stands in the lab's ica.yaml now.
func (d *guardedEnv) start() {
	d.t.Helper()
	a, config := d.account, d.Function(guard.RemediateFunction, d.account.remediate)
	config.Log, config.Logs = d.log, cloudwatchlogs.NewFromConfig(a.DirectConfig(testlab.Region))
	config.Env[guard.EnvQueueURL], config.Env[guard.EnvDeadLetterURL] = a.queues[guard.RequestQueue], a.queues[guard.DeadLetterQueue]
	config.Env[guard.EnvTopicARN] = a.topic
	d.remediate = testlab.Start(d.t, config)
	serveValidate(d.storageEnv, d.account.validate, a.queues[guard.RequestQueue])
}

// serveValidate lets the lab's commands reach a function that posts to a queue.
func serveValidate(d storageEnv, binary, queueURL string) {
	d.t.Helper()
	config := d.Function(guard.ValidateFunction, binary)
	config.Env[guard.EnvQueueURL] = queueURL
	d.Local.Recorder().Serve(testlab.Start(d.t, config))
}

// letWork lets remediate work on all that waits on its queue now, which has to be something.
func (d *guardedEnv) letWork() {
	d.t.Helper()
	batches, err := localaws.Drain(d.t.Context(), d.poller())
	if err != nil || batches == 0 {
		d.t.Fatalf("%d batches, %v", batches, err)
	}
}

func (d *guardedEnv) poller() localaws.PollerConfig {
	return localaws.PollerConfig{
		SQS:      d.account.sqs,
		QueueURL: d.account.queues[guard.RequestQueue],
		QueueARN: "arn:aws:sqs:us-east-1:" + d.Local.Account() + ":" + guard.RequestQueue,
		Function: d.remediate,
	}
}

// reconcile asks the guard to check everything, and lets it.
func (d *guardedEnv) reconcile() {
	d.t.Helper()
	d.mustRun("reconcile", "--all")
	d.letWork()
}

// testReconcileWaits: what is asked for is restored by the time that --wait answers.
func testReconcileWaits(t *testing.T, a *account) {
	d := newGuardedEnv(t, a, "awaited")
	d.Break()
	ctx, stop := context.WithCancel(t.Context())
	polled := make(chan error, 1)
	go func() { polled <- localaws.Poll(ctx, d.poller()) }()
	d.mustRun("reconcile", "--storage", "awaited", "--setting", "bucket-cors", "--wait")
	stop()
	d.must(nil, <-polled)
	d.ExpectCORS(d.NeededCORS())
	d.ExpectSession(3600) // nobody asked for it
}

// testValidateGuard checks the guard itself: the table says it in the same words.
func testValidateGuard(t *testing.T, a *account) {
	d := newGuardedEnv(t, a, "watched")
	topics := sns.NewFromConfig(a.DirectConfig(testlab.Region))
	text := policy.New(self.Policies(d.Storage.Home)[a.topic]...).JSON()
	d.must(topics.SetTopicAttributes(t.Context(), &sns.SetTopicAttributesInput{
		TopicArn: &a.topic, AttributeName: aws.String("Policy"), AttributeValue: &text,
	}))
	d.PlayStacks("UPDATE_IN_PROGRESS")
	d.golden("validate-deploying", "validate", "--setting", "guard-topic")
	d.PlayStacks("UPDATE_COMPLETE")
	d.golden("validate-not-subscribed", "validate", "--setting", "guard-topic")
	d.must(topics.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: &a.topic, Protocol: aws.String("email"), Endpoint: aws.String("storage-oncall@example.org"),
	}))
	d.golden("validate-not-confirmed", "validate", "--setting", "guard-topic")
}
