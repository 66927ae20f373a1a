package guard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Engine checks rows and restores what drifted. Observe and enforce share every line up to the restore.
type Engine struct {
	Baseline icaconfig.Baseline
	Settings []Setting
	// Self are the checks of icaguard's own resources; none where nothing is deployed.
	Self    []SelfCheck
	Clients Clients
	// Gates may hold a restore; the first that holds decides.
	Gates []Gate
	// Deploys knows what our own deploys changed; nil where nothing is deployed.
	Deploys Deploys
	// Queue takes the requests that come later.
	Queue Queue
	// SecondChecks are those that are on their way; nil: each is posted.
	SecondChecks *SecondChecks
	// Sleep waits or returns the context's error; tests make it short.
	Sleep func(ctx context.Context, d time.Duration) error
	// Now is the time; tests move it.
	Now func() time.Time
}

// Deploys knows what our own deploys do to icaguard's own resources.
type Deploys interface {
	Gate(ctx context.Context, t Target) (Hold, error)
	// ExcludeOwnDeploys leaves out the events of our own deploys. What is not certain is left in.
	ExcludeOwnDeploys(ctx context.Context, events []Event) (left []Event, err error)
}

// Rows are all that the engine checks, settings first.
func (e *Engine) Rows() []Row { return append(RowsOf(e.Settings), RowsOf(e.Self)...) }

// Count is how many checks the requests ask for.
func (e *Engine) Count(requests []Request) int { return len(e.jobs(requests)) }

// Sorted are outcomes in the order of the tables.
func (e *Engine) Sorted(outcomes []Outcome) []Outcome {
	at := map[string]int{}
	for i, j := range e.targets() {
		at[j.ID+" "+j.Resource] = i
	}
	sorted := slices.Clone(outcomes)
	slices.SortStableFunc(sorted, func(a, b Outcome) int { return at[a.Setting+" "+a.Resource] - at[b.Setting+" "+b.Resource] })
	return sorted
}

// Handle reconciles what the requests ask for, coalesced: many asking for one thing are one check. Each outcome is
// reported as soon as it is known; report may be called from several goroutines. What has to come later is on the queue
// when Handle returns. It returns the error of each message that has to come again, by the message's id.
func (e *Engine) Handle(ctx context.Context, requests []Request, report func(context.Context, Result)) map[string]error {
	run := e.newRun(requests)
	run.each(ctx, func(work context.Context, j job) {
		outcome := run.try(j, func() Outcome { return j.row.reconcile(work, run, j) })
		report(ctx, Result{Request: j.request, Outcome: run.finish(j, outcome)})
	})
	return run.post(ctx)
}

// Result is what came of a request.
type Result struct {
	Request Request
	Outcome Outcome
}

// Audit checks what the requests ask for, without requests everything, and writes nothing.
func (e *Engine) Audit(ctx context.Context, requests ...Request) []Outcome {
	if len(requests) == 0 {
		requests = []Request{{}}
	}
	run := e.newRun(requests)
	outcomes := make([]Outcome, len(run.jobs))
	for i, j := range run.jobs { // of what is not reached in time
		outcomes[i] = advised(j.Target, j.outcome().failed(Unknown, errNotReached))
	}
	run.each(ctx, func(work context.Context, j job) {
		outcome := run.try(j, func() Outcome { return j.row.audit(work, run, j) })
		outcomes[j.index] = advised(j.Target, outcome)
	})
	return outcomes
}

var errNotReached = awserr.Passing(errors.New("the time was over before it was checked"))

// FoundByAudit asks to reconcile whatever an audit found different and icaguard restores: an event should have reported it.
func (e *Engine) FoundByAudit(outcomes []Outcome) []Request {
	var requests []Request
	for _, o := range outcomes {
		for _, j := range e.jobs([]Request{{Resource: o.Resource, Setting: o.Setting}}) {
			if len(o.Diffs) > 0 && j.Mode == icaconfig.Enforce {
				requests = append(requests, Request{
					Resource: o.Resource, Setting: o.Setting, FoundByAudit: true, Reason: "found by the audit, no event reported it",
				})
			}
		}
	}
	return requests
}

func (s Setting) audit(ctx context.Context, r *run, j job) Outcome {
	_, outcome := s.check(ctx, r, j)
	return outcome
}

// reconcile reads, compares and, where it may, restores.
func (s Setting) reconcile(ctx context.Context, r *run, j job) Outcome {
	recordError := s.record(ctx, r, j)
	j.before, j.beforeErr = r.before(ctx, j.request)
	plan, outcome := s.check(ctx, r, j)
	outcome.BackupError = recordError
	if len(plan.Diffs) == 0 || j.Mode == icaconfig.Observe {
		return outcome
	}
	hold, unknown := askGates(ctx, r.Gates, j.Target)
	hold, outcome.GateSkipped = admit(int(j.request.GateTries), hold, unknown)
	if hold.Reason != "" {
		return outcome.deferred(hold)
	}
	return s.restore(ctx, r, j, plan, outcome)
}

// check reads and compares; the outcome is that of a check that may not write.
func (s Setting) check(ctx context.Context, r *run, j job) (Plan, Outcome) {
	outcome := j.outcome()
	plan, err := s.plan(ctx, r.Clients.with(r.pass), j.Storage)
	if err != nil {
		return Plan{}, outcome.failed(Unknown, err)
	}
	return plan, outcome.compared(j, plan.Comparison)
}

// before is what the request says that an attempt before stored. The key is all that is taken from the queue.
func (r *run) before(ctx context.Context, request Request) (Backup, error) {
	if request.Backup == "" || r.Clients.Store == nil {
		return Backup{}, nil
	}
	before, _, err := r.Clients.Store.BackedUp(ctx, request.Resource, request.Setting, request.Backup)
	if err != nil {
		return Backup{}, awserr.Passing(fmt.Errorf("%s: %w: %w", request.Setting, errNotKnown, err))
	}
	return before, nil
}

// record lets a setting record what the events that caused the check show, if any did. Failing that, the check goes on
// and says so. What an event tells of is waited for, for a few seconds: this is the only pass that has the event's own
// word.
func (s Setting) record(ctx context.Context, r *run, j job) (recordError string) {
	const reads = 3
	if s.Record == nil || r.Clients.Store == nil {
		return ""
	}
	for range reads {
		plan, err := s.plan(ctx, r.Clients, j.Storage)
		if err != nil || plan.witness(j.request.Events).agrees() || r.Sleep(ctx, settleFor) != nil {
			break
		}
	}
	if err := s.Record(ctx, r.Clients.with(r.pass), j.Storage, j.request.Events); err != nil {
		return err.Error()
	}
	return ""
}

// restore writes and reads back.
func (s Setting) restore(ctx context.Context, r *run, j job, plan Plan, outcome Outcome) Outcome {
	alerts := len(plan.Alerts)
	plan, err := s.settle(ctx, r, j, plan)
	switch {
	case err != nil:
		return outcome.failed(RestoreFailed, err)
	case len(plan.Diffs) == 0 || len(plan.Alerts) > alerts:
		return outcome.compared(j, plan.Comparison)
	}
	outcome.Diffs = written(j.before.Diffs, plan.Diffs)
	var backupError string
	outcome.Backup, backupError = s.backUp(ctx, r, j, plan, outcome.Diffs)
	outcome.BackupError = cmp.Or(backupError, outcome.BackupError) // what could not be recorded stays reported
	if plan.destroys && outcome.BackupError != "" {
		return outcome.failed(RestoreFailed, fmt.Errorf("%s: restore: %w: %s", s.ID, errNoBackup, outcome.BackupError))
	}
	err = plan.restore(ctx)
	r.pass.drop()
	if err != nil {
		outcome.wrote = awserr.MayHaveArrived(err) || plan.destroys // of several removals some may be done
		return s.refused(ctx, r, j, outcome.failed(RestoreFailed, err))
	}
	outcome.wrote = true
	return s.verify(ctx, r, j, outcome)
}

// Errors that pass by themselves.
var (
	// errNoBackup says that others' work would be lost. The ledger may be back at the next check.
	errNoBackup  = awserr.Passing(errors.New("what would be removed could not be backed up before"))
	errNotKnown  = errors.New("it is not known whether icaguard restored it")
	errUnsettled = awserr.Passing(errors.New("the document changes with every read: somebody is writing it"))
)

// refused is the outcome of a write that failed. Before people are notified that they have to act, it is read once more:
// another invocation may have restored the same.
func (s Setting) refused(ctx context.Context, r *run, j job, outcome Outcome) Outcome {
	if mayPass(outcome) {
		return outcome
	}
	plan, readErr := s.plan(ctx, r.Clients, j.Storage)
	if readErr != nil || len(plan.Diffs) > 0 {
		return outcome
	}
	return j.outcome().compared(j, plan.Comparison)
}

// backUp stores what is about to be replaced, and what differs. A ledger that is away does not leave a storage offline:
// the outcome says so.
func (s Setting) backUp(ctx context.Context, r *run, j job, plan Plan, diffs []Diff) (key, backupError string) {
	if r.Clients.Store == nil {
		return "", "there is no ledger here"
	}
	original, err := plan.original()
	if err == nil {
		key, err = r.Clients.Store.Backup(ctx, Backup{
			Resource: j.Resource, Setting: s.ID, Value: original, Diffs: diffs,
			Events: j.carried(append(slices.Clip(j.before.Events), j.request.Events...)),
		})
	}
	if err != nil {
		return "", err.Error()
	}
	return key, ""
}

// settleFor is the least time between two equal reads before a document that others also write is replaced. S3 has no
// conditional write for its configurations and reads them eventually consistent.
const settleFor = 2 * time.Second

// settle reads again what is about to be written over, as the gates took their time and the first read may have been another
// row's: once, or where the setting merges with parts of others, until two reads in a row are equal and no event says
// otherwise. Where events of one second say different things, all reads are made.
func (s Setting) settle(ctx context.Context, r *run, j job, plan Plan) (Plan, error) {
	const reads = 3
	for i := 0; ; i++ {
		if plan.merges {
			if err := r.Sleep(ctx, settleFor); err != nil {
				return Plan{}, fmt.Errorf("%s: settle: %w", s.ID, err)
			}
		}
		next, err := s.plan(ctx, r.Clients, j.Storage)
		if err != nil {
			return Plan{}, err
		}
		said := next.witness(j.request.Events)
		settled := said.agrees() && (!said.disputed || i == reads) && reflect.DeepEqual(next.Observed, plan.Observed)
		switch {
		case !plan.merges, len(next.Diffs) == 0, settled:
			return next, nil
		case i == reads && !said.agrees():
			return Plan{}, fmt.Errorf("%s: settle: %w", s.ID, said.err())
		case i == reads:
			return Plan{}, fmt.Errorf("%s: settle: %w", s.ID, errUnsettled)
		}
		plan = next
	}
}

// verify reads until the restored value shows, and what others wrote shortly before, for about four seconds: reads are
// eventually consistent. What is lost then is not silently lost: it is known from the event alone, and no later check
// has that.
func (s Setting) verify(ctx context.Context, r *run, j job, outcome Outcome) Outcome {
	waits := []time.Duration{0, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second}
	var last Plan
	for _, wait := range waits {
		if err := r.Sleep(ctx, wait); err != nil {
			return outcome.failed(RestoreFailed, fmt.Errorf("%s: verify: %w", s.ID, err))
		}
		plan, err := s.plan(ctx, r.Clients, j.Storage)
		if err != nil {
			return outcome.failed(RestoreFailed, fmt.Errorf("%s: verify: %w", s.ID, err))
		}
		if len(plan.Diffs) == 0 && len(plan.witness(j.request.Events).missing) == 0 {
			return outcome.restored(plan.Comparison)
		}
		last = plan
	}
	if len(last.Diffs) == 0 {
		return outcome.restored(last.And(last.witness(j.request.Events).lost()))
	}
	outcome.Status, outcome.Diffs, outcome.Problem = Unverified, last.Diffs, "it was written, but does not read back so"
	return outcome
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
