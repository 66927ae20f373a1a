package campaign

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Case is one thing that is tried, on a worker's own fixture.
type Case[W any] struct {
	Name string // replays it, with its seed
	Run  func(t *testing.T, w W, trial Trial)
}

// Part is one part of the campaign.
type Part[W any] struct {
	Cases  []Case[W]
	Kinds  []string // of faults that have to strike in a soak, wherever they do
	Sample int      // how many cases `make test` runs
	Steps  bool     // its case takes random steps
}

// Trial is one run of a case.
type Trial struct {
	*rand.Rand
	// Full: everything that the case could draw has to be tried, not one of it.
	Full  bool
	Tally *Tally

	name string
	seed uint64
	more string // further flags
}

// String is what replays it.
func (t Trial) String() string {
	return fmt.Sprintf("-campaign.seed %d -campaign.case '%s'%s", t.seed, t.name, t.more)
}

// enough is how often every kind of fault has to strike in a soak.
const enough = 200

// Run runs the campaign that the options choose. Each worker has a fixture of its own, so no case sees another one.
func Run[W any](t *testing.T, o Options, fixture func(*testing.T) W, parts ...Part[W]) {
	tally := &Tally{}
	if o.Steps > 0 {
		parts = slices.DeleteFunc(slices.Clone(parts), func(p Part[W]) bool { return !p.Steps })
	}
	drawn := make(chan job[W])
	if o.Seed == 0 && !o.soaking() {
		o.Seed = 1
	}
	for o.Seed == 0 {
		o.Seed = rand.Uint64() //nolint:gosec // nothing here is a secret
	}
	if o.soaking() {
		fmt.Fprintf(os.Stderr, "campaign: seed %d\n", o.Seed)
		defer every(time.Minute, func() { fmt.Fprintf(os.Stderr, "%s campaign: %s\n", time.Now().Format(time.TimeOnly), tally) })()
	}
	go func() {
		defer close(drawn)
		draw(t, o, parts, tally, drawn)
	}()
	var workers sync.WaitGroup
	for n := range o.workers() {
		workers.Go(func() {
			t.Run(strconv.Itoa(n), func(t *testing.T) { work(t, o, fixture, drawn, Trial{Full: o.Full, Tally: tally}) })
		})
	}
	workers.Wait()
	t.Logf("campaign: seed %d: %s", o.Seed, tally)
	if !o.soaking() {
		return
	}
	fmt.Fprintf(os.Stderr, "campaign: seed %d: %s", o.Seed, tally)
	for _, part := range parts {
		for _, kind := range tally.below(enough, part.Kinds) {
			t.Errorf("%s struck less than %d times", kind, enough)
		}
	}
}

// job is a case with its own seed.
type job[W any] struct {
	Case[W]
	seed  uint64
	kinds []string // of its part
}

// work runs cases until there are no more. The fixture is made with the first.
func work[W any](t *testing.T, o Options, fixture func(*testing.T) W, drawn <-chan job[W], trial Trial) {
	first, open := <-drawn
	if !open {
		return
	}
	w := fixture(t)
	for j := first; open; j, open = <-drawn {
		trial.Rand, trial.name, trial.seed, trial.more = seeded(j.seed), j.Name, j.seed, o.howMany()
		well := t.Run(j.Name, func(t *testing.T) { j.Run(t, w, trial) })
		trial.Tally.ended(j.kinds, well)
		if well {
			continue
		}
		t.Errorf("replay: go test ./internal/guard/settings -run '^TestCampaign$' -count 1 -args %s", trial)
		if o.soaking() { // what t says comes at the end
			fmt.Fprintf(os.Stderr, "campaign: failed: %s\n", trial)
		}
	}
}

// draw chooses the cases. Which ones a part has is the seed's; a soak draws from the part with the rarest kind of fault, so
// how many is a matter of what struck.
func draw[W any](t *testing.T, o Options, parts []Part[W], tally *Tally, drawn chan<- job[W]) {
	switch {
	case o.Case != "":
		named(t, o, parts, drawn)
	case o.Steps > 0:
		for _, part := range parts {
			for n := range o.Seeds {
				drawn <- job[W]{part.Cases[0], o.Seed + uint64(n), part.Kinds}
			}
		}
	case o.Full:
		for _, part := range parts {
			for _, c := range part.Cases {
				drawn <- job[W]{c, o.Seed, part.Kinds}
			}
		}
	case o.Minutes > 0:
		next := drawers(o.Seed, parts)
		for end := time.Now().Add(time.Duration(o.Minutes * float64(time.Minute))); time.Now().Before(end); {
			drawn <- next[tally.next(kindsOf(parts), o.workers()/2)]()
		}
	default:
		next := drawers(o.Seed, parts)
		for i, part := range parts {
			for range part.Sample {
				drawn <- next[i]()
			}
		}
	}
}

// drawers draw from one part each. Parts with the same cases draw the same ones, and share what is known of them.
func drawers[W any](seed uint64, parts []Part[W]) (next []func() job[W]) {
	for _, part := range parts {
		random := seeded(seed)
		next = append(next, func() job[W] {
			return job[W]{part.Cases[random.IntN(len(part.Cases))], random.Uint64(), part.Kinds}
		})
	}
	return next
}

func kindsOf[W any](parts []Part[W]) (kinds [][]string) {
	for _, part := range parts {
		kinds = append(kinds, part.Kinds)
	}
	return kinds
}

// seeded draws the same again for the same seed.
func seeded(seed uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // nothing here is a secret
}

// named draws the case of that name, or all that begin so.
func named[W any](t *testing.T, o Options, parts []Part[W], drawn chan<- job[W]) {
	start, all := strings.CutSuffix(o.Case, "*")
	found := false
	for _, part := range parts {
		for _, c := range part.Cases {
			if c.Name == o.Case || all && strings.HasPrefix(c.Name, start) {
				found = true
				drawn <- job[W]{c, o.Seed, part.Kinds}
			}
		}
	}
	if !found {
		t.Errorf("no case %q", o.Case)
	}
}

// every does something again and again until it is stopped.
func every(d time.Duration, do func()) (stop func()) {
	ticker, ended := time.NewTicker(d), make(chan struct{})
	go func() {
		for {
			select {
			case <-ticker.C:
				do()
			case <-ended:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(ended)
	}
}
