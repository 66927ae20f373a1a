package ledger_test

import (
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
