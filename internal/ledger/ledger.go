// Package ledger is icaguard's store: one DynamoDB table with the values that restores replaced, in the original,
// and what ICA's role put.
//
// Invariant: nothing here is shown to people as it is (originals may hold the session-name prefix), and no client is made
// before there is something to write or get.
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
	SortKey      = "entry"    // "backup#SETTING#TIME" or "recorded#WHAT"
)

// Ledger implements guard.Store on one table.
type Ledger struct {
	Config aws.Config
	Table  string
	Now    func() time.Time
}

// Backup stores a replaced value under its time. It never overwrites one.
func (l Ledger) Backup(ctx context.Context, b guard.Backup) error {
	events, err := json.Marshal(b.Events)
	if err != nil {
		return fmt.Errorf("ledger: back up: %w", err)
	}
	return l.put(ctx, b.Resource, "backup#"+b.Setting+"#"+l.Now().UTC().Format(time.RFC3339Nano), map[string]types.AttributeValue{
		"value": text(b.Value), "events": text(string(events)),
	})
}

// Put stores the latest value of something about a resource.
func (l Ledger) Put(ctx context.Context, resource, what, value string) error {
	return l.put(ctx, resource, "recorded#"+what, map[string]types.AttributeValue{"value": text(value)})
}

// Get returns what was put, "" if nothing was, which is also so before the guard's first deploy.
func (l Ledger) Get(ctx context.Context, resource, what string) (string, error) {
	out, err := dynamodb.NewFromConfig(l.Config).GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &l.Table, Key: key(resource, "recorded#"+what), ConsistentRead: aws.Bool(true),
	})
	var noTable *types.ResourceNotFoundException
	if errors.As(err, &noTable) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("ledger: get %s of %s: %w", what, resource, err)
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
