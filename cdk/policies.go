package main

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/gates"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// Quotas of IAM, in characters without white space.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	mostInline   = 10240 // all inline policies of a role together
	mostManaged  = policy.MostManaged
	mostAttached = 10 // managed policies on a role, by default
)

// remediateStatements is all that remediate may do: what the table says, its own work, and what it may never do.
func remediateStatements(b icaconfig.Baseline) []policy.Statement {
	mapping := allow(
		b.ARN("sqs", b.HomeRegion, guard.RequestQueue), "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes",
	)
	return slices.Concat(
		denied(b),
		[]policy.Statement{onlyFrom(b, guard.RemediateFunction, mapping.Action...), mapping},
		ownWork(b, guard.RemediateFunction),
		[]policy.Statement{
			allow(b.ARN("dynamodb", b.HomeRegion, "table/"+guard.LedgerTable), "dynamodb:PutItem", "dynamodb:DeleteItem"),
		},
		checking(b),
		guard.InAccount(b.Home, guard.WriteStatements(settings.All(), b.Storages)),
	)
}

// validateStatements is all that validate may do: it writes to nothing that is guarded. Lambda itself sends what failed
// to the dead-letter queue.
func validateStatements(b icaconfig.Baseline) []policy.Statement {
	requests := b.ARN("sqs", b.HomeRegion, guard.RequestQueue)
	return slices.Concat(
		[]policy.Statement{
			onlyFrom(b, guard.ValidateFunction, "sqs:SendMessage"),
			notFrom(b, guard.ValidateFunction, policy.Statement{
				Sid: "RequestsOnlyFromTheFunction", Action: policy.Values{"sqs:SendMessage"}, Resource: []string{requests},
			}),
		},
		ownWork(b, guard.ValidateFunction),
		checking(b),
	)
}

// onlyFrom makes a function's role worthless to others: to another function that is given it, and to whoever may assume it
// once its trust was changed. Lambda puts the key into the credentials of the function, so a copy of these carries it too.
// What Lambda calls itself in the role's name has to go on without the key: logs (two editions of the page disagree
// whether they carry it), decrypting the environment, and what byLambda names.
// https://docs.aws.amazon.com/lambda/latest/dg/permissions-source-function-arn.html
func onlyFrom(b icaconfig.Baseline, function string, byLambda ...string) policy.Statement {
	always := []string{"kms:Decrypt", "kms:Encrypt", "logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"}
	return notFrom(b, function, policy.Statement{
		Sid: "OnlyFromTheFunction", NotAction: append(always, byLambda...), Resource: []string{"*"},
	})
}

// notFrom denies where the call does not come from within the function. A negated operator holds where the key is absent.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
func notFrom(b icaconfig.Baseline, function string, s policy.Statement) policy.Statement {
	s.Effect = "Deny"
	s.Condition = policy.Condition{
		"ArnNotEquals": {"lambda:SourceFunctionArn": {b.ARN("lambda", b.HomeRegion, "function:"+function)}},
	}
	return s
}

// checking reads what is guarded and what the gates ask.
func checking(b icaconfig.Baseline) []policy.Statement {
	return guard.InAccount(b.Home, slices.Concat(guard.ReadStatements(self.AllRows(), b.Storages), gates.Statements(b)))
}

// ownWork is what both functions do beside checking: log, read what was recorded, post requests, send what failed to the
// dead-letter queue, notify people. Only remediate writes to the ledger.
func ownWork(b icaconfig.Baseline, function string) []policy.Statement {
	at := func(service, resource string) string { return b.ARN(service, b.HomeRegion, resource) }
	return []policy.Statement{
		allow(at("logs", "log-group:"+logGroup(function)+":*"), "logs:CreateLogStream", "logs:PutLogEvents"),
		allow(at("dynamodb", "table/"+guard.LedgerTable), "dynamodb:GetItem"),
		{
			Effect:   "Allow",
			Action:   policy.Values{"sqs:SendMessage"},
			Resource: []string{at("sqs", guard.RequestQueue), at("sqs", guard.DeadLetterQueue)},
		},
		allow(at("sns", guard.AlertTopic), "sns:Publish"),
	}
}

// denied is a belt for the future: whatever a later version is allowed, remediate changes none of the guard's own
// roles, no boundary of ours and no trail. What the guard may do has to be bounded by something that it cannot change;
// what is left, as IAM knows no condition on the content of a policy, stands in docs/threat-model.md.
func denied(b icaconfig.Baseline) []policy.Statement {
	iam := func(resource string) string { return b.ARN("iam", "", resource) }
	own := []string{
		iam("role/" + guard.RemediateFunction),
		iam("role/" + guard.ValidateFunction),
		iam("role/" + guard.RelayRole + "*"),
		iam("policy/" + guard.RemediateFunction + "-*"),
		iam("policy/" + guard.ValidateFunction + "-*"),
		iam("policy/" + icaconfig.BoundaryPrefix + "*"),
	}
	statements := []policy.Statement{
		{Sid: "NotItself", Effect: "Deny", NotAction: policy.Values{"iam:Get*", "iam:List*"}, Resource: own},
		{Sid: "NotTheTrail", Effect: "Deny", Action: policy.Values{
			"cloudtrail:Create*", "cloudtrail:Delete*", "cloudtrail:Put*", "cloudtrail:Start*", "cloudtrail:Stop*", "cloudtrail:Update*",
		}, Resource: []string{"*"}},
	}
	if bounded := boundedRoles(b); len(bounded) > 0 {
		statements = append(statements, policy.Statement{
			Sid: "NotTheBoundary", Effect: "Deny", Action: policy.Values{"iam:DeleteRolePermissionsBoundary"}, Resource: bounded,
		})
	}
	return statements
}

// boundedRoles lists ICA's roles that carry a boundary of ours.
func boundedRoles(b icaconfig.Baseline) []string {
	var roles []string
	for _, role := range b.Roles {
		if role.Boundary.Ours {
			roles = append(roles, role.ARN)
		}
	}
	slices.Sort(roles)
	return roles
}

func allow(resource string, actions ...string) policy.Statement {
	return policy.Statement{Effect: "Allow", Action: actions, Resource: []string{resource}}
}

// packed spreads statements over policies: the first is the role's inline policy, the others are managed ones.
func packed(statements []policy.Statement) [][]policy.Statement { return policy.Pack(statements, most) }

func most(policy int) int {
	if policy == 0 {
		return mostInline
	}
	return mostManaged
}

func length(statements []policy.Statement) int { return len(policy.New(statements...).JSON()) }

// text marshals plain types of ours, which cannot fail.
func text(value any) string {
	data, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("cdk: marshal: %v", err))
	}
	return string(data)
}

func policyDocument(statements ...policy.Statement) awsiam.PolicyDocument {
	return awsiam.PolicyDocument_FromJson(plain(policy.New(statements...)))
}

func statement(s policy.Statement) awsiam.PolicyStatement {
	return awsiam.PolicyStatement_FromJson(plain(s))
}

// conditions are a statement's, for a construct that takes them alone.
func conditions(c policy.Condition) *map[string]any {
	document := plain(c).(map[string]any)
	return &document
}
