package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// replacing are the properties whose change makes CloudFormation replace a resource ("Update requires: Replacement" in
// its template reference), of the types that ICA, or what the guard remembers, depends on.
func replacing() map[string][]string {
	return map[string][]string{
		"AWS::S3::Bucket":         {"BucketName", "ObjectLockEnabled"},
		"AWS::IAM::Role":          {"RoleName", "Path"},
		"AWS::IAM::ManagedPolicy": {"ManagedPolicyName", "Path", "Description"},
		"AWS::IAM::OIDCProvider":  {"Url"},
		"AWS::DynamoDB::Table":    {"TableName", "AttributeDefinitions", "KeySchema"},
		"AWS::CloudTrail::Trail":  {"TrailName"},
	}
}

// kept says whether deleting the stack, or leaving the resource out of it, leaves the resource where it is. A first
// deploy that fails takes it away again, but for the trail's bucket, in which something may stand by then.
func (r resource) kept(id string) bool {
	policy := "RetainExceptOnCreate"
	if strings.HasPrefix(id, "TrailBucket") {
		policy = "Retain"
	}
	return r.DeletionPolicy == policy && r.UpdateReplacePolicy == "Retain"
}

// checkKept: ICA's role, policies and provider, the buckets and the ledger outlive the stack.
func checkKept(t *testing.T, a app) {
	for stack, parsed := range a.templates {
		for id, r := range parsed.Resources {
			name, _ := r.Properties["RoleName"].(string)
			ours := strings.HasPrefix(name, "icaguard-")
			if _, precious := replacing()[r.Type]; precious && !ours && r.Type != "AWS::CloudTrail::Trail" && !r.kept(id) {
				t.Errorf("%s in %s has deletion policy %q, on replacement %q", id, stack, r.DeletionPolicy, r.UpdateReplacePolicy)
			}
		}
	}
}

const before = `account: "123456789012"
tags: {owner: genomics}
storages:
  - name: lab-prod
    icaRegion: US
    bucket: {name: lab-prod-ica, folder: ica}
    role: {sessionNamePrefix: "ssm:/ica/lab-prod/prefix"}
  - name: lab-eu
    icaRegion: EU
    bucket: {name: lab-eu-ica}
    role: {name: ICA.Europe, policyName: ica-europe, sessionNamePrefix: "ssm:/ica/lab-eu/prefix"}
`

// TestUpdatesReplaceNothing changes whatever may be changed about a storage that stands, and lets a storage be removed.
func TestUpdatesReplaceNothing(t *testing.T) {
	old := synth(t, configure(t, before))
	t.Run("changed", func(t *testing.T) {
		changed := synth(t, configure(t, replace(
			t,
			before,
			"tags: {owner: genomics}",
			"tags: {owner: somebody, cost: \"7\"}\nmode: observe\naudit: 24h",
			"name: lab-prod-ica, folder: ica",
			`name: lab-prod-ica, folder: data/new, versioning: enabled, objectTags: true, crossAccountCopy: true, kmsKeyArn: "arn:aws:kms:us-east-1:123456789012:key/0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"`,
			`role: {sessionNamePrefix: "ssm:/ica/lab-prod/prefix"}`,
			`role: {sessionNamePrefix: "ssm:/ica/lab-prod/other", description: what it is for}`,
		)))
		for stack, parsed := range old.templates {
			for id, was := range parsed.Resources {
				now, exists := changed.templates[stack].Resources[id]
				if !exists || now.Type != was.Type {
					t.Errorf("%s in %s is gone", id, stack)
					continue
				}
				for _, property := range replacing()[was.Type] {
					if text(now.Properties[property]) != text(was.Properties[property]) {
						t.Errorf("%s in %s is replaced: %s becomes %v", id, stack, property, now.Properties[property])
					}
				}
			}
		}
	})
	t.Run("removed", func(t *testing.T) {
		first, _, _ := strings.Cut(before, "  - name: lab-eu")
		remaining := synth(t, configure(t, first))
		for stack, parsed := range old.templates {
			for id, was := range parsed.Resources {
				if _, stays := remaining.templates[stack].Resources[id]; !stays && !was.kept(id) && !ofGuard(was) {
					t.Errorf("%s in %s, a %s, is deleted with the storage", id, stack, was.Type)
				}
			}
		}
	})
}

// TestLifecycle holds docs/deploy.md to what the templates do: what leaves a stack and is kept must not be in the way
// of what comes.
func TestLifecycle(t *testing.T) {
	old := synth(t, configure(t, before))
	const adopted = `oidcProvider: {existing: true}` + "\n    mode: enforce"
	for name, c := range map[string]struct {
		edits     []string
		destroyed bool     // all of the old was destroyed before
		inTheWay  []string // names that stay, and that what comes wants to have
	}{
		"the role has another name, and so has its policy": {edits: []string{
			"name: ICA.Europe, policyName: ica-europe",
			"name: ICA.New, policyName: ica-new",
		}},
		"the role has another name, its policy has not": {
			edits:    []string{"name: ICA.Europe,", "name: ICA.New,"},
			inTheWay: []string{"ica-europe"},
		},
		"another region of ICA, and another bucket": {edits: []string{
			"icaRegion: EU", "icaRegion: GB", "lab-eu-ica",
			"lab-gb-ica",
		}},
		"another region of ICA, the same bucket": {
			edits:    []string{"icaRegion: EU", "icaRegion: GB"},
			inTheWay: []string{"lab-eu-ica"},
		},
		"deployed again after destroy, as it was": {
			destroyed: true,
			inTheWay: []string{
				"ICA.Europe", "Illumina_ICA_Role", "https://oidc.eks.eu-central-1.amazonaws.com/id/FD40D1945EBD71D8433A98C0CE04E625",
				"https://oidc.eks.us-east-1.amazonaws.com/id/10FBA7EDEB5930CCFC300EF5AC3DB2FE", "ica-europe", "icaguard-boundary-ICA.Europe",
				"icaguard-boundary-Illumina_ICA_Role", "icaguard-ledger", "illumina-ica-admin-policy", "lab-eu-ica", "lab-prod-ica",
			},
		},
		"deployed again after destroy, what stayed is adopted": {
			destroyed: true, inTheWay: []string{"icaguard-ledger"},
			edits: []string{
				"{name: lab-prod-ica, folder: ica}", "{name: lab-prod-ica, folder: ica, existing: true}", "{name: lab-eu-ica}",
				"{name: lab-eu-ica, existing: true}",
				`role: {sessionNamePrefix`, adopted + "\n    role: {existing: true, boundary: " +
					"\"arn:aws:iam::123456789012:policy/icaguard-boundary-Illumina_ICA_Role\", sessionNamePrefix",
				`role: {name: ICA.Europe,`, adopted + "\n    role: {existing: true, boundary: " +
					"\"arn:aws:iam::123456789012:policy/icaguard-boundary-ICA.Europe\", name: ICA.Europe,",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(
				c.inTheWay, inTheWay(old, synth(t, configure(t, replace(t, before, c.edits...))), c.destroyed),
			); diff != "" {
				t.Errorf("names in the way (-want +got):\n%s", diff)
			}
		})
	}
}

// inTheWay lists the names of what leaves the stacks, is kept, and bears the name of something new.
func inTheWay(old, changed app, destroyed bool) []string {
	kept := map[string]bool{}
	for stack, parsed := range old.templates {
		for id, was := range parsed.Resources {
			if _, stays := changed.templates[stack].Resources[id]; (!stays || destroyed) && was.kept(id) {
				kept[was.Type+" "+was.name()] = true
			}
		}
	}
	var names []string
	for stack, parsed := range changed.templates {
		for id, now := range parsed.Resources {
			if _, stood := old.templates[stack].Resources[id]; (!stood || destroyed) && kept[now.Type+" "+now.name()] {
				names = append(names, now.name())
			}
		}
	}
	slices.Sort(names)
	return names
}

// name is the one that a resource has in the account.
func (r resource) name() string {
	for _, property := range []string{"BucketName", "RoleName", "ManagedPolicyName", "TableName", "Url"} {
		if name, ok := r.Properties[property].(string); ok {
			return name
		}
	}
	return ""
}

// ofGuard says that a resource is how the guard hears of a storage, nothing that ICA uses.
func ofGuard(r resource) bool {
	name, _ := r.Properties["RoleName"].(string)
	return strings.HasPrefix(name, "icaguard-") ||
		slices.Contains([]string{"AWS::CloudWatch::Alarm", "AWS::Events::Rule", "AWS::SQS::Queue", "AWS::SQS::QueuePolicy"}, r.Type)
}

func configure(t *testing.T, config string) icaconfig.Baseline {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ica.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return load(t, file)
}

func replace(t *testing.T, config string, oldnew ...string) string {
	t.Helper()
	for i := 0; i < len(oldnew); i += 2 {
		if !strings.Contains(config, oldnew[i]) {
			t.Fatalf("no %q in the configuration", oldnew[i])
		}
		config = strings.Replace(config, oldnew[i], oldnew[i+1], 1)
	}
	return config
}

// largest writes a configuration of n storages of the largest kind: KMS key, cross-account copy, a role each,
// everything enforced.
func largest(n int) string {
	var b strings.Builder
	b.WriteString("account: \"123456789012\"\nalerts: {emails: [storage-oncall@example.org]}\nstorages:\n")
	for i := range n {
		fmt.Fprintf(&b, `  - name: laboratory-%03[1]d
    icaRegion: US
    bucket:
      name: laboratory-%03[1]d-illumina-connected-analytics
      folder: ica
      versioning: enabled
      objectTags: true
      crossAccountCopy: true
      kmsKeyArn: "arn:aws:kms:us-east-1:123456789012:key/0f1e2d3c-4b5a-6978-8796-%012[1]d"
    role:
      name: Illumina_ICA_Role_%03[1]d
      policyName: illumina-ica-admin-policy-%03[1]d
      sessionNamePrefix: "ssm:/ica/laboratory-%03[1]d/session-name-prefix"
      strict: true
    kms: {restore: true}
`, i)
	}
	return b.String()
}
