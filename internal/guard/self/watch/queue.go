package watch

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// queueState is one of the guard's queues.
type queueState struct {
	Name, Region string
	Exists       bool
	Redrive      string // the redrive policy, JSON
	Policy       string // JSON; "": none
	Waiting      int    // messages
}

func readQueues(ctx context.Context, c guard.Clients, s icaconfig.Storage) ([]queueState, error) {
	all := []queueState{{Name: guard.RequestQueue, Region: s.Home.HomeRegion}}
	for _, region := range s.Home.Regions() {
		all = append(all, queueState{Name: guard.DeadLetterQueue, Region: region})
	}
	for i := range all {
		if err := readQueue(ctx, c, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func readQueue(ctx context.Context, c guard.Clients, q *queueState) error {
	client := queueClient(c, q.Region)
	at, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &q.Name})
	if awserr.Classify(err) == awserr.Gone {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find queue %s in %s: %w", q.Name, q.Region, err)
	}
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: at.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll},
	})
	if err != nil {
		return fmt.Errorf("read queue %s in %s: %w", q.Name, q.Region, err)
	}
	q.Exists, q.Redrive, q.Policy = true, out.Attributes["RedrivePolicy"], out.Attributes["Policy"]
	q.Waiting, _ = strconv.Atoi(out.Attributes["ApproximateNumberOfMessages"]) // AWS's own number
	return nil
}

func compareQueues(s icaconfig.Storage, got []queueState) guard.Comparison {
	var v guard.Comparison
	policies := self.Policies(s.Home)
	for _, q := range got {
		what := "queue " + q.Name + " in " + q.Region
		if q.Exists {
			v.Alerts = append(v.Alerts, policyAlerts(what, q.Policy, policies[s.Home.ARN("sqs", q.Region, q.Name)], self.Redeploy(s))...)
		}
		switch {
		case !q.Exists:
			v.Alerts = append(v.Alerts, guard.Finding{What: what + " does not exist", Remediation: self.Redeploy(s)})
		case q.Name == guard.RequestQueue && q.Redrive == "":
			v.Alerts = append(v.Alerts, guard.Finding{What: what + " has lost its dead-letter queue", Remediation: self.Redeploy(s)})
		case q.Name == guard.DeadLetterQueue && q.Waiting > 0:
			v.Alerts = append(v.Alerts, guard.Finding{
				What: fmt.Sprintf("%s holds %d messages: events that could not be delivered or handled", what, q.Waiting),
				Remediation: "icaguard dead-letters shows them with the reason; icaguard reconcile --all makes up for events and " +
					"requests, notices are for you to read; icaguard dead-letters --empty removes them",
			})
		}
	}
	return v
}
