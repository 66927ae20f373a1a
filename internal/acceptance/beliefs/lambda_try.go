package beliefs

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	cttypes "github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/icaguard/icaguard/internal/acceptance/evidence"
	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
)

// invokeErrors gives validate what it refuses.
func invokeErrors(ctx context.Context, l *lab) (evidence.Answer, error) {
	out, err := l.lambda().Invoke(ctx, &lambda.InvokeInput{
		FunctionName: aws.String(guard.ValidateFunction), Payload: []byte(`{"acceptance": "no such thing"}`),
	})
	if err != nil {
		return evidence.Answer{}, err
	}
	return failedInvocation(out), nil
}

func failedInvocation(out *lambda.InvokeOutput) evidence.Answer {
	var payload struct{ ErrorMessage, ErrorType *string }
	decoded := json.Unmarshal(out.Payload, &payload)
	return holds(out.StatusCode == http.StatusOK && aws.ToString(out.FunctionError) != "" && decoded == nil &&
		payload.ErrorMessage != nil && payload.ErrorType != nil,
		"status %d, X-Amz-Function-Error %q, payload %s", out.StatusCode, aws.ToString(out.FunctionError), out.Payload)
}

// recursionConfig reads what the deploy set.
func recursionConfig(ctx context.Context, l *lab) (evidence.Answer, error) {
	out, err := l.lambda().GetFunctionRecursionConfig(
		ctx, &lambda.GetFunctionRecursionConfigInput{FunctionName: aws.String(guard.RemediateFunction)},
	)
	if err != nil {
		return evidence.Answer{}, err
	}
	return holds(out.RecursiveLoop == "Allow", "remediate was deployed with Allow and answers %s", out.RecursiveLoop), nil
}

func functionLogs(ctx context.Context, l *lab) (evidence.Answer, error) {
	group := "/aws/lambda/" + guard.RemediateFunction
	out, err := cloudwatchlogs.NewFromConfig(l.home()).DescribeLogStreams(
		ctx, &cloudwatchlogs.DescribeLogStreamsInput{LogGroupName: &group},
	)
	if awserr.Classify(err) == awserr.Gone || err == nil && len(out.LogStreams) == 0 {
		return notSeen("%s has no stream", group), nil
	}
	if err != nil {
		return evidence.Answer{}, err
	}
	return confirmed("%s has %d streams", group, len(out.LogStreams)), nil
}

// tableKeyCalls looks up what DynamoDB called in KMS in the name of icaguard's functions in the last hour.
func tableKeyCalls(ctx context.Context, l *lab) (a evidence.Answer, err error) {
	for range 10 { // times a minute: CloudTrail shows an event a few minutes later
		found, err := l.lookUp(ctx, cttypes.LookupAttributeKeyEventSource, "kms.amazonaws.com")
		if a = keyCallsOf(found); err != nil || a.Verdict != evidence.NotSeen || l.Local || ctx.Err() != nil {
			return a, err
		}
		wait(ctx, time.Minute)
	}
	return a, nil
}

// keyCallsOf is refuted by a call that failed: the Deny spares Decrypt and Encrypt, and whatever carries the key.
func keyCallsOf(records []evidence.Raw) evidence.Answer {
	var names []string
	for _, raw := range records {
		r := parse(raw)
		ours := strings.HasPrefix(r.Detail.UserIdentity.SessionContext.SessionIssuer.UserName, "icaguard-")
		if !ours || r.Detail.SourceIPAddress != "dynamodb.amazonaws.com" {
			continue
		}
		if r.Detail.ErrorCode != "" {
			return refuted("DynamoDB's %s in the name of %s failed with %s", r.Detail.EventName, r.Detail.UserIdentity.ARN,
				r.Detail.ErrorCode)
		}
		names = append(names, r.Detail.EventName)
	}
	if len(names) == 0 {
		return notSeen("no call of DynamoDB to KMS in the name of a function; CloudTrail shows them a quarter of an hour later")
	}
	slices.Sort(names)
	return confirmed("DynamoDB called %s, none of them denied", strings.Join(slices.Compact(names), ", "))
}

// lookUp finds events in CloudTrail's history, reads too, which are on no bus.
func (l *lab) lookUp(ctx context.Context, key cttypes.LookupAttributeKey, value string) (found []evidence.Raw, err error) {
	pages := cloudtrail.NewLookupEventsPaginator(cloudtrail.NewFromConfig(l.home()), &cloudtrail.LookupEventsInput{
		LookupAttributes: []cttypes.LookupAttribute{{AttributeKey: key, AttributeValue: &value}},
		StartTime:        aws.Time(time.Now().Add(-time.Hour)),
	})
	for n := 0; pages.HasMorePages() && n < 20; n++ { // two calls a second are allowed
		page, err := pages.NextPage(ctx)
		if err != nil {
			return found, fmt.Errorf("look up %s: %w", value, err)
		}
		for _, event := range page.Events {
			found = append(found, evidence.Raw{Body: json.RawMessage(aws.ToString(event.CloudTrailEvent))})
		}
	}
	return found, nil
}

func lookUpWorks(ctx context.Context, l *lab) (evidence.Answer, error) {
	_, err := l.lookUp(ctx, cttypes.LookupAttributeKeyEventName, "CreateBucket")
	if err != nil {
		return evidence.Answer{}, err
	}
	return confirmed("LookupEvents answers"), nil
}
