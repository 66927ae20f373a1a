package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// What could not be started in an hour or ten tries is of no use any more: the next run checks the same.
const (
	startWithin = 3600.0 // seconds
	startTries  = 10.0
)

// addValidateRules lets validate check without an event, as AWS delivers events with best effort only, and report what
// happens to the guard itself.
func addValidateRules(stack awscdk.Stack, b icaconfig.Baseline, validate awslambda.Function, deadLetters awssqs.Queue) {
	for _, rule := range self.ValidateRules(b.Home) {
		own := scope(stack, "rule", rule.Name)
		props := &awsevents.CfnRuleProps{
			Name:               &rule.Name,
			Description:        jsii.String("Starts the audit of icaguard"),
			ScheduleExpression: optional(rule.Schedule),
			State:              jsii.String("ENABLED"),
			Targets: []any{&awsevents.CfnRule_TargetProperty{
				Id: jsii.String("target"), Arn: &rule.Target, Input: optional(rule.Input), DeadLetterConfig: deadLetterConfig(deadLetters),
				RetryPolicy: &awsevents.CfnRule_RetryPolicyProperty{
					MaximumEventAgeInSeconds: jsii.Number(startWithin), MaximumRetryAttempts: jsii.Number(startTries),
				},
			}},
		}
		if rule.Pattern != nil {
			props.Description, props.EventPattern = jsii.String(
				"Lets icaguard report changes to its own rules, queues, functions and roles",
			), plain(rule.Pattern)
		}
		awsevents.NewCfnRule(own, jsii.String("Rule"), props).Node().AddDependency(validate)
		awslambda.NewCfnPermission(own, jsii.String("Permission"), &awslambda.CfnPermissionProps{
			Action:       jsii.String("lambda:InvokeFunction"),
			FunctionName: validate.FunctionArn(),
			Principal:    jsii.String("events.amazonaws.com"),
			SourceArn:    jsii.String(rule.ARN(b.Home)),
		})
	}
}
