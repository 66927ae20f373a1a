package perf

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	lambdaevents "github.com/aws/aws-lambda-go/events"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/localaws"
)

// BenchmarkColdStart takes the time from the start of remediate's process to its first answer, of an event of no interest, as a
// ratio to that of a function that has the same clients and does nothing: what icaguard's own code adds. One operation is
// startsOfEach starts of both in turn, so that what else the machine does falls upon both.
//
// Wanted: x-of-sdk at most 1.8, whatever the number of tags, with 48 storages at most 3.
func BenchmarkColdStart(b *testing.B) {
	const startsOfEach = 15
	aws := newNoAWS(b)
	bundler, binary := build(b, "cmd/icaguard"), build(b, "functions/remediate")
	sdk := aws.function(build(b, "internal/perf/testdata/sdkonly"))
	for _, variant := range []struct{ name, config string }{
		{"1 storage", configuration(0, names(1)...)},
		{"1 storage with 1 tag", configuration(1, names(1)...)},
		{"1 storage with 48 tags", configuration(48, names(1)...)},
		{"48 storages", configuration(0, names(48)...)},
	} {
		b.Run(variant.name, func(b *testing.B) {
			function := aws.function(deploy(b, bundler, binary, variant.config))
			var ours, others []start
			for b.Loop() {
				for range startsOfEach {
					ours, others = append(ours, aws.start(b, function)), append(others, aws.start(b, sdk))
				}
			}
			took, sdkTook := median(ours, start.milliseconds), median(others, start.milliseconds)
			b.ReportMetric(took/sdkTook, "x-of-sdk")
			b.ReportMetric(took, "ms")
			b.ReportMetric(sdkTook, "sdk-ms")
			b.ReportMetric(median(ours, start.megabytes), "MB")
			b.ReportMetric(median(others, start.megabytes), "sdk-MB")
			b.ReportMetric(0, "ns/op") // of all the starts together: says nothing
		})
	}
}

// start is one cold start.
type start struct {
	took   time.Duration
	memory int64 // bytes, at most
}

func (s start) milliseconds() float64 { return float64(s.took.Microseconds()) / 1000 }

func (s start) megabytes() float64 { return float64(s.memory) / (1 << 20) }

func median(starts []start, of func(start) float64) float64 {
	sorted := slices.SortedFunc(slices.Values(starts), func(a, b start) int { return cmp.Compare(of(a), of(b)) })
	return of(sorted[len(sorted)/2])
}

// deploy puts the binary into a folder with the configuration, as `make build` does.
func deploy(b *testing.B, bundler, binary, config string) string {
	b.Helper()
	folder := b.TempDir()
	file, deployed := filepath.Join(b.TempDir(), "ica.yaml"), filepath.Join(folder, "bootstrap")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	if err := os.Link(binary, deployed); err != nil {
		b.Fatal(err)
	}
	run(b, bundler, "bundle", folder, "--config", file)
	return deployed
}

// noAWS is what stands in AWS's place where nothing is to be called.
type noAWS struct {
	url   string
	calls atomic.Int64
	event []byte // a batch with one event of no interest
}

func newNoAWS(b *testing.B) *noAWS {
	b.Helper()
	none := &noAWS{event: ignoredEvent(b)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		none.calls.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
	}))
	b.Cleanup(server.Close)
	none.url = server.URL
	return none
}

// sampleAccount is that of the samples in events.
const sampleAccount = "111122223333"

// ignoredEvent is a batch with one event that a setting listens to, about a bucket that is nobody's here.
func ignoredEvent(b *testing.B) []byte {
	b.Helper()
	event, err := os.ReadFile("../../events/aws.s3.PutBucketCors.json")
	if err != nil {
		b.Fatal(err)
	}
	batch, err := json.Marshal(lambdaevents.SQSEvent{Records: []lambdaevents.SQSMessage{{
		MessageId: "1", Body: strings.ReplaceAll(string(event), "lab-prod-ica", "another-bucket"),
		EventSource: "aws:sqs", EventSourceARN: "arn:aws:sqs:us-east-1:" + sampleAccount + ":" + events, AWSRegion: "us-east-1",
	}}})
	if err != nil {
		b.Fatal(err)
	}
	return batch
}

func (n *noAWS) function(binary string) localaws.FunctionConfig {
	return localaws.FunctionConfig{
		Name: remediate, ARN: "arn:aws:lambda:us-east-1:" + sampleAccount + ":function:" + remediate,
		Binary: binary, Timeout: remediateTimeout,
		Env: map[string]string{
			"AWS_ENDPOINT_URL": n.url, "AWS_ACCESS_KEY_ID": "ASIAREMEDIATE", "AWS_SECRET_ACCESS_KEY": "test",
			guard.EnvQueueURL: n.url + "/" + sampleAccount + "/" + events,
		},
	}
}

// start starts a process, has it answer the event, and ends it.
func (n *noAWS) start(b *testing.B, config localaws.FunctionConfig) start {
	b.Helper()
	function, err := localaws.StartFunction(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = function.Close() }()
	result, err := function.Invoke(b.Context(), n.event)
	if err != nil || result.FunctionError != "" {
		b.Fatalf("%v %s", err, result.Payload)
	}
	var response lambdaevents.SQSEventResponse
	if err := json.Unmarshal(result.Payload, &response); err != nil || len(response.BatchItemFailures) > 0 {
		b.Fatalf("%v %s", err, result.Payload)
	}
	if calls := n.calls.Load(); calls > 0 {
		b.Fatalf("%d calls of AWS, want none for an event of no interest", calls)
	}
	return start{result.InitDuration + result.Duration, result.MaxMemory}
}
