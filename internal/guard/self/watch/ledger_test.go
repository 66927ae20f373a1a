package watch

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/icaguard/icaguard/internal/guard"
)

func guardLedgerCases() []selfCase {
	const id = "guard-ledger"
	return []selfCase{
		{
			setting: id, name: "deleted", want: guard.ActionRequired, says: "table icaguard-ledger does not exist",
			breakIt: func(w *selfEnv) {
				w.must(
					tableClient(w.stranger, w.storage()).DeleteTable(
						w.t.Context(), &dynamodb.DeleteTableInput{TableName: aws.String(guard.LedgerTable)},
					),
				)
			},
		},
		{
			setting: id, name: "updated", want: guard.ActionRequired, says: "UpdateTable by arn:aws:iam::123456789012:user/AKIASTRANGER",
			breakIt: func(w *selfEnv) {
				w.must(tableClient(w.stranger, w.storage()).UpdateTable(w.t.Context(), &dynamodb.UpdateTableInput{
					TableName: aws.String(guard.LedgerTable), DeletionProtectionEnabled: aws.Bool(false),
				}))
			},
		},
	}
}
