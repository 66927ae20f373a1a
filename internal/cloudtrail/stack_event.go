package cloudtrail

import (
	"errors"
	"fmt"
	"strings"
)

// StackEvent is a status of a stack, as CloudFormation's own event tells it.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/eventbridge-events.html
type StackEvent struct {
	Account, Region string // of the stack
	Stack, Status   string
}

// StackDetailType is how EventBridge names the status of a whole stack.
const StackDetailType = "CloudFormation Stack Status Change"

var errStackID = errors.New("not the ARN of a stack")

// ParseStackEvent reads the detail of an event of that type.
func ParseStackEvent(detail []byte) (StackEvent, error) {
	f, err := parseFields(detail)
	if err != nil {
		return StackEvent{}, fmt.Errorf("stack event: parse: %w", err)
	}
	id := f.text("stack-id")
	parts := strings.SplitN(id, ":", 6) // arn:PARTITION:cloudformation:REGION:ACCOUNT:stack/NAME/ID
	if len(parts) != 6 || !strings.HasPrefix(parts[5], "stack/") {
		return StackEvent{}, fmt.Errorf("stack event: parse stack id %q: %w", id, errStackID)
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(parts[5], "stack/"), "/")
	return StackEvent{
		Account: parts[4], Region: parts[3], Stack: name, Status: f.within("status-details").text("status"),
	}, nil
}

// Ended reports whether the event ends a change of the stack that leaves it there.
func (e StackEvent) Ended() bool {
	ended := strings.HasSuffix(e.Status, "_COMPLETE") || strings.HasSuffix(e.Status, "_FAILED")
	return ended && e.Status != "DELETE_COMPLETE"
}

// String is for people.
func (e StackEvent) String() string {
	return "stack " + e.Stack + " in " + e.Region + " is in status " + e.Status
}
