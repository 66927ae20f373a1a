package settings

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/guard"
)

// entry is one notification of a bucket: which events on which keys go where.
type entry struct {
	Target  string        `json:"target"` // ARN of a topic, queue or function; toEventBridge
	ID      string        `json:"id,omitempty"`
	Events  []types.Event `json:"events,omitempty"`
	Filters []filter      `json:"filters,omitempty"`
	// Since is when the first write happened that is known to have had it; zero: it was there before icaguard was.
	Since time.Time `json:"since,omitzero"`
}

type filter struct {
	Name  string `json:"name"` // prefix or suffix, as the API's page has them; S3 answers Prefix and Suffix
	Value string `json:"value"`
}

// toEventBridge stands for the switch that sends all events to the bus of the bucket's account.
const toEventBridge = "EventBridge"

func leadingOut(entries []entry, account string) []entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e entry) bool { return !e.leadsOut(account) })
}

func stayingIn(entries []entry, account string) []entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e entry) bool { return e.leadsOut(account) })
}

func (e entry) leadsOut(account string) bool {
	target, err := arn.Parse(e.Target)
	return err == nil && target.AccountID != account
}

// lackingIn lists the entries of need that have no equal in have.
func lackingIn(have, need []entry) []entry {
	return slices.DeleteFunc(slices.Clone(need), func(n entry) bool { return slices.ContainsFunc(have, n.equal) })
}

// equal compares what the entries do; an id is only a name.
func (e entry) equal(other entry) bool {
	return e.Target == other.Target && slices.Equal(e.events(), other.events()) && slices.Equal(e.filters(), other.filters())
}

func (e entry) events() []types.Event {
	return slices.Compact(slices.Sorted(slices.Values(e.Events)))
}

func (e entry) filters() []filter {
	var all []filter
	for _, f := range e.Filters {
		if f.Value != "" {
			all = append(all, filter{strings.ToLower(f.Name), f.Value})
		}
	}
	slices.SortFunc(all, func(a, b filter) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// String is for people.
func (e entry) String() string {
	events := make([]string, len(e.Events))
	for i, event := range e.Events {
		events[i] = string(event)
	}
	words := cmp.Or(strings.Join(events, ", "), "all events")
	for _, f := range e.filters() {
		words += fmt.Sprintf(", %s %q", f.Name, f.Value)
	}
	return words
}

// alteredTo reports whether the other is what somebody made of the entry: under its id, to its target.
func (e entry) alteredTo(other entry) bool {
	return e.ID != "" && e.ID == other.ID && e.Target == other.Target && !e.equal(other)
}

// entriesOf lists what S3 keeps in four places.
func entriesOf(out *s3.GetBucketNotificationConfigurationOutput) []entry {
	var entries []entry
	for _, t := range out.TopicConfigurations {
		entries = append(entries, newEntry(t.TopicArn, t.Id, t.Events, t.Filter))
	}
	for _, q := range out.QueueConfigurations {
		entries = append(entries, newEntry(q.QueueArn, q.Id, q.Events, q.Filter))
	}
	for _, f := range out.LambdaFunctionConfigurations {
		entries = append(entries, newEntry(f.LambdaFunctionArn, f.Id, f.Events, f.Filter))
	}
	if out.EventBridgeConfiguration != nil {
		entries = append(entries, entry{Target: toEventBridge})
	}
	return entries
}

func newEntry(target, id *string, events []types.Event, filter *types.NotificationConfigurationFilter) entry {
	return entry{Target: aws.ToString(target), ID: aws.ToString(id), Events: events, Filters: filters(filter)}
}

func filters(f *types.NotificationConfigurationFilter) []filter {
	if f == nil || f.Key == nil {
		return nil
	}
	all := make([]filter, len(f.Key.FilterRules))
	for i, rule := range f.Key.FilterRules {
		all[i] = filter{Name: strings.ToLower(string(rule.Name)), Value: aws.ToString(rule.Value)}
	}
	return all
}

var errUnknownTarget = errors.New("neither a topic, a queue nor a function: icaguard cannot write it again without losing it")

// notificationConfiguration is the way back; it fails on a target of a kind that S3 did not know when this was written.
func notificationConfiguration(entries []entry) (*types.NotificationConfiguration, error) {
	out := &types.NotificationConfiguration{}
	for _, e := range entries {
		if e.Target == toEventBridge {
			out.EventBridgeConfiguration = &types.EventBridgeConfiguration{}
			continue
		}
		target, err := arn.Parse(e.Target)
		if err != nil {
			return nil, fmt.Errorf("target %q: %w", e.Target, err)
		}
		id, filter := optional(e.ID), e.keyFilter()
		switch target.Service {
		case "sns":
			out.TopicConfigurations = append(
				out.TopicConfigurations, types.TopicConfiguration{TopicArn: &e.Target, Id: id, Events: e.Events, Filter: filter},
			)
		case "sqs":
			out.QueueConfigurations = append(
				out.QueueConfigurations, types.QueueConfiguration{QueueArn: &e.Target, Id: id, Events: e.Events, Filter: filter},
			)
		case "lambda":
			out.LambdaFunctionConfigurations = append(out.LambdaFunctionConfigurations, types.LambdaFunctionConfiguration{
				LambdaFunctionArn: &e.Target, Id: id, Events: e.Events, Filter: filter,
			})
		default:
			return nil, fmt.Errorf("target %q: %w", e.Target, errUnknownTarget)
		}
	}
	return out, nil
}

func (e entry) keyFilter() *types.NotificationConfigurationFilter {
	if len(e.Filters) == 0 {
		return nil
	}
	rules := make([]types.FilterRule, len(e.Filters))
	for i, f := range e.Filters {
		rules[i] = types.FilterRule{Name: types.FilterRuleName(f.Name), Value: aws.String(f.Value)}
	}
	return &types.NotificationConfigurationFilter{Key: &types.S3KeyFilter{FilterRules: rules}}
}

// eventTarget is an entry as an event has it: one of the three says where to.
type eventTarget struct {
	ID                          word `json:"Id"`
	Topic, Queue, CloudFunction word
	InvocationRole              word // of functions, until 2014
	Event                       many[word]
	Filter                      struct {
		S3Key struct {
			FilterRule many[struct{ Name, Value word }]
		}
	}
}

// todaysNames are the elements of S3's XML (API_PutBucketNotificationConfiguration), by the names that the SDKs give
// them.
func todaysNames() map[string]string {
	return map[string]string{
		"topicconfigurations": "TopicConfiguration", "queueconfigurations": "QueueConfiguration",
		"cloudfunctionconfigurations": "CloudFunctionConfiguration", "lambdafunctionconfiguration": "CloudFunctionConfiguration",
		"lambdafunctionconfigurations": "CloudFunctionConfiguration", "topicarn": "Topic", "queuearn": "Queue",
		"lambdafunctionarn": "CloudFunction", "events": "Event", "key": "S3Key", "filterrules": "FilterRule",
	}
}

// eventEntries are the entries that an event's call wrote, false if the event does not say or cannot be read.
func eventEntries(e guard.Event) ([]entry, bool) {
	var written struct {
		TopicConfiguration, QueueConfiguration, CloudFunctionConfiguration many[eventTarget]
		EventBridgeConfiguration                                           json.RawMessage
	}
	if !slices.Contains(notificationEvents(), e.Event) ||
		!eventDocument(e.Parameters.Fields()["NotificationConfiguration"], todaysNames(), &written) {
		return nil, false
	}
	var entries []entry
	for _, t := range slices.Concat(written.TopicConfiguration, written.QueueConfiguration, written.CloudFunctionConfiguration) {
		one := entry{Target: string(cmp.Or(t.Topic, t.Queue, t.CloudFunction)), ID: string(t.ID), Events: texts[types.Event](t.Event)}
		for _, rule := range t.Filter.S3Key.FilterRule {
			one.Filters = append(one.Filters, filter{string(rule.Name), string(rule.Value)})
		}
		if one.Target == "" {
			return nil, false
		}
		entries = append(entries, one)
	}
	if written.EventBridgeConfiguration != nil {
		entries = append(entries, entry{Target: toEventBridge})
	}
	return entries, true
}
