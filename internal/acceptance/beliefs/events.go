package beliefs

func aboutEvents() []Belief { //nolint:funlen // a table
	return []Belief{
		{
			ID: "event-documents", Grade: "sample, inferred",
			Fact: "`requestParameters` of PutBucketPolicy hold the policy as an object (`bucketPolicy`), those of PutKeyPolicy " +
				"as text (`policy`), those of PutBucketCors and PutBucketNotification S3's XML as an object",
			Source:  "recorded events; none of PutBucketCors is public",
			RestsOn: "they are the witness of what was written; what cannot be read says nothing",
			In:      []string{"internal/guard/settings/event_document.go"},
			OfRun: every(map[string]func(record) string{
				"PutBucketPolicy":       has("bucketPolicy", "an object"),
				"PutKeyPolicy":          has("policy", "text"),
				"PutBucketCors":         has("CORSConfiguration", "an object"),
				"PutBucketNotification": has("NotificationConfiguration", "an object"),
			}),
		},
		{
			ID: "notification-event-names", Grade: "sample",
			Fact: "Old and new events of PutBucketNotification use the element names of S3's XML (`CloudFunctionConfiguration`, " +
				"`Topic`, `Event`)",
			Source:  "recorded event of 2018, API_PutBucketNotificationConfiguration",
			RestsOn: "ICA's entries are learnt from them; the SDKs' names are taken too",
			In:      []string{"internal/guard/settings/notification_authors.go"},
			OfRun:   each(xmlNotification, "PutBucketNotification", "PutBucketNotificationConfiguration"),
		},
		{
			ID: "parameters-100kb", Grade: "doc",
			Fact:    "CloudTrail leaves out request parameters above 100 KB",
			Source:  "CloudTrail User Guide, \"CloudTrail record contents\"",
			RestsOn: "such a write of ICA's is not learnt, and said",
			In:      []string{"internal/guard/request.go"},
			Answer:  documented(),
		},
		{
			ID: "trail-home-region", Grade: "doc",
			Fact: "StopLogging and other changes of a trail are recorded in the trail's home region, of an organisation's in " +
				"the managing account",
			Source:  "CloudTrail: \"CloudTrail concepts\"",
			RestsOn: "a note of guard-trail where that is none of ours",
			In:      []string{"internal/guard/self/trail.go"},
			Answer:  notTried("a stopped trail is the end of the run's events"),
		},
		{
			ID: "lambda-event-versions", Grade: "doc",
			Fact:    "An event name of Lambda's may bear the version of its API or not",
			Source:  "Lambda: \"Logging Lambda API calls using CloudTrail\"",
			RestsOn: "rules match Lambda's events by prefix, rows name them without version",
			In:      []string{"internal/cloudtrail/event.go"},
			OfRun:   only(ofLambda, knownLambdaName),
		},
		{
			ID: "lambda-sns-event-names", Grade: "inferred",
			Fact: "PutFunctionRecursionConfig, DeleteFunctionEventInvokeConfig and SNS PutDataProtectionPolicy are events of " +
				"that name with `functionName`, `resourceArn`",
			Source:  "their siblings",
			RestsOn: "guard-function and guard-topic hear them",
			In:      []string{"internal/guard/self/function.go"},
			OfRun: every(map[string]func(record) string{
				"PutFunctionRecursionConfig":      has("functionName", "text"),
				"DeleteFunctionEventInvokeConfig": has("functionName", "text"),
				"PutDataProtectionPolicy":         has("resourceArn", "text"),
			}),
		},
		{
			ID: "no-reads-delivered", Grade: "doc",
			Fact:    "A rule in state ENABLED gets no reads; a changed rule may take a short time to work",
			Source:  "EventBridge: \"AWS service events via CloudTrail\", PutRule",
			RestsOn: "`icaguard-guard-changed` names no events; the probe of `make deploy` tries twice",
			In:      []string{"internal/guard/self/rules.go"},
			OfRun:   only(anyEvent, isWrite),
		},
		{
			ID: "iam-events-region", Grade: "doc",
			Fact:    "IAM's events are recorded in us-east-1 and appear on the default bus there only",
			Source:  "EventBridge User Guide, \"AWS service events via CloudTrail\": global services",
			RestsOn: "the relay stack, and the audits where none is wanted",
			In:      []string{"internal/icaconfig/home.go"},
			OfRun:   only(ofIAM, iamInItsRegion),
		},
		{
			ID: "delivery-time", Grade: "inferred",
			Fact:    "An event is on the bus within three minutes of its call",
			Source:  "EventBridge promises best effort and no time; public reports have seconds",
			RestsOn: "`icaguard probe` waits so long; the audit finds what comes later or never",
			In:      []string{"cmd/icaguard/probe.go"},
			OfRun:   inTime,
		},
		{
			ID: "failed-calls-delivered", Grade: "doc",
			Fact:    "A call that failed is an event too, with `errorCode`",
			Source:  "CloudTrail User Guide, \"CloudTrail record contents\"",
			RestsOn: "such an event leads to no check",
			In:      []string{"internal/guard/route.go"},
			OfRun:   failedCalls,
		},
		{
			ID: "stack-call-source", Grade: "doc",
			Fact:    "A call that CloudFormation makes for somebody has `cloudformation.amazonaws.com` as its source address",
			Source:  "CloudFormation User Guide, \"Logging CloudFormation API calls\"",
			RestsOn: "an event about icaguard's own resources that a deploy of ours made is no alert",
			In:      []string{"internal/guard/names.go"},
			OfRun:   stackCalls,
		},
		{
			ID: "web-identity-record", Grade: "doc",
			Fact: "`AssumeRoleWithWebIdentity` is recorded in the role's account, in the region of the STS endpoint that was " +
				"called, and for the global endpoint in us-east-1, with the session's name and the role's ARN in it",
			Source:  "IAM User Guide, \"Logging IAM and AWS STS API calls with AWS CloudTrail\"",
			RestsOn: "the command that shows when a prefix was last used",
			In:      []string{"README.md"},
			Answer:  notTried("needs a token of Illumina's provider"),
		},
		{
			ID: "web-identity-shape", Grade: "doc",
			Fact: "The record of a call by a web identity has `webIdFederationData.federatedProvider` in its session context, " +
				"and the session's name is the last part of its ARN",
			Source:  "CloudTrail User Guide, \"CloudTrail userIdentity element\"",
			RestsOn: "the name of ICA's session, which bears the secret prefix, is masked",
			In:      []string{"internal/cloudtrail/event.go"},
			Answer:  notTried("needs a token of Illumina's provider"),
		},
	}
}
