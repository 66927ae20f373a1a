package watch

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// tableState is the ledger's table.
type tableState struct {
	Status    string // "": it does not exist
	Protected bool   // from deletion
	BackedUp  bool   // continuously
	Expires   bool   // items have a time to live
	Policy    string // JSON; "": none
}

func readTable(ctx context.Context, c guard.Clients, s icaconfig.Storage) (tableState, error) {
	client, name := tableClient(c, s), aws.String(guard.LedgerTable)
	out, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: name})
	if awserr.Classify(err) == awserr.Gone {
		return tableState{}, nil
	}
	if err != nil {
		return tableState{}, fmt.Errorf("describe table %s: %w", guard.LedgerTable, err)
	}
	state := tableState{Status: string(out.Table.TableStatus), Protected: aws.ToBool(out.Table.DeletionProtectionEnabled)}
	backups, err := client.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: name})
	if err != nil {
		return tableState{}, fmt.Errorf("describe the backups of table %s: %w", guard.LedgerTable, err)
	}
	if d := backups.ContinuousBackupsDescription; d != nil && d.PointInTimeRecoveryDescription != nil {
		state.BackedUp = d.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled
	}
	ttl, err := client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: name})
	if err != nil {
		return tableState{}, fmt.Errorf("describe the time to live of table %s: %w", guard.LedgerTable, err)
	}
	if d := ttl.TimeToLiveDescription; d != nil {
		state.Expires = d.TimeToLiveStatus == types.TimeToLiveStatusEnabled || d.TimeToLiveStatus == types.TimeToLiveStatusEnabling
	}
	state.Policy, err = readTablePolicy(ctx, client, self.OnLedger.ARN(s))
	return state, err
}

func readTablePolicy(ctx context.Context, client *dynamodb.Client, table string) (string, error) {
	out, err := client.GetResourcePolicy(ctx, &dynamodb.GetResourcePolicyInput{ResourceArn: &table})
	if awserr.IsAbsent(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("get the policy of table %s: %w", guard.LedgerTable, err)
	}
	return aws.ToString(out.Policy), nil
}

func compareTable(s icaconfig.Storage, got tableState) guard.Comparison {
	what, repair := "table "+guard.LedgerTable, self.Redeploy(s)
	switch got.Status {
	case "":
		return guard.Alert(what+" does not exist", repair)
	case "ACTIVE", "UPDATING":
	default:
		return guard.Alert(what+" is in status "+got.Status, repair)
	}
	want := self.Policies(s.Home)[self.OnLedger.ARN(s)]
	v := guard.Comparison{Alerts: policyAlerts(what, got.Policy, want, putTablePolicy(s, want))}
	alertIf := func(is bool, fault string) {
		if is {
			v.Alerts = append(v.Alerts, guard.Finding{What: what + " " + fault, Remediation: repair})
		}
	}
	alertIf(!got.Protected, "can be deleted: its deletion protection is off")
	alertIf(!got.BackedUp, "is not backed up: its point-in-time recovery is off")
	alertIf(got.Expires, "loses items: they have a time to live")
	return v
}

// putTablePolicy is the way back: to CloudFormation such a policy has no drift, and it leaves one that was changed alone
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-dynamodb-table-resourcepolicy.html).
func putTablePolicy(s icaconfig.Storage, want []policy.Statement) string {
	return "find out in CloudTrail who changed it and why; make repair does not restore it, this does: aws dynamodb " +
		"put-resource-policy --region " + s.Home.HomeRegion + " --resource-arn " + self.OnLedger.ARN(s) + " --policy '" +
		policy.New(want...).JSON() + "'"
}
