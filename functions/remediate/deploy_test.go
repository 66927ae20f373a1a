package main_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	"github.com/icaguard/icaguard/internal/report"
	"github.com/icaguard/icaguard/internal/testlab"
)

// stackEvent is CloudFormation's event of a stack in us-east-1, after the sample.
func (w *env) stackEvent(stack, status string) string {
	w.t.Helper()
	sample, err := os.ReadFile("../../events/stacks/aws.cloudformation.UPDATE_COMPLETE.json")
	w.must(err)
	return strings.NewReplacer(
		"111122223333", w.fixture.Account(), "icaguard-guard", stack, "UPDATE_COMPLETE", status,
	).Replace(string(sample))
}

const guardStack, storageStack = "icaguard-guard", "icaguard-storage-us-east-1"

// summaries are the subjects of those among notices.
func summaries(all []localawstest.Mail) []string {
	var subjects []string
	for _, n := range all {
		if n.MessageAttributes["status"].Value == "summary" {
			subjects = append(subjects, n.Subject)
		}
	}
	return subjects
}

// expectCheckOfAll wants one message: a check of everything, a minute later. It answers its body.
func (w *env) expectCheckOfAll() string {
	w.t.Helper()
	p := w.expectPosts(1)[0]
	if r := requestOf(
		w.t, p.MessageBody,
	); r.Resource != "" || r.Setting != "" || !strings.Contains(r.Reason, "is in status") ||
		p.DelaySeconds != 60 {
		w.t.Errorf("want a check of everything after a minute: %+v", p)
	}
	return p.MessageBody
}

// testSettled: a deploy has ended, so everything is checked, now and a minute later, and people get the result once.
func testSettled(t *testing.T, s *fixture) {
	for _, status := range []string{"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"} {
		w := newEnv(t, s)
		w.Break()
		w.received() // on its way, or lost while there was no rule
		w.done(w.stackEvent(guardStack, status))
		w.ExpectRestored()
		later := w.expectCheckOfAll()
		all := w.notices()
		if got := summaries(all); len(all) != 3 || len(got) != 1 ||
			!strings.HasPrefix(
				got[0], fmt.Sprintf("[icaguard] all %d settings are well: first check after stack icaguard-guard", w.Settings()),
			) {
			t.Errorf("%s: want two restores reported and one summary: %+v", status, all)
		}
		w.Break()
		w.done(later)
		w.ExpectRestored()
		w.expectPosts(0)
		if all := w.notices(); len(all) != 2 || len(summaries(all)) != 0 {
			t.Errorf("%s: want the restores reported, and no second summary: %+v", status, all)
		}
	}
}

// testDeployNotOver: the storages' stacks are deployed first, and then have another configuration than the guard.
func testDeployNotOver(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	w.Break()
	w.received()
	w.playStack(storageStack, "UPDATE_COMPLETE", "new")
	w.done(w.stackEvent(storageStack, "UPDATE_COMPLETE"))
	w.ExpectCORS()         // the bucket waits for the deploy to go on,
	w.ExpectSession(43200) // the role stands in a stack that may never follow
	if posts := w.posts.Take(); len(posts) != 2 {
		t.Errorf("%d messages sent, want a check of everything and one of what is deferred: %+v", len(posts), posts)
	}
	if all := w.notices(); len(all) != 1 || len(summaries(all)) != 0 {
		t.Errorf("want the restore reported, and no summary: %+v", all)
	}
	w.PlayStacks("UPDATE_COMPLETE") // in the end with the configuration of this guard
	w.done(w.stackEvent(guardStack, "UPDATE_COMPLETE"))
	w.ExpectRestored()
	if got := summaries(w.notices()); len(got) != 1 {
		t.Errorf("summaries %v, want one", got)
	}
	w.posts.Take()
	w.done(w.stackEvent(storageStack, "UPDATE_COMPLETE")) // that stack was deployed alone
	if got := summaries(w.notices()); len(got) != 1 {
		t.Errorf("summaries %v, want one", got)
	}
}

func (w *env) playStack(name, status, digest string) {
	w.fixture.Recorder().PlayStack(name, localaws.StackState{
		Status: status, Outputs: map[string]string{icaconfig.DigestOutput: digest}, AccessKeyID: w.Key(),
	})
}

func testOtherStackEvents(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	w.Break()
	for _, body := range []string{
		w.stackEvent(guardStack, "UPDATE_IN_PROGRESS"), w.stackEvent(guardStack, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
		w.stackEvent(guardStack, "DELETE_COMPLETE"), w.stackEvent("icaguard-guard-copy", "UPDATE_COMPLETE"), w.stackEvent("lab",
			"CREATE_COMPLETE"),
	} {
		w.done(body)
	}
	w.expectCalls(w.Calls())
	w.ExpectBroken()
	if log := w.logged(); strings.Count(log, `"msg":"stack event ignored"`) != 5 {
		t.Errorf("the log does not say of each event that it is ignored:\n%s", log)
	}
}

// testFoundByAudit: a request of an audit that restores is counted as found by it, and so is one that was deferred.
func testFoundByAudit(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	w.Break()
	body, err := guard.Encode(guard.Request{Setting: "bucket-cors", FoundByAudit: true, Reason: "found by the audit"})
	w.must(err)
	deferred, err := guard.Encode(guard.Request{Setting: "role-session-duration", FoundByAudit: true, Reason: "found by the audit"})
	w.must(err)
	w.done(body)
	w.PlayStacks("UPDATE_IN_PROGRESS")
	w.done(deferred)
	w.PlayStacks("UPDATE_COMPLETE")
	w.done(w.expectPosts(1)[0].MessageBody)
	w.ExpectRestored()
	w.ShortenSession(testlab.Stranger)
	w.done(w.received()[2:]...) // after the two that the audit found
	w.ExpectRestored()
	log := w.logged()
	got := map[string]float64{}
	for _, m := range testlab.Metrics(t, log) {
		got[m.Name+" "+m.Dimensions] += m.Value
	}
	const storage = " Storage="
	name := w.Storage.Name
	for metric, want := range map[string]float64{
		report.FoundByAudit + storage + name: 2, report.Restored + storage + name + " Setting=bucket-cors": 1,
		report.Restored + storage + name + " Setting=role-session-duration": 2, report.Drift + storage + name +
			" Setting=role-session-duration": 2,
	} {
		if got[metric] != want {
			t.Errorf("%s is %v, want %v: %v", metric, got[metric], want, got)
		}
	}
	if seconds, measured := got[report.RestoreSeconds+storage+name+" Setting=role-session-duration"]; !measured || seconds < 0 ||
		seconds > 60 {
		t.Errorf("seconds from the event to the restored state: %v", got)
	}
	if strings.Count(log, `"foundByAudit":true`) != 3 {
		t.Errorf("the log does not say what an audit found:\n%s", log)
	}
}

// testRequestID: by it `icaguard probe` finds the call of its own that came the whole way.
func testRequestID(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	event := w.heardOne(func() { w.Rename("renamed") })
	parsed, err := cloudtrail.Parse([]byte(event))
	w.must(err)
	w.done(event)
	ignored := strings.ReplaceAll(event, w.Storage.Role.Name, "AnotherRole")
	w.done(strings.ReplaceAll(ignored, parsed.RequestID, "ignored-request"))
	lines := strings.Split(w.logged(), "\n")
	for _, id := range []string{parsed.RequestID, "ignored-request"} {
		if id == "" || !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, `"requestId":"`+id+`"`) }) {
			t.Errorf("no line of the log has the request id %q:\n%s", id, strings.Join(lines, "\n"))
		}
	}
}
