package self

import "github.com/icaguard/icaguard/internal/guard"

func Ledger() guard.SelfCheck {
	return guard.SelfCheck{
		Row: guard.Row{
			ID:          "guard-ledger",
			Title:       "The table of the ledger is there as deployed",
			Effect:      "what restores replace is not backed up, and notifications that ICA put cannot be restored",
			Remediation: Redeploy,
			On:          OnLedger,
			Triggers: []guard.Trigger{
				alwaysAlert(ownEvents("aws.dynamodb", "tableName", []string{guard.LedgerTable}, "DeleteTable", "UpdateTable")),
			},
			Reads: guard.Actions(OnLedger, "dynamodb:DescribeTable"),
		},
	}
}
