package watch

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
)

func guardLedgerCases() []selfCase {
	table := aws.String(guard.LedgerTable)
	testCase := func(name, says string, breakIt func(*selfEnv, *dynamodb.Client)) selfCase {
		return selfCase{
			setting: "guard-ledger", name: name, want: guard.ActionRequired, says: says,
			breakIt: func(w *selfEnv) { breakIt(w, tableClient(w.stranger, w.storage())) },
		}
	}
	unprotect := func(w *selfEnv, c *dynamodb.Client) {
		w.must(c.UpdateTable(w.t.Context(), &dynamodb.UpdateTableInput{TableName: table, DeletionProtectionEnabled: aws.Bool(false)}))
	}
	return []selfCase{
		testCase("deleted", "table icaguard-ledger does not exist", func(w *selfEnv, c *dynamodb.Client) {
			unprotect(w, c)
			w.must(c.DeleteTable(w.t.Context(), &dynamodb.DeleteTableInput{TableName: table}))
		}),
		testCase("updated", "UpdateTable by arn:aws:iam::123456789012:user/AKIASTRANGER", unprotect),
		testCase("not protected", "table icaguard-ledger can be deleted", unprotect),
		testCase("not backed up", "table icaguard-ledger is not backed up", func(w *selfEnv, c *dynamodb.Client) {
			w.must(c.UpdateContinuousBackups(w.t.Context(), &dynamodb.UpdateContinuousBackupsInput{
				TableName:                        table,
				PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(false)},
			}))
		}),
		testCase("expires", "table icaguard-ledger loses items", func(w *selfEnv, c *dynamodb.Client) {
			w.must(c.UpdateTimeToLive(w.t.Context(), &dynamodb.UpdateTimeToLiveInput{
				TableName:               table,
				TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("entry"), Enabled: aws.Bool(true)},
			}))
		}),
		testCase("policy gone", "aws dynamodb put-resource-policy --region us-east-1", func(w *selfEnv, c *dynamodb.Client) {
			w.must(c.DeleteResourcePolicy(w.t.Context(), &dynamodb.DeleteResourcePolicyInput{ResourceArn: w.table()}))
		}),
		testCase("others write", "the policy of table icaguard-ledger: statement 1", func(w *selfEnv, c *dynamodb.Client) {
			w.must(c.PutResourcePolicy(w.t.Context(), &dynamodb.PutResourcePolicyInput{
				ResourceArn: w.table(), Policy: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",` +
					`"Action":"dynamodb:PutItem","Resource":"*"}]}`),
			}))
		}),
	}
}

func (w *selfEnv) table() *string { return aws.String(self.OnLedger.ARN(w.storage())) }
