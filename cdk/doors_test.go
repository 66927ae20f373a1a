package main

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws/authz"
	"github.com/icaguard/icaguard/internal/policy"
)

// caller is somebody who makes calls, as AWS's authorization sees him.
type caller func(action, resource string) authz.Call

// byService is an AWS service that acts as itself, in the name of a resource: it has no aws:PrincipalArn.
func byService(service, account, source string) caller {
	return func(action, resource string) authz.Call {
		return authz.Call{
			Principal: policy.Principal{"Service": {service}}, Action: action, Resource: resource, Keys: keys(map[string]string{
				"aws:PrincipalIsAWSService": "true", "aws:PrincipalServiceName": service, "aws:SourceArn": source,
				"aws:SourceAccount": account,
			}),
		}
	}
}

// byPrincipal is an IAM principal: of a session of a role, aws:PrincipalArn is the role's ARN.
func byPrincipal(arn string, own ...policy.Statement) caller {
	return func(action, resource string) authz.Call {
		return authz.Call{
			Principal: policy.Principal{"AWS": {arn}}, Action: action, Resource: resource, Identity: own,
			Keys: keys(map[string]string{"aws:PrincipalIsAWSService": "false", "aws:PrincipalArn": arn}),
		}
	}
}

// within is the same call from inside a function, into whose credentials Lambda puts its ARN.
func within(function string, who caller) caller {
	return func(action, resource string) authz.Call {
		c := who(action, resource)
		c.Keys["lambda:SourceFunctionArn"] = []string{function}
		return c
	}
}

// overHTTP is the same call without TLS.
func overHTTP(who caller) caller {
	return func(action, resource string) authz.Call {
		c := who(action, resource)
		c.Keys["aws:SecureTransport"] = []string{"false"}
		return c
	}
}

func anonymous(action, resource string) authz.Call {
	return authz.Call{Action: action, Resource: resource, Keys: keys(nil)}
}

// keys is the context of a request over TLS with these keys, and without the others that a policy of ours asks for.
func keys(there map[string]string) map[string][]string {
	all := map[string][]string{"aws:SecureTransport": {"true"}}
	for _, key := range []string{
		"aws:PrincipalArn", "aws:PrincipalIsAWSService", "aws:PrincipalServiceName", "aws:SourceArn", "aws:SourceAccount",
		"lambda:SourceFunctionArn",
	} {
		all[key] = nil
	}
	for key, value := range there {
		all[key] = []string{value}
	}
	return all
}

// doors are who may do what with icaguard's own queues, topic and table. moto checks no such policy, so they are judged
// here as the template has them, over the requests of everybody who comes.
type doors struct {
	t       *testing.T
	app     app
	callers map[string]caller
}

func checkDoors(t *testing.T, a app) {
	b, everything := a.baseline, policy.Statement{Sid: "own", Effect: "Allow", Action: policy.Values{"*"}, Resource: []string{"*"}}
	iam := func(resource string) string { return b.ARN("iam", "", resource) }
	rule := func(region, name string) string { return b.ARN("events", region, "rule/"+name) }
	alarm := func(name string) string { return b.ARN("cloudwatch", b.HomeRegion, "alarm:"+name) }
	remediate := byPrincipal(iam("role/icaguard-remediate"), remediateStatements(b)...)
	validate := byPrincipal(iam("role/icaguard-validate"), validateStatements(b)...)
	d := doors{t, a, map[string]caller{
		"a rule":           byService("events.amazonaws.com", b.Account, rule(b.HomeRegion, "icaguard-events-iam")),
		"the audit's rule": byService("events.amazonaws.com", b.Account, rule(b.HomeRegion, "icaguard-audit")),
		"another's rule":   byService("events.amazonaws.com", b.Account, rule(b.HomeRegion, "another")),
		"another account's rule": byService(
			"events.amazonaws.com", "999999999999", "arn:aws:events:us-east-1:999999999999:rule/icaguard-events-iam"),
		"an alarm":        byService("cloudwatch.amazonaws.com", b.Account, alarm("icaguard-heartbeat")),
		"another's alarm": byService("cloudwatch.amazonaws.com", b.Account, alarm("another")),
		"S3":              byService("s3.amazonaws.com", b.Account, "arn:aws:s3:::another"),
		"remediate":       within(b.ARN("lambda", b.HomeRegion, "function:icaguard-remediate"), remediate),
		"validate":        within(b.ARN("lambda", b.HomeRegion, "function:icaguard-validate"), validate),
		// Lambda itself polls and reports failures in the roles' names; a thief of a role has no more.
		"remediate's role": remediate,
		"validate's role":  validate,
		"a thief's lambda": within(b.ARN("lambda", b.HomeRegion, "function:another"), remediate),
		"a person":         byPrincipal(iam("role/Admin"), everything),
		"a user":           byPrincipal(iam("user/icaguard-remediate"), everything),
		"root":             byPrincipal(iam("root"), everything),
		"another function": byPrincipal(iam("role/icaguard-remediate-copy"), everything),
		"CloudFormation":   byPrincipal(iam("role/cdk-hnb659fds-cfn-exec-role-"+b.Account+"-"+b.HomeRegion), everything),
		"another account":  byPrincipal("arn:aws:iam::999999999999:role/icaguard-remediate"),
		"nobody":           anonymous,
	}}
	if len(rulesIn(b, b.HomeRegion)) == 0 {
		t.Fatal("no rule")
	}
	if b.AuditIAM { // no rule receives IAM's events
		d.callers["a rule"] = byService("events.amazonaws.com", b.Account, rule(b.HomeRegion, "icaguard-events-s3"))
	}
	d.checkQueue(b)
	for _, region := range b.Regions() {
		d.checkDeadLetters(b, region)
	}
	topic := d.policy("AWS::SNS::TopicPolicy", b.HomeRegion, b.ARN("sns", b.HomeRegion, guard.AlertTopic))
	d.only(topic, "sns:Publish", b.ARN("sns", b.HomeRegion, guard.AlertTopic), "an alarm", "remediate", "validate")
	d.checkLedger(b)
}

func (d doors) checkQueue(b icaconfig.Baseline) {
	arn := b.ARN("sqs", b.HomeRegion, guard.RequestQueue)
	queue := d.policy("AWS::SQS::QueuePolicy", b.HomeRegion, arn)
	d.only(queue, "sqs:SendMessage", arn, "a rule", "remediate", "validate")
	mapping := []string{"remediate", "remediate's role", "a thief's lambda"} // the mapping polls without the function's ARN
	d.only(queue, "sqs:ReceiveMessage", arn, mapping...)
	d.only(queue, "sqs:DeleteMessage", arn, mapping...)
	d.only(queue, "sqs:ChangeMessageVisibility", arn)
	administrators := []string{"a person", "a user", "root", "another function", "CloudFormation"}
	d.only(queue, "sqs:SetQueueAttributes", arn, administrators...) // IAM decides, so nobody is locked out
	d.only(queue, "sqs:PurgeQueue", arn, administrators...)
}

func (d doors) checkDeadLetters(b icaconfig.Baseline, region string) {
	arn := b.ARN("sqs", region, guard.DeadLetterQueue)
	senders := []string{"a rule", "the audit's rule", "remediate", "validate", "validate's role"}
	queue := d.policy("AWS::SQS::QueuePolicy", region, arn)
	if region != b.HomeRegion {
		d.callers["a relay"] = byService("events.amazonaws.com", b.Account, b.ARN("events", region, "rule/icaguard-relay-stacks"))
		senders = []string{"a relay"}
		defer delete(d.callers, "a relay")
	}
	d.only(queue, "sqs:SendMessage", arn, senders...)
	for _, action := range []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:PurgeQueue"} {
		d.only(queue, action, arn, "a person", "a user", "root", "another function", "CloudFormation")
	}
}

func (d doors) checkLedger(b icaconfig.Baseline) {
	arn := b.ARN("dynamodb", b.HomeRegion, "table/"+guard.LedgerTable)
	table := d.policy("AWS::DynamoDB::Table", b.HomeRegion, arn)
	d.only(table, "dynamodb:PutItem", arn, "remediate")
	d.only(table, "dynamodb:DeleteItem", arn, "remediate")
	for _, action := range []string{
		"dynamodb:UpdateItem", "dynamodb:BatchWriteItem", "dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate",
		"dynamodb:PartiQLDelete",
	} {
		for who, call := range d.callers { // remediate too: it puts and deletes, and needs nothing else
			if decision := d.decide(table, call(action, arn)); decision.Allowed {
				d.t.Errorf("%s may %s on %s by %v", who, action, arn, decision.By)
			}
		}
	}
	for _, action := range []string{"dynamodb:PutResourcePolicy", "dynamodb:DeleteTable", "dynamodb:UpdateTable", "dynamodb:Scan"} {
		d.only(table, action, arn, "a person", "a user", "root", "another function", "CloudFormation")
	}
	for id, table := range d.app.home().ofType("AWS::DynamoDB::Table") {
		if table["DeletionProtectionEnabled"] != true {
			d.t.Errorf("table %s can be deleted", id)
		}
	}
}

// only: these may, and nobody else; nobody over HTTP where the policy requires TLS.
func (d doors) only(statements []policy.Statement, action, resource string, may ...string) {
	d.t.Helper()
	tls := slices.ContainsFunc(statements, func(s policy.Statement) bool { return s.Sid == "IcaguardRequireTLS" })
	for who, call := range d.callers {
		decision := d.decide(statements, call(action, resource))
		if decision.Allowed != slices.Contains(may, who) {
			d.t.Errorf("%s may %s on %s: %v by %v", who, action, resource, decision.Allowed, decision.By)
		}
		denied := statements[0].Action
		if tls && (slices.Contains(denied, action) || slices.Contains(denied, "sqs:*")) && who != "nobody" &&
			d.decide(statements, overHTTP(call)(action, resource)).Allowed {
			d.t.Errorf("%s may %s on %s without TLS", who, action, resource)
		}
	}
}

func (d doors) decide(statements []policy.Statement, c authz.Call) authz.Decision {
	d.t.Helper()
	decision, err := authz.Decide(statements, c)
	if err != nil {
		d.t.Fatal(err)
	}
	return decision
}

// policy is the resource's in the template of the region, as the self checks expect it. The names of resources are fixed,
// so that it holds no references.
func (d doors) policy(resourceType, region, arn string) []policy.Statement {
	d.t.Helper()
	want := policy.New(self.Policies(d.app.baseline.Home)[arn]...)
	for _, stack := range d.app.baseline.Stacks {
		if stack.Region != region {
			continue
		}
		for _, properties := range d.app.templates[stack.Name].ofType(resourceType) {
			document := properties["PolicyDocument"]
			if own, ok := properties["ResourcePolicy"].(map[string]any); ok {
				document = own["PolicyDocument"]
			}
			var got policy.Document
			if err := json.Unmarshal([]byte(text(document)), &got); err != nil {
				d.t.Fatal(err)
			}
			if policy.Equal(want, got) {
				return got.Statements()
			}
		}
	}
	d.t.Fatalf("no %s in %s says %s", resourceType, region, want)
	return nil
}
