package self

import (
	"strings"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Trail: EventBridge receives only those API calls that some trail logs
// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-service-event-cloudtrail.html).
func Trail() guard.SelfCheck {
	return guard.SelfCheck{
		Row: guard.Row{
			ID:     "guard-trail",
			Title:  "A CloudTrail trail logs management events in every region from which icaguard receives events",
			Effect: "icaguard receives no events; drift is found only by the scheduled audit",
			Remediation: func(icaconfig.Storage) string {
				return "let a trail of all regions log management events (read-write or write-only), KMS not excluded; or write trail: " +
					"create into ica.yaml and deploy"
			},
			On: OnTrails,
			Triggers: []guard.Trigger{
				{
					Source:      "aws.cloudtrail",
					Events:      []string{"StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors"},
					AnyResource: true,
				},
				alwaysAlert(guard.Trigger{
					Source: "aws.s3", Events: []string{"PutBucketPolicy", "DeleteBucketPolicy"}, Parameter: "bucketName",
					Names: func(s icaconfig.Storage) []string { return trailBuckets(s.Home) },
				}),
			},
			Reads: append(
				guard.Actions(guard.OnAccount, "cloudtrail:DescribeTrails"),
				guard.Actions(OnTrails, "cloudtrail:GetEventSelectors", "cloudtrail:GetTrailStatus")...),
		},
	}
}

// trailBuckets is the bucket of our own trail, if we have one. CloudFormation makes up its name from those of the stack
// and of the resource (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-name.html).
func trailBuckets(h icaconfig.Home) []string {
	stack, ok := h.Stack(icaconfig.GuardStack, h.HomeRegion)
	if !ok || !h.CreateTrail {
		return nil
	}
	return []string{stack.Name + "-" + strings.ToLower(TrailBucket) + "*"}
}

// TrailBucket is the resource of the trail's bucket in the guard's stack.
const TrailBucket = "TrailBucket"
