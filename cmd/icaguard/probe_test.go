package main

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/golden"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/testlab"
)

func TestProbeMisuse(t *testing.T) {
	d := newEnv(t, t.TempDir(), nil)
	d.golden("help-probe", "probe", "--help")
	d.expectFailure([]string{"probe", "--timeout", "0s"}, "--timeout 0s: calls need some time to arrive")
	d.expectFailure([]string{"probe"}, "config: read: open ica.yaml")
}

func TestProbeDeaf(t *testing.T) {
	var text strings.Builder
	found := resultOf([]probe{
		{Service: "iam", Region: "us-east-1", Call: "TagRole", Result: arrived, Seconds: 5.23},
		{Service: "s3", Region: "eu-central-1", Call: "PutPublicAccessBlock", Result: notArrived, RequestID: "222QGPPFOAMC44WY"},
		{
			Service: "kms",
			Region:  "eu-central-1",
			Call:    "EnableKey",
			Result:  skipped,
			Problem: "key arn:… is Disabled: enabling it would change it",
		},
	}, 3*time.Minute)
	if err := found.printTable(&text); err != nil || found.ExitCode != 1 {
		t.Errorf("exit status %d, %v", found.ExitCode, err)
	}
	golden.Check(t, *update, "testdata/probe-no-events.txt", text.String())
}

// abroad is a second storage, in another region and with a key.
type abroad struct {
	s3  *s3.Client
	kms *kms.Client
	key *string
}

const (
	abroadRegion = "eu-central-1"
	prober       = "AKIAPROBER" // who types the commands
)

// newProbed is a lab with a storage abroad in its ica.yaml, and a person who probes.
func newProbed(t *testing.T, a *account, name string) (*guardedEnv, abroad) {
	t.Helper()
	d := newGuardedEnv(t, a, name)
	d.reconcile() // remediate has read its ica.yaml: until it starts again it knows nothing of the storage abroad
	far := abroad{s3: awsclient.S3(a.DirectConfig(abroadRegion), abroadRegion), kms: kms.NewFromConfig(a.DirectConfig(abroadRegion))}
	d.must(far.s3.CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket:                    aws.String(name + "-far"),
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: abroadRegion},
	}))
	created, err := far.kms.CreateKey(t.Context(), &kms.CreateKeyInput{})
	d.must(created, err)
	far.key = created.KeyMetadata.KeyId
	file, err := os.OpenFile(d.Config, os.O_APPEND|os.O_WRONLY, 0)
	d.must(file, err)
	d.must(file.WriteString(`  - name: ` + name + `-far
    icaRegion: EU
    bucket: {name: ` + name + `-far, existing: true, kmsKeyArn: "` + aws.ToString(created.KeyMetadata.Arn) + `"}
    role: {name: ` + name + `-far, existing: true, policyName: ` + name + `-far, sessionNamePrefix: "ssm:/ica/far"}
`))
	d.must(nil, file.Close())
	d.variables["AWS_ACCESS_KEY_ID"] = prober
	d.playFor(prober, "CREATE_COMPLETE")
	return d, far
}

// playFor lets somebody else than the guard see the stacks too.
func (d *guardedEnv) playFor(accessKeyID, status string) {
	for _, stack := range d.Storage.Home.Stacks {
		d.Local.Recorder().PlayStack(stack.Name, localaws.StackState{Status: status, AccessKeyID: accessKeyID})
	}
}

// listen plays all rules of all regions: what hear lets through goes on the guard's queue, on which remediate works until stop.
func (d *guardedEnv) listen(deliver func(localaws.Envelope) bool) (stop func()) {
	d.t.Helper()
	d.Local.Recorder().SetEmit(func(ctx context.Context, event localaws.Envelope) error {
		if who, _ := event.Detail.UserIdentity["arn"].(string); !strings.HasSuffix(who, "/"+prober) || !deliver(event) {
			return nil
		}
		body, err := json.Marshal(event)
		if err != nil {
			return err
		}
		_, err = d.account.sqs.SendMessage(ctx, &sqs.SendMessageInput{
			QueueUrl: aws.String(d.account.queues[guard.RequestQueue]), MessageBody: aws.String(string(body)),
		})
		return err
	})
	d.probed() // none so far
	end, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- d.work(end) }()
	return func() {
		close(end)
		d.must(nil, <-ended)
		d.Local.Recorder().SetEmit(nil)
	}
}

// work lets remediate work on what comes until the end. It never waits in a call: what that received would be lost with it.
func (d *guardedEnv) work(end <-chan struct{}) error {
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		select {
		case <-end:
			tick.Stop()
			return nil
		case <-tick.C:
			if _, err := localaws.Drain(d.t.Context(), d.poller()); err != nil {
				return err
			}
		}
	}
}

// probed are the calls of whoever probes since the mark that were more than reading.
func (d *guardedEnv) probed() []string {
	calls := slices.DeleteFunc(d.Local.Recorder().Calls(), func(c localaws.Call) bool {
		return c.AccessKeyID != prober || regexp.MustCompile(`^(Get|List|Describe|Filter)`).MatchString(c.Operation)
	})
	d.Local.Recorder().ResetCalls()
	return testlab.Operations(calls)
}

func testProbe(t *testing.T, a *account) {
	d, far := newProbed(t, a, "probed")
	d.playFor(prober, "")
	d.expectFailure([]string{"probe"}, "probe: icaguard is not deployed in account "+a.Account()+", region us-east-1: ")
	d.playFor(prober, "CREATE_COMPLETE")
	allow := a.Recorder().Inject(localaws.Fault{Operation: "FilterLogEvents", AccessKeyID: prober, Kind: localaws.Denied})
	d.expectFailure(
		[]string{"probe"},
		"probe: search log group /aws/lambda/icaguard-remediate, which needs logs:FilterLogEvents: ",
		"AccessDenied",
	)
	allow()
	if calls := d.probed(); len(calls) > 0 {
		t.Errorf("%v, though nobody could see them arrive", calls)
	}

	all := func(localaws.Envelope) bool { return true }
	stop := d.listen(all)
	d.golden("probe-ignored", "probe")
	stop()

	d.start()
	stop = d.listen(all)
	before := d.state(far)
	d.golden("probe", "probe")
	if calls, want := d.probed(), []string{
		"TagRole",
		"PutPublicAccessBlock",
		"PutPublicAccessBlock",
		"EnableKey",
	}; !slices.Equal(calls, want) {
		t.Errorf("calls %v, want %v", calls, want)
	}
	if after := d.state(far); before != after {
		t.Errorf("something changed: before %s, after %s", before, after)
	}
	stop()

	stop = d.listen(func(e localaws.Envelope) bool { return e.Source != "aws.s3" || e.Region != abroadRegion })
	checkProbeJSON(t, d.run("probe", "--timeout", "10s", "--json"))
	stop()

	defer d.listen(func(e localaws.Envelope) bool {
		if e.Source == "aws.kms" { // the caller waits for its answer, and somebody disables the key just then
			_, _ = far.kms.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: far.key}) // what comes of it shows it
		}
		return true
	})()
	if p := d.run("probe"); p.code != 2 ||
		!strings.Contains(
			p.stdout,
			"kms eu-central-1 arrived: somebody changed it during the call, find out in CloudTrail who: before Enabled, after key "+
				"arn:aws:kms:",
		) ||
		!strings.Contains(p.stdout, " is Disabled: enabling it would change it\n") {
		t.Errorf("want what changed meanwhile:\n%s", p.transcript())
	}
}

// state is all that a probe puts again.
func (d *guardedEnv) state(far abroad) string {
	d.t.Helper()
	role, err := d.IAM(testlab.Stranger).GetRole(d.t.Context(), &iam.GetRoleInput{RoleName: &d.Storage.Role.Name})
	d.must(role, err)
	block, err := far.s3.GetPublicAccessBlock(
		d.t.Context(), &s3.GetPublicAccessBlockInput{Bucket: aws.String(d.Storage.Name + "-far")},
	)
	d.must(block, err)
	key, err := far.kms.DescribeKey(d.t.Context(), &kms.DescribeKeyInput{KeyId: far.key})
	d.must(key, err)
	return stateOf([]any{role.Role.Tags, block.PublicAccessBlockConfiguration, key.KeyMetadata.KeyState})
}

// checkProbeJSON reads the JSON by its names, which people's scripts use.
func checkProbeJSON(t *testing.T, a answer) {
	t.Helper()
	var got struct {
		ExitCode    int              `json:"exitCode"`
		Probes      []map[string]any `json:"probes"`
		Remediation string           `json:"remediation"`
	}
	if err := json.Unmarshal(
		[]byte(a.stdout), &got,
	); err != nil || a.code != 1 || got.ExitCode != 1 || got.Remediation == "" ||
		len(got.Probes) != 4 {
		t.Fatalf("%v:\n%s", err, a.transcript())
	}
	iamProbe, silent := got.Probes[0], got.Probes[2]
	if iamProbe["service"] != "iam" || iamProbe["result"] != "arrived" || iamProbe["seconds"].(float64) < 0 ||
		iamProbe["requestId"] == "" {
		t.Errorf("iam: %v", iamProbe)
	}
	if silent["service"] != "s3" || silent["region"] != abroadRegion || silent["result"] != "not-arrived" ||
		silent["seconds"] != nil {
		t.Errorf("no events: %v", silent)
	}
	if called, err := time.Parse(time.RFC3339, silent["called"].(string)); err != nil || time.Since(called) > time.Hour {
		t.Errorf("called: %v, %v", silent["called"], err)
	}
	if !strings.HasPrefix(a.stderr, "puts again, as it is:\n") {
		t.Errorf("with --json the plan goes to standard error:\n%s", a.transcript())
	}
}

// testProbeUnfit has resources of which nothing can be put again.
func testProbeUnfit(t *testing.T, a *account) {
	d, far := newProbed(t, a, "unfit")
	d.start()
	defer d.listen(func(localaws.Envelope) bool { return true })()
	near := awsclient.S3(a.DirectConfig(testlab.Region), testlab.Region)
	d.must(near.DeletePublicAccessBlock(t.Context(), &s3.DeletePublicAccessBlockInput{Bucket: &d.Storage.Bucket.Name}))
	d.must(far.kms.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: far.key}))
	direct := iam.NewFromConfig(a.DirectConfig(testlab.Region))
	var keys []string
	for key := range d.Storage.Role.Tags {
		keys = append(keys, key)
	}
	d.must(direct.UntagRole(t.Context(), &iam.UntagRoleInput{RoleName: &d.Storage.Role.Name, TagKeys: keys}))
	d.must(far.s3.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: aws.String("unfit-far")}))
	d.golden("probe-unfit", "probe")
	if calls := d.probed(); len(calls) > 0 {
		t.Errorf("calls %v", calls)
	}

	// An adopted role has tags of its own, and the lab's bucket is readable no more.
	d.must(direct.CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: aws.String("unfit-far"), AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[]}`),
		Tags: []iamtypes.Tag{{Key: aws.String("team"), Value: aws.String("genomics")}},
	}))
	defer a.Recorder().Inject(localaws.Fault{Operation: "GetPublicAccessBlock", AccessKeyID: prober, Kind: localaws.Denied})()
	d.golden("probe-in-part", "probe")
	out, err := direct.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("unfit-far")})
	d.must(out, err)
	if calls := d.probed(); !slices.Equal(calls, []string{"TagRole"}) || len(out.Role.Tags) != 1 ||
		aws.ToString(out.Role.Tags[0].Value) != "genomics" {
		t.Errorf("calls %v, tags %v", calls, stateOf(out.Role.Tags))
	}
}
