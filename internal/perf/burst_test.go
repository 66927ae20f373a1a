package perf

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/icaguard/icaguard/internal/localaws"
)

// What a burst may cost. Each batch reads each resource that its events name: what the process remembers of earlier batches may
// be out of date. A second check is needed once for a resource, not once for each batch.
const (
	burstEvents       = 1000
	burstStorages     = 5 // with a role and a bucket each
	burstCalls        = 700
	burstSecondChecks = 30

	batchSize = 10 // of the event source mapping
)

// TestBurst lets remediate take many events on few resources that are all in sync, as a deploy of somebody's own tool makes them.
func TestBurst(t *testing.T) {
	f := newFixture(t, burstStorages)
	function := f.start(remediate, build(t, "functions/remediate"), remediateTimeout)
	var batches []localaws.Batch
	for bodies := range slices.Chunk(f.burst(), batchSize) {
		f.send(bodies)
		batches = append(batches, f.drain(events, function, false)...)
	}
	naming, pairs := batchesNaming(t, batches), 0
	reads := readsOf(f.Calls())
	for resource, count := range naming {
		if pairs += count; reads[resource] < count {
			t.Errorf("%s is read %d times for the %d batches that name it", resource, reads[resource], count)
		}
	}
	secondChecks := 0
	for _, batch := range f.drain(requests, function, true) {
		secondChecks += len(batch.Messages)
	}
	calls := f.Calls()
	t.Logf("%d batches name %d resources, each batch each resource once; %d second checks, %d calls:\n%s",
		len(batches), pairs, secondChecks, len(calls), table(calls))
	if len(calls) > burstCalls {
		t.Errorf("%d calls, want at most %d", len(calls), burstCalls)
	}
	if secondChecks > burstSecondChecks {
		t.Errorf("%d second checks, want at most %d", secondChecks, burstSecondChecks)
	}
}

// burst makes a change of each resource that leaves it in sync, and answers its event many times, in an order that is always
// the same and mixes the resources.
func (f *fixture) burst() []string {
	f.t.Helper()
	var made []localaws.Envelope
	f.Local.Recorder().SetEmit(func(_ context.Context, event localaws.Envelope) error {
		made = append(made, event)
		return nil
	})
	for _, lab := range f.labs {
		lab.Rename("for ICA")
		lab.PutCORS(lab.NeededCORS())
	}
	f.Local.Recorder().SetEmit(nil)
	if len(made) != 2*len(f.labs) {
		f.t.Fatalf("%d events of %d changes", len(made), 2*len(f.labs))
	}
	random := rand.New(rand.NewPCG(1, 18))
	bodies := make([]string, burstEvents)
	for i := range bodies {
		event := made[random.IntN(len(made))]
		event.Detail.EventID = fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
		event.Detail.RequestID = fmt.Sprintf("request-%d", i)
		body, err := json.Marshal(event)
		f.must(err)
		bodies[i] = string(body)
	}
	return bodies
}

// send puts bodies on the queue of events. One batch at a time: moto takes the longer for a message the more a queue holds.
func (f *fixture) send(bodies []string) {
	f.t.Helper()
	var entries []types.SendMessageBatchRequestEntry
	for i, body := range bodies {
		entries = append(entries, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: &body})
	}
	url := f.url(events)
	_, err := f.sqs.SendMessageBatch(f.t.Context(), &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: entries})
	f.must(err)
}

// batchesNaming counts the batches that name a resource, by resource.
func batchesNaming(t *testing.T, batches []localaws.Batch) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, batch := range batches {
		named := map[string]bool{}
		for _, message := range batch.Messages {
			var event struct {
				Detail struct {
					RequestParameters struct{ RoleName, BucketName string }
				}
			}
			if err := json.Unmarshal([]byte(message.Body), &event); err != nil {
				t.Fatal(err)
			}
			named[event.Detail.RequestParameters.RoleName+event.Detail.RequestParameters.BucketName] = true
		}
		for resource := range named {
			counts[resource]++
		}
	}
	return counts
}

// readsOf counts, by resource, the reads that show what the events of a burst may have changed.
func readsOf(calls []localaws.Call) map[string]int {
	counts := map[string]int{}
	for _, call := range calls {
		if call.Operation == "GetRole" || call.Operation == "GetBucketCors" {
			counts[call.Resource]++
		}
	}
	return counts
}
