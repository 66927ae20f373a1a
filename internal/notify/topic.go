package notify

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/icaguard/icaguard/internal/guard"
)

// Storage is the message attribute with the names of the storages that a notice concerns. It is always a list, of which
// a filter policy has to match one: {"storage": ["lab-prod"]}
// (https://docs.aws.amazon.com/sns/latest/dg/attribute-key-matching.html).
const Storage = "storage"

// Topic publishes notices to one SNS topic.
type Topic struct {
	SNS *sns.Client
	ARN string
}

// Publish sends one notice.
func (t Topic) Publish(ctx context.Context, n guard.Notice) error {
	attributes := map[string]types.MessageAttributeValue{}
	for name, values := range n.Filter {
		if len(values) == 0 {
			continue
		}
		attribute, err := attributeOf(name, values)
		if err != nil {
			return err
		}
		attributes[name] = attribute
	}
	_, err := t.SNS.Publish(ctx, &sns.PublishInput{
		TopicArn: &t.ARN, Subject: &n.Subject, Message: &n.Body, MessageAttributes: attributes,
	})
	if err != nil {
		return fmt.Errorf("notify: publish to %s: %w", t.ARN, err)
	}
	return nil
}

func attributeOf(name string, values []string) (types.MessageAttributeValue, error) {
	if name != Storage {
		return types.MessageAttributeValue{DataType: aws.String("String"), StringValue: &values[0]}, nil
	}
	list, err := json.Marshal(values)
	if err != nil {
		return types.MessageAttributeValue{}, fmt.Errorf("notify: attribute %s: %w", name, err)
	}
	return types.MessageAttributeValue{DataType: aws.String("String.Array"), StringValue: aws.String(string(list))}, nil
}
