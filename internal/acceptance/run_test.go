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
	tag   string // of CDK's stacks
}

// TestLocalAWS plays the program in one local AWS, which each part has for itself.
func TestLocalAWS(t *testing.T) {
	localawstest.DependOn(t, "cdk", "cmd/icaguard", "functions/remediate", "functions/validate")
	local := localawstest.Start(t)
	local.Recorder().Identify(person, localaws.AssumedRole(local.Account(), "Administrators", "jane.doe"))
	for _, part := range []struct {
		name string
		test func(*testing.T, *env)
	}{{"refused", testRefused}, {"interrupted", testInterrupted}, {"late", testLateRemoval}, {"run", testRun}} {
		t.Run(part.name, func(t *testing.T) {
			if err := local.Reset(t.Context()); err != nil {
				t.Fatal(err)
			}
			part.test(t, &env{t: t, local: local, dir: t.TempDir(), stop: func() {}})
		})
	}
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
		Bootstrap: func(_ context.Context, _, _, tag string) error { e.tag = tag; return nil }, // a part of deployed.Deploy
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
	if e.guard, err = deployed.Deploy(ctx, e.local, deployed.Options{Config: config, Tag: e.tag}); err != nil {
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

// testRun plays the whole program, with a break that icaguard may not restore and a parameter that may not be deleted:
// these two have to fail, and all else has to pass.
func testRun(t *testing.T, e *env) {
	defer func() { e.stop() }()
	o := e.options()
	remove := func() {}
	o.Try = func(ctx context.Context, ev evidence.Evidence) beliefs.Tried {
		tried := beliefs.Try(ctx, ev)
		remove = e.local.Recorder().Inject(
			localaws.Fault{Operation: "DeleteParameter", AccessKeyID: person, Kind: localaws.ExplicitDeny},
		)
		return tried
	}
	o.Breaks = append(slices.Clone(o.Breaks[:4]), append([]Break{e.unrestorable()}, o.Breaks[4:]...)...)
	err := Run(t.Context(), o)
	if t.Logf("%s", e.out.Bytes()); !errors.Is(err, ErrFailed) || !errors.Is(err, ErrLeft) {
		t.Fatalf("want a failed test and something left, got %v", err)
	}
	e.checkReport(o)
	e.checkSamples(o)
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
	if len(rep.Tests) != len(o.Breaks)+7 || rep.Passed || len(rep.Left) != 2 || strings.Count(left, "parameter /ica-acc") != 2 {
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
	e.checkBeliefs(rep)
	text := string(e.read(o, "report.md"))
	for _, part := range []string{"FAILED", "nothing about AWS", "| role-trust |", "icaguard believes", "Signatures", "KMS key"} {
		if !strings.Contains(text, part) {
			e.t.Errorf("the report does not say %q", part)
		}
	}
}

// checkBeliefs: some rest on the breaks, some on the events, some on what was deployed.
func (e *env) checkBeliefs(rep Report) {
	e.t.Helper()
	var answers []struct{ ID, Verdict, Why string }
	if err := json.Unmarshal(rep.Beliefs, &answers); err != nil || len(answers) != len(beliefs.All()) {
		e.t.Fatalf("%d answers: %v", len(answers), err)
	}
	for _, a := range answers {
		wanted := slices.Contains([]string{"batch-names-queue", "s3-DeleteBucketCors", "cfn-role-policies", "cfn-own-policies"}, a.ID)
		if a.Verdict == "" || wanted && a.Verdict != "confirmed" {
			e.t.Errorf("%+v", a)
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

// testInterrupted: whatever ends a run, what it created is removed.
func testInterrupted(t *testing.T, e *env) {
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

// testLateRemoval: what the run created goes; what somebody deployed since under icaguard's own names stays.
func testLateRemoval(t *testing.T, e *env) {
	o, ctx, run := e.options(), t.Context(), State{
		ID: "abcd", Account: e.local.Account(), ICARegion: "US", Home: "us-east-1", Region: "us-east-1", Begun: time.Now(),
		Prefix: "acceptance-prefix-abcd", path: filepath.Join(e.dir, "acceptance", stateFile),
		Provider: "arn:aws:iam::" + e.local.Account() + ":oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/X",
	}
	cfg := e.local.DirectConfig("us-east-1")
	roles, stacks := iam.NewFromConfig(cfg), cloudformation.NewFromConfig(cfg)
	trust := `{"Statement":[{"Principal":{"Federated":"` + run.Provider + `"}}]}`
	later := []func() error{
		func() error { return run.claim(ctx, o.Site) },
		func() error {
			return second(roles.CreateRole(ctx, &iam.CreateRoleInput{
				RoleName: aws.String("of-the-lab"), AssumeRolePolicyDocument: &trust,
			}))
		},
		func() error {
			return second(roles.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
				Url: aws.String("https://oidc.eks.us-east-1.amazonaws.com/id/X"),
			}))
		},
		func() error {
			return second(stacks.CreateStack(ctx, &cloudformation.CreateStackInput{
				StackName: aws.String("icaguard-guard"), TemplateBody: aws.String(`{"Resources":{"Q":{"Type":"AWS::SQS::Queue"}}}`),
			}))
		},
		func() error {
			return second(roles.CreateRole(ctx, &iam.CreateRoleInput{
				RoleName: aws.String(run.role()), AssumeRolePolicyDocument: &trust,
			}))
		},
	}
	for _, do := range later {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	testlab.MakeLedger(t, e.local)
	if err := Clean(ctx, o.Site, &e.out, o.Folder); err != nil {
		t.Errorf("CLEAN=1: %v", err)
	}
	want := []string{"removed role " + run.role(), "removed parameter " + claimName}
	for line := range strings.Lines(e.out.String()) {
		if i := slices.IndexFunc(want, func(part string) bool { return strings.Contains(line, part) }); i >= 0 {
			want = slices.Delete(want, i, i+1)
		} else if strings.Contains(line, "removed") {
			t.Errorf("it is not the run's: %s", line)
		}
	}
	if len(want) > 0 {
		t.Errorf("not %v:\n%s", want, e.out.Bytes())
	}
}

// TestState: a file without what tells a run's things from others removes nothing.
func TestState(t *testing.T) {
	whole := State{ID: "abcd", Account: "123456789012", Home: "us-east-1", Region: "us-east-1", Begun: time.Now()}
	for name, spoil := range map[string]func(*State){
		"": func(*State) {}, "no id": func(s *State) { s.ID = "" }, "a short id": func(s *State) { s.ID = "a" },
		"a strange id": func(s *State) { s.ID = "a/b*" }, "no account": func(s *State) { s.Account = "" },
		"no region": func(s *State) { s.Region = "" }, "no time": func(s *State) { s.Begun = time.Time{} },
	} {
		folder, s := t.TempDir(), whole
		s.path = filepath.Join(folder, stateFile)
		spoil(&s)
		if err := s.save(); err != nil {
			t.Fatal(err)
		}
		if _, err := loadState(folder); errors.Is(err, errBadState) != (name != "") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// testRefused: nothing is created in an account that is not confirmed, or not free.
func testRefused(t *testing.T, e *env) {
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
		{"another run", func() error {
			return State{ID: "wxyz", path: filepath.Join(t.TempDir(), stateFile)}.claim(t.Context(), e.site())
		}, e.local.Account(), errClaimed, "wxyz"},
		{"CDK's bucket without its stack", func() error {
			return second(awsclient.S3(cfg, "us-east-1").CreateBucket(t.Context(), &s3.CreateBucketInput{
				Bucket: aws.String("cdk-hnb659fds-assets-" + e.local.Account() + "-us-east-1"),
			}))
		}, e.local.Account(), errOccupied, "CDKToolkit"},
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
		if b.Way == "" || b.Event == "" || b.Do == nil || b.Read == nil {
			t.Errorf("%s: not complete", b.Setting)
		}
		widens := slices.Contains(
			[]string{"bucket-public-access", "bucket-ownership", "role-boundary", "role-trust"}, b.Setting,
		)
		if (widens || b.Expect != Restored) != (b.Undo != nil) {
			t.Errorf("%s: what widens access or is not restored is undone, and nothing else", b.Setting)
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
	const event = `{"account":"111122223333","region":"eu-central-1","detail":{"userIdentity":{"type":"AssumedRole",
"onBehalfOf":{"userId":"9067-user","identityStoreArn":"arn:aws:identitystore::999988887777:identitystore/d-9067store"},
"principalId":"AROA4XYZABCDEFGHIJKLM:jane.doe@example.com",
"arn":"arn:aws:sts::111122223333:assumed-role/Operators/jane.doe@example.com",
"accountId":"111122223333","accessKeyId":"ASIA4XYZABCDEFGHIJKL","sessionContext":{"sourceIdentity":"jsmith",
"sessionIssuer":{"type":"Role","principalId":"AROA4XYZABCDEFGHIJKLM","userName":"Operators-Berlin",
"arn":"arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-central-1/Operators-Berlin"}}},
"sourceIPAddress":"203.0.113.77","vpcEndpointId":"vpce-0a1b2c3d4e5f60718","vpcEndpointAccountId":"999988887777",
"errorMessage":"User: Operators from 203.0.113.78 with AIPA4XYZABCDEFGHIJKLM",
"responseElements":{"credentials":{"sessionToken":"FwoGZXIvYXdzEXAMPLE-tokenbytes"}},
"requestParameters":{"roleName":"ica-acceptance-abcd-role",
"policyDocument":"{\"sts:RoleSessionName\":\"acceptance-prefix-abcd-*\",\"AWS\":\"arn:aws:iam::111122223333:root\"}"},
"requestID":"0VTYVM320ZVNB8CN"}}`
	masked, err := r.redact([]byte(event))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{
		"111122223333", "999988887777", "4XYZ", "jane", "doe", "Operators", "Berlin", "203.0.113", "prefix-abcd", "jsmith", "9067",
		"tokenbytes",
		"0a1b2c3d",
	} {
		if strings.Contains(string(masked), secret) {
			t.Errorf("it tells %s:\n%s", secret, masked)
		}
	}
	for _, kept := range []string{
		"0VTYVM320ZVNB8CN", "ica-acceptance-abcd-role", "PREFIX-*", "arn:aws:iam::123456789012:root", `"eu-central-1"`,
	} {
		if !strings.Contains(string(masked), kept) {
			t.Errorf("it lost %s:\n%s", kept, masked)
		}
	}
}

// TestTagInTemplate: as CDK writes templates, and as CloudFormation may answer them.
func TestTagInTemplate(t *testing.T) {
	for text, want := range map[string]string{
		"Tags:\n  - Key: ica-acceptance\n    Value: ab2d\n":               "ab2d",
		`"Tags":[{"Key":"ica-acceptance", "Value":"ab2d"}]`:               "ab2d",
		`"Tags": [{"Key": "ica-acceptance",` + "\n" + `"Value": "ab2d"}]`: "ab2d",
		"Tags:\n  - Key: other\n    Value: ab2d\n":                        "",
	} {
		got := ""
		if found := tagInTemplate().FindStringSubmatch(text); found != nil {
			got = found[1]
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
