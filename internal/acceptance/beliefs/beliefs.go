// Package beliefs is the table of what icaguard believes of AWS: facts that the code rests on and that no test on one
// machine can prove, each with its source, its grade, and how a run in an account answers it.
//
// Invariant: an answer changes nothing but scratch resources of its own, which it removes; what it says about events is a
// function of the events.
package beliefs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/icaguard/icaguard/internal/acceptance/evidence"
)

// Belief is one fact about AWS that the code rests on.
type Belief struct {
	ID      string // stable, short
	Fact    string // Markdown, as the next three
	Source  string
	Grade   string   // doc, sample, inferred, contested, emulated; several where its parts differ
	RestsOn string   // what would have to change
	In      []string // the files where it would
	// One of the two: Answer asks AWS, or says why that is not tried; OfRun looks at what the run saw, and at nothing else.
	Answer answer
	OfRun  witness
}

// answer says something about a belief; it may change scratch resources of its own.
type answer func(context.Context, evidence.Evidence) evidence.Answer

// witness is an answer that is a function of the evidence: of events and of how long restores took.
type witness func(evidence.Evidence) evidence.Answer

// theme is the beliefs about one part of AWS, with a heading for people.
type theme struct {
	title string
	rows  []Belief
}

func themes() []theme {
	return []theme{
		{"Who calls, and how policies are read", aboutPolicies()},
		{"IAM, STS and Organizations", aboutIAM()},
		{"S3", aboutS3()},
		{"KMS", aboutKMS()},
		{"CloudTrail and its events", aboutEvents()},
		{"EventBridge, SQS and SSM", aboutDelivery()},
		{"Lambda and DynamoDB", aboutLambda()},
		{"CloudFormation and CDK", aboutStacks()},
		{"Illumina's side", aboutICA()},
		{"Names of events", namesOfEvents()},
		{"What the local AWS of the tests does because it was told to", emulations()},
	}
}

// All is the table, in the order of the themes.
func All() []Belief {
	var all []Belief
	for _, t := range themes() {
		all = append(all, t.rows...)
	}
	return all
}

// Answered is a belief with a run's answer.
type Answered struct {
	Belief
	evidence.Answer
}

// toArrive is how long the events of the last experiments have, before the events are asked. It is the belief delivery-time.
const toArrive = 3 * time.Minute

// Tried is what experiments answered.
type Tried struct {
	answers map[string]evidence.Answer
	unmade  [][]error // calls that could not be made
	ended   time.Time
}

// atOnce is how many experiments are made at a time: each has things of its own, and IAM is slow to answer many.
const atOnce = 4

// Try makes the experiments: some minutes on AWS. It may run beside a run's breaks, and ends early with ctx.
func Try(ctx context.Context, e evidence.Evidence) Tried {
	made := provocations()
	t := Tried{answers: map[string]evidence.Answer{}, unmade: make([][]error, len(made))}
	var todo []func()
	for i, p := range made {
		todo = append(todo, func() { t.unmade[i] = p.provoke(ctx, e) })
	}
	var lock sync.Mutex
	for _, b := range All() {
		if b.Answer == nil {
			continue
		}
		todo = append(todo, func() {
			scratch := e
			scratch.Scratch += "-" + strings.ToLower(b.ID) // a bucket of the name
			a := b.Answer(ctx, scratch)
			lock.Lock()
			defer lock.Unlock()
			t.answers[b.ID] = a
		})
	}
	most := atOnce
	if e.Local { // nothing is waited for there
		most = 1
	}
	atMost(most, todo)
	t.ended = time.Now()
	return t
}

// atMost does all, so many at a time.
func atMost(most int, todo []func()) {
	next := make(chan func())
	var working sync.WaitGroup
	for range most {
		working.Go(func() {
			for do := range next {
				do()
			}
		})
	}
	for _, do := range todo {
		next <- do
	}
	close(next)
	working.Wait()
}

// Answers answers all beliefs in the order of the table: by what was tried, and, when the last events had time to come, by
// what was seen. The error is the context's: the answers are not complete.
func (t Tried) Answers(ctx context.Context, e evidence.Evidence) ([]Answered, error) {
	if !e.Local {
		wait(ctx, time.Until(t.ended.Add(toArrive)))
	}
	unmade := slices.Concat(t.unmade...)
	var answered []Answered
	for _, b := range All() {
		if b.Answer != nil {
			answered = append(answered, Answered{b, t.answers[b.ID]})
		} else {
			answered = append(answered, Answered{b, because(b.OfRun(e), b.ID, unmade)})
		}
	}
	return answered, ctx.Err()
}

// because says why an event was not seen, where its call could not be made. Such a belief's id ends in the call's name.
func because(a evidence.Answer, id string, unmade []error) evidence.Answer {
	_, name, _ := strings.Cut(id, "-")
	for _, err := range unmade {
		if a.Verdict == evidence.NotSeen && strings.Contains(err.Error(), ": "+name+",") {
			a.Why += "; the call failed: " + err.Error()
		}
	}
	return a
}

func wait(ctx context.Context, long time.Duration) {
	select {
	case <-time.After(long):
	case <-ctx.Done():
	}
}

// refutedFirst is the order of reports: what has to change, then what is proven, then what stays open.
func refutedFirst(answered []Answered) []Answered {
	order := []evidence.Verdict{evidence.Refuted, evidence.Confirmed, evidence.NotSeen, evidence.NotTried}
	return slices.SortedStableFunc(slices.Values(answered), func(a, b Answered) int {
		return slices.Index(order, a.Verdict) - slices.Index(order, b.Verdict)
	})
}

func confirmed(format string, args ...any) evidence.Answer {
	return evidence.Answer{Verdict: evidence.Confirmed, Why: fmt.Sprintf(format, args...)}
}

func refuted(format string, args ...any) evidence.Answer {
	return evidence.Answer{Verdict: evidence.Refuted, Why: fmt.Sprintf(format, args...)}
}

func notSeen(format string, args ...any) evidence.Answer {
	return evidence.Answer{Verdict: evidence.NotSeen, Why: fmt.Sprintf(format, args...)}
}

// holds is confirmed or refuted.
func holds(yes bool, format string, args ...any) evidence.Answer {
	if yes {
		return confirmed(format, args...)
	}
	return refuted(format, args...)
}

// notTried is the answer to what no run in one account in half an hour can show.
func notTried(why string) answer {
	return func(context.Context, evidence.Evidence) evidence.Answer {
		return evidence.Answer{Verdict: evidence.NotTried, Why: why}
	}
}

// documented is the answer to what AWS's documentation says plainly and no run shows by the way.
func documented() answer { return notTried("documented; a run does not show it") }

// restoredBy is confirmed where a run's breaks were undone: what the belief says stands between the break and the restore.
func restoredBy(how string) witness {
	return func(e evidence.Evidence) evidence.Answer {
		for _, b := range e.Breaks {
			if b.Took > 0 {
				return confirmed("%s: %s was restored after %s", how, b.Setting, b.Took.Round(time.Second))
			}
		}
		return notSeen("%s; nothing was restored in this run", how)
	}
}
