package beliefs

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
)

// list is what `emulation.py --list` prints: kept beside the answers, as the program runs where there is no Python.
//
//go:embed emulations.json
var list []byte

// emulations has a belief for each difference between moto and AWS that emulation.py lists: that AWS does what is said
// there. Its id is the entry's.
func emulations() []Belief {
	var entries []struct{ ID, Service, Moto, AWS, Doc, By string }
	if json.Unmarshal(list, &entries) != nil {
		return nil
	}
	var rows []Belief
	answers, ofRun := emulationAnswers(), emulationsOfRun()
	for _, entry := range entries {
		b := Belief{
			ID: entry.ID, Fact: fmt.Sprintf("%s: AWS %s; moto %s", entry.Service, entry.AWS, entry.Moto),
			Source: entry.Doc, Grade: "emulated",
			RestsOn: "tests", In: []string{"internal/localaws/emulation.py"},
			Answer: answers[entry.ID], OfRun: ofRun[entry.ID],
		}
		if entry.By == "" {
			b.Grade, b.RestsOn = "doc", "what the local AWS cannot test"
		} else if strings.HasSuffix(entry.By, ".go") {
			b.In = append(b.In, "internal/localaws/"+entry.By)
		}
		rows = append(rows, b)
	}
	return rows
}

const localOnly = "about the local AWS alone"

// emulationsOfRun are what the run itself says, by the entry's id.
func emulationsOfRun() map[string]witness {
	return map[string]witness{
		"cfn-bucket-properties": restoredBy("CORS, public access block, ownership and encryption of the bucket are as the " +
			"template has them, or nothing were restored"),
		"events-bus-target":           relayed,
		"cloudtrail-events":           onBus,
		"request-ids":                 requestIDs,
		"lambda-event-source-mapping": restoredBy("Lambda polls the queue"),
		"lambda-invoke":               restoredBy("Lambda runs the functions"),
		"lambda-polling":              restoredBy("Lambda polls the queue"),
		"cfn-own-calls":               stackCalls,
	}
}

// emulationAnswers are the others.
func emulationAnswers() map[string]answer { //nolint:funlen // a table
	return map[string]answer{
		"cfn-oidc-provider":            made("AWS::IAM::OIDCProvider"),
		"cfn-role-policies":            made("AWS::IAM::Role", "AWS::IAM::ManagedPolicy"),
		"cfn-dynamic-references":       try(resolved),
		"cfn-subscription":             made("AWS::SNS::Subscription"),
		"cfn-trail":                    made("AWS::CloudTrail::Trail"),
		"cfn-alarm-arn":                made("AWS::CloudWatch::Alarm"),
		"cfn-own-policies":             made("AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy", "AWS::Lambda::EventInvokeConfig"),
		"s3-new-bucket-defaults":       try(newBucket),
		"s3-unknown-sub-resources":     try(unknownSubResources),
		"s3-request-payment":           try(requestPayment),
		"s3-intelligent-tiering":       try(tieringKept),
		"s3-encryption-fields":         try(blockedTypes),
		"s3-mfa-delete":                notTried("needs the account's root user and its device"),
		"s3-notification-eventbridge":  try(eventBridgeKept),
		"s3-notification-filter-names": try(filterNames),
		"s3-notification-targets":      try(missingTarget),
		"s3-notification-overlap":      try(overlappingNotifications),
		"s3-ownership-acl":             try(enforceOverACL),
		"s3-acl-not-supported":         try(aclWhereEnforced),
		"s3-block-public-policy":       try(publicPolicy),
		"s3-policy-conditions":         try(policyConditions),
		"s3-malformed-bucket-policy":   try(malformedPolicy),
		"s3-expected-bucket-owner":     try(otherOwner),
		"s3-wrong-region":              try(wrongRegion),
		"s3-restrict-public-buckets":   notTried("would make a bucket public for a moment"),
		"iam-update-role":              try(updateRoleDescription),
		"iam-oidc-client-ids":          try(clientIDs),
		"iam-policy-version-encoding":  try(policyVersionEncoding),
		"iam-deleted-principals":       try(deletedPrincipals),
		"iam-enforcement":              denials(denial{condition: `{"StringEquals":{"aws:PrincipalAccount":"ACCOUNT"}}`, denies: true}),
		"iam-access-denied-code":       try(accessDeniedCode),
		"iam-simulation":               try(simulation),
		"eventual-consistency":         notTried("a bound is asked by s3-kms-reads-13s and iam-reads-15s"),
		"sts-tokens":                   try(badToken),
		"kms-malformed-key-policy":     try(malformedKeyPolicy),
		"kms-key-arns":                 try(keyByARN),
		"kms-key-states":               try(keyStates),
		"kms-key-policies":             try(lockout),
		"kms-key-deletion":             notTried("a key waits seven days at least"),
		"events-delivered-envelope":    try(deliveredEnvelope),
		"events-topic-target":          try(topicTarget),
		"events-lambda-target":         notTried("the audit's schedule has its time; guard-rules and the heartbeat's alarm watch it"),
		"events-scheduled-rules":       notTried("takes as long as the schedule"),
		"events-disabled-rules":        try(disabledRules),
		"events-permissions":           try(putAndTest),
		"sns-email-confirmation":       notTried("documented (API_Subscribe); a run sends mail to nobody"),
		"sns-email":                    notTried("a run sends mail to nobody"),
		"sqs-policy-kept":              try(queuePolicyKept),
		"cloudtrail-default-selectors": notTried("a second trail of the account costs"),
		"cloudtrail-lookup":            try(lookUpWorks),
		"cloudwatch-protocol":          notTried("icaguard calls nothing of CloudWatch's metrics; its log lines carry them"),
		"lambda-logs":                  try(functionLogs),
		"lambda-recursion-config":      try(recursionConfig),
		"logs-filter-patterns":         documented(),
		"unknown-calls":                notTried(localOnly),
		"faults":                       notTried(localOnly + "; which faults a run met, its log says"),
		"cfn-life-cycle":               try(lifeCycle),
		"cfn-skipped-types":            made("AWS::CloudWatch::Alarm", "AWS::Events::Rule", "AWS::Lambda::Function"),
		"cfn-failures":                 notTried("a deploy would have to fail"),
	}
}
