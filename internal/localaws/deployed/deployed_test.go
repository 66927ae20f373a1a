package deployed_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/deployed"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	"github.com/icaguard/icaguard/internal/queue"
	"github.com/icaguard/icaguard/internal/report"
	"github.com/icaguard/icaguard/internal/testlab"
)

// Tests of all packages take -update; this one has no golden files.
var _ = flag.Bool("update", false, "rewrite golden files")

const (
	eventsDir = "../../../events"
)

// env is the example's lab with icaguard deployed.
type env struct {
	*testlab.Lab
	*deployed.Guard
	t      *testing.T
	local  *localaws.AWS
	poller localaws.PollerConfig
}

// TestDeployed deploys the example once, as it takes its time; the tests follow each other in it.
func TestDeployed(t *testing.T) {
	w := deploy(t)
	// a cleanup would be too late: the local AWS, which takes the functions' last log lines, ends with the test's context
	defer func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	}()
	w.testBaseline()
	w.testRules()
	w.testRestore()
	w.testEverySetting()
	w.testMakeDeploy()
	w.testPower()
}

func deploy(t *testing.T) *env {
	t.Helper()
	const example = "../../../ica.example.yaml"
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	localawstest.DependOn(t, "cdk", "functions/remediate", "functions/validate")
	w := &env{t: t, local: localawstest.Start(t)}
	w.Lab = testlab.Configure(t, w.local, string(text))
	_, err = ssm.NewFromConfig(w.local.DirectConfig(testlab.Region)).PutParameter(t.Context(), &ssm.PutParameterInput{
		Name: &w.Storage.Role.Prefixes[0].Parameter, Type: types.ParameterTypeString, Value: aws.String(testlab.Prefix),
	})
	w.must(err)
	// The account's own trail, which the example asks for.
	localawstest.Home{Regions: w.Storage.Home.Regions(), Trail: "account"}.Make(t, w.local, "trail")
	w.Guard, err = deployed.Deploy(t.Context(), w.local, deployed.Options{Config: example})
	w.must(err)
	w.poller, err = w.Poller(t.Context(), nil)
	w.must(err)
	return w
}

func (w *env) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// testBaseline reads back what the stacks made, before anything else happens.
func (w *env) testBaseline() {
	w.ExpectRestored()
	out, err := iam.NewFromConfig(w.local.DirectConfig(testlab.Region)).GetRole(
		w.t.Context(), &iam.GetRoleInput{RoleName: &w.Storage.Role.Name},
	)
	w.must(err)
	trust, err := url.PathUnescape(aws.ToString(out.Role.AssumeRolePolicyDocument))
	w.must(err)
	want, err := json.Marshal(w.Storage.TrustPolicy(testlab.Prefix))
	w.must(err)
	if diff := gocmp.Diff(w.decode(want), w.decode([]byte(trust))); diff != "" {
		w.t.Errorf("trust policy (-ICA's, with the resolved prefix +deployed):\n%s", diff)
	}
	w.firstCheck()
	w.expectInSync()
}

// firstCheck is what a deploy ends with: documents that others write too are the guard's to write, not CloudFormation's.
func (w *env) firstCheck() {
	w.t.Helper()
	requests := queue.Queue{SQS: sqs.NewFromConfig(w.local.DirectConfig(testlab.Region)), URL: w.poller.QueueURL}
	w.must(errors.Join(requests.Post(w.t.Context(), []guard.Delayed{{}})...))
	_, err := localaws.Drain(w.t.Context(), w.poller)
	w.must(err)
}

// text is a document as AWS takes it.
func (w *env) text(document any) *string {
	w.t.Helper()
	data, err := json.Marshal(document)
	w.must(err)
	return aws.String(string(data))
}

func (w *env) decode(document []byte) any {
	w.t.Helper()
	var value any
	w.must(json.Unmarshal(document, &value))
	return value
}

// expectInSync invokes validate as deployed.
func (w *env) expectInSync() {
	w.t.Helper()
	var audit report.Report
	testlab.Invoke(w.t, w.Validate, `{}`, &audit)
	if audit.ExitCode != 0 || len(audit.Outcomes) != w.Settings() {
		w.t.Errorf("validate: want exit code 0 for every setting: %+v", audit)
	}
}

// testRules puts every sample on the bus: those that a setting listens to, and that did not fail, reach the queue.
// Events of a service of which nothing is guarded here, KMS's without a key, are let through by no rule.
func (w *env) testRules() {
	want := map[string]string{} // files by event id
	for file, event := range samples(w.t) {
		w.putEvent(event)
		received := guard.Sources(self.AllRows())[event.parsed.Source]
		appears := self.AppearsIn(event.parsed.Source, w.Storage.Home)
		if event.parsed.ErrorCode == "" && slices.Contains(received, cloudtrail.APIName(event.parsed.Name)) && len(appears) > 0 {
			want[event.parsed.ID] = file
		}
	}
	if len(want) < 8 {
		w.t.Fatalf("only %d samples are received; the constructed ones and the recorded creations should be: %v", len(want), want)
	}
	got := w.takeEvents()
	if diff := gocmp.Diff(slices.Sorted(maps.Keys(want)), got); diff != "" {
		w.t.Errorf("events in the queue (-received +arrived):\n%s\nof %v", diff, want)
	}
}

// sample is an event of events/, as it stands there.
type sample struct {
	parsed     cloudtrail.Event
	source     string
	detailType string
	detail     json.RawMessage
}

// samples reads all CloudTrail events, by file. A bare record is the detail of an event; its source and type follow.
func samples(t *testing.T) map[string]sample {
	t.Helper()
	found := map[string]sample{}
	err := filepath.WalkDir(eventsDir, func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".json" || filepath.Base(filepath.Dir(path)) == "stacks" {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found[path], err = readSample(body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 100 {
		t.Fatalf("%d samples, want 100 or more", len(found))
	}
	return found
}

func readSample(body []byte) (sample, error) {
	var envelope struct {
		Source     string          `json:"source"`
		DetailType string          `json:"detail-type"`
		Detail     json.RawMessage `json:"detail"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return sample{}, err
	}
	event, err := cloudtrail.Parse(body)
	if len(envelope.Detail) == 0 {
		envelope.Detail = body
	}
	return sample{
		parsed: event, source: cmp.Or(envelope.Source, event.Source),
		detailType: cmp.Or(envelope.DetailType, "AWS API Call via CloudTrail"), detail: envelope.Detail,
	}, err
}

// putEvent puts a sample on the bus as AWS would, which PutEvents only here allows.
func (w *env) putEvent(s sample) {
	w.t.Helper()
	out, err := eventbridge.NewFromConfig(w.local.DirectConfig(testlab.Region)).PutEvents(w.t.Context(), &eventbridge.PutEventsInput{
		Entries: []ebtypes.PutEventsRequestEntry{{Source: &s.source, DetailType: &s.detailType, Detail: aws.String(string(s.detail))}},
	})
	if err != nil || out.FailedEntryCount > 0 {
		w.t.Fatalf("put %s %s: %v, %+v", s.source, s.parsed.Name, err, out)
	}
}

// takeEvents empties the queue of requests and answers the ids of the events that it held, sorted.
func (w *env) takeEvents() []string {
	w.t.Helper()
	client := sqs.NewFromConfig(w.local.DirectConfig(testlab.Region))
	var ids []string
	for {
		out, err := client.ReceiveMessage(w.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &w.QueueURL, MaxNumberOfMessages: 10})
		w.must(err)
		if len(out.Messages) == 0 {
			slices.Sort(ids)
			return ids
		}
		for _, message := range out.Messages {
			event, err := cloudtrail.Parse([]byte(aws.ToString(message.Body)))
			w.must(err)
			ids = append(ids, event.ID)
			_, err = client.DeleteMessage(
				w.t.Context(), &sqs.DeleteMessageInput{QueueUrl: &w.QueueURL, ReceiptHandle: message.ReceiptHandle},
			)
			w.must(err)
		}
	}
}

// testRestore goes the whole way: call, event, rule, queue, function, restored.
func (w *env) testRestore() {
	w.Break()
	w.ExpectBroken()
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Minute) // should it never end
	defer cancel()
	var messages, failed int
	w.poller.Observe = func(b localaws.Batch) {
		messages += len(b.Messages)
		failed += len(b.Failed)
	}
	_, err := localaws.Drain(ctx, w.poller)
	w.must(err)
	w.ExpectRestored()
	if messages != 4 || failed != 0 {
		w.t.Errorf(
			"%d messages of which %d failed, want the stranger's two events and the echoes of the two restores", messages, failed,
		)
	}
	w.expectInSync()
}
