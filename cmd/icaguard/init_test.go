package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/golden"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	"github.com/icaguard/icaguard/internal/testlab"
)

// handMade is a lab that somebody set up by hand years ago, after Illumina's pages of then.
type handMade struct {
	*env
	local *localaws.AWS
	key   string // ARN of the KMS key
}

const initKey = "AKIAINIT"

func newHandMade(t *testing.T) handMade {
	t.Helper()
	local := localawstest.Start(t)
	return handMade{env: newEnv(t, t.TempDir(), local.FunctionEnv(initKey)).withShell(), local: local}
}

const (
	provider      = "oidc.eks.us-east-1.amazonaws.com/id/10FBA7EDEB5930CCFC300EF5AC3DB2FE"
	handMadeTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::ACCOUNT:oidc-provider/` + provider + `"},
		"Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"` + provider + `:aud":"sts.amazonaws.com"},
		"StringLike":{"` + provider + `:sub":"system:serviceaccount:use1:irsa-use1-gds*","sts:RoleSessionName":"` + secretPrefix + `-*"}}}]}`
	handMadePolicy = `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["s3:PutBucketNotification","s3:ListBucket","s3:GetBucketNotification","s3:GetBucketLocation",
			"s3:ListBucketVersions","s3:GetBucketVersioning","s3:ListObjectVersions"],"Resource":"arn:aws:s3:::lab-data"},
		{"Effect":"Allow","Action":["s3:PutObject","s3:GetObject","s3:RestoreObject","s3:DeleteObject","s3:GetObjectVersion","s3:DeleteObjectVersion"],
			"Resource":"arn:aws:s3:::lab-data/ica/*"},
		{"Effect":"Allow","Action":["s3:PutBucketNotification","s3:ListBucket","s3:GetBucketNotification","s3:GetBucketLocation"],"Resource":"arn:aws:s3:::lab.archive"},
		{"Effect":"Allow","Action":["s3:PutObject","s3:GetObject","s3:RestoreObject","s3:DeleteObject"],"Resource":"arn:aws:s3:::lab.archive/*"},
		{"Effect":"Allow","Action":["kms:Decrypt","kms:Encrypt","kms:GenerateDataKey"],"Resource":"KEY"}]}`
	handMadeExtra = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:GetFederationToken","Resource":"*"},
		{"Effect":"Allow","Action":"s3:GetObject","Resource":["arn:aws:s3:::public-references/*","arn:aws:s3:::lab-scratch-*/*"]}]}`
)

// build makes the lab: two buckets, one versioned with KMS and a CORS rule with a second origin.
func (h *handMade) build() {
	h.t.Helper()
	ctx, cfg := h.t.Context(), h.local.DirectConfig(testlab.Region)
	key, err := kms.NewFromConfig(cfg).CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		h.t.Fatal(err)
	}
	h.key = aws.ToString(key.KeyMetadata.Arn)
	h.buildBuckets(awsclient.S3(cfg, testlab.Region), aws.ToString(key.KeyMetadata.KeyId))
	client := iam.NewFromConfig(cfg)
	h.must(client.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String("https://" + provider), ClientIDList: []string{"sts.amazonaws.com"},
	}))
	h.must(client.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
		Url:          aws.String("https://oidc.eks.us-east-1.amazonaws.com/id/" + strings.Repeat("0", 32)),
		ClientIDList: []string{"sts.amazonaws.com"},
	}))
	h.role("Lab_ICA", handMadeTrust)
	h.role(
		"ClusterPods",
		strings.NewReplacer(
			provider, "oidc.eks.us-east-1.amazonaws.com/id/"+strings.Repeat("0", 32), "use1:irsa-use1-gds*", "default:web",
		).Replace(handMadeTrust),
	)
	h.role("Unrelated", bareTrust)
	policy, err := client.CreatePolicy(ctx, &iam.CreatePolicyInput{
		PolicyName: aws.String("lab-ica-policy"), PolicyDocument: aws.String(strings.Replace(handMadePolicy, "KEY", h.key, 1)),
	})
	h.must(policy, err)
	h.must(client.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: aws.String("Lab_ICA"), PolicyArn: policy.Policy.Arn}))
	h.must(client.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
		RoleName: aws.String("Lab_ICA"), PolicyName: aws.String("extra"), PolicyDocument: aws.String(handMadeExtra),
	}))
}

func (h *handMade) role(name, trust string) {
	h.t.Helper()
	h.must(iam.NewFromConfig(h.local.DirectConfig(testlab.Region)).CreateRole(h.t.Context(), &iam.CreateRoleInput{
		RoleName: &name, Description: aws.String("for " + secretPrefix), MaxSessionDuration: aws.Int32(3600),
		AssumeRolePolicyDocument: aws.String(strings.ReplaceAll(trust, "ACCOUNT", h.local.Account())),
	}))
}

func (h *handMade) buildBuckets(client *s3.Client, keyID string) {
	h.t.Helper()
	ctx, data := h.t.Context(), aws.String("lab-data")
	h.must(client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: data}))
	h.must(client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("lab.archive")}))
	h.must(client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: data, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	}))
	h.must(client.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
		Bucket: data,
		ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{{
			BucketKeyEnabled: aws.Bool(true), ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{
				SSEAlgorithm: types.ServerSideEncryptionAwsKms, KMSMasterKeyID: &keyID,
			},
		}}},
	}))
	cors := icaconfig.CORS()
	h.must(
		client.PutBucketCors(
			ctx,
			&s3.PutBucketCorsInput{Bucket: data, CORSConfiguration: &types.CORSConfiguration{CORSRules: []types.CORSRule{{
				AllowedHeaders: cors.AllowedHeaders, AllowedMethods: cors.AllowedMethods, ExposeHeaders: cors.ExposeHeaders,
				AllowedOrigins: append(cors.AllowedOrigins, "https://portal.example.org"), MaxAgeSeconds: aws.Int32(3000),
			}}}},
		),
	)
	h.must(
		client.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: data, Policy: aws.String(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::079623148045:role/ica_use1_crossacct"},"Action":["s3:PutObject","s3:DeleteObject",
			"s3:ListMultipartUploadParts","s3:AbortMultipartUpload","s3:GetObject",
			"s3:GetObjectVersion","s3:DeleteObjectVersion","s3:GetObjectAttributes"],
			"Resource":["arn:aws:s3:::lab-data","arn:aws:s3:::lab-data/*"]}]}`)}),
	)
}

func (h *handMade) must(_ any, err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// file is what init wrote, which has to load and to hold no prefix. Key ids are chance.
func (h *handMade) file(name string) string {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	text, err := os.ReadFile(path)
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := icaconfig.Load(path, settings.Exceptable()); err != nil {
		h.t.Errorf("what init wrote does not load: %v\n%s", err, text)
	}
	if strings.Contains(string(text), secretPrefix) {
		h.t.Errorf("the file holds the prefix:\n%s", text)
	}
	return strings.ReplaceAll(string(text), h.key, "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab")
}

func TestInitFindsNothing(t *testing.T) {
	h := newHandMade(t)
	h.golden("help-init", "init", "--help")
	h.golden("init-nothing", "init")
	h.role("Unrelated", bareTrust)
	h.role("NoBuckets", handMadeTrust)
	h.golden("init-no-buckets", "init")
	if _, err := os.Stat(filepath.Join(h.dir, "ica.yaml")); err == nil {
		t.Error("a file was written")
	}
}

func TestInit(t *testing.T) {
	h := newHandMade(t)
	h.build()
	for n := range 110 { // more than a page of them
		h.role(fmt.Sprintf("A%03d", n), bareTrust)
	}
	h.local.Recorder().ResetCalls()
	a := h.run("init")
	if a.code != 0 || a.stderr != "" || strings.Contains(a.stdout, secretPrefix) {
		t.Fatal(a.transcript())
	}
	golden.Check(t, *update, "testdata/init.txt", a.transcript())
	golden.Check(t, *update, "testdata/init.yaml", h.file("ica.yaml"))
	pages := 0
	for _, call := range h.local.Recorder().Calls() {
		if call.Operation == "ListRoles" {
			pages++
		}
		if !strings.HasPrefix(call.Operation, "Get") && !strings.HasPrefix(call.Operation, "List") &&
			!strings.HasPrefix(call.Operation, "Describe") {
			t.Errorf("init calls %s, which is no read", call.Operation)
		}
	}
	if pages < 2 {
		t.Errorf("%d pages of roles were read", pages)
	}
	h.expectFailure([]string{"init"}, "ica.yaml is there already", "--out")
	h.expectFailure([]string{"init", "--out", "other.yaml", "--region", "nowhere"}, "home region", `"nowhere" is not an AWS region`)

	_, commands, _ := strings.Cut(a.stdout, "without showing it:\n")
	commands, _, _ = strings.Cut(commands, "\n- ")
	h.mustSh(commands)
	h.expectStatuses()
}

// expectStatuses asks validate about the file that init wrote: it has to describe the lab, so that only what is not as ICA
// needs it differs.
func (h *handMade) expectStatuses() {
	h.t.Helper()
	got := h.statuses()
	for want, names := range map[guard.Status][]string{
		guard.InSync: {
			"lab-data bucket", "lab-data bucket-cors", "lab-data bucket-versioning", "lab-data bucket-policy",
			"lab-archive bucket", "lab-archive bucket-versioning", "lab-archive bucket-encryption", "lab-archive bucket-policy",
			"lab-data oidc-provider", "lab-data role", "lab-data role-boundary", "lab-data role-trust",
			"lab-data permission-policy-attached",
		},
		// s3:ListObjectVersions, and the inline policy
		withNotes: {"lab-data permission-policy", "lab-data role-foreign-policies"},
		// the last names the key by its id
		guard.Drifted: {"lab-data role-session-duration", "lab-archive bucket-cors", "lab-data bucket-encryption"},
	} {
		for _, name := range names {
			if got[name] != want {
				h.t.Errorf("%s is %q, want %q", name, got[name], want)
			}
		}
	}
}

// TestInitWithoutPermissions: what may not be read is named, and the rest is written all the same.
func TestInitWithoutPermissions(t *testing.T) {
	h := newHandMade(t)
	h.build()
	for _, denied := range []struct{ operation, says string }{
		{"ListOpenIDConnectProviders", "iam:ListOpenIDConnectProviders on *"},
		{"GetRole", "iam:GetRole on Lab_ICA"},
		{"ListRolePolicies", "iam:ListRolePolicies on Lab_ICA"},
		{"GetRolePolicy", "iam:GetRolePolicy on Lab_ICA/extra"},
		{"ListBuckets", "s3:ListAllMyBuckets on *"},
		{"GetBucketLocation", "s3:GetBucketLocation on lab-data"},
		{"GetBucketVersioning", "s3:GetBucketVersioning on lab-data"},
		{"GetBucketEncryption", "s3:GetEncryptionConfiguration on lab-data"},
		{"DescribeKey", "kms:DescribeKey on "},
		{"GetBucketCors", "s3:GetBucketCORS on lab-data"},
		{"GetPublicAccessBlock", "s3:GetBucketPublicAccessBlock on lab-data"},
		{"GetBucketPolicy", "s3:GetBucketPolicy on lab-data"},
	} {
		remove := h.local.Recorder().Inject(localaws.Fault{Operation: denied.operation, Kind: localaws.Denied})
		out := denied.operation + ".yaml"
		a := h.run("init", "--out", out)
		if a.code != 2 || !strings.Contains(a.stderr, "you lack the permission "+denied.says) {
			t.Errorf("want exit status 2 and %q:\n%s", denied.says, a.transcript())
		}
		h.file(out)
		remove()
	}
	for _, operation := range []string{"ListRoles", "ListAttachedRolePolicies", "GetPolicy", "GetPolicyVersion"} {
		remove := h.local.Recorder().Inject(localaws.Fault{Operation: operation, Kind: localaws.Denied})
		if a := h.run("init"); a.code != 2 || !strings.Contains(a.stderr, "iam:"+operation) ||
			!strings.Contains(a.stdout, "found no storage of ICA") {
			t.Errorf("want exit status 2 and the permission iam:%s:\n%s", operation, a.transcript())
		}
		remove()
	}
	h.local.Recorder().Inject(localaws.Fault{Operation: "ListRoles", Kind: localaws.ServerError})
	h.expectFailure([]string{"init", "--out", "none.yaml"}, "discover: iam:ListRoles on *:")
}

// TestInitCommand runs the command for the prefix against trust policies of every shape.
func TestInitCommand(t *testing.T) {
	h := newHandMade(t)
	h.build()
	client := iam.NewFromConfig(h.local.DirectConfig(testlab.Region))
	whole := strings.ReplaceAll(handMadeTrust, "ACCOUNT", h.local.Account())
	one := strings.NewReplacer(`"Statement":[`, `"Statement":`, `}}}]}`, `}}}}`).Replace(whole)
	for i, trust := range []string{
		whole, one,
		strings.Replace(whole, `"sts:RoleSessionName":"`+secretPrefix+`-*"`, `"STS:rolesessionname":["`+secretPrefix+`-*"]`, 1),
		strings.Replace(whole, `"Statement":[`, `"Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"},`, 1),
		strings.Replace(one, "StringLike", "ForAnyValue:StringLike", 1),
	} {
		h.must(
			client.UpdateAssumeRolePolicy(
				t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: aws.String("Lab_ICA"), PolicyDocument: &trust},
			),
		)
		a := h.run("init", "--out", strings.Repeat("x", i+1)+".yaml")
		_, commands, _ := strings.Cut(a.stdout, "without showing it:\n")
		commands, _, _ = strings.Cut(commands, "\n- ")
		h.mustSh(commands)
		_, got := h.sh(
			"aws ssm get-parameter --region us-east-1 --name /ica/lab-data/session-name-prefix --query Parameter.Value --output text",
		)
		if diff := cmp.Diff(secretPrefix+"\n", got); diff != "" {
			t.Errorf("the parameter after (-want +got):\n%s\n%s", commands, diff)
		}
		h.mustSh("aws ssm delete-parameter --region us-east-1 --name /ica/lab-data/session-name-prefix")
	}
}
