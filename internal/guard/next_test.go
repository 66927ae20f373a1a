package guard

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/smithy-go"

	"github.com/icaguard/icaguard/internal/awserr"
)

func TestNext(t *testing.T) {
	now := time.Unix(10_000, 0)
	stranger := []Event{{EventID: "1"}}
	aws := func(code string) error { return &smithy.GenericAPIError{Code: code} }
	gone, denied := aws("NoSuchEntity"), aws("AccessDenied")
	explicit := &smithy.GenericAPIError{Code: "AccessDenied", Message: "with an explicit deny in a service control policy"}
	type want struct {
		status  Status
		after   time.Duration
		attempt count
	}
	of := func(status Status, err error, kind *Kind) Outcome { return Outcome{Status: status, err: err, on: kind} }
	for name, c := range map[string]struct {
		request Request
		outcome Outcome
		want    want
	}{
		"in sync after a stranger's event": {Request{Events: stranger}, Outcome{Status: InSync}, want{
			InSync,
			15 * time.Second, 1,
		}},
		"in sync at the second check": {Request{Events: stranger, Attempt: 1}, Outcome{Status: InSync}, want{
			InSync,
			0, 1,
		}},
		"in sync after our own echo": {Request{}, Outcome{Status: InSync}, want{InSync, 0, 0}},
		"restored":                   {Request{Events: stranger}, Outcome{Status: Restored}, want{Restored, 0, 0}},
		"drifted in observe":         {Request{Events: stranger}, Outcome{Status: Drifted}, want{Drifted, 0, 0}},
		"a person is needed":         {Request{}, Outcome{Status: ActionRequired}, want{ActionRequired, 0, 0}},
		"not known": {Request{}, of(Unknown, context.DeadlineExceeded, OnBucket), want{
			Unknown,
			5 * time.Second, 1,
		}},
		"not known for the fifth time": {Request{Attempt: 4}, of(Unknown, denied, OnBucket), want{
			Unknown,
			2 * time.Minute, 5,
		}},
		"not known for the last time": {Request{Attempt: 5}, of(Unknown, denied, OnBucket), want{
			ActionRequired, 0,
			5,
		}},
		"forged attempts": {
			Request{Attempt: maxCount},
			of(Unknown, denied, OnBucket),
			want{ActionRequired, 0, maxCount},
		},
		"an explicit deny": {Request{}, of(Unknown, explicit, OnBucket), want{ActionRequired, 0, 0}},
		"a bucket that is gone": {Request{}, of(Unknown, aws("NoSuchBucket"), OnBucket), want{
			ActionRequired,
			0, 0,
		}},
		"a role that is gone and will be recreated": {Request{}, of(Unknown, gone, OnRole), want{Unknown, 5 * time.Second, 1}},
		"a write that misses something on a role": {Request{}, of(RestoreFailed, gone, OnRole), want{
			RestoreFailed,
			5 * time.Second, 1,
		}},
		"a write that misses its bucket": {
			Request{},
			of(RestoreFailed, aws("NoSuchBucket"), OnBucket),
			want{ActionRequired, 0, 0},
		},
		"a write that AWS calls malformed": {
			Request{},
			of(RestoreFailed, aws("MalformedPolicyDocument"), OnRole),
			want{ActionRequired, 0, 0},
		},
		"not restored": {
			Request{Attempt: 1},
			of(RestoreFailed, aws("Throttling"), OnRole),
			want{RestoreFailed, 15 * time.Second, 2},
		},
		"somebody is writing it": {
			Request{},
			of(RestoreFailed, fmt.Errorf("x: %w", errUnsettled), OnBucket),
			want{RestoreFailed, 5 * time.Second, 1},
		},
		"no backup of what would be removed": {
			Request{},
			of(RestoreFailed, fmt.Errorf("x: %w: y", errNoBackup), OnRole),
			want{RestoreFailed, 5 * time.Second, 1},
		},
		"an internal error": {
			Request{},
			of(Unknown, fmt.Errorf("x: %w", errPanicked), OnRole),
			want{ActionRequired, 0, 0},
		},
		"written, and does not read back": {Request{Attempt: 2}, Outcome{Status: Unverified}, want{
			Unverified,
			30 * time.Second, 3,
		}},
		"does not read back for good": {Request{Attempt: 5}, Outcome{Status: Unverified}, want{Unverified, 0, 5}},
		"deferred by a pause":         {Request{}, Outcome{}.deferred(Hold{Reason: "paused"}), want{Deferred, 0, 1}},
		"deferred by a deploy": {
			Request{},
			Outcome{}.deferred(Hold{Reason: "deploying", RetryAfter: time.Minute}),
			want{Deferred, time.Minute, 1},
		},
		"deferred after attempts": {Request{Attempt: 3}, Outcome{}.deferred(Hold{
			Reason:     "deploying",
			RetryAfter: time.Minute,
		}), want{Deferred, time.Minute, 3}},
		"an error that passes, whatever its code says": {
			Request{},
			of(RestoreFailed, awserr.Passing(aws("LimitExceeded")), OnPolicy),
			want{RestoreFailed, 5 * time.Second, 1},
		},
	} {
		n := next(c.request, c.outcome, now)
		if got := (want{n.Status, n.After, n.Request.Attempt}); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		if n.After > 0 && (n.Reason == "" || n.Request.Reason != n.Reason) {
			t.Errorf("%s: comes again without a reason", name)
		}
	}
}

func TestNextCarriesTheDeferral(t *testing.T) {
	now := time.Unix(10_000, 0)
	held := Outcome{}.deferred(Hold{Reason: "deploying", RetryAfter: time.Minute})
	for name, c := range map[string]struct {
		request  Request
		since    time.Time
		reported bool
	}{
		"the first time":                 {Request{}, now, false},
		"for less than an hour":          {Request{DeferredSince: now.Add(-time.Minute)}, now.Add(-time.Minute), false},
		"for an hour":                    {Request{DeferredSince: now.Add(-tooLong)}, now.Add(-tooLong), true},
		"for an hour, which was told":    {Request{DeferredSince: now.Add(-tooLong), DeferralReported: true}, now.Add(-tooLong), false},
		"since a time that is yet to be": {Request{DeferredSince: now.Add(time.Hour)}, now, false},
	} {
		n := next(c.request, held, now)
		if !n.Request.DeferredSince.Equal(c.since) || n.DeferredTooLong != c.reported ||
			n.Request.DeferralReported != (c.reported || c.request.DeferralReported) {
			t.Errorf("%s: %+v", name, n)
		}
	}
	over := next(
		Request{DeferredSince: now, DeferralReported: true, GateTries: 2}, Outcome{Status: Unknown, err: context.DeadlineExceeded},
		now,
	).Request
	if !over.DeferredSince.IsZero() || over.DeferralReported || over.GateTries != 0 {
		t.Errorf("when it is over, it is forgotten: %+v", over)
	}
	wrote := next(
		Request{}, Outcome{Status: RestoreFailed, err: context.DeadlineExceeded, wrote: true, Backup: "backup#x#1"}, now,
	).Request
	if wrote.Backup != "backup#x#1" {
		t.Error("the key of what was written without reading it back is carried along")
	}
}

func TestAdmit(t *testing.T) {
	unknown := errors.New("throttled")
	for name, c := range map[string]struct {
		tries   int
		hold    Hold
		err     error
		wait    bool
		again   time.Duration
		skipped bool
	}{
		"nothing holds":         {0, Hold{}, nil, false, 0, false},
		"a gate holds":          {0, Hold{Reason: "paused"}, nil, true, 0, false},
		"not known":             {0, Hold{}, unknown, true, 5 * time.Second, false},
		"not known twice":       {1, Hold{}, unknown, true, 15 * time.Second, false},
		"not known three times": {2, Hold{}, unknown, false, 0, true},
		"forged tries":          {maxCount, Hold{}, unknown, false, 0, true},
	} {
		wait, skipped := admit(c.tries, c.hold, c.err)
		if (wait.Reason != "") != c.wait || wait.RetryAfter != c.again || (skipped != "") != c.skipped {
			t.Errorf("%s: wait %+v, skipped %q", name, wait, skipped)
		}
	}
}

func TestMergedRequestsKeepTheirDeferral(t *testing.T) {
	early, late := time.Unix(100, 0).UTC(), time.Unix(200, 0).UTC()
	waiting := Request{Attempt: 1, DeferredSince: early, DeferralReported: true, GateTries: 2}
	for name, other := range map[string]Request{"a new event": {}, "one that waits for less long": {
		Attempt:       1,
		DeferredSince: late, GateTries: 1,
	}} {
		for _, merged := range []Request{waiting.merge(other), other.merge(waiting)} {
			if !merged.DeferredSince.Equal(early) || !merged.DeferralReported || merged.GateTries != 2 || merged.Attempt != 1 {
				t.Errorf("%s: %+v", name, merged)
			}
		}
	}
	if merged := (Request{FoundByAudit: true}).merge(Request{}); merged.FoundByAudit {
		t.Error("an event told of it after all, so it was not found by the audit alone")
	}
	body, err := Encode(waiting)
	if err != nil {
		t.Fatal(err)
	}
	message, err := ParseMessage([]byte(body))
	if got, isRequest := message.(Request); err != nil || !isRequest || !got.DeferredSince.Equal(early) || !got.DeferralReported ||
		got.GateTries != 2 {
		t.Errorf("on the queue it forgets its deferral: %s", body)
	}
}

// TestMergedAttempts: only a new event makes a request new again; what came again without one keeps its attempts, or it would
// never need a person.
func TestMergedAttempts(t *testing.T) {
	event := []Event{{EventID: "1"}}
	for name, c := range map[string]struct {
		a, b Request
		want count
	}{
		"a new event meets an old request":  {Request{Attempt: 3, Events: event}, Request{Events: event}, 0},
		"a new event meets one without any": {Request{Attempt: 3}, Request{Events: event}, 0},
		"a leftover meets an old request":   {Request{Attempt: 3, Events: event}, Request{}, 3},
		"neither has an event":              {Request{Attempt: 3}, Request{}, 3},
	} {
		if ab, ba := c.a.merge(c.b).Attempt, c.b.merge(c.a).Attempt; ab != c.want || ba != c.want {
			t.Errorf("%s: attempts %d and %d, want %d", name, ab, ba, c.want)
		}
	}
}

// TestForgedNumbersAreClamped: whoever may send to the queue may write any number (a negative one ended a batch once).
func TestForgedNumbersAreClamped(t *testing.T) {
	for number, want := range map[string]count{
		"-1": 0, "-200000000": 0, "3": 3, "100": maxCount, "101": maxCount, "9223372036854775808": maxCount, "1e400": maxCount,
		"-1e400": 0,
		"2.9":    2, `"7"`: 0, "null": 0, "true": 0, "[]": 0,
	} {
		message, err := ParseMessage(
			[]byte(`{"icaguard":"request","request":{"setting":"x","attempt":` + number + `,"gateTries":` + number + `}}`),
		)
		if got, isRequest := message.(Request); err != nil || !isRequest || got.Attempt != want || got.GateTries != want ||
			got.Setting != "x" {
			t.Errorf("%s: %+v %v, want %d", number, message, err, want)
		}
	}
}

// TestGatesAreAskedSideBySide: each of these answers only once the other was asked too.
func TestGatesAreAskedSideBySide(t *testing.T) {
	first, second := make(chan struct{}), make(chan struct{})
	gates := []Gate{
		func(context.Context, Target) (Hold, error) {
			close(first)
			<-second
			return Hold{}, errors.New("throttled")
		},
		func(context.Context, Target) (Hold, error) {
			close(second)
			<-first
			return Hold{Reason: "paused"}, nil
		},
	}
	if hold, err := askGates(t.Context(), gates, Target{}); hold.Reason != "paused" || err != nil {
		t.Errorf("%+v %v: one that holds, holds, whatever the others cannot tell", hold, err)
	}
	broken := func(context.Context, Target) (Hold, error) { panic("no stack") }
	if _, err := askGates(t.Context(), []Gate{broken}, Target{}); !errors.Is(err, errPanicked) {
		t.Errorf("a gate that ends unforeseen could not tell: %v", err)
	}
	if hold, err := askGates(t.Context(), []Gate{
		func(context.Context, Target) (Hold, error) { return Hold{}, errors.New("throttled") },
		func(context.Context, Target) (Hold, error) { return Hold{}, nil },
	}, Target{}); hold.Reason != "" || err == nil {
		t.Errorf("%+v %v: what cannot be told is an error", hold, err)
	}
}
