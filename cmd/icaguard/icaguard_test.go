package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	"github.com/icaguard/icaguard/internal/report"
	"github.com/icaguard/icaguard/internal/testlab"
)

func TestHelp(t *testing.T) {
	d := newEnv(t, t.TempDir(), nil)
	d.golden("help", "--help")
	for _, command := range []string{"validate", "reconcile", "replay"} {
		d.golden("help-"+command, command, "--help")
	}
}

func TestMisuse(t *testing.T) {
	d := newEnv(t, t.TempDir(), nil)
	d.expectFailure([]string{"valdate"}, `unknown command "valdate"`, "Did you mean this?", "validate")
	d.expectFailure([]string{"validate", "--jsn"}, "unknown flag: --jsn")
	d.expectFailure([]string{"validate", "lab-prod"}, `unknown command "lab-prod" for "icaguard validate"`)
	d.expectFailure([]string{"replay"}, "accepts 1 arg(s), received 0")
	d.expectFailure([]string{"reconcile"}, "at least one of the flags in the group [all storage setting] is required")
	for _, flag := range []string{"--storage", "--setting"} { // a variable that nobody set; it would mean everything
		d.expectFailure([]string{"reconcile", flag, ""}, flag+" is empty: leave it out, or give it a value")
	}
	d.expectFailure(
		[]string{"reconcile", "--all", "--storage", "lab-prod"},
		"if any flags in the group [all storage] are set none of the others can be",
	)
}

func TestConfiguration(t *testing.T) {
	d := newEnv(t, t.TempDir(), nil)
	for _, args := range [][]string{{"validate"}, {"reconcile", "--all"}} {
		d.expectFailure(args, "config: read: open ica.yaml: no such file", "copy ica.example.yaml there")
	}
	d.write("faulty.yaml", `acount: "123456789012"
mode: enforced
storages:
  - name: Lab
    icaRegion: XX
    bucket: {name: lab_prod}
    role: {sessionNamePrefix: "*"}
`)
	d.golden("faulty-configuration", "validate", "--config", "faulty.yaml")
}

// TestOnLocalAWS runs commands against one local AWS, each in a lab of its own.
func TestOnLocalAWS(t *testing.T) {
	local := localawstest.Start(t)
	for name, test := range map[string]func(*testing.T, *localaws.AWS){
		"validate": testValidate, "exceptions": testExceptions,
		"validate some": testValidateScope, "credentials": testCredentials, "reconcile": testRequest,
		"replay":                    testReplay,
		"replay of what is ignored": testReplayIgnores, "pause of what is shared": testPauseShared,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, local)
		})
	}
}

func testValidate(t *testing.T, local *localaws.AWS) {
	d := newStorageEnv(t, local, "in-sync")
	d.PlayStacks("") // nobody has deployed yet
	d.golden("validate-in-sync", "validate")

	d = newStorageEnv(t, local, "drifted")
	d.PlayStacks("")
	d.Break()
	d.golden("validate-drift", "validate")
	checkJSON(t, d, 1, guard.Drifted)
	d.ExpectBroken()

	d = newStorageEnv(t, local, "unknown")
	d.PlayStacks("")
	d.Inject(localaws.Fault{Operation: "GetRole", Kind: localaws.Denied})
	d.golden("validate-unknown", "validate", "--config", "ica.yaml")
	checkJSON(t, d, 2, guard.Unknown)
}

// testValidateScope checks some settings only.
func testValidateScope(t *testing.T, local *localaws.AWS) {
	d := newStorageEnv(t, local, "scope")
	d.Break()
	d.expectFailure([]string{"validate", "--storage", "skope"}, `--storage "skope": no such name: the configuration has scope`)
	d.expectFailure(
		[]string{"validate", "--setting", "bucket", "--setting", "cors"}, `--setting "cors": no such name: there are `+settingIDs(),
	)
	for args, want := range map[string]string{
		"--setting bucket-cors":                                "bucket-cors",
		"--setting bucket-cors --setting guard-ledger":         "bucket-cors guard-ledger",
		"--storage scope --setting guard-ledger":               "guard-ledger",
		"--storage scope --setting role --setting bucket-cors": "bucket-cors role",
	} {
		if got := d.checked(strings.Fields(args)...); got != want {
			t.Errorf("%s: checked %s, want %s", args, got, want)
		}
	}
	if got := d.checked("--storage", "scope"); strings.Contains(got, "guard-") || !strings.Contains(got, "role-trust") {
		t.Errorf("a storage alone is without the guard: %s", got)
	}
	if got := d.checked(); !strings.HasSuffix(got, "guard-ledger guard-pause") {
		t.Errorf("everything is with the guard, where it is deployed: %s", got)
	}
	d.golden("validate-nothing", "validate", "--setting", "kms-key-state")

	d.PlayStacks("")
	d.expectFailure(
		[]string{"validate", "--setting", "guard-topic"},
		"validate: icaguard is not deployed in account "+local.Account()+", region us-east-1: nothing guards these storages; make "+
			"deploy",
	)
	if got := d.checked("--setting", "guard-topic", "--setting", "role"); got != "role" {
		t.Errorf("checked %s without a guard", got)
	}
	d.Inject(localaws.Fault{Operation: "DescribeStacks", Kind: localaws.Denied})
	d.golden("validate-deployed-unknown", "validate", "--setting", "bucket")
	d.golden("replay-deployed-unknown", "replay", d.event("aws.iam.UpdateRole.json"))
}

// checked lists the settings that an audit checks, which may differ.
func (d storageEnv) checked(args ...string) string {
	d.t.Helper()
	a := d.run(append([]string{"validate", "--json"}, args...)...)
	var got report.Report
	d.must(nil, json.Unmarshal([]byte(a.stdout), &got))
	var settings []string
	for _, o := range got.Outcomes {
		settings = append(settings, o.Setting)
	}
	return strings.Join(settings, " ")
}

// checkJSON wants a report as JSON, and nothing else, with this exit code and status of the role.
func checkJSON(t *testing.T, d storageEnv, code int, status guard.Status) {
	t.Helper()
	a := d.run("validate", "--json")
	var got report.Report
	if err := json.Unmarshal([]byte(a.stdout), &got); err != nil {
		t.Fatalf("%v:\n%s", err, a.transcript())
	}
	role := slices.IndexFunc(got.Outcomes, func(o guard.Outcome) bool { return o.Setting == "role-session-duration" })
	if a.code != code || got.ExitCode != code || role < 0 || got.Outcomes[role].Status != status || a.stderr != "" {
		t.Errorf("want exit code %d and a role that is %s:\n%s", code, status, a.transcript())
	}
}

func testCredentials(t *testing.T, local *localaws.AWS) {
	const remediation = "log in as for the AWS CLI, or fix the network (proxy, AWS_ENDPOINT_URL); check with: aws sts " +
		"get-caller-identity"
	d := newStorageEnv(t, local, "nobody")
	event := d.event("aws.s3.PutBucketCors.json")
	for _, args := range [][]string{{"validate"}, {"reconcile", "--all"}, {"replay", event}} {
		delete(d.variables, "AWS_ACCESS_KEY_ID")
		d.expectFailure(
			args, "no AWS credentials that work, or no way to AWS", "get credentials: failed to refresh cached credentials",
			remediation,
		)
		d.variables["AWS_ACCESS_KEY_ID"] = d.Key()
		d.expectFailure(append(args, "--config", d.otherAccount()), "asks for account 999999999999", "those of "+local.Account())
	}
	d.Inject(localaws.Fault{Operation: "GetCallerIdentity", Kind: localaws.Denied})
	d.expectFailure([]string{"validate"}, "AccessDenied", remediation)
	d.variables["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1"
	d.expectFailure([]string{"validate"}, "connection refused", remediation)
}

// otherAccount writes the configuration for another account and names the file.
func (d storageEnv) otherAccount() string {
	d.t.Helper()
	const name = "other.yaml"
	text, err := os.ReadFile(d.Config)
	if err != nil {
		d.t.Fatal(err)
	}
	d.write(name, "account: \"999999999999\"\n"+string(text))
	return name
}

func testRequest(t *testing.T, local *localaws.AWS) {
	d := newStorageEnv(t, local, "checked")
	d.expectFailure(
		[]string{"reconcile", "--all"}, "reconcile: invoke icaguard-validate in us-east-1:", "ResourceNotFoundException",
		"is icaguard deployed in account "+local.Account()+"? make deploy",
	)
	queue := newRequestQueue(t, local)
	serveValidate(d, localawstest.Build(t, "validate"), aws.ToString(queue.url))
	d.expectFailure(
		[]string{"reconcile", "--storage", "chekked"}, `--storage "chekked": no such name: the configuration has checked`,
	)
	d.expectFailure([]string{"reconcile", "--setting", "cors"}, `--setting "cors": no such name: there are `+settingIDs())
	queue.expect(t)

	const reason = "asked for by an invocation of icaguard-validate"
	d.golden("reconcile", "reconcile", "--all")
	queue.expect(t, guard.Request{Reason: reason})
	d.mustRun("reconcile", "--storage", "checked", "--setting", "role-session-duration")
	queue.expect(t, guard.Request{Resource: d.Storage.Role.ARN, Setting: "role-session-duration", Reason: reason})
	d.expectFailure([]string{"reconcile", "--storage", "checked", "--setting", "kms-key-state"},
		"reconcile: invoke icaguard-validate in us-east-1: the function failed: ",
		"nothing to check: storage checked has nothing that setting kms-key-state is about")
	queue.expect(t)
	for _, call := range d.Calls() {
		if call.Service == "sqs" && call.Operation != "SendMessageBatch" { // that is validate's own
			t.Errorf("a person's command called %s", call.Operation)
		}
	}
	d.golden("reconcile-wait", "reconcile", "--setting", "bucket-cors", "--wait")

	d.Inject(localaws.Fault{Operation: "SendMessageBatch", Kind: localaws.Denied})
	d.expectFailure([]string{"reconcile", "--all"}, "the function failed: queue: send to http", "AccessDenied")
	d.Inject(localaws.Fault{Operation: "Invoke", Kind: localaws.Denied})
	d.expectFailure([]string{"reconcile", "--all"}, "reconcile: invoke icaguard-validate in us-east-1: ", "lambda:InvokeFunction")
}

// settingIDs lists all settings as messages do.
func settingIDs() string {
	var ids []string
	for _, setting := range self.AllRows() {
		ids = append(ids, setting.ID)
	}
	return strings.Join(ids, ", ")
}

// mustRun runs a command that has to succeed.
func (d *env) mustRun(args ...string) {
	d.t.Helper()
	if a := d.run(args...); a.code != 0 {
		d.t.Errorf("want exit status 0:\n%s", a.transcript())
	}
}

// requestQueue is that of the deployed guard.
type requestQueue struct {
	sqs *sqs.Client
	url *string
}

func newRequestQueue(t *testing.T, local *localaws.AWS) requestQueue {
	t.Helper()
	client := sqs.NewFromConfig(local.DirectConfig(testlab.Region))
	out, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(guard.RequestQueue)})
	if err != nil {
		t.Fatal(err)
	}
	return requestQueue{client, out.QueueUrl}
}

// expect takes all messages of the queue, which have to be these requests.
func (q requestQueue) expect(t *testing.T, want ...guard.Request) {
	t.Helper()
	out, err := q.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: q.url, MaxNumberOfMessages: 10})
	if err != nil {
		t.Fatal(err)
	}
	var got []guard.Request
	for _, m := range out.Messages {
		message, err := guard.ParseMessage([]byte(aws.ToString(m.Body)))
		request, ok := message.(guard.Request)
		if err != nil || !ok {
			t.Fatalf("no request: %v: %s", err, aws.ToString(m.Body))
		}
		got = append(got, request)
		if _, err := q.sqs.DeleteMessage(
			t.Context(), &sqs.DeleteMessageInput{QueueUrl: q.url, ReceiptHandle: m.ReceiptHandle},
		); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests on the queue (-want +got):\n%s", diff)
	}
}

// event writes a sample event as it would be for this lab, and names the file.
func (d storageEnv) event(sample string) string {
	d.t.Helper()
	return d.copyEvent(sample, sample, "111122223333", d.Local.Account(),
		"Illumina_ICA_Role", d.Storage.Role.Name, "lab-prod-ica", d.Storage.Bucket.Name)
}

// copyEvent writes a sample event under a name, with pairs of old and new text, and answers the name.
func (d *env) copyEvent(name, sample string, oldNew ...string) string {
	d.t.Helper()
	text, err := os.ReadFile(filepath.Join("../../events", sample))
	if err != nil {
		d.t.Fatal(err)
	}
	d.write(name, strings.NewReplacer(oldNew...).Replace(string(text)))
	return name
}

func testReplay(t *testing.T, local *localaws.AWS) {
	d := newStorageEnv(t, local, "replayed")
	role, cors := d.event("aws.iam.UpdateRole.json"), d.event("aws.s3.DeleteBucketCors.json")
	d.golden("replay-in-sync", "replay", role)
	d.golden("replay-in-sync-enforce", "replay", "--enforce", role)
	d.Break()
	d.golden("replay-drift", "replay", role)
	d.golden("replay-drift-bucket", "replay", cors)
	d.ExpectBroken()
	d.golden("replay-enforce", "replay", role, "--enforce")
	d.ExpectSession(43200)
	d.ExpectCORS() // the event says nothing of the bucket
	d.mustRun("replay", cors, "--enforce")
	d.ExpectRestored()

	d.Inject(localaws.Fault{Operation: "GetRole", Kind: localaws.Denied})
	d.golden("replay-enforce-unknown", "replay", "--enforce", role)
}

func testReplayIgnores(t *testing.T, local *localaws.AWS) {
	d := newStorageEnv(t, local, "not-asked")
	d.golden("replay-ignored-account", "replay", d.copyEvent("event.json", "aws.iam.UpdateRole.json"))
	ours := []string{"111122223333", local.Account()}
	d.golden("replay-ignored-role", "replay", d.copyEvent("event.json", "aws.iam.UpdateRole.json", ours...))
	d.golden(
		"replay-ignored-failed", "replay", d.copyEvent("event.json", "recorded/s3.amazonaws.com__DeleteBucket__3.json", ours...),
	)
	d.golden("replay-ignored-event", "replay", d.copyEvent("event.json", "recorded/kms.amazonaws.com__CreateKey__5.json", ours...))
	if calls := testlab.Operations(d.Calls(), "iam", "s3", "sqs", "sns", "kms", "ssm"); len(calls) > 0 {
		t.Errorf("calls %v for events that ask for nothing", calls)
	}
}

func TestReplayOfBadFiles(t *testing.T) {
	d := newEnv(t, t.TempDir(), nil)
	d.write("half.json", `{"detail":`)
	d.write("request.json", `{"icaguard":"request","request":{}}`)
	d.expectFailure([]string{"replay", "none.json"}, "replay: open none.json: no such file or directory")
	d.expectFailure([]string{"replay", "half.json"}, "replay: half.json: event: parse: unexpected end of JSON input")
	d.expectFailure(
		[]string{"replay", "request.json"},
		`replay: request.json: event: parse: neither an EventBridge event with a CloudTrail record in "detail" nor a CloudTrail record`,
	)
}
