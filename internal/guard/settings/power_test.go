package settings

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

// The engine of every env in the matrix may do what the synthesised policies of remediate allow, and nothing else. The CDK
// app runs once, over an ica.yaml with a storage for each variant of the test cases; its names become the env's.

// variants are those of the test cases, each once.
func variants() []variant {
	var all []variant
	for _, c := range testCases() {
		if !slices.Contains(all, c.variant) {
			all = append(all, c.variant)
		}
	}
	return all
}

// firstNumber is that of the first storage of what is synthesised, and of the provider that all storages of a region
// share: no env has such a one.
const firstNumber = 9_900_000

// number is of the storage that stands for the variant.
func (v variant) number() (n int, known bool) {
	i := slices.Index(variants(), v)
	return firstNumber + i, i >= 0
}

// keyOf is that storage's key.
func keyOf(n int) string {
	return fmt.Sprintf("arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-%012d", n)
}

// templates are the synthesised ones.
func (f *fixture) templates(t *testing.T) localaws.Templates {
	t.Helper()
	f.once.Do(func() {
		text := "organization: o-matrix0000\nstorages:"
		for _, v := range variants() {
			n, _ := v.number()
			text += v.text(n, firstNumber, keyOf(n))
		}
		f.synth = localawstest.Synthesise(t, text)
	})
	return f.synth
}

// authorize gives the env's engine the policies of its variant, as for the key and the organization that it names now. Of a
// variant that no test case has there are none.
func (w *env) authorize() {
	w.t.Helper()
	if w.local.campaign != nil { // the real functions guard the env
		return
	}
	if grants, known := w.grants(); known {
		w.local.Recorder().Identify(w.key, localaws.AssumedRole(w.local.Account(), guard.RemediateFunction, guard.RemediateFunction))
		w.local.Recorder().Authorize(w.key, grants)
	}
}

func (w *env) grants() (g localaws.Grants, known bool) {
	w.t.Helper()
	of, known := w.variant.number()
	if !known {
		return g, false
	}
	names := []string{fmt.Sprintf("%032d", firstNumber), fmt.Sprintf("%032d", w.number), fmt.Sprint(of), fmt.Sprint(w.number)}
	if w.storage.Key != nil {
		names = append([]string{keyOf(of), w.storage.Key.ARN}, names...)
	}
	g, err := w.local.templates(w.t).Grants(guard.RemediateFunction, names...)
	if err != nil {
		w.t.Fatal(err)
	}
	home := w.engine.Baseline.Storages[0].Home
	g.Function = home.ARN("lambda", home.HomeRegion, "function:"+guard.RemediateFunction)
	if home.Organization == "" {
		g = g.Without("organizations:DescribeOrganization")
	}
	return g, true
}

// expectNoRefusal: the policies allow all that the engine did.
func (w *env) expectNoRefusal() {
	w.t.Helper()
	for _, refusal := range w.local.Recorder().TakeRefusals(w.key) {
		w.t.Error(refusal)
	}
}

// testPower judges what the engines of the cases asked for again, without the action that it needs: then it is refused. So
// each action is needed where it stands, for every variant that a case came to need it in. On a bucket that another account
// has taken nothing is allowed (aws:ResourceAccount).
func testPower(t *testing.T, asked []localaws.Judged) {
	if len(asked) == 0 {
		t.Fatal("nothing was asked for")
	}
	buckets := 0
	for _, j := range asked {
		if decision, err := j.Again(""); err != nil || !decision.Allowed {
			t.Errorf("%s on %s: %+v, %v", j.Action, j.Resource, decision, err)
		}
		if decision, err := j.Again(j.Action); err != nil || decision.Allowed {
			t.Errorf("%s on %s is allowed without that action: %+v, %v", j.Action, j.Resource, decision, err)
		}
		if !strings.HasPrefix(j.Resource, "arn:aws:s3:") {
			continue
		}
		buckets++
		if decision, err := j.OwnedBy(strangersAccount).Again(""); err != nil || decision.Allowed {
			t.Errorf("%s on %s is allowed where the bucket is a stranger's: %+v, %v", j.Action, j.Resource, decision, err)
		}
	}
	if buckets == 0 {
		t.Error("nothing was asked of a bucket")
	}
}

// TestActionRemoved: what a policy does not allow is refused, named, and nothing is restored.
func TestActionRemoved(t *testing.T) {
	w := newEnv(t, newFixture(t), variant{})
	grants, _ := w.grants()
	w.local.Recorder().Authorize(w.key, grants.Without("s3:PutBucketCORS"))
	w.deleteCORS()
	failed := w.engine.Handle(t.Context(), []guard.Request{{Setting: "bucket-cors"}}, func(_ context.Context, r guard.Result) {
		expectStatus(t, r.Outcome, guard.RestoreFailed)
	})
	refused := w.local.Recorder().TakeRefusals(w.key)
	if len(failed) != 0 || len(refused) != 1 ||
		refused[0].Action != "s3:PutBucketCORS" || refused[0].Resource != w.storage.Bucket.ARN ||
		!strings.Contains(refused[0].Why, `it allows other actions: {"Effect":"Allow"`) {
		t.Errorf("refusals %v, %v", refused, failed)
	}
}
