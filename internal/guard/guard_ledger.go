package guard

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

func guardLedger() Setting {
	return define(Setting{
		ID:          "guard-ledger",
		Title:       "The table of the ledger is there as deployed",
		Effect:      "what restores replace is not kept, and what ICA put as notification cannot be restored",
		Remediation: redeploy,
		On:          OnLedger,
		Triggers: []Trigger{
			alwaysAlert(ownEvents("aws.dynamodb", "tableName", []string{LedgerTable}, "DeleteTable", "UpdateTable")),
		},
		Reads: on(OnLedger, "dynamodb:DescribeTable"),
	}, spec[string]{read: readTableStatus, compare: compareTableStatus})
}

// readTableStatus is "" for a table that does not exist.
func readTableStatus(ctx context.Context, c Clients, s icaconfig.Storage) (string, error) {
	out, err := c.dynamodb(s).DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(LedgerTable)})
	if awserr.Classify(err) == awserr.Gone {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("describe table %s: %w", LedgerTable, err)
	}
	return string(out.Table.TableStatus), nil
}

func compareTableStatus(s icaconfig.Storage, status string) Comparison {
	switch status {
	case "":
		return alert("table "+LedgerTable+" does not exist", redeploy(s))
	case "ACTIVE", "UPDATING":
		return Comparison{}
	}
	return alert("table "+LedgerTable+" is in status "+status, redeploy(s))
}
