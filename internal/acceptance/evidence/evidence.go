// Package evidence is what a run of the acceptance program hands to the beliefs about AWS, and what they answer. It
// stands apart from both, so that the program may know the beliefs and the beliefs never the program.
//
// Invariant: plain data; nothing here calls AWS by itself.
package evidence

import (
	"encoding/json"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Evidence is what a run saw, and the way to AWS for what it did not see.
type Evidence struct {
	Local     bool // a local AWS: what it answers proves nothing about AWS
	Account   string
	Partition string
	Storage   icaconfig.Storage              // of the run
	Config    func(region string) aws.Config // for clients of any region
	Events    func(name string) []Raw        // seen so far by the program's own rules and queues, by CloudTrail's name; "": all
	Breaks    []Break
	Scratch   string // what an experiment creates is named so, and more after a "-"; whoever runs sweeps what is left of it
}

// Raw is an event as EventBridge delivered it.
type Raw struct {
	Region   string          // of the rule that matched it first
	Body     json.RawMessage // the envelope, unchanged
	Received time.Time       // when the program took it from its queue
}

// Break is one way of breaking the storage that the run tried.
type Break struct {
	Setting string // name of the row
	Way     string // what was done, for people
	Event   string // CloudTrail's name of the call that did it
	Began   time.Time
	Took    time.Duration // until it read as before; 0 where it did not come back
}

// Verdict is what a run says about one belief.
type Verdict string

// The verdicts.
const (
	Refuted   Verdict = "refuted"
	Confirmed Verdict = "confirmed"
	NotSeen   Verdict = "not seen"  // the run looked for it, and it did not come up
	NotTried  Verdict = "not tried" // the run cannot or does not look for it
)

// Answer is a verdict and what it rests on.
type Answer struct {
	Verdict Verdict `json:"verdict"`
	Why     string  `json:"why"`
}
