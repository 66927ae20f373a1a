package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Gate may hold a restore. It is asked only when there is something to restore, and remembers what it learnt for one batch of requests.
// An error means that it could not tell: the check comes again, and after gateTries restores anyway and says so.
type Gate func(ctx context.Context, s icaconfig.Storage, setting Setting) (Hold, error)

// Hold says why a restore has to wait; the zero Hold holds nothing.
type Hold struct {
	Reason      string
	Again       time.Duration // after which the guard checks again by itself; 0: not at all
	Remediation string        // what ends it
}

const (
	// gateTries is how often a gate is asked in vain before the guard restores without an answer.
	gateTries = 3
	// deferredTooLong is how long a restore is held before people are told. The guard goes on holding.
	deferredTooLong = time.Hour
)

// held asks the gates in order. It answers false when the restore may go on, with what could not be told in the outcome.
func (e *Engine) held(ctx context.Context, j job, o Outcome) (Outcome, bool) {
	var unknown error
	for _, gate := range e.Gates {
		hold, err := gate(ctx, j.storage, j.setting)
		if err != nil {
			unknown = errors.Join(unknown, err)
			continue
		}
		if hold.Reason != "" {
			o.Status, o.Problem, o.hold = Deferred, hold.Reason, hold
			return o, true
		}
	}
	if unknown == nil {
		return o, false
	}
	if j.request.GateTries+1 < gateTries {
		delays := []time.Duration{5 * time.Second, 15 * time.Second}
		o.Status, o.Problem = Deferred, fmt.Sprintf("it is not known whether acting has to wait: %v", unknown)
		o.hold = Hold{Reason: o.Problem, Again: delays[j.request.GateTries]}
		o.gateFailed = true
		return o, true
	}
	o.GateSkipped = fmt.Sprintf("asked %d times in vain whether acting had to wait, so it did not: %v", gateTries, unknown)
	return o, false
}

// waiting carries from check to check what a held check has to know of those before.
func (l Request) waiting(o Outcome, now time.Time) (next Request, told bool) {
	next = l
	if o.Status != Deferred {
		next.DeferredSince, next.DeferralReported, next.GateTries = time.Time{}, false, 0
		return next, false
	}
	if o.gateFailed {
		next.GateTries++
	}
	if next.DeferredSince.IsZero() {
		next.DeferredSince = now
	}
	told = !l.DeferralReported && now.Sub(next.DeferredSince) >= deferredTooLong
	next.DeferralReported = l.DeferralReported || told
	return next, told
}

// GateStatements allow what the gates read: the state of our own stacks, and the pauses.
func GateStatements(b icaconfig.Baseline) []Statement {
	var stacks, pauses []string
	for _, s := range b.Stacks {
		// CloudFormation ends a stack's ARN with an id that nobody knows in advance.
		stacks = append(stacks, b.ARN("cloudformation", s.Region, "stack/"+s.Name+"/*"))
	}
	for _, name := range pauseNames(b) {
		pauses = append(pauses, b.ARN("ssm", b.HomeRegion, "parameter"+name))
	}
	return []Statement{
		{Actions: []string{"cloudformation:DescribeStackEvents", "cloudformation:DescribeStacks"}, Resources: stacks},
		{Actions: []string{"ssm:GetParameters"}, Resources: pauses},
	}
}
