package campaign

import "flag"

// Options choose the cases.
type Options struct {
	Seed    uint64  // of everything that is drawn; 0: another one every time, which is printed
	Minutes float64 // how long cases are drawn; 0: the sample of `make test`
	Full    bool    // every case instead, which takes hours
	Case    string  // that case alone, once, with the seed as its own
	Workers int     // cases side by side, each on a local AWS of its own
}

// Flags reads the options from the command line of the test, `-args -campaign.minutes 30`.
func Flags() *Options {
	o := &Options{}
	flag.Uint64Var(&o.Seed, "campaign.seed", 0, "seed; 0: a new one")
	flag.Float64Var(&o.Minutes, "campaign.minutes", 0, "draw cases for so long; 0: a small sample with a fixed seed")
	flag.BoolVar(&o.Full, "campaign.full", false, "run every case")
	flag.StringVar(&o.Case, "campaign.case", "", "run this case alone, with the seed")
	flag.IntVar(&o.Workers, "campaign.workers", 6, "cases side by side")
	return o
}

// soaking tells a soak from the sample of `make test` and from one case.
func (o Options) soaking() bool { return o.Case == "" && (o.Full || o.Minutes > 0) }
