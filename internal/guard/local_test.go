package guard

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/icaguard/icaguard/internal/awslore"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

// site is a local AWS with room for many worlds: one AWS serves a whole test, as starting one takes its time.
type site struct {
	*localaws.AWS
	worlds int
}

// world is one storage as ICA needs it, and an engine that guards it.
type world struct {
	t       *testing.T
	local   *site
	key     string // access key of the engine, which tells its calls from the test's and from other worlds'
	storage icaconfig.Storage
	engine  Engine
	again   []Look
	s3      *s3.Client
	iam     *iam.Client
}

const worldConfig = `
storages:
  - name: lab-prod
    icaRegion: US
    bucket: {name: lab-%[1]d-ica, folder: ica}
    role: {name: Role%[1]d, policyName: policy-%[1]d, sessionNamePrefix: "ssm:/ica/prefix", description: for ICA}
`

func newWorld(t *testing.T, local *site) *world {
	t.Helper()
	local.worlds++
	file, err := icaconfig.Parse("ica.yaml", fmt.Appendf(nil, worldConfig, local.worlds))
	if err != nil {
		t.Fatal(err)
	}
	baseline, err := file.Baseline(local.Account(), "aws")
	if err != nil {
		t.Fatal(err)
	}
	key := fmt.Sprintf("AKIAGUARD%d", local.worlds)
	cfg := local.Config("us-east-1", key)
	cfg.RetryMaxAttempts = 1 // faults are to be seen by the engine, not by the SDK's own retries
	w := &world{
		t: t, local: local, key: key, storage: baseline.Storages[0],
		s3: awslore.S3(local.Config("us-east-1", "AKIATEST"), "us-east-1"), iam: iam.NewFromConfig(local.Config("us-east-1", "AKIATEST")),
	}
	w.engine = Engine{
		Baseline: baseline, Settings: Settings(), Clients: Clients{Config: cfg, Account: local.Account()},
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		LookAgain: func(_ context.Context, l Look, _ time.Duration) error {
			w.again = append(w.again, l)
			return nil
		},
	}
	w.create()
	return w
}

// create makes bucket and role as ICA needs them.
func (w *world) create() {
	w.must(w.s3.CreateBucket(w.t.Context(), &s3.CreateBucketInput{Bucket: &w.storage.Bucket.Name}))
	w.putCORS(wantCORS(w.storage)...)
	w.must(w.iam.CreateRole(w.t.Context(), &iam.CreateRoleInput{
		RoleName: &w.storage.Role.Name, MaxSessionDuration: aws.Int32(43200), Description: aws.String("for ICA"),
		AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[]}`),
	}))
}

// must fails the test on an error of an SDK call whose answer does not matter.
func (w *world) must(_ any, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) putCORS(rules ...types.CORSRule) {
	w.t.Helper()
	w.must(w.s3.PutBucketCors(w.t.Context(), &s3.PutBucketCorsInput{
		Bucket: &w.storage.Bucket.Name, CORSConfiguration: &types.CORSConfiguration{CORSRules: rules},
	}))
}

func (w *world) deleteCORS() {
	w.t.Helper()
	w.must(w.s3.DeleteBucketCors(w.t.Context(), &s3.DeleteBucketCorsInput{Bucket: &w.storage.Bucket.Name}))
}

func (w *world) cors() []types.CORSRule {
	w.t.Helper()
	out, err := w.s3.GetBucketCors(w.t.Context(), &s3.GetBucketCorsInput{Bucket: &w.storage.Bucket.Name})
	if awslore.IsAbsent(err) {
		return nil
	}
	w.must(out, err)
	return out.CORSRules
}

func (w *world) updateRole(in iam.UpdateRoleInput) {
	w.t.Helper()
	in.RoleName = &w.storage.Role.Name
	w.must(w.iam.UpdateRole(w.t.Context(), &in))
}

func (w *world) role() (seconds int32, description string) {
	w.t.Helper()
	out, err := w.iam.GetRole(w.t.Context(), &iam.GetRoleInput{RoleName: &w.storage.Role.Name})
	w.must(out, err)
	return aws.ToInt32(out.Role.MaxSessionDuration), aws.ToString(out.Role.Description)
}

// look lets the engine look at one setting after a stranger's event.
func (w *world) look(setting string) Outcome {
	w.t.Helper()
	results := w.engine.Handle(w.t.Context(), []Look{{Setting: setting, Causes: []Cause{{EventID: "1", Event: "Test"}}}})
	if len(results) != 1 {
		w.t.Fatalf("%d results, want 1", len(results))
	}
	if results[0].Err != nil {
		w.t.Fatal(results[0].Err)
	}
	return results[0].Outcome
}

// actions are the IAM actions that the guard's calls needed since the last reset of the recorder.
func (w *world) actions() []string {
	var actions []string
	for _, call := range w.local.Recorder().Calls() {
		if call.AccessKeyID == w.key {
			actions = append(actions, call.Action)
		}
	}
	slices.Sort(actions)
	return slices.Compact(actions)
}

func expectStatus(t *testing.T, o Outcome, want Status) {
	t.Helper()
	if o.Status != want {
		t.Errorf("status %s, want %s (%+v)", o.Status, want, o)
	}
}

func expectRules(t *testing.T, got []types.CORSRule, want ...types.CORSRule) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(types.CORSRule{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("CORS rules (-want +got):\n%s", diff)
	}
}

// breaks is a way of breaking every setting, for tests that hold for all of them.
func breaks() map[string]func(*world) {
	return map[string]func(*world){
		"bucket-cors":           func(w *world) { w.deleteCORS() },
		"role-session-duration": func(w *world) { w.updateRole(iam.UpdateRoleInput{MaxSessionDuration: aws.Int32(3600)}) },
	}
}

func TestSettingsOnLocalAWS(t *testing.T) {
	local := &site{AWS: localawstest.Start(t)}
	for _, setting := range Settings() {
		t.Run(setting.ID, func(t *testing.T) {
			t.Run("declared actions are used actions", func(t *testing.T) { testDeclaredIsUsed(t, local, setting) })
			t.Run("observe changes nothing", func(t *testing.T) { testObserve(t, local, setting) })
			t.Run("faults", func(t *testing.T) { testFaults(t, local, setting) })
		})
	}
	t.Run("ways of breaking", func(t *testing.T) { testWaysOfBreaking(t, local) })
	t.Run("gate", func(t *testing.T) { testGate(t, local) })
	t.Run("unsettled", func(t *testing.T) { testUnsettled(t, local) })
	t.Run("gone", func(t *testing.T) { testGone(t, local) })
	t.Run("bucket of a stranger", func(t *testing.T) { testForeignBucket(t, local) })
	t.Run("100 rules of others", func(t *testing.T) { testFullCORS(t, local) })
}

func testDeclaredIsUsed(t *testing.T, local *site, setting Setting) {
	w := newWorld(t, local)
	breaks()[setting.ID](w)
	local.Recorder().ResetCalls()
	w.engine.Audit(t.Context(), Look{Setting: setting.ID})
	if diff := cmp.Diff(names(setting.Reads), w.actions()); diff != "" {
		t.Errorf("reads (-declared +used):\n%s", diff)
	}
	expectStatus(t, w.look(setting.ID), Restored)
	if diff := cmp.Diff(names(slices.Concat(setting.Reads, setting.Writes)), w.actions()); diff != "" {
		t.Errorf("reads and writes (-declared +used):\n%s", diff)
	}
}

func names(actions []Action) []string {
	var out []string
	for _, a := range actions {
		out = append(out, a.Name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func testObserve(t *testing.T, local *site, setting Setting) {
	w := newWorld(t, local)
	w.engine.Baseline.Storages[0].Mode, w.engine.Baseline.Storages[0].Role.Mode = icaconfig.Observe, icaconfig.Observe
	breaks()[setting.ID](w)
	local.Recorder().ResetCalls()
	o := w.look(setting.ID)
	expectStatus(t, o, Drifted)
	if len(o.Diffs) == 0 || o.Breaks == "" || o.ToDo == "" {
		t.Errorf("a drift must say what differs, what breaks and what to do: %+v", o)
	}
	if diff := cmp.Diff(names(setting.Reads), w.actions()); diff != "" {
		t.Errorf("observe did more than read (-want +got):\n%s", diff)
	}
}

// testFaults lets every call of the setting fail in every way, and at the end lets AWS be well again.
func testFaults(t *testing.T, local *site, setting Setting) {
	for _, kind := range []localaws.Kind{
		localaws.Denied, localaws.ExplicitDeny, localaws.Throttled, localaws.ServerError, localaws.Cut, localaws.Lost, localaws.Malformed,
	} {
		for _, at := range []string{"read", "write"} {
			t.Run(string(kind)+" "+at, func(t *testing.T) {
				w := newWorld(t, local)
				breaks()[setting.ID](w)
				remove := local.Recorder().Inject(localaws.Fault{Operation: operation(setting, at), AccessKeyID: w.key, Kind: kind})
				o := w.look(setting.ID)
				want := map[string]Status{"read": Unknown, "write": Failed}[at]
				switch {
				case kind == localaws.ExplicitDeny:
					want = Unrecoverable
				case kind == localaws.Malformed && at == "write" && setting.On == OnBucket:
					want = StillDrifted // the SDK does not read the body of this answer, so only reading back tells
				}
				expectStatus(t, o, want)
				if o.Problem == "" || o.ToDo == "" {
					t.Errorf("a failure must say what and what to do: %+v", o)
				}
				if again := len(w.again) == 1; again != (want != Unrecoverable) {
					t.Errorf("look again: %v after %s", again, o.Status)
				}
				remove()
				w.look(setting.ID)
				after := w.engine.Audit(t.Context(), Look{Setting: setting.ID})
				expectStatus(t, after[0], Clean)
			})
		}
	}
}

// operation is the SDK operation of a setting's first read or write.
func operation(setting Setting, at string) string {
	actions := setting.Reads
	if at == "write" {
		actions = setting.Writes
	}
	_, name, _ := strings.Cut(actions[0].Name, ":")
	return strings.Replace(name, "CORS", "Cors", 1)
}

func testWaysOfBreaking(t *testing.T, local *site) {
	ours := func(w *world) types.CORSRule { return wantCORS(w.storage)[0] }
	foreign := types.CORSRule{
		ID: aws.String("portal"), AllowedMethods: []string{"GET"}, AllowedOrigins: []string{"https://portal.example.org"}, MaxAgeSeconds: aws.Int32(60),
	}
	greedy := types.CORSRule{AllowedMethods: []string{"GET", "PUT"}, AllowedOrigins: []string{"*"}}
	covering := func(w *world) types.CORSRule {
		rule := ours(w)
		rule.ID, rule.MaxAgeSeconds = aws.String("lab"), aws.Int32(3000)
		rule.AllowedOrigins = append([]string{"https://portal.example.org"}, rule.AllowedOrigins...)
		rule.AllowedMethods = slices.Clone(rule.AllowedMethods)
		slices.Reverse(rule.AllowedMethods)
		return rule
	}
	without := func(w *world, method string) types.CORSRule {
		rule := ours(w)
		rule.AllowedMethods = slices.DeleteFunc(slices.Clone(rule.AllowedMethods), func(m string) bool { return m == method })
		return rule
	}
	for _, c := range []struct {
		setting, name string
		breakIt       func(*world)
		want          Status
		rules         func(*world) []types.CORSRule // afterwards
		description   string                        // afterwards
	}{
		{
			setting: "bucket-cors", name: "deleted", breakIt: (*world).deleteCORS, want: Restored,
			rules: func(w *world) []types.CORSRule { return []types.CORSRule{ours(w)} },
		},
		{
			setting: "bucket-cors", name: "another origin", want: Restored,
			breakIt: func(w *world) { w.putCORS(foreign) },
			rules:   func(w *world) []types.CORSRule { return []types.CORSRule{ours(w), foreign} },
		},
		{
			setting: "bucket-cors", name: "one method missing", want: Restored,
			breakIt: func(w *world) { w.putCORS(without(w, "DELETE")) },
			rules:   func(w *world) []types.CORSRule { return []types.CORSRule{ours(w), without(w, "DELETE")} },
		},
		{
			setting: "bucket-cors", name: "one exposed header missing", want: Restored,
			breakIt: func(w *world) { rule := ours(w); rule.ExposeHeaders = rule.ExposeHeaders[:1]; w.putCORS(rule) },
			rules: func(w *world) []types.CORSRule {
				rule := ours(w)
				rule.ExposeHeaders = rule.ExposeHeaders[:1]
				return []types.CORSRule{ours(w), rule}
			},
		},
		{
			setting: "bucket-cors", name: "a foreign rule shadows ours", want: Restored,
			breakIt: func(w *world) { w.putCORS(foreign, greedy, ours(w)) },
			rules:   func(w *world) []types.CORSRule { return []types.CORSRule{ours(w), foreign, greedy} },
		},
		{
			setting: "bucket-cors", name: "foreign rule before ours, harmless", want: Clean,
			breakIt: func(w *world) { w.putCORS(foreign, ours(w)) },
			rules:   func(w *world) []types.CORSRule { return []types.CORSRule{foreign, ours(w)} },
		},
		{
			setting: "bucket-cors", name: "a lab's own rule covers ours", want: Clean,
			breakIt: func(w *world) { w.putCORS(covering(w), greedy) },
			rules:   func(w *world) []types.CORSRule { return []types.CORSRule{covering(w), greedy} },
		},
		{
			setting: "role-session-duration", name: "3600", want: Restored, description: "by hand",
			breakIt: func(w *world) {
				w.updateRole(iam.UpdateRoleInput{MaxSessionDuration: aws.Int32(3600), Description: aws.String("by hand")})
			},
		},
		{
			setting: "role-session-duration", name: "43199", want: Restored, description: "for ICA",
			breakIt: func(w *world) { w.updateRole(iam.UpdateRoleInput{MaxSessionDuration: aws.Int32(43199)}) },
		},
		{
			setting: "role-session-duration", name: "description edited without the duration", want: Restored, description: "edited",
			breakIt: func(w *world) { w.updateRole(iam.UpdateRoleInput{Description: aws.String("edited")}) },
		},
		{
			setting: "role-session-duration", name: "description edited with the duration", want: Clean, description: "edited",
			breakIt: func(w *world) {
				w.updateRole(iam.UpdateRoleInput{Description: aws.String("edited"), MaxSessionDuration: aws.Int32(43200)})
			},
		},
	} {
		t.Run(c.setting+" "+c.name, func(t *testing.T) {
			w := newWorld(t, local)
			c.breakIt(w)
			expectStatus(t, w.look(c.setting), c.want)
			if c.rules != nil {
				expectRules(t, w.cors(), c.rules(w)...)
			}
			if seconds, description := w.role(); c.description != "" && (seconds != 43200 || description != c.description) {
				t.Errorf("role has %d s and description %q, want 43200 s and %q", seconds, description, c.description)
			}
			if second := len(w.again) == 1; second != (c.want == Clean) {
				t.Errorf("second look %v after %s: want one after a stranger's event that shows nothing", second, c.want)
			}
			w.again = nil
			for _, o := range w.engine.Audit(t.Context()) {
				expectStatus(t, o, Clean)
			}
		})
	}
}

func testGate(t *testing.T, local *site) {
	w := newWorld(t, local)
	w.deleteCORS()
	w.engine.Gates = []Gate{func(context.Context, icaconfig.Storage, Setting) (string, error) { return "deploying", nil }}
	expectStatus(t, w.look("bucket-cors"), Held)
	if len(w.again) != 1 || len(w.cors()) != 0 {
		t.Errorf("held: want one look again and no write, got %v and %v", w.again, w.cors())
	}
	expectStatus(t, w.look("role-session-duration"), Clean) // no diffs: no gate is asked
}

// testUnsettled lets somebody change the document between every two reads.
func testUnsettled(t *testing.T, local *site) {
	w := newWorld(t, local)
	w.deleteCORS()
	n := int32(0)
	w.engine.Sleep = func(context.Context, time.Duration) error {
		n++
		w.putCORS(types.CORSRule{AllowedMethods: []string{"GET"}, AllowedOrigins: []string{"https://portal.example.org"}, MaxAgeSeconds: &n})
		return nil
	}
	expectStatus(t, w.look("bucket-cors"), Failed)
	if rules := w.cors(); len(rules) != 1 || len(w.again) != 1 {
		t.Errorf("a document that changes with every read must not be written: %v, again %v", rules, w.again)
	}
}

func testGone(t *testing.T, local *site) {
	w := newWorld(t, local)
	w.must(w.iam.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: &w.storage.Role.Name}))
	w.must(w.s3.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: &w.storage.Bucket.Name}))
	for _, setting := range Settings() {
		o := w.look(setting.ID)
		expectStatus(t, o, Unrecoverable)
		if !strings.Contains(o.ToDo, "does not exist") {
			t.Errorf("%s: advice %q", setting.ID, o.ToDo)
		}
	}
	if len(w.again) != 0 {
		t.Errorf("what is gone does not come back by looking again: %v", w.again)
	}
}

// testForeignBucket lets another account own the bucket's name.
func testForeignBucket(t *testing.T, local *site) {
	w := newWorld(t, local)
	w.deleteCORS()
	w.engine.Clients.Account = "999999999999"
	expectStatus(t, w.look("bucket-cors"), Unknown)
	if slices.Contains(w.actions(), "s3:PutBucketCORS") || len(w.cors()) != 0 {
		t.Error("wrote to a bucket of another account")
	}
}

func testFullCORS(t *testing.T, local *site) {
	w := newWorld(t, local)
	rules := make([]types.CORSRule, maxCORSRules)
	for i := range rules {
		age := int32(i)
		rules[i] = types.CORSRule{AllowedMethods: []string{"GET"}, AllowedOrigins: []string{"https://portal.example.org"}, MaxAgeSeconds: &age}
	}
	w.putCORS(rules...)
	o := w.look("bucket-cors")
	expectStatus(t, o, Unrecoverable)
	if !strings.Contains(o.Problem, "100 CORS rules") || len(w.cors()) != maxCORSRules {
		t.Errorf("problem %q with %d rules left", o.Problem, len(w.cors()))
	}
}
