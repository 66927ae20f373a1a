package main

import (
	"fmt"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// outputsPerStorage is how many outputs addOutputs makes for each storage.
const outputsPerStorage = 3

// addOutputs says per storage what to paste into ICA, and where alerts go.
func addOutputs(stack awscdk.Stack, b icaconfig.Baseline, topic string) {
	for _, s := range b.Storages {
		id := camelCase(s.Name)
		output(stack, id+"RoleArn", s.Role.ARN, "paste into ICA: role ARN of the storage credential's configuration")
		output(stack, id+"Bucket", s.Bucket.Name, "paste into ICA: bucket name")
		output(
			stack, id+"Region", fmt.Sprintf("%s (%s)", s.Region.ID, s.Region.AWS),
			"choose in ICA: region of the storage configuration",
		)
	}
	output(stack, "AlertTopic", topic, "alerts and alarms are published to this SNS topic: subscribe whoever is to receive them")
	output(
		stack,
		"NextStep",
		"ICA: System Settings > Storage > Create with the values above, then Manage > Validate; here: icaguard reconcile --all, "+
			"icaguard validate",
		"what to do now; also confirm the e-mail that SNS sent to every alert address",
	)
}

func output(stack awscdk.Stack, id, value, description string) {
	awscdk.NewCfnOutput(stack, &id, &awscdk.CfnOutputProps{Value: &value, Description: jsii.String(description)})
}

// camelCase makes "lab-prod" into "LabProd": the name of an output has letters and digits only.
func camelCase(name string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(name, "-") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}
