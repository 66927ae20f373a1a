package guard

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// StackEvent is a status of a stack, as CloudFormation's own event tells it.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/eventbridge-events.html
type StackEvent struct {
	Stack  icaconfig.Stack // without its kind
	Status string
}

// stackDetailType is how EventBridge names the status of a whole stack.
const stackDetailType = "CloudFormation Stack Status Change"

// parseStackEvent says whether the body is a stack's status at all.
func parseStackEvent(body []byte) (e StackEvent, is bool, err error) {
	var envelope struct {
		DetailType string `json:"detail-type"`
		Detail     struct {
			StackID       string `json:"stack-id"`
			StatusDetails struct {
				Status string `json:"status"`
			} `json:"status-details"`
		} `json:"detail"`
	}
	if json.Unmarshal(body, &envelope) != nil || envelope.DetailType != stackDetailType {
		return StackEvent{}, false, nil //nolint:nilerr // another kind of message, whose own parser says what is wrong with it
	}
	id, err := arn.Parse(envelope.Detail.StackID)
	if err != nil {
		return StackEvent{}, true, fmt.Errorf("stack event: parse stack id %q: %w", envelope.Detail.StackID, err)
	}
	_, name, _ := strings.Cut(id.Resource, "/")
	name, _, _ = strings.Cut(name, "/")
	return StackEvent{Stack: icaconfig.Stack{Name: name, Region: id.Region}, Status: envelope.Detail.StatusDetails.Status}, true, nil
}

// Settles reports whether the event ends a change of one of our stacks that leaves it there: everything may be different now.
func (e StackEvent) Settles(h icaconfig.Home) bool {
	ended := strings.HasSuffix(e.Status, "_COMPLETE") || strings.HasSuffix(e.Status, "_FAILED")
	return ended && e.Status != string(types.StackStatusDeleteComplete) && slices.ContainsFunc(h.Stacks, func(s icaconfig.Stack) bool {
		return s.Name == e.Stack.Name && s.Region == e.Stack.Region
	})
}

// Last reports whether the event ends a whole deploy, as far as the stacks tell: the guard's is deployed last.
func (e StackEvent) Last(ctx context.Context, d *Deploys) bool {
	if guard, ok := d.home.Stack(icaconfig.GuardStack, d.home.HomeRegion); ok && e.Stack.Name == guard.Name {
		return true
	}
	for _, stack := range d.home.Stacks {
		if found, err := d.describe(ctx, stack); err == nil && unsettled(found, d.home.Digest) != "" {
			return false
		}
	}
	return true
}

// String is for people.
func (e StackEvent) String() string {
	return "stack " + e.Stack.Name + " in " + e.Stack.Region + " is in status " + e.Status
}
