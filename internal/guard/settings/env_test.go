package settings

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
)

// secretPrefix is the prefix of every env. No test output may hold it: TestMain's caller searches for it.
const secretPrefix = "prefix-that-must-not-be-printed"

// secondPrefix is that of a second credential.
const secondPrefix = "second-" + secretPrefix

// fixture is a local AWS with room for many envs.
type fixture struct {
	*localaws.AWS
	envs  int
	once  sync.Once
	synth localaws.Templates // of a storage for each variant of the test cases

	mu    sync.Mutex
	heard []localaws.Envelope // events of all envs

	campaign *inCampaign // nil: the test's own engine guards the envs
}

// hear keeps an event. The engine is asked directly here; the way of an event to it is the deployed guard's test.
func (f *fixture) hear(_ context.Context, event localaws.Envelope) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heard = append(f.heard, event)
	return nil
}

// shared is the local AWS of all tests of the package, which starts with the first that needs it: starting one takes
// longer than most tests.
var shared fixture //nolint:gochecknoglobals // TestMain has no other way to hand something to the tests

// Deployment is what only packages know that import this one.
type Deployment struct {
	MakeHome func(testing.TB, *localaws.AWS, icaconfig.Home)
	Audit    string // the payload of the scheduled audit
}

var deployment Deployment //nolint:gochecknoglobals // as above

// RunTests is TestMain, which stands in a package that may import those.
func RunTests(m *testing.M, d Deployment) {
	deployment = d
	code := m.Run()
	if shared.AWS != nil {
		if err := shared.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	if shared.AWS != nil {
		return &shared
	}
	// It outlives the test. make witness asks for another local AWS.
	local, err := localaws.Start(context.Background(), localaws.Options{LocalStack: os.Getenv("ICAGUARD_WITNESS") != ""})
	if err != nil {
		t.Fatal(err)
	}
	shared.furnish(t, local)
	return &shared
}

// furnish makes what all envs share.
func (f *fixture) furnish(t *testing.T, local *localaws.AWS) {
	t.Helper()
	f.AWS = local
	local.Recorder().SetEmit(f.hear)
	f.blockAccount(t)
	f.makeTargets(t)
}

// env is one storage as ICA needs it, with foreign parts beside it, and an engine that guards it.
type env struct {
	t        *testing.T
	local    *fixture
	number   int // that its resources are named by
	variant  variant
	config   string // its ica.yaml
	key      string // access key of the engine, which tells its calls from the test's and from other envs'
	storage  icaconfig.Storage
	engine   guard.Engine
	requeued []guard.Request
	after    []time.Duration // of the requeued
	mu       sync.Mutex
	store    *memoryStore
	before   map[string]string // the state of all settings once the env was made
	seconds  int64             // of the last event that was delivered
	refused  func(error)       // takes what AWS refuses; nil: it fails the test

	// Clients of a stranger: what they do is what people do to the setup.
	s3  *s3.Client
	iam *iam.Client
	kms *kms.Client
}

// foreignRule is a CORS rule that the lab put there for its own portal.
func foreignRule() types.CORSRule {
	return types.CORSRule{
		ID:             aws.String("portal"),
		AllowedMethods: []string{"GET"},
		AllowedOrigins: []string{"https://portal.example.org"},
		MaxAgeSeconds:  aws.Int32(60),
	}
}

// variant is what an env's ica.yaml says beyond the least: lines of the bucket, the role and the storage.
type variant struct {
	bucket, role, storage string
	key                   bool // a KMS key is made and named
	previous              bool // a KMS key is made and named as a previous one; the env's storage is as rows see it then
	second                bool // a second prefix, in a second parameter
}

// newEnv makes a storage with nothing in place but bucket, key, parameter and foreign parts, lets the engine restore
// all the rest, and checks that it then finds nothing more to do.
func newEnv(t *testing.T, local *fixture, v variant) *env {
	t.Helper()
	w := newClients(t, local)
	w.configure("\nstorages:" + w.entry(v))
	if v.previous {
		w.storage = guard.OnKey.Each(w.storage)[0]
	}
	w.authorize()
	w.create()
	return w
}

// newClients is an env with nothing in it yet.
func newClients(t *testing.T, local *fixture) *env {
	local.envs++
	return &env{
		t: t, local: local, number: local.envs, key: fmt.Sprintf("AKIAGUARD%d", local.envs), store: &memoryStore{},
		s3:  awsclient.S3(local.Config("us-east-1", "AKIATEST"), "us-east-1"),
		iam: iam.NewFromConfig(local.Config("us-east-1", "AKIATEST")),
		kms: kms.NewFromConfig(local.Config("us-east-1", "AKIATEST")),
	}
}

// entry is the storage's in an ica.yaml. What it names that is not icaguard's to make, key and parameters, is made.
func (w *env) entry(v variant) string {
	w.t.Helper()
	key := ""
	if v.key || v.previous {
		out, err := w.kms.CreateKey(w.t.Context(), &kms.CreateKeyInput{})
		w.must(out, err)
		key = aws.ToString(out.KeyMetadata.Arn)
	}
	w.variant = v
	w.putParameter(fmt.Sprintf("/ica/prefix-%d", w.number), secretPrefix)
	if v.second {
		w.putParameter(fmt.Sprintf("/ica/second-%d", w.number), secondPrefix)
	}
	return v.text(w.number, w.number, key)
}

// text is the storage of the n-th env in an ica.yaml, with the id of a provider.
func (v variant) text(n, provider int, key string) string {
	keyLine := ""
	switch {
	case v.previous:
		v.storage = "kms: {previousKeys: [\"" + key + "\"]}"
	case v.key:
		keyLine = "kmsKeyArn: " + key
	}
	parameters := fmt.Sprintf(`"ssm:/ica/prefix-%d"`, n)
	if v.second {
		parameters = fmt.Sprintf(`[%s, "ssm:/ica/second-%d"]`, parameters, n)
	}
	return fmt.Sprintf(`
  - name: lab-%[1]d
    icaRegion: US
    %[4]s
    bucket:
      name: lab-%[1]d-ica
      folder: ica
      %[2]s
      %[5]s
    role:
      name: Role%[1]d
      policyName: policy-%[1]d
      description: for ICA
      sessionNamePrefix: %[6]s
      %[3]s
    oidcProvider: {id: "%032[7]d"}
`, n, v.bucket, v.role, v.storage, keyLine, parameters, provider)
}

func (w *env) putParameter(name, value string) {
	w.t.Helper()
	w.must(ssm.NewFromConfig(w.local.DirectConfig("us-east-1")).PutParameter(w.t.Context(), &ssm.PutParameterInput{
		Name: &name, Type: ssmtypes.ParameterTypeString, Value: &value, Overwrite: aws.Bool(true),
	}))
}

// configure makes the engine for an ica.yaml, of which nothing is synthesised until it is authorized.
func (w *env) configure(text string) {
	w.t.Helper()
	w.config = text
	w.local.Recorder().Free(w.key)
	file, err := icaconfig.Parse("ica.yaml", []byte(text))
	if err != nil {
		w.t.Fatal(err)
	}
	owner, err := file.Owner(w.local.Account(), "aws")
	if err != nil {
		w.t.Fatal(err)
	}
	baseline := file.Baseline(owner)
	cfg := awsclient.Checked(w.local.Config("us-east-1", w.key))
	cfg.RetryMaxAttempts = 1 // faults are to be seen by the engine, not by the SDK's own retries
	w.storage = baseline.Storages[0]
	w.engine = guard.Engine{
		Baseline: baseline, Settings: All(), Clients: guard.Clients{Config: cfg, Account: w.local.Account(), Store: w.store},
		Now:   time.Now,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Queue: w,
	}
}

func (w *env) create() {
	w.t.Helper()
	w.prepare()
	for _, o := range w.handle(guard.Request{}) {
		if o.Status != guard.InSync && o.Status != guard.Restored {
			w.t.Fatalf("a new env is not as ICA needs it: %+v", o)
		}
	}
	w.before = w.state()
	w.requeued = nil
	w.local.Recorder().ResetCalls()
}

// prepare makes what icaguard does not restore.
func (w *env) prepare() {
	w.t.Helper()
	w.must(w.s3.CreateBucket(w.t.Context(), &s3.CreateBucketInput{Bucket: &w.storage.Bucket.Name}))
	w.putCORS(foreignRule())
	w.putEntries(icaEntry(), foreignEntry())
	if boundary := w.storage.Role.Boundary; boundary.Ours { // CloudFormation's to create
		w.must(w.iam.CreatePolicy(w.t.Context(), &iam.CreatePolicyInput{
			PolicyName: &boundary.Name, PolicyDocument: aws.String(text(w.storage.Role.BoundaryDocument())),
		}))
	}
}

// Post keeps what the engine puts on its queue.
func (w *env) Post(_ context.Context, requests []guard.Delayed) []error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range requests {
		w.requeued, w.after = append(w.requeued, r.Request), append(w.after, r.After)
	}
	return make([]error, len(requests))
}

// handle lets the engine reconcile, and answers the outcomes in the order of the table.
func (w *env) handle(requests ...guard.Request) []guard.Outcome {
	w.t.Helper()
	var mu sync.Mutex
	var outcomes []guard.Outcome
	failed := w.engine.Handle(w.t.Context(), requests, func(_ context.Context, r guard.Result) {
		mu.Lock()
		defer mu.Unlock()
		outcomes = append(outcomes, r.Outcome)
	})
	if len(failed) != 0 {
		w.t.Fatal(failed)
	}
	w.expectNoRefusal()
	return w.engine.Sorted(outcomes)
}

// memoryStore is the store in a test; what it holds is what the guard would find again.
type memoryStore struct {
	mu       sync.Mutex
	backups  []guard.Backup
	recorded map[string]string
	away     error // set: it cannot be reached
}

func (m *memoryStore) Backup(_ context.Context, b guard.Backup) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away != nil {
		return "", m.away
	}
	m.backups = append(m.backups, b)
	return strconv.Itoa(len(m.backups)), nil
}

func (m *memoryStore) BackedUp(_ context.Context, resource, setting, key string) (guard.Backup, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := strconv.Atoi(key)
	if m.away != nil || err != nil || n > len(m.backups) {
		return guard.Backup{}, false, m.away
	}
	b := m.backups[n-1]
	return b, b.Resource == resource && b.Setting == setting, nil
}

func (m *memoryStore) Put(_ context.Context, resource, what, value string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away == nil {
		if m.recorded == nil {
			m.recorded = map[string]string{}
		}
		m.recorded[resource+" "+what] = value
	}
	return m.away
}

func (m *memoryStore) Get(_ context.Context, resource, what string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.recorded[resource+" "+what], m.away
}

// must fails the test on an error of an SDK call whose answer does not matter.
func (w *env) must(_ any, err error) {
	w.t.Helper()
	if err != nil && w.refused != nil {
		w.refused(err)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// state is what every setting observes now, by setting.
func (w *env) state() map[string]string {
	w.t.Helper()
	state := map[string]string{}
	for _, setting := range w.engine.Settings {
		if setting.On.ARN(w.storage) == "" {
			continue
		}
		plan, err := setting.Check(w.t.Context(), w.engine.Clients, w.storage)
		if err != nil {
			state[setting.ID] = awserr.Classify(err).String() // the text differs with every request
			continue
		}
		text, err := json.Marshal(plan.Observed)
		if err != nil {
			w.t.Fatal(err)
		}
		state[setting.ID] = string(text)
	}
	w.expectNoRefusal()
	return state
}

// reconcile lets the engine reconcile one setting after a stranger's event.
func (w *env) reconcile(setting string) guard.Outcome {
	w.t.Helper()
	return w.reconcileFor(
		setting, guard.Event{EventID: "1", Event: "Test", Actor: cloudtrail.Actor{ARN: "arn:aws:iam::123456789012:user/stranger"}},
	)
}

func (w *env) reconcileFor(setting string, cause guard.Event) guard.Outcome {
	w.t.Helper()
	outcomes := w.handle(guard.Request{Setting: setting, Events: []guard.Event{cause}})
	if len(outcomes) != 1 {
		w.t.Fatalf("%d outcomes, want 1", len(outcomes))
	}
	return outcomes[0]
}

// last is the last event of this name, moved to a second of its own: CloudTrail's times have whole seconds.
func (w *env) last(name string, second int64) localaws.Envelope {
	w.t.Helper()
	w.local.mu.Lock()
	defer w.local.mu.Unlock()
	for _, event := range slices.Backward(w.local.heard) {
		if event.Detail.EventName == name {
			event.Detail.EventTime = time.Unix(second, 0).UTC()
			return event
		}
	}
	w.t.Fatalf("no event %s", name)
	return localaws.Envelope{}
}

// deliver lets the engine hear events as they come from the queue, in one batch, and answers what came of one setting.
func (w *env) deliver(setting string, events ...localaws.Envelope) guard.Outcome {
	w.t.Helper()
	var requests []guard.Request
	for _, event := range events {
		body, err := json.Marshal(event)
		w.must(body, err)
		parsed, err := cloudtrail.Parse(body)
		w.must(parsed, err)
		requests = append(requests, guard.Route(parsed, "", guard.RowsOf(w.engine.Settings), w.engine.Baseline)...)
	}
	requests = slices.DeleteFunc(requests, func(r guard.Request) bool { return r.Setting != setting })
	w.requeued, w.after = nil, nil
	outcomes := w.handle(requests...)
	if len(outcomes) != 1 {
		w.t.Fatalf("%d outcomes, want 1", len(outcomes))
	}
	return outcomes[0]
}

// again lets what is on the queue come back, as text, as it does.
func (w *env) again() guard.Outcome {
	w.t.Helper()
	var requests []guard.Request
	for _, r := range w.requeued {
		body, err := guard.Encode(r)
		w.must(body, err)
		message, err := guard.ParseMessage([]byte(body))
		w.must(message, err)
		requests = append(requests, message.(guard.Request))
	}
	w.requeued, w.after = nil, nil
	outcomes := w.handle(requests...)
	if len(outcomes) != 1 {
		w.t.Fatalf("%d outcomes, want 1", len(outcomes))
	}
	return outcomes[0]
}

// calls are the guard's own calls since the last reset of the recorder.
func (w *env) calls() []localaws.Call {
	return slices.DeleteFunc(w.local.Recorder().Calls(), func(c localaws.Call) bool { return c.AccessKeyID != w.key })
}

// actions are the IAM actions that those calls needed.
func (w *env) actions() []string {
	var actions []string
	for _, call := range w.calls() {
		actions = append(actions, call.Action)
	}
	slices.Sort(actions)
	return slices.Compact(actions)
}

func expectStatus(t *testing.T, o guard.Outcome, want guard.Status) {
	t.Helper()
	if got := statusOf(o); got != want {
		t.Errorf("%s: status %s, want %s (%+v)", o.Setting, got, want, o)
	}
}

// expectMatch expects a finding that an exception could name so.
func expectMatch(t *testing.T, o guard.Outcome, match string) {
	t.Helper()
	named := func(f guard.Finding) bool { return f.Match == match && len(f.Digest) == 12 }
	if !slices.ContainsFunc(slices.Concat(o.Alerts, o.Notes), named) {
		t.Errorf("no finding is named %s: %+v, %+v", match, o.Alerts, o.Notes)
	}
}

// withNotes is InSync where tests expect that something is worth knowing.
const withNotes guard.Status = "in-sync, with notes"

func statusOf(o guard.Outcome) guard.Status {
	if o.Status == guard.InSync && len(o.Notes) > 0 {
		return withNotes
	}
	return o.Status
}

// storage is one that only tests of pure functions use.
func storage(name, bucket, role string) icaconfig.Storage {
	shared := icaconfig.Shared{Storages: []string{name}, Mode: icaconfig.Enforce}
	return icaconfig.Storage{
		Name: name, Mode: icaconfig.Enforce, Home: icaconfig.Home{Account: "123456789012", Partition: "aws"},
		Bucket:   &icaconfig.Bucket{Shared: shared, Name: bucket, ARN: "arn:aws:s3:::" + bucket},
		Role:     &icaconfig.Role{Shared: shared, Name: role, ARN: "arn:aws:iam::123456789012:role/" + role},
		Provider: &icaconfig.Provider{Shared: shared, ARN: "provider-of-" + name},
	}
}

// text is the JSON of plain data of ours, which always marshals.
func text(plain any) string {
	data, err := json.Marshal(plain)
	if err != nil {
		panic(err)
	}
	return string(data)
}
