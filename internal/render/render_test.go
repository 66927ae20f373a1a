package render

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

const account = "123456789012"

// storages are n storages with every option that adds a setting, each with a role of its own.
func storages(t *testing.T, n int) []icaconfig.Storage {
	t.Helper()
	text := "storages:\n"
	for i := range n {
		text += fmt.Sprintf(`  - name: lab-%[1]d
    icaRegion: US
    bucket: {name: lab-%[1]d-ica, folder: ica, versioning: enabled, crossAccountCopy: true,
        kmsKeyArn: "arn:aws:kms:us-east-1:123456789012:key/%[1]d"}
    role: {name: Role%[1]d, policyName: policy-%[1]d, strict: true, sessionNamePrefix: "ssm:/ica/%[1]d"}
    kms: {restore: true}
`, i)
	}
	return storagesOf(t, text)
}

func storagesOf(t *testing.T, text string) []icaconfig.Storage {
	t.Helper()
	file, err := icaconfig.Parse("ica.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	owner, err := file.Owner(account, "aws")
	if err != nil {
		t.Fatal(err)
	}
	return file.Baseline(owner).Storages
}

func TestSources(t *testing.T) {
	var sources []string
	for _, s := range icaconfig.Sources() {
		sources = append(sources, s.Document)
	}
	if want := slices.Concat(sources, []string{"scp", "scp-icaguard", "reader-policy"}); !slices.Equal(Documents(), want) {
		t.Errorf("documents %v, but sources are known for %v", Documents(), sources)
	}
	for _, k := range kinds() {
		if k.source.Sure == "" || k.source.Why == "" {
			t.Errorf("%s: nobody says how sure it is", k.name)
		}
	}
	own := icaconfig.DocumentsSpec{CORS: "my-cors.json"}
	rendered, err := Document("cors", Request{Storage: storages(t, 1)[0], Own: own, Account: account, File: "cors.json"})
	if err != nil || !strings.Contains(rendered.Apply, "# How sure it is: yours, from my-cors.json") {
		t.Errorf("%v: a document of the user's is not told:\n%s", err, rendered.Apply)
	}
}

func renderSCP(t *testing.T, name string, s icaconfig.Storage) (string, policy.Document) {
	t.Helper()
	rendered, err := Document(name, Request{Storage: s, Account: account, File: "scp.json", Qualifier: "lab"})
	if err != nil {
		t.Fatal(err)
	}
	document, err := policy.Parse(rendered.Documents[0])
	if err != nil {
		t.Fatal(err)
	}
	return rendered.Documents[0], document
}

// changes are what icaguard may write for a storage, which nobody else may.
func changes(storage icaconfig.Storage) []policy.Calls {
	var calls []policy.Calls
	for _, s := range guard.WriteStatements(settings.All(), []icaconfig.Storage{storage}) {
		s.Action = slices.DeleteFunc(s.Action, func(a string) bool { return strings.HasPrefix(a, "ssm:") })
		for _, action := range s.Action {
			calls = append(calls, policy.Calls{Actions: []string{action}, Resources: s.Resource})
		}
	}
	return calls
}

func roleCaller(role string) policy.Caller {
	return policy.Caller{RoleARN: "arn:aws:iam::" + account + ":role/" + role}
}

// execRole is CloudFormation's role, as `cdk bootstrap --qualifier lab` names it.
const execRole = "cdk-lab-cfn-exec-role-" + account + "-us-east-1"

func denied(document policy.Document, role string, calls policy.Calls) bool {
	return slices.ContainsFunc(
		policy.Denies(document, roleCaller(role), []policy.Calls{calls}), func(h policy.Hit) bool { return h.Certain },
	)
}

// TestSCPDeniesAllButIcaguard: administrators too, and whoever takes a name like that of a role which is excepted.
func TestSCPDeniesAllButIcaguard(t *testing.T) {
	s := storages(t, 2)[1]
	_, document := renderSCP(t, "scp", s)
	all := append(changes(s), policy.Calls{
		Actions: []string{"s3:DeleteBucket"}, Resources: []string{s.Bucket.ARN},
	}, policy.Calls{Actions: []string{"s3:DeleteBucketPolicy"}, Resources: []string{s.Bucket.ARN}})
	for _, calls := range all {
		for _, role := range []string{guard.RemediateFunction, execRole} {
			if hits := policy.Denies(document, roleCaller(role), []policy.Calls{calls}); len(hits) > 0 {
				t.Errorf("%s is kept from %v: %v", role, calls, hits)
			}
		}
		for _, role := range []string{
			"Administrator", guard.ValidateFunction, "icaguard-remediate-not", "sneaky/icaguard-remediate",
			"cdk-hnb659fds-cfn-exec-role-" + account + "-us-east-1", "cdk-lab-cfn-exec-role-" + account + "-eu-west-1",
			"sneaky/" + execRole, "cdk-x-cfn-exec-role-x",
		} {
			if !denied(document, role, calls) {
				t.Errorf("%s may do %v", role, calls)
			}
		}
	}
}

// TestSCPOfIcaguard: what changes icaguard itself, or a role that the other policies except, only CloudFormation may do.
func TestSCPOfIcaguard(t *testing.T) {
	s := storages(t, 1)[0]
	_, document := renderSCP(t, "scp-icaguard", s)
	arn := func(service, resource string) string { return s.Home.ARN(service, s.Home.HomeRegion, resource) }
	iam := func(name string) string { return s.Home.ARN("iam", "", name) }
	for _, c := range []struct{ action, resource string }{
		{"lambda:UpdateFunctionCode", arn("lambda", "function:icaguard-remediate")},
		{"lambda:AddPermission", arn("lambda", "function:icaguard-validate")},
		{"sqs:SetQueueAttributes", arn("sqs", "icaguard-requests")},
		{"events:DisableRule", arn("events", "rule/icaguard-events-iam")},
		{"sns:SetTopicAttributes", arn("sns", "icaguard-alerts")},
		{"dynamodb:DeleteTable", arn("dynamodb", "table/icaguard-ledger")},
		{"iam:PutRolePolicy", iam("role/icaguard-remediate")},
		{"iam:AttachRolePolicy", iam("role/icaguard-validate")},
		{"iam:UpdateAssumeRolePolicy", iam("role/" + execRole)},
		{"iam:CreateRole", iam("role/" + execRole)},
		{"iam:PutRolePolicy", iam("role/cdk-lab-deploy-role-" + account + "-us-east-1")},
		{"iam:CreatePolicyVersion", iam("policy/icaguard-boundary-Role0")},
		{"iam:PassRole", iam("role/icaguard-remediate")},
		{"iam:PassRole", iam("role/" + execRole)},
		{"cloudformation:UpdateStack", arn("cloudformation", "stack/icaguard-guard/0123")},
	} {
		calls := policy.Calls{Actions: []string{c.action}, Resources: []string{c.resource}}
		for _, role := range []string{"Administrator", guard.RemediateFunction, guard.ValidateFunction, "sneaky/" + execRole} {
			if !denied(document, role, calls) {
				t.Errorf("%s may do %v", role, c)
			}
		}
		if hits := policy.Denies(document, roleCaller(execRole), []policy.Calls{calls}); len(hits) > 0 {
			t.Errorf("CloudFormation is kept from %v: %v", c, hits)
		}
	}
	mappings := document.Statements()[len(document.Statements())-1]
	if got := mappings.ConditionValues("lambda:FunctionArn"); !slices.Equal(got, []string{arn("lambda", "function:icaguard-*")}) {
		t.Errorf("mappings are told by %q", got)
	}
	for _, change := range []string{"Create", "Update", "Delete"} {
		mapping := policy.Calls{
			Actions:   []string{"lambda:" + change + "EventSourceMapping"},
			Resources: []string{arn("lambda", "event-source-mapping:0123")},
		}
		for role, want := range map[string]int{"Administrator": 1, guard.RemediateFunction: 1, "sneaky/" + execRole: 1, execRole: 0} {
			if hits := policy.Denies(document, roleCaller(role), []policy.Calls{mapping}); len(hits) != want {
				t.Errorf("%s, %v: %v", role, mapping, hits)
			}
		}
	}
	for _, c := range []struct{ action, resource string }{
		{"lambda:InvokeFunction", arn("lambda", "function:icaguard-validate")},
		{"ssm:PutParameter", arn("ssm", "parameter/icaguard/pause/all")},
		{"sqs:ReceiveMessage", arn("sqs", "icaguard-dead-letters")},
		{"sns:Subscribe", arn("sns", "icaguard-alerts")},
		{"iam:PutRolePolicy", iam("role/lab")},
		{"cloudtrail:StopLogging", arn("cloudtrail", "trail/organisation")},
	} {
		if denied(document, "Administrator", policy.Calls{Actions: []string{c.action}, Resources: []string{c.resource}}) {
			t.Errorf("people are kept from %v", c)
		}
	}
}

func TestSCPSparesICA(t *testing.T) {
	for _, s := range storages(t, 2) {
		_, document := renderSCP(t, "scp", s)
		permissions, err := policy.Parse(indented(s.Role.Policy.Document))
		if err != nil {
			t.Fatal(err)
		}
		if hits := policy.Denies(document, policy.Caller{RoleARN: s.Role.ARN}, permissions.Calls()); len(hits) > 0 {
			t.Errorf("ICA's role %s is kept from what it needs: %v", s.Role.Name, hits)
		}
		cors := policy.Calls{Actions: []string{"s3:PutBucketCORS"}, Resources: []string{s.Bucket.ARN}}
		if hits := policy.Denies(document, policy.Caller{RoleARN: s.Role.ARN}, []policy.Calls{cors}); len(hits) == 0 {
			t.Errorf("ICA's role %s may change CORS", s.Role.Name)
		}
	}
}

// TestSCPLeavesWhatIsTheLabsOwn: what the guard only watches for this storage anybody may change.
func TestSCPLeavesWhatIsTheLabsOwn(t *testing.T) {
	text, _ := renderSCP(t, "scp", storagesOf(t, `storages:
  - {name: lab, icaRegion: US, bucket: {name: lab-ica, existing: true}, role: {existing: true,
      sessionNamePrefix: "ssm:/x"}, oidcProvider: {existing: true}}
`)[0])
	for _, action := range []string{
		"s3:PutBucketVersioning", "s3:PutLifecycleConfiguration", "s3:PutBucketPolicy", "s3:PutEncryptionConfiguration",
		"iam:PutRolePermissionsBoundary", "kms:",
	} {
		if strings.Contains(text, action) {
			t.Errorf("%s is denied:\n%s", action, text)
		}
	}
	for _, action := range []string{"iam:PutRolePolicy", "iam:AttachRolePolicy"} { // whoever may do that passes all the rest
		if !strings.Contains(text, action) {
			t.Errorf("%s is open:\n%s", action, text)
		}
	}
}

// TestSCPFits: the largest storage, and icaguard at home and in every region of ICA.
func TestSCPFits(t *testing.T) {
	text := "trail: create\nhomeRegion: us-east-1\nstorages:\n"
	for i, region := range icaconfig.Regions() {
		if region.OIDCProviderID == "" {
			continue
		}
		text += fmt.Sprintf(
			"  - {name: lab-%[1]d, icaRegion: %[2]s, bucket: {name: lab-%[1]d-ica}, role: {name: Role%[1]d, policyName: policy-%[1]d,\n"+
				"      sessionNamePrefix: \"ssm:/ica/%[1]d\"}}\n", i, region.ID)
	}
	for name, s := range map[string]icaconfig.Storage{"scp": storages(t, 1)[0], "scp-icaguard": storagesOf(t, text)[0]} {
		if document, _ := renderSCP(t, name, s); len(document) > mostOfSCP {
			t.Errorf("%s has %d characters", name, len(document))
		}
	}
}

func TestNone(t *testing.T) {
	if _, err := Document("key-policy", Request{Storage: icaconfig.Storage{Name: "lab"}}); !errors.Is(err, ErrNone) {
		t.Errorf("a key policy without a key: %v", err)
	}
	if _, err := Document("policy", Request{}); err == nil || !strings.Contains(err.Error(), strings.Join(Documents(), ", ")) {
		t.Errorf("an unknown document: %v", err)
	}
}
