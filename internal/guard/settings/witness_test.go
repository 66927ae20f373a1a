package settings

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/localaws"
)

// staleCase is a setting that merges, how somebody breaks ours and adds a part, and whether the part is there.
type staleCase struct {
	setting, read, event string
	variant              variant
	breakOurs            func(*env) // before the reads become stale
	breakAndAdd          func(*env)
	added                func(*env) bool
}

func staleCases() []staleCase {
	const statement = `{"Sid": "Team", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, ` +
		`"Action": ["ACTION"], "Resource": "RESOURCE"}`
	addedRule := types.CORSRule{AllowedMethods: []string{"GET"}, AllowedOrigins: []string{"https://added.example.org"}}
	has := func(w *env, setting, what string) bool { return strings.Contains(w.state()[setting], what) }
	own := foreignEntry()
	own.ID, own.Filters = "added", one("prefix", "added/")
	policyOf := func(action, resource string, more ...string) *string {
		team := strings.NewReplacer("ACTION", action, "RESOURCE", resource).Replace(statement)
		return aws.String(`{"Version": "2012-10-17", "Statement": [` + strings.Join(append(more, team), ", ") + `]}`)
	}
	root := `{"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": ["kms:Get*", "kms:Put*"], ` +
		`"Resource": "*"}`
	putPolicy := func(action string) func(*env) {
		return func(w *env) {
			w.must(w.s3.PutBucketPolicy(w.t.Context(), &s3.PutBucketPolicyInput{
				Bucket: &w.storage.Bucket.Name, Policy: policyOf(action, w.storage.Bucket.ARN+"/*"),
			}))
		}
	}
	putKeyPolicy := func(action string) func(*env) {
		return func(w *env) {
			w.must(w.kms.PutKeyPolicy(w.t.Context(), &kms.PutKeyPolicyInput{
				KeyId: &w.storage.Key.ARN, PolicyName: aws.String(keyPolicyName), Policy: policyOf(action, "*", root),
			}))
		}
	}
	return []staleCase{
		{
			setting: "bucket-policy", read: "GetBucketPolicy", event: "PutBucketPolicy", breakOurs: putPolicy("s3:PutObjectAcl"),
			breakAndAdd: putPolicy("s3:GetObjectTorrent"),
			added:       func(w *env) bool { return has(w, "bucket-policy", "GetObjectTorrent") },
		},
		{
			setting: "bucket-cors", read: "GetBucketCors", event: "PutBucketCors",
			breakOurs:   func(w *env) { w.putCORS(foreignRule()) },
			breakAndAdd: func(w *env) { w.putCORS(foreignRule(), addedRule) },
			added:       func(w *env) bool { return has(w, "bucket-cors", "added.example.org") },
		},
		{
			setting: "bucket-notification", read: "GetBucketNotificationConfiguration", event: "PutBucketNotification",
			breakOurs:   func(w *env) { w.putEntries() },
			breakAndAdd: func(w *env) { w.putEntries(own) },
			added:       func(w *env) bool { return slices.ContainsFunc(w.entries(), own.equal) },
		},
		{
			setting: "kms-key-policy", read: "GetKeyPolicy", event: "PutKeyPolicy",
			variant: variant{key: true, storage: "kms: {restore: true}"}, breakOurs: putKeyPolicy("kms:RetireGrant"),
			breakAndAdd: putKeyPolicy("kms:RevokeGrant"),
			added:       func(w *env) bool { return has(w, "kms-key-policy", "RevokeGrant") },
		},
	}
}

// TestStaleReadsLoseNothing: reads stay stale throughout a pass, all equal, and the part that was added a moment before
// is not in them. The event says so; icaguard waits, and writes once the reads are fresh.
func TestStaleReadsLoseNothing(t *testing.T) {
	for _, c := range staleCases() {
		t.Run(c.setting, func(t *testing.T) {
			w := newEnv(t, newFixture(t), c.variant)
			c.breakOurs(w)
			remove := w.local.Recorder().Inject(localaws.Fault{Operation: c.read, AccessKeyID: w.key, Kind: localaws.Stale})
			defer remove()
			w.engine.Audit(t.Context(), guard.Request{Setting: c.setting}) // reads what stays to be read
			c.breakAndAdd(w)
			var waited time.Duration
			w.engine.Sleep = func(_ context.Context, d time.Duration) error { waited += d; return nil }
			o := w.deliver(c.setting, w.last(c.event, 10))
			expectStatus(t, o, guard.RestoreFailed)
			if !strings.Contains(o.Problem, "another document was written than is read") || len(w.requeued) != 1 {
				t.Fatalf("problem %q, requeued %v", o.Problem, w.requeued)
			}
			if waited += w.after[0]; waited < 13*time.Second {
				t.Errorf("reads again after %s: too early to read what was written", waited)
			}
			remove()
			expectStatus(t, w.again(), guard.Restored)
			if !c.added(w) {
				t.Error("what somebody added a moment before is lost")
			}
		})
	}
}

// TestStaleReadsThatPass: the read becomes fresh while icaguard waits.
func TestStaleReadsThatPass(t *testing.T) {
	for _, c := range staleCases() {
		t.Run(c.setting, func(t *testing.T) {
			w := newEnv(t, newFixture(t), c.variant)
			c.breakOurs(w)
			remove := w.local.Recorder().Inject(localaws.Fault{Operation: c.read, AccessKeyID: w.key, Kind: localaws.Stale})
			defer remove()
			w.engine.Audit(t.Context(), guard.Request{Setting: c.setting})
			c.breakAndAdd(w)
			waits := 0
			w.engine.Sleep = func(context.Context, time.Duration) error {
				if waits++; waits == 3 {
					remove()
				}
				return nil
			}
			expectStatus(t, w.deliver(c.setting, w.last(c.event, 10)), guard.Restored)
			if !c.added(w) {
				t.Error("what somebody added a moment before is lost")
			}
		})
	}
}

// TestLostPartsAreTold: somebody removes what was added a moment before, between icaguard's last read and its check of
// what it wrote.
func TestLostPartsAreTold(t *testing.T) {
	for _, c := range staleCases() {
		t.Run(c.setting, func(t *testing.T) {
			w := newEnv(t, newFixture(t), c.variant)
			c.breakAndAdd(w)
			event := w.last(c.event, 10)
			waits := 0
			w.engine.Sleep = func(context.Context, time.Duration) error {
				if waits++; waits == 2 { // one before the write
					c.breakOurs(w)
					w.handle(guard.Request{Setting: c.setting}) // another invocation restores ours
				}
				return nil
			}
			o := w.deliver(c.setting, event)
			expectStatus(t, o, guard.ActionRequired)
			found := slices.ContainsFunc(o.Alerts, func(f guard.Finding) bool {
				return strings.Contains(f.What, "after the restore these parts") && strings.Contains(f.Remediation, event.Detail.EventID)
			})
			if len(o.Diffs) == 0 || !found {
				t.Errorf("diffs %+v, alerts %+v", o.Diffs, o.Alerts)
			}
		})
	}
}

// TestWitnessesThatSayNothing let the restore go on at once.
func TestWitnessesThatSayNothing(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"no document": func(p map[string]any) { delete(p, "CORSConfiguration") },
		"an element":  func(p map[string]any) { p["CORSConfiguration"] = map[string]any{"NewRule": "x"} },
		"a number":    func(p map[string]any) { p["CORSConfiguration"] = 7 },
		"null":        func(p map[string]any) { p["CORSConfiguration"] = nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t, newFixture(t), variant{})
			w.putCORS(foreignRule())
			event := w.last("PutBucketCors", 10)
			change(event.Detail.RequestParameters)
			expectStatus(t, w.deliver("bucket-cors", event), guard.Restored)
		})
	}
}
