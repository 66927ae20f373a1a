package main_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

// oddRequest is a request as somebody may write it who may send to the queue, with further members.
func oddRequest(setting, members string) string {
	return `{"icaguard":"request","request":{"setting":"` + setting + `","reason":"odd",` + members + `}}`
}

// testOddNumbers has one batch of ten: three good messages, and requests with numbers that nobody meant, each of a setting
// that cannot be read, so that what follows an attempt is asked of each number. None ends the function, none keeps a good one
// from being done, none is lost and none comes again for ever.
func testOddNumbers(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	good := append(w.breakIt(), w.request("", "role-boundary"))
	// The SDK's names of reads that fail, by the setting that needs them, and what its request carries.
	odd := []struct{ setting, operation, members string }{
		{"bucket-policy", "GetBucketPolicy", `"attempt":-1`},
		{"bucket-encryption", "GetBucketEncryption", `"attempt":-200000000,"gateTries":-5`},
		{"bucket-ownership", "GetBucketOwnershipControls", `"attempt":"-200000000"`},
		{"bucket-lifecycle", "GetBucketLifecycleConfiguration", `"attempt":1e400`},
		{"bucket-public-access", "GetPublicAccessBlock", `"attempt":99999999999999999999999,"gateTries":1e400`},
		{"bucket-object-lock", "GetObjectLockConfiguration", `"attempt":-1e400,"gateTries":{"a":[1]}`},
	}
	batch := []string{`{"icaguard":"request","request":{"setting":"bucket-cors","attempt":{},"events":7}}`}
	for i, o := range odd {
		w.Inject(localaws.Fault{Service: "s3", Operation: o.operation, Kind: localaws.Denied})
		batch = append(batch, oddRequest(o.setting, o.members))
		if i < len(good) {
			batch = append(batch, good[i])
		}
	}
	if len(batch) != 10 {
		t.Fatalf("a batch of %d messages, want ten", len(batch))
	}
	w.done(batch...)
	w.ExpectRestored()
	if dead := w.queues[deadLetters].Take(); len(dead) != 1 || aws.ToString(dead[0].Body) != batch[0] {
		t.Errorf("dead letters %+v, want the one that is no request", dead)
	}
	ended := map[string]int{}
	given := w.count(ended)
	if given[guard.Restored] != 2 || given[guard.ActionRequired] != 2 {
		t.Errorf("notices %v, want the two restores, and the two requests that claim to have been tried often enough", given)
	}
	rounds := 0
	posts := slices.DeleteFunc(w.posts.Take(), func(p localawstest.Post) bool { return p.QueueURL == w.queues[deadLetters].URL })
	for ; len(posts) > 0; posts = w.posts.Take() {
		if rounds++; rounds > 5 {
			t.Fatalf("it comes again for ever: %+v", posts)
		}
		var bodies []string
		for _, p := range posts {
			if r := requestOf(t, p.MessageBody); int(r.Attempt) != rounds || p.DelaySeconds < 5 || p.DelaySeconds > 120 {
				t.Errorf("round %d: %+v", rounds, p)
			}
			bodies = append(bodies, p.MessageBody)
		}
		w.invokeBatch(bodies...)
	}
	w.count(ended)
	for _, o := range odd {
		if ended[o.setting] != 1 {
			t.Errorf("%s with %s: people were asked to act %d times, want once: %v", o.setting, o.members, ended[o.setting], ended)
		}
	}
}

// count takes the notices: how many there are of each status, and of which settings people have to care.
func (w *env) count(actionRequired map[string]int) map[guard.Status]int {
	w.t.Helper()
	byStatus := map[guard.Status]int{}
	for _, n := range w.notices() {
		status := guard.Status(n.MessageAttributes["status"].Value)
		byStatus[status]++
		if status == guard.ActionRequired {
			actionRequired[n.MessageAttributes["setting"].Value]++
		}
	}
	return byStatus
}

// testOddGateTries: nobody can tell whether our own stacks are changing, so a restore waits; but not for ever, whatever a
// request says of how often that was asked.
func testOddGateTries(t *testing.T, s *fixture) {
	w := newEnv(t, s)
	w.Break()
	w.Inject(localaws.Fault{Operation: "DescribeStacks", Kind: localaws.Denied})
	w.done(
		oddRequest("bucket-cors", `"gateTries":-5`), oddRequest("role-session-duration", `"gateTries":1e400`),
	)
	w.ExpectSession(43200) // it says that it was asked often enough
	for tries := 1; tries <= 2; tries++ {
		w.ExpectCORS()
		p := w.expectPosts(1)[0]
		if r := requestOf(t, p.MessageBody); r.Setting != "bucket-cors" || int(r.GateTries) != tries || p.DelaySeconds < 5 {
			t.Errorf("want it deferred and asked for the %d. time: %+v", tries, p)
		}
		w.invokeBatch(p.MessageBody)
	}
	w.ExpectRestored()
	w.expectPosts(0)
	got := map[string]int{}
	for _, n := range w.notices() {
		skipped := strings.Contains(n.Message, "in vain whether acting had to wait")
		got[fmt.Sprintf("%s, gates skipped: %v", n.MessageAttributes["status"].Value, skipped)]++
	}
	if want := map[string]int{"restored, gates skipped: true": 2}; !maps.Equal(got, want) {
		t.Errorf("notices %v, want %v", got, want)
	}
}
