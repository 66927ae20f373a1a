package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	"github.com/icaguard/icaguard/internal/policy"
	"github.com/icaguard/icaguard/internal/render"
	"github.com/icaguard/icaguard/internal/testlab"
)

// toRead is a storage with all that a check may read.
const toRead = `mode: enforce
organization: o-reading00000
alerts: {emails: [storage-oncall@example.org]}
storages:
  - name: read
    icaRegion: US
    bucket: {name: read-ica, folder: ica, kmsKeyArn: "KEY"}
    role: {name: read-role, policyName: read-policy, sessionNamePrefix: "ssm:/ica/read/session-name-prefix"}
`

// newReader is a lab with icaguard beside it, whose commands may do what reader-policy allows, and nothing else.
func newReader(t *testing.T) (storageEnv, localaws.Grants) {
	t.Helper()
	local := localawstest.Start(t)
	key, err := kms.NewFromConfig(local.DirectConfig(testlab.Region)).CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	d := storageEnvOf(t, testlab.NewFrom(t, local, strings.Replace(toRead, "KEY", aws.ToString(key.KeyMetadata.Arn), 1)))
	testlab.MakeHome(t, local, d.Storage.Home)
	var grants localaws.Grants
	a := d.run("render", "reader-policy")
	for decoder := json.NewDecoder(strings.NewReader(a.stdout)); decoder.More(); {
		var document policy.Document
		d.must(nil, decoder.Decode(&document))
		grants.Identity = append(grants.Identity, document.Statements()...)
	}
	if len(grants.Identity) == 0 {
		t.Fatal(a.transcript())
	}
	local.Recorder().Authorize(d.Key(), grants)
	return d, grants
}

// readAll runs every reading command, and answers what was refused meanwhile.
func (d storageEnv) readAll() []localaws.Refusal {
	d.t.Helper()
	for _, args := range [][]string{
		{"validate"},
		{"validate", "--storage", "read"},
		{"validate", "--setting", "guard-topic"},
		{"check-keys"},
		{"replay", d.event("aws.iam.UpdateRole.json")},
		{"replay", d.event("aws.s3.DeleteBucketCors.json")},
		{"replay", d.event("aws.lambda.UpdateFunctionCode20150331v2.json")},
		{"init", "--out", "found.yaml"},
		{"render", "cors"},
		{"regions"},
	} {
		a := d.run(args...)
		if text := a.transcript(); strings.Contains(text, "is not authorized to") || strings.Contains(text, "lack the permission") {
			d.t.Errorf("refused:\n%s", a.transcript())
		}
	}
	return d.Local.Recorder().TakeRefusals(d.Key())
}

// drift makes what a check looks into more closely: another policy of the role, and another version of its own.
func (d storageEnv) drift() {
	d.t.Helper()
	document := aws.String(
		`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::logs"}}`,
	)
	client, role := d.IAM(testlab.Stranger), d.Storage.Role
	d.must(client.PutRolePolicy(d.t.Context(), &iam.PutRolePolicyInput{
		RoleName: &role.Name, PolicyName: aws.String("lab"), PolicyDocument: document,
	}))
	d.must(client.CreatePolicyVersion(d.t.Context(), &iam.CreatePolicyVersionInput{
		PolicyArn: &role.Policy.ARN, PolicyDocument: document, SetAsDefault: true,
	}))
}

// TestReaderPolicy runs the reading commands under exactly what render prints for them. What they need is what it allows,
// in both directions, and without any of its actions something would be refused.
func TestReaderPolicy(t *testing.T) {
	d, grants := newReader(t)
	d.drift()
	for _, refusal := range d.readAll() {
		t.Error(refusal)
	}
	testlab.ExpectReads(t, d.Calls())
	used := map[string]bool{}
	for _, j := range d.Local.Recorder().Judged(d.Key()) {
		used[j.Action] = true
		if decision, err := j.Again(j.Action); err != nil || decision.Allowed {
			t.Errorf("%s on %s without that action: %+v, %v", j.Action, j.Resource, decision, err)
		}
	}
	for _, s := range grants.Identity {
		for _, action := range s.Action {
			if !used[action] {
				t.Errorf("%s is allowed, and no command used it", action)
			}
		}
	}
}

// TestReaderPolicyLacksOne: an action that is missing shows.
func TestReaderPolicyLacksOne(t *testing.T) {
	d, grants := newReader(t)
	d.Local.Recorder().Authorize(d.Key(), grants.Without("s3:GetBucketCORS"))
	if a := d.run("validate"); a.code != 2 || !strings.Contains(a.stdout, "s3:GetBucketCORS") {
		t.Errorf("want what could not be read:\n%s", a.transcript())
	}
	refused := d.Local.Recorder().TakeRefusals(d.Key())
	if len(refused) == 0 || refused[0].Action != "s3:GetBucketCORS" || refused[0].Resource != "arn:aws:s3:::read-ica" {
		t.Errorf("refusals %v", refused)
	}
}

// TestReaderPolicyFits: however many storages there are, each document is one that IAM takes, and all of them are read.
func TestReaderPolicyFits(t *testing.T) {
	d := newEnv(t, t.TempDir(), nil)
	text := "account: \"123456789012\"\nstorages:\n"
	for name := 'a'; name <= 'l'; name++ {
		text += fmt.Sprintf("  - {name: %[1]s, icaRegion: US, bucket: {name: %[1]s-ica}, role: {name: %[1]s, policyName: %[1]s, "+
			"sessionNamePrefix: \"ssm:/ica/%[1]s\"}}\n", strings.Repeat(string(name), 30))
	}
	d.write("ica.yaml", text)
	d.mustRun("render", "reader-policy", "--out", "reader.json")
	var all []policy.Statement
	number := 1
	for content, err := d.read("reader.json"); err == nil; content, err = d.read(render.FileName("reader.json", number)) {
		document, err := policy.Parse(content)
		d.must(nil, err)
		var short bytes.Buffer
		d.must(nil, json.Compact(&short, []byte(content)))
		if short.Len() > 6144 {
			t.Errorf("document %d has %d characters", number, short.Len())
		}
		all = append(all, document.Statements()...)
		number++
	}
	if number < 3 {
		t.Errorf("%d documents", number-1)
	}
	var buckets []string
	for _, s := range all {
		if slices.ContainsFunc(s.Action, func(a string) bool { return strings.Contains(a, "*") }) || s.IsDeny() {
			t.Errorf("%s", s.JSON())
		}
		if slices.Contains(s.Action, "s3:GetBucketCORS") {
			buckets = append(buckets, s.Resource...)
		}
	}
	if len(buckets) != 12 {
		t.Errorf("buckets %v", buckets)
	}
}
