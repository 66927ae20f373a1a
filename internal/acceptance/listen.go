package acceptance

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/icaguard/icaguard/internal/acceptance/beliefs"
	"github.com/icaguard/icaguard/internal/acceptance/evidence"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// message is what a subscriber of the alert topic gets.
type message struct {
	Subject  string    `json:"subject"`
	Setting  string    `json:"setting,omitempty"`
	Status   string    `json:"status"`
	Severity string    `json:"severity"`
	Sent     time.Time `json:"sent"` // by SNS
	Text     string    `json:"-"`
}

// ears are the program's own queues: one for what icaguard tells people, one in each region for raw events.
type ears struct {
	run State

	mu       sync.Mutex
	messages []message
	events   []evidence.Raw
	seen     map[string]bool // ids of events
	failed   error
}

// open makes rules and queues and listens until ctx ends, which wait waits for.
func (e *ears) open(ctx context.Context, l *lab) (wait func(), err error) {
	e.run, e.seen = l.run, map[string]bool{}
	var running sync.WaitGroup
	for _, region := range l.run.eventRegions() {
		url, err := makeEventQueue(ctx, l, region)
		if err != nil {
			return nil, err
		}
		running.Go(func() { e.listen(ctx, l.site.Config(region), url, func(m sqstypes.Message) { e.takeEvent(region, m) }) })
	}
	return running.Wait, nil
}

// eventRegions are those in which events of the run appear.
func (s State) eventRegions() []string {
	all := []string{s.Home, s.Region, icaconfig.IAMRegion}
	slices.Sort(all)
	return slices.Compact(all)
}

func makeEventQueue(ctx context.Context, l *lab, region string) (url string, err error) {
	cfg, name := l.site.Config(region), l.run.events()
	pattern, err := json.Marshal(map[string][]string{
		"source": beliefs.Sources(), "detail-type": {"AWS API Call via CloudTrail", "AWS Service Event via CloudTrail"},
	})
	if err != nil {
		return "", err
	}
	rules := eventbridge.NewFromConfig(cfg)
	rule, err := rules.PutRule(ctx, &eventbridge.PutRuleInput{Name: &name, EventPattern: aws.String(string(pattern))})
	if err != nil {
		return "", fmt.Errorf("acceptance: put rule %s in %s: %w", name, region, err)
	}
	url, err = makeQueue(ctx, l, region, name, "events.amazonaws.com", aws.ToString(rule.RuleArn))
	if err != nil {
		return "", err
	}
	_, err = rules.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: &name, Targets: []eventtypes.Target{
		{Id: aws.String("queue"), Arn: aws.String(l.run.queueARN(region, name))},
	}})
	if err != nil {
		return "", fmt.Errorf("acceptance: put target of rule %s in %s: %w", name, region, err)
	}
	return url, nil
}

func (s State) queueARN(region, name string) string {
	return "arn:" + partition + ":sqs:" + region + ":" + s.Account + ":" + name
}

// makeQueue makes a queue that takes messages of one service about one thing.
func makeQueue(ctx context.Context, l *lab, region, name, service, about string) (url string, err error) {
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": map[string]any{
		"Effect": "Allow", "Principal": map[string]string{"Service": service}, "Action": "sqs:SendMessage",
		"Resource":  l.run.queueARN(region, name),
		"Condition": map[string]any{"ArnEquals": map[string]string{"aws:SourceArn": about}},
	}})
	if err != nil {
		return "", err
	}
	out, err := sqs.NewFromConfig(l.site.Config(region)).CreateQueue(ctx, &sqs.CreateQueueInput{
		QueueName: &name, Attributes: map[string]string{"Policy": string(policy)}, Tags: map[string]string{tagKey: l.run.ID},
	})
	if err != nil {
		return "", fmt.Errorf("acceptance: create queue %s in %s: %w", name, region, err)
	}
	return aws.ToString(out.QueueUrl), nil
}

// subscribe lets the program hear what icaguard tells people, until ctx ends.
func (e *ears) subscribe(ctx context.Context, l *lab, running *sync.WaitGroup) error {
	topic := "arn:" + partition + ":sns:" + l.run.Home + ":" + l.run.Account + ":" + guard.AlertTopic
	url, err := makeQueue(ctx, l, l.run.Home, l.run.inbox(), "sns.amazonaws.com", topic)
	if err != nil {
		return err
	}
	_, err = sns.NewFromConfig(l.home()).Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: &topic, Protocol: aws.String("sqs"), Endpoint: aws.String(l.run.queueARN(l.run.Home, l.run.inbox())),
	})
	if err != nil {
		return fmt.Errorf("acceptance: subscribe to %s: %w", topic, err)
	}
	running.Go(func() { e.listen(ctx, l.home(), url, e.takeMessage) })
	return nil
}

// listen takes all messages of a queue. A call that fails is tried again; the last failure is kept for the report.
func (e *ears) listen(ctx context.Context, cfg aws.Config, url string, take func(sqstypes.Message)) {
	client := sqs.NewFromConfig(cfg)
	for ctx.Err() == nil {
		out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 2})
		if err != nil {
			e.fail(ctx, err)
			_ = guard.Sleep(ctx, time.Second) // the loop ends with ctx
			continue
		}
		for _, m := range out.Messages {
			take(m)
			_, err := client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle})
			if err != nil {
				e.fail(ctx, err) // it comes again, and is known then
			}
		}
	}
}

func (e *ears) fail(ctx context.Context, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if ctx.Err() == nil {
		e.failed = err
	}
}

func (e *ears) takeMessage(m sqstypes.Message) {
	var notice struct {
		MessageID                   string `json:"MessageId"`
		Subject, Message, Timestamp string
		MessageAttributes           map[string]struct{ Value string }
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if json.Unmarshal([]byte(aws.ToString(m.Body)), &notice) != nil || e.seen[notice.MessageID] {
		return
	}
	e.seen[cmp.Or(notice.MessageID, aws.ToString(m.MessageId))] = true
	value := func(name string) string { return notice.MessageAttributes[name].Value }
	sent, err := time.Parse(time.RFC3339, notice.Timestamp)
	if err != nil {
		sent = time.Now()
	}
	e.messages = append(e.messages, message{
		Subject: notice.Subject, Setting: value("setting"), Status: value("status"), Severity: value("severity"),
		Sent: sent, Text: notice.Message,
	})
}

// takeEvent keeps what is about the run, as others may work in the account too.
func (e *ears) takeEvent(region string, m sqstypes.Message) {
	var head struct{ ID string }
	body := aws.ToString(m.Body)
	e.mu.Lock()
	defer e.mu.Unlock()
	if json.Unmarshal([]byte(body), &head) != nil || e.seen[head.ID] || !e.run.concerns(body) {
		return
	}
	e.seen[head.ID] = true
	e.events = append(e.events, evidence.Raw{Region: region, Body: json.RawMessage(body), Received: time.Now()})
}

// concerns says whether a text names something of the run, or of icaguard, which is only there for the run.
func (s State) concerns(text string) bool {
	key := s.Key[strings.LastIndex(s.Key, "/")+1:]
	return strings.Contains(text, s.name("")) || strings.Contains(text, "icaguard") || key != "" && strings.Contains(text, key) ||
		s.Provider != "" && strings.Contains(text, s.Provider)
}

// named are the events of that name, in the order in which they came; "": all.
func (e *ears) named(name string) []evidence.Raw {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(e.events), func(r evidence.Raw) bool {
		return name != "" && detailOf(r).EventName != name
	})
}

func (e *ears) all() ([]message, []evidence.Raw, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.messages), slices.Clone(e.events), e.failed
}

// told is the first message about a setting with one of the statuses since a moment; SNS's clock has milliseconds.
func (e *ears) told(setting string, since time.Time, statuses ...string) (message, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.IndexFunc(e.messages, func(m message) bool {
		return m.Setting == setting && slices.Contains(statuses, m.Status) && !m.Sent.Before(since.Truncate(time.Millisecond))
	})
	if i < 0 {
		return message{}, false
	}
	return e.messages[i], true
}

// detail is what the program reads of an event.
type detail struct {
	EventName, EventSource string
	EventTime              time.Time
	ErrorCode              string
	UserIdentity           struct {
		ARN, InvokedBy string
		SessionContext struct{ SessionIssuer struct{ UserName string } }
	}
}

func detailOf(r evidence.Raw) detail {
	var envelope struct{ Detail detail }
	_ = json.Unmarshal(r.Body, &envelope) // what cannot be read is nobody's event
	return envelope.Detail
}

var errSilent = errors.New("no raw event arrived at the program's own queues: does a trail log management events?")
