package watch

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/icaguard/icaguard/internal/guard"
)

// guardAlarmsCases has no alarm: the local AWS does not speak CloudWatch's protocol.
func guardAlarmsCases() []selfCase {
	return []selfCase{{
		setting: "guard-alarms", name: "log forgotten", want: guard.ActionRequired,
		says: "PutRetentionPolicy by arn:aws:iam::123456789012:user/AKIASTRANGER",
		breakIt: func(w *selfEnv) {
			group := aws.String("/aws/lambda/" + guard.RemediateFunction)
			_, _ = cloudwatchlogs.NewFromConfig(w.local.DirectConfig(inHome)).CreateLogGroup(
				w.t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: group}, // if it is not there
			)
			w.must(cloudwatchlogs.NewFromConfig(w.stranger.Config).PutRetentionPolicy(
				w.t.Context(), &cloudwatchlogs.PutRetentionPolicyInput{LogGroupName: group, RetentionInDays: aws.Int32(1)},
			))
		},
	}}
}
