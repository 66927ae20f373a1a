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
	file, err := icaconfig.Parse("ica.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	owner, err := file.Owner(account, "aws")
	if err != nil {
		t.Fatal(err)
	}
	baseline := file.Baseline(owner)
	return baseline.Storages
}

func TestSources(t *testing.T) {
	var sources []string
	for _, s := range icaconfig.Sources() {
		sources = append(sources, s.Document)
	}
	if want := slices.Concat(sources, []string{"scp"}); !slices.Equal(Documents(), want) {
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

func renderSCP(t *testing.T, all []icaconfig.Storage) (string, policy.Document) {
	t.Helper()
	rendered, err := Document("scp", Request{Storage: all[0], Others: all[1:], Account: account, File: "scp.json"})
	if err != nil {
		t.Fatal(err)
	}
	document, err := policy.Parse(rendered.Document)
	if err != nil {
		t.Fatal(err)
	}
	return rendered.Document, document
}

// changes are what the guard may write, which nobody else may.
func changes(all []icaconfig.Storage) []policy.Calls {
	var calls []policy.Calls
	for _, s := range guard.WriteStatements(settings.All(), all) {
		s.Action = slices.DeleteFunc(s.Action, func(a string) bool { return strings.HasPrefix(a, "ssm:") })
		for _, action := range s.Action {
			calls = append(calls, policy.Calls{Actions: []string{action}, Resources: s.Resource})
		}
	}
	return calls
}

func TestSCPDeniesAllButTheGuard(t *testing.T) {
	all := storages(t, 2)
	_, document := renderSCP(t, all)
	caller := func(role string) policy.Caller {
		return policy.Caller{RoleARN: "arn:aws:iam::" + account + ":role/" + role}
	}
	destructive := policy.Calls{
		Actions:   []string{"s3:DeleteBucket", "s3:DeleteBucketPolicy"},
		Resources: []string{all[1].Bucket.ARN},
	}
	for _, calls := range append(changes(all), destructive) {
		for _, role := range []string{guard.RemediateFunction, "cdk-hnb659fds-cfn-exec-role-" + account + "-us-east-1"} {
			if hits := policy.Denies(document, caller(role), []policy.Calls{calls}); len(hits) > 0 {
				t.Errorf("%s is kept from %v: %v", role, calls, hits)
			}
		}
		for _, role := range []string{"Administrator", guard.ValidateFunction, "icaguard-remediate-not", "sneaky/icaguard-remediate"} {
			hits := policy.Denies(document, caller(role), []policy.Calls{calls})
			if !slices.ContainsFunc(hits, func(h policy.Hit) bool { return h.Certain }) {
				t.Errorf("%s may do %v", role, calls)
			}
		}
	}
}

func TestSCPSparesICA(t *testing.T) {
	all := storages(t, 2)
	_, document := renderSCP(t, all)
	for _, s := range all {
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
	file, err := icaconfig.Parse("ica.yaml", []byte(`storages:
  - {name: lab, icaRegion: US, bucket: {name: lab-ica, existing: true}, role: {existing: true,
      sessionNamePrefix: "ssm:/x"}, oidcProvider: {existing: true}}
`))
	if err != nil {
		t.Fatal(err)
	}
	owner, err := file.Owner(account, "aws")
	if err != nil {
		t.Fatal(err)
	}
	baseline := file.Baseline(owner)
	text, _ := renderSCP(t, baseline.Storages)
	for _, action := range []string{
		"s3:PutBucketVersioning", "s3:PutLifecycleConfiguration", "s3:PutBucketPolicy", "s3:PutEncryptionConfiguration",
		"iam:PutRolePermissionsBoundary", "iam:PutRolePolicy", "kms:",
	} {
		if strings.Contains(text, action) {
			t.Errorf("%s is denied:\n%s", action, text)
		}
	}
}

func TestSCPFits(t *testing.T) {
	for n := 1; ; n++ {
		all := storages(t, n)
		rendered, err := Document("scp", Request{Storage: all[0], Others: all[1:], Account: account, File: "scp.json"})
		switch {
		case err != nil && n > 1 && strings.Contains(err.Error(), "AWS takes 5120") && strings.Contains(err.Error(), "--storage"):
			return
		case err != nil:
			t.Fatalf("%d storages: %v", n, err)
		case len(rendered.Document) > mostOfSCP:
			t.Fatalf("%d storages: %d characters", n, len(rendered.Document))
		}
		if _, err := policy.Parse(rendered.Document); err != nil {
			t.Fatalf("%d storages: %v", n, err)
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
