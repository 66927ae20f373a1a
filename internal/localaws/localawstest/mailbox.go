package localawstest

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/icaguard/icaguard/internal/localaws"
)

// Mailbox is a topic and what its one subscriber gets.
type Mailbox struct {
	TopicARN string

	*Queue
}

// Mail is a notice as it arrives.
type Mail struct {
	Subject, Message  string
	MessageAttributes map[string]struct{ Type, Value string }
}

// NewMailbox makes a topic of that name.
func NewMailbox(t testing.TB, local *localaws.AWS, name string) *Mailbox {
	t.Helper()
	m := &Mailbox{Queue: NewQueue(t, local, name+"-mail", nil)}
	topics := sns.NewFromConfig(local.DirectConfig(Region))
	topic, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name})
	m.must(err)
	_, err = topics.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: &m.ARN,
	})
	m.must(err)
	m.TopicARN = aws.ToString(topic.TopicArn)
	return m
}

// Take empties the mailbox.
func (m *Mailbox) Take() []Mail {
	m.t.Helper()
	var all []Mail
	for _, message := range m.Queue.Take() {
		var mail Mail
		m.must(json.Unmarshal([]byte(aws.ToString(message.Body)), &mail))
		all = append(all, mail)
	}
	return all
}
