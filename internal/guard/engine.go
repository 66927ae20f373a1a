package guard

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Engine checks settings and restores what drifted. Observe and enforce share every line up to the restore.
type Engine struct {
	Baseline icaconfig.Baseline
	Settings []Setting
	Clients  Clients
	// Gates may hold a restore; they are asked in order.
	Gates []Gate
	// Deploys knows what our own deploys changed; nil where nothing is deployed.
	Deploys *Deploys
	// Requeue puts one delayed check on the guard's queue.
	Requeue func(ctx context.Context, request Request, after time.Duration) error
	// Sleep waits or returns the context's error; tests make it short.
	Sleep func(ctx context.Context, d time.Duration) error
	// Now is the time; tests move it.
	Now func() time.Time
}

// Result is the outcome of one check. Err is set when the check-again that it needs could not be sent: then the message
// that asked for the check must come again.
type Result struct {
	Request Request
	Outcome Outcome
	Err     error
}

// maxGroups bounds how many groups are worked on side by side, to stay far below IAM's request rates.
const maxGroups = 4

// Handle requests where the requests ask, coalesced: many asking for one thing are one check. Groups of storages that share a
// resource run side by side, a group's checks in the table's order, each whatever became of the one before.
func (e *Engine) Handle(ctx context.Context, requests []Request) []Result {
	jobs := e.jobs(requests)
	results := make([]Result, len(jobs))
	e.each(ctx, jobs, func(work context.Context, i int) {
		results[i] = e.conclude(ctx, jobs[i], e.reconcile(work, jobs[i]))
	})
	return results
}

// Audit requests where the requests ask, without checks everywhere, and writes nothing.
func (e *Engine) Audit(ctx context.Context, requests ...Request) []Outcome {
	if len(requests) == 0 {
		requests = []Request{{}}
	}
	jobs := e.jobs(requests)
	outcomes := make([]Outcome, len(jobs))
	e.each(ctx, jobs, func(work context.Context, i int) {
		_, outcome := e.plan(work, jobs[i])
		if jobs[i].setting.On.own() {
			outcome = e.alarm(work, jobs[i], outcome)
		}
		outcomes[i] = finish(jobs[i], outcome)
	})
	return outcomes
}

// Missed asks to check again at what an audit found drifted and the guard restores: an event should have told of it. What is not
// restored is not asked for, as nothing would come of it.
func (e *Engine) Missed(outcomes []Outcome) []Request {
	var requests []Request
	for _, o := range outcomes {
		for _, j := range e.jobs([]Request{{Storage: o.Storage, Setting: o.Setting}}) {
			if o.Status == Drifted && j.setting.On.Mode(j.storage) == icaconfig.Enforce {
				requests = append(requests, Request{Storage: o.Storage, Setting: o.Setting, FoundByAudit: true, Reason: "found by the audit, no event reported it"})
			}
		}
	}
	return requests
}

// each does all jobs, groups side by side, within the time that leaves a reserve.
func (e *Engine) each(ctx context.Context, jobs []job, do func(work context.Context, i int)) {
	work, cancel := withReserve(ctx)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(maxGroups)
	for _, indexes := range e.grouped(jobs) {
		group.Go(func() error {
			for _, i := range indexes {
				do(work, i)
			}
			return nil
		})
	}
	_ = group.Wait() // the functions above keep their errors in what they do
}

// job is one coalesced check with what it names.
type job struct {
	request Request
	storage icaconfig.Storage
	setting Setting
}

// owner is whom the outcome concerns.
func (j job) owner() string {
	if j.setting.On.own() {
		return SelfName
	}
	return j.storage.Name
}

// key tells what is checked: storages that share a role ask for one check it.
func (j job) key() string { return j.setting.ID + " " + j.setting.On.ARN(j.storage) }

// jobs coalesces the requests, in the table's order. What is no longer configured is nobody's to check and left out.
func (e *Engine) jobs(requests []Request) []job {
	var jobs []job
	at := map[string]int{}
	for _, setting := range e.Settings {
		for _, storage := range e.Baseline.Storages {
			j := job{storage: storage, setting: setting}
			for _, request := range requests {
				if !request.asksFor(storage, setting) {
					continue
				}
				request.Storage, request.Setting = storage.Name, setting.ID
				i, seen := at[j.key()]
				if !seen {
					j.request = request
					at[j.key()] = len(jobs)
					jobs = append(jobs, j)
					continue
				}
				request.Storage = jobs[i].request.Storage
				jobs[i].request = jobs[i].request.merge(request)
			}
		}
	}
	return jobs
}

// asksFor reports whether the check asks for the setting of the storage, if the storage has what the setting stands on.
func (l Request) asksFor(s icaconfig.Storage, setting Setting) bool {
	return setting.On.ARN(s) != "" && (l.Storage == "" || l.Storage == s.Name) && (l.Setting == "" || l.Setting == setting.ID)
}

// AsksFor reports whether the check asked for what the result is about.
func (e *Engine) AsksFor(l Request, r Result) bool {
	return slices.ContainsFunc(e.jobs([]Request{l}), func(j job) bool {
		return j.setting.ID == r.Outcome.Setting && j.setting.On.ARN(j.storage) == r.Outcome.Resource
	})
}

// grouped splits the jobs' indexes by group: storages that share a bucket, a role or a provider belong together.
func (e *Engine) grouped(jobs []job) [][]int {
	groupOf := sharing(e.Baseline.Storages)
	groups := map[int][]int{}
	for i, j := range jobs {
		id := groupOf[j.storage.Name]
		groups[id] = append(groups[id], i)
	}
	out := make([][]int, 0, len(groups))
	for _, indexes := range groups {
		out = append(out, indexes)
	}
	return out
}

// sharing numbers the storages so that those connected through a shared resource have the same number.
func sharing(storages []icaconfig.Storage) map[string]int {
	group := map[string]int{}
	owner := map[string]int{}
	for i, s := range storages {
		group[s.Name] = i
		for _, resource := range []string{s.Bucket.ARN, s.Role.ARN, s.Provider.ARN, s.Key.ARN} {
			other, shared := owner[resource]
			if !shared || resource == "" {
				owner[resource] = i
				continue
			}
			join(group, group[s.Name], group[storages[other].Name])
		}
	}
	return group
}

func join(group map[string]int, from, to int) {
	for name, id := range group {
		if id == from {
			group[name] = to
		}
	}
}

// reserve is kept of the function's time for posting new requests and for reports: what was not reached is checked again.
const reserve = 6 * time.Second

func withReserve(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-reserve))
}

// conclude ends a check: it asks for the next one where one is needed.
func (e *Engine) conclude(ctx context.Context, j job, outcome Outcome) Result {
	after, reason := again(j.request, outcome)
	next, deferredTooLong := j.request.waiting(outcome, e.Now())
	outcome.DeferredTooLong = deferredTooLong
	if after == 0 {
		return Result{Request: j.request, Outcome: finish(j, exhausted(outcome))}
	}
	next.Attempt++
	if outcome.Status == Deferred {
		next.Attempt = max(1, j.request.Attempt) // waiting is no failed attempt: what fails when it is over has all its tries
	}
	next.Reason = reason
	if outcome.wrote {
		next.Wrote = outcome.Diffs
	}
	outcome.Again = true
	result := Result{Request: j.request, Outcome: finish(j, outcome)}
	if err := e.Requeue(ctx, next, after); err != nil {
		result.Err = fmt.Errorf("%s: request again: %w", j.setting.ID, err)
	}
	return result
}

// check reads, compares and, where it may, restores.
func (e *Engine) reconcile(ctx context.Context, j job) Outcome {
	backupError := e.record(ctx, j)
	plan, outcome := e.plan(ctx, j)
	outcome.BackupError = backupError
	if j.setting.On.own() {
		return e.alarm(ctx, j, outcome)
	}
	if len(plan.Diffs) == 0 || j.setting.On.Mode(j.storage) == icaconfig.Observe {
		return outcome
	}
	outcome, held := e.held(ctx, j, outcome)
	if held {
		return outcome
	}
	return e.restore(ctx, j, plan, outcome)
}

// plan reads and compares; the outcome is that of a check that may not write.
func (e *Engine) plan(ctx context.Context, j job) (Plan, Outcome) {
	outcome := Outcome{
		Storage: j.owner(), Setting: j.setting.ID, Title: j.setting.Title,
		Resource: j.setting.On.ARN(j.storage), Events: j.request.Events, Attempt: j.request.Attempt, FoundByAudit: j.request.FoundByAudit, on: j.setting.On,
	}
	plan, err := j.setting.plan(ctx, e.Clients, j.storage)
	if err != nil {
		return Plan{}, outcome.fail(Unknown, err)
	}
	outcome = outcome.found(plan.Comparison)
	if len(j.request.Wrote) > 0 && len(plan.Diffs) == 0 {
		outcome.Diffs = j.request.Wrote
		outcome = outcome.restored(plan.Comparison)
	}
	return plan, outcome
}

// record lets a setting record what the events that caused the check show, if any did. Failing that, the check goes on and says so.
func (e *Engine) record(ctx context.Context, j job) (backupError string) {
	if j.setting.record == nil || e.Clients.Store == nil {
		return ""
	}
	if err := j.setting.record(ctx, e.Clients, j.storage, j.request.Events); err != nil {
		return err.Error()
	}
	return ""
}

// restore writes and reads back.
func (e *Engine) restore(ctx context.Context, j job, plan Plan, outcome Outcome) Outcome {
	plan, err := e.settle(ctx, j, plan)
	switch {
	case err != nil:
		return outcome.fail(RestoreFailed, err)
	case len(plan.Diffs) == 0:
		return outcome.found(plan.Comparison)
	}
	outcome.Diffs = plan.Diffs
	outcome.BackupError = cmp.Or(e.backUp(ctx, j, plan), outcome.BackupError) // what could not be recorded stays reported
	if plan.destroys && outcome.BackupError != "" {
		return outcome.fail(RestoreFailed, fmt.Errorf("%s: restore: %w: %s", j.setting.ID, errNoBackup{}, outcome.BackupError))
	}
	if err := plan.restore(ctx); err != nil {
		outcome.wrote = awserr.Classify(err) == awserr.Transient // the answer may be lost, and the write done
		return outcome.fail(RestoreFailed, err)
	}
	outcome.wrote = true
	return e.verify(ctx, j, outcome)
}

// errNoBackup says that others' work would be lost. The store may be back at the next check.
type errNoBackup struct{}

func (errNoBackup) Error() string {
	return "what would be removed could not be kept before"
}

func (errNoBackup) Unwrap() error { return context.DeadlineExceeded }

// backUp stores what is about to be replaced. A store that is away does not leave a storage offline: the outcome says so.
func (e *Engine) backUp(ctx context.Context, j job, plan Plan) (backupError string) {
	if e.Clients.Store == nil {
		return "there is no ledger here"
	}
	original, err := plan.original()
	if err == nil {
		err = e.Clients.Store.Backup(ctx, Backup{
			Resource: j.setting.On.ARN(j.storage), Setting: j.setting.ID, Value: original, Events: j.request.Events,
		})
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// settleFor is the least time between two equal reads before a document that others also write is replaced. S3 has no
// conditional write for its configurations and reads them eventually consistent.
const settleFor = 2 * time.Second

// settle returns the plan of the second of two equal reads, if the setting merges with parts of others.
func (e *Engine) settle(ctx context.Context, j job, plan Plan) (Plan, error) {
	const reads = 3
	for i := 0; plan.merges && len(plan.Diffs) > 0; i++ {
		if err := e.Sleep(ctx, settleFor); err != nil {
			return Plan{}, fmt.Errorf("%s: settle: %w", j.setting.ID, err)
		}
		next, err := j.setting.plan(ctx, e.Clients, j.storage)
		switch {
		case err != nil:
			return Plan{}, err
		case reflect.DeepEqual(next.observed, plan.observed):
			return next, nil
		case i == reads:
			return Plan{}, fmt.Errorf("%s: settle: %w", j.setting.ID, errUnsettled{})
		}
		plan = next
	}
	return plan, nil
}

// errUnsettled passes by itself, so it counts as a deadline does.
type errUnsettled struct{}

func (errUnsettled) Error() string {
	return "the document changes with every read: somebody is writing it"
}

func (errUnsettled) Unwrap() error { return context.DeadlineExceeded }

// verify reads until the restored value shows, for about four seconds: reads are eventually consistent.
func (e *Engine) verify(ctx context.Context, j job, outcome Outcome) Outcome {
	waits := []time.Duration{0, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second}
	var left []Diff
	for _, wait := range waits {
		if err := e.Sleep(ctx, wait); err != nil {
			return outcome.fail(RestoreFailed, fmt.Errorf("%s: verify: %w", j.setting.ID, err))
		}
		plan, err := j.setting.plan(ctx, e.Clients, j.storage)
		if err != nil {
			return outcome.fail(RestoreFailed, fmt.Errorf("%s: verify: %w", j.setting.ID, err))
		}
		if len(plan.Diffs) == 0 {
			return outcome.restored(plan.Comparison)
		}
		left = plan.Diffs
	}
	outcome.Status, outcome.Diffs, outcome.Problem = Unverified, left, "it was written, but does not read back so"
	return outcome
}

// finish adds the words that people need.
func finish(j job, o Outcome) Outcome {
	if o.Status != InSync {
		o.Effect = j.setting.Effect
	}
	o.Remediation = remediationFor(o, j.setting.Remediation(j.storage), j.setting.On.Mode(j.storage))
	return o
}

// again decides whether and after how long to check again, and why. Zero: not at all.
func again(l Request, o Outcome) (after time.Duration, reason string) {
	delays := []time.Duration{5 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute}
	switch o.Status {
	case InSync:
		// An event said "changed" and the check says that nothing has to be done: the read may have been stale.
		if len(l.Events) > 0 && l.Attempt == 0 {
			return 15 * time.Second, "second request: configuration reads are eventually consistent"
		}
	case Unknown, RestoreFailed, Unverified:
		if l.Attempt < len(delays) {
			return delays[l.Attempt], string(o.Status) + ": " + o.Problem
		}
	case Deferred:
		return o.hold.Again, "held: " + o.Problem
	case Drifted, Restored, ActionRequired:
	}
	return 0, ""
}

// exhausted is the outcome when there will be no further check: what could not be done until now needs a person.
func exhausted(o Outcome) Outcome {
	if o.Status == Unknown || o.Status == RestoreFailed {
		o.Status = ActionRequired
	}
	return o
}

// Sleep waits for d or until the context ends.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
