// Package ledger is icaguard's store: one DynamoDB table with the values that restores replaced, in the original, what
// ICA's role put, and messages to people that SNS did not take yet. Only remediate writes to it.
//
// Invariant: an entry that cannot be understood, is dated in the future or has another version counts as absent. Nothing
// here is shown to people as it is (originals may hold the session-name prefix), and no client is made before there is
// something to write or get.
package ledger

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/icaguard/icaguard/internal/guard"
)

// Keys of the table. Everything about a resource stands together, so that its history is one query.
const (
	PartitionKey = "resource" // ARN, or guard.SelfName
	SortKey      = "entry"    // "backup#SETTING#TIME", "recorded#WHAT" or "notice#KEY"
)

const (
	version = "1" // of an entry; any other is not understood
	// timeLayout sorts as the times do.
	timeLayout = "2006-01-02T15:04:05.000000000Z"
	// clockSkew is how much later than ours the clock may be that dated an entry.
	clockSkew = 5 * time.Minute
	// backupAge is how long after a restore a check may still report it as one.
	backupAge = 24 * time.Hour
)

// Ledger implements guard.Store on one table.
type Ledger struct {
	Config aws.Config
	Table  string
	Now    func() time.Time
}

// Backup stores a replaced value under its time. It never overwrites one.
func (l Ledger) Backup(ctx context.Context, b guard.Backup) (string, error) {
	events, err := json.Marshal(b.Events)
	if err != nil {
		return "", fmt.Errorf("ledger: back up: %w", err)
	}
	diffs, err := json.Marshal(b.Diffs)
	if err != nil {
		return "", fmt.Errorf("ledger: back up: %w", err)
	}
	entry := backupPrefix(b.Setting) + l.Now().UTC().Format(timeLayout)
	return entry, l.put(ctx, b.Resource, entry, attributes{"value": b.Value, "diffs": string(diffs), "events": string(events)})
}

func backupPrefix(setting string) string { return "backup#" + setting + "#" }

// BackedUp reads such an entry back, if it is of this setting and at most a day old.
func (l Ledger) BackedUp(ctx context.Context, resource, setting, entry string) (guard.Backup, bool, error) {
	text, ofSetting := strings.CutPrefix(entry, backupPrefix(setting))
	if at, credible := l.parse(text); !ofSetting || !credible || l.Now().Sub(at) > backupAge {
		return guard.Backup{}, false, nil
	}
	item, found, err := l.get(ctx, resource, entry)
	b := guard.Backup{Resource: resource, Setting: setting, Value: item["value"]}
	understood := func(attribute string, v any) bool { return json.Unmarshal([]byte(item[attribute]), v) == nil }
	if err != nil || !found || !understood("diffs", &b.Diffs) || !understood("events", &b.Events) {
		return guard.Backup{}, false, err
	}
	return b, true, nil
}

// Put stores the latest value of something about a resource.
func (l Ledger) Put(ctx context.Context, resource, what, value string) error {
	return l.put(ctx, resource, "recorded#"+what, attributes{"value": value})
}

// Get returns what was put, "" if nothing was, which is also so before the guard's first deploy.
func (l Ledger) Get(ctx context.Context, resource, what string) (string, error) {
	item, _, err := l.get(ctx, resource, "recorded#"+what)
	return item["value"], err
}

// PutNotice stores a message to people and answers its key.
func (l Ledger) PutNotice(ctx context.Context, n guard.Notice) (key string, err error) {
	value, err := json.Marshal(n)
	if err != nil {
		return "", fmt.Errorf("ledger: write notice: %w", err)
	}
	key = rand.Text()
	return key, l.put(ctx, guard.SelfName, noticePrefix+key, attributes{"value": string(value)})
}

const noticePrefix = "notice#"

// Notice is the message to people with this key; false if there is none.
func (l Ledger) Notice(ctx context.Context, key string) (n guard.Notice, found bool, err error) {
	item, found, err := l.get(ctx, guard.SelfName, noticePrefix+key)
	if err != nil || !found || json.Unmarshal([]byte(item["value"]), &n) != nil {
		return guard.Notice{}, false, err
	}
	return n, true, nil
}

// DeleteNotice deletes a message that was delivered.
func (l Ledger) DeleteNotice(ctx context.Context, key string) error {
	if _, err := dynamodb.NewFromConfig(l.Config).DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &l.Table, Key: keyOf(guard.SelfName, noticePrefix+key),
	}); err != nil {
		return fmt.Errorf("ledger: delete notice %s: %w", key, err)
	}
	return nil
}

// attributes of an entry; all are texts.
type attributes map[string]string

// get reads an entry; false if there is none that is ours to understand.
func (l Ledger) get(ctx context.Context, resource, entry string) (item attributes, found bool, err error) {
	out, err := dynamodb.NewFromConfig(l.Config).GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &l.Table, Key: keyOf(resource, entry), ConsistentRead: aws.Bool(true),
	})
	var noTable *types.ResourceNotFoundException
	if errors.As(err, &noTable) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("ledger: get %s of %s: %w", entry, resource, err)
	}
	item = attributes{}
	for name, value := range out.Item {
		if text, ok := value.(*types.AttributeValueMemberS); ok {
			item[name] = text.Value
		}
	}
	if _, credible := l.parse(item["at"]); !credible || item["version"] != version {
		return nil, false, nil
	}
	return item, true, nil
}

// parse reads a time, which is not credible if it is none or in the future.
func (l Ledger) parse(text string) (at time.Time, credible bool) {
	at, err := time.Parse(timeLayout, text)
	return at, err == nil && !at.After(l.Now().Add(clockSkew))
}

func (l Ledger) put(ctx context.Context, resource, entry string, values attributes) error {
	item := keyOf(resource, entry)
	item["version"], item["at"] = text(version), text(l.Now().UTC().Format(timeLayout))
	for name, value := range values {
		item[name] = text(value)
	}
	if _, err := dynamodb.NewFromConfig(l.Config).PutItem(ctx, &dynamodb.PutItemInput{TableName: &l.Table, Item: item}); err != nil {
		return fmt.Errorf("ledger: write %s of %s: %w", entry, resource, err)
	}
	return nil
}

func keyOf(resource, entry string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{PartitionKey: text(resource), SortKey: text(entry)}
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
