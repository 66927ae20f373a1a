package main

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/jsii-runtime-go"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/report"
)

// addDashboard shows how the storages are, what drifted and was restored, and how the guard itself does.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
func addDashboard(stack awscdk.Stack, b icaconfig.Baseline) {
	graphs := []graph{
		{"Storages: 1 is not as ICA needs it", "Maximum", perStorage(b, report.Unhealthy)},
		{"Drift that only the audit found", "Sum", perStorage(b, report.FoundByAudit)},
		{"Drift, by setting", "Sum", perSetting(report.Drift, "Sum")},
		{"Restored, by setting", "Sum", perSetting(report.Restored, "Sum")},
		{"Seconds from event to restored, the slowest", "Maximum", perSetting(report.RestoreSeconds, "Maximum")},
		{"Messages that wait", "Maximum", [][]any{
			{"AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", guard.RequestQueue},
			{"AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", guard.DeadLetterQueue},
		}},
		{"Errors of the functions", "Sum", perFunction("Errors")},
		{"Milliseconds that the functions ran", "Maximum", perFunction("Duration")},
	}
	awscloudwatch.NewCfnDashboard(stack, jsii.String("Dashboard"), &awscloudwatch.CfnDashboardProps{
		DashboardName: jsii.String(guard.Dashboard), DashboardBody: jsii.String(dashboardBody(graphs, b.HomeRegion)),
	})
}

// graph is one widget; its metrics as CloudWatch's dashboards take them.
type graph struct {
	title, statistic string
	metrics          [][]any
}

// dashboardBody lays the graphs out two in a row, on CloudWatch's grid of 24 columns.
func dashboardBody(graphs []graph, region string) string {
	const columns, width, height = 2, 12, 6
	widgets := make([]map[string]any, len(graphs))
	for i, g := range graphs {
		widgets[i] = map[string]any{
			"type": "metric", "x": i % columns * width, "y": i / columns * height, "width": width, "height": height,
			"properties": map[string]any{
				"title": g.title, "stat": g.statistic, "metrics": g.metrics, "region": region, "view": "timeSeries", "period": shortPeriod,
			},
		}
	}
	return text(map[string]any{"widgets": widgets})
}

func perStorage(b icaconfig.Baseline, name string) [][]any {
	metrics := make([][]any, len(b.Storages))
	for i, s := range b.Storages {
		metrics[i] = []any{guard.MetricNamespace, name, report.ByStorage, s.Name}
	}
	return metrics
}

func perFunction(name string) [][]any {
	return [][]any{
		{"AWS/Lambda", name, "FunctionName", guard.RemediateFunction},
		{"AWS/Lambda", name, "FunctionName", guard.ValidateFunction},
	}
}

// perSetting searches: the metric exists for those settings only that ever drifted.
func perSetting(name, statistic string) [][]any {
	return [][]any{{map[string]any{"id": "search", "expression": fmt.Sprintf(`SEARCH('{%s,%s,%s} MetricName="%s"', '%s')`,
		guard.MetricNamespace, report.BySetting, report.ByStorage, name, statistic)}}}
}
