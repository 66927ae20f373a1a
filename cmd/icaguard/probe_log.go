package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/icaguard/icaguard/internal/guard"
)

// functionLog is the log group of remediate, which names the request id of every call whose event it receives.
type functionLog struct {
	client *cloudwatchlogs.Client
	since  time.Time
}

// newFunctionLog searches from a little before now: the clock here need not be AWS's.
func (s session) newFunctionLog() functionLog {
	return functionLog{client: cloudwatchlogs.NewFromConfig(s.aws), since: time.Now().Add(-15 * time.Minute)}
}

// check fails where nobody could see calls arrive, before any is made.
func (l functionLog) check(ctx context.Context) error {
	_, err := l.find(ctx, "icaguard probe")
	return err
}

// pollEvery is far below what CloudWatch Logs lets an account ask in a second, for a handful of calls.
const pollEvery = 2 * time.Second

// await searches for the calls until all have arrived or the time is over.
func (l functionLog) await(ctx context.Context, probes []probe, timeout time.Duration) error {
	for deadline := time.Now().Add(timeout); ; {
		waiting := false
		for i := range probes {
			if probes[i].Result != notArrived {
				continue
			}
			if err := l.seek(ctx, &probes[i]); err != nil {
				return err
			}
			waiting = waiting || probes[i].Result == notArrived
		}
		if !waiting || time.Now().After(deadline) {
			return nil
		}
		if err := guard.Sleep(ctx, pollEvery); err != nil {
			return fmt.Errorf("probe: interrupted while calls were on their way; they changed nothing: %w", err)
		}
	}
}

func (l functionLog) seek(ctx context.Context, p *probe) error {
	event, err := l.find(ctx, p.RequestID)
	if err != nil || event == nil {
		return err
	}
	p.Result = arrived
	p.Seconds = max(0, time.UnixMilli(aws.ToInt64(event.Timestamp)).Sub(p.Called).Seconds()) // the clock here may be ahead
	var line struct{ Msg, Reason string }
	if json.Unmarshal([]byte(aws.ToString(event.Message)), &line) == nil && line.Reason != "" {
		p.Result = ignored
		p.add(
			"it arrived, but the deployed guard has nothing to do with it: " + line.Reason + "; deploy this configuration: make deploy",
		)
	}
	return nil
}

// find answers the first line with the phrase; nil if there is none yet. Pages may be empty before the last one.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
func (l functionLog) find(ctx context.Context, phrase string) (*types.FilteredLogEvent, error) {
	pages := cloudwatchlogs.NewFilterLogEventsPaginator(l.client, &cloudwatchlogs.FilterLogEventsInput{
		LogGroupName:  aws.String(remediateLog),
		StartTime:     aws.Int64(l.since.UnixMilli()),
		FilterPattern: aws.String(`"` + phrase + `"`),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		var missing *types.ResourceNotFoundException
		if errors.As(err, &missing) {
			return nil, nil //nolint:nilnil // the function has logged nothing yet
		}
		if err != nil {
			return nil, fmt.Errorf("probe: search log group %s, which needs logs:FilterLogEvents: %w", remediateLog, err)
		}
		if len(page.Events) > 0 {
			return &page.Events[0], nil
		}
	}
	return nil, nil //nolint:nilnil // not arrived is an answer
}
