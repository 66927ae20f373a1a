package acceptance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/icaguard/icaguard/internal/acceptance/beliefs"
	"github.com/icaguard/icaguard/internal/acceptance/evidence"
	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/deployed"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	"github.com/icaguard/icaguard/internal/testlab"
)

// Tests of all packages take -update; this one has no golden files.
var _ = flag.Bool("update", false, "rewrite golden files")

const (
	person = "ASIAPERSON"
	root   = "../.."
)

// env is a local AWS with what the program needs of it.
type env struct {
	t     *testing.T
	local *localaws.AWS
	guard *deployed.Guard
	stop  func() // of the functions
	out   bytes.Buffer
	dir   string
}

func newEnv(t *testing.T) *env {
	t.Helper()
	e := &env{t: t, local: localawstest.Start(t), dir: t.TempDir(), stop: func() {}}
	e.local.Recorder().Identify(person, localaws.AssumedRole(e.local.Account(), "Administrators", "jane.doe"))
	return e
}

// site is the local AWS as the program's site: real binaries of the functions, deployed by the real CDK command line.
func (e *env) site() Site {
	return Site{
		Local:  true,
		Config: func(region string) aws.Config { return e.local.Config(region, person) },
		Command: func(ctx context.Context, name string, args ...string) *exec.Cmd {
			cmd := exec.CommandContext(ctx, name, args...)
			cmd.Dir, cmd.Env = root, e.local.CommandEnv(person, nil)
			return cmd
		},
		CLI:       filepath.Join(e.dir, "icaguard"),
		Bootstrap: func(context.Context, string, string) error { return nil }, // a part of deployed.Deploy
		Deploy:    e.deploy,
		Assumed: func(key, role, session string) {
			e.local.Recorder().Identify(key, localaws.AssumedRole(e.local.Account(), role, session))
		},
		Patience: 20 * time.Second, Pause: 50 * time.Millisecond,
	}
}

func (e *env) deploy(ctx context.Context, config string) (err error) {
	build := exec.CommandContext(ctx, "go", "build", "-o", e.site().CLI, "./cmd/icaguard")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if e.guard, err = deployed.Deploy(ctx, e.local, deployed.Options{Config: config}); err != nil {
		return err
	}
	poller, err := e.guard.Poller(ctx, nil)
	if err != nil {
		return err
	}
	polling, cancel := context.WithCancel(e.t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = localaws.Poll(polling, poller) }) // ends with the queue, too
	e.stop = func() { cancel(); running.Wait(); _ = e.guard.Close() }
	return nil
}

func (e *env) options() Options {
	return Options{
		Site: e.site(), Out: &e.out, Folder: filepath.Join(e.dir, "acceptance"), Account: e.local.Account(), ICARegion: "US",
		Breaks: Breaks(), Version: "test",
	}
}

// TestRun plays the whole program, with a break that icaguard may not restore and a parameter that may not be deleted:
// these two have to fail, and all else has to pass.
func TestRun(t *testing.T) {
	localawstest.DependOn(t, "cdk", "cmd/icaguard", "functions/remediate", "functions/validate")
	e := newEnv(t)
	defer func() { e.stop() }()
	o := e.options()
	var seen evidence.Evidence
	remove := func() {}
	o.Ask = func(ctx context.Context, ev evidence.Evidence) ([]beliefs.Answered, error) {
		answers, err := beliefs.Ask(ctx, ev)
		remove = e.local.Recorder().Inject(
			localaws.Fault{Operation: "DeleteParameter", AccessKeyID: person, Kind: localaws.ExplicitDeny},
		)
		seen = ev
		return answers, err
	}
	o.Breaks = append(slices.Clone(o.Breaks[:4]), append([]Break{e.unrestorable()}, o.Breaks[4:]...)...)
	err := Run(t.Context(), o)
	if t.Logf("%s", e.out.Bytes()); !errors.Is(err, ErrFailed) || !errors.Is(err, ErrLeft) {
		t.Fatalf("want a failed test and something left, got %v", err)
	}
	e.checkReport(o)
	e.checkSamples(o)
	if cors := seen.Events("DeleteBucketCors"); len(seen.Breaks) != len(o.Breaks) || len(cors) < 2 || cors[0].Received.IsZero() {
		t.Errorf("the beliefs were given %d breaks and %d events of CORS: %+v", len(seen.Breaks), len(cors), seen.Breaks)
	}
	remove()
	if err := Clean(t.Context(), o.Site, &e.out, o.Folder); err != nil {
		t.Errorf("CLEAN=1: %v", err)
	}
	e.checkNothingLeft()
	if err := Clean(t.Context(), o.Site, &e.out, o.Folder); !errors.Is(err, errNoState) {
		t.Errorf("CLEAN=1 with nothing to clean: %v", err)
	}
}

const forbidden = "CORS is deleted, and icaguard may not write it"

// unrestorable is a break that icaguard is kept from restoring.
func (e *env) unrestorable() Break {
	remove := func() {}
	return Break{
		Setting: "bucket-cors", Way: forbidden, Event: "DeleteBucketCors", Expect: Restored, Read: readCORS,
		Do: func(ctx context.Context, l *lab) error {
			remove = e.local.Recorder().Inject(localaws.Fault{
				Operation: "PutBucketCors", AccessKeyID: "ASIA" + guard.RemediateFunction, Kind: localaws.ExplicitDeny,
			})
			return second(l.s3().DeleteBucketCors(ctx, &s3.DeleteBucketCorsInput{Bucket: l.bucket()}))
		},
		Undo: func(ctx context.Context, l *lab) error {
			remove()
			rule := l.storage.Bucket.CORS
			return second(l.s3().PutBucketCors(ctx, &s3.PutBucketCorsInput{
				Bucket: l.bucket(), CORSConfiguration: &s3types.CORSConfiguration{CORSRules: []s3types.CORSRule{{
					AllowedHeaders: rule.AllowedHeaders, AllowedMethods: rule.AllowedMethods,
					AllowedOrigins: rule.AllowedOrigins, ExposeHeaders: rule.ExposeHeaders,
				}}},
			}))
		},
	}
}

func (e *env) read(o Options, name string) []byte {
	e.t.Helper()
	data, err := os.ReadFile(filepath.Join(o.Folder, name))
	if err != nil {
		e.t.Fatal(err)
	}
	return data
}

func (e *env) checkReport(o Options) {
	e.t.Helper()
	var rep Report
	if err := json.Unmarshal(e.read(o, "report.json"), &rep); err != nil {
		e.t.Fatal(err)
	}
	left := strings.Join(rep.Left, "; ")
	if len(rep.Tests) != len(o.Breaks)+7 || rep.Passed || len(rep.Left) != 1 || !strings.HasPrefix(left, "parameter /ica-acc") {
		e.t.Errorf("%d tests, passed %v, left %q", len(rep.Tests), rep.Passed, rep.Left)
	}
	for _, test := range rep.Tests {
		want := Passed
		if test.What == forbidden || test.Name == removal {
			want = Failed
		}
		if test.Verdict != want || test.Began.IsZero() || test.Observed == "" {
			e.t.Errorf("want %s: %+v", want, test)
		}
		if test.Expected == string(Restored) && test.Verdict == Passed && test.Seconds <= 0 {
			e.t.Errorf("%s was restored in no time: %+v", test.Name, test)
		}
	}
	text := string(e.read(o, "report.md"))
	for _, part := range []string{"FAILED", "nothing about AWS", "| role-trust |", "icaguard believes", "Signatures", "KMS key"} {
		if !strings.Contains(text, part) {
			e.t.Errorf("the report does not say %q", part)
		}
	}
}

// checkSamples: a sample is a whole event, and tells nothing of the account and its people.
func (e *env) checkSamples(o Options) {
	e.t.Helper()
	samples := []string{
		"aws.s3.DeleteBucketCors.json", "aws.s3.PutBucketCors.icaguard.json", "aws.s3.PutBucketNotification.ica.json",
		"aws.iam.CreateOpenIDConnectProvider.icaguard.json", "aws.iam.UpdateRole.json", "aws.kms.DisableKey.json",
	}
	for _, name := range samples {
		text := e.read(o, filepath.Join("events", name))
		if event, err := cloudtrail.Parse(text); err != nil || event.Name == "" {
			e.t.Errorf("%s is no event: %v", name, err)
		}
		for _, secret := range []string{"jane.doe", "Administrators", person, "acceptance-prefix-"} {
			if strings.Contains(string(text), secret) {
				e.t.Errorf("%s tells %s:\n%s", name, secret, text)
			}
		}
	}
}

// checkNothingLeft looks by itself.
func (e *env) checkNothingLeft() {
	e.t.Helper()
	ctx, cfg := e.t.Context(), e.local.DirectConfig("us-east-1")
	must := func(err error) {
		if err != nil {
			e.t.Fatal(err)
		}
	}
	buckets, err := awsclient.S3(cfg, "us-east-1").ListBuckets(ctx, &s3.ListBucketsInput{})
	must(err)
	tables, err := dynamodb.NewFromConfig(cfg).ListTables(ctx, &dynamodb.ListTablesInput{})
	must(err)
	roles, err := iam.NewFromConfig(cfg).ListRoles(ctx, &iam.ListRolesInput{})
	must(err)
	providers, err := iam.NewFromConfig(cfg).ListOpenIDConnectProviders(ctx, &iam.ListOpenIDConnectProvidersInput{})
	must(err)
	parameters, err := ssm.NewFromConfig(cfg).DescribeParameters(ctx, &ssm.DescribeParametersInput{})
	must(err)
	queues, err := sqs.NewFromConfig(cfg).ListQueues(ctx, &sqs.ListQueuesInput{QueueNamePrefix: aws.String("ica-")})
	must(err)
	left := slices.DeleteFunc(roles.Roles, func(r iamtypes.Role) bool { return !strings.HasPrefix(*r.RoleName, "ica-acceptance") })
	n := len(buckets.Buckets) + len(tables.TableNames) + len(left) + len(providers.OpenIDConnectProviderList) + len(queues.QueueUrls)
	own := slices.DeleteFunc(parameters.Parameters, func(p ssmtypes.ParameterMetadata) bool {
		return !strings.HasPrefix(*p.Name, "/ica")
	})
	if n+len(own) > 0 {
		e.t.Errorf("left: %+v %+v %+v %+v %+v %+v", buckets.Buckets, tables.TableNames, left, providers, queues.QueueUrls, own)
	}
}

// TestInterrupted: whatever ends a run, what it created is removed.
func TestInterrupted(t *testing.T) {
	e := newEnv(t)
	o := e.options()
	ctx, interrupt := context.WithCancel(t.Context())
	o.Site.Deploy = func(ctx context.Context, _ string) error { interrupt(); return ctx.Err() }
	if err := Run(ctx, o); !errors.Is(err, ErrFailed) || errors.Is(err, ErrLeft) {
		t.Errorf("want a failed test and nothing left, got %v\n%s", err, e.out.Bytes())
	}
	for _, removed := range []string{"removed KMS key", "removed parameter", "removed rule", "removed queue", "nothing is left"} {
		if !strings.Contains(e.out.String(), removed) {
			t.Errorf("it does not say %q:\n%s", removed, e.out.Bytes())
		}
	}
	e.checkNothingLeft()
}

// TestRefused: nothing is created in an account that is not confirmed, or not free.
func TestRefused(t *testing.T) {
	e := newEnv(t)
	cfg := e.local.DirectConfig("us-east-1")
	stackIn := func(region, name string) func() error {
		return func() error {
			return second(cloudformation.NewFromConfig(e.local.DirectConfig(region)).CreateStack(t.Context(),
				&cloudformation.CreateStackInput{StackName: &name, TemplateBody: aws.String(
					`{"Resources":{"Q":{"Type":"AWS::SQS::Queue"}}}`,
				)}))
		}
	}
	for _, c := range []struct {
		name    string
		make    func() error
		account string
		want    error
		text    string
	}{
		{"not confirmed", nil, "", errUnconfirmed, "ACCOUNT=123456789012"},
		{"another account", nil, "111122223333", errOtherAccount, ""},
		{"a role of ICA's", func() error {
			return second(iam.NewFromConfig(cfg).CreateRole(t.Context(), &iam.CreateRoleInput{
				RoleName: aws.String("Illumina_ICA_Role"), AssumeRolePolicyDocument: aws.String(`{}`),
			}))
		}, e.local.Account(), errOccupied, "Illumina_ICA_Role"},
		{"ICA's provider of another region", func() error {
			return second(iam.NewFromConfig(cfg).CreateOpenIDConnectProvider(t.Context(), &iam.CreateOpenIDConnectProviderInput{
				Url: aws.String("https://oidc.eks.eu-central-1.amazonaws.com/id/FD40D1945EBD71D8433A98C0CE04E625"),
			}))
		}, e.local.Account(), errOccupied, "Germany"},
		{"icaguard in another region", stackIn("eu-west-2", "icaguard-guard"), e.local.Account(), errOccupied, "eu-west-2"},
		{"a ledger that stayed", func() error {
			testlab.MakeLedger(t, e.local)
			return nil
		}, e.local.Account(), errOccupied, guard.LedgerTable},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := e.local.Reset(t.Context()); err != nil {
				t.Fatal(err)
			}
			if c.make != nil {
				if err := c.make(); err != nil {
					t.Fatal(err)
				}
			}
			e.local.Recorder().ResetCalls()
			o := e.options()
			o.Account = c.account
			if err := Run(t.Context(), o); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("want %v, %s: %v", c.want, c.text, err)
			}
			testlab.ExpectReads(t, e.local.Recorder().Calls())
			if _, err := os.Stat(o.Folder); err == nil {
				t.Error("it left files")
			}
		})
	}
}

// TestEverySettingIsBroken: a setting that nobody breaks here is not seen on AWS.
func TestEverySettingIsBroken(t *testing.T) {
	var broken []string
	for _, b := range Breaks() {
		broken = append(broken, b.Setting)
		if b.Way == "" || b.Event == "" || b.Do == nil || b.Read == nil || (b.Expect == Restored) != (b.Undo == nil) {
			t.Errorf("%s: not complete; what icaguard restores is not undone, all else is", b.Setting)
		}
	}
	var all []string
	for _, setting := range settings.All() {
		all = append(all, setting.ID)
	}
	slices.Sort(broken)
	slices.Sort(all)
	if !slices.Equal(broken, all) {
		t.Errorf("broken %v, want %v", broken, all)
	}
}

// TestRedact: recorded events of all kinds of callers, without what tells of them.
func TestRedact(t *testing.T) {
	r := &runner{run: State{Account: "111122223333", Prefix: "acceptance-prefix-abcd"}}
	const event = `{"account":"111122223333","detail":{"userIdentity":{"type":"AssumedRole",
"principalId":"AROA4XYZABCDEFGHIJKLM:jane.doe@example.com",
"arn":"arn:aws:sts::111122223333:assumed-role/Operators/jane.doe@example.com",
"accountId":"111122223333","accessKeyId":"ASIA4XYZABCDEFGHIJKL","sessionContext":{"sessionIssuer":{"type":"Role",
"principalId":"AROA4XYZABCDEFGHIJKLM","arn":"arn:aws:iam::111122223333:role/aws-reserved/Operators","userName":"Operators"}}},
"sourceIPAddress":"203.0.113.77","requestParameters":{"roleName":"ica-acceptance-abcd-role",
"policyDocument":"{\"sts:RoleSessionName\":\"acceptance-prefix-abcd-*\",\"AWS\":\"arn:aws:iam::111122223333:root\"}"},
"requestID":"0VTYVM320ZVNB8CN"}}`
	masked, err := r.redact([]byte(event))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"111122223333", "4XYZ", "jane", "doe", "Operators", "203.0.113", "prefix-abcd"} {
		if strings.Contains(string(masked), secret) {
			t.Errorf("it tells %s:\n%s", secret, masked)
		}
	}
	for _, kept := range []string{"0VTYVM320ZVNB8CN", "ica-acceptance-abcd-role", "PREFIX-*", "arn:aws:iam::123456789012:root"} {
		if !strings.Contains(string(masked), kept) {
			t.Errorf("it lost %s:\n%s", kept, masked)
		}
	}
}
