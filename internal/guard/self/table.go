// Package self is about icaguard's own resources: what is checked of them, which events concern them, and which
// EventBridge rules there are.
//
// Invariant: nothing here calls AWS, and no client of icaguard's own resources is linked; the readers stand in package watch.
// All of it is watched, none of it restored: CloudFormation owns it.
package self

import (
	"slices"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// All are the checks of what icaguard receives events by and acts with, without their readers.
func All() []guard.SelfCheck {
	return []guard.SelfCheck{Trail(), RulesCheck(), Queue(), Function(), Role(), Topic(), Alarms(), Ledger(), Pause()}
}

// AllRows are the rows of all tables: what the functions check of the storages, then of icaguard itself.
func AllRows() []guard.Row {
	return slices.Concat(guard.RowsOf(settings.All()), guard.RowsOf(All()))
}

// The kinds of icaguard's own resources, by the beginning of their names: in every region where it has some.
var (
	// OnTrails is every CloudTrail trail: which one feeds EventBridge is for AWS to say; an organisation's bears the id of
	// the account that manages it.
	OnTrails     = kind("trails", func(h icaconfig.Home) string { return "arn:" + h.Partition + ":cloudtrail:*:*:trail/*" })
	OnRules      = kind("rules", func(h icaconfig.Home) string { return h.ARN("events", "*", "rule/icaguard-*") })
	OnQueues     = kind("queues", func(h icaconfig.Home) string { return h.ARN("sqs", "*", "icaguard-*") })
	OnFunctions  = kind("functions", func(h icaconfig.Home) string { return h.ARN("lambda", h.HomeRegion, "function:icaguard-*") })
	OnGuardRoles = kind("guard roles", func(h icaconfig.Home) string { return h.ARN("iam", "", "role/icaguard-*") })
	OnTopic      = kind("topic", func(h icaconfig.Home) string { return h.ARN("sns", h.HomeRegion, guard.AlertTopic) })
	OnLedger     = kind(
		"ledger", func(h icaconfig.Home) string { return h.ARN("dynamodb", h.HomeRegion, "table/"+guard.LedgerTable) },
	)
	OnAlarms = kind("alarms", func(h icaconfig.Home) string { return h.ARN("cloudwatch", h.HomeRegion, "alarm:icaguard-*") })
	OnPauses = kind("pauses", func(h icaconfig.Home) string {
		return h.ARN("ssm", h.HomeRegion, "parameter"+guard.PauseParameters+"*")
	})
)

func kind(name string, arn func(icaconfig.Home) string) *guard.Kind {
	return &guard.Kind{Name: name, ARN: func(s icaconfig.Storage) string { return arn(s.Home) }}
}

// ownEvents is a trigger for icaguard's own resources, which the events name in full or as a part of an ARN or a URL.
func ownEvents(source, parameter string, ours []string, names ...string) guard.Trigger {
	return guard.Trigger{
		Source: source, Events: names, Parameter: parameter, MatchARNSegment: true,
		Names: func(icaconfig.Storage) []string { return ours },
	}
}

// alwaysAlert marks a trigger whose events are alerts by themselves.
func alwaysAlert(t guard.Trigger) guard.Trigger {
	t.AlwaysAlert = true
	return t
}

// Redeploy advises on what CloudFormation owns. An ordinary deploy would compare with the last template only, and change nothing
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html).
func Redeploy(icaconfig.Storage) string {
	return "find out in CloudTrail who changed it and why; to restore it: make repair"
}
