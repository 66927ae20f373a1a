package campaign

import (
	"flag"
	"fmt"
)

// Options choose the cases.
type Options struct {
	Seed    uint64  // of everything that is drawn; 0: another one every time, which is printed
	Minutes float64 // how long cases are drawn; 0: the sample of `make test`
	Full    bool    // every case instead, which takes hours
	Steps   int     // of the random steps in all, of Seeds cases with seeds from Seed on, and nothing else
	Seeds   int
	Case    string // that case alone, or all that begin so if it ends with *, once, with the seed as its own
	Workers int    // cases side by side, each on a local AWS of its own; 0: as many as suit two cores
}

// Flags reads the options from the command line of the test, `-args -campaign.minutes 30`.
func Flags() *Options {
	o := &Options{}
	flag.Uint64Var(&o.Seed, "campaign.seed", 0, "seed; 0: a new one")
	flag.Float64Var(&o.Minutes, "campaign.minutes", 0, "draw cases for so long; 0: a small sample with a fixed seed")
	flag.BoolVar(&o.Full, "campaign.full", false, "run every case")
	flag.IntVar(&o.Steps, "campaign.steps", 0, "take so many random steps in all, and nothing else")
	flag.IntVar(&o.Seeds, "campaign.seeds", 20, "over so many seeds")
	flag.StringVar(&o.Case, "campaign.case", "", "run this case alone, or with a * at the end all that begin so, with the seed")
	flag.IntVar(&o.Workers, "campaign.workers", 0, "cases side by side; 0: as many as suit two cores")
	return o
}

// workers: a soak mostly waits for remediate, which waits between two reads; of a sample, making a local AWS is a good part.
func (o Options) workers() int {
	switch {
	case o.Workers > 0:
		return o.Workers
	case o.soaking():
		return 8
	}
	return 3
}

// soaking tells a soak from the sample of `make test` and from one case.
func (o Options) soaking() bool { return o.Case == "" && (o.Full || o.Minutes > 0 || o.Steps > 0) }

// StepsOfSeed is how many steps one seed's case takes: as many as asked for, else few, and more in a soak.
func (o Options) StepsOfSeed(few int) int {
	switch {
	case o.Steps > 0:
		return (o.Steps + o.Seeds - 1) / o.Seeds
	case o.soaking(), o.Case != "":
		return 8 * few
	}
	return few
}

// howMany are the flags that a replay needs besides seed and case.
func (o Options) howMany() string {
	if o.Steps == 0 {
		return ""
	}
	return fmt.Sprintf(" -campaign.steps %d -campaign.seeds %d", o.Steps, o.Seeds)
}
