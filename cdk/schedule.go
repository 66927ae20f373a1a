package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// What could not be started in an hour or ten tries is of no use any more: the next run looks at the same.
const (
	startWithin = 3600.0 // seconds
	startTries  = 10.0
)

// addSchedules lets validate look without an event, as AWS delivers events with best effort only.
func addSchedules(stack awscdk.Stack, b icaconfig.Baseline, validate awslambda.Function, deadLetters awssqs.Queue) {
	for _, rule := range guard.ScheduleRules(b.Home) {
		own := scope(stack, "rule", rule.Name)
		awsevents.NewCfnRule(own, jsii.String("Rule"), &awsevents.CfnRuleProps{
			Name:               &rule.Name,
			Description:        jsii.String("Lets icaguard look without an event"),
			ScheduleExpression: &rule.Schedule,
			State:              jsii.String("ENABLED"),
			Targets: []any{&awsevents.CfnRule_TargetProperty{
				Id: jsii.String("target"), Arn: &rule.Target, Input: &rule.Input, DeadLetterConfig: deadLetterConfig(deadLetters),
				RetryPolicy: &awsevents.CfnRule_RetryPolicyProperty{
					MaximumEventAgeInSeconds: jsii.Number(startWithin), MaximumRetryAttempts: jsii.Number(startTries),
				},
			}},
		}).Node().AddDependency(validate)
		awslambda.NewCfnPermission(own, jsii.String("Permission"), &awslambda.CfnPermissionProps{
			Action: jsii.String("lambda:InvokeFunction"), FunctionName: validate.FunctionArn(), Principal: jsii.String("events.amazonaws.com"),
			SourceArn: jsii.String(arnsOf(b, []guard.Rule{rule})[0]),
		})
	}
}
