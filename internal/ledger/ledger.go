// Package ledger is the guard's memory: one DynamoDB table that keeps the values that restores replaced, in the original,
// and what ICA's role put.
//
// Invariant: nothing here is shown to people as it is (originals may hold the session-name prefix), and no client is made
// before there is something to write or recall.
package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/icaguard/icaguard/internal/guard"
)

// Keys of the table. Everything about a resource stands together, so that its history is one query.
const (
	PartitionKey = "resource" // ARN
	SortKey      = "entry"    // "replaced#SETTING#TIME" or "remembered#WHAT"
)

// Ledger implements guard.Memory on one table.
type Ledger struct {
	Config aws.Config
	Table  string
	Now    func() time.Time
}

// Keep stores a replaced value under its time. It never overwrites one.
func (l Ledger) Keep(ctx context.Context, r guard.Replaced) error {
	causes, err := json.Marshal(r.Causes)
	if err != nil {
		return fmt.Errorf("ledger: keep: %w", err)
	}
	return l.put(ctx, r.Resource, "replaced#"+r.Setting+"#"+l.Now().UTC().Format(time.RFC3339Nano), map[string]types.AttributeValue{
		"value": text(r.Value), "causes": text(string(causes)),
	})
}

// Remember stores the latest value of something about a resource.
func (l Ledger) Remember(ctx context.Context, resource, what, value string) error {
	return l.put(ctx, resource, "remembered#"+what, map[string]types.AttributeValue{"value": text(value)})
}

// Recall returns what was remembered, "" if nothing was, which is also so before the guard's first deploy.
func (l Ledger) Recall(ctx context.Context, resource, what string) (string, error) {
	out, err := dynamodb.NewFromConfig(l.Config).GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &l.Table, Key: key(resource, "remembered#"+what), ConsistentRead: aws.Bool(true),
	})
	var noTable *types.ResourceNotFoundException
	if errors.As(err, &noTable) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("ledger: recall %s of %s: %w", what, resource, err)
	}
	value, ok := out.Item["value"].(*types.AttributeValueMemberS)
	if !ok {
		return "", nil
	}
	return value.Value, nil
}

func (l Ledger) put(ctx context.Context, resource, entry string, item map[string]types.AttributeValue) error {
	for name, value := range key(resource, entry) {
		item[name] = value
	}
	if _, err := dynamodb.NewFromConfig(l.Config).PutItem(ctx, &dynamodb.PutItemInput{TableName: &l.Table, Item: item}); err != nil {
		return fmt.Errorf("ledger: write %s of %s: %w", entry, resource, err)
	}
	return nil
}

func key(resource, entry string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{PartitionKey: text(resource), SortKey: text(entry)}
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
