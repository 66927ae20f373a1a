package self

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/golden"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

var update = flag.Bool("update", false, "rewrite golden files")

const eventsDir = "../../../events"

// sessionNamePrefix is one that no test output may hold: tools/check-secrets.sh checks.
const sessionNamePrefix = "prefix-that-must-not-be-printed"

// samples are all sample events by their path below events/.
func samples(t *testing.T) map[string]cloudtrail.Event {
	t.Helper()
	constructed, err := filepath.Glob(filepath.Join(eventsDir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	recorded, err := filepath.Glob(filepath.Join(eventsDir, "recorded", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(constructed) == 0 || len(recorded) < 34 {
		t.Fatalf("found %d constructed and %d recorded events; want some and 34", len(constructed), len(recorded))
	}
	events := map[string]cloudtrail.Event{}
	for _, path := range append(constructed, recorded...) {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		event, err := cloudtrail.Parse(body)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		name, err := filepath.Rel(eventsDir, path)
		if err != nil {
			t.Fatal(err)
		}
		events[name] = event
	}
	return events
}

// baselineOf is a configuration whose resources are those that the event names, in whatever route it names them. The
// guard's own have names of their own, which no storage's resource takes.
func baselineOf(e cloudtrail.Event) icaconfig.Baseline {
	named := func(parameters ...string) string {
		for _, p := range parameters {
			if values := e.Named(p); len(values) > 0 && values[0] != "" && !strings.Contains(values[0], "icaguard") {
				return values[0]
			}
		}
		return "none"
	}
	home := icaconfig.Home{
		Account: e.Account, Partition: "aws", HomeRegion: "us-east-1", StorageRegions: []string{"us-east-1"},
		CreateTrail: true, Stacks: []icaconfig.Stack{{Kind: icaconfig.GuardStack, Name: "icaguard-guard", Region: "us-east-1"}},
	}
	bucket, role := named("bucketName"), named("roleName")
	s := icaconfig.Storage{
		Name: "sample", Home: home,
		Bucket: &icaconfig.Bucket{Name: bucket, ARN: "arn:aws:s3:::" + bucket},
		Role: &icaconfig.Role{
			Name:   role,
			ARN:    "arn:aws:iam::" + e.Account + ":role/" + role,
			Policy: icaconfig.Policy{Name: named("policyName"), ARN: named("policyArn")},
			Prefixes: []icaconfig.SessionNamePrefix{{
				Parameter: named("name", "names"),
				ARN:       "arn:aws:ssm:us-east-1:" + e.Account + ":parameter/none",
			}},
			Boundary: icaconfig.Boundary{Ours: true, ARN: "arn:aws:iam::" + e.Account + ":policy/icaguard-boundary-Illumina_ICA_Role"},
		},
		Provider: &icaconfig.Provider{ARN: named("openIDConnectProviderArn"), URL: named("url")},
		Key:      &icaconfig.Key{ARN: named("keyId")},
	}
	if strings.Contains(s.Role.Policy.ARN, "policy/organisation-") {
		s.Role.Boundary, s.Role.Policy.ARN = icaconfig.Boundary{ARN: s.Role.Policy.ARN}, "none"
	}
	if e.Source == "aws.kms" && len(e.Resources) > 0 {
		s.Key.ARN = e.Resources[0]
	}
	return icaconfig.Baseline{Home: home, Roles: []*icaconfig.Role{s.Role}, Storages: []icaconfig.Storage{s}}
}

func TestSamplesRoute(t *testing.T) {
	var lines []string
	for name, event := range samples(t) {
		b := baselineOf(event)
		var to []string
		for _, request := range guard.Route(event, "", AllRows(), b) {
			to = append(to, request.Setting)
		}
		result := strings.Join(to, " ")
		if len(to) == 0 {
			result = "ignored: " + guard.WhyIgnored(event, AllRows(), b)
		}
		lines = append(lines, fmt.Sprintf("%s → %s\n", name, result))
	}
	slices.Sort(lines)
	golden.Check(t, *update, filepath.Join(eventsDir, "routes.golden"), strings.Join(lines, ""))
}

// TestEveryTriggerHasASample that leads to its setting: an event that another setting hears too proves nothing for this one.
func TestEveryTriggerHasASample(t *testing.T) {
	leads := map[string]bool{}
	for _, event := range samples(t) {
		for _, request := range guard.Route(event, "", AllRows(), baselineOf(event)) {
			leads[event.Source+"."+cloudtrail.APIName(event.Name)+" "+request.Setting] = true
		}
	}
	for _, setting := range AllRows() {
		for _, trigger := range setting.Triggers {
			for _, name := range trigger.Events {
				if route := trigger.Source + "." + name + " " + setting.ID; !leads[route] {
					t.Errorf("no sample in events/ for %s", route)
				}
			}
		}
	}
}

func TestEveryConstructedSampleHasATrigger(t *testing.T) {
	sources := guard.Sources(AllRows())
	for file, event := range samples(t) {
		key := event.Source + "." + event.Name
		if strings.HasPrefix(file, "recorded") {
			continue
		}
		if !slices.Contains(sources[event.Source], cloudtrail.APIName(event.Name)) {
			t.Errorf("events/%s: no setting listens to %s", file, key)
		}
		if !slices.Contains([]string{key + ".json", key + ".icaguard.json", key + ".organisation.json"}, file) {
			t.Errorf("events/%[1]s holds %[2]s: name it %[2]s.json, %[2]s.icaguard.json if it is about the guard's own, "+
				"%[2]s.organisation.json if it is about an organisation's policy", file, key)
		}
	}
}

func TestEventsForOthersAreIgnored(t *testing.T) {
	for name, event := range samples(t) {
		other := baselineOf(event)
		other.Storages = baselineOf(cloudtrail.Event{Account: event.Account}).Storages
		event = aboutOthers(event)
		for _, request := range guard.Route(event, "", AllRows(), other) {
			if !anyOf(request.Setting, event.Name) {
				t.Errorf("%s: requests at another's resource: %v", name, request)
			}
		}
		elsewhere := baselineOf(event)
		elsewhere.Account = "999999999999"
		if requests := guard.Route(event, "", AllRows(), elsewhere); len(requests) != 0 {
			t.Errorf("%s: requests at another account's event: %v", name, requests)
		}
	}
}

// aboutOthers is the same event about resources that do not have the guard's names.
func aboutOthers(e cloudtrail.Event) cloudtrail.Event {
	parameters := map[string]json.RawMessage{}
	for name, value := range e.Parameters {
		parameters[name] = json.RawMessage(
			strings.NewReplacer("icaguard-", "another-", "/icaguard/", "/another/").Replace(string(value)),
		)
	}
	e.Parameters = parameters
	e.Resources = slices.Clone(e.Resources)
	for i, arn := range e.Resources {
		e.Resources[i] = strings.ReplaceAll(arn, "icaguard-", "another-")
	}
	return e
}

// anyOf reports whether the setting takes an event whatever it names: which trail or mapping it is, only a check can tell.
func anyOf(setting, event string) bool {
	return slices.ContainsFunc(AllRows(), func(s guard.Row) bool {
		return s.ID == setting &&
			slices.ContainsFunc(s.Triggers, func(t guard.Trigger) bool {
				return t.AnyResource && slices.Contains(t.Events, cloudtrail.APIName(event))
			})
	})
}

// TestOwnNamesMatchInEveryForm: services name a resource by its name, ARN, URL or a part of one, as their caller did.
func TestOwnNamesMatchInEveryForm(t *testing.T) {
	for _, c := range []struct{ source, event, parameter, value, setting string }{
		{"lambda", "DeleteFunction20150331", "functionName", "icaguard-remediate", "guard-function"},
		{"lambda", "DeleteFunction20150331", "functionName", "123456789012:function:icaguard-validate", "guard-function"},
		{
			"lambda", "DeleteFunction20150331", "functionName", "arn:aws:lambda:us-east-1:123456789012:function:icaguard-validate:prod",
			"guard-function",
		},
		{"lambda", "DeleteFunction20150331", "functionName", "icaguard-remediate-copy", ""},
		{"lambda", "DeleteFunction", "functionName", "icaguard-remediate", "guard-function"},
		{"lambda", "PutFunctionRecursionConfig20240831", "functionName", "icaguard-remediate", "guard-function"},
		{"lambda", "CreateFunctionUrlConfig20211031v2", "functionName", "icaguard-validate", "guard-function"},
		{
			"lambda", "CreateEventSourceMapping", "eventSourceArn", "arn:aws:sqs:us-east-1:123456789012:icaguard-requests",
			"guard-function",
		},
		{"lambda", "CreateEventSourceMapping", "eventSourceArn", "arn:aws:sqs:us-east-1:123456789012:another", ""},
		{"lambda", "CreateFunction20150331", "role", "arn:aws:iam::123456789012:role/icaguard-remediate", "guard-role"},
		{"lambda", "CreateFunction20150331", "role", "arn:aws:iam::123456789012:role/another", ""},
		{"monitoring", "PutMetricAlarm", "alarmName", "icaguard-heartbeat", "guard-alarms"},
		{"monitoring", "PutMetricAlarm", "alarmName", "icaguar", ""},
		{"s3", "PutBucketPolicy", "bucketName", "icaguard-guard-trailbucket3d67c63d-1a2b3c", "guard-trail"},
		{"s3", "PutBucketPolicy", "bucketName", "icaguard-guard-other", ""},
		{"sqs", "DeleteQueue", "queueUrl", "https://sqs.eu-central-1.amazonaws.com/123456789012/icaguard-dead-letters", "guard-queue"},
		{"sqs", "DeleteQueue", "queueUrl", "https://queue.amazonaws.com/123456789012/icaguard-requests", "guard-queue"},
		{"sqs", "DeleteQueue", "queueUrl", "https://sqs.us-east-1.amazonaws.com/123456789012/icaguard-requests-old", ""},
		{"sns", "Unsubscribe", "subscriptionArn", "arn:aws:sns:us-east-1:123456789012:icaguard-alerts:5be8f5b0", "guard-topic"},
		{"sns", "Unsubscribe", "subscriptionArn", "arn:aws:sns:us-east-1:123456789012:alerts:icaguard", ""},
		{"dynamodb", "DeleteTable", "tableName", "arn:aws:dynamodb:us-east-1:123456789012:table/icaguard-ledger", "guard-ledger"},
		{"dynamodb", "DeleteTable", "tableName", "ledger", ""},
		{"iam", "DeleteRole", "roleName", "ICAguard-Remediate", "guard-role"},
		{"events", "RemoveTargets", "rule", "icaguard-audit", "guard-rules"},
		{"events", "RemoveTargets", "rule", "icaguard-events-s3", "guard-rules"},
		{"events", "RemoveTargets", "name", "icaguard-events-s3", ""},
	} {
		event, err := cloudtrail.Parse(
			[]byte(
				fmt.Sprintf(
					`{"eventSource":"%s.amazonaws.com","eventName":%q,"recipientAccountId":"123456789012","requestParameters":{%q:%q}}`,
					c.source, c.event, c.parameter, c.value,
				),
			),
		)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, request := range guard.Route(event, "", guard.RowsOf(All()), baselineOf(event)) {
			got += request.Setting
		}
		if got != c.setting {
			t.Errorf("%s of %s leads to %q, want %q", c.event, c.value, got, c.setting)
		}
	}
}

func TestFailedCallsAndOwnEchoes(t *testing.T) {
	event := samples(t)["aws.s3.DeleteBucketCors.json"]
	b := baselineOf(event)
	requests := guard.Route(event, "", guard.RowsOf(settings.All()), b)
	if len(requests) != 1 || len(requests[0].Events) != 1 || requests[0].Events[0].Actor.ARN != event.Actor.ARN {
		t.Fatalf("a stranger's event must stand in the request: %+v", requests)
	}
	if echo := guard.Route(event, event.Actor.ARN, guard.RowsOf(settings.All()), b); len(echo) != 1 || len(echo[0].Events) != 0 {
		t.Errorf("our own echo is checked once, without the event: %+v", echo)
	}
	event.ErrorCode = "AccessDenied"
	if failed := guard.Route(event, "", guard.RowsOf(settings.All()), b); len(failed) != 0 {
		t.Errorf("a failed call changed nothing: %+v", failed)
	}
}

func TestBadMessages(t *testing.T) {
	for name, body := range map[string]string{
		"not JSON":                  `{`,
		"empty":                     ``,
		"a list":                    `[]`,
		"nothing of an event":       `{"hello":"env"}`,
		"detail is text":            `{"detail":"x"}`,
		"unknown kind":              `{"icaguard":"sing"}`,
		"request without a request": `{"icaguard":"request"}`,
		"S3's test message":         `{"Service":"Amazon S3","Event":"s3:TestEvent"}`,
	} {
		if message, err := guard.ParseMessage([]byte(body)); err == nil {
			t.Errorf("%s: accepted as %+v", name, message)
		}
	}
}

// TestSessionsOfICAShowNoPrefix: ICA names its sessions PREFIX-…, so an event of ICA's own must not show the session.
func TestSessionsOfICAShowNoPrefix(t *testing.T) {
	for name, federated := range map[string]string{"as CloudTrail tells a web identity": `{"federatedProvider":"arn:aws:iam::123456789012:oidc-provider/x"}`, "by the issuer": `{}`} {
		event, err := cloudtrail.Parse(
			[]byte(`{"eventSource":"s3.amazonaws.com","eventName":"PutBucketCors","recipientAccountId":"123456789012",
			"requestParameters":{"bucketName":"b"},"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::123456789012:assumed-role/ICA/` + sessionNamePrefix + `-1",
			"sessionContext":{"sessionIssuer":{"arn":"arn:aws:iam::123456789012:role/ICA"},"webIdFederationData":` + federated + `}}}`),
		)
		if err != nil {
			t.Fatal(err)
		}
		b := baselineOf(event)
		b.Storages[0].Role.ARN = event.Actor.Issuer
		requests := guard.Route(event, "", guard.RowsOf(settings.All()), b)
		if len(requests) == 0 || len(requests[0].Events) != 1 ||
			requests[0].Events[0].Actor.ARN != "arn:aws:sts::123456789012:assumed-role/ICA/***" {
			t.Errorf("%s: the session is not masked, or the event is lost", name)
		}
	}
	console, err := cloudtrail.Parse(
		[]byte(
			`{"eventSource":"s3.amazonaws.com","eventName":"PutBucketCors","userIdentity":{"arn":"arn:aws:sts::123456789012:assumed-role/Admin/who"}}`,
		),
	)
	if err != nil || console.Actor.ARN != "arn:aws:sts::123456789012:assumed-role/Admin/who" {
		t.Errorf("people are named by their session: %v %v", console.Actor, err)
	}
}

// TestIAMNamesIgnoreCase: IAM takes "role" for "Role", and CloudTrail shows what the caller wrote.
func TestIAMNamesIgnoreCase(t *testing.T) {
	event := samples(t)["aws.iam.UpdateRole.json"]
	b := baselineOf(event)
	b.Storages[0].Role.Name = strings.ToUpper(b.Storages[0].Role.Name)
	if requests := guard.Route(event, "", guard.RowsOf(settings.All()), b); len(requests) == 0 {
		t.Error("an event about our role is missed for its spelling")
	}
}
