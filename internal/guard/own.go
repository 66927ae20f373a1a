package guard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// own reports whether resources of this kind are icaguard's own.
func (k Kind) own() bool {
	switch k {
	case OnTrails, OnRules, OnQueues, OnFunctions, OnGuardRoles, OnTopic, OnLedger, OnPauses:
		return true
	case OnBucket, OnKey, OnProvider, OnRole, OnPolicy, OnParameter, OnPolicies, OnAccount:
	}
	return false
}

// ownARN covers all of the guard's resources of a kind by the beginning of their names.
func (k Kind) ownARN(h icaconfig.Home) string {
	switch k {
	case OnTrails:
		// Which trail feeds EventBridge is for AWS to say; an organisation's bears the id of the account that manages it.
		return "arn:" + h.Partition + ":cloudtrail:*:*:trail/*"
	case OnRules:
		return h.ARN("events", "*", "rule/icaguard-*")
	case OnQueues:
		return h.ARN("sqs", "*", "icaguard-*")
	case OnFunctions:
		return h.ARN("lambda", h.HomeRegion, "function:icaguard-*")
	case OnGuardRoles:
		return h.ARN("iam", "", "role/icaguard-*")
	case OnTopic:
		return h.ARN("sns", h.HomeRegion, AlertTopic)
	case OnLedger:
		return h.ARN("dynamodb", h.HomeRegion, "table/"+LedgerTable)
	case OnPauses:
		return h.ARN("ssm", h.HomeRegion, "parameter"+PauseParameters+"*")
	case OnBucket, OnKey, OnProvider, OnRole, OnPolicy, OnParameter, OnPolicies, OnAccount:
	}
	panic("guard: not the guard's own: " + string(k))
}

// ownEvents is a trigger for resources of the guard's own, which the events name in full or as a part of an ARN or a URL.
func ownEvents(source, parameter string, ours []string, names ...string) Trigger {
	return Trigger{
		Source: source, Events: names, Parameter: parameter, MatchARNSegment: true,
		Names: func(icaconfig.Storage) []string { return ours },
	}
}

// alwaysAlert marks a trigger whose events are alerts by themselves.
func alwaysAlert(t Trigger) Trigger {
	t.AlwaysAlert = true
	return t
}

// redeploy advises on what CloudFormation owns. An ordinary deploy would compare with the last template only, and change nothing
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html).
func redeploy(icaconfig.Storage) string {
	return "look in CloudTrail who changed it and why; to put it back: make repair"
}

// alarm ends a check the guard itself. What a stranger did to it is an alert, what our own deploy did is not; while one runs, nobody can
// tell yet what will be left.
func (e *Engine) alarm(ctx context.Context, j job, o Outcome) Outcome {
	alarms := j.setting.alarms(j.request.Events)
	if o.Status == Unknown || len(o.Alerts) == 0 && len(alarms) == 0 || e.Deploys == nil {
		return o
	}
	hold, err := e.Deploys.Gate(ctx, j.storage, j.setting)
	if err == nil && hold.Reason != "" {
		o.Status, o.Problem, o.hold = Deferred, hold.Reason, hold
		return o
	}
	others, excludeErr := e.Deploys.ExcludeOwnDeploys(ctx, alarms)
	for _, event := range others {
		o.Status = ActionRequired
		o.Alerts = append(o.Alerts, Finding{
			What:        fmt.Sprintf("%s by %s %s", event.Event, event.Actor, cmp.Or(j.setting.Did, "changed the guard itself: "+j.setting.Title)),
			Remediation: j.setting.Remediation(j.storage),
		})
	}
	if err = errors.Join(err, excludeErr); err != nil && len(o.Alerts) > 0 {
		o.GateSkipped = fmt.Sprintf("it is not known whether a deploy of our own did this: %v", err)
	}
	return o
}

// alarms are the events that are alerts by themselves.
func (s Setting) alarms(events []Event) []Event {
	return slices.DeleteFunc(slices.Clone(events), func(c Event) bool {
		return !slices.ContainsFunc(s.Triggers, func(t Trigger) bool { return t.AlwaysAlert && slices.Contains(t.Events, c.Event) })
	})
}
