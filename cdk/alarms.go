package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/report"
)

const (
	shortPeriod = 300.0 // seconds: what an alarm looks at once
	oldMessage  = 600.0 // seconds: longer than the guard delays any message of its own
)

// addAlarms tells people when the guard itself cannot do its work, and while a storage is not as it should be. There is no OK action: each
// alarm's first "OK" after a deploy would be a mail.
func addAlarms(stack awscdk.Stack, b icaconfig.Baseline, topic awssns.Topic) {
	add := func(name, says string, props awscloudwatch.CfnAlarmProps) {
		props.AlarmName, props.AlarmDescription, props.AlarmActions = jsii.String("icaguard-"+name), &says, &[]any{topic.TopicArn()}
		awscloudwatch.NewCfnAlarm(scope(stack, "alarm", name), jsii.String("Alarm"), &props)
	}
	add("dead-letters", "Something could not be handled: messages wait in queue "+guard.DeadLetterQueue+".",
		reaches(1, "Maximum", metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", guard.DeadLetterQueue)))
	add("queue-age", "Events wait for more than 10 minutes: "+guard.RemediateFunction+" does not get through its queue.",
		reaches(oldMessage, "Maximum", metric("AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", guard.LookQueue)))
	for _, name := range []string{guard.RemediateFunction, guard.ValidateFunction} {
		add("errors-"+name[len("icaguard-"):], "Function "+name+" failed; its log group "+logGroup(name)+" says why.",
			reaches(1, "Sum", metric("AWS/Lambda", "Errors", "FunctionName", name)))
		add("throttles-"+name[len("icaguard-"):], "Function "+name+" was not started: the account's Lambda concurrency is used up.",
			reaches(1, "Sum", metric("AWS/Lambda", "Throttles", "FunctionName", name)))
	}
	add("heartbeat", "Nothing was looked at for two periods of the schedule: no run of "+guard.ValidateFunction+
		" ended well. Right after the first deploy this means only that the first run is to come.", heartbeat(b.Schedule.Seconds()))
	for _, s := range b.Storages {
		add("unhealthy-"+s.Name, "Storage "+s.Name+" is not as ICA needs it, and the guard has not put it right: run icaguard validate.", unhealthy(s.Name, b.Schedule.Seconds()))
	}
}

// metric is a metric with one dimension.
func metric(namespace, name, dimension, value string) *awscloudwatch.CfnAlarm_MetricProperty {
	return &awscloudwatch.CfnAlarm_MetricProperty{
		Namespace: &namespace, MetricName: &name,
		Dimensions: []any{&awscloudwatch.CfnAlarm_DimensionProperty{Name: &dimension, Value: &value}},
	}
}

// reaches alarms once a metric reaches the threshold. AWS's own metrics have no values while nothing happens, which is well.
func reaches(threshold float64, statistic string, m *awscloudwatch.CfnAlarm_MetricProperty) awscloudwatch.CfnAlarmProps {
	return awscloudwatch.CfnAlarmProps{
		Namespace: m.Namespace, MetricName: m.MetricName, Dimensions: m.Dimensions, Statistic: &statistic, Period: jsii.Number(shortPeriod),
		EvaluationPeriods: jsii.Number(1), Threshold: &threshold, ComparisonOperator: jsii.String("GreaterThanOrEqualToThreshold"),
		TreatMissingData: jsii.String("notBreaching"),
	}
}

// heartbeat alarms when no run of validate ended well in two periods of the schedule: one alone may hold none, as runs move a little
// against the clock. Two of the longest schedule's are two days, which CloudWatch looks back on for periods of an hour or more.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
func heartbeat(period float64) awscloudwatch.CfnAlarmProps {
	sum := func(id, name string) any {
		return &awscloudwatch.CfnAlarm_MetricDataQueryProperty{
			Id: &id, ReturnData: jsii.Bool(false),
			MetricStat: &awscloudwatch.CfnAlarm_MetricStatProperty{
				Metric: metric("AWS/Lambda", name, "FunctionName", guard.ValidateFunction), Period: &period, Stat: jsii.String("Sum"),
			},
		}
	}
	return awscloudwatch.CfnAlarmProps{
		Metrics: []any{
			sum("invocations", "Invocations"), sum("errors", "Errors"),
			&awscloudwatch.CfnAlarm_MetricDataQueryProperty{
				Id: jsii.String("successes"), Expression: jsii.String("invocations - errors"), Label: jsii.String("runs that ended well"), ReturnData: jsii.Bool(true),
			},
		},
		EvaluationPeriods: jsii.Number(2), Threshold: jsii.Number(1), ComparisonOperator: jsii.String("LessThanThreshold"),
		TreatMissingData: jsii.String("breaching"),
	}
}

// unhealthy alarms on what validate measures once in each period. While it measures nothing, the last word stands; that it does not is
// the heartbeat's to tell.
func unhealthy(storage string, period float64) awscloudwatch.CfnAlarmProps {
	props := reaches(1, "Maximum", metric(guard.MetricNamespace, report.Unhealthy, byStorage, storage))
	props.Period, props.TreatMissingData = &period, jsii.String("ignore")
	return props
}
