package main_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	"github.com/icaguard/icaguard/internal/report"
	"github.com/icaguard/icaguard/internal/testlab"
)

// sharing is an ica.yaml of two storages, NAME and NAME-2, with one role.
func sharing(name string) string {
	text := "mode: enforce\nalerts: {emails: [storage-oncall@example.org]}\nstorages:\n"
	for _, suffix := range []string{"", "-2"} {
		text += fmt.Sprintf("  - name: %[1]s%[2]s\n    icaRegion: US\n    bucket: {name: %[1]s%[2]s-ica, folder: ica}\n"+
			"    role: {name: %[1]s-role, policyName: %[1]s-policy, sessionNamePrefix: \"ssm:/ica/%[1]s/session-name-prefix\"}\n",
			name, suffix)
	}
	return text
}

// testSharedRole: what two storages share is restored once, and known to concern both: people get one notice, which those
// find who wait for either storage, and each storage has its measurements.
func testSharedRole(t *testing.T, s *fixture) {
	lab := testlab.NewFrom(t, s.AWS, sharing(s.nextName()))
	both := []string{lab.Storage.Name, lab.Sharing().Storage.Name}
	w := guarding(t, s, lab)
	w.subscribeFor("second", both[1])
	w.subscribeFor("another", "another-storage")
	w.done(w.heardOne(func() { w.ShortenSession(testlab.Stranger) }))
	w.ExpectSession(43200)
	if calls := testlab.Operations(w.Calls(), "iam"); !slices.Equal(calls, []string{"GetRole", "GetRole", "UpdateRole", "GetRole"}) {
		t.Errorf("calls %v, want one check, one read before the write, one restore, one reading back", calls)
	}
	notices := w.notices()
	if len(notices) != 1 {
		t.Fatalf("%d notices, want one: %+v", len(notices), notices)
	}
	attribute := notices[0].MessageAttributes["storage"]
	var names []string
	w.must(json.Unmarshal([]byte(attribute.Value), &names))
	if attribute.Type != "String.Array" || !slices.Equal(names, both) {
		t.Errorf("attribute %+v, want %v", attribute, both)
	}
	for inbox, want := range map[string]int{"second": 1, "another": 0} {
		if got := len(w.queues[inbox].Take()); got != want {
			t.Errorf("%d notices for who asked for storage %s alone, want %d", got, inbox, want)
		}
	}
	w.expectMeasuredFor(both)
}

// subscribeFor makes a queue that gets the notices about one storage.
func (w *env) subscribeFor(queue, storage string) {
	w.t.Helper()
	made := localawstest.NewQueue(w.t, w.fixture.AWS, w.Storage.Name+"-"+queue, nil)
	w.queues[queue] = made
	_, err := sns.NewFromConfig(w.fixture.DirectConfig(testlab.Region)).Subscribe(w.t.Context(), &sns.SubscribeInput{
		TopicArn: aws.String(w.config.Env[guard.EnvTopicARN]), Protocol: aws.String("sqs"), Endpoint: &made.ARN,
		Attributes: map[string]string{"FilterPolicy": `{"storage":["` + storage + `"]}`},
	})
	w.must(err)
}

// expectMeasuredFor wants one drift and one restore of the role in the log, for each of the storages.
func (w *env) expectMeasuredFor(storages []string) {
	w.t.Helper()
	got := map[string]float64{}
	for _, m := range testlab.Metrics(w.t, w.logged()) {
		if m.Name != report.RestoreSeconds {
			got[m.Name+" "+m.Dimensions] += m.Value
		}
	}
	for _, storage := range storages {
		by := " Storage=" + storage + " Setting=role-session-duration"
		if got[report.Drift+by] != 1 || got[report.Restored+by] != 1 {
			w.t.Errorf("measured for storage %s: %v", storage, got)
		}
	}
	if len(got) != 2*len(storages) {
		w.t.Errorf("measured %v, want a drift and a restore for each of %v", got, storages)
	}
}
