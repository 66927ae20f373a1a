package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// Gate may hold a restore. It is asked only when there is something to restore, and keeps what it learnt for one pass.
// An error means that it could not tell: the request comes again, and after gateTries restores anyway and says so.
type Gate func(ctx context.Context, t Target) (Hold, error)

// Hold says why a restore has to wait; the zero Hold holds nothing.
type Hold struct {
	Reason      string
	RetryAfter  time.Duration // after which icaguard checks again by itself; 0: not at all
	Remediation string        // what ends it

	unknown bool // no gate could tell
}

// gateTries is how often the gates are asked in vain before icaguard restores without an answer.
const gateTries = 3

// askGates asks all gates side by side; the first in order that holds, holds.
func askGates(ctx context.Context, gates []Gate, t Target) (Hold, error) {
	holds, errs := make([]Hold, len(gates)), make([]error, len(gates))
	var group errgroup.Group
	for i, gate := range gates {
		group.Go(func() error {
			defer func() {
				if problem := recover(); problem != nil {
					errs[i] = fmt.Errorf("gate: %w: %v", errPanicked, problem)
				}
			}()
			holds[i], errs[i] = gate(ctx, t)
			return nil
		})
	}
	_ = group.Wait() // each gate's error is in errs
	for _, hold := range holds {
		if hold.Reason != "" {
			return hold, nil
		}
	}
	return Hold{}, errors.Join(errs...)
}

// admit decides what an answer of the gates means for a restore: it waits while the Hold has a reason; else it goes on,
// and skipped says why it does so without an answer.
func admit(tries int, hold Hold, unknown error) (wait Hold, skipped string) {
	switch {
	case hold.Reason != "" || unknown == nil:
		return hold, ""
	case tries+1 < gateTries:
		delays := [gateTries - 1]time.Duration{5 * time.Second, 15 * time.Second}
		return Hold{
			Reason:     fmt.Sprintf("it is not known whether acting has to wait: %v", unknown),
			RetryAfter: delays[tries],
			unknown:    true,
		}, ""
	}
	return Hold{}, fmt.Sprintf("asked %d times in vain whether acting had to wait, so it did not: %v", gateTries, unknown)
}
