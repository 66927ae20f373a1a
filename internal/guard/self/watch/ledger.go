package watch

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// readTableStatus is "" for a table that does not exist.
func readTableStatus(ctx context.Context, c guard.Clients, s icaconfig.Storage) (string, error) {
	out, err := tableClient(c, s).DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(guard.LedgerTable)})
	if awserr.Classify(err) == awserr.Gone {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("describe table %s: %w", guard.LedgerTable, err)
	}
	return string(out.Table.TableStatus), nil
}

func compareTableStatus(s icaconfig.Storage, status string) guard.Comparison {
	switch status {
	case "":
		return guard.Alert("table "+guard.LedgerTable+" does not exist", self.Redeploy(s))
	case "ACTIVE", "UPDATING":
		return guard.Comparison{}
	}
	return guard.Alert("table "+guard.LedgerTable+" is in status "+status, self.Redeploy(s))
}
