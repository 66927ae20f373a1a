package campaign

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
)

// RandomSteps names the part with random steps.
const RandomSteps = "random steps"

const among = RandomSteps + ": "

// AmongSteps names a kind of fault where it strikes among random steps. It is the same kind as in a part of its own.
func AmongSteps(kind string) string { return among + kind }

// Count is what came of the cases of one kind of fault.
type Count struct {
	Strikes     int // how often the fault really struck
	Steps       int // changes that somebody made
	Restores    int // restores that people were told of
	Alerts      int // messages to people that ask for something
	DeadLetters int
	// Changes by how often people were told of them: not, only in the summary of an audit, once or more often by themselves.
	Untold, Summed, Once, Twice int
}

// Told counts a change of which people were told so often by itself, or in a summary. most is how often is once.
func (c *Count) Told(times, most int, summed bool) {
	switch {
	case times == 0 && !summed:
		c.Untold++
	case times == 0:
		c.Summed++
	case times <= most:
		c.Once++
	default:
		c.Twice++
	}
}

func (c Count) plus(o Count) Count {
	return Count{
		c.Strikes + o.Strikes, c.Steps + o.Steps, c.Restores + o.Restores, c.Alerts + o.Alerts, c.DeadLetters + o.DeadLetters,
		c.Untold + o.Untold, c.Summed + o.Summed, c.Once + o.Once, c.Twice + o.Twice,
	}
}

// Tally counts what came of all cases.
type Tally struct {
	mu     sync.Mutex
	byKind map[string]Count
	cases  int
	failed int
	untold []string // cases with a change that nobody was told of
	// underWay and done are how many cases of a part are worked on and have ended, by its first kind.
	underWay, done map[string]int
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

// next is the part that is drawn from next: with random steps, if less than so many cases are under way that take them, as
// they bring most strikes of many kinds; else that with the kind which struck least. A case that is under way counts for
// what those before it brought.
func (t *Tally) next(parts [][]string, random int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	least, most := 0, -1.0
	for i, kinds := range parts {
		if strings.HasPrefix(kinds[0], among) {
			if t.underWay[kinds[0]] < random {
				least = i
				break
			}
			continue
		}
		strikes, cases := t.least(kinds), float64(max(1, t.done[kinds[0]]))
		if strikes += float64(t.underWay[kinds[0]]) * max(1, strikes/cases); most < 0 || strikes < most {
			least, most = i, strikes
		}
	}
	if t.underWay == nil {
		t.underWay, t.done = map[string]int{}, map[string]int{}
	}
	t.underWay[parts[least][0]]++
	return least
}

func (t *Tally) least(kinds []string) float64 {
	least := t.struck(kinds[0])
	for _, kind := range kinds {
		least = min(least, t.struck(kind))
	}
	return float64(least)
}

// ended counts a case of the part with these kinds.
func (t *Tally) ended(kinds []string, well bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.underWay[kinds[0]] > 0 {
		t.underWay[kinds[0]]--
		t.done[kinds[0]]++
	}
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
	fmt.Fprintln(table, "fault\tstrikes\tsteps\trestores\talerts\tdead letters\tuntold\tin a summary\ttold once\ttold twice\t")
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
	fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", kind, c.Strikes, c.Steps, c.Restores, c.Alerts, c.DeadLetters,
		c.Untold, c.Summed, c.Once, c.Twice)
}

// below are the kinds of faults that struck less often.
func (t *Tally) below(strikes int, kinds []string) []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(kinds), func(kind string) bool { return t.struck(kind) >= strikes })
}

// struck is how often a kind did, in its own part and among random steps.
func (t *Tally) struck(kind string) int {
	kind = strings.TrimPrefix(kind, among)
	return t.byKind[kind].Strikes + t.byKind[among+kind].Strikes
}
