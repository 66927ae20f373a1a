package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// rulesOf are the rules of a stack by name, those with a pattern or those with a schedule.
func rulesOf(parsed template, key string) map[string]map[string]any {
	found := map[string]map[string]any{}
	for _, rule := range parsed.ofType("AWS::Events::Rule") {
		if rule[key] != nil {
			found[rule["Name"].(string)] = rule
		}
	}
	return found
}

func targetOf(rule map[string]any) map[string]any { return rule["Targets"].([]any)[0].(map[string]any) }

// checkRules: in each region stand the rules of the table and no others, enabled, each with one target and a queue for
// what fails.
func checkRules(t *testing.T, a app) {
	for _, s := range a.baseline.Stacks {
		want, got := map[string]string{}, map[string]string{}
		// At home the storage stack has buckets only, elsewhere it is the one that hears.
		if s.Region != a.baseline.HomeRegion || s.Kind == icaconfig.GuardStack {
			for _, rule := range rulesIn(a.baseline, s.Region) {
				want[rule.Name] = rule.Target + " " + text(rule.Pattern)
			}
		}
		if tell := self.GuardChangedRule(a.baseline.Home); s.Kind == icaconfig.GuardStack {
			want[tell.Name] = tell.Target + " " + text(tell.Pattern)
		}
		for name, rule := range rulesOf(a.templates[s.Name], "EventPattern") {
			target := targetOf(rule)
			got[name] = target["Arn"].(string) + " " + text(rule["EventPattern"])
			if rule["State"] != "ENABLED" || target["DeadLetterConfig"] == nil || len(rule["Targets"].([]any)) != 1 {
				t.Errorf("rule %s: %v", name, rule)
			}
			if size := len(text(rule["EventPattern"])); size > mostPattern {
				t.Errorf("rule %s: pattern of %d characters, AWS allows %d", name, size, mostPattern)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("rules of %s (-table +template):\n%s", s.Name, diff)
		}
	}
}

// checkSamples: a rule lets a sample through exactly if a setting listens to it and it did not fail.
func checkSamples(t *testing.T, a app) {
	sources := guard.Sources(self.AllRows())
	matched := map[string]bool{}
	for file, body := range samples(t) {
		event, err := cloudtrail.Parse([]byte(text(body)))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		listens := event.ErrorCode == "" && slices.Contains(sources[event.Source], cloudtrail.APIName(event.Name))
		for stack, parsed := range a.templates {
			for name, rule := range rulesOf(parsed, "EventPattern") {
				if name == self.GuardChangedRule(a.baseline.Home).Name {
					continue // checkGuardChangedRule
				}
				pattern := rule["EventPattern"].(map[string]any)
				own := slices.Contains(texts(pattern["source"]), event.Source)
				if got, want := matches(t, pattern, body), own && listens; got != want {
					t.Errorf("rule %s in %s lets %s through: %v, want %v", name, stack, file, got, want)
				}
				matched[event.Source+" "+event.Name] = matched[event.Source+" "+event.Name] || own && listens
			}
		}
	}
	if count := len(slices.DeleteFunc(slices.Collect(maps.Values(matched)), func(h bool) bool { return !h })); count < 20 {
		t.Errorf("only %d events are matched at all", count)
	}
}

// checkStackRules: the status of our stacks is let through, that of others is not.
func checkStackRules(t *testing.T, a app) {
	data, err := os.ReadFile("../events/stacks/aws.cloudformation.UPDATE_COMPLETE.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range a.baseline.Stacks {
		sample := strings.NewReplacer("111122223333", a.baseline.Account, "us-east-1", s.Region).Replace(string(data))
		for name, rule := range rulesOf(a.templates[s.Name], "EventPattern") {
			pattern := rule["EventPattern"].(map[string]any)
			stacks := strings.HasSuffix(name, "-stacks")
			if got := matches(t, pattern, decode(t, sample)); got != stacks {
				t.Errorf("rule %s in %s lets a stack's status through: %v", name, s.Region, got)
			}
			if matches(t, pattern, decode(t, strings.ReplaceAll(sample, "icaguard-", "another-"))) {
				t.Errorf("rule %s in %s lets another's stack through", name, s.Region)
			}
		}
	}
}

// checkGuardChangedRule: what somebody does to the guard's rules, queues and functions is reported without the queue;
// what CloudFormation does, and what is done to others, is not.
func checkGuardChangedRule(t *testing.T, a app) {
	pattern := rulesOf(a.home(), "EventPattern")[self.GuardChangedRule(a.baseline.Home).Name]["EventPattern"].(map[string]any)
	told := 0
	for file, body := range samples(t) {
		sample := text(body)
		for old, replacement := range map[string]string{"111122223333": a.baseline.Account, "us-east-1": a.baseline.HomeRegion} {
			sample = strings.ReplaceAll(sample, old, replacement)
		}
		lets := func(old, replacement string) bool {
			return matches(t, pattern, decode(t, strings.ReplaceAll(sample, old, replacement)))
		}
		event, err := cloudtrail.Parse([]byte(sample))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		about := event.Source != "aws.iam" ||
			strings.HasSuffix(file, ".icaguard.json") // of the others there are none about anybody else
		want := about && event.ErrorCode == "" && slices.ContainsFunc(self.All(), func(s guard.SelfCheck) bool {
			return slices.Contains([]string{"guard-rules", "guard-queue", "guard-function", "guard-role"}, s.ID) &&
				slices.ContainsFunc(s.Triggers, func(tr guard.Trigger) bool {
					return tr.Source == event.Source && slices.Contains(tr.Events, cloudtrail.APIName(event.Name))
				})
		})
		if got := lets("", ""); got != want {
			t.Errorf("%s is told: %v, want %v", file, got, want)
		}
		if !want {
			continue
		}
		told++
		if lets("198.51.100.7", guard.CloudFormation) {
			t.Errorf("%s is told though CloudFormation did it", file)
		}
		if lets("icaguard-", "another-") {
			t.Errorf("%s is told of another's", file)
		}
	}
	if told < 20 {
		t.Errorf("%d samples are told", told)
	}
}

func decode(t *testing.T, document string) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(document), &object); err != nil {
		t.Fatal(err)
	}
	return object
}

// samples are the events of events/, by file, bare CloudTrail records put into the envelope in which EventBridge delivers them.
func samples(t *testing.T) map[string]map[string]any {
	t.Helper()
	files, err := filepath.Glob("../events/*.json")
	if err != nil {
		t.Fatal(err)
	}
	recorded, err := filepath.Glob("../events/recorded/*.json")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]map[string]any{}
	for _, file := range slices.Concat(files, recorded) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var body map[string]any
		if err := json.Unmarshal(data, &body); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if body["detail"] == nil {
			source := "aws." + strings.TrimSuffix(body["eventSource"].(string), ".amazonaws.com")
			body = map[string]any{"source": source, "detail-type": "AWS API Call via CloudTrail", "detail": body}
		}
		found[file] = body
	}
	if len(found) < 60 {
		t.Fatalf("%d samples, want 60 or more", len(found))
	}
	return found
}

// matches is EventBridge's matching as far as our patterns use it: exact texts, prefix, anything-but a text, exists: false, $or.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
func matches(t *testing.T, pattern, event map[string]any) bool {
	t.Helper()
	for key, wanted := range pattern {
		if key == "$or" {
			if !slices.ContainsFunc(wanted.([]any), func(one any) bool { return matches(t, one.(map[string]any), event) }) {
				return false
			}
			continue
		}
		if nested, ok := wanted.(map[string]any); ok {
			inner, _ := event[key].(map[string]any)
			if !matches(t, nested, inner) {
				return false
			}
			continue
		}
		if !slices.ContainsFunc(wanted.([]any), func(one any) bool { return matchesOne(t, one, event[key]) }) {
			return false
		}
	}
	return true
}

func matchesOne(t *testing.T, wanted, got any) bool {
	t.Helper()
	operator, ok := wanted.(map[string]any)
	if !ok {
		return wanted == got
	}
	if prefix, ok := operator["prefix"].(string); ok {
		value, _ := got.(string)
		return strings.HasPrefix(value, prefix)
	}
	if but, ok := operator["anything-but"]; ok {
		return got != nil && got != but
	}
	if exists, ok := operator["exists"].(bool); ok && !exists {
		return got == nil
	}
	t.Fatalf("a pattern of ours uses %v, which this test does not know", operator)
	return false
}

func checkDelivery(t *testing.T, a app) {
	var timeout float64
	for _, function := range a.home().ofType("AWS::Lambda::Function") {
		loops := "Terminate"
		if function["FunctionName"] == guard.RemediateFunction { // the one that reads the queue
			timeout, loops = function["Timeout"].(float64), "Allow"
		}
		if function["RecursiveLoop"] != loops {
			t.Errorf("%v: Lambda's loop detection is set to %v, want %s", function["FunctionName"], function["RecursiveLoop"], loops)
		}
		if function["Runtime"] != "provided.al2023" || !slices.Equal(texts(function["Architectures"]), []string{"arm64"}) {
			t.Errorf("function runs on %v %v", function["Runtime"], function["Architectures"])
		}
	}
	for stack, parsed := range a.templates {
		for id, queue := range parsed.ofType("AWS::SQS::Queue") {
			redrive, ok := queue["RedrivePolicy"].(map[string]any)
			if queue["SqsManagedSseEnabled"] != true {
				t.Errorf("queue %s in %s is not encrypted", id, stack)
			}
			if ok && (timeout == 0 || queue["VisibilityTimeout"].(float64) < 6*timeout || redrive["maxReceiveCount"].(float64) < 5) {
				t.Errorf(
					"queue %s: visibility %v s for a function of %v s, %v receives", id, queue["VisibilityTimeout"], timeout,
					redrive["maxReceiveCount"],
				)
			}
		}
	}
	mappings := slices.Collect(maps.Values(a.home().ofType("AWS::Lambda::EventSourceMapping")))
	if len(mappings) != 1 || mappings[0]["BatchSize"] != 10.0 || mappings[0]["MaximumBatchingWindowInSeconds"] != nil ||
		!slices.Equal(texts(mappings[0]["FunctionResponseTypes"]), []string{"ReportBatchItemFailures"}) {
		t.Errorf("event source mapping: %v", mappings)
	}
}

// checkRelays: each rule may send where it has to, in its own name only, and nothing else may.
func checkRelays(t *testing.T, a app) {
	for _, s := range a.baseline.Stacks {
		parsed := a.templates[s.Name]
		var relays, all []string
		for name, rule := range rulesOf(parsed, "EventPattern") {
			all = append(all, a.baseline.ARN("events", s.Region, "rule/"+name))
			if targetOf(rule)["RoleArn"] != nil {
				relays = append(relays, a.baseline.ARN("events", s.Region, "rule/"+name))
			}
		}
		if s.Region != a.baseline.HomeRegion && (len(relays) == 0 || len(relays) != len(all)) {
			t.Errorf("%s: %d of %d rules relay by a role", s.Name, len(relays), len(all))
		}
		for _, role := range parsed.ofType("AWS::IAM::Role") {
			if role["RoleName"] == guard.RelayRole+s.Region {
				checkSources(t, s.Name+": trust of the relay role", relays, statementsIn(role["AssumeRolePolicyDocument"])[0])
			}
		}
		for name := range rulesOf(parsed, "ScheduleExpression") {
			all = append(all, a.baseline.ARN("events", s.Region, "rule/"+name))
		}
		for id, policy := range parsed.ofType("AWS::SQS::QueuePolicy") {
			for _, statement := range statementsIn(policy["PolicyDocument"]) {
				if statement["Effect"] == "Allow" && strings.HasPrefix(id, "DeadLetters") {
					checkSources(t, s.Name+": "+id, all, statement)
				}
			}
		}
	}
}

func checkSources(t *testing.T, what string, rules []string, statement map[string]any) {
	t.Helper()
	condition := statement["Condition"].(map[string]any)
	got := texts(condition["ArnEquals"].(map[string]any)["aws:SourceArn"])
	slices.Sort(got)
	slices.Sort(rules)
	if !slices.Equal(got, rules) || condition["StringEquals"].(map[string]any)["aws:SourceAccount"] != "123456789012" {
		t.Errorf("%s: %v, want the rules %v", what, condition, rules)
	}
}

// checkSchedules: validate is started by rules that alone may start it, and what fails is kept.
func checkSchedules(t *testing.T, a app) {
	var sources []string
	for _, permission := range a.home().ofType("AWS::Lambda::Permission") {
		sources = append(sources, permission["SourceArn"].(string))
	}
	for _, want := range self.AuditRules(a.baseline.Home) {
		rule := rulesOf(a.home(), "ScheduleExpression")[want.Name]
		if rule == nil || rule["ScheduleExpression"] != want.Schedule || rule["State"] != "ENABLED" {
			t.Errorf("rule %s: %v, want %s", want.Name, rule, want.Schedule)
			continue
		}
		target := targetOf(rule)
		if target["Arn"] != want.Target || target["Input"] != want.Input || target["DeadLetterConfig"] == nil ||
			target["RetryPolicy"] == nil {
			t.Errorf("rule %s: target %v", want.Name, target)
		}
		if !slices.Contains(sources, a.baseline.ARN("events", want.Region, "rule/"+want.Name)) {
			t.Errorf("rule %s may not start validate: %v", want.Name, sources)
		}
	}
	if got, want := len(sources), len(self.ValidateRules(a.baseline.Home)); got != want {
		t.Errorf("%d rules may start a function, want %d", got, want)
	}
	for _, retries := range a.home().ofType("AWS::Lambda::EventInvokeConfig") {
		if retries["MaximumRetryAttempts"] != 1.0 || retries["DestinationConfig"] == nil {
			t.Errorf("retries of validate: %v", retries)
		}
	}
}

// checkAlarms: one for each way in which the guard fails and one for each storage, all of them matched, none longer than
// CloudWatch looks back.
func checkAlarms(t *testing.T, a app) {
	var names []string
	for id, alarm := range a.home().ofType("AWS::CloudWatch::Alarm") {
		names = append(names, strings.TrimPrefix(alarm["AlarmName"].(string), "icaguard-"))
		if len(alarm["AlarmActions"].([]any)) != 1 {
			t.Errorf("nobody hears alarm %s", id)
		}
		longest := 86400.0
		if period := periodOf(alarm); period >= 3600 {
			longest = 7 * 86400
		}
		if window := periodOf(
			alarm,
		) * alarm["EvaluationPeriods"].(float64); window > longest || int(periodOf(alarm))%60 != 0 ||
			periodOf(alarm) > 86400 {
			t.Errorf("alarm %s requests back %v s by periods of %v s", id, window, periodOf(alarm))
		}
	}
	want := []string{
		"dead-letters",
		"errors-remediate",
		"errors-validate",
		"heartbeat",
		"queue-age",
		"throttles-remediate",
		"throttles-validate",
		"unhealthy",
	}
	for _, s := range a.baseline.Storages {
		want = append(want, "unhealthy-"+s.Name)
	}
	slices.Sort(want)
	slices.Sort(names)
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("alarms (-want +template):\n%s", diff)
	}
	for _, dashboard := range a.home().ofType("AWS::CloudWatch::Dashboard") {
		if body := dashboard["DashboardBody"].(string); !json.Valid([]byte(body)) {
			t.Errorf("the dashboard is no JSON: %s", body)
		}
	}
}

func periodOf(alarm map[string]any) float64 {
	return alarm["Period"].(float64)
}

// checkTrail: one is created exactly where it is asked for, hears everything and has a bucket that stays, closed.
func checkTrail(t *testing.T, apps map[string]app) {
	for name, a := range apps {
		if got := len(a.home().ofType("AWS::CloudTrail::Trail")); got != map[bool]int{true: 1}[a.baseline.CreateTrail] {
			t.Errorf("%s: %d trails", name, got)
		}
	}
	home := apps["regions"].home()
	for _, trail := range home.ofType("AWS::CloudTrail::Trail") {
		for _, key := range []string{"IsLogging", "IsMultiRegionTrail", "IncludeGlobalServiceEvents", "EnableLogFileValidation"} {
			if trail[key] != true {
				t.Errorf("trail: %s is %v", key, trail[key])
			}
		}
	}
	for id, r := range home.Resources {
		if r.Type != "AWS::S3::Bucket" {
			continue
		}
		if r.DeletionPolicy != "Retain" || r.Properties["VersioningConfiguration"] == nil || r.Properties["BucketEncryption"] == nil ||
			r.Properties["PublicAccessBlockConfiguration"] == nil || r.Properties["LifecycleConfiguration"] == nil ||
			r.Properties["ObjectLockConfiguration"] == nil {
			t.Errorf("trail bucket %s: %+v", id, r)
		}
	}
}
