package perf

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/icaguard/icaguard/internal/localaws"
)

const (
	manyStorages = 48
	// answerAfter is how long AWS takes for an answer: what IAM takes from another region, and more than S3 takes.
	answerAfter = 40 * time.Millisecond
)

// BenchmarkAuditOf48Storages lets validate audit everything, all in sync.
//
// Wanted: about 10 s, 19 calls/storage.
func BenchmarkAuditOf48Storages(b *testing.B) {
	f := newFixture(b, manyStorages)
	function := f.start(validate, build(b, "functions/validate"), validateTimeout)
	f.slowDown()
	var calls []localaws.Call
	for b.Loop() {
		calls = f.audit(function)
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/audit")
	b.ReportMetric(perStorage(calls), "calls/storage")
	b.ReportMetric(0, "ns/op") // the same as s/audit
}

// BenchmarkReconcileOf48Storages lets remediate check everything and restore what drifted, which is nothing: by one message, and
// by those that remediate posts to itself about it, until no message is left or an invocation has failed.
//
// Wanted: killed 0 and unread 0 within the timeout that remediate has. Lambda's longest timeout shows how long it would take.
func BenchmarkReconcileOf48Storages(b *testing.B) {
	f := newFixture(b, manyStorages)
	wanted := readings(f.audit(f.start(validate, build(b, "functions/validate"), validateTimeout)))
	binary := build(b, "functions/remediate")
	f.slowDown()
	for _, timeout := range []time.Duration{remediateTimeout, 15 * time.Minute} {
		b.Run("timeout "+timeout.String(), func(b *testing.B) {
			var r reconciliation
			for b.Loop() {
				r = f.reconcile(b, binary, timeout)
			}
			read := readings(r.calls)
			unread := slices.DeleteFunc(slices.Clone(wanted), func(w reading) bool { return slices.Contains(read, w) })
			b.Logf("calls:\n%s", table(r.calls))
			b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/reconciliation")
			b.ReportMetric(perStorage(r.calls), "calls/storage")
			b.ReportMetric(float64(r.invocations), "invocations")
			b.ReportMetric(float64(r.killed), "killed")
			b.ReportMetric(float64(len(unread)), "unread")
			b.ReportMetric(0, "ns/op") // the same as s/reconciliation
		})
	}
}

// reconciliation is what became of a message that asks to reconcile everything.
type reconciliation struct {
	calls               []localaws.Call
	invocations, killed int
}

func (f *fixture) reconcile(b *testing.B, binary string, timeout time.Duration) reconciliation {
	b.Helper()
	f.makeQueue(requests) // without what an earlier one left
	url, before := f.url(requests), len(f.Calls())
	_, err := f.sqs.SendMessage(b.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(reconcileEverything)})
	f.must(err)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var r reconciliation
	_, err = localaws.Drain(ctx, localaws.PollerConfig{
		SQS: f.sqs, QueueURL: url, QueueARN: f.arn(requests), Function: f.start(remediate, binary, timeout), AwaitAll: true,
		Observe: func(batch localaws.Batch) {
			r.invocations++
			switch {
			case batch.Result.FunctionError != "":
				r.killed++
				cancel() // the message comes again, and would be killed again
			case len(batch.Failed) > 0:
				b.Fatalf("%d messages fail; is %s still the one that asks for everything?", len(batch.Failed), reconcileEverything)
			}
		},
	})
	if !errors.Is(err, context.Canceled) {
		f.must(err)
	}
	r.calls = f.Calls()[before:]
	return r
}

// slowDown lets every call of the functions take as long as it takes in AWS.
func (f *fixture) slowDown() { f.Inject(localaws.Fault{Kind: localaws.Slow, Delay: answerAfter}) }

// perStorage is how many of the calls there are for each of many storages.
func perStorage(calls []localaws.Call) float64 { return float64(len(ofStorages(calls))) / manyStorages }

// reading is one read of one resource.
type reading struct{ action, resource string }

// readings are the different reads of storages among the calls. An audit does nothing else, so its are all that there is to read.
func readings(calls []localaws.Call) []reading {
	var all []reading
	for _, call := range ofStorages(calls) {
		if r := (reading{call.Action, call.Resource}); !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	return all
}
