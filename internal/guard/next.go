package guard

import (
	"time"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/cloudtrail"
)

// Next is what follows an attempt.
type Next struct {
	// Status is the outcome's in the end: what no further attempt will change needs a person.
	Status Status
	// After is the delay after which Request comes; 0: it does not.
	After   time.Duration
	Request Request
	Reason  string
	// DeferredTooLong: people have to know that it still waits.
	DeferredTooLong bool
}

const (
	// secondCheck is when to read again after an event that the read does not show. Configuration reads are eventually consistent.
	secondCheck = 15 * time.Second
	// tooLong is how long a restore is deferred before people are notified. It stays deferred.
	tooLong = time.Hour
)

// next decides what follows an attempt at a request: nothing, another one after a delay, or a person's action. It is
// the only place that decides so.
func next(r Request, o Outcome, now time.Time) Next {
	n := Next{Status: o.Status, Request: r}
	if o.wrote && o.Backup != "" {
		n.Request.Backup = o.Backup
	}
	if o.Status == Deferred {
		return n.deferral(o, now)
	}
	n.Request.DeferredSince, n.Request.DeferralReported, n.Request.GateTries = time.Time{}, false, 0
	switch o.Status {
	case InSync, Accepted:
		// An event said "changed" and the check says that nothing has to be done: the read may have been stale.
		if len(r.Events) > 0 && r.Attempt == 0 {
			return n.requeue(secondCheck, "second check: configuration reads are eventually consistent")
		}
	case Unverified:
		return n.retry(o)
	case Unknown, RestoreFailed:
		if !mayPass(o) {
			n.Status = ActionRequired
			return n
		}
		return n.retry(o)
	case Drifted, Restored, ActionRequired, Deferred:
	}
	return n
}

// retry is another attempt with a growing delay. When there were enough, what was never checked or restored needs a person.
func (n Next) retry(o Outcome) Next {
	delays := [...]time.Duration{5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute}
	if tried := int(n.Request.Attempt); tried < len(delays) {
		return n.requeue(delays[tried], string(o.Status)+": "+o.Problem)
	}
	if o.Status != Unverified {
		n.Status = ActionRequired
	}
	return n
}

func (n Next) requeue(after time.Duration, reason string) Next {
	n.After, n.Reason = after, cloudtrail.Plain(reason)
	n.Request.Attempt++
	n.Request.Reason = n.Reason
	return n
}

// deferral carries from attempt to attempt since when it waits. Waiting is no failed attempt: what fails when it is
// over has all its tries.
func (n Next) deferral(o Outcome, now time.Time) Next {
	r := &n.Request
	if r.DeferredSince.IsZero() || r.DeferredSince.After(now) {
		r.DeferredSince = now
	}
	if o.hold.unknown {
		r.GateTries++
	}
	n.DeferredTooLong = !r.DeferralReported && now.Sub(r.DeferredSince) >= tooLong
	r.DeferralReported = r.DeferralReported || n.DeferredTooLong
	n.After, n.Reason = o.hold.RetryAfter, cloudtrail.Plain("deferred: "+o.Problem)
	r.Attempt, r.Reason = max(1, r.Attempt), n.Reason
	return n
}

// mayPass reports whether the error of an attempt may be over at the next one. What icaguard creates again will be
// there then; a bucket or key that is gone stays gone. A write that misses something (a policy to attach, a boundary to
// set) is this setting's own trouble.
func mayPass(o Outcome) bool {
	switch awserr.Classify(o.err) {
	case awserr.Transient, awserr.Denied:
		return true
	case awserr.Gone:
		return o.on.Recreated
	case awserr.Final, awserr.ExplicitDeny:
	}
	return false
}
