package watch

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/gates"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

// TestAlarms: what a stranger does to the guard is an alert at once, what our own deploy does is none. That stacks are
// in progress is played.
func TestAlarms(t *testing.T) {
	local := localawstest.Start(t)
	newHome(t, local, true)
	for name, test := range map[string]func(*selfEnv){
		"by a stranger": testAlarm, "during our own deploy": testOwnDeploy, "during a deploy of another region's stack": testDeployAway,
		"in the deploy before the last": testEarlierDeploy, "after a deploy": testAfterDeploy,
		"another region's stack deleted":            testStackGone,
		"another region's stack deployed otherwise": testOtherDigest, "state broken during a deploy": testBrokenDuringDeploy,
		"stacks cannot be described": testGateSkippedAlarm, "events of stacks cannot be described": testNoStackEvents,
		"by a stranger during our own deploy": testHidden, "an audit": testAuditOfOwn, "where nothing is deployed": testNothingDeployed,
	} {
		t.Run(name, func(t *testing.T) { test(newHome(t, local, false, "queues", "rules")) })
	}
}

// byCloudFormation plays that CloudFormation made the calls that led to the requests.
func byCloudFormation(requests []guard.Request) []guard.Request {
	for i := range requests {
		for j := range requests[i].Events {
			requests[i].Events[j].Actor = cloudtrail.Actor{
				ARN:  "arn:aws:sts::123456789012:assumed-role/cdk-hnb659fds-cfn-exec-role/AWSCloudFormation",
				From: guard.CloudFormation,
			}
		}
	}
	return requests
}

// attribute is a stranger's change that no later check can see.
func (w *selfEnv) attribute() []guard.Request {
	w.t.Helper()
	w.setAttribute("VisibilityTimeout", "1")
	requests := w.requests()
	if len(requests) == 0 {
		w.t.Fatal("no event was received")
	}
	return requests
}

func (w *selfEnv) expectAlarm(o guard.Outcome) {
	w.t.Helper()
	if o.Status != guard.ActionRequired ||
		!strings.Contains(fmt.Sprint(o.Alerts), "SetQueueAttributes by arn:aws:iam::123456789012:user/AKIASTRANGER") {
		w.t.Errorf("want an alert with who did it: %+v", o)
	}
}

func testAlarm(w *selfEnv) {
	o := w.handleOne(w.attribute()...)
	w.expectAlarm(o)
	if o.GateSkipped != "" || len(w.requeued) != 0 {
		w.t.Errorf("all is known, and reported once: %+v, again %v", o, w.requeued)
	}
}

// testOwnDeploy plays a deploy in which CloudFormation sets the attribute: deferred, checked again, and then nothing to report.
func testOwnDeploy(w *selfEnv) {
	start := time.Now()
	w.playOne("icaguard-guard", start, "UPDATE_IN_PROGRESS")
	o := w.handleOne(byCloudFormation(w.attribute())...)
	expectStatus(w.t, o, guard.Deferred)
	if !strings.Contains(o.Problem, "stack icaguard-guard in us-east-1 is in status UPDATE_IN_PROGRESS") || len(w.requeued) != 1 {
		w.t.Fatalf("deferred because of what, and checked again: %+v %v", o, w.requeued)
	}
	w.playOne("icaguard-guard", start, "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE")
	o = w.handleOne(w.requeued...)
	expectStatus(w.t, o, guard.InSync)
	if len(o.Alerts) > 0 || o.GateSkipped != "" {
		w.t.Errorf("our own deploy did it: %+v", o)
	}
}

// testDeployAway: the guard's rules of another region stand in that region's stack.
func testDeployAway(w *selfEnv) {
	start := time.Now()
	w.playOne("icaguard-storage-eu-central-1", start, "UPDATE_IN_PROGRESS")
	w.must(
		eventsClient(w.stranger, away).DisableRule(w.t.Context(), &eventbridge.DisableRuleInput{Name: aws.String("icaguard-relay-s3")}),
	)
	expectStatus(w.t, w.handleOne(w.requests()...), guard.Deferred)
	w.playOne("icaguard-storage-eu-central-1", start, "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
	expectStatus(w.t, w.handleOne(w.requeued...), guard.ActionRequired) // the deploy left it so
}

// testHidden: who changes the guard while it is deployed is no part of the deploy.
func testHidden(w *selfEnv) {
	start := time.Now()
	w.playOne("icaguard-guard", start, "UPDATE_IN_PROGRESS")
	expectStatus(w.t, w.handleOne(w.attribute()...), guard.Deferred)
	w.playOne("icaguard-guard", start, "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
	w.expectAlarm(w.handleOne(w.requeued...))
}

func testEarlierDeploy(w *selfEnv) {
	requests := byCloudFormation(w.attribute())
	now := requests[0].Events[0].Time
	w.playOne(
		"icaguard-guard", now.Add(-30*time.Second), "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE", "UPDATE_IN_PROGRESS",
		"UPDATE_COMPLETE",
	)
	o := w.handleOne(requests...)
	expectStatus(w.t, o, guard.InSync)
}

func testAfterDeploy(w *selfEnv) {
	requests := w.attribute()
	w.playOne(
		"icaguard-guard", requests[0].Events[0].Time.Add(-time.Minute-2*time.Second), "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE",
	) // over for two seconds
	w.expectAlarm(w.handleOne(requests...))
}

// testStackGone: no deploy puts a deleted stack back by itself, so nothing is waited for.
func testStackGone(w *selfEnv) {
	w.local.Recorder().PlayStack("icaguard-storage-eu-central-1", localaws.StackState{})
	w.must(
		eventsClient(w.stranger, away).DisableRule(w.t.Context(), &eventbridge.DisableRuleInput{Name: aws.String("icaguard-relay-s3")}),
	)
	expectStatus(w.t, w.handleOne(w.requests()...), guard.ActionRequired)
	w.expectAlarm(w.handleOne(w.attribute()...))
	w.local.Recorder().PlayStack("icaguard-guard", localaws.StackState{}) // without that one, the guard itself is going
	expectStatus(w.t, w.handleOne(w.attribute()...), guard.Deferred)
}

func testOtherDigest(w *selfEnv) {
	w.local.Recorder().PlayStack(
		"icaguard-storage-eu-central-1",
		localaws.StackState{Status: "UPDATE_COMPLETE", Outputs: map[string]string{"ConfigDigest": "new"}},
	)
	o := w.handleOne(w.attribute()...)
	expectStatus(w.t, o, guard.Deferred)
	if !strings.Contains(o.Problem, "was deployed with configuration new, this is "+w.home.Digest) {
		w.t.Errorf("deferred because %s", o.Problem)
	}
}

func testBrokenDuringDeploy(w *selfEnv) {
	guardQueueCases()[0].breakIt(w) // deletes the queue
	requests := byCloudFormation(w.requests())
	start := requests[0].Events[0].Time
	w.playOne("icaguard-guard", start, "UPDATE_IN_PROGRESS")
	expectStatus(w.t, w.handleOne(requests...), guard.Deferred)
	w.playOne("icaguard-guard", start, "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
	o := w.handleOne(w.requeued...)
	expectStatus(w.t, o, guard.ActionRequired)
	if len(o.Alerts) != 1 || !strings.Contains(o.Alerts[0].What, "does not exist") {
		w.t.Errorf("the deploy is no stranger, and left no queue: %+v", o.Alerts)
	}
}

func testGateSkippedAlarm(w *selfEnv) {
	requests := w.attribute()
	w.local.Recorder().Inject(localaws.Fault{Operation: "DescribeStacks", AccessKeyID: w.key, Kind: localaws.Denied, Times: 3})
	o := w.handleOne(requests...)
	w.expectAlarm(o)
	if !strings.Contains(o.GateSkipped, "it is not known whether a deploy of our own did this") ||
		!strings.Contains(o.GateSkipped, "cloudformation:DescribeStacks") {
		w.t.Errorf("gate skipped: %q", o.GateSkipped)
	}
}

// testNoStackEvents: a doubt is an alert that says so, unless another stack explains it.
func testNoStackEvents(w *selfEnv) {
	requests := w.attribute()
	for _, times := range []int{1, 3} {
		remove := w.local.Recorder().Inject(
			localaws.Fault{Operation: "DescribeStackEvents", AccessKeyID: w.key, Kind: localaws.Throttled, Times: times},
		)
		o := w.handleOne(requests...)
		w.expectAlarm(o)
		if !strings.Contains(o.GateSkipped, "describe events of stack icaguard-storage-us-east-1") {
			w.t.Errorf("gate skipped: %q", o.GateSkipped)
		}
		remove()
	}
	w.playOne("icaguard-guard", requests[0].Events[0].Time, "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
	w.local.Recorder().Inject(
		localaws.Fault{Operation: "DescribeStackEvents", AccessKeyID: w.key, Kind: localaws.Throttled, Times: 1},
	)
	if o := w.handleOne(byCloudFormation(requests)...); o.Status != guard.InSync || o.GateSkipped != "" {
		w.t.Errorf("the guard stack's deploy explains it: %+v", o)
	}
}

func testAuditOfOwn(w *selfEnv) {
	guardQueueCases()[0].breakIt(w)
	audit := func() guard.Outcome {
		w.engine.Deploys = gates.NewDeploys(w.engine.Clients, w.home)
		return w.engine.Audit(w.t.Context(), guard.Request{Setting: "guard-queue"})[0]
	}
	expectStatus(w.t, audit(), guard.ActionRequired)
	w.play(time.Now(), "UPDATE_IN_PROGRESS")
	expectStatus(w.t, audit(), guard.Deferred)
	if requests := w.engine.FoundByAudit([]guard.Outcome{audit()}); len(requests) != 0 {
		w.t.Errorf("nobody can restore the guard itself: %v", requests)
	}
}

func testNothingDeployed(w *selfEnv) {
	requests := w.attribute()
	w.local.Recorder().ResetCalls()
	w.engine.Deploys = nil
	if o := w.reconcile(requests...)[0]; o.Status != guard.InSync ||
		slices.ContainsFunc(w.local.Recorder().Calls(), func(c localaws.Call) bool { return c.Service == "cloudformation" }) {
		w.t.Errorf("%+v", o)
	}
}
