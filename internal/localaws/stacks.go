package localaws

import (
	"cmp"
	"context"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
)

// StackState is a moment in a stack's life that a test plays, since moto's stacks are never in progress and never roll
// back. It is a simulation: nothing happens to the stack's resources but what the test itself does to them.
type StackState struct {
	// Status is a status of https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html. Empty:
	// no such stack. After DELETE_COMPLETE the stack is known by its id only, as on AWS.
	Status      string
	Reason      string
	Outputs     map[string]string
	LastUpdated time.Time    // zero: never updated since its creation
	Events      []StackEvent // of the stack itself, in the order in which they happened
	// AccessKeyID limits what is played to one caller; empty: all. Then several labs can stand in one account.
	AccessKeyID string
}

// stackKey names a stack that is played, for one caller or for all.
type stackKey struct{ accessKeyID, name string }

// StackEvent is one change of a stack's status.
type StackEvent struct {
	Time           time.Time
	Status, Reason string
}

// PlayStack makes the recorder answer DescribeStacks and DescribeStackEvents for a stack, in every region, until stop or
// Reset. Playing the same stack again is its next moment. All other calls, and those past the recorder, still find moto's
// stack.
func (r *Recorder) PlayStack(name string, state StackState) (stop func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := stackKey{state.AccessKeyID, name}
	r.stacks[key] = &state
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.stacks[key] == &state { // not a later moment
			delete(r.stacks, key)
		}
	}
}

// DeliverStackStatus plays the event by which CloudFormation tells that a stack has got a status: on the default bus of
// the stack's region, not through SetEmit.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/event-detail-stack-status-change.html
func (r *Recorder) DeliverStackStatus(ctx context.Context, region, stackName, status string) error {
	id := r.stackID(ctx, region, stackName)
	event := busEvent{
		Source: "aws.cloudformation", DetailType: "CloudFormation Stack Status Change", Time: time.Now(), Resources: []string{id},
		Detail: map[string]any{
			"stack-id":             id,
			"status-details":       map[string]string{"status": status, "status-reason": ""},
			"client-request-token": "",
		},
	}
	if err := putEvent(ctx, eventbridge.NewFromConfig(r.setUp(region)), event); err != nil {
		return fmt.Errorf("localaws: deliver %s of stack %s: %w", status, stackName, err)
	}
	return nil
}

// stackID is the id of moto's stack of that name, since templates may name their own stack by it; a made-up one where
// moto has none.
func (r *Recorder) stackID(ctx context.Context, region, name string) string {
	out, err := cloudformation.NewFromConfig(r.setUp(region)).DescribeStacks(
		ctx, &cloudformation.DescribeStacksInput{StackName: &name},
	)
	if err == nil && len(out.Stacks) > 0 {
		return aws.ToString(out.Stacks[0].StackId)
	}
	return fmt.Sprintf("arn:aws:cloudformation:%s:%s:stack/%s/51af3dc0-da77-11e4-872e-1234567db123", region, account, name)
}

// playedStack is the answer to a call about a stack that is played.
func (r *Recorder) playedStack(ctx context.Context, call request) (answer, bool) {
	if call.Service != "cloudformation" || call.Operation != "DescribeStacks" && call.Operation != "DescribeStackEvents" {
		return answer{}, false
	}
	form, _ := url.ParseQuery(string(call.Body)) // it had an Action
	asked := form.Get("StackName")
	name := asked
	if parts := strings.Split(asked, "/"); len(parts) == 3 { // an id
		name = parts[1]
	}
	r.mu.Lock()
	state := cmp.Or(r.stacks[stackKey{call.AccessKeyID, name}], r.stacks[stackKey{"", name}])
	r.mu.Unlock()
	if state == nil {
		return answer{}, false
	}
	if state.Status == "" || state.Status == "DELETE_COMPLETE" && asked == name {
		return noStack(call, asked), true
	}
	return describeStack(call, r.stackID(ctx, call.Region, name), name, *state), true
}

func noStack(call request, asked string) answer {
	message := "Stack with id " + asked + " does not exist"
	if call.Operation == "DescribeStackEvents" {
		message = "Stack [" + asked + "] does not exist"
	}
	return errorAnswer(call, http.StatusBadRequest, "ValidationError", message)
}

func describeStack(call request, id, name string, state StackState) answer {
	described := stackAnswer{XMLName: xml.Name{Local: call.Operation + "Response"}}
	if call.Operation == "DescribeStacks" {
		described.Result.Stacks = []stackXML{newStackXML(id, name, state)}
	} else {
		for _, event := range slices.Backward(state.Events) { // the newest first, as on AWS
			described.Result.Events = append(described.Result.Events, newStackEventXML(id, name, event))
		}
	}
	described.Result.XMLName.Local = call.Operation + "Result"
	body, _ := xml.Marshal(described) // text always marshals
	return answer{http.StatusOK, http.Header{"Content-Type": {"text/xml"}}, body}.withRequestID(call)
}

// stackAnswer is written as in https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html
// and API_DescribeStackEvents.html.
type stackAnswer struct {
	XMLName xml.Name
	Result  struct {
		XMLName xml.Name
		Stacks  []stackXML      `xml:"Stacks>member"`
		Events  []stackEventXML `xml:"StackEvents>member"`
	}
}

type stackXML struct {
	StackID           string      `xml:"StackId"`
	StackName         string      `xml:"StackName"`
	CreationTime      string      `xml:"CreationTime"`
	LastUpdatedTime   string      `xml:"LastUpdatedTime,omitempty"`
	StackStatus       string      `xml:"StackStatus"`
	StackStatusReason string      `xml:"StackStatusReason,omitempty"`
	Outputs           []outputXML `xml:"Outputs>member"`
}

type outputXML struct {
	Key   string `xml:"OutputKey"`
	Value string `xml:"OutputValue"`
}

type stackEventXML struct {
	StackID              string `xml:"StackId"`
	EventID              string `xml:"EventId"`
	StackName            string `xml:"StackName"`
	LogicalResourceID    string `xml:"LogicalResourceId"`
	PhysicalResourceID   string `xml:"PhysicalResourceId"`
	ResourceType         string `xml:"ResourceType"`
	Timestamp            string `xml:"Timestamp"`
	ResourceStatus       string `xml:"ResourceStatus"`
	ResourceStatusReason string `xml:"ResourceStatusReason,omitempty"`
}

func newStackXML(id, name string, state StackState) stackXML {
	stack := stackXML{
		StackID:           id,
		StackName:         name,
		CreationTime:      stackTime(time.Unix(0, 0)),
		StackStatus:       state.Status,
		StackStatusReason: state.Reason,
	}
	if !state.LastUpdated.IsZero() {
		stack.LastUpdatedTime = stackTime(state.LastUpdated)
	}
	for _, key := range slices.Sorted(maps.Keys(state.Outputs)) {
		stack.Outputs = append(stack.Outputs, outputXML{key, state.Outputs[key]})
	}
	return stack
}

func newStackEventXML(id, name string, event StackEvent) stackEventXML {
	return stackEventXML{
		StackID: id, EventID: newUUID(), StackName: name, LogicalResourceID: name, PhysicalResourceID: id,
		ResourceType: "AWS::CloudFormation::Stack", Timestamp: stackTime(event.Time),
		ResourceStatus: event.Status, ResourceStatusReason: event.Reason,
	}
}

func stackTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
