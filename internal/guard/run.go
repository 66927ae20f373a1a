package guard

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// run is one pass of the engine over its jobs: the reads that they share, and what they leave for later.
type run struct {
	*Engine
	jobs []job
	pass *pass

	mu   sync.Mutex
	left int       // jobs that are not done
	next []Delayed // requests that come later
	// failed are the errors of the messages that have to come again.
	failed map[string]error
}

// Delayed is a request that comes later.
type Delayed struct {
	Request
	After time.Duration
}

// Queue is icaguard's own queue. Post puts requests on it; it returns an error for each, nil where it was taken.
type Queue interface {
	Post(ctx context.Context, requests []Delayed) []error
}

func (e *Engine) newRun(requests []Request) *run {
	jobs := e.jobs(requests)
	for i := range jobs {
		jobs[i].exceptions = e.excepting(jobs[i].Target)
	}
	return &run{Engine: e, jobs: jobs, pass: newPass(), left: len(jobs), failed: map[string]error{}}
}

// maxUnits bounds how many units are worked on side by side, to stay below IAM's request rates.
const maxUnits = 8

// unit is what is worked on in order: the jobs of a storage, or those of one resource that all storages of a region share.
type unit struct {
	name  string
	after []string // units that hold what this one's storage shares: they come first
	jobs  []job
}

// each does all jobs: first what the storages of a region share, then the storages side by side, in their order. What is
// not reached in the context's time is left for later.
func (r *run) each(ctx context.Context, do func(context.Context, job)) {
	shared, storages := r.units()
	r.sideBySide(ctx, shared, do)
	r.sideBySide(ctx, storages, do)
}

// units splits the jobs: a unit for each provider, a unit for each storage with all that it is the first to depend on,
// in the order of restoring, and one for icaguard itself.
func (r *run) units() (shared, storages []*unit) {
	names := []string{SelfName}
	after := map[string][]string{}
	for i, s := range r.Baseline.Storages {
		names = slices.Insert(names, i, s.Name)
		after[s.Name] = owners(s)
	}
	byStorage := map[string]*unit{}
	for _, name := range names {
		byStorage[name] = &unit{name: name, after: after[name]}
		storages = append(storages, byStorage[name])
	}
	for _, j := range r.jobs {
		if j.On == OnProvider {
			shared = append(shared, &unit{name: j.Resource, jobs: []job{j}})
			continue
		}
		u := byStorage[j.Storages[0]]
		u.jobs = append(u.jobs, j)
	}
	return shared, slices.DeleteFunc(storages, func(u *unit) bool { return len(u.jobs) == 0 })
}

// owners are the storages in whose units the role and the key of a storage are, if that is not its own.
func owners(s icaconfig.Storage) []string {
	var names []string
	for _, kind := range []*Kind{OnRole, OnKey} {
		for _, view := range kind.Each(s) {
			if owner := kind.Shared(view).Storages[0]; owner != s.Name {
				names = append(names, owner)
			}
		}
	}
	return names
}

// sideBySide works on units, each after those that it needs. A unit needs only earlier ones, so none waits for ever.
func (r *run) sideBySide(ctx context.Context, all []*unit, do func(context.Context, job)) {
	done := map[string]chan struct{}{}
	for _, u := range all {
		done[u.name] = make(chan struct{})
	}
	var group errgroup.Group
	group.SetLimit(maxUnits)
	for _, u := range all {
		group.Go(func() error {
			defer close(done[u.name])
			for _, name := range u.after {
				if ended, ok := done[name]; ok {
					<-ended
				}
			}
			for _, j := range u.jobs {
				r.inTime(ctx, j, func(work context.Context, j job) {
					defer r.survive(j)
					do(work, j)
				})
			}
			return nil
		})
	}
	_ = group.Wait() // each job's error is in its outcome
}

// inTime does a job, if there is time left for it besides posting what is not reached then.
func (r *run) inTime(ctx context.Context, j job, do func(context.Context, job)) {
	r.mu.Lock()
	left := r.left
	r.left--
	r.mu.Unlock()
	deadline, limited := ctx.Deadline()
	if !limited {
		do(ctx, j)
		return
	}
	deadline = deadline.Add(-reserve(left))
	if !time.Now().Before(deadline) {
		r.leave(Delayed{Request: j.request})
		return
	}
	work, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	do(work, j)
}

// reserve is kept of a function's time for posting and reporting. It grows with the work left: one batch of messages
// takes up to four seconds where AWS is slow, and batches go out a few at a time.
func reserve(left int) time.Duration {
	const least, jobsInARound = 6 * time.Second, 200
	return least + time.Duration(left/jobsInARound)*time.Second
}

func (r *run) leave(d Delayed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next = append(r.next, d)
}

// errPanicked says that a job ended unforeseen.
var errPanicked = errors.New("internal error, please report it")

// try does a job. One that ends unforeseen never ends the others.
func (r *run) try(j job, do func() Outcome) (o Outcome) {
	defer func() {
		if problem := recover(); problem != nil {
			o = j.outcome().failed(Unknown, fmt.Errorf("%s: %w: %v at %s", j.ID, errPanicked, problem, debug.Stack()))
		}
	}()
	return do()
}

// survive keeps what ends unforeseen after a job, when its outcome is decided or reported, from ending the others: the
// messages that asked for it come again.
func (r *run) survive(j job) {
	if problem := recover(); problem != nil {
		r.fail(j.request, fmt.Errorf("%s: %w: %v", j.ID, errPanicked, problem))
	}
}

// fail lets the messages that asked for a request come again.
func (r *run) fail(request Request, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range request.Messages {
		r.failed[id] = errors.Join(r.failed[id], err)
	}
}

// finish ends a job: it leaves the request that follows, if one does.
func (r *run) finish(j job, o Outcome) Outcome {
	now := r.Now()
	n := next(j.request, o, now)
	o.Status, o.DeferredTooLong, o.Requeued = n.Status, n.DeferredTooLong, n.After > 0
	if o.Requeued && (o.Status != InSync && o.Status != Accepted || !r.SecondChecks.underWay(j.key(), j.request.Events, now)) {
		r.leave(Delayed{Request: n.Request, After: n.After})
	}
	return advised(j.Target, o)
}

// post puts on the queue what comes later. It returns the errors of the messages that asked for what the queue did not take.
func (r *run) post(ctx context.Context) map[string]error {
	requests := together(r.next)
	if len(requests) == 0 {
		return r.failed
	}
	for i, err := range r.Queue.Post(ctx, requests) {
		if err == nil {
			continue
		}
		r.SecondChecks.forget(requests[i].key())
		r.fail(requests[i].Request, fmt.Errorf("%s: requeue: %w", requests[i].Setting, err))
	}
	return r.failed
}

// together makes one request of all that were not reached on one resource and carry nothing of their own. It names them: what
// is done is not done again, or a slow AWS would never let the last ones be reached.
func together(all []Delayed) []Delayed {
	var out []Delayed
	at := map[string]int{}
	for _, d := range all {
		i, seen := at[d.Resource]
		switch {
		case d.After > 0 || !d.plain():
			out = append(out, d)
			continue
		case !seen:
			i = len(out)
			at[d.Resource] = i
			out = append(out, Delayed{Request: Request{Resource: d.Resource, Reason: d.Reason}})
		}
		out[i].Settings, out[i].Messages = append(out[i].Settings, d.Setting), append(out[i].Messages, d.Messages...)
	}
	return out
}
