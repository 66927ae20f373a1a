package ledger_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/ledger"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	"github.com/icaguard/icaguard/internal/testlab"
)

const bucket = "arn:aws:s3:::lab-prod-ica"

func newLedger(t *testing.T) (ledger.Ledger, *localaws.AWS) {
	t.Helper()
	local := localawstest.Start(t)
	testlab.MakeLedger(t, local)
	now := time.Date(2026, 1, 15, 9, 12, 33, 0, time.UTC)
	return ledger.Ledger{
		Config: local.Config("us-east-1", "AKIALEDGER"), Table: guard.LedgerTable,
		Now: func() time.Time { now = now.Add(time.Nanosecond); return now },
	}, local
}

func TestPutAndGet(t *testing.T) {
	l, _ := newLedger(t)
	for _, value := range []string{"first", "second"} {
		if err := l.Put(t.Context(), bucket, "notification", value); err != nil {
			t.Fatal(err)
		}
		if got, err := l.Get(t.Context(), bucket, "notification"); err != nil || got != value {
			t.Errorf("got %q, %v; want %q", got, err, value)
		}
	}
	if got, err := l.Get(t.Context(), "arn:aws:s3:::another", "notification"); err != nil || got != "" {
		t.Errorf("got %q, %v of what was never put", got, err)
	}
}

func TestBackupRetainsEveryOriginal(t *testing.T) {
	l, local := newLedger(t)
	for _, value := range []string{`{"a":1}`, `{"a":2}`} {
		if _, err := l.Backup(t.Context(), guard.Backup{
			Resource: bucket, Setting: "bucket-cors", Value: value,
			Events: []guard.Event{{Event: "DeleteBucketCors"}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	out, err := dynamodb.NewFromConfig(local.DirectConfig("us-east-1")).Scan(t.Context(),
		&dynamodb.ScanInput{TableName: aws.String(guard.LedgerTable)})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Items) != 2 {
		t.Errorf("%d values retained, want both", len(out.Items))
	}
	for _, item := range out.Items {
		entry := item[ledger.SortKey].(*types.AttributeValueMemberS).Value
		events := item["events"].(*types.AttributeValueMemberS).Value
		if !strings.HasPrefix(entry, "backup#bucket-cors#2026-01-15T09:12:33") || !strings.Contains(events, "DeleteBucketCors") {
			t.Errorf("entry %s with events %s", entry, events)
		}
	}
}

func TestAwayNamesWhatWasNotBackedUp(t *testing.T) {
	l, local := newLedger(t)
	defer local.Recorder().Inject(localaws.Fault{Service: "dynamodb", Kind: localaws.ExplicitDeny})()
	_, err := l.Backup(t.Context(), guard.Backup{Resource: bucket, Setting: "bucket-cors"})
	if err == nil || !strings.Contains(err.Error(), bucket) || !strings.Contains(err.Error(), "bucket-cors") {
		t.Errorf("error %v", err)
	}
	if _, err := l.Get(t.Context(), bucket, "notification"); err == nil {
		t.Error("a ledger that is away has nothing, and must say so")
	}
}

// TestNotUnderstoodCountsAsAbsent, and what is understood is answered as it was stored.
func TestNotUnderstoodCountsAsAbsent(t *testing.T) {
	l, local := newLedger(t)
	key, err := l.Backup(t.Context(), guard.Backup{
		Resource: bucket, Setting: "bucket-cors", Value: "{}", Diffs: []guard.Diff{{Path: "x"}}, Events: []guard.Event{{EventID: "1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	b, found, err := l.BackedUp(t.Context(), bucket, "bucket-cors", key)
	if err != nil || !found || b.Value != "{}" || len(b.Diffs) != 1 || len(b.Events) != 1 {
		t.Errorf("%+v, found %v, %v", b, found, err)
	}
	notice, err := l.PutNotice(t.Context(), guard.Notice{Body: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Put(t.Context(), bucket, "notification", "x"); err != nil {
		t.Fatal(err)
	}
	client := dynamodb.NewFromConfig(local.DirectConfig("us-east-1"))
	at := func(d time.Duration) string { return l.Now().Add(d).Format("2006-01-02T15:04:05.000000000Z") }
	for name, more := range map[string]map[string]types.AttributeValue{
		"no version":        {"version": &types.AttributeValueMemberNULL{Value: true}},
		"an older version":  {"version": &types.AttributeValueMemberS{Value: "0"}},
		"a newer version":   {"version": &types.AttributeValueMemberS{Value: "2"}},
		"another type":      {"version": &types.AttributeValueMemberN{Value: "1"}},
		"no date":           {"at": &types.AttributeValueMemberS{Value: ""}},
		"a date of a kind":  {"at": &types.AttributeValueMemberS{Value: "2026-01-15"}},
		"from the future":   {"at": &types.AttributeValueMemberS{Value: at(6 * time.Minute)}},
		"of another epoch":  {"at": &types.AttributeValueMemberS{Value: "9999-12-31T23:59:59.000000000Z"}},
		"nothing but a key": nil,
	} {
		for _, k := range [][2]string{{bucket, key}, {bucket, "recorded#notification"}, {guard.SelfName, "notice#" + notice}} {
			item := map[string]types.AttributeValue{
				ledger.PartitionKey: &types.AttributeValueMemberS{Value: k[0]}, ledger.SortKey: &types.AttributeValueMemberS{Value: k[1]},
			}
			if more != nil {
				item["version"], item["at"] = &types.AttributeValueMemberS{Value: "1"}, &types.AttributeValueMemberS{Value: at(0)}
				item["value"] = &types.AttributeValueMemberS{Value: "{}"}
			}
			for attribute, value := range more {
				item[attribute] = value
			}
			put := dynamodb.PutItemInput{TableName: aws.String(guard.LedgerTable), Item: item}
			if _, err := client.PutItem(t.Context(), &put); err != nil {
				t.Fatal(err)
			}
		}
		_, restored, err1 := l.BackedUp(t.Context(), bucket, "bucket-cors", key)
		_, noticed, err2 := l.Notice(t.Context(), notice)
		recorded, err3 := l.Get(t.Context(), bucket, "notification")
		if restored || noticed || recorded != "" || err1 != nil || err2 != nil || err3 != nil {
			t.Errorf("%s: backup %v, notice %v, recorded %q: %v %v %v", name, restored, noticed, recorded, err1, err2, err3)
		}
	}
}

// TestBackupsSortByTime: trailing zeros of a second are kept.
func TestBackupsSortByTime(t *testing.T) {
	l, _ := newLedger(t)
	now := time.Date(2026, 1, 15, 9, 12, 33, 100_000_000, time.UTC)
	var keys []string
	for _, later := range []time.Duration{0, time.Nanosecond, 900 * time.Millisecond} {
		l.Now = func() time.Time { return now.Add(later) }
		key, err := l.Backup(t.Context(), guard.Backup{Resource: bucket, Setting: "bucket-cors"})
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	if !slices.IsSorted(keys) {
		t.Errorf("%q", keys)
	}
}
