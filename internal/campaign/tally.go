package campaign

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
)

// Count is what came of the cases of one kind of fault.
type Count struct {
	Strikes     int // how often the fault really struck
	Steps       int // changes that somebody made
	Restores    int // restores that people were told of
	Alerts      int // messages to people that ask for something
	DeadLetters int
	// Changes by how often people were told of them.
	Untold, Once, Twice int
}

func (c Count) plus(o Count) Count {
	return Count{
		c.Strikes + o.Strikes, c.Steps + o.Steps, c.Restores + o.Restores, c.Alerts + o.Alerts, c.DeadLetters + o.DeadLetters,
		c.Untold + o.Untold, c.Once + o.Once, c.Twice + o.Twice,
	}
}

// Tally counts what came of all cases.
type Tally struct {
	mu     sync.Mutex
	byKind map[string]Count
	cases  int
	failed int
	untold []string // cases with a change that nobody was told of
}

// Add adds to what came of one kind of fault.
func (t *Tally) Add(kind string, c Count) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byKind == nil {
		t.byKind = map[string]Count{}
	}
	t.byKind[kind] = t.byKind[kind].plus(c)
}

// Untold keeps the cases with a change that nobody was told of, to be looked at.
func (t *Tally) Untold(trial Trial) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.untold = append(t.untold, trial.String())
}

func (t *Tally) ended(well bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cases++
	if !well {
		t.failed++
	}
}

// String is a table, a line for each kind of fault.
func (t *Tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%d cases, %d failed\n", t.cases, t.failed)
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "fault\tstrikes\tsteps\trestores\talerts\tdead letters\tuntold\ttold once\ttold twice\t")
	var all Count
	for _, kind := range slices.Sorted(maps.Keys(t.byKind)) {
		all = all.plus(t.byKind[kind])
		line(table, kind, t.byKind[kind])
	}
	line(table, "all", all)
	_ = table.Flush() // a strings.Builder never fails
	for _, replay := range t.untold {
		fmt.Fprintf(&b, "nobody was told in: %s\n", replay)
	}
	return b.String()
}

func line(table *tabwriter.Writer, kind string, c Count) {
	fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", kind, c.Strikes, c.Steps, c.Restores, c.Alerts, c.DeadLetters,
		c.Untold, c.Once, c.Twice)
}

// below are the kinds of faults that struck less often.
func (t *Tally) below(strikes int, kinds []string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(kinds), func(kind string) bool { return t.byKind[kind].Strikes >= strikes })
}
