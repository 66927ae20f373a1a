package main

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	"github.com/icaguard/icaguard/internal/testlab"
)

const (
	oldKey = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-00000000000a"
	newKey = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-00000000000b"
)

// encrypted is a lab whose bucket is encrypted with the old key.
const encrypted = `storages:
  - name: lab
    icaRegion: US
    bucket: {name: lab-ica, folder: ica, kmsKeyArn: ` + oldKey + `}
    role: {name: lab-role, policyName: lab-policy, sessionNamePrefix: "ssm:/ica/lab/session-name-prefix"}
`

// TestCheckKeys: what a deploy would take from ICA's live policy, boundary or attached policies is refused, unless the
// configuration keeps it or says so.
func TestCheckKeys(t *testing.T) {
	local := localawstest.Start(t)
	d := newEnv(t, t.TempDir(), local.FunctionEnv("AKIADEPLOY"))
	check := func(name, config string, refused ...string) {
		t.Helper()
		d.write("ica.yaml", config)
		a := d.run("check-keys")
		if refused == nil && (a.code != 0 || a.stdout+a.stderr != "") {
			t.Errorf("%s: want no word:\n%s", name, a.transcript())
		}
		for _, text := range refused {
			if a.code != 2 || !strings.Contains(a.stderr, text) {
				t.Errorf("%s: want exit status 2 and %q:\n%s", name, text, a.transcript())
			}
		}
	}
	without := strings.Replace(encrypted, ", kmsKeyArn: "+oldKey, "", 1)
	changed := strings.Replace(encrypted, oldKey, newKey, 1)
	edited := func(old, replacement string) string { return strings.Replace(changed, old, replacement, 1) }
	lists, drops := "    kms: {previousKeys: ["+oldKey+"]}\n", "    kms: {dropPreviousKey: true}\n"
	other := func(role string) string {
		return strings.NewReplacer("storages:\n", "", "name: lab\n", "name: other\n", "lab-ica", "other-ica",
			"lab-role", role+"-role", "lab-policy", role+"-policy").Replace(encrypted)
	}
	check("first deploy", changed)

	lab := testlab.NewFrom(t, local, encrypted)
	d.write("ica.yaml", changed)
	d.golden("check-keys", "check-keys")
	check("nothing changed", encrypted)
	check("changed and listed", changed+lists)
	check("changed and dropped on purpose", changed+drops)
	check("back to SSE-S3", without, oldKey, "dropPreviousKey")
	check("back to SSE-S3, listed", without+lists)
	check("another storage of the role has it", changed+other("lab"))
	check("another role has it", changed+other("other"), oldKey)
	check("renamed role: the old one stays as it is", edited("lab-role, policyName: lab-policy", "new-role, policyName: new-policy"))
	check("renamed policy", edited("lab-policy", "new-policy"), oldKey, "icaguard-boundary-lab-role")

	remove := local.Recorder().Inject(localaws.Fault{Operation: "GetPolicyVersion", Kind: localaws.Denied})
	check(
		"no permission to read", encrypted,
		"it is not known which KMS keys the policies of role lab-role name: AWS refuses iam:GetPolicyVersion",
	)
	check("no permission to read, dropped on purpose", changed+drops)
	remove()

	client := lab.IAM(testlab.Stranger)
	put := func(arn, document string) {
		t.Helper()
		d.must(client.CreatePolicyVersion(t.Context(), &iam.CreatePolicyVersionInput{
			PolicyArn: &arn, PolicyDocument: &document, SetAsDefault: true,
		}))
	}
	const nothing = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::lab-ica/ica/*"}]}`
	put(lab.Storage.Role.Policy.ARN, nothing)
	check("in the boundary alone", changed, oldKey, "icaguard-boundary-lab-role")
	put(lab.Storage.Role.Boundary.ARN, nothing)
	check("nowhere", changed)
	testCheckForeignKeys(t, d, client, check, changed)
}

// testCheckForeignKeys has the old key in a policy of another name only.
func testCheckForeignKeys(t *testing.T, d *env, client *iam.Client, check func(string, string, ...string), changed string) {
	t.Helper()
	const document = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"kms:*","Resource":"` + oldKey + `"}}`
	trust := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`
	d.must(client.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("Old"), AssumeRolePolicyDocument: &trust}))
	d.must(client.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{
		RoleName: aws.String("Old"), PolicyName: aws.String("by-hand"), PolicyDocument: aws.String(document),
	}))
	with := func(role string) string {
		return strings.NewReplacer("lab-role", "Old, "+role, "lab-policy", "Old-policy").Replace(changed) +
			"    oidcProvider: {existing: true}\n"
	}
	check("adopted, our boundary is to come", with("existing: true, boundary: icaguard")+"    mode: enforce\n", oldKey, "by-hand")
	check("adopted, no boundary: policies of others stay", with("existing: true")+"    mode: enforce\n")
	check("adopted and observed: nothing is written", with("existing: true, boundary: icaguard"))
	check("ours without a boundary, its policy renamed", with("boundary: none"), oldKey, "by-hand")
}
