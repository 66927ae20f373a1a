package self

import "github.com/icaguard/icaguard/internal/guard"

// Alarms reports who changes what tells people beside the guard's own messages: CloudWatch's alarms and the logs.
func Alarms() guard.SelfCheck {
	alarms := []string{"icaguard-*"}
	return guard.SelfCheck{
		Row: guard.Row{
			ID:          "guard-alarms",
			Title:       "Nobody changes icaguard's alarms or removes its logs unnoticed",
			Effect:      "nobody is told that icaguard fails, or can find out what it did",
			Remediation: Redeploy,
			On:          OnAlarms,
			Triggers: []guard.Trigger{
				alwaysAlert(ownEvents("aws.monitoring", "alarmNames", alarms, "DeleteAlarms", "DisableAlarmActions")),
				alwaysAlert(ownEvents("aws.monitoring", "alarmName", alarms, "PutMetricAlarm")),
				alwaysAlert(ownEvents("aws.logs", "logGroupName", []string{guard.RemediateFunction, guard.ValidateFunction},
					"DeleteLogGroup", "DeleteLogStream", "PutRetentionPolicy")),
			},
		},
	}
}
