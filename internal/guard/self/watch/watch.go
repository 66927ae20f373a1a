// Package watch reads icaguard's own resources and compares them with what was deployed. It joins the rows of package
// self with their readers.
//
// Invariant: it writes nothing.
package watch

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// All are the checks of package self with their readers, in its order.
func All() []guard.SelfCheck {
	return []guard.SelfCheck{
		guard.Watch(self.Trail(), readTrails, compareTrails),
		guard.Watch(self.RulesCheck(), readRules, compareRules),
		guard.Watch(self.Queue(), readQueues, compareQueues),
		guard.Watch(self.Function(), readFunctions, compareFunctions),
		guard.Watch(self.Role(), readGuardRoles, compareGuardRoles),
		guard.Watch(self.Topic(), readTopic, compareTopic),
		guard.Watch(self.Alarms(), readNothing, compareNothing),
		guard.Watch(self.Ledger(), readTable, compareTable),
		guard.Watch(self.Pause(), readNothing, compareNothing),
	}
}

// readNothing is for what only events tell: what is paused now, the gate and every audit's report say.
func readNothing(context.Context, guard.Clients, icaconfig.Storage) (struct{}, error) {
	return struct{}{}, nil
}

func compareNothing(icaconfig.Storage, struct{}) guard.Comparison { return guard.Comparison{} }

// Clients for the regions in which icaguard's own resources stand.
func trailClient(c guard.Clients, region string) *cloudtrail.Client {
	return cloudtrail.NewFromConfig(c.Config, func(o *cloudtrail.Options) { o.Region = region })
}

func eventsClient(c guard.Clients, region string) *eventbridge.Client {
	return eventbridge.NewFromConfig(c.Config, func(o *eventbridge.Options) { o.Region = region })
}

func queueClient(c guard.Clients, region string) *sqs.Client {
	return sqs.NewFromConfig(c.Config, func(o *sqs.Options) { o.Region = region })
}

func lambdaClient(c guard.Clients, s icaconfig.Storage) *lambda.Client {
	return lambda.NewFromConfig(c.Config, func(o *lambda.Options) { o.Region = s.Home.HomeRegion })
}

func topicClient(c guard.Clients, s icaconfig.Storage) *sns.Client {
	return sns.NewFromConfig(c.Config, func(o *sns.Options) { o.Region = s.Home.HomeRegion })
}

func tableClient(c guard.Clients, s icaconfig.Storage) *dynamodb.Client {
	return dynamodb.NewFromConfig(c.Config, func(o *dynamodb.Options) { o.Region = s.Home.HomeRegion })
}
