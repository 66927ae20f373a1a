package main_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	"github.com/icaguard/icaguard/internal/report"
	"github.com/icaguard/icaguard/internal/testlab"
)

// Tests of all packages take -update; this one has no golden files.
var _ = flag.Bool("update", false, "rewrite golden files")

// env is a lab, the guard's own parts, and the function that audits both.
type env struct {
	*testlab.Lab
	t        *testing.T
	config   localaws.FunctionConfig
	mail     *localawstest.Mailbox
	queueURL string // of the requests that it hands on
	binaries map[string]string
}

// TestValidate runs the real binary behind the Lambda runtime API.
func TestValidate(t *testing.T) {
	local := localawstest.Start(t)
	binaries := map[string]string{"validate": localawstest.Build(t, "validate"), "remediate": localawstest.Build(t, "remediate")}
	testlab.MakeHome(t, local, testlab.Home(t, local))
	templates := testlab.Synthesise(t)
	for name, test := range map[string]func(*env){
		"in-sync": testInSync, "drift": testDrift, "not readable": testNotReadable, "gone": testGone,
		"configuration missing": testConfigMissing, "json": testJSON, "the guard itself": testOwn, "paused": testPaused,
		"schedule": testScheduledAudit, "schedule in observe": testScheduledAuditObserve, "schedule of IAM": testScheduledAuditIAM,
		"unknown ask": testUnknownAsk, "some": testAuditSome, "reconcile": testReconcile,
		"event about the guard": testGuardChanged, "summaries": testSummaries,
		"ledger away": testLedgerAway, "metrics": testMetrics,
		"shared role": testSharedRole,
	} {
		t.Run(name, func(t *testing.T) {
			mode := icaconfig.Enforce
			if strings.HasSuffix(name, "observe") {
				mode = icaconfig.Observe
			}
			test(newEnv(t, local, templates, binaries, "lab-"+strings.ReplaceAll(strings.ToLower(name), " ", "-"), mode))
		})
	}
}

func newEnv(
	t *testing.T, local *localaws.AWS, templates localaws.Templates, binaries map[string]string, name string, mode icaconfig.Mode,
) *env {
	t.Helper()
	w := &env{Lab: testlab.New(t, local, name, mode), t: t, mail: localawstest.NewMailbox(t, local, name), binaries: binaries}
	out, err := w.sqs().CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(name + "-requests")})
	w.must(err)
	w.queueURL = aws.ToString(out.QueueUrl)
	w.config = w.configOf(guard.ValidateFunction, "validate")
	w.Authorize(templates, guard.ValidateFunction, name+"-requests", guard.DeadLetterQueue, name)
	return w
}

// configOf is a function as deployed, but for a queue and a topic of the lab's own.
func (w *env) configOf(name, binary string) localaws.FunctionConfig {
	config := w.Function(name, w.binaries[binary])
	config.Env[guard.EnvQueueURL], config.Env[guard.EnvTopicARN] = w.queueURL, w.mail.TopicARN
	return config
}

func (w *env) sqs() *sqs.Client { return sqs.NewFromConfig(w.Local.DirectConfig(testlab.Region)) }

func (w *env) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// invoke answers the report.
func (w *env) invoke(payload string) report.Report {
	w.t.Helper()
	var got report.Report
	testlab.Invoke(w.t, testlab.Start(w.t, w.config), payload, &got)
	return got
}

// audit invokes the function by hand, which has to answer this exit code after reads alone, with an outcome for each setting.
func (w *env) audit(exitCode int) map[string]guard.Outcome {
	w.t.Helper()
	got := w.invoke(`{}`)
	if got.ExitCode != exitCode {
		w.t.Errorf("exit code %d, want %d: %+v", got.ExitCode, exitCode, got)
	}
	testlab.ExpectReads(w.t, w.Calls())
	outcomes := map[string]guard.Outcome{}
	for _, o := range got.Outcomes {
		outcomes[o.Setting] = o
	}
	for _, setting := range self.AllRows() {
		if o, ok := outcomes[setting.ID]; setting.On.ARN(w.Storage) != "" && (!ok || o.Resource != setting.On.ARN(w.Storage)) {
			w.t.Errorf("no outcome of %s", setting.ID)
		}
	}
	return outcomes
}

func testInSync(w *env) {
	for _, o := range w.audit(0) {
		if o.Status != guard.InSync || len(o.Diffs) != 0 || o.Remediation != "" {
			w.t.Errorf("want nothing to do: %+v", o)
		}
	}
}

func testDrift(w *env) {
	w.Break()
	got := w.audit(1)
	for setting, want := range map[string]guard.Diff{
		"bucket-cors":           {Path: "CORS for https://ica.illumina.com", Expected: "a rule that allows", Found: "none"},
		"role-session-duration": {Path: "MaxSessionDuration", Expected: "43200 s", Found: "3600 s"},
	} {
		o := got[setting]
		if o.Status != guard.Drifted || len(o.Diffs) == 0 || o.Effect == "" ||
			!strings.Contains(o.Remediation, "icaguard reconcile --all") {
			w.t.Fatalf("a drift must say what differs, what breaks and what to do: %+v", o)
		}
		if d := o.Diffs[0]; !strings.Contains(d.Path, want.Path) || !strings.Contains(d.Expected, want.Expected) ||
			d.Found != want.Found {
			w.t.Errorf("difference %+v, want %+v", d, want)
		}
	}
	w.ExpectBroken()
}

func testNotReadable(w *env) {
	w.Inject(localaws.Fault{Operation: "GetBucketCors", Kind: localaws.Denied})
	o := w.audit(2)["bucket-cors"]
	if o.Status != guard.Unknown || !strings.Contains(o.Problem, "is not authorized to perform: s3:GetBucketCORS") ||
		!strings.Contains(o.Remediation, "icaguard lacks a permission") {
		w.t.Errorf("want unknown, why, and what to do: %+v", o)
	}
}

func testGone(w *env) {
	w.DeleteRole()
	got := w.audit(1)
	if o := got["role"]; o.Status != guard.Drifted || o.Diffs[0].Found != "does not exist" {
		w.t.Errorf("want the role missing: %+v", o)
	}
	if o := got["role-session-duration"]; o.Status != guard.Unknown || o.RootCause != "role" {
		w.t.Errorf("want unknown, reported by the role's own setting: %+v", o)
	}
}

func testConfigMissing(w *env) {
	w.config.Env[guard.EnvConfig] = filepath.Join(w.t.TempDir(), "ica.yaml")
	function := testlab.Start(w.t, w.config)
	for range 2 {
		testlab.ExpectFailure(w.t, function, `{}`, "config: read: open "+w.config.Env[guard.EnvConfig], "copy ica.example.yaml there")
	}
}

// testJSON reads the JSON by its names, which people's scripts use.
func testJSON(w *env) {
	var got struct {
		ExitCode *int             `json:"exitCode"`
		Outcomes []map[string]any `json:"outcomes"`
	}
	testlab.Invoke(w.t, testlab.Start(w.t, w.config), `{}`, &got)
	if got.ExitCode == nil || len(got.Outcomes) == 0 || got.Outcomes[0]["setting"] != settings.All()[0].ID {
		w.t.Errorf("report %+v", got)
	}
}

// testOwn: the guard itself stands in the report as a storage of its own, deferred while its stacks change.
func testOwn(w *env) {
	w.Inject(localaws.Fault{Operation: "DescribeTable", Kind: localaws.Gone})
	o := w.audit(1)["guard-ledger"]
	if !slices.Equal(o.Storages, []string{"icaguard"}) || o.Status != guard.ActionRequired || len(o.Alerts) != 1 ||
		!strings.Contains(o.Alerts[0].Remediation, "make repair") {
		w.t.Errorf("want an alert about the guard itself: %+v", o)
	}
	w.PlayStacks("UPDATE_IN_PROGRESS")
	if o := w.audit(1)["guard-ledger"]; o.Status != guard.Deferred || !strings.Contains(o.Problem, "UPDATE_IN_PROGRESS") {
		w.t.Errorf("want it deferred: %+v", o)
	}
}

// testPaused: what is paused shows in the report, and a pause that cannot be read is no reason to say nothing of the storages.
func testPaused(w *env) {
	until := time.Now().Add(time.Hour).UTC()
	remove := w.Pause(w.Storage.Name, `{"until":"`+until.Format(time.RFC3339)+`","reason":"a migration"}`)
	defer remove()
	if got := w.invoke(
		`{}`,
	); !slices.Equal(got.Pauses, []string{w.Storage.Name + " paused until " + until.Format("2006-01-02 15:04Z") +
		": a migration"}) ||
		len(got.Warnings) > 0 {
		w.t.Errorf("pauses %v, warnings %v", got.Pauses, got.Warnings)
	}
	defer w.Pause("all", `{}`)()
	if got := w.invoke(
		`{}`,
	); len(got.Pauses) != 1 || len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "/icaguard/pause/all: it has no end") ||
		got.ExitCode != 0 {
		w.t.Errorf("exit code %d, pauses %v, warnings %v", got.ExitCode, got.Pauses, got.Warnings)
	}
}

const everything = `{"audit":"everything"}`

// testScheduledAudit lets the schedule find what no event told of, and remediate restore it. What it is told of the result
// comes a minute later, when that is done.
func testScheduledAudit(w *env) {
	w.Break()
	if got := w.invoke(everything); got.ExitCode != 1 {
		w.t.Errorf("exit code %d, want 1", got.ExitCode)
	}
	calls := testlab.Operations(w.Calls(), "sqs", "sns")
	if got := calls[len(calls)-2:]; !slices.Equal(got, []string{"SendMessageBatch", "SendMessage"}) {
		w.t.Errorf("calls %v, want the requests put on the queue at once, last of all the result, and no mail", calls)
	}
	w.ExpectBroken() // validate writes to nothing that is guarded
	log := w.remediate(func(b localaws.Batch) { w.expectFound(b) })
	w.ExpectRestored()
	if got := w.mail.Take(); len(got) != 2 {
		w.t.Errorf("%d mails, want one for each restore: %+v", len(got), got)
	}
	found := slices.DeleteFunc(
		testlab.Metrics(w.t, log), func(m testlab.Metric) bool { return m.Name != report.FoundByAudit },
	)
	want := testlab.Metric{
		Namespace:  "icaguard",
		Name:       report.FoundByAudit,
		Unit:       "Count",
		Dimensions: "Storage=" + w.Storage.Name,
		Value:      1,
	}
	if !slices.Equal(found, []testlab.Metric{want, want}) {
		w.t.Errorf("measured %+v, want %+v twice", found, want)
	}
}

// remediate lets the other function work on what validate put on the queue, and answers its log.
func (w *env) remediate(observe func(localaws.Batch)) string {
	w.t.Helper()
	var log bytes.Buffer
	w.Local.Recorder().Free(w.Key()) // remediate's own tests bind it
	config := w.configOf(guard.RemediateFunction, "remediate")
	config.Log = &log
	function := testlab.Start(w.t, config)
	_, err := localaws.Drain(w.t.Context(), localaws.PollerConfig{
		SQS: w.sqs(), QueueURL: w.queueURL, QueueARN: "arn:aws:sqs:us-east-1:123456789012:" + w.Storage.Name + "-requests",
		Function: function, Observe: observe,
	})
	w.must(err)
	w.must(function.Close())
	return log.String()
}

// expectFound wants requests that say where they come from.
func (w *env) expectFound(b localaws.Batch) {
	w.t.Helper()
	var settings []string
	for _, message := range b.Messages {
		m, err := guard.ParseMessage([]byte(message.Body))
		w.must(err)
		request, ok := m.(guard.Request)
		if !ok || !request.FoundByAudit || !slices.Contains([]string{w.Storage.Bucket.ARN, w.Storage.Role.ARN}, request.Resource) ||
			request.Reason == "" {
			w.t.Errorf("not a request of what the audit found: %s", message.Body)
			continue
		}
		settings = append(settings, request.Setting)
	}
	slices.Sort(settings)
	if !slices.Equal(settings, []string{"bucket-cors", "role-session-duration"}) {
		w.t.Errorf("requests %v", settings)
	}
}

func testScheduledAuditObserve(w *env) {
	w.Break()
	w.invoke(everything)
	if calls := testlab.Operations(w.Calls(), "sqs", "sns"); slices.Contains(calls, "SendMessageBatch") ||
		slices.Contains(calls, "Publish") {
		w.t.Errorf("calls %v, want no requests and no mail past remediate", calls)
	}
	w.remediate(nil)
	w.expectMail(1, fmt.Sprintf("2 of %d settings need attention: audit", w.Settings()), "critical")
	w.ExpectBroken()
}

func testScheduledAuditIAM(w *env) {
	w.Break()
	got := w.invoke(`{"audit":"iam"}`)
	var settings []string
	for _, o := range got.Outcomes {
		settings = append(settings, o.Setting)
	}
	for setting, wanted := range map[string]bool{
		"role-session-duration": true, "oidc-provider": true, "permission-policy": true, "guard-role": true, "bucket-cors": false,
		"guard-queue": false,
	} {
		if slices.Contains(settings, setting) != wanted {
			w.t.Errorf("checked %v; %s among them: want %v", settings, setting, wanted)
		}
	}
	calls := testlab.Operations(w.Calls())
	if sent := slices.DeleteFunc(
		slices.Clone(calls), func(c string) bool { return c != "SendMessageBatch" },
	); len(sent) != 1 ||
		slices.Contains(calls, "Publish") {
		w.t.Errorf("calls %v, want the role put on the queue, and no mail every five minutes", calls)
	}
}

// testUnknownAsk: whoever may invoke the function can only make it check. A misspelt key does not mean everything.
func testUnknownAsk(w *env) {
	const allowed = `{"reconcile": {"storage": …, "setting": …}}`
	function := testlab.Start(w.t, w.config)
	for payload, texts := range map[string][]string{
		`{"audit":"sometimes"}`:                          {`"sometimes": audit: not one of "everything", "iam"`},
		`[]`:                                             {"icaguard-validate: parse the invocation", allowed},
		`"everything"`:                                   {"parse the invocation", allowed},
		`{"audit":7}`:                                    {"parse the invocation", allowed},
		`{"setings":"bucket-cors"}`:                      {`unknown field "setings"`, allowed},
		`{"reconcile":{"storages":["x"]}}`:               {`unknown field "storages"`, allowed},
		`{"reconcile":null}`:                             {"reconcile is empty: leave it out", allowed},
		`{"reconcile":{"storage":""}}`:                   {"reconcile.storage is empty: leave it out", allowed},
		`{"setting":null}`:                               {"setting is empty: leave it out", allowed},
		`{"reconcile":"all"}`:                            {"parse the invocation", allowed},
		`{"reconcile":{},"audit":"everything"}`:          {"more than one thing at once", allowed},
		`{"setting":"bucket-cors","audit":"iam"}`:        {"more than one thing at once", allowed},
		`{"storage":"x"}`:                                {`storage "x": no such name: there are ` + w.Storage.Name},
		`{"setting":"cors"}`:                             {`setting "cors": no such name: there are bucket, `, "guard-pause"},
		`{"reconcile":{"storage":"x"}}`:                  {`reconcile: storage "x": no such name`},
		`{"reconcile":{"setting":"x"}}`:                  {`reconcile: setting "x": no such name`},
		`{"fingerprint":"x","audited":{"subject":"y"}}`:  {"unknown field", allowed},
		`{"icaguard":"request","request":{"wrote":[1]}}`: {"unknown field", allowed},
		`{"reconcile":{"storage":"` + w.Storage.Name + `","setting":"kms-key-state"}}`: {"nothing to check: storage " + w.Storage.Name},
	} {
		testlab.ExpectFailure(w.t, function, payload, texts...)
	}
	if calls := testlab.Operations(w.Calls()); len(calls) != 0 {
		w.t.Errorf("calls %v, want none", calls)
	}
}

// testAuditSome: an audit by hand of one storage or setting reads that alone.
func testAuditSome(w *env) {
	w.Break()
	for payload, want := range map[string]int{
		`{"setting":"bucket-cors"}`: 1, `{"storage":"` + w.Storage.Name + `","setting":"role-session-duration"}`: 1,
		`{"storage":"` + w.Storage.Name + `","setting":"guard-ledger"}`: 0,
	} {
		if got := w.invoke(payload); len(got.Outcomes) != 1 || got.ExitCode != want {
			w.t.Errorf("%s: exit code %d of %+v, want %d", payload, got.ExitCode, got.Outcomes, want)
		}
	}
	for _, o := range w.invoke(`{"storage":"` + w.Storage.Name + `"}`).Outcomes {
		if !slices.Equal(o.Storages, []string{w.Storage.Name}) && o.Setting != "oidc-provider" {
			w.t.Errorf("not the storage's: %+v", o)
		}
	}
	testlab.ExpectReads(w.t, w.Calls())
}

// testReconcile: whoever may invoke the function makes the guard check and restore, under the function's own role.
func testReconcile(w *env) {
	for payload, want := range map[string][]guard.Request{
		`{"reconcile":{}}`:                        {{}},
		`{"reconcile":{"setting":"bucket-cors"}}`: {{Setting: "bucket-cors"}},
		`{"reconcile":{"storage":"` + w.Storage.Name + `","setting":"role-session-duration"}}`: {
			{Resource: w.Storage.Role.ARN, Setting: "role-session-duration"},
		},
		`{"reconcile":{"storage":"` + w.Storage.Name + `","setting":"guard-ledger"}}`: {{Setting: "guard-ledger"}}, // nobody's storage
		`{"reconcile":{"storage":"` + w.Storage.Name + `"}}`: {
			{Resource: w.Storage.Bucket.ARN},
			{Resource: w.Storage.Provider.ARN},
			{Resource: w.Storage.Role.ARN},
			{Resource: w.Storage.Role.Policy.ARN},
		},
	} {
		w.Break()
		var got report.Asked
		testlab.Invoke(w.t, testlab.Start(w.t, w.config), payload, &got)
		for i := range got.Asked {
			got.Asked[i].Reason = ""
		}
		if diff := cmp.Diff(want, got.Asked); diff != "" {
			w.t.Errorf("%s: asked (-want +got):\n%s", payload, diff)
		}
		w.ExpectBroken()
		w.remediate(nil)
		w.mail.Take()
		if payload == `{"reconcile":{}}` {
			w.ExpectRestored()
		}
	}
	w.Inject(localaws.Fault{Operation: "SendMessageBatch", Kind: localaws.Denied})
	testlab.ExpectFailure(w.t, testlab.Start(w.t, w.config), `{"reconcile":{}}`, "queue: send to", "AccessDenied")
}

// expectMail wants so many mails, the last of them with this subject and severity.
func (w *env) expectMail(count int, subject, severity string) {
	w.t.Helper()
	got := w.mail.Take()
	if len(got) != count {
		w.t.Fatalf("%d mails, want %d: %+v", len(got), count, got)
	}
	if count == 0 {
		return
	}
	last := got[count-1]
	if !strings.HasPrefix(last.Subject, "[icaguard] "+subject) || last.MessageAttributes["severity"].Value != severity ||
		last.MessageAttributes["status"].Value != "summary" {
		w.t.Errorf("mail %q %v, want %q, %s", last.Subject, last.MessageAttributes, subject, severity)
	}
}

// testGuardChanged: what somebody does to the guard itself is told as its event comes, with what is read then. Who did it
// is told as reported. What CloudFormation does is told only if something reads otherwise than deployed.
func testGuardChanged(w *env) {
	sample, err := os.ReadFile("../../events/aws.lambda.UpdateFunctionCode20150331v2.json")
	w.must(err)
	event := strings.ReplaceAll(string(sample), "111122223333", w.Local.Account())
	function := testlab.Start(w.t, w.config)
	told := func(old, replacement string, mails int, texts ...string) {
		w.t.Helper()
		var answer report.Report
		testlab.Invoke(w.t, function, strings.ReplaceAll(event, old, replacement), &answer)
		got := w.mail.Take()
		if len(got) != mails {
			w.t.Fatalf("%q instead of %q: %d mails, want %d: %+v", replacement, old, len(got), mails, got)
		}
		for _, text := range texts {
			if mail := got[0].Subject + "\n" + got[0].Message; !strings.Contains(mail, text) {
				w.t.Errorf("the mail lacks %q:\n%s", text, mail)
			}
		}
	}
	const noDeploy, byDeploy = `"sourceIPAddress": "198.51.100.7"`, `"sourceIPAddress": "cloudformation.amazonaws.com"`
	told("", "", 1, "UpdateFunctionCode20150331v2 on icaguard's own resources", "CloudTrail reports a call",
		"reported  UpdateFunctionCode20150331v2 by ", "assumed-role/Admin/console-session from 198.51.100.7 at 2026-01-15 09:12:33Z (",
		"setting   guard-function\nstatus    in-sync, as far as it can be compared")
	told(noDeploy, byDeploy, 0)
	told("icaguard-remediate", "another-function", 0)
	told(w.Local.Account(), "111122223333", 0)
	// ICA's sessions bear the prefix in their name.
	told("assumed-role/Admin/console-session", "assumed-role/"+w.Storage.Role.Name+"/"+testlab.Prefix+"-1", 1,
		w.Storage.Role.Name+"/***")
	told("console-session", `evil\n\nstatus    in-sync\u202e`, 1, "assumed-role/Admin/evil status in-sync from ")
	gone := w.Inject(localaws.Fault{Operation: "GetFunctionConfiguration", Kind: localaws.Gone})
	told(noDeploy, byDeploy, 1, "status    action-required", "does not exist")
	w.PlayStacks("UPDATE_IN_PROGRESS")
	told(noDeploy, byDeploy, 0)
	told("", "", 1, "status    deferred")
	w.PlayStacks("UPDATE_COMPLETE")
	gone()
	testlab.ExpectFailure(w.t, function, `{"detail-type":"AWS API Call via CloudTrail","detail":{}}`, "neither an EventBridge event")
	w.Inject(localaws.Fault{Operation: "Publish", Kind: localaws.Denied})
	testlab.ExpectFailure(w.t, function, event, "publish to "+w.mail.TopicARN) // Lambda tries again, then the dead letters have it
}

func (w *env) well() string { return fmt.Sprintf("all %d settings are well: audit", w.Settings()) }

func (w *env) oneAmiss() string {
	return fmt.Sprintf("1 of %d settings need attention: audit", w.Settings())
}

// audited audits as the schedule does, and lets remediate tell people the result.
func (w *env) audited() {
	w.t.Helper()
	w.invoke(everything)
	w.remediate(nil)
}

// testSummaries: people get the result when it is another than the last one.
func testSummaries(w *env) {
	w.audited()
	w.expectMail(1, w.well(), "info")
	w.audited()
	w.expectMail(0, "", "")
	w.Inject(localaws.Fault{Operation: "GetBucketCors", Kind: localaws.ExplicitDeny}) // nothing that is restored
	w.audited()
	w.expectMail(1, w.oneAmiss(), "critical")
	w.audited()
	w.expectMail(0, "", "")
	w.Local.Recorder().ResetCalls()
	w.Inject(localaws.Fault{Operation: "SendMessage", Kind: localaws.Denied})
	testlab.ExpectFailure(w.t, testlab.Start(w.t, w.config), everything, "queue: send to") // Lambda tries again
}

// testLedgerAway: where nobody knows what people know, what needs attention is told every time, and nothing else; the audit
// itself stands. validate writes nothing to the ledger.
func testLedgerAway(w *env) {
	back := w.Inject(localaws.Fault{Operation: "GetItem", Kind: localaws.Denied})
	for range 2 {
		w.audited()
		w.expectMail(1, w.oneAmiss(), "critical") // what ICA put as notification cannot be known without it
	}
	back()
	w.Inject(localaws.Fault{Operation: "PutItem", Kind: localaws.Throttled})
	for range 2 {
		w.audited()
		w.expectMail(1, w.well(), "info")
	}
}

// testMetrics: one number for each storage and the guard itself, for the alarms, and whether they are well.
func testMetrics(w *env) {
	w.DeleteCORS()
	var log bytes.Buffer
	w.config.Log = &log
	function := testlab.Start(w.t, w.config)
	for _, payload := range []string{`{}`, `{"audit":"iam"}`, everything} {
		var r json.RawMessage
		testlab.Invoke(w.t, function, payload, &r)
	}
	w.must(function.Close())
	got := testlab.Metrics(w.t, log.String())
	want := []testlab.Metric{
		{Namespace: "icaguard", Name: report.Unhealthy, Unit: "Count", Dimensions: "Storage=" + w.Storage.Name, Value: 1},
		{Namespace: "icaguard", Name: report.Unhealthy, Unit: "Count", Dimensions: "Storage=icaguard", Value: 0},
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("measured %+v, want %+v", got, want)
	}
}

// testSharedRole: where only watching is allowed, a role that two storages share stays broken for both, and each is
// counted as unhealthy.
func testSharedRole(w *env) {
	name := w.Storage.Name + "-shared"
	text := "mode: observe\nalerts: {emails: [storage-oncall@example.org]}\nstorages:\n"
	for _, suffix := range []string{"", "-2"} {
		text += fmt.Sprintf("  - name: %[1]s%[2]s\n    icaRegion: US\n    bucket: {name: %[1]s%[2]s-ica, folder: ica}\n"+
			"    role: {name: %[1]s-role, policyName: %[1]s-policy, sessionNamePrefix: \"ssm:/ica/%[1]s/session-name-prefix\"}\n", name,
			suffix)
	}
	w.Lab = testlab.NewFrom(w.t, w.Local, text)
	w.Sharing()
	for _, unhealthy := range []float64{0, 1} {
		var log bytes.Buffer
		w.config = w.configOf(guard.ValidateFunction, "validate")
		w.config.Log = &log
		function := testlab.Start(w.t, w.config)
		var r report.Report
		testlab.Invoke(w.t, function, everything, &r)
		w.must(function.Close())
		want := []testlab.Metric{
			{Namespace: "icaguard", Name: report.Unhealthy, Unit: "Count", Dimensions: "Storage=" + name, Value: unhealthy},
			{Namespace: "icaguard", Name: report.Unhealthy, Unit: "Count", Dimensions: "Storage=" + name + "-2", Value: unhealthy},
			{Namespace: "icaguard", Name: report.Unhealthy, Unit: "Count", Dimensions: "Storage=icaguard", Value: 0},
		}
		if got := testlab.Metrics(w.t, log.String()); !slices.Equal(got, want) {
			w.t.Errorf("measured %+v, want %+v: %+v", got, want, r)
		}
		if got := len(
			slices.DeleteFunc(
				r.Outcomes, func(o guard.Outcome) bool { return o.Resource != w.Storage.Role.ARN || o.Status == guard.InSync },
			),
		); float64(got) != unhealthy {
			w.t.Errorf("%d outcomes of the role are not in sync, want %v: one, whoever shares it", got, unhealthy)
		}
		w.ShortenSession(testlab.Stranger)
	}
}
