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

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	"github.com/icaguard/icaguard/internal/report"
	"github.com/icaguard/icaguard/internal/testlab"
	"github.com/icaguard/icaguard/internal/wiring"
)

// Tests of all packages take -update; this one has no golden files.
var _ = flag.Bool("update", false, "rewrite golden files")

// env is a lab, the guard's own parts, and the function that audits both.
type env struct {
	*testlab.Lab
	t        *testing.T
	config   localaws.FunctionConfig
	mail     *testlab.Mailbox
	queueURL string // of the requests that it hands on
	binaries map[string]string
}

// TestValidate runs the real binary behind the Lambda runtime API.
func TestValidate(t *testing.T) {
	local := localawstest.Start(t)
	binaries := map[string]string{"validate": testlab.Build(t, "validate"), "remediate": testlab.Build(t, "remediate")}
	testlab.MakeHome(t, local, testlab.Home(t, local))
	for name, test := range map[string]func(*env){
		"in-sync": testInSync, "drift": testDrift, "not readable": testNotReadable, "gone": testGone,
		"configuration missing": testConfigMissing, "json": testJSON, "the guard itself": testOwn, "paused": testPaused,
		"schedule": testScheduledAudit, "schedule in observe": testScheduledAuditObserve, "schedule of IAM": testScheduledAuditIAM,
		"unknown schedule":      testUnknownSchedule,
		"event about the guard": testGuardChanged, "summaries": testSummaries, "summary not delivered": testSummaryRefused,
		"ledger away": testLedgerAway, "metrics": testMetrics,
		"shared role": testSharedRole,
	} {
		t.Run(name, func(t *testing.T) {
			mode := icaconfig.Enforce
			if strings.HasSuffix(name, "observe") {
				mode = icaconfig.Observe
			}
			test(newEnv(t, local, binaries, "lab-"+strings.ReplaceAll(strings.ToLower(name), " ", "-"), mode))
		})
	}
}

func newEnv(t *testing.T, local *localaws.AWS, binaries map[string]string, name string, mode icaconfig.Mode) *env {
	t.Helper()
	w := &env{Lab: testlab.New(t, local, name, mode), t: t, mail: testlab.NewMailbox(t, local, name), binaries: binaries}
	out, err := w.sqs().CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(name + "-requests")})
	w.must(err)
	w.queueURL = aws.ToString(out.QueueUrl)
	w.config = w.configOf(guard.ValidateFunction, "validate")
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
	w.config.Env[wiring.EnvConfig] = filepath.Join(w.t.TempDir(), "ica.yaml")
	function := testlab.Start(w.t, w.config)
	for range 2 {
		testlab.ExpectFailure(w.t, function, `{}`, "config: read: open "+w.config.Env[wiring.EnvConfig], "copy ica.example.yaml there")
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

// testScheduledAudit lets the schedule find what no event told of, and remediate restore it.
func testScheduledAudit(w *env) {
	w.Break()
	if got := w.invoke(everything); got.ExitCode != 1 {
		w.t.Errorf("exit code %d, want 1", got.ExitCode)
	}
	if calls := testlab.Operations(w.Calls(), "sqs"); slices.Index(calls, "SendMessageBatch") != len(calls)-1 {
		w.t.Errorf("calls of SQS %v, want the requests put on the queue at once, last of all", calls)
	}
	w.ExpectBroken() // validate writes to nothing that is guarded
	w.mail.Take()
	var log bytes.Buffer
	remediate := w.configOf(guard.RemediateFunction, "remediate")
	remediate.Log = &log
	function := testlab.Start(w.t, remediate)
	_, err := localaws.Drain(w.t.Context(), localaws.PollerConfig{
		SQS:      w.sqs(),
		QueueURL: w.queueURL,
		QueueARN: "arn:aws:sqs:us-east-1:123456789012:" + w.Storage.Name + "-requests",
		Function: function,
		Observe:  func(b localaws.Batch) { w.expectFound(b) },
	})
	w.must(err)
	w.must(function.Close())
	w.ExpectRestored()
	if got := w.mail.Take(); len(got) != 2 {
		w.t.Errorf("%d mails, want one for each restore: %+v", len(got), got)
	}
	found := slices.DeleteFunc(
		testlab.Metrics(w.t, log.String()), func(m testlab.Metric) bool { return m.Name != report.FoundByAudit },
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
		!slices.Contains(calls, "Publish") {
		w.t.Errorf("calls %v, want people notified and nothing put on the queue", calls)
	}
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

func testUnknownSchedule(w *env) {
	function := testlab.Start(w.t, w.config)
	testlab.ExpectFailure(w.t, function, `{"audit":"sometimes"}`, `"sometimes": audit: not one of "everything", "iam"`)
	testlab.ExpectFailure(w.t, function, `[]`, "validate: parse the invocation")
	if calls := testlab.Operations(w.Calls()); len(calls) != 0 {
		w.t.Errorf("calls %v, want none", calls)
	}
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

// testGuardChanged: what somebody does to the guard itself is told as its event comes, what CloudFormation does is not.
func testGuardChanged(w *env) {
	sample, err := os.ReadFile("../../events/aws.lambda.UpdateFunctionCode20150331v2.json")
	w.must(err)
	event := strings.ReplaceAll(string(sample), "111122223333", w.Local.Account())
	function := testlab.Start(w.t, w.config)
	for _, c := range []struct {
		old, replacement string
		mails            int
	}{
		{"", "", 1},
		{`"sourceIPAddress": "198.51.100.7"`, `"sourceIPAddress": "cloudformation.amazonaws.com"`, 0},
		{"icaguard-remediate", "another-function", 0},
		{w.Local.Account(), "111122223333", 0},
	} {
		var answer report.Report
		testlab.Invoke(w.t, function, strings.ReplaceAll(event, c.old, c.replacement), &answer)
		got := w.mail.Take()
		if len(got) != c.mails {
			w.t.Errorf("%q instead of %q: %d mails, want %d: %+v", c.replacement, c.old, len(got), c.mails, got)
		}
		if len(got) == 1 && (!strings.Contains(got[0].Subject, "UpdateFunctionCode20150331v2 on icaguard's own resources") ||
			!strings.Contains(got[0].Message, "assumed-role/Admin/console-session from 198.51.100.7")) {
			w.t.Errorf("who did what? %+v", got[0])
		}
	}
	// ICA's sessions bear the prefix in their name.
	var answer report.Report
	testlab.Invoke(
		w.t, function,
		strings.ReplaceAll(event, "assumed-role/Admin/console-session", "assumed-role/"+w.Storage.Role.Name+"/"+testlab.Prefix+"-1"),
		&answer,
	)
	if got := w.mail.Take(); len(got) != 1 || strings.Contains(got[0].Message, testlab.Prefix) ||
		!strings.Contains(got[0].Message, w.Storage.Role.Name+"/***") {
		w.t.Errorf("%d mails, which must not hold the name of ICA's session", len(got))
	}
	testlab.ExpectFailure(w.t, function, `{"detail-type":"AWS API Call via CloudTrail","detail":{}}`, "neither an EventBridge event")
	w.Inject(localaws.Fault{Operation: "Publish", Kind: localaws.Denied})
	testlab.ExpectFailure(w.t, function, event, "publish to "+w.mail.TopicARN) // Lambda tries again, then the dead letters have it
}

func (w *env) well() string { return fmt.Sprintf("all %d settings are well: audit", w.Settings()) }

func (w *env) oneAmiss() string {
	return fmt.Sprintf("1 of %d settings need attention: audit", w.Settings())
}

// testSummaries: people get the result when it is another than the last one.
func testSummaries(w *env) {
	w.invoke(everything)
	w.expectMail(1, w.well(), "info")
	w.invoke(everything)
	w.expectMail(0, "", "")
	w.ShortenSession(testlab.Stranger)
	w.invoke(everything)
	w.expectMail(1, w.oneAmiss(), "critical")
	w.invoke(everything)
	w.expectMail(0, "", "")
	w.Rename("for ICA")
	w.invoke(everything)
	w.expectMail(1, w.well(), "info")
}

// testSummaryRefused: what was not delivered is told by the next audit.
func testSummaryRefused(w *env) {
	w.DeleteCORS()
	allow := w.Inject(localaws.Fault{Operation: "Publish", Kind: localaws.Denied})
	testlab.ExpectFailure(w.t, testlab.Start(w.t, w.config), everything, "notify: publish to")
	allow()
	w.invoke(everything)
	w.expectMail(1, w.oneAmiss(), "critical")
}

// testLedgerAway: where nobody remembers, what needs attention is told every time, and nothing else; the audit itself stands.
func testLedgerAway(w *env) {
	back := w.Inject(localaws.Fault{Operation: "GetItem", Kind: localaws.Denied})
	if got := w.invoke(everything); len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "ledger: get summary of icaguard") {
		w.t.Errorf("warnings %v", got.Warnings)
	}
	w.expectMail(1, w.oneAmiss(), "critical") // what ICA put as notification cannot be known without it
	back()
	w.Inject(localaws.Fault{Operation: "GetItem", Kind: localaws.Slow, Times: 1}) // that of the notification comes through
	back = w.Inject(localaws.Fault{Operation: "GetItem", Kind: localaws.Denied})
	if got := w.invoke(everything); len(got.Warnings) != 1 || got.ExitCode != 0 {
		w.t.Errorf("exit code %d, warnings %v", got.ExitCode, got.Warnings)
	}
	w.expectMail(0, "", "")
	back()
	w.ShortenSession(testlab.Stranger)
	w.Inject(localaws.Fault{Operation: "PutItem", Kind: localaws.Throttled})
	for range 2 {
		if got := w.invoke(everything); len(got.Warnings) != 1 ||
			!strings.Contains(got.Warnings[0], "ledger: write recorded#summary of icaguard") {
			w.t.Errorf("warnings %v", got.Warnings)
		}
		w.expectMail(1, w.oneAmiss(), "critical")
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
