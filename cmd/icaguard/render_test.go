package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	"github.com/icaguard/icaguard/internal/policy"
	"github.com/icaguard/icaguard/internal/render"
	"github.com/icaguard/icaguard/internal/report"
	"github.com/icaguard/icaguard/internal/testlab"
)

const (
	secretPrefix = "Zq7LiteralPrefix.of-this_lab"

	toRender = `account: "123456789012"
alerts: {emails: [storage-oncall@example.org]}
storages:
  - name: lab-prod
    icaRegion: US
    bucket:
      name: lab-prod-ica
      folder: ica
      crossAccountCopy: true
      kmsKeyArn: arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab
    role: {sessionNamePrefix: "ssm:/ica/lab-prod/session-name-prefix"}
    kms: {restore: true}
  - name: lab-old
    icaRegion: EU
    bucket: {name: lab-old-ica, existing: true, versioning: enabled}
    role: {name: Old_Role, policyName: old-policy, existing: true, sessionNamePrefix: ` + secretPrefix + `}
    oidcProvider: {existing: true}
`
)

func TestRender(t *testing.T) {
	d := newEnv(t, t.TempDir(), nil) // without credentials
	d.write("ica.yaml", toRender)
	d.golden("help-render", "render", "--help")
	for _, document := range render.Documents() {
		d.golden("render-"+document, "render", document, "--storage", "lab-prod")
	}
	d.golden("render-permission-policy-versioned", "render", "permission-policy", "--storage", "lab-prod", "--versioned")
	d.golden("render-scp-icaguard-alone", "render", "scp-icaguard", "--qualifier", "lab")
	if text := d.run("render", "permission-policy", "--storage", "lab-old").stdout; !strings.Contains(text, "s3:GetObjectVersion") {
		t.Errorf("versioning: enabled does not choose the variant:\n%s", text)
	}
	if text := d.run("render", "permission-policy", "--storage", "lab-old", "--versioned=false").stdout; strings.Contains(
		text, "s3:GetObjectVersion",
	) {
		t.Errorf("--versioned=false does not choose the variant:\n%s", text)
	}
}

func TestRenderRefuses(t *testing.T) {
	d := newEnv(t, t.TempDir(), nil)
	d.expectFailure([]string{"render", "policy"}, `there is no document "policy"`, strings.Join(render.Documents(), ", "))
	d.expectFailure([]string{"render", "cors"}, "config: read: open ica.yaml")
	d.write("ica.yaml", toRender)
	d.expectFailure([]string{"render", "cors"}, `--storage "": no such name: the configuration has lab-prod, lab-old`)
	d.expectFailure(
		[]string{"render", "cors", "--storage", "lab"}, `--storage "lab": no such name: the configuration has lab-prod, lab-old`,
	)
	d.expectFailure([]string{"render", "cors", "--storage", "lab-old", "--account", "999999999999"}, "asks for account 123456789012")
	d.expectFailure(
		[]string{"render", "bucket-policy", "--storage", "lab-old"}, "nothing to render", "crossAccountCopy", "requireTLS",
	)
	d.expectFailure([]string{"render", "key-policy", "--storage", "lab-old"}, "nothing to render", "bucket.kmsKeyArn")
	d.expectFailure(
		[]string{"render", "boundary", "--storage", "lab-old"},
		"nothing to render",
		"role Old_Role",
		"boundary: icaguard",
	)
	d.expectFailure([]string{"render", "scp-icaguard", "--qualifier", "a b"}, `--qualifier "a b"`, "up to 10 letters")
	d.expectFailure([]string{"render", "cors", "--storage", "lab-old", "--out", "no/such/folder"}, "render: write:")

	d.write("nobody.yaml", strings.Replace(toRender, `account: "123456789012"`, "", 1))
	d.expectFailure(
		[]string{"render", "cors", "--config", "nobody.yaml", "--storage", "lab-old"}, "no AWS credentials that work",
		"--account, or account: in the configuration",
	)
	d.mustRun("render", "cors", "--config", "nobody.yaml", "--storage", "lab-old", "--account", "123456789012")
}

func TestRenderKeepsThePrefix(t *testing.T) {
	d := newEnv(t, t.TempDir(), nil)
	d.write("ica.yaml", toRender)
	d.golden("render-trust-policy-literal", "render", "trust-policy", "--storage", "lab-old")
	for _, document := range render.Documents() {
		if a := d.run("render", document, "--storage", "lab-old"); strings.Contains(a.transcript(), secretPrefix) {
			t.Errorf("render %s shows the prefix", document)
		}
	}
	revealed := d.run("render", "trust-policy", "--storage", "lab-old", "--reveal")
	if !strings.Contains(revealed.stdout, `"sts:RoleSessionName": "`+secretPrefix+`-*"`) ||
		strings.Contains(revealed.stderr, secretPrefix) {
		t.Errorf("--reveal has to show the prefix in the document, and nowhere else:\n%s", revealed.transcript())
	}
}

// TestRenderedScripts holds what goes to standard error to being a shell script, whatever the file's name.
func TestRenderedScripts(t *testing.T) {
	d := newEnv(t, t.TempDir(), nil).withShell()
	d.write("ica.yaml", toRender)
	for _, document := range render.Documents() {
		for _, out := range []string{"", "it's a file.json"} {
			script := d.run("render", document, "--storage", "lab-prod", "--out", out).stderr
			for _, text := range []string{script, alternatives(script)} {
				if ok, output := d.sh(text, "-n"); !ok {
					t.Errorf("the shell does not take the script of %s: %s\n%s", document, output, text)
				}
			}
		}
	}
}

// toApply is a lab in which nothing is right yet; the words are lines of the bucket and of the storage.
const toApply = `alerts: {emails: [storage-oncall@example.org]}
storages:
  - name: lab
    icaRegion: US
    bucket: {name: lab-ica, folder: ica, crossAccountCopy: true, %s}
    role: {sessionNamePrefix: "ssm:/ica/lab/session-name-prefix"}
    %s
`

// TestRenderedIsApplied follows what render prints, verbatim, and asks validate.
func TestRenderedIsApplied(t *testing.T) {
	if _, err := exec.LookPath("jq"); err != nil {
		t.Skip("the commands for the key policy need jq")
	}
	local := localawstest.Start(t)
	key, err := kms.NewFromConfig(local.DirectConfig(testlab.Region)).CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	d := storageEnvOf(
		t,
		testlab.Configure(t, local, fmt.Sprintf(toApply, `kmsKeyArn: "`+aws.ToString(key.KeyMetadata.Arn)+`"`, "kms: {restore: true}")),
	)
	d.withShell()
	d.putPrefix(secretPrefix)
	d.makeBare()

	d.apply("cors", false)
	d.apply("permission-policy", true)
	d.apply("permission-policy", false)
	d.apply("trust-policy", false)
	d.apply("bucket-policy", false)
	d.apply("key-policy", false)
	d.apply("boundary", false)
	got := d.statuses()
	for _, setting := range []string{
		"bucket-cors", "permission-policy", "permission-policy-attached", "role-trust",
		"bucket-policy", "kms-key-policy", "role-boundary",
	} {
		if status := got["lab "+setting]; status != guard.InSync {
			t.Errorf("%s is %q after what render printed was applied", setting, status)
		}
	}

	d.addForeignStatement()
	d.apply("bucket-policy", true) // merged with what is there now
	d.apply("bucket-policy", true)
	if status := d.statuses()["lab bucket-policy"]; status != guard.InSync {
		t.Errorf("bucket-policy is %q after it was merged", status)
	}
	if sids := d.bucketSids(); !slices.Equal(sids, []string{"Portal", icaconfig.SidRequireTLS, icaconfig.SidCrossAccountCopy}) {
		t.Errorf("after it was merged, the bucket policy has the statements %v", sids)
	}
}

// addForeignStatement leaves only one statement of the lab's own and an old one of ours in the bucket policy.
func (d storageEnv) addForeignStatement() {
	d.t.Helper()
	_, err := awsclient.S3(d.Local.DirectConfig(testlab.Region), testlab.Region).PutBucketPolicy(
		d.t.Context(),
		&s3.PutBucketPolicyInput{
			Bucket: &d.Storage.Bucket.Name, Policy: aws.String(`{"Version":"2012-10-17","Statement":[
			{"Sid":"IcaCrossAccountCopy","Effect":"Allow","Principal":{"AWS":"AROAOLD"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::lab-ica/*"},
			{"Sid":"Portal","Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::lab-ica/*"}]}`),
		},
	)
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d storageEnv) bucketSids() []string {
	d.t.Helper()
	out, err := awsclient.S3(d.Local.DirectConfig(testlab.Region), testlab.Region).GetBucketPolicy(
		d.t.Context(), &s3.GetBucketPolicyInput{Bucket: &d.Storage.Bucket.Name},
	)
	if err != nil {
		d.t.Fatal(err)
	}
	document, err := policy.Parse(aws.ToString(out.Policy))
	if err != nil {
		d.t.Fatal(err)
	}
	var sids []string
	for _, s := range document.Statements() {
		sids = append(sids, s.Sid)
	}
	return sids
}

// makeBare makes the bucket and a role that trusts nobody of ICA's.
func (d storageEnv) makeBare() {
	d.t.Helper()
	clients := d.Local.DirectConfig(testlab.Region)
	_, err := awsclient.S3(clients, testlab.Region).CreateBucket(
		d.t.Context(), &s3.CreateBucketInput{Bucket: &d.Storage.Bucket.Name},
	)
	if err != nil {
		d.t.Fatal(err)
	}
	_, err = iam.NewFromConfig(clients).CreateRole(d.t.Context(), &iam.CreateRoleInput{
		RoleName: &d.Storage.Role.Name, AssumeRolePolicyDocument: aws.String(bareTrust),
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

const bareTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

func (d storageEnv) putPrefix(value string) {
	d.t.Helper()
	_, err := ssm.NewFromConfig(d.Local.DirectConfig(testlab.Region)).PutParameter(d.t.Context(), &ssm.PutParameterInput{
		Name: &d.Storage.Role.Prefixes[0].Parameter, Type: ssmtypes.ParameterTypeString, Value: &value, Overwrite: aws.Bool(true),
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

// apply renders a document into its file and runs the script, or the alternative in its comments.
func (d storageEnv) apply(document string, alternative bool) {
	d.t.Helper()
	a := d.run("render", document, "--out", document+".json")
	if a.code != 0 {
		d.t.Fatal(a.transcript())
	}
	script := a.stderr
	if alternative {
		script = alternatives(script)
	}
	d.mustSh(script)
}

// withNotes is in-sync where something is worth knowing.
const withNotes guard.Status = "in-sync, with notes"

// statuses is what validate finds, by storage and setting.
func (d *env) statuses() map[string]guard.Status {
	d.t.Helper()
	a := d.run("validate", "--json")
	var got report.Report
	if err := json.Unmarshal([]byte(a.stdout), &got); err != nil {
		d.t.Fatalf("%v:\n%s", err, a.transcript())
	}
	statuses := map[string]guard.Status{}
	for _, o := range got.Outcomes {
		if o.Status == guard.InSync && len(o.Notes) > 0 {
			o.Status = withNotes
		}
		for _, storage := range o.Storages {
			statuses[storage+" "+o.Setting] = o.Status
		}
	}
	return statuses
}

// TestTrustScriptChecksThePrefix: the script writes a trust policy exactly if icaconfig lets the prefix pass.
func TestTrustScriptChecksThePrefix(t *testing.T) {
	local := localawstest.Start(t)
	d := storageEnvOf(t, testlab.Configure(t, local, fmt.Sprintf(toApply, "", "")))
	d.withShell()
	d.makeBare()
	a := d.run("render", "trust-policy", "--out", "trust-policy.json")
	if ok, output := d.sh(a.stderr); ok || !strings.Contains(output, "ParameterNotFound") {
		t.Errorf("the script succeeds without a parameter: %s", output)
	}
	for _, prefix := range []string{
		"*", "prefix-*", "prefix-?x", "short12", "eightchr", strings.Repeat("x", 62), strings.Repeat("x", 63), "has a space in it",
		"slash/and&sed", `back\slash`, "line\nbreak-in-it", "longenough\nlongenough", "$(touch hacked)", "a+b=c,d.e@f_g-h", "None",
	} {
		d.putPrefix(prefix)
		ok, output := d.sh(a.stderr)
		if want := icaconfig.CheckPrefix(prefix) == nil; ok != want {
			t.Errorf("prefix %q: written: %v, icaconfig lets it pass: %v\n%s", prefix, ok, want, output)
		}
	}
	if _, err := os.Stat(filepath.Join(d.dir, "hacked")); err == nil {
		t.Error("a prefix was run as a command")
	}
}

// TestLiteralTrustIsApplied: the commands write the prefix into a file, apply it and delete the file.
func TestLiteralTrustIsApplied(t *testing.T) {
	local := localawstest.Start(t)
	d := storageEnvOf(t, testlab.Configure(t, local, `storages:
  - {name: lab, icaRegion: US, bucket: {name: lab-ica}, role: {sessionNamePrefix: `+secretPrefix+`}}
`))
	d.withShell()
	d.makeBare()
	d.apply("trust-policy", false)
	if status := d.statuses()["lab role-trust"]; status != guard.InSync {
		t.Errorf("role-trust is %q", status)
	}
	if _, err := os.Stat(filepath.Join(d.dir, "trust-policy.json")); err == nil {
		t.Error("a file with the prefix was left behind")
	}
}

// TestSeveralPrefixesAreApplied: one in a parameter and one in ica.yaml come into the trust policy, or neither does.
func TestSeveralPrefixesAreApplied(t *testing.T) {
	local := localawstest.Start(t)
	d := storageEnvOf(t, testlab.Configure(t, local, `storages:
  - {name: lab, icaRegion: US, bucket: {name: lab-ica}, role: {sessionNamePrefix: ["ssm:/ica/new", `+secretPrefix+`]}}
`))
	d.withShell()
	d.makeBare()
	a := d.run("render", "trust-policy", "--out", "trust-policy.json")
	if strings.Contains(a.stderr, secretPrefix) {
		t.Error("the script shows the prefix")
	}
	if ok, output := d.sh(a.stderr); ok || !strings.Contains(output, "ParameterNotFound") {
		t.Errorf("the script succeeds without the parameter: %s", output)
	}
	d.putPrefix("prefix-of-a-new-credential")
	d.mustSh(a.stderr)
	if status := d.statuses()["lab role-trust"]; status != withNotes {
		t.Errorf("role-trust is %q", status)
	}
	if _, err := os.Stat(filepath.Join(d.dir, "trust-policy.json")); err == nil {
		t.Error("a file with the prefix was left behind")
	}
}
