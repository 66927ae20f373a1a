package settings

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/golden"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
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

const fuzzedAccount, fuzzedRole = "123456789012", "arn:aws:iam::123456789012:role/ICA"

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
		event := func(parameters []byte, byICA, late bool) guard.Event {
			e := guard.Event{
				EventID: string(parameters[:min(1, len(parameters))]), Event: "PutBucketNotification",
				Parameters: guard.Parameters(parameters),
			}
			e.Time = time.Date(2026, 1, 15, 9, 0, map[bool]int{true: 1}[late], 0, time.UTC)
			if byICA {
				e.Actor.Issuer = fuzzedRole
			}
			return e
		}
		events := []guard.Event{event(one, order&1 > 0, order&2 > 0), event(other, order&4 > 0, order&8 > 0)}
		present, _ := eventEntries(events[1])
		checkWritable(t, present)
		later := time.Date(2026, 1, 15, 10, 0, 0, 0, time.UTC)
		for _, heard := range [][]guard.Event{events, events[:1], nil} {
			authors{}.checkAfter(t, heard, present)
			authors{
				ICA: authors{}.dated(leadingOut(present, fuzzedAccount), later), Others: stayingIn(present, fuzzedAccount),
			}.checkAfter(t, heard, present)
		}
	})
}

// checkAfter: what becomes of the authors once these events were heard, and heard again.
func (a authors) checkAfter(t *testing.T, heard []guard.Event, present []entry) {
	t.Helper()
	before := a
	for range 2 {
		a = a.after(heard, fuzzedRole, present, fuzzedAccount, true)
	}
	if shared := common(a.ICA, a.Others); len(shared) > 0 {
		t.Errorf("both ICA's and others': %v", shared)
	}
	byICA := slices.ContainsFunc(heard, func(e guard.Event) bool { return e.Actor.Issuer == fuzzedRole })
	if !byICA && len(lackingIn(a.ICA, before.ICA)) > 0 && len(leadingOut(a.ICA, fuzzedAccount)) == 0 {
		t.Errorf("others' events took all from ICA: %+v, was %+v", a, before)
	}
	if len(lackingIn(append(a.ICA, a.Others...), stayingIn(present, fuzzedAccount))) > 0 {
		t.Errorf("nobody's: %+v of %+v", a, present)
	}
	checkRecorded(t, a)
}

// checkRecorded: what the store holds of it is read back the same.
func checkRecorded(t *testing.T, a authors) {
	t.Helper()
	text, err := json.Marshal(a)
	var back authors
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	if again, _ := json.Marshal(back); err != nil || string(again) != string(text) {
		t.Errorf("%v: recorded as %s, read back as %s", err, text, again)
	}
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

// FuzzWitness: whatever an event says was written, it is understood or not, and its parameters are printed nowhere. What is
// understood can be restored over: all of it that is not ours stands in what would be written.
func FuzzWitness(f *testing.F) {
	for _, e := range eventSeeds(f, eventsDir+"/aws.s3.Put*.json", eventsDir+"/aws.s3.Delete*.json") {
		f.Add(e.Event, []byte(e.Parameters))
	}
	const theirs = `{"Version":"2012-10-17","Statement":[{"Sid":"Theirs","Effect":"Allow","Principal":{"AWS":"210987654321"},` +
		`"Action":["s3:GetObject","kms:Decrypt"],"Resource":"*"}]}`
	f.Add("PutBucketPolicy", []byte(`{"bucketPolicy":`+theirs+`}`))
	f.Add("PutKeyPolicy", []byte(`{"policy":`+text(theirs)+`}`))
	f.Add("PutBucketCors", []byte(`{"CORSConfiguration":{"CORSRule":{"AllowedMethod":["GET"],"AllowedOrigin":"https://lab.example"}}}`))
	s := withShared(f)
	f.Fuzz(func(t *testing.T, name string, parameters []byte) {
		e := guard.Event{EventID: "1", Event: name, Time: time.Unix(1, 0), Parameters: guard.Parameters(parameters)}
		printed := fmt.Sprintf("%v %+v %s", e.Parameters, e.Parameters, e.Parameters)
		if len(parameters) > 40 && strings.Contains(printed, string(parameters)) {
			t.Error("the parameters are printed")
		}
		if said, ok := witnessBucketPolicy(e, bucketPolicyState{}); ok {
			wantBucketPolicy(s, said).checkKept(t, said.Document)
		}
		if said, ok := witnessKeyPolicy(e, keyPolicyState{}); ok {
			wantKeyPolicy(s, said).checkKept(t, said.Document)
		}
		if rules, ok := witnessCORS(e); ok {
			written := restoredRules(s, rules)
			isOurs := func(r types.CORSRule) bool { return sameRule(r, wantCORS(s)) }
			if lost := missingRules(slices.DeleteFunc(rules, isOurs), written); len(lost) > 0 {
				t.Errorf("not written: %v", lost)
			}
		}
	})
}

// checkKept: a restore over the document is not possible, or it writes all that is not under a Sid of ours.
func (p sharedPolicy) checkKept(t *testing.T, said document) {
	t.Helper()
	d, err := parseShared(said)
	if err != nil {
		t.Fatalf("understood, but %v", err)
	}
	written := p.restored(said)
	if written == nil {
		return
	}
	isOurs := func(s policy.Statement) bool {
		return slices.ContainsFunc(p.ours, func(ours policy.Statement) bool { return ours.Sid == s.Sid })
	}
	if lost := missingStatements(slices.DeleteFunc(d.Statements(), isOurs), written); len(lost) > 0 {
		t.Errorf("not written: %v of %s", lost, said)
	}
}

// withShared is a storage with statements of ours in the policies of bucket and key.
func withShared(f *testing.F) icaconfig.Storage {
	v := variant{bucket: "crossAccountCopy: true", key: true}
	file, err := icaconfig.Parse("ica.yaml", []byte("storages:"+v.text(1, 1, keyOf(1))))
	if err != nil {
		f.Fatal(err)
	}
	owner, err := file.Owner("123456789012", "aws")
	if err != nil {
		f.Fatal(err)
	}
	return file.Baseline(owner).Storages[0]
}
