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
	shortPeriod = 300.0  // seconds: over which an alarm looks at its metric once
	oldMessage  = 1200.0 // seconds: longer than SQS and so the guard can delay a message
)

// addAlarms notifies people when icaguard cannot do its work, and while a storage is not as it should be. There is
// no OK action: each alarm's first "OK" after a deploy would be a mail.
func addAlarms(stack awscdk.Stack, b icaconfig.Baseline, topic awssns.Topic) {
	add := func(name, says string, props awscloudwatch.CfnAlarmProps) {
		props.AlarmName, props.AlarmDescription, props.AlarmActions = jsii.String("icaguard-"+name), &says, &[]any{topic.TopicArn()}
		awscloudwatch.NewCfnAlarm(scope(stack, "alarm", name), jsii.String("Alarm"), &props)
	}
	add("dead-letters", "Something could not be handled: messages wait in queue "+guard.DeadLetterQueue+".",
		reaches(1, "Maximum", metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", guard.DeadLetterQueue)))
	add("queue-age", "Events wait for more than 20 minutes: "+guard.RemediateFunction+" does not get through its queue.",
		reaches(oldMessage, "Maximum", metric("AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", guard.RequestQueue)))
	for _, name := range []string{guard.RemediateFunction, guard.ValidateFunction} {
		add("errors-"+name[len("icaguard-"):], "Function "+name+" failed; its log group "+logGroup(name)+" says why.",
			reaches(1, "Sum", metric("AWS/Lambda", "Errors", "FunctionName", name)))
		add("throttles-"+name[len("icaguard-"):], "Function "+name+" was not started: the account's Lambda concurrency is used up.",
			reaches(1, "Sum", metric("AWS/Lambda", "Throttles", "FunctionName", name)))
	}
	add("heartbeat", "Nothing was checked for two periods of the audit: no run of "+guard.ValidateFunction+
		" reported. Right after the first deploy this means only that the first run is to come.", heartbeat(b.AuditEvery.Seconds()))
	add(
		"unhealthy", "icaguard's own resources are not as deployed, or it receives no events: run icaguard validate.",
		unhealthy(guard.SelfName, b.AuditEvery.Seconds()),
	)
	for _, s := range b.Storages {
		add(
			"unhealthy-"+s.Name,
			"Storage "+s.Name+" is not as ICA needs it, and the guard has not restored it: run icaguard validate.",
			unhealthy(s.Name, b.AuditEvery.Seconds()),
		)
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
		Namespace:          m.Namespace,
		MetricName:         m.MetricName,
		Dimensions:         m.Dimensions,
		Statistic:          &statistic,
		Period:             jsii.Number(shortPeriod),
		EvaluationPeriods:  jsii.Number(1),
		Threshold:          &threshold,
		ComparisonOperator: jsii.String("GreaterThanOrEqualToThreshold"),
		TreatMissingData:   jsii.String("notBreaching"),
	}
}

// heartbeat alarms when no audit of everything was reported in two periods of the audit: one alone may hold none, as
// runs move a little
// against the clock. It counts what validate measures of the guard itself, so neither the audit of IAM alone nor a run
// that failed
// keeps it quiet. Two of
// the longest audit period's are two days, over which CloudWatch looks back for periods of an hour or more.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
func heartbeat(period float64) awscloudwatch.CfnAlarmProps {
	props := reaches(1, "SampleCount", metric(guard.MetricNamespace, report.Unhealthy, report.ByStorage, guard.SelfName))
	props.Period, props.EvaluationPeriods = &period, jsii.Number(2)
	props.ComparisonOperator, props.TreatMissingData = jsii.String("LessThanThreshold"), jsii.String("breaching")
	return props
}

// unhealthy alarms on what validate measures once in each period, when two in a row say so: what an audit finds
// drifted, the guard restores right after it. While it measures nothing, the last word stands; that it does not is the
// heartbeat's to report.
func unhealthy(storage string, period float64) awscloudwatch.CfnAlarmProps {
	props := reaches(1, "Maximum", metric(guard.MetricNamespace, report.Unhealthy, report.ByStorage, storage))
	props.Period, props.EvaluationPeriods, props.TreatMissingData = &period, jsii.Number(2), jsii.String("ignore")
	return props
}
