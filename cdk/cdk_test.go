package main

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/google/go-cmp/cmp"

	"github.com/icaguard/icaguard/internal/golden"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	jsii.Close()
	os.Exit(code)
}

// template is a synthesised CloudFormation template.
type template struct {
	Resources map[string]resource
	Outputs   map[string]struct{ Value any }
}

type resource struct {
	Type           string
	Properties     map[string]any
	DependsOn      []string
	DeletionPolicy string
}

// ofType are the properties of all resources of a type, by logical id.
func (t template) ofType(name string) map[string]map[string]any {
	found := map[string]map[string]any{}
	for id, r := range t.Resources {
		if r.Type == name {
			found[id] = r.Properties
		}
	}
	return found
}

// synth runs the app over a configuration and returns its templates as text, by stack.
func synth(t *testing.T, config string) map[string]string {
	t.Helper()
	file, err := icaconfig.Load(config)
	if err != nil {
		t.Fatal(err)
	}
	baseline, err := file.Baseline("123456789012", "aws")
	if err != nil {
		t.Fatal(err)
	}
	dist := t.TempDir()
	for _, function := range []string{"remediate", "validate"} {
		writeFile(t, filepath.Join(dist, function, "bootstrap"), "stands for the binary, whose hash is normalised")
	}
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(t.TempDir()), AnalyticsReporting: jsii.Bool(false)})
	newStacks(app, input{baseline: baseline, dist: dist, goarch: "arm64"})
	templates := map[string]string{}
	for _, stack := range *app.Synth(nil).Stacks() {
		text, err := json.MarshalIndent(stack.Template(), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		templates[*stack.StackName()] = string(text)
	}
	return templates
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func parse(t *testing.T, text string) template {
	t.Helper()
	var parsed template
	if err := json.Unmarshal([]byte(text), &parsed); err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestTemplates(t *testing.T) {
	for name, config := range map[string]string{
		"example": "../ica.example.yaml",
		"adopted": "testdata/adopted.yaml",
		"shared":  "testdata/shared.yaml",
	} {
		t.Run(name, func(t *testing.T) {
			templates := synth(t, config)
			for stack, text := range templates {
				text = regexp.MustCompile(`[0-9a-f]{64}\.zip`).ReplaceAllString(text, "ASSET.zip")
				golden.Check(t, *update, filepath.Join("testdata", "golden", name, stack+".json"), text+"\n")
			}
			home := parse(t, templates["icaguard-guard"])
			t.Run("statements are narrow", func(t *testing.T) { checkStatements(t, home) })
			t.Run("writes are bounded", func(t *testing.T) { checkConditions(t, home) })
			t.Run("validate only reads", func(t *testing.T) { checkValidate(t, home) })
			t.Run("rules hear the table", func(t *testing.T) { checkRules(t, home) })
			t.Run("delivery", func(t *testing.T) { checkDelivery(t, home) })
		})
	}
}

// statementsOf are the Allow statements of a role's own policy.
func statementsOf(t *testing.T, home template, role string) []map[string]any {
	t.Helper()
	var statements []map[string]any
	for id, policy := range home.ofType("AWS::IAM::Policy") {
		if !strings.HasPrefix(id, role) {
			continue
		}
		for _, s := range policy["PolicyDocument"].(map[string]any)["Statement"].([]any) {
			statements = append(statements, s.(map[string]any))
		}
	}
	if len(statements) == 0 {
		t.Fatalf("role %s has no statements", role)
	}
	return statements
}

func texts(value any) []string {
	if one, ok := value.(string); ok {
		return []string{one}
	}
	var all []string
	for _, item := range value.([]any) {
		if text, ok := item.(string); ok {
			all = append(all, text)
		}
	}
	return all
}

func checkStatements(t *testing.T, home template) {
	for _, role := range []string{"RemediateRole", "ValidateRole"} {
		for _, s := range statementsOf(t, home, role) {
			for _, action := range texts(s["Action"]) {
				if strings.Contains(action, "*") {
					t.Errorf("%s may do %s", role, action)
				}
			}
			if _, list := s["Resource"].(map[string]any); list {
				continue // a reference to a resource of the stack
			}
			for _, arn := range texts(s["Resource"]) {
				if strings.Contains(arn, "*") && !readsEverywhere(texts(s["Action"])) {
					t.Errorf("%s may do %v on %s", role, s["Action"], arn)
				}
			}
		}
	}
}

// checkConditions: where IAM knows a condition that bounds an action, no statement grants the action without it.
func checkConditions(t *testing.T, home template) {
	for _, s := range statementsOf(t, home, "RemediateRole") {
		for _, action := range texts(s["Action"]) {
			key := map[string]string{"iam:AttachRolePolicy": "iam:PolicyARN", "iam:PutRolePermissionsBoundary": "iam:PermissionsBoundary"}[action]
			condition, _ := json.Marshal(s["Condition"])
			if !strings.Contains(string(condition), key) {
				t.Errorf("%s is granted without a condition on %s: %s", action, key, condition)
			}
		}
	}
}

// readsEverywhere says that a setting declares all the actions as reads that no resource of ours bounds: AWS allows them
// on "*" only, or what is read may be anybody's policy.
func readsEverywhere(actions []string) bool {
	unbound := map[string]bool{}
	for _, setting := range guard.Settings() {
		for _, action := range setting.Reads {
			if action.On == guard.OnAccount || action.On == guard.OnPolicies {
				unbound[action.Name] = true
			}
		}
	}
	return !slices.ContainsFunc(actions, func(action string) bool { return !unbound[action] })
}

// checkValidate holds validate to the reads of the table and its log, and remediate's actions on guarded resources to the table.
func checkValidate(t *testing.T, home template) {
	declared := map[string]bool{"logs:CreateLogStream": true, "logs:PutLogEvents": true, "dynamodb:GetItem": true}
	for _, setting := range guard.Settings() {
		for _, action := range setting.Reads {
			declared[action.Name] = true
		}
	}
	for _, s := range statementsOf(t, home, "ValidateRole") {
		for _, action := range texts(s["Action"]) {
			if !declared[action] {
				t.Errorf("validate may do %s, which no setting declares as a read", action)
			}
		}
	}
	for _, setting := range guard.Settings() {
		for _, action := range setting.Writes {
			declared[action.Name] = true
		}
	}
	for _, s := range statementsOf(t, home, "RemediateRole") {
		for _, action := range texts(s["Action"]) {
			ours := strings.HasPrefix(action, "sqs:") || action == "sns:Publish" || action == "dynamodb:PutItem"
			if !declared[action] && !ours {
				t.Errorf("remediate may do %s, which no setting declares", action)
			}
		}
	}
}

func checkRules(t *testing.T, home template) {
	heard := map[string][]string{}
	for id, rule := range home.ofType("AWS::Events::Rule") {
		pattern, err := json.Marshal(rule["EventPattern"])
		if err != nil || len(pattern) > 2048 {
			t.Errorf("rule %s: pattern of %d characters, AWS allows 2048 (%v)", id, len(pattern), err)
		}
		parsed := rule["EventPattern"].(map[string]any)
		heard[texts(parsed["source"])[0]] = texts(parsed["detail"].(map[string]any)["eventName"])
	}
	if diff := cmp.Diff(guard.Sources(guard.Settings()), heard); diff != "" {
		t.Errorf("rules (-table +template):\n%s", diff)
	}
}

func checkDelivery(t *testing.T, home template) {
	var timeout float64
	for _, function := range home.ofType("AWS::Lambda::Function") {
		timeout = max(timeout, function["Timeout"].(float64))
		if function["Runtime"] != "provided.al2023" || !slices.Equal(texts(function["Architectures"]), []string{"arm64"}) {
			t.Errorf("function runs on %v %v", function["Runtime"], function["Architectures"])
		}
	}
	for id, queue := range home.ofType("AWS::SQS::Queue") {
		redrive, ok := queue["RedrivePolicy"].(map[string]any)
		if queue["SqsManagedSseEnabled"] != true {
			t.Errorf("queue %s is not encrypted", id)
		}
		if ok && (queue["VisibilityTimeout"].(float64) < 6*timeout || redrive["maxReceiveCount"].(float64) < 5) {
			t.Errorf("queue %s: visibility %v s for a function of %v s, %v receives", id, queue["VisibilityTimeout"], timeout, redrive["maxReceiveCount"])
		}
	}
	mappings := slices.Collect(maps.Values(home.ofType("AWS::Lambda::EventSourceMapping")))
	if len(mappings) != 1 || mappings[0]["BatchSize"] != 10.0 || mappings[0]["MaximumBatchingWindowInSeconds"] != nil ||
		!slices.Equal(texts(mappings[0]["FunctionResponseTypes"]), []string{"ReportBatchItemFailures"}) {
		t.Errorf("event source mapping: %v", mappings)
	}
}

func TestBucketsAreKept(t *testing.T) {
	stack := parse(t, synth(t, "../ica.example.yaml")["icaguard-storage-us-east-1"])
	buckets := 0
	for id, r := range stack.Resources {
		if r.Type == "AWS::S3::Bucket" {
			buckets++
			if r.DeletionPolicy != "RetainExceptOnCreate" {
				t.Errorf("bucket %s has deletion policy %q", id, r.DeletionPolicy)
			}
		}
	}
	if buckets != 1 {
		t.Errorf("%d buckets, want 1", buckets)
	}
}

func TestAdoptedResourcesAreNotCreated(t *testing.T) {
	templates := synth(t, "testdata/adopted.yaml")
	if _, exists := templates["icaguard-storage-us-east-1"]; exists {
		t.Error("a stack without resources, which CloudFormation refuses")
	}
	home := parse(t, templates["icaguard-guard"])
	for id := range home.ofType("AWS::IAM::ManagedPolicy") {
		t.Errorf("policy %s of an adopted role", id)
	}
	for id := range home.ofType("AWS::IAM::OIDCProvider") {
		t.Errorf("provider %s of an adopted role", id)
	}
	for _, role := range home.ofType("AWS::IAM::Role") {
		if name := role["RoleName"]; name != guard.RemediateFunction && name != guard.ValidateFunction {
			t.Errorf("role %v", name)
		}
	}
	for _, s := range statementsOf(t, home, "RemediateRole") {
		for _, action := range texts(s["Action"]) {
			if action == "iam:UpdateRole" || action == "s3:PutBucketCORS" {
				t.Errorf("remediate may %s although the storage is observed", action)
			}
		}
	}
}

// TestPrefixForms: a parameter's value is resolved by CloudFormation and stands in no template.
func TestPrefixForms(t *testing.T) {
	if text := synth(t, "../ica.example.yaml")["icaguard-guard"]; !strings.Contains(text, "{{resolve:ssm:/ica/lab-prod/session-name-prefix}}-*") {
		t.Error("the trust policy does not resolve the parameter")
	}
	if text := synth(t, "testdata/shared.yaml")["icaguard-guard"]; !strings.Contains(text, `"sts:RoleSessionName": "a-literal-prefix-*"`) {
		t.Error("the trust policy does not hold the literal prefix")
	}
}

func TestInputErrors(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "ica.yaml")
	example, err := os.ReadFile("../ica.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, config, string(example))
	dist := filepath.Join(dir, "dist")
	check := func(name, want string) {
		t.Helper()
		if _, err := loadInput(config, dist); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	t.Setenv("CDK_DEFAULT_ACCOUNT", "")
	check("no account", "which account?")
	t.Setenv("CDK_DEFAULT_ACCOUNT", "123456789012")
	check("not built", "make build CONFIG="+config)
	writeFile(t, filepath.Join(dist, "remediate", "ica.yaml"), "storages: []")
	check("built with another configuration", "were built with another configuration: make build CONFIG="+config)
	writeFile(t, filepath.Join(dist, "remediate", "ica.yaml"), string(example))
	check("no binary", "bootstrap")
	for name, lines := range map[string]string{
		"homeRegion eu-central-1": "homeRegion: eu-central-1\n", "storage lab-eu is in eu-central-1": "homeRegion: us-east-1\n",
	} {
		config = filepath.Join(dir, "regions.yaml")
		writeFile(t, config, lines+"storages:\n  - {name: lab-eu, icaRegion: EU, bucket: {name: lab-eu-ica}, role: {sessionNamePrefix: \"ssm:/p\"}}\n")
		check("a second region", name+": deploying to another region than us-east-1 is not supported yet")
	}
	config = filepath.Join(dir, "missing.yaml")
	check("no configuration", "copy ica.example.yaml")
}
