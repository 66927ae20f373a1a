package settings

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/golden"
	"github.com/icaguard/icaguard/internal/guard"
)

// eventSeeds are the request parameters of sample events, with the names of the events.
func eventSeeds(f *testing.F, patterns ...string) (all []guard.Event) {
	for _, body := range golden.Seeds(f, patterns...) {
		e, err := cloudtrail.Parse(body)
		if err != nil {
			f.Fatal(err)
		}
		parameters, err := json.Marshal(e.Parameters)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, guard.Event{EventID: e.ID, Event: e.Name, Time: e.Time, Parameters: guard.Parameters(parameters)})
	}
	return all
}

const eventsDir = "../../../events"

// FuzzNotificationEvents: whoever wrote a bucket's notifications, in whatever order and form their events come, each entry
// has one author; what leads to another account is never taken from ICA by others' events alone; and what is recorded is
// read back the same. What an event says can be written, and is then what it was.
func FuzzNotificationEvents(f *testing.F) {
	const console = "testdata/inputs/event-s3-PutBucketNotification-console-2018.json"
	for _, e := range eventSeeds(f, eventsDir+"/aws.s3.PutBucketNotification.json", console) {
		f.Add([]byte(e.Parameters), []byte(e.Parameters), uint8(0))
	}
	const entries = `{"NotificationConfiguration":{"TopicConfiguration":[{"Id":"ica","Topic":"arn:aws:sns:us-east-1:079623148045:ica","Event":"s3:ObjectCreated:*",` +
		`"Filter":{"S3Key":{"FilterRule":{"Name":"Prefix","Value":"ica/"}}}}],"QueueConfiguration":{"Queue":"arn:aws:sqs:us-east-1:123456789012:lab","Event":["s3:ObjectCreated:*"]}}}`
	for order := range uint8(16) {
		f.Add([]byte(entries), []byte(`{"NotificationConfiguration":{"xmlns":"x","EventBridgeConfiguration":""}}`), order)
		f.Add([]byte(`{"NotificationConfiguration":""}`), []byte(entries), order)
	}
	f.Fuzz(func(t *testing.T, one, other []byte, order uint8) {
		const account, ica = "123456789012", "arn:aws:iam::123456789012:role/ICA"
		event := func(parameters []byte, byICA, late bool) guard.Event {
			e := guard.Event{
				EventID: string(parameters[:min(1, len(parameters))]), Event: "PutBucketNotification",
				Parameters: guard.Parameters(parameters),
			}
			e.Time = time.Date(2026, 1, 15, 9, 0, map[bool]int{true: 1}[late], 0, time.UTC)
			if byICA {
				e.Actor.Issuer = ica
			}
			return e
		}
		events := []guard.Event{event(one, order&1 > 0, order&2 > 0), event(other, order&4 > 0, order&8 > 0)}
		present, readable := eventEntries(events[1])
		checkWritable(t, present)
		a := authors{ICA: leadingOut(present, account), Others: stayingIn(present, account)}
		before := a
		for range 2 { // twice, as events come
			a = a.after(events, ica, present, account, true)
		}
		if shared := common(a.ICA, a.Others); len(shared) > 0 {
			t.Errorf("both ICA's and others': %v", shared)
		}
		if order&5 == 0 && len(lackingIn(a.ICA, leadingOut(before.ICA, account))) > 0 && len(leadingOut(a.ICA, account)) == 0 {
			t.Errorf("others' events took all from ICA: %+v, was %+v", a, before)
		}
		if readable && len(lackingIn(append(a.ICA, a.Others...), stayingIn(present, account))) > 0 {
			t.Errorf("nobody's: %+v of %+v", a, present)
		}
		text, err := json.Marshal(a)
		var back authors
		if err == nil {
			err = json.Unmarshal(text, &back)
		}
		if again, _ := json.Marshal(back); err != nil || string(again) != string(text) {
			t.Errorf("%v: recorded as %s, read back as %s", err, text, again)
		}
	})
}

// checkWritable: entries that S3 could have can be written and are the same then; any other is an error, as writing the
// rest would delete it.
func checkWritable(t *testing.T, entries []entry) {
	t.Helper()
	out, err := notificationConfiguration(entries)
	if err != nil {
		return
	}
	back := entriesOf(&s3.GetBucketNotificationConfigurationOutput{
		TopicConfigurations: out.TopicConfigurations, QueueConfigurations: out.QueueConfigurations,
		LambdaFunctionConfigurations: out.LambdaFunctionConfigurations, EventBridgeConfiguration: out.EventBridgeConfiguration,
	})
	if !sameEntries(entries, back) {
		t.Errorf("%v is written as %v", entries, back)
	}
	for _, e := range entries {
		if !e.equal(e) || e.alteredTo(e) {
			t.Errorf("not itself: %+v", e)
		}
	}
}

// FuzzWitness: what an event says was written, against any state that was read: it is understood or not, and a state
// always agrees with itself.
func FuzzWitness(f *testing.F) {
	for _, e := range eventSeeds(f, eventsDir+"/aws.s3.Put*.json", eventsDir+"/aws.s3.Delete*.json", eventsDir+"/aws.kms.*.json") {
		f.Add(e.Event, []byte(e.Parameters), `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}}`)
	}
	f.Fuzz(func(t *testing.T, name string, parameters []byte, text string) {
		e := guard.Event{EventID: "1", Event: name, Time: time.Unix(1, 0), Parameters: guard.Parameters(parameters)}
		printed := fmt.Sprintf("%v %+v %s", e.Parameters, e.Parameters, e.Parameters)
		if len(parameters) > 40 && strings.Contains(printed, string(parameters)) {
			t.Error("the parameters are printed")
		}
		said, ok := witnessBucketPolicy(e, bucketPolicyState{Document: document(text)})
		if ok {
			if _, err := said.Document.parse(); err != nil && said.Document != "" {
				t.Errorf("understood, but %v", err)
			}
			s := storage("lab", "bucket", "Role")
			want := wantBucketPolicy(s, said).restored(said.Document)
			if again := missingStatements(want, wantBucketPolicy(s, said).restored(said.Document)); len(again) > 0 {
				t.Errorf("it contradicts itself: %v", again)
			}
		}
	})
}
