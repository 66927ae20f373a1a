package self

import "github.com/icaguard/icaguard/internal/guard"

func Ledger() guard.SelfCheck {
	table := []string{guard.LedgerTable}
	return guard.SelfCheck{
		Row: guard.Row{
			ID:    "guard-ledger",
			Title: "The table of the ledger and its policy are as deployed: protected, backed up, written by remediate alone",
			Effect: "what restores replace is not backed up, and notifications that ICA put cannot be restored, or are restored as " +
				"somebody else wrote them",
			Remediation: Redeploy,
			On:          OnLedger,
			Triggers: []guard.Trigger{
				alwaysAlert(ownEvents("aws.dynamodb", "tableName", table, "DeleteTable", "UpdateTable", "UpdateContinuousBackups",
					"UpdateTimeToLive")),
				alwaysAlert(ownEvents("aws.dynamodb", "resourceArn", table, "PutResourcePolicy", "DeleteResourcePolicy")),
			},
			Reads: guard.Actions(OnLedger, "dynamodb:DescribeContinuousBackups", "dynamodb:DescribeTable",
				"dynamodb:DescribeTimeToLive", "dynamodb:GetResourcePolicy"),
		},
	}
}
