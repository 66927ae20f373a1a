package main

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"github.com/icaguard/icaguard/internal/golden"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

var update = flag.Bool("update", false, "rewrite golden files")

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	jsii.Close()
	os.Exit(code)
}

// app is a synthesised app.
type app struct {
	baseline  icaconfig.Baseline
	texts     map[string]string   // templates as text, by stack
	templates map[string]template // parsed, by stack
	findings  []finding           // cdk-nag's
}

// home is the template of the guard's stack.
func (a app) home() template { return a.templates["icaguard-guard"] }

// template is a synthesised CloudFormation template.
type template struct {
	Resources map[string]resource
	Outputs   map[string]struct{ Value any }
}

type resource struct {
	Type                string
	Properties          map[string]any
	DependsOn           []string
	DeletionPolicy      string
	UpdateReplacePolicy string
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

// cases are the configurations over which every check runs, each with what it has that the others have not.
func cases() map[string]string {
	return map[string]string{
		"example":   "../ica.example.yaml",     // one region, all at home
		"regions":   "testdata/regions.yaml",   // three storages in two regions, a relay for IAM's events, KMS, adoption, a trail
		"audit-iam": "testdata/audit-iam.yaml", // us-east-1 left out
		"adopted":   "testdata/adopted.yaml",   // nothing of ICA's created but the boundary of a role that is enforced
		"shared":    "testdata/shared.yaml",    // two storages with one role, the prefix in clear
	}
}

// goldens are the cases whose templates are kept to be read.
func goldens() []string { return []string{"example", "regions", "audit-iam"} }

// TestStacks synthesises every case once, as that takes its time, and holds what comes out against everything that must
// be true of it.
func TestStacks(t *testing.T) {
	apps := map[string]app{}
	for name, config := range cases() {
		apps[name] = synth(t, load(t, config))
	}
	for name, a := range apps {
		t.Run(name, func(t *testing.T) {
			t.Run("stacks are the baseline's", func(t *testing.T) { checkStacks(t, a) })
			t.Run("statements are narrow", func(t *testing.T) { checkStatements(t, a) })
			t.Run("functions do what is declared", func(t *testing.T) { checkDeclared(t, a) })
			t.Run("writes are bounded", func(t *testing.T) { checkConditions(t, a) })
			t.Run("statements fit the reference", func(t *testing.T) { checkReference(t, a) })
			t.Run("own roles are bounded", func(t *testing.T) { checkOwnRoles(t, a) })
			t.Run("roles are worthless to others", func(t *testing.T) { checkStolen(t, a) })
			t.Run("remediate cannot touch the guard", func(t *testing.T) { checkDenied(t, a) })
			t.Run("rules are the table's", func(t *testing.T) { checkRules(t, a) })
			t.Run("rules match the samples", func(t *testing.T) { checkSamples(t, a) })
			t.Run("rules match our stacks", func(t *testing.T) { checkStackRules(t, a) })
			t.Run("the guard tells of itself", func(t *testing.T) { checkGuardChangedRule(t, a) })
			t.Run("delivery", func(t *testing.T) { checkDelivery(t, a) })
			t.Run("relays", func(t *testing.T) { checkRelays(t, a) })
			t.Run("schedules", func(t *testing.T) { checkSchedules(t, a) })
			t.Run("alarms", func(t *testing.T) { checkAlarms(t, a) })
			t.Run("what ICA needs is kept", func(t *testing.T) { checkKept(t, a) })
			t.Run("doors", func(t *testing.T) { checkDoors(t, a) })
		})
	}
	t.Run("golden", func(t *testing.T) { checkGolden(t, apps) })
	t.Run("adopted is not created", func(t *testing.T) { checkAdopted(t, apps["adopted"]) })
	t.Run("namespaces", func(t *testing.T) { checkNamespaces(t, apps["shared"]) })
	t.Run("prefix", func(t *testing.T) { checkPrefixForms(t, apps) })
	t.Run("trail", func(t *testing.T) { checkTrail(t, apps) })
	t.Run("cdk-nag", func(t *testing.T) { checkNag(t, apps) })
	t.Run("cfn-lint", func(t *testing.T) { checkLint(t, apps) })
	t.Run("docs", func(t *testing.T) { checkResourcesPage(t, apps["regions"]) })
}

func load(t *testing.T, config string) icaconfig.Baseline {
	t.Helper()
	file, err := icaconfig.Load(config, settings.Exceptable())
	if err != nil {
		t.Fatal(err)
	}
	owner, err := file.Owner("123456789012", "aws")
	if err != nil {
		t.Fatal(err)
	}
	baseline := file.Baseline(owner)
	return baseline
}

// synth runs the app over a configuration as the CDK command line does, with cdk-nag beside it.
func synth(t *testing.T, b icaconfig.Baseline) app {
	t.Helper()
	dist := t.TempDir()
	for _, function := range []string{"remediate", "validate"} {
		writeFile(t, filepath.Join(dist, function, "bootstrap"), "stands for the binary, whose hash is normalised")
	}
	root := awscdk.NewApp(
		&awscdk.AppProps{Outdir: jsii.String(t.TempDir()), AnalyticsReporting: jsii.Bool(false), Context: context(t)},
	)
	if err := newStacks(root, input{baseline: b, dist: dist, goarch: "arm64"}); err != nil {
		t.Fatal(err)
	}
	awscdk.Aspects_Of(root).Add(cdknag.NewAwsSolutionsChecks(&cdknag.NagPackProps{Reports: jsii.Bool(false)}), nil)
	assembly := root.Synth(nil)
	if err := checkTemplates(assembly); err != nil {
		t.Fatal(err)
	}
	a := app{
		baseline:  b,
		texts:     map[string]string{},
		templates: map[string]template{},
		findings:  findingsOf(t, *assembly.Directory()),
	}
	for _, stack := range *assembly.Stacks() {
		if !*stack.TerminationProtection() {
			t.Errorf("stack %s can be deleted without a second thought", *stack.StackName())
		}
		text, err := json.MarshalIndent(stack.Template(), "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		a.texts[*stack.StackName()], a.templates[*stack.StackName()] = string(text), parse(t, string(text))
	}
	return a
}

// context is cdk.json's: it decides what CDK makes of the same code.
func context(t *testing.T) *map[string]any {
	t.Helper()
	var cdk struct{ Context map[string]any }
	readJSON(t, "../cdk.json", &cdk)
	// or cdk-nag's findings end the synthesis: checkNag reads them
	cdk.Context["@aws-cdk/core:annotationsInValidationReport"] = false
	return &cdk.Context
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

func checkGolden(t *testing.T, apps map[string]app) {
	for _, name := range goldens() {
		for stack, text := range apps[name].texts {
			text = regexp.MustCompile(`[0-9a-f]{64}\.zip`).ReplaceAllString(text, "ASSET.zip")
			text = strings.ReplaceAll(text, apps[name].baseline.Digest, "DIGEST")
			golden.Check(t, *update, filepath.Join("testdata", "golden", name, stack+".json"), text+"\n")
		}
	}
}

// checkStacks: each stack that the guard asks for is there with its digest, and none has a resource that is a program of its own.
func checkStacks(t *testing.T, a app) {
	if len(a.templates) != len(a.baseline.Stacks) {
		t.Errorf("%d stacks, the baseline names %d", len(a.templates), len(a.baseline.Stacks))
	}
	for _, s := range a.baseline.Stacks {
		parsed := a.templates[s.Name]
		if digest := parsed.Outputs[icaconfig.DigestOutput].Value; digest != a.baseline.Digest {
			t.Errorf("stack %s says digest %v, want %s", s.Name, digest, a.baseline.Digest)
		}
		for id, r := range parsed.Resources {
			if strings.HasPrefix(r.Type, "Custom::") || strings.HasPrefix(r.Type, "AWS::CloudFormation::") {
				t.Errorf("%s in %s is a %s", id, s.Name, r.Type)
			}
		}
		if len(parsed.ofType("AWS::Lambda::Function")) > 0 && s.Kind != icaconfig.GuardStack {
			t.Errorf("stack %s has a function", s.Name)
		}
	}
	if functions := a.home().ofType("AWS::Lambda::Function"); len(functions) != 2 {
		t.Errorf("%d functions, want remediate and validate", len(functions))
	}
}

func checkAdopted(t *testing.T, a app) {
	if _, exists := a.templates["icaguard-storage-us-east-1"]; exists {
		t.Error("a stack without resources, which CloudFormation refuses")
	}
	for id, policy := range a.home().ofType("AWS::IAM::ManagedPolicy") {
		if policy["ManagedPolicyName"] != "icaguard-boundary-ica-enforced" {
			t.Errorf("policy %s of an adopted role", id)
		}
	}
	for id := range a.home().ofType("AWS::IAM::OIDCProvider") {
		t.Errorf("provider %s of an adopted role", id)
	}
	for _, role := range a.home().ofType("AWS::IAM::Role") {
		if !strings.HasPrefix(role["RoleName"].(string), "icaguard-") {
			t.Errorf("role %v", role["RoleName"])
		}
	}
}

// checkNamespaces: S3 creates a name of the account's regional namespace only where it is told so, and no other one
// then.
func checkNamespaces(t *testing.T, a app) {
	namespaces := map[any]any{}
	for _, bucket := range a.templates["icaguard-storage-us-east-1"].ofType("AWS::S3::Bucket") {
		namespaces[bucket["BucketName"]] = bucket["BucketNamespace"]
	}
	want := map[any]any{"lab-prod-ica": nil, "lab-test-ica-123456789012-us-east-1-an": "account-regional"}
	if !maps.Equal(namespaces, want) {
		t.Errorf("namespaces %v, want %v", namespaces, want)
	}
}

// checkPrefixForms: a parameter's value is resolved by CloudFormation and stands in no template.
func checkPrefixForms(t *testing.T, apps map[string]app) {
	if !strings.Contains(apps["example"].texts["icaguard-guard"], "{{resolve:ssm:/ica/lab-prod/session-name-prefix}}-*") {
		t.Error("the trust policy does not resolve the parameter")
	}
	if !strings.Contains(apps["shared"].texts["icaguard-guard"], `"sts:RoleSessionName": "a-literal-prefix-*"`) {
		t.Error("the trust policy does not hold the literal prefix")
	}
}
