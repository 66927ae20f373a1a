package beliefs

import (
	"context"
	"time"

	"github.com/icaguard/icaguard/internal/acceptance/evidence"
)

// reading is one read after a write: how long after, and whether it showed what was written.
type reading struct {
	after time.Duration
	shows bool
}

// readings writes several times and reads after each write until it has been shown for three seconds, for at most 20.
// Write puts the n-th state; read answers whether the n-th state is there.
func (l *lab) readings(
	ctx context.Context, write func(n int) error, read func(n int) (bool, error),
) (rounds [][]reading, err error) {
	const writes, most, calm, between = 4, 20 * time.Second, 3 * time.Second, 500 * time.Millisecond
	for n := range writes {
		if err := write(n); err != nil {
			return nil, err
		}
		began, lastOld := time.Now(), time.Duration(0)
		var round []reading
		for after := time.Duration(0); after < most && after-lastOld < calm; after = time.Since(began) {
			shows, err := read(n)
			if err != nil {
				return nil, err
			}
			if round = append(round, reading{time.Since(began), shows}); !shows {
				lastOld = time.Since(began)
			}
			if l.Local && shows { // it changes at once
				break
			}
			select {
			case <-time.After(between):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		rounds = append(rounds, round)
	}
	return rounds, nil
}

// shownBy is refuted by a read that still shows the state before the write after so long.
func shownBy(rounds [][]reading, bound time.Duration) evidence.Answer {
	var latest time.Duration
	for _, round := range rounds {
		for _, l := range round {
			if !l.shows {
				latest = max(latest, l.after)
			}
		}
	}
	if latest == 0 {
		return confirmed("%d writes, each shown by the first read after it", len(rounds))
	}
	return holds(latest < bound, "%d writes; the last read of an old state came %s after its write", len(rounds),
		latest.Round(100*time.Millisecond))
}

// notTwice is refuted by two reads of a replaced state, one after the other and so far apart.
func notTwice(rounds [][]reading, apart time.Duration) evidence.Answer {
	for _, round := range rounds {
		first := time.Duration(-1)
		for _, l := range round {
			switch {
			case l.shows:
				first = -1
			case first < 0:
				first = l.after
			case l.after-first >= apart:
				return refuted("reads %s and %s after a write show the state before it, and none between them the new one",
					first.Round(100*time.Millisecond), l.after.Round(100*time.Millisecond))
			}
		}
	}
	return confirmed("%d writes, after none of which two reads so far apart show the state before it", len(rounds))
}
