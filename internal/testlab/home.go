package testlab

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/ledger"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	"github.com/icaguard/icaguard/internal/policy"
)

// MakeHome makes the guard itself as its stacks do, once in a local AWS: all labs have it in common.
func MakeHome(t testing.TB, local *localaws.AWS, h icaconfig.Home) {
	t.Helper()
	home := localawstest.Home{
		Regions: h.Regions(), Queue: guard.RequestQueue, DeadLetters: guard.DeadLetterQueue, Topic: guard.AlertTopic,
		Table: guard.LedgerTable,
		Trail: guard.TrailName, PartitionKey: ledger.PartitionKey, SortKey: ledger.SortKey, Emails: h.Emails,
		Functions: []string{guard.RemediateFunction, guard.ValidateFunction}, Policies: map[string]string{},
	}
	for arn, statements := range self.Policies(h) {
		home.Policies[arn] = policy.New(statements...).JSON()
	}
	for _, region := range h.Regions()[1:] {
		home.Roles = append(home.Roles, guard.RelayRole+region)
	}
	for _, r := range self.AllRules(h) {
		home.Rules = append(home.Rules, localawstest.Rule{
			Name: r.Name, Region: r.Region, Pattern: r.Pattern, Schedule: r.Schedule, TargetARN: r.Target, Input: r.Input, RoleARN: r.Role,
		})
	}
	home.Make(t, local)
}

// Home is the one that all labs made by New have.
func Home(t testing.TB, local *localaws.AWS) icaconfig.Home {
	t.Helper()
	return Configure(t, local, labText("lab", icaconfig.Enforce)).Storage.Home
}

// Mailbox is a topic and what its one subscriber gets.
type Mailbox struct {
	TopicARN string

	t   testing.TB
	sqs *sqs.Client
	url *string
}

// Mail is a notice as it arrives.
type Mail struct {
	Subject, Message  string
	MessageAttributes map[string]struct{ Value string }
}

// NewMailbox makes a topic of that name.
func NewMailbox(t testing.TB, local *localaws.AWS, name string) *Mailbox {
	t.Helper()
	cfg := local.DirectConfig(Region)
	m, topics := &Mailbox{t: t, sqs: sqs.NewFromConfig(cfg)}, sns.NewFromConfig(cfg)
	queue, err := m.sqs.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String(name + "-mail")})
	m.must(err)
	topic, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name})
	m.must(err)
	_, err = topics.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:" + Region + ":" + local.Account() +
			":" + name + "-mail"),
	})
	m.must(err)
	m.TopicARN, m.url = aws.ToString(topic.TopicArn), queue.QueueUrl
	return m
}

func (m *Mailbox) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// Take empties the mailbox.
func (m *Mailbox) Take() []Mail {
	m.t.Helper()
	var all []Mail
	for {
		out, err := m.sqs.ReceiveMessage(m.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: m.url, MaxNumberOfMessages: 10})
		m.must(err)
		if len(out.Messages) == 0 {
			return all
		}
		for _, message := range out.Messages {
			var mail Mail
			m.must(json.Unmarshal([]byte(aws.ToString(message.Body)), &mail))
			all = append(all, mail)
			_, err := m.sqs.DeleteMessage(m.t.Context(), &sqs.DeleteMessageInput{QueueUrl: m.url, ReceiptHandle: message.ReceiptHandle})
			m.must(err)
		}
	}
}

// Pause puts the parameter that pauses a storage, or all; remove ends the pause.
func (l *Lab) Pause(storage, value string) (remove func()) {
	l.t.Helper()
	client, name := ssm.NewFromConfig(l.Local.DirectConfig(Region)), aws.String(guard.PauseParameters+storage)
	l.must(client.PutParameter(l.t.Context(), &ssm.PutParameterInput{Name: name, Type: ssmtypes.ParameterTypeString, Value: &value}))
	return func() { l.must(client.DeleteParameter(l.t.Context(), &ssm.DeleteParameterInput{Name: name})) }
}

// Settings is how many settings stand on what the lab and the guard itself have, so how many outcomes an audit has.
func (l *Lab) Settings() int {
	return len(slices.DeleteFunc(self.AllRows(), func(r guard.Row) bool { return r.On.ARN(l.Storage) == "" }))
}
