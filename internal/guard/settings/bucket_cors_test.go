package settings

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
)

func bucketCORSCases() []testCase {
	const id = "bucket-cors"
	greedy := types.CORSRule{AllowedMethods: []string{"GET", "PUT"}, AllowedOrigins: []string{"*"}}
	// put makes a testCase that puts rules, and expects others afterwards.
	put := func(name string, want guard.Status, before, after func(ours types.CORSRule) []types.CORSRule) testCase {
		return testCase{
			setting: id, name: name, want: want,
			breakIt: func(w *env) { w.putCORS(before(wantCORS(w.storage))...) },
			check:   func(w *env, _ guard.Outcome) { w.expectCORS(after(wantCORS(w.storage))...) },
		}
	}
	rules := func(r ...types.CORSRule) []types.CORSRule { return r }
	oursFirst := func(before func(types.CORSRule) []types.CORSRule) func(types.CORSRule) []types.CORSRule {
		return func(ours types.CORSRule) []types.CORSRule { return append(rules(ours), before(ours)...) }
	}
	noDelete := func(ours types.CORSRule) []types.CORSRule {
		ours.AllowedMethods = slices.DeleteFunc(slices.Clone(ours.AllowedMethods), func(m string) bool { return m == "DELETE" })
		return rules(ours, foreignRule())
	}
	oneHeader := func(ours types.CORSRule) []types.CORSRule {
		ours.ExposeHeaders = ours.ExposeHeaders[:1]
		return rules(ours)
	}
	otherOrigin := func(ours types.CORSRule) []types.CORSRule {
		ours.AllowedOrigins = []string{"https://portal.example.org"}
		return rules(ours)
	}
	harmless := func(ours types.CORSRule) []types.CORSRule { return rules(foreignRule(), ours) }
	return []testCase{
		{
			setting: id, name: "ours removed, another's kept", want: guard.Restored,
			breakIt: func(w *env) { w.putCORS(foreignRule()) },
		},
		{
			setting: id, name: "deleted", want: guard.Restored, breakIt: (*env).deleteCORS,
			check: func(w *env, _ guard.Outcome) { w.expectCORS(wantCORS(w.storage)) },
		},
		put("another origin", guard.Restored, otherOrigin, oursFirst(otherOrigin)),
		put("one method missing", guard.Restored, noDelete, oursFirst(noDelete)),
		put("one exposed header missing", guard.Restored, oneHeader, oursFirst(oneHeader)),
		put("a foreign rule shadows ours", guard.Restored,
			func(ours types.CORSRule) []types.CORSRule { return rules(foreignRule(), greedy, ours) },
			func(ours types.CORSRule) []types.CORSRule { return rules(ours, foreignRule(), greedy) }),
		put("a foreign rule stands before ours, harmless", guard.InSync, harmless, harmless),
		put("a lab's own rule covers ours", guard.InSync, covering, covering),
	}
}

// covering is a lab's own rule that gives ICA all it needs, in another order and with more.
func covering(ours types.CORSRule) []types.CORSRule {
	ours.ID, ours.MaxAgeSeconds = aws.String("lab"), aws.Int32(3000)
	ours.AllowedOrigins = append([]string{"https://portal.example.org"}, ours.AllowedOrigins...)
	ours.AllowedMethods = slices.Clone(ours.AllowedMethods)
	slices.Reverse(ours.AllowedMethods)
	return []types.CORSRule{ours}
}

func (w *env) putCORS(rules ...types.CORSRule) {
	w.t.Helper()
	w.must(w.s3.PutBucketCors(w.t.Context(), &s3.PutBucketCorsInput{
		Bucket: &w.storage.Bucket.Name, CORSConfiguration: &types.CORSConfiguration{CORSRules: rules},
	}))
}

func (w *env) deleteCORS() {
	w.t.Helper()
	w.must(w.s3.DeleteBucketCors(w.t.Context(), &s3.DeleteBucketCorsInput{Bucket: &w.storage.Bucket.Name}))
}

func (w *env) cors() []types.CORSRule {
	w.t.Helper()
	out, err := w.s3.GetBucketCors(w.t.Context(), &s3.GetBucketCorsInput{Bucket: &w.storage.Bucket.Name})
	if awserr.IsAbsent(err) {
		return nil
	}
	w.must(out, err)
	return out.CORSRules
}

func (w *env) expectCORS(want ...types.CORSRule) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.cors(), cmpopts.IgnoreUnexported(types.CORSRule{}), cmpopts.EquateEmpty()); diff != "" {
		w.t.Errorf("CORS rules (-want +got):\n%s", diff)
	}
}

// TestUnsettledCORS lets somebody change the document between every two reads.
func TestUnsettledCORS(t *testing.T) {
	w := newEnv(t, newFixture(t), variant{})
	w.deleteCORS()
	n := int32(0)
	w.engine.Sleep = func(context.Context, time.Duration) error {
		n++
		w.putCORS(
			types.CORSRule{AllowedMethods: []string{"GET"}, AllowedOrigins: []string{"https://portal.example.org"}, MaxAgeSeconds: &n},
		)
		return nil
	}
	expectStatus(t, w.reconcile("bucket-cors"), guard.RestoreFailed)
	if rules := w.cors(); len(rules) != 1 || len(w.requeued) != 1 {
		t.Errorf("a document that changes with every read must not be written: %v, again %v", rules, w.requeued)
	}
}

func TestCORSOfOthersFillsTheBucket(t *testing.T) {
	w := newEnv(t, newFixture(t), variant{})
	rules := make([]types.CORSRule, maxCORSRules)
	for i := range rules {
		age := int32(i)
		rules[i] = types.CORSRule{
			AllowedMethods: []string{"GET"},
			AllowedOrigins: []string{"https://portal.example.org"},
			MaxAgeSeconds:  &age,
		}
	}
	w.putCORS(rules...)
	o := w.reconcile("bucket-cors")
	expectStatus(t, o, guard.ActionRequired)
	if !strings.Contains(o.Problem, "100 CORS rules") || len(w.cors()) != maxCORSRules {
		t.Errorf("problem %q with %d rules left", o.Problem, len(w.cors()))
	}
}

// TestBucketOfAStranger lets another account own the bucket's name.
func TestBucketOfAStranger(t *testing.T) {
	w := newEnv(t, newFixture(t), variant{})
	w.deleteCORS()
	w.engine.Clients.Account = "999999999999"
	expectStatus(t, w.reconcile("bucket-cors"), guard.Unknown)
	if slices.Contains(w.actions(), "s3:PutBucketCORS") || len(w.cors()) != 0 {
		t.Error("wrote to a bucket of another account")
	}
}
