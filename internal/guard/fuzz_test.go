package guard

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/golden"
)

// maxMessage is SQS's limit for a message, less what is around the bodies of a batch (package queue).
const maxMessage = 250_000

// FuzzMessage: whatever comes from the queue is refused, or is one of the kinds of messages; those of ours can be written
// again, are read back the same and fit the queue; what a request says of itself is within its bounds.
func FuzzMessage(f *testing.F) {
	for _, event := range golden.Seeds(f, "../../events/*.json", "../../events/stacks/*.json") {
		f.Add(event)
	}
	for _, body := range []string{
		`{"icaguard":"request","request":{"resource":"arn:aws:s3:::b","setting":"bucket-cors","attempt":1,"reason":"odd"}}`,
		`{"icaguard":"request","request":{"attempt":-200000000,"gateTries":1e400,"deferredSince":"2026-01-15T09:12:33+23:59"}}`,
		`{"icaguard":"request","request":{"events":[{"eventId":"1","event":"e","time":"9999-12-31T23:59:59-01:00","actor":{"arn":"a"}}]}}`,
		`{"icaguard":"request","request":{"settings":["bucket-cors","\u202e"],"backup":"backup#1"}}`,
		`{"icaguard":"notice","notice":{"key":"1","attempts":99999999999999999999}}`,
		`{"icaguard":"audited","audited":{"fingerprint":"0"}}`, `{"icaguard":"","detail":{}}`, `{"icaguard":7}`, `[]`,
	} {
		f.Add([]byte(body))
	}
	large := strings.Repeat("<", 1000) // JSON writes each with six bytes
	var events []string
	for i := range maxAlertEvents + maxEvents {
		events = append(events, fmt.Sprintf(`{"eventId":"%d","event":"DeleteKey","actor":{"arn":%q,"issuer":%[2]q,"from":%[2]q}}`, i, large))
	}
	f.Add([]byte(`{"icaguard":"request","request":{"backup":"` + strings.Repeat("b", 1<<20) + `","events":[` + strings.Join(events, ",") + `]}}`))
	row := Row{Triggers: []Trigger{{Events: []string{"DeleteKey"}, AlwaysAlert: true}}}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := ParseMessage(body)
		if err != nil {
			if strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Errorf("the reason is not plain: %q", err)
			}
			return
		}
		switch m := m.(type) {
		case Request:
			checkBounds(t, m)
			checkReadBack(t, m)
			m.Resource, m.Setting, m.Settings, m.Events = "arn:aws:s3:::b", "bucket-cors", nil, row.carried(m.Events) // as a job has it
			checkNext(t, m)
		case NoticeKey, Audited:
			checkReadBack(t, m)
		case cloudtrail.Event:
			checkPosted(t, Request{Events: []Event{{EventID: m.ID, Event: m.Name, Time: m.Time, Actor: m.Actor}}})
		case cloudtrail.StackEvent:
		default:
			t.Errorf("a message of no kind: %T", m)
		}
	})
}

func checkReadBack(t *testing.T, m Message) {
	t.Helper()
	text, err := Encode(m)
	if err != nil {
		t.Errorf("%v: %+v", err, m)
		return
	}
	back, err := ParseMessage([]byte(text))
	if err != nil || !reflect.DeepEqual(utc(back), utc(m)) {
		t.Errorf("%v: %s is read back as %+v, not %+v", err, text, back, m)
	}
}

// checkPosted: the queue takes it, too.
func checkPosted(t *testing.T, r Request) {
	t.Helper()
	checkReadBack(t, r)
	if text, err := Encode(r); err != nil || len(text) > maxMessage {
		t.Errorf("%d bytes: %v: %.200s", len(text), err, text)
	}
}

// utc is the message with times of one zone, as equal times may be of two.
func utc(m Message) Message {
	r, ok := m.(Request)
	if !ok {
		return m
	}
	r.DeferredSince = r.DeferredSince.UTC()
	events := r.Events
	r.Events = nil
	for _, e := range events {
		e.Time = e.Time.UTC()
		r.Events = append(r.Events, e)
	}
	return r
}

func checkBounds(t *testing.T, r Request) {
	t.Helper()
	for _, n := range []count{r.Attempt, r.GateTries} {
		if n < 0 || n > maxCount {
			t.Errorf("a count of %d", n)
		}
	}
	texts := append([]string{r.Resource, r.Setting, r.Reason, r.Backup}, r.Settings...)
	for _, e := range r.Events {
		texts = append(texts, e.EventID, e.Event, e.Actor.ARN, e.Actor.Issuer, e.Actor.From)
	}
	for _, text := range texts {
		if cloudtrail.Plain(text) != text {
			t.Errorf("not plain: %q", text)
		}
	}
}

// checkNext: whatever comes of a request, it comes again within the queue's 15 minutes, fits the queue, and comes no more
// than so often.
func checkNext(t *testing.T, r Request) {
	t.Helper()
	now := time.Date(2026, 1, 15, 9, 0, 0, 0, time.UTC)
	for _, o := range []Outcome{
		{Status: InSync},
		{Status: Unverified},
		{Status: Deferred, hold: Hold{Reason: "so", RetryAfter: time.Minute}},
		{Status: Unknown, on: OnBucket, err: awserr.Passing(errors.New("odd"))},
		{Status: RestoreFailed, on: OnRole, err: errors.New("odd"), wrote: true, Backup: "1"},
	} {
		n := next(r, o, now)
		if n.After < 0 || n.After > 15*time.Minute || n.After == 0 && n.Status == Deferred {
			t.Errorf("%s: after %s", o.Status, n.After)
		}
		if n.After > 0 {
			if o.Status != Deferred && n.Request.Attempt != r.Attempt+1 || n.Request.Attempt > maxCount {
				t.Errorf("%s: attempt %d after %d", o.Status, n.Request.Attempt, r.Attempt)
			}
			checkPosted(t, n.Request)
		}
	}
}

// FuzzMerge: coalescing requests keeps every event and the longest wait, never makes more attempts than either had, and is
// the same whichever comes first.
func FuzzMerge(f *testing.F) {
	f.Add([]byte(`{"attempt":3,"events":[{"eventId":"1"}]}`), []byte(`{"attempt":1,"events":[{"eventId":"2","time":"2026-01-15T09:12:33Z"}]}`))
	f.Add([]byte(`{"foundByAudit":true,"backup":"1"}`), []byte(`{"deferredSince":"2026-01-15T09:12:33Z","deferralReported":true,"gateTries":2}`))
	f.Add([]byte(`{"deferredSince":"2026-01-15T09:12:34Z","backup":"2"}`), []byte(`{"deferredSince":"2026-01-15T09:12:33Z","backup":"3"}`))
	f.Fuzz(func(t *testing.T, one, other []byte) {
		a, errA := parseRequest(one)
		b, errB := parseRequest(other)
		if errA != nil || errB != nil {
			return
		}
		a.Messages, b.Messages = []string{"a"}, []string{"b"}
		ab, ba := a.merge(b), b.merge(a)
		if len(ab.Messages) != 2 || ab.Attempt != ba.Attempt || ab.Backup != ba.Backup || !ab.DeferredSince.Equal(ba.DeferredSince) ||
			ab.GateTries != ba.GateTries || ab.FoundByAudit != ba.FoundByAudit || ab.DeferralReported != ba.DeferralReported ||
			len(ab.Events) != len(ba.Events) {
			t.Errorf("%+v\n%+v", ab, ba)
		}
		for _, e := range append(append([]Event{}, a.Events...), b.Events...) {
			found := false
			for _, kept := range ab.Events {
				found = found || kept.same(e)
			}
			if !found {
				t.Errorf("lost %+v", e)
			}
		}
		if ab.Attempt > max(a.Attempt, b.Attempt) {
			t.Errorf("%d attempts of %d and %d", ab.Attempt, a.Attempt, b.Attempt)
		}
		since := func(r Request) bool { return !r.DeferredSince.IsZero() && r.DeferredSince.Before(ab.DeferredSince) }
		if since(a) || since(b) || ab.GateTries != max(a.GateTries, b.GateTries) {
			t.Errorf("it waits anew: %+v of %+v and %+v", ab, a, b)
		}
	})
}

// FuzzCount: any JSON value is a number between 0 and the most.
func FuzzCount(f *testing.F) {
	for _, text := range []string{"0", "-1", "100", "101", "1e400", "-1e400", "0.9", `"7"`, "null", "true", "[1]", "0x10", "1_0"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var c count
		if json.Unmarshal([]byte(text), &c) == nil && (c < 0 || c > maxCount) {
			t.Errorf("%s counts %d", text, c)
		}
	})
}
