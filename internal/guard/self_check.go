package guard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// SelfCheck is a row about icaguard's own resources. It is watched, never restored: CloudFormation owns them. What an
// event did to them can be an alert by itself.
type SelfCheck struct {
	Row
	// Did says what an event did that is an alert by itself; "": it changed icaguard itself.
	Did string
	// PastRemediate: validate reports its events too, because what they change may keep remediate from reporting them.
	PastRemediate bool

	compare func(context.Context, Clients, icaconfig.Storage) (Comparison, error)
}

// Watch joins a self check with its reader. Without one the row can be routed to and described, not checked.
func Watch[T any](
	row SelfCheck,
	read func(context.Context, Clients, icaconfig.Storage) (T, error),
	compare func(icaconfig.Storage, T) Comparison,
) SelfCheck {
	row.compare = func(ctx context.Context, c Clients, s icaconfig.Storage) (Comparison, error) {
		got, err := read(ctx, c, s)
		if err != nil {
			return Comparison{}, fmt.Errorf("%s: read: %w", row.ID, err)
		}
		return compare(s, got), nil
	}
	return row
}

// alertEvents are the events that are alerts by themselves. What they did shows nowhere else, so a request carries them
// from check to check while one waits; people are told that they were reported, not that they happened.
func (s SelfCheck) alertEvents(events []Event) []Event {
	return slices.DeleteFunc(slices.Clone(events), func(e Event) bool { return !s.alwaysAlerts(e) })
}

func (s SelfCheck) audit(ctx context.Context, r *run, j job) Outcome { return s.reconcile(ctx, r, j) }

// reconcile checks, and reports what events did. What a stranger did is an alert, what our own deploy did is not; while
// one runs, nobody can tell yet what will be left.
func (s SelfCheck) reconcile(ctx context.Context, r *run, j job) Outcome {
	o := j.outcome()
	found, err := s.compare(ctx, r.Clients.with(r.pass), j.Storage)
	if err != nil {
		return o.failed(Unknown, err)
	}
	o = o.found(found)
	alerting := s.alertEvents(j.request.Events)
	if len(o.Alerts) == 0 && len(alerting) == 0 || r.Deploys == nil {
		return o
	}
	hold, err := r.Deploys.Gate(ctx, j.Target)
	if err == nil && hold.Reason != "" {
		return o.deferred(hold)
	}
	others, excludeErr := r.Deploys.ExcludeOwnDeploys(ctx, alerting)
	for _, event := range others {
		o.Status = ActionRequired
		o.Alerts = append(o.Alerts, Finding{
			What: fmt.Sprintf(
				"CloudTrail reports that %s by %s %s", event.Event, event.Actor,
				cmp.Or(s.Did, "changed icaguard's own resources: "+s.Title),
			),
			Remediation: s.Remediation(j.Storage),
		})
	}
	if err = errors.Join(err, excludeErr); err != nil && len(o.Alerts) > 0 {
		o.GateSkipped = fmt.Sprintf("it is not known whether a deploy of our own did this: %v", err)
	}
	return o
}
