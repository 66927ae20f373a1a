package beliefs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/icaguard/icaguard/internal/acceptance/evidence"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// fixture is a run that saw these events.
func fixture(events ...string) evidence.Evidence {
	return evidence.Evidence{
		Account: "111122223333", Partition: "aws",
		Storage: icaconfig.Storage{Home: icaconfig.Home{HomeRegion: "eu-central-1"}},
		Events: func(string) (raw []evidence.Raw) {
			for _, event := range events {
				raw = append(raw, evidence.Raw{
					Region: "us-east-1", Body: json.RawMessage(event), Received: time.Date(2026, 1, 15, 9, 12, 40, 0, time.UTC),
				})
			}
			return raw
		},
	}
}

// event is a sample, with some of its text replaced.
func event(t *testing.T, file string, replaced ...string) string {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(root, "events", file))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(replaced); i += 2 {
		if !strings.Contains(string(body), replaced[i]) {
			t.Fatalf("%s has no %s", file, replaced[i])
		}
	}
	return strings.NewReplacer(replaced...).Replace(string(body))
}

func belief(t *testing.T, id string) Belief {
	t.Helper()
	for _, b := range All() {
		if b.ID == id {
			return b
		}
	}
	t.Fatalf("no belief %s", id)
	return Belief{}
}

func TestWitnesses(t *testing.T) {
	const (
		cors, policy  = "aws.s3.PutBucketCors.json", "recorded/s3.amazonaws.com__PutBucketPolicy__3.json"
		notification  = "aws.s3.PutBucketNotification.json"
		keyPolicy     = "recorded/kms.amazonaws.com__PutKeyPolicy__3.json"
		version       = "recorded/iam.amazonaws.com__CreatePolicyVersion__2.json"
		recursion     = "aws.lambda.PutFunctionRecursionConfig.json"
		invoke, guard = "aws.lambda.DeleteFunctionEventInvokeConfig.json", "aws.sns.PutDataProtectionPolicy.json"
		role          = "aws.iam.UpdateRole.json"
		ofRemediate   = `"userName": "icaguard-remediate"`
		ofAdmin       = `"userName": "Admin"`
	)
	for _, tc := range []struct {
		belief string
		events []string
		want   evidence.Verdict
	}{
		{
			"event-documents",
			[]string{event(t, cors), event(t, policy), event(t, notification), event(t, keyPolicy)},
			evidence.Confirmed,
		},
		{"event-documents", []string{event(t, cors)}, evidence.NotSeen},
		{"event-documents", []string{event(t, cors, `"CORSConfiguration"`, `"corsConfiguration"`)}, evidence.Refuted},
		{"event-documents", []string{event(t, keyPolicy, `"policy": "`, `"policyText": "`)}, evidence.Refuted},
		{"policy-content-events", []string{event(t, version)}, evidence.Confirmed},
		{"policy-content-events", []string{event(t, version, `"policyArn"`, `"policyName"`)}, evidence.Refuted},
		{"policy-content-events", nil, evidence.NotSeen},
		{"tiering-events", []string{event(t, "aws.s3.PutBucketIntelligentTieringConfiguration.json")}, evidence.Confirmed},
		{
			"tiering-events",
			[]string{event(t, "aws.s3.DeleteBucketIntelligentTieringConfiguration.json", `"bucketName"`, `"bucket"`)},
			evidence.Refuted,
		},
		{"notification-event-names", []string{event(t, notification)}, evidence.Confirmed},
		{"notification-event-names", []string{event(t, notification, `"TopicConfiguration"`, `"TopicConfigurations"`)}, evidence.Refuted},
		{"lambda-event-versions", []string{event(t, recursion)}, evidence.Confirmed},
		{"lambda-event-versions", []string{event(t, recursion, "PutFunctionRec", "PUTFunctionRec")}, evidence.Refuted},
		{"lambda-sns-event-names", []string{event(t, recursion), event(t, invoke), event(t, guard)}, evidence.Confirmed},
		{"lambda-sns-event-names", []string{event(t, guard, `"resourceArn"`, `"topicArn"`)}, evidence.Refuted},
		{"no-reads-delivered", []string{event(t, role)}, evidence.Confirmed},
		{"no-reads-delivered", []string{event(t, role, `"readOnly": false`, `"readOnly": true`)}, evidence.Refuted},
		{"iam-events-region", []string{event(t, role), event(t, cors, "us-east-1", "eu-central-1")}, evidence.Confirmed},
		{"iam-events-region", []string{event(t, role, `"awsRegion": "us-east-1"`, `"awsRegion": "eu-central-1"`)}, evidence.Refuted},
		{"iam-events-region", []string{event(t, cors)}, evidence.NotSeen},
		{"delivery-time", []string{event(t, role)}, evidence.Confirmed},
		{"delivery-time", []string{event(t, role), event(t, cors, "T09:12:33Z", "T09:02:33Z")}, evidence.Refuted},
		{"failed-calls-delivered", []string{event(t, "recorded/s3.amazonaws.com__DeleteBucket__3.json")}, evidence.Confirmed},
		{"failed-calls-delivered", []string{event(t, role)}, evidence.NotSeen},
		{"stack-call-source", []string{event(t, role, "198.51.100.7", "cloudformation.amazonaws.com")}, evidence.Confirmed},
		{"stack-call-source", []string{event(t, role)}, evidence.NotSeen},
		{"lambda-no-endpoint", []string{event(t, role, ofAdmin, ofRemediate)}, evidence.Confirmed},
		{"lambda-no-endpoint", []string{event(t, role, ofAdmin, ofRemediate, `"readOnly"`, `"vpcEndpointId": "vpce-1", "readOnly"`)}, evidence.Refuted},
		{"lambda-no-endpoint", []string{event(t, role)}, evidence.NotSeen},
		{"cloudtrail-events", []string{event(t, role)}, evidence.Confirmed},
		{"cloudtrail-events", nil, evidence.NotSeen},
		{"request-ids", []string{event(t, role), event(t, cors)}, evidence.Confirmed},
		{"request-ids", []string{event(t, role, `"requestID": "295ee6e3-1da9-416f-885d-ad65d876ef83",`, "")}, evidence.Refuted},
		{"request-ids", []string{event(t, role), event(t, role, `"UpdateRole"`, `"TagRole"`)}, evidence.Refuted},
	} {
		b := belief(t, tc.belief)
		if got := b.OfRun(fixture(tc.events...)); got.Verdict != tc.want {
			t.Errorf("%s is %s, want %s: %s", tc.belief, got.Verdict, tc.want, got.Why)
		}
	}
}

// Every sample confirms the belief about its name, and refutes it where nothing in it names a resource.
func TestNamesOfEvents(t *testing.T) {
	for _, b := range namesOfEvents() {
		if got := b.OfRun(fixture()); got.Verdict != evidence.NotSeen {
			t.Errorf("%s is %s of a run without events", b.ID, got.Verdict)
		}
		for _, file := range b.In {
			whole := event(t, strings.TrimPrefix(file, "events/"))
			if strings.Contains(whole, `"errorCode"`) { // nothing changed, so no belief is about it
				continue
			}
			if got := b.OfRun(fixture(whole)); got.Verdict != evidence.Confirmed {
				t.Errorf("%s of %s is %s: %s", b.ID, file, got.Verdict, got.Why)
			}
			nameless := strings.NewReplacer(`"requestParameters"`, `"parameters"`, `"ARN"`, `"name"`, `"resources"`, `"things"`).Replace(whole)
			want := evidence.Refuted
			if strings.Contains(b.Fact, "nothing that a row asks for") {
				want = evidence.Confirmed
			}
			if got := b.OfRun(fixture(nameless)); got.Verdict != want {
				t.Errorf("%s of %s without names is %s, want %s: %s", b.ID, file, got.Verdict, want, got.Why)
			}
		}
	}
	respelt := event(t, "aws.s3.PutBucketCors.json", `"PutBucketCors"`, `"PutBucketCORS"`)
	if got := belief(t, "s3-PutBucketCors").OfRun(fixture(respelt)); got.Verdict != evidence.Refuted {
		t.Errorf("an event PutBucketCORS: %+v", got)
	}
}

func TestRestores(t *testing.T) {
	away := event(t, "aws.s3.PutBucketCors.json")
	run := fixture(away)
	for _, id := range []string{"batch-names-queue", "source-function-arn", "bus-keeps-event", "events-bus-target"} {
		run.Breaks = []evidence.Break{{Setting: "bucket-cors", Event: "PutBucketCors"}} // never restored
		if got := belief(t, id).OfRun(run); got.Verdict != evidence.NotSeen {
			t.Errorf("%s without a restore: %+v", id, got)
		}
		run.Breaks[0].Took = 7 * time.Second
		if got := belief(t, id).OfRun(run); got.Verdict != evidence.Confirmed {
			t.Errorf("%s after a restore: %+v", id, got)
		}
	}
	run.Storage.Home.HomeRegion = "us-east-1" // where the event is at home
	if got := belief(t, "bus-keeps-event").OfRun(run); got.Verdict != evidence.NotSeen {
		t.Errorf("an event of the home region: %+v", got)
	}
}

func TestReads(t *testing.T) {
	const s = time.Second
	prompt, late := []reading{{0, true}, {s, true}}, []reading{{0, false}, {s, false}, {14 * s, false}, {15 * s, true}}
	flips := []reading{{0, false}, {s, true}, {2 * s, false}, {3 * s, true}}
	for _, tc := range []struct {
		name  string
		round []reading
		shown evidence.Verdict // 13 seconds later
		twice evidence.Verdict // two seconds apart
	}{
		{"prompt", prompt, evidence.Confirmed, evidence.Confirmed},
		{"late", late, evidence.Refuted, evidence.Refuted},
		{"flips", flips, evidence.Confirmed, evidence.Confirmed},
		{"slow", []reading{{0, false}, {s, false}, {2 * s, false}, {3 * s, true}}, evidence.Confirmed, evidence.Refuted},
	} {
		rounds := [][]reading{prompt, tc.round}
		if got := shownBy(rounds, 13*s); got.Verdict != tc.shown {
			t.Errorf("%s: shown is %+v, want %s", tc.name, got, tc.shown)
		}
		if got := notTwice(rounds, 2*s); got.Verdict != tc.twice {
			t.Errorf("%s: twice is %+v, want %s", tc.name, got, tc.twice)
		}
	}
}

func TestFailedInvocation(t *testing.T) {
	for payload, want := range map[string]evidence.Verdict{
		`{"errorMessage":"no","errorType":"errorString"}`: evidence.Confirmed,
		`{"error":"no"}`: evidence.Refuted,
		`no`:             evidence.Refuted,
	} {
		got := failedInvocation(&lambda.InvokeOutput{StatusCode: 200, FunctionError: aws.String("Unhandled"), Payload: []byte(payload)})
		if got.Verdict != want {
			t.Errorf("%s: %+v, want %s", payload, got, want)
		}
	}
}

func TestKeyCalls(t *testing.T) {
	call := func(replaced ...string) evidence.Raw {
		return evidence.Raw{Body: json.RawMessage(event(t, "aws.kms.EnableKey.json", append([]string{
			`"userName": "Admin"`, `"userName": "icaguard-remediate"`, "198.51.100.7", "dynamodb.amazonaws.com",
		}, replaced...)...))}
	}
	for _, tc := range []struct {
		records []evidence.Raw
		want    evidence.Verdict
	}{
		{[]evidence.Raw{call()}, evidence.Confirmed},
		{[]evidence.Raw{call(`"readOnly"`, `"errorCode": "AccessDenied", "readOnly"`)}, evidence.Refuted},
		{[]evidence.Raw{{Body: json.RawMessage(event(t, "aws.kms.EnableKey.json"))}}, evidence.NotSeen},
	} {
		if got := keyCallsOf(tc.records); got.Verdict != tc.want {
			t.Errorf("%+v, want %s", got, tc.want)
		}
	}
}

func TestTrailBucketNamed(t *testing.T) {
	for bucket, want := range map[string]evidence.Verdict{
		"icaguard-guard-trailbucket0a1b2c3d-4e5f6a7b8c9d": evidence.Confirmed, "icaguard-guard-0a1b2c3d": evidence.Refuted,
	} {
		if got := trailBucketNamed("icaguard-guard", bucket); got.Verdict != want {
			t.Errorf("%s: %+v", bucket, got)
		}
	}
}
