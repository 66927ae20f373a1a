package beliefs

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/icaguard/icaguard/internal/acceptance/evidence"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// xmlNotification says which notification is not told by the names of S3's XML.
func xmlNotification(r record) string {
	if lacks := r.lacks("NotificationConfiguration", "an object"); lacks != "" {
		if r.lacks("NotificationConfiguration", "text") == "" { // empty: nothing is told
			return ""
		}
		return lacks
	}
	configuration, _ := r.Detail.RequestParameters["NotificationConfiguration"].(map[string]any)
	for _, name := range sortedKeys(configuration) {
		known := []string{"TopicConfiguration", "QueueConfiguration", "CloudFunctionConfiguration", "EventBridgeConfiguration"}
		if !slices.Contains(known, name) && !strings.HasPrefix(name, "xmlns") {
			return "NotificationConfiguration." + name
		}
	}
	return ""
}

// isWrite says which event is one of a read.
func isWrite(r record) string {
	if r.Detail.ReadOnly {
		return "readOnly is true"
	}
	return ""
}

// knownLambdaName says which of Lambda's names is no row's, with or without a version.
func knownLambdaName(r record) string {
	for _, row := range heard() {
		if row.source == "aws.lambda" && strings.EqualFold(row.event, r.name()) && row.event != r.name() {
			return "the rows have " + row.event
		}
	}
	return ""
}

// iamInItsRegion says where an event of IAM was recorded, or came, if not in its region.
func iamInItsRegion(r record) string {
	if r.Detail.AWSRegion != icaconfig.IAMRegion || r.Region != icaconfig.IAMRegion {
		return fmt.Sprintf("recorded in %s, on the bus of %s", r.Detail.AWSRegion, r.Region)
	}
	return ""
}

// throughNoEndpoint says which call of icaguard's functions came through a VPC endpoint.
func throughNoEndpoint(r record) string {
	if r.Detail.VPCEndpointID != "" {
		return "came through " + r.Detail.VPCEndpointID
	}
	return ""
}

func ofFunction(r record) bool {
	return slices.Contains(
		[]string{guard.RemediateFunction, guard.ValidateFunction}, r.Detail.UserIdentity.SessionContext.SessionIssuer.UserName,
	)
}

func ofIAM(r record) bool    { return r.source() == "aws.iam" }
func ofLambda(r record) bool { return r.source() == "aws.lambda" }
func anyEvent(record) bool   { return true }

// only is each of the events that a belief is about, whatever they are named.
func only(about func(record) bool, differs func(record) string) witness {
	return func(e evidence.Evidence) evidence.Answer {
		count := 0
		for _, r := range seen(e) {
			if !about(r) {
				continue
			}
			if what := differs(r); what != "" {
				return refuted("%s: %s", r.Detail.EventName, what)
			}
			count++
		}
		if count == 0 {
			return notSeen("no event that it is about")
		}
		return confirmed("%d events", count)
	}
}

// inTime compares when the events came with when their calls were made.
func inTime(e evidence.Evidence) evidence.Answer {
	const bound = 3 * time.Minute
	var latest, all time.Duration
	count, last := 0, ""
	for _, r := range seen(e) {
		took, known := r.took()
		if !known {
			continue
		}
		count++
		if all += took; took >= latest {
			latest, last = took, r.Detail.EventName
		}
	}
	if count == 0 {
		return notSeen("no event")
	}
	return holds(latest <= bound, "%d events, on average after %s, the latest, %s, after %s", count,
		(all / time.Duration(count)).Round(time.Second), last, latest.Round(time.Second))
}

// failedCalls looks for an event of a call that failed.
func failedCalls(e evidence.Evidence) evidence.Answer {
	for _, raw := range e.Events("") {
		if r := parse(raw); r.Detail.ErrorCode != "" {
			return confirmed("%s with errorCode %s", r.Detail.EventName, r.Detail.ErrorCode)
		}
	}
	return notSeen("no event of a call that failed")
}

// stackCalls looks for calls of CloudFormation: on what icaguard's stacks hold, or on the storage.
func stackCalls(e evidence.Evidence) evidence.Answer {
	var names []string
	for _, r := range seen(e) {
		if r.Detail.SourceIPAddress == guard.CloudFormation {
			names = append(names, r.Detail.EventName)
		}
	}
	if len(names) == 0 {
		return notSeen("no event from %s", guard.CloudFormation)
	}
	slices.Sort(names)
	return confirmed("%s", strings.Join(slices.Compact(names), ", "))
}

// relayed is about events that had to come from another region for the restore that followed.
func relayed(e evidence.Evidence) evidence.Answer {
	away := func(event string) bool {
		for _, r := range seen(e, event) {
			if r.Detail.AWSRegion != "" && r.Detail.AWSRegion != e.Storage.Home.HomeRegion {
				return true
			}
		}
		return false
	}
	for _, b := range e.Breaks {
		if b.Took > 0 && away(b.Event) {
			return confirmed("%s, an event of another region than the home region, led to the restore of %s", b.Event, b.Setting)
		}
	}
	return notSeen("no restore after an event of another region than the home region")
}

// onBus is confirmed by any event of a change.
func onBus(e evidence.Evidence) evidence.Answer {
	if records := seen(e); len(records) > 0 {
		return confirmed("%d events", len(records))
	}
	return notSeen("no event")
}

// requestIDs compares the ids of all events' calls.
func requestIDs(e evidence.Evidence) evidence.Answer {
	events := map[string]string{} // the event's name by its request's id
	for _, r := range seen(e) {
		switch other, twice := events[r.Detail.RequestID]; {
		case r.Detail.RequestID == "" && r.Detail.EventType == "AwsApiCall":
			return refuted("%s has no requestID", r.Detail.EventName)
		case twice && other != r.Detail.EventName:
			return refuted("%s and %s have the same requestID", r.Detail.EventName, other)
		}
		events[r.Detail.RequestID] = r.Detail.EventName
	}
	if len(events) == 0 {
		return notSeen("no event")
	}
	return confirmed("%d calls, each with an id of its own", len(events))
}
