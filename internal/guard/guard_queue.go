package guard

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// queueState is one of the guard's queues.
type queueState struct {
	Name, Region string
	Exists       bool
	Redrive      string // the redrive policy, JSON
	Waiting      int    // messages
}

// guardQueue also watches the dead-letter queues of all regions: an alarm there could reach people only by the relay, which is what may
// be broken.
func guardQueue() Setting {
	return define(Setting{
		ID:          "guard-queue",
		Title:       "The guard's queues are there as deployed, and no message lies in a dead-letter queue",
		Effect:      "events are lost: drift is found only by the scheduled audit",
		Remediation: redeploy,
		On:          OnQueues,
		Triggers: []Trigger{
			alwaysAlert(ownEvents("aws.sqs", "queueUrl", []string{RequestQueue, DeadLetterQueue}, "SetQueueAttributes", "DeleteQueue", "PurgeQueue")),
		},
		Reads: on(OnQueues, "sqs:GetQueueAttributes", "sqs:GetQueueUrl"),
	}, spec[[]queueState]{read: readQueues, compare: compareQueues})
}

func readQueues(ctx context.Context, c Clients, s icaconfig.Storage) ([]queueState, error) {
	all := []queueState{{Name: RequestQueue, Region: s.Home.HomeRegion}}
	for _, region := range s.Home.Regions() {
		all = append(all, queueState{Name: DeadLetterQueue, Region: region})
	}
	for i := range all {
		if err := c.readQueue(ctx, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (c Clients) readQueue(ctx context.Context, q *queueState) error {
	client := c.sqs(q.Region)
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
	q.Exists, q.Redrive = true, out.Attributes["RedrivePolicy"]
	q.Waiting, _ = strconv.Atoi(out.Attributes["ApproximateNumberOfMessages"]) // AWS's own number
	return nil
}

func compareQueues(s icaconfig.Storage, got []queueState) Comparison {
	var v Comparison
	for _, q := range got {
		what := "queue " + q.Name + " in " + q.Region
		switch {
		case !q.Exists:
			v.Alerts = append(v.Alerts, Finding{What: what + " does not exist", Remediation: redeploy(s)})
		case q.Name == RequestQueue && q.Redrive == "":
			v.Alerts = append(v.Alerts, Finding{What: what + " has lost its dead-letter queue", Remediation: redeploy(s)})
		case q.Name == DeadLetterQueue && q.Waiting > 0:
			v.Alerts = append(v.Alerts, Finding{
				What:        fmt.Sprintf("%s holds %d messages: events that could not be delivered or handled", what, q.Waiting),
				Remediation: "icaguard dead-letters shows them with the reason; icaguard reconcile --all makes up for events and requests, notices are for you to read; icaguard dead-letters --empty removes them",
			})
		}
	}
	return v
}
