package settings

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/icaguard/icaguard/internal/golden"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/notify"
)

// testCase is one way of breaking a setting, and what must come of it.
type testCase struct {
	setting, name string
	variant       variant
	breakIt       func(*env)
	want          guard.Status
	// check checks the state afterwards. Without one, everything must be as it was before: ours right, foreign parts untouched.
	check func(*env, guard.Outcome)
	// notShown says what of it the local AWS cannot show.
	notShown string
}

// testCases are all ways of breaking, each setting's in its own test file.
func testCases() []testCase {
	return slices.Concat(
		bucketCases(), bucketPublicAccessCases(), bucketOwnershipCases(), bucketEncryptionCases(), bucketVersioningCases(),
		bucketCORSCases(), bucketLifecycleCases(), bucketObjectLockCases(), bucketRequestPaymentCases(), bucketNotificationCases(),
		oidcProviderCases(), roleCases(), roleBoundaryCases(), roleTrustCases(),
		roleSessionDurationCases(), permissionPolicyCases(), permissionPolicyAttachedCases(), roleForeignPoliciesCases(),
		kmsKeyStateCases(), bucketPolicyCases(), kmsKeyPolicyCases(),
	)
}

// casesOf are the ways of breaking one setting. Every setting has some.
func casesOf(t *testing.T, setting string) []testCase {
	t.Helper()
	found := slices.DeleteFunc(testCases(), func(w testCase) bool { return w.setting != setting })
	if len(found) == 0 {
		t.Fatalf("%s: no way of breaking it is tested", setting)
	}
	return found
}

func TestSettings(t *testing.T) {
	local := newFixture(t)
	for _, setting := range All() {
		t.Run(setting.ID, func(t *testing.T) {
			used, whole, power := map[string]bool{}, map[variant]*env{}, []localaws.Judged{}
			for _, c := range casesOf(t, setting.ID) {
				t.Run(c.name, func(t *testing.T) { power = append(power, runCase(t, local, c, used, whole)...) })
			}
			t.Run("each action is needed", func(t *testing.T) { testPower(t, power) })
			t.Run("declared actions are the used ones", func(t *testing.T) { testDeclared(t, setting, used) })
			t.Run("observe changes nothing", func(t *testing.T) { testObserve(t, local, setting) })
			t.Run("faults", func(t *testing.T) { testFaults(t, local, setting) })
		})
	}
}

// runCase breaks one setting in one way, lets the guard check, and then again, when nothing may be left to do. An env
// that is then seen to be whole again serves the next way, as making one takes a hundred calls.
func runCase(t *testing.T, local *fixture, c testCase, used map[string]bool, whole map[variant]*env) []localaws.Judged {
	w := whole[c.variant]
	if w == nil {
		w = newEnv(t, local, c.variant)
	}
	delete(whole, c.variant)
	w.t, w.requeued, w.store.backups = t, nil, nil
	recorded := maps.Clone(w.store.recorded)
	c.breakIt(w)
	w.local.Recorder().ResetCalls()
	o := w.reconcile(c.setting)
	for _, action := range w.actions() {
		used[action] = true
	}
	expectStatus(t, o, c.want)
	if second := len(w.requeued) == 1; second != (c.want == guard.InSync || c.want == withNotes) {
		t.Errorf("second check %v after %s: want one only after a stranger's event that shows nothing to do", second, c.want)
	}
	if c.check != nil {
		c.check(w, o)
	} else if diff := cmp.Diff(w.before, w.state()); diff != "" {
		t.Errorf("state (-before +after):\n%s", diff)
	} else if maps.Equal(recorded, w.store.recorded) {
		whole[c.variant] = w
	}
	if c.want == guard.Restored {
		if len(w.store.backups) == 0 || o.BackupError != "" {
			t.Errorf("the replaced value is not kept: %q", o.BackupError)
		}
		for _, after := range w.engine.Audit(t.Context(), guard.Request{Setting: c.setting}) {
			if after.Status != guard.InSync {
				t.Errorf("not in sync after the restore: %+v", after)
			}
		}
	}
	return w.local.Recorder().Judged(w.key)
}

func testDeclared(t *testing.T, setting guard.Setting, used map[string]bool) {
	declared := map[string]bool{}
	for _, action := range slices.Concat(setting.Reads, setting.Writes) {
		declared[action.Name] = true
	}
	if diff := cmp.Diff(declared, used); diff != "" {
		t.Errorf("actions (-declared +used):\n%s", diff)
	}
}

// drifting is a way of breaking a setting after whose restore everything is as before, if there is one.
func drifting(t *testing.T, setting string) testCase {
	t.Helper()
	all := casesOf(t, setting)
	if i := slices.IndexFunc(all, func(w testCase) bool { return w.want == guard.Restored && w.check == nil }); i >= 0 {
		return all[i]
	}
	return all[0]
}

func testObserve(t *testing.T, local *fixture, setting guard.Setting) {
	c := drifting(t, setting.ID)
	w := newEnv(t, local, c.variant)
	s := &w.engine.Baseline.Storages[0]
	for _, kind := range []*icaconfig.Mode{&s.Mode, &s.Bucket.Mode, &s.Role.Mode, &s.Provider.Mode} {
		*kind = icaconfig.Observe
	}
	if s.Key != nil {
		s.Key.Mode = icaconfig.Observe
	}
	c.breakIt(w)
	broken := w.state()
	w.local.Recorder().ResetCalls()
	o := w.reconcile(setting.ID)
	want := c.want
	if want == guard.Restored {
		want = guard.Drifted
	}
	expectStatus(t, o, want)
	if o.Status == guard.Drifted && (len(o.Diffs) == 0 || o.Effect == "" || o.Remediation == "") {
		t.Errorf("a drift must say what differs, what breaks and what to do: %+v", o)
	}
	reads := map[string]bool{}
	for _, action := range setting.Reads {
		reads[action.Name] = true
	}
	for _, action := range w.actions() {
		if !reads[action] {
			t.Errorf("observing did %s", action)
		}
	}
	if diff := cmp.Diff(broken, w.state()); diff != "" {
		t.Errorf("observing changed the state (-before +after):\n%s", diff)
	}
}

// testFaults lets every call that the guard makes for a setting fail in every way. Whatever it says then, it must say
// what and what to do, and once AWS is well again the next check must bring everything back.
func testFaults(t *testing.T, local *fixture, setting guard.Setting) {
	c := drifting(t, setting.ID)
	w := newEnv(t, local, c.variant)
	c.breakIt(w)
	w.reconcile(setting.ID)
	var operations []string
	for _, call := range w.calls() {
		operations = append(operations, call.Operation)
	}
	slices.Sort(operations)
	for _, operation := range slices.Compact(operations) {
		for _, kind := range []localaws.Kind{
			localaws.Denied, localaws.ExplicitDeny, localaws.Throttled, localaws.Gone, localaws.Malformed, localaws.Empty,
		} {
			t.Run(operation+" "+string(kind), func(t *testing.T) {
				w.t, w.requeued = t, nil
				if c.want == guard.Restored { // what the guard does not restore is broken still
					c.breakIt(w)
				}
				remove := local.Recorder().Inject(localaws.Fault{Operation: operation, AccessKeyID: w.key, Kind: kind})
				defer remove()
				checkFailure(t, w, w.reconcile(setting.ID), kind)
				remove()
				w.reconcile(setting.ID)
				if diff := cmp.Diff(w.before, w.state()); c.check == nil && diff != "" {
					t.Errorf("state once AWS was well again (-before +after):\n%s", diff)
				}
			})
		}
	}
}

func checkFailure(t *testing.T, w *env, o guard.Outcome, kind localaws.Kind) {
	t.Helper()
	if strings.Contains(o.Problem, "internal error") {
		t.Errorf("an answer without its element ends unforeseen: %s", o.Problem)
	}
	if kind == localaws.Gone || kind == localaws.Empty {
		return // "gone" is a value that a setting may well act on; that nothing is lost by it is checked at the end
	}
	switch o.Status {
	case guard.Unknown, guard.RestoreFailed, guard.Unverified:
		if kind == localaws.ExplicitDeny {
			t.Errorf("an explicit deny is final, but: %+v", o)
		}
		if len(w.requeued) != 1 {
			t.Errorf("%d requests after %s, want 1", len(w.requeued), o.Status)
		}
	case guard.ActionRequired:
		if kind != localaws.ExplicitDeny || len(w.requeued) != 0 {
			t.Errorf("given up after a fault that passes: %+v, again %v", o, w.requeued)
		}
	case guard.Restored:
		// What is of another bucket may fail: then a note says so.
		if !strings.Contains(fmt.Sprint(o.Notes), "cannot be read") {
			t.Errorf("%s although a call failed: %+v", o.Status, o)
		}
		return
	case guard.InSync, guard.Accepted, guard.Drifted, guard.Deferred:
		t.Errorf("%s although a call failed: %+v", o.Status, o)
	}
	if o.Problem == "" || o.Remediation == "" {
		t.Errorf("a failure must say what and what to do: %+v", o)
	}
}

var update = flag.Bool("update", false, "rewrite golden files")

// TestCoverage keeps the table of all ways of breaking for people to read.
func TestCoverage(t *testing.T) {
	var b strings.Builder
	b.WriteString(
		"# What was broken, and what came of it\n\nWritten by the tests (`make update`), one line per way of breaking that they " +
			"play on the local AWS.\n\n" +
			"| setting | broken so | result | not shown by the local AWS |\n|---|---|---|---|\n",
	)
	for _, setting := range All() {
		for _, w := range casesOf(t, setting.ID) {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", w.setting, w.name, w.want, w.notShown)
		}
	}
	golden.Check(t, *update, filepath.Join("..", "..", "..", "docs", "coverage.md"), b.String())
}

// TestReadBackLost: a restore whose read-back fails is told once it is seen, with what differed and who did it.
func TestReadBackLost(t *testing.T) {
	w := newEnv(t, newFixture(t), variant{})
	w.updateRole(aws.Int32(3600), aws.String("for ICA"))
	var remove func()
	w.engine.Sleep = func(context.Context, time.Duration) error {
		if remove == nil { // the first wait is that between write and read
			remove = w.local.Recorder().Inject(localaws.Fault{Operation: "GetRole", AccessKeyID: w.key, Kind: localaws.Throttled})
		}
		return nil
	}
	expectStatus(t, w.reconcile("role-session-duration"), guard.RestoreFailed)
	remove()
	o := w.handle(w.requeued...)[0]
	expectStatus(t, o, guard.Restored)
	if len(o.Diffs) != 1 || o.Diffs[0].Found != "3600 s" || len(o.Events) != 1 {
		t.Errorf("the restore must say what differed and who did it: %+v", o)
	}
}

// TestReadBackLostWithoutStore: what no later check could tell is told at once.
func TestReadBackLostWithoutStore(t *testing.T) {
	w := newEnv(t, newFixture(t), variant{})
	w.updateRole(aws.Int32(3600), aws.String("for ICA"))
	w.store.away = context.DeadlineExceeded
	w.engine.Sleep = func(context.Context, time.Duration) error {
		w.local.Recorder().Inject(localaws.Fault{Operation: "GetRole", AccessKeyID: w.key, Kind: localaws.Throttled})
		return nil
	}
	o := w.reconcile("role-session-duration")
	expectStatus(t, o, guard.RestoreFailed)
	if d := notify.Decide(o); !d.Notify || d.Severity != notify.Critical || len(w.requeued) != 1 {
		t.Errorf("nobody is notified of %+v: %+v", o, d)
	}
}

// TestNothingOfOthersIsDeletedUnkept: where restoring deletes others' work, it waits for the memory.
func TestNothingOfOthersIsDeletedUnkept(t *testing.T) {
	w := newEnv(t, newFixture(t), variant{role: "strict: true"})
	w.putInline(
		"lab", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::logs"}]}`,
	)
	w.store.away = context.DeadlineExceeded
	expectStatus(t, w.reconcile("role-foreign-policies"), guard.RestoreFailed)
	if !strings.Contains(w.state()["role-foreign-policies"], `"lab"`) || len(w.requeued) != 1 {
		t.Error("another's policy was deleted, or is not checked again")
	}
	w.store.away = nil
	expectStatus(t, w.reconcile("role-foreign-policies"), guard.Restored)
}

func TestStoreAway(t *testing.T) {
	w := newEnv(t, newFixture(t), variant{})
	w.store.away = context.DeadlineExceeded
	w.deleteCORS()
	o := w.reconcile("bucket-cors")
	expectStatus(t, o, guard.Restored)
	if !strings.Contains(o.BackupError, "deadline") {
		t.Errorf("the outcome must say what was not kept: %+v", o)
	}
}
