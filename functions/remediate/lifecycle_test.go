package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/testlab"
)

// TestLifeCycle proves that the guard and CloudFormation do not fight, with the real binary live through all of it.
//
// SIMULATED: moto knows no stack in progress and no rollback. What CloudFormation does is played: its calls on the
// resources by the SDK in its name, the statuses of the stacks as DescribeStacks would answer, its status events. The
// calls themselves, the events that they make, the guard, its queue and all that it reads and writes are the local
// AWS's. Where a storage is removed or all is destroyed, the role, its policy and its boundary are deleted, which our
// templates keep: harsher than what our own stacks do.
func TestLifeCycle(t *testing.T) {
	s := newFixture(t)
	for name, test := range map[string]func(*lifecycle){
		"update": testUpdate, "replacement": testReplacement, "rollback": testRollback, "removal": testRemoval, "destroy": testDestroy,
		"half-rollback": testRollbackOfGuard,
	} {
		for order, codeFirst := range map[string]bool{"code": true, "resources": false} {
			t.Run(name+" "+order+" first", func(t *testing.T) {
				t.Parallel()
				test(&lifecycle{t: t, fixture: s, name: "lifecycle-" + name + "-" + order[:1], codeFirst: codeFirst})
			})
		}
	}
}

// lifecycle is a lab with a guard, through deploys.
type lifecycle struct {
	*env
	t         *testing.T
	fixture   *fixture
	name      string
	codeFirst bool
	old, new  *testlab.Lab // what is deployed, and what is to be
	waiting   []string     // requests that the guard put on its queue
}

// storageText is one storage of an ica.yaml, with more keys of its bucket and the end of its role's name.
func (l *lifecycle) storageText(suffix, bucket, role string) string {
	name := l.name + suffix
	return fmt.Sprintf("  - name: %[1]s\n    icaRegion: US\n    mode: enforce\n    bucket: {name: %[1]s-ica, folder: ica%[2]s}\n"+
		"    role: {name: %[1]s-role%[3]s, policyName: %[1]s-policy, sessionNamePrefix: \"ssm:/ica/%[1]s/session-name-prefix\"}\n",
		name, bucket, role)
}

func file(storages ...string) string {
	return "mode: enforce\nalerts: {emails: [storage-oncall@example.org]}\nstorages:\n" + strings.Join(storages, "")
}

// begin makes what the old file describes and a live guard for it, and reads the new one.
func (l *lifecycle) begin(old, next string) {
	l.t.Helper()
	l.old, l.new = testlab.NewFrom(l.t, l.fixture.AWS, old), testlab.Configure(l.t, l.fixture.AWS, next)
	l.fixture.Recorder().Identify(
		"ASIACLOUDFORMATION", localaws.AssumedRole(l.fixture.Account(), "cdk-hnb659fds-cfn-exec-role", "AWSCloudFormation"),
	)
	l.env = guarding(l.t, l.fixture, l.old)
	l.events() // making it is no change
	l.expectDeployed(l.old)
}

// events takes those about the lab since the last call.
func (l *lifecycle) events() []string {
	l.t.Helper()
	l.fixture.mu.Lock()
	defer l.fixture.mu.Unlock()
	var bodies []string
	l.fixture.events = slices.DeleteFunc(l.fixture.events, func(e localaws.Envelope) bool {
		body, err := json.Marshal(e)
		l.must(err)
		ours := strings.Contains(string(body), l.name+"-")
		if ours {
			bodies = append(bodies, string(body))
		}
		return ours
	})
	return bodies
}

// receive lets the guard receive what happened, if it is there.
func (l *lifecycle) receive() {
	l.t.Helper()
	for batch := range slices.Chunk(l.events(), 10) {
		if l.function != nil {
			l.handled(batch...)
		}
	}
	for _, p := range l.posts.Take() {
		l.waiting = append(l.waiting, p.MessageBody)
	}
}

// handled delivers messages that have to be done. Checks that requeue delivers early may come once more when their time is there.
func (l *lifecycle) handled(bodies ...string) {
	l.t.Helper()
	for _, b := range l.deliver(bodies...) {
		if b.Result.FunctionError != "" || len(b.Failed) > 0 {
			l.t.Errorf("not done: %s %v", b.Result.Payload, b.Failed)
		}
	}
}

// requeue delivers what the guard put on its queue, as the time that it asked for passes.
func (l *lifecycle) requeue() {
	l.t.Helper()
	again := l.waiting
	l.waiting = nil
	for batch := range slices.Chunk(again, 10) {
		l.handled(batch...)
	}
	l.receive()
}

// rest lets all end that has an end.
func (l *lifecycle) rest() {
	l.t.Helper()
	for round := 0; len(l.waiting) > 0; round++ {
		if round == 5 {
			l.t.Fatalf("it does not come to rest: %s", l.waiting)
		}
		l.requeue()
	}
}

// code is the update of the function, which is another binary with another file.
func (l *lifecycle) code(lab *testlab.Lab) func() {
	return func() {
		l.config.Env[guard.EnvConfig] = lab.Config
		l.start()
	}
}

// play is the state of a stack, which has the digest of what it was last deployed with; "" for a stack that is gone.
func (l *lifecycle) play(stack, status string, deployed *testlab.Lab) {
	l.playStack(stack, status, deployed.Storage.Home.Digest)
}

// settles plays the end of a stack's change, and its event.
func (l *lifecycle) settles(stack, status string, deployed *testlab.Lab) {
	l.t.Helper()
	l.play(stack, status, deployed)
	l.handled(l.stackEvent(stack, status))
	l.receive()
}

// changes are steps of one stack while it is in progress, code among them; the guard hears of each before the next, and
// checks again.
func (l *lifecycle) changes(code func(), resources ...func()) {
	l.t.Helper()
	steps := slices.Concat(resources, []func(){code})
	if l.codeFirst {
		steps = slices.Concat([]func(){code}, resources)
	}
	for _, step := range steps {
		step()
		l.receive()
	}
	l.requeue()
}

// expectNothingWritten: all that the guard did was to check, to record and to report.
func (l *lifecycle) expectNothingWritten() {
	l.t.Helper()
	writes := slices.DeleteFunc(testlab.Operations(l.Calls()), func(operation string) bool {
		return slices.Contains([]string{"SendMessage", "SendMessageBatch", "Publish", "PutItem"}, operation) ||
			strings.HasPrefix(operation, "Get") || strings.HasPrefix(operation, "List") || strings.HasPrefix(operation, "Describe")
	})
	if len(writes) > 0 {
		l.t.Errorf("the guard fought: %v", writes)
	}
}

// expectDeployed checks everything with the file that is deployed, past the guard.
func (l *lifecycle) expectDeployed(lab *testlab.Lab) {
	l.t.Helper()
	file, err := icaconfig.Load(lab.Config, settings.Exceptable())
	l.must(err)
	owner, err := file.Owner(l.fixture.Account(), "aws")
	l.must(err)
	baseline := file.Baseline(owner)
	engine := guard.Engine{
		Baseline: baseline, Settings: settings.All(), Now: time.Now, Sleep: guard.Sleep,
		Clients: guard.Clients{Config: l.fixture.DirectConfig(testlab.Region), Account: l.fixture.Account()},
	}
	for _, o := range engine.Audit(context.Background()) {
		if o.Status != guard.InSync {
			l.t.Errorf("not as deployed: %+v", o)
		}
	}
}

// What CloudFormation does.

func (l *lifecycle) cloudFormation() *iam.Client { return l.IAM("ASIACLOUDFORMATION") }

func (l *lifecycle) did(_ any, err error) {
	l.t.Helper()
	l.must(err)
}

func (l *lifecycle) putBlock(on bool) func() {
	return func() {
		client := awsclient.S3(l.fixture.Config(testlab.Region, "ASIACLOUDFORMATION"), testlab.Region)
		l.did(client.PutPublicAccessBlock(l.t.Context(), &s3.PutPublicAccessBlockInput{
			Bucket: &l.Storage.Bucket.Name, PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
				BlockPublicAcls: &on, IgnorePublicAcls: &on, BlockPublicPolicy: &on, RestrictPublicBuckets: &on,
			},
		}))
	}
}

// putPolicy makes the document of the role's policy that of a lab.
func (l *lifecycle) putPolicy(lab *testlab.Lab) func() {
	return func() {
		l.did(l.cloudFormation().CreatePolicyVersion(l.t.Context(), &iam.CreatePolicyVersionInput{
			PolicyArn: &lab.Storage.Role.Policy.ARN, SetAsDefault: true,
			PolicyDocument: l.document(lab.Storage.Role.PermissionPolicy(func(*icaconfig.Bucket) bool { return false })),
		}))
	}
}

func (l *lifecycle) document(document any) *string {
	data, err := json.Marshal(document)
	l.must(err)
	return aws.String(string(data))
}

// createRole makes the role of a lab, with its boundary and its policy attached.
func (l *lifecycle) createRole(lab *testlab.Lab) func() {
	role := lab.Storage.Role
	return func() {
		l.did(
			l.cloudFormation().CreatePolicy(
				l.t.Context(),
				&iam.CreatePolicyInput{PolicyName: &role.Boundary.Name, PolicyDocument: l.document(role.BoundaryDocument())},
			),
		)
		var tags []iamtypes.Tag
		for key, value := range role.Tags {
			tags = append(tags, iamtypes.Tag{Key: &key, Value: &value})
		}
		l.did(l.cloudFormation().CreateRole(l.t.Context(), &iam.CreateRoleInput{
			RoleName: &role.Name, MaxSessionDuration: aws.Int32(43200), PermissionsBoundary: &role.Boundary.ARN, Tags: tags,
			AssumeRolePolicyDocument: l.document(lab.Storage.TrustPolicy(testlab.Prefix)),
		}))
		l.did(
			l.cloudFormation().AttachRolePolicy(
				l.t.Context(), &iam.AttachRolePolicyInput{RoleName: &role.Name, PolicyArn: &role.Policy.ARN},
			),
		)
	}
}

func (l *lifecycle) deleteRole(lab *testlab.Lab) func() {
	role := lab.Storage.Role
	return func() {
		l.did(
			l.cloudFormation().DetachRolePolicy(
				l.t.Context(), &iam.DetachRolePolicyInput{RoleName: &role.Name, PolicyArn: &role.Policy.ARN},
			),
		)
		l.receive() // that alone would be put back
		l.did(l.cloudFormation().DeleteRole(l.t.Context(), &iam.DeleteRoleInput{RoleName: &role.Name}))
		l.did(l.cloudFormation().DeletePolicy(l.t.Context(), &iam.DeletePolicyInput{PolicyArn: &role.Boundary.ARN}))
	}
}

func (l *lifecycle) deletePolicy(lab *testlab.Lab) func() {
	return func() {
		l.did(l.cloudFormation().DeletePolicy(l.t.Context(), &iam.DeletePolicyInput{PolicyArn: &lab.Storage.Role.Policy.ARN}))
	}
}

func (l *lifecycle) expectNoRole(lab *testlab.Lab) {
	l.t.Helper()
	_, err := l.IAM(testlab.Stranger).GetRole(l.t.Context(), &iam.GetRoleInput{RoleName: &lab.Storage.Role.Name})
	if awserr.Classify(err) != awserr.Gone {
		l.t.Errorf("role %s was recreated: %v", lab.Storage.Role.Name, err)
	}
}

func (l *lifecycle) expectNoPolicy(lab *testlab.Lab) {
	l.t.Helper()
	_, err := l.IAM(testlab.Stranger).GetPolicy(l.t.Context(), &iam.GetPolicyInput{PolicyArn: &lab.Storage.Role.Policy.ARN})
	if awserr.Classify(err) != awserr.Gone {
		l.t.Errorf("policy %s was recreated: %v", lab.Storage.Role.Policy.Name, err)
	}
}

// testUpdate changes what a bucket and a policy have to be: the code before would put it back, the code after would be too early.
func testUpdate(l *lifecycle) {
	l.begin(file(l.storageText("", "", "")), file(l.storageText("", ", publicAccessBlock: false, objectTags: true", "")))
	l.play(storageStack, "UPDATE_IN_PROGRESS", l.old)
	l.putBlock(false)()
	l.receive()
	l.settles(storageStack, "UPDATE_COMPLETE", l.new)
	l.play(guardStack, "UPDATE_IN_PROGRESS", l.old)
	l.changes(l.code(l.new), l.putPolicy(l.new))
	l.settles(guardStack, "UPDATE_COMPLETE", l.new)
	l.rest()
	l.expectNothingWritten()
	l.expectDeployed(l.new)
	l.expectBlock(false)
	l.expectStillGuards()
}

func (l *lifecycle) expectBlock(on bool) {
	l.t.Helper()
	out, err := awsclient.S3(l.fixture.DirectConfig(testlab.Region), testlab.Region).GetPublicAccessBlock(
		l.t.Context(), &s3.GetPublicAccessBlockInput{Bucket: &l.Storage.Bucket.Name},
	)
	l.must(err)
	if got := aws.ToBool(out.PublicAccessBlockConfiguration.BlockPublicPolicy); got != on {
		l.t.Errorf("public access blocked: %v, want %v", got, on)
	}
}

// expectStillGuards: a guard that holds for ever would pass all other checks.
func (l *lifecycle) expectStillGuards() {
	l.t.Helper()
	l.DeleteCORS()
	l.receive()
	l.ExpectCORS(l.NeededCORS())
}

// testReplacement renames the role: CloudFormation creates another and deletes the one before when all else is done. An
// instance of the old code may outlive even that.
func testReplacement(l *lifecycle) {
	l.begin(file(l.storageText("", "", "")), file(l.storageText("", "", "-2")))
	l.settles(storageStack, "UPDATE_COMPLETE", l.new)
	l.play(guardStack, "UPDATE_IN_PROGRESS", l.old)
	l.changes(l.code(l.new), l.createRole(l.new), l.cleanUp("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", l.deleteRole(l.old)))
	l.settles(guardStack, "UPDATE_COMPLETE", l.new)
	l.rest()
	l.expectNothingWritten()
	l.expectNoRole(l.old)
	l.expectDeployed(l.new)
	l.expectStillGuards()
}

// cleanUp is the end of an update or of a rollback, in which CloudFormation deletes what is no longer wanted.
func (l *lifecycle) cleanUp(status string, deletion func()) func() {
	return func() {
		l.play(guardStack, status, l.old)
		deletion()
	}
}

// testRollback fails after all was changed, role and policy, and goes back; the bucket is adopted, so there is the
// guard's stack alone.
func testRollback(l *lifecycle) {
	l.begin(file(l.storageText("", ", existing: true, requireTLS: true", "")),
		file(l.storageText("", ", existing: true, requireTLS: true, objectTags: true", "-2")))
	l.play(guardStack, "UPDATE_IN_PROGRESS", l.old)
	l.changes(l.code(l.new), l.putPolicy(l.new), l.createRole(l.new))
	l.play(guardStack, "UPDATE_ROLLBACK_IN_PROGRESS", l.old)
	l.codeFirst = !l.codeFirst // backwards
	l.changes(l.code(l.old), l.putPolicy(l.old), l.cleanUp("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", l.deleteRole(l.new)))
	l.settles(guardStack, "UPDATE_ROLLBACK_COMPLETE", l.old)
	l.rest()
	l.expectNothingWritten()
	l.expectNoRole(l.new)
	l.expectDeployed(l.old)
	l.expectStillGuards()
}

// testRollbackOfGuard: the storages' stack has the new configuration, the guard's failed and went back to the old one.
// Buckets wait for the next deploy, and are then what it says; roles are guarded meanwhile.
func testRollbackOfGuard(l *lifecycle) {
	l.begin(file(l.storageText("", "", "")), file(l.storageText("", ", publicAccessBlock: false, objectTags: true", "")))
	l.play(storageStack, "UPDATE_IN_PROGRESS", l.old)
	l.putBlock(false)()
	l.receive()
	l.settles(storageStack, "UPDATE_COMPLETE", l.new)
	l.play(guardStack, "UPDATE_IN_PROGRESS", l.old)
	l.changes(l.code(l.new), l.putPolicy(l.new))
	l.play(guardStack, "UPDATE_ROLLBACK_IN_PROGRESS", l.old)
	l.codeFirst = !l.codeFirst
	l.changes(l.code(l.old), l.putPolicy(l.old))
	l.settles(guardStack, "UPDATE_ROLLBACK_COMPLETE", l.old)
	l.requeue()
	l.expectNothingWritten()
	l.expectBlock(false) // as the stack that has the bucket says
	l.ShortenSession(testlab.Stranger)
	l.DeleteCORS()
	l.receive()
	l.ExpectSession(43200)
	l.ExpectCORS() // waits
	l.play(guardStack, "UPDATE_IN_PROGRESS", l.old)
	l.changes(l.code(l.new), l.putPolicy(l.new))
	l.settles(guardStack, "UPDATE_COMPLETE", l.new)
	l.rest()
	l.ExpectCORS(l.NeededCORS())
	l.expectBlock(false)
	l.expectDeployed(l.new)
}

// testRemoval takes a storage out of the file: its role and policy go, its bucket stays as it is.
func testRemoval(l *lifecycle) {
	kept, gone := l.storageText("", "", ""), l.storageText("-b", "", "")
	removed := testlab.NewFrom(l.t, l.fixture.AWS, file(gone))
	l.begin(file(kept, gone), file(kept))
	l.settles(storageStack, "UPDATE_COMPLETE", l.new)
	l.play(guardStack, "UPDATE_IN_PROGRESS", l.old)
	l.changes(l.code(l.new), l.cleanUp("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", l.deleteRole(removed)), l.deletePolicy(removed))
	l.settles(guardStack, "UPDATE_COMPLETE", l.new)
	l.rest()
	l.expectNothingWritten()
	l.expectNoRole(removed)
	l.expectNoPolicy(removed)
	removed.ExpectCORS(removed.NeededCORS())
	l.expectDeployed(l.new)
	l.expectStillGuards()
}

// testDestroy deletes the guard's stack, with the function at once or last of all, then the storages' stack, which
// leaves the bucket.
func testDestroy(l *lifecycle) {
	l.begin(file(l.storageText("", "", "")), file(l.storageText("", "", "")))
	l.play(guardStack, "DELETE_IN_PROGRESS", l.old)
	code := func() {
		if l.codeFirst {
			l.function = nil // what still comes finds nobody
		}
	}
	l.changes(code, l.deleteRole(l.old), l.deletePolicy(l.old))
	l.play(guardStack, "", l.old)
	l.deleteEverythingElse()
	l.expectNothingWritten()
	l.expectNoRole(l.old)
	l.expectNoPolicy(l.old)
	l.ExpectCORS(l.NeededCORS())
}

// deleteEverythingElse: what was on its way arrives when there is no stack any more.
func (l *lifecycle) deleteEverythingElse() {
	l.t.Helper()
	l.play(storageStack, "", l.old)
	if l.function == nil {
		return
	}
	l.handled(l.stackEvent(storageStack, "DELETE_COMPLETE"))
	l.requeue()
	l.requeue()
	if len(l.waiting) == 0 {
		l.t.Error("the role is gone, and nobody knows that it is to be: want it deferred")
	}
}
