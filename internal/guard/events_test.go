package guard

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/golden"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

var update = flag.Bool("update", false, "rewrite golden files")

const eventsDir = "../../events"

// samples are all sample events by their path below events/.
func samples(t *testing.T) map[string]Event {
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
	events := map[string]Event{}
	for _, path := range append(constructed, recorded...) {
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		event, err := ParseEvent(body)
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

// baselineOf is a configuration whose resources are those that the event names, in whatever way it names them.
func baselineOf(e Event) icaconfig.Baseline {
	named := func(parameters ...string) string {
		for _, p := range parameters {
			if values := e.named(p); len(values) > 0 && values[0] != "" {
				return values[0]
			}
		}
		return "none"
	}
	s := icaconfig.Storage{Name: "sample"}
	s.Bucket.Name = named("bucketName")
	s.Bucket.ARN = "arn:aws:s3:::" + s.Bucket.Name
	s.Role.Name = named("roleName")
	s.Role.ARN = "arn:aws:iam::" + e.Account + ":role/" + s.Role.Name
	s.Role.Policy.Name = named("policyName")
	s.Role.Policy.ARN = named("policyArn")
	s.Role.Prefix.Parameter, s.Role.Prefix.ARN = named("name", "names"), "arn:aws:ssm:us-east-1:"+e.Account+":parameter/none"
	s.Provider.ARN, s.Provider.URL = named("openIDConnectProviderArn"), named("url")
	s.Key.ARN = named("keyId")
	if e.Source == "aws.kms" && len(e.resources) > 0 {
		s.Key.ARN = e.resources[0]
	}
	return icaconfig.Baseline{Home: icaconfig.Home{Account: e.Account}, Storages: []icaconfig.Storage{s}}
}

func TestSamplesParse(t *testing.T) {
	for name, event := range samples(t) {
		if event.ID == "" || event.Time.IsZero() || event.Region == "" || event.Account == "" || event.Actor.ARN == "" {
			t.Errorf("%s: incomplete: %+v", name, event)
		}
	}
}

func TestSamplesRoute(t *testing.T) {
	var lines []string
	for name, event := range samples(t) {
		b := baselineOf(event)
		var to []string
		for _, look := range Route(event, "", Settings(), b) {
			to = append(to, look.Setting)
		}
		result := strings.Join(to, " ")
		if len(to) == 0 {
			result = "ignored: " + WhyIgnored(event, Settings(), b)
		}
		lines = append(lines, fmt.Sprintf("%s → %s\n", name, result))
	}
	slices.Sort(lines)
	golden.Check(t, *update, filepath.Join(eventsDir, "routes.golden"), strings.Join(lines, ""))
}

func TestEveryTriggerHasASampleAndEveryConstructedSampleATrigger(t *testing.T) {
	heard := map[string]bool{}
	for source, names := range Sources(Settings()) {
		for _, name := range names {
			heard[source+"."+name] = false
		}
	}
	for file, event := range samples(t) {
		key := event.Source + "." + event.Name
		if _, ok := heard[key]; ok {
			heard[key] = true
		} else if !strings.HasPrefix(file, "recorded") {
			t.Errorf("events/%s: no setting listens to %s", file, key)
		}
		if !strings.HasPrefix(file, "recorded") && file != key+".json" {
			t.Errorf("events/%s holds %s: name it %s.json", file, key, key)
		}
	}
	for key, found := range heard {
		if !found {
			t.Errorf("no sample in events/ for %s", key)
		}
	}
}

func TestEventsForOthersAreIgnored(t *testing.T) {
	for name, event := range samples(t) {
		other := baselineOf(event)
		other.Storages = baselineOf(Event{Account: event.Account}).Storages
		if looks := Route(event, "", Settings(), other); len(looks) != 0 {
			t.Errorf("%s: looks at another's resource: %v", name, looks)
		}
		elsewhere := baselineOf(event)
		elsewhere.Account = "999999999999"
		if looks := Route(event, "", Settings(), elsewhere); len(looks) != 0 {
			t.Errorf("%s: looks at another account's event: %v", name, looks)
		}
	}
}

func TestFailedCallsAndOwnEchoes(t *testing.T) {
	event := samples(t)["aws.s3.DeleteBucketCors.json"]
	b := baselineOf(event)
	looks := Route(event, "", Settings(), b)
	if len(looks) != 1 || len(looks[0].Causes) != 1 || looks[0].Causes[0].Actor.ARN != event.Actor.ARN {
		t.Fatalf("a stranger's event must carry its cause: %+v", looks)
	}
	if echo := Route(event, event.Actor.ARN, Settings(), b); len(echo) != 1 || len(echo[0].Causes) != 0 {
		t.Errorf("our own echo is looked at once, without cause: %+v", echo)
	}
	event.ErrorCode = "AccessDenied"
	if failed := Route(event, "", Settings(), b); len(failed) != 0 {
		t.Errorf("a failed call changed nothing: %+v", failed)
	}
}

func TestBadMessages(t *testing.T) {
	for name, body := range map[string]string{
		"not JSON":            `{`,
		"empty":               ``,
		"a list":              `[]`,
		"nothing of an event": `{"hello":"world"}`,
		"detail is text":      `{"detail":"x"}`,
		"unknown kind":        `{"icaguard":"sing"}`,
		"look without a look": `{"icaguard":"look"}`,
		"S3's test message":   `{"Service":"Amazon S3","Event":"s3:TestEvent"}`,
	} {
		if message, err := ParseMessage([]byte(body)); err == nil {
			t.Errorf("%s: accepted as %+v", name, message)
		}
	}
}

func TestOddParametersParse(t *testing.T) {
	for _, parameters := range []string{`null`, `""`, `[]`, `{"bucketName":["x"]}`, `{"bucketName":{"a":1}}`} {
		body := `{"detail":{"eventSource":"s3.amazonaws.com","eventName":"PutBucketCors","requestParameters":` + parameters + `}}`
		message, err := ParseMessage([]byte(body))
		if err != nil {
			t.Errorf("%s: %v", parameters, err)
			continue
		}
		for _, name := range message.Event.named("bucketName") {
			if name != "x" {
				t.Errorf("%s: bucketName = %q", parameters, name)
			}
		}
	}
}

// TestSessionsOfICAShowNoPrefix: ICA names its sessions PREFIX-…, so an event of ICA's own must not show the session.
func TestSessionsOfICAShowNoPrefix(t *testing.T) {
	for name, federated := range map[string]string{"as CloudTrail tells a web identity": `{"federatedProvider":"arn:aws:iam::123456789012:oidc-provider/x"}`, "by the issuer": `{}`} {
		event, err := ParseEvent([]byte(`{"eventSource":"s3.amazonaws.com","eventName":"PutBucketCors","recipientAccountId":"123456789012",
			"requestParameters":{"bucketName":"b"},"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::123456789012:assumed-role/ICA/` + sessionNamePrefix + `-1",
			"sessionContext":{"sessionIssuer":{"arn":"arn:aws:iam::123456789012:role/ICA"},"webIdFederationData":` + federated + `}}}`))
		if err != nil {
			t.Fatal(err)
		}
		b := baselineOf(event)
		b.Storages[0].Role.ARN = event.Actor.Issuer
		looks := Route(event, "", Settings(), b)
		if len(looks) == 0 || len(looks[0].Causes) != 1 || looks[0].Causes[0].Actor.ARN != "arn:aws:sts::123456789012:assumed-role/ICA/***" {
			t.Errorf("%s: the session is not masked, or the cause is lost", name)
		}
	}
	console, err := ParseEvent([]byte(`{"eventSource":"s3.amazonaws.com","eventName":"PutBucketCors","userIdentity":{"arn":"arn:aws:sts::123456789012:assumed-role/Admin/who"}}`))
	if err != nil || console.Actor.ARN != "arn:aws:sts::123456789012:assumed-role/Admin/who" {
		t.Errorf("people are named by their session: %v %v", console.Actor, err)
	}
}

// TestIAMNamesIgnoreCase: IAM takes "role" for "Role", and CloudTrail shows what the caller wrote.
func TestIAMNamesIgnoreCase(t *testing.T) {
	event := samples(t)["aws.iam.UpdateRole.json"]
	b := baselineOf(event)
	b.Storages[0].Role.Name = strings.ToUpper(b.Storages[0].Role.Name)
	if looks := Route(event, "", Settings(), b); len(looks) == 0 {
		t.Error("an event about our role is not heard for its spelling")
	}
}
