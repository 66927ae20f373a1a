package beliefs

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/icaguard/icaguard/internal/acceptance/evidence"
	"github.com/icaguard/icaguard/internal/golden"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	"github.com/icaguard/icaguard/internal/testlab"
)

var update = flag.Bool("update", false, "rewrite golden files and generated ones")

// env is a run in a local AWS.
type env struct {
	local *localaws.AWS
	run   evidence.Evidence

	mu     sync.Mutex
	events []evidence.Raw
}

func newEnv(local *localaws.AWS, storage icaconfig.Storage) *env {
	e := &env{local: local}
	local.Recorder().SetEmit(func(_ context.Context, event localaws.Envelope) error {
		body, err := json.Marshal(event)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.events = append(e.events, evidence.Raw{Region: event.Region, Body: body, Received: event.Time})
		return err
	})
	e.run = evidence.Evidence{
		Local: true, Account: local.Account(), Partition: "aws", Storage: storage, Scratch: "scratch",
		Config: func(region string) aws.Config { return local.Config(region, testlab.Stranger) },
		Events: func(string) []evidence.Raw {
			e.mu.Lock()
			defer e.mu.Unlock()
			return slices.Clone(e.events)
		},
	}
	return e
}

// bare is a storage of which experiments need the region only.
func bare() icaconfig.Storage {
	return icaconfig.Storage{
		Home: icaconfig.Home{HomeRegion: testlab.Region, Stacks: []icaconfig.Stack{
			{Kind: icaconfig.GuardStack, Name: "icaguard-guard", Region: testlab.Region},
		}},
		Role: &icaconfig.Role{Name: "none", ARN: "arn:aws:iam::123456789012:role/none"},
	}
}

// What the local AWS answers proves that the experiments can be done, and nothing about AWS.
func TestLocalAWS(t *testing.T) {
	local := localawstest.Start(t)
	answered := answersOf(t, local)
	t.Run("emulations", func(t *testing.T) { testEmulations(t, answered) })
	t.Run("denials", func(t *testing.T) { testDenials(t, local) })
	t.Run("stacks", func(t *testing.T) { testStacks(t, local) })
	t.Run("failure", func(t *testing.T) { testFailure(t, local) })
}

// answersOf are compared with those of before. The experiments leave nothing behind.
func answersOf(t *testing.T, local *localaws.AWS) []Answered {
	t.Helper()
	e := newEnv(local, testlab.New(t, local, "sandbox", icaconfig.Observe).Storage)
	answered, err := Try(t.Context(), e.run).Answers(t.Context(), e.run)
	var b strings.Builder
	for _, a := range answered {
		fmt.Fprintf(&b, "%-10s %s\n", a.Verdict, a.ID)
		if strings.Contains(a.Why, "panic") || strings.Contains(a.Why, "left behind") {
			t.Errorf("%s: %s", a.ID, a.Why)
		}
		if a.ID == "sns-PutDataProtectionPolicy" && !strings.Contains(a.Why, "NotImplemented") {
			t.Errorf("moto has no such call, which is not said: %s", a.Why)
		}
	}
	golden.Check(t, *update, "testdata/local.golden", b.String())
	if err != nil {
		t.Error(err)
	}
	if left := leftOver(t, local); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return answered
}

// leftOver lists what bears the name of experiments, but for keys, which wait for their deletion.
func leftOver(t *testing.T, local *localaws.AWS) (left []string) {
	t.Helper()
	ctx, cfg := t.Context(), local.DirectConfig(testlab.Region)
	add := func(out any, err error) {
		if err != nil {
			t.Error(err)
		}
		text, err := json.Marshal(out)
		if err != nil || strings.Contains(string(text), "scratch") {
			left = append(left, string(text))
		}
	}
	ofIAM, buckets := iam.NewFromConfig(cfg), s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	add(buckets.ListBuckets(ctx, &s3.ListBucketsInput{}))
	add(ofIAM.ListRoles(ctx, &iam.ListRolesInput{}))
	add(ofIAM.ListPolicies(ctx, &iam.ListPoliciesInput{Scope: iamtypes.PolicyScopeTypeLocal}))
	add(ofIAM.ListOpenIDConnectProviders(ctx, &iam.ListOpenIDConnectProvidersInput{}))
	add(sqs.NewFromConfig(cfg).ListQueues(ctx, &sqs.ListQueuesInput{}))
	add(sns.NewFromConfig(cfg).ListTopics(ctx, &sns.ListTopicsInput{}))
	add(eventbridge.NewFromConfig(cfg).ListRules(ctx, &eventbridge.ListRulesInput{}))
	add(lambda.NewFromConfig(cfg).ListFunctions(ctx, &lambda.ListFunctionsInput{}))
	add(dynamodb.NewFromConfig(cfg).ListTables(ctx, &dynamodb.ListTablesInput{}))
	add(ssm.NewFromConfig(cfg).DescribeParameters(ctx, &ssm.DescribeParametersInput{}))
	add(cloudwatchlogs.NewFromConfig(cfg).DescribeLogGroups(ctx, &cloudwatchlogs.DescribeLogGroupsInput{}))
	keys, err := kms.NewFromConfig(cfg).ListKeys(ctx, &kms.ListKeysInput{})
	add(nil, err)
	for _, key := range keys.Keys {
		out, err := kms.NewFromConfig(cfg).DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: key.KeyId})
		add(nil, err)
		if out.KeyMetadata.KeyState != "PendingDeletion" {
			left = append(left, *key.KeyId)
		}
	}
	return left
}

// testEmulations: an experiment that confirms what an emulation does, does not where the emulation is off.
func testEmulations(t *testing.T, answered []Answered) {
	gaps, err := localaws.Gaps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var off []string
	for _, gap := range gaps {
		if strings.HasPrefix(gap.By, "emulation.py") {
			off = append(off, gap.ID)
		}
	}
	without := newEnv(localawstest.StartWith(t, localaws.Options{WithoutGaps: off}), bare())
	told := 0
	for _, a := range answered {
		if a.Verdict != evidence.Confirmed || a.Belief.Answer == nil || !slices.Contains(off, a.ID) {
			continue
		}
		if a.ID == "cfn-dynamic-references" { // asks the run's own role
			continue
		}
		got := a.Belief.Answer(t.Context(), without.run)
		if got.Verdict == evidence.Confirmed {
			t.Errorf("%s without its emulation is %+v", a.ID, got)
		}
		if got.Verdict == evidence.Refuted {
			told++
		}
	}
	if told < 20 { // without some, moto answers 500, and nothing is said
		t.Errorf("only %d of %d emulations are told by an experiment", told, len(off))
	}
}

// testDenials: the local AWS evaluates no bucket policy, so its recorder denies what the experiment asks for.
func testDenials(t *testing.T, local *localaws.AWS) {
	e := newEnv(local, bare())
	for _, tc := range []struct {
		name   string
		denied []string // the reads in the order of the experiment, the first the control
		want   evidence.Verdict
	}{
		{"as believed", []string{"GetBucketLogging", "GetBucketTagging"}, evidence.Confirmed},
		{"the positive one does not hit", []string{"GetBucketLogging"}, evidence.Refuted},
		{"the negative one hits", []string{"GetBucketLogging", "GetBucketTagging", "GetBucketWebsite"}, evidence.Refuted},
		{"nothing is in force", nil, evidence.NotSeen},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, id := range []string{"bool-case", "principal-arn-role"} {
				if id == "principal-arn-role" && len(tc.denied) > 2 {
					continue // it has one
				}
				run := e.run
				run.Scratch += "-" + id
				denyUnderPolicy(local, tc.denied)
				got := belief(t, id).Answer(t.Context(), run)
				if got.Verdict != tc.want {
					t.Errorf("%s is %+v, want %s", id, got, tc.want)
				}
			}
		})
	}
}

// denyUnderPolicy makes the recorder deny these calls from the next bucket policy on, until the bucket is deleted.
func denyUnderPolicy(local *localaws.AWS, operations []string) {
	var remove []func()
	local.Recorder().SetEmit(func(_ context.Context, event localaws.Envelope) error {
		switch event.Detail.EventName {
		case "PutBucketPolicy":
			for _, operation := range operations {
				remove = append(remove, local.Recorder().Inject(localaws.Fault{
					Service: "s3", Operation: operation, Kind: localaws.ExplicitDeny,
				}))
			}
		case "DeleteBucket":
			for _, undo := range remove {
				undo()
			}
		}
		return nil
	})
}

// testStacks is about what an experiment reads of the run's own stacks.
func testStacks(t *testing.T, local *localaws.AWS) {
	e := newEnv(local, bare())
	client := cloudformation.NewFromConfig(local.Config(testlab.Region, testlab.Stranger))
	for id, want := range map[string]evidence.Verdict{
		"trail-bucket-name": evidence.NotTried, "cfn-own-policies": evidence.NotTried, "cfn-life-cycle": evidence.NotTried,
	} {
		if got := belief(t, id).Answer(t.Context(), e.run); got.Verdict != want {
			t.Errorf("%s without a stack is %+v, want %s", id, got, want)
		}
	}
	if _, err := client.CreateStack(t.Context(), &cloudformation.CreateStackInput{
		StackName: aws.String("icaguard-guard"), TemplateBody: aws.String(`{"Resources":{
			"TrailBucket0A1B":{"Type":"AWS::S3::Bucket","Properties":{}},
			"Topic":{"Type":"AWS::SNS::Topic","Properties":{"TopicName":"t"}},
			"Policy":{"Type":"AWS::SNS::TopicPolicy","Properties":{"Topics":[{"Ref":"Topic"}],
				"PolicyDocument":{"Version":"2012-10-17","Statement":[]}}}}}`),
	}); err != nil {
		t.Fatal(err)
	}
	if got := made("AWS::SNS::TopicPolicy", "AWS::SNS::Topic")(t.Context(), e.run); got.Verdict != evidence.Confirmed {
		t.Errorf("what the stack has: %+v", got)
	}
	for id, want := range map[string]evidence.Verdict{
		"trail-bucket-name": evidence.Confirmed, "cfn-own-policies": evidence.NotSeen, "cfn-life-cycle": evidence.Confirmed,
	} {
		if got := belief(t, id).Answer(t.Context(), e.run); got.Verdict != want {
			t.Errorf("%s is %+v, want %s", id, got, want)
		}
	}
}

// testFailure: an experiment that fails says so, and removes what it created.
func testFailure(t *testing.T, local *localaws.AWS) {
	e := newEnv(local, bare())
	stumbles := try(func(ctx context.Context, l *lab) (evidence.Answer, error) {
		if _, err := l.bucket(ctx); err != nil {
			return evidence.Answer{}, err
		}
		var nothing *icaconfig.Key
		return confirmed("%s", nothing.ARN), nil
	})
	got := stumbles(t.Context(), e.run)
	if got.Verdict != evidence.NotTried || !strings.Contains(got.Why, "panic") {
		t.Errorf("it is %+v", got)
	}
	if left := leftOver(t, local); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	local.Recorder().Inject(localaws.Fault{Operation: "DeleteBucket", Kind: localaws.ExplicitDeny})
	if got := stumbles(t.Context(), e.run); !strings.Contains(got.Why, "left behind") {
		t.Errorf("what could not be removed is not said: %+v", got)
	}
}
