package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/gates"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// statementsOf are the statements of a role's own policies.
func statementsOf(t *testing.T, a app, roleName string) []map[string]any {
	t.Helper()
	var statements []map[string]any
	for _, parsed := range a.templates {
		for _, role := range parsed.ofType("AWS::IAM::Role") {
			if role["RoleName"] != roleName {
				continue
			}
			for _, policy := range role["Policies"].([]any) {
				statements = append(statements, statementsIn(policy.(map[string]any)["PolicyDocument"])...)
			}
			arns, _ := role["ManagedPolicyArns"].([]any)
			for _, arn := range arns {
				policy := parsed.Resources[arn.(map[string]any)["Ref"].(string)]
				statements = append(statements, statementsIn(policy.Properties["PolicyDocument"])...)
			}
		}
	}
	if len(statements) == 0 {
		t.Fatalf("role %s has no statements", roleName)
	}
	return statements
}

func statementsIn(document any) []map[string]any {
	var statements []map[string]any
	for _, s := range document.(map[string]any)["Statement"].([]any) {
		statements = append(statements, s.(map[string]any))
	}
	return statements
}

// texts are the texts of a value that is one or a list; references to resources of the stack are left out.
func texts(value any) []string {
	if one, ok := value.(string); ok {
		return []string{one}
	}
	var all []string
	list, _ := value.([]any)
	for _, item := range list {
		if text, ok := item.(string); ok {
			all = append(all, text)
		}
	}
	return all
}

// functionRoles are the roles whose power has to be declared.
func functionRoles() []string { return []string{guard.RemediateFunction, guard.ValidateFunction} }

// checkStatements: nothing of ours is allowed `*`, and a wildcard stands in a resource only where AWS or the table
// leaves no other way.
func checkStatements(t *testing.T, a app) {
	for stack, parsed := range a.templates {
		for id, r := range parsed.Resources {
			for _, document := range documentsOf(r) {
				for _, s := range statementsIn(document) {
					if s["Effect"] != "Allow" {
						continue
					}
					for _, action := range texts(s["Action"]) {
						if strings.Contains(action, "*") {
							t.Errorf("%s in %s allows %s", id, stack, action)
						}
					}
					if s["NotAction"] != nil || s["NotResource"] != nil || s["NotPrincipal"] != nil {
						t.Errorf("%s in %s allows all but something: %v", id, stack, s)
					}
				}
			}
		}
	}
	for _, role := range functionRoles() {
		for _, s := range statementsOf(t, a, role) {
			for _, arn := range texts(s["Resource"]) {
				if s["Effect"] == "Allow" && strings.Contains(arn, "*") && !wildcardNeeded(a, arn, texts(s["Action"])) {
					t.Errorf("%s may do %v on %s", role, s["Action"], arn)
				}
			}
		}
	}
}

// documentsOf are the policy documents in a resource.
func documentsOf(r resource) []any {
	var documents []any
	for _, key := range []string{"PolicyDocument", "AssumeRolePolicyDocument"} {
		if document, exists := r.Properties[key]; exists {
			documents = append(documents, document)
		}
	}
	if table, exists := r.Properties["ResourcePolicy"].(map[string]any); exists {
		documents = append(documents, table["PolicyDocument"])
	}
	policies, _ := r.Properties["Policies"].([]any)
	for _, policy := range policies {
		documents = append(documents, policy.(map[string]any)["PolicyDocument"])
	}
	return documents
}

// wildcardNeeded knows the wildcards that a reviewer accepts: the streams of one's own log, stacks (whose ARNs end in
// an id that nobody knows in advance) and what AWS, by the table, allows on no single resource or may be anybody's
// policy.
func wildcardNeeded(a app, arn string, actions []string) bool {
	for _, role := range functionRoles() {
		if arn == a.baseline.ARN("logs", a.baseline.HomeRegion, "log-group:"+logGroup(role)+":*") {
			return true
		}
	}
	for _, s := range a.baseline.Stacks {
		if arn == a.baseline.ARN("cloudformation", s.Region, "stack/"+s.Name+"/*") {
			return true
		}
	}
	unbound := map[string]bool{}
	for _, setting := range self.AllRows() {
		for _, action := range setting.Reads {
			for _, s := range a.baseline.Storages {
				if slices.ContainsFunc(action.On.Each(s), func(view icaconfig.Storage) bool { return action.On.ARN(view) == arn }) {
					unbound[action.Name] = true
				}
			}
		}
	}
	return !slices.ContainsFunc(actions, func(action string) bool { return !unbound[action] })
}

// ownNeeds are what the functions do beside checking and restoring, each on which resource.
func ownNeeds(a app, role string) map[string][]string {
	at := func(service, resource string) string { return a.baseline.ARN(service, a.baseline.HomeRegion, resource) }
	logs, table := at("logs", "log-group:/aws/lambda/"+role+":*"), at("dynamodb", "table/icaguard-ledger")
	requests, deadLetters := at("sqs", "icaguard-requests"), at("sqs", "icaguard-dead-letters")
	needs := map[string][]string{
		"logs:CreateLogStream": {logs}, "logs:PutLogEvents": {logs}, "dynamodb:GetItem": {table},
		"sqs:SendMessage": {requests, deadLetters}, "sns:Publish": {at("sns", "icaguard-alerts")},
	}
	if role == guard.RemediateFunction {
		needs["dynamodb:PutItem"], needs["dynamodb:DeleteItem"] = []string{table}, []string{table}
		needs["sqs:ReceiveMessage"], needs["sqs:DeleteMessage"], needs["sqs:GetQueueAttributes"] = []string{
			requests,
		}, []string{
			requests,
		}, []string{
			requests,
		}
	}
	return needs
}

// checkDeclared holds the functions to their own needs, the gates' and the table's reads; remediate also to the table's
// writes. So validate can write to nothing that is guarded.
func checkDeclared(t *testing.T, a app) {
	declared := map[string]bool{}
	for _, s := range gates.Statements(a.baseline) {
		for _, action := range s.Action {
			declared[action] = true
		}
	}
	add := func(actions []guard.Action) {
		for _, action := range actions {
			declared[action.Name] = true
		}
	}
	for _, setting := range self.AllRows() {
		add(setting.Reads)
	}
	checkActions(t, a, guard.ValidateFunction, declared)
	for _, setting := range settings.All() {
		add(setting.Writes)
	}
	checkActions(t, a, guard.RemediateFunction, declared)
}

func checkActions(t *testing.T, a app, role string, declared map[string]bool) {
	t.Helper()
	needs := ownNeeds(a, role)
	for _, s := range statementsOf(t, a, role) {
		if s["Effect"] != "Allow" {
			continue
		}
		for _, action := range texts(s["Action"]) {
			for _, arn := range texts(s["Resource"]) {
				if !declared[action] && !slices.Contains(needs[action], arn) {
					t.Errorf("%s may do %s on %s, which nothing declares", role, action, arn)
				}
			}
		}
	}
}

// bounding are the condition keys without which no statement grants an action, where the keys of the table are asked for.
func bounding(s icaconfig.Storage) map[string][]string {
	keys := map[string][]string{
		"iam:AttachRolePolicy": {"iam:PolicyARN"}, "iam:TagRole": {"aws:TagKeys"},
		"kms:PutKeyPolicy": {"kms:BypassPolicyLockoutSafetyCheck"},
	}
	if s.Role.Boundary.ARN != "" {
		for _, action := range []string{"iam:AttachRolePolicy", "iam:PutRolePermissionsBoundary", "iam:CreateRole"} {
			keys[action] = append(keys[action], `"StringEquals":{"iam:PermissionsBoundary":"`+s.Role.Boundary.ARN+`"}`)
		}
	}
	return keys
}

// checkConditions: where IAM knows a condition that bounds an action, no statement grants the action without it.
func checkConditions(t *testing.T, a app) {
	for _, role := range functionRoles() {
		for _, s := range statementsOf(t, a, role) {
			if s["Effect"] != "Allow" {
				continue
			}
			condition, resources := text(s["Condition"]), texts(s["Resource"])
			for _, storage := range a.baseline.Storages {
				for _, action := range texts(s["Action"]) {
					for _, key := range bounding(storage)[action] {
						onIt := slices.Contains(resources, storage.Role.ARN) || storage.Key != nil && slices.Contains(resources, storage.Key.ARN)
						if onIt && !strings.Contains(condition, key) {
							t.Errorf("%s may %s without a condition on %s: %s", role, action, key, condition)
						}
					}
				}
			}
			for _, arn := range resources {
				if strings.HasPrefix(arn, "arn:aws:s3:") && !strings.Contains(condition, `"aws:ResourceAccount":"`+a.baseline.Account+`"`) {
					t.Errorf("%s may do %v on %s, whosever bucket it is: %s", role, s["Action"], arn, condition)
				}
			}
		}
	}
}

// checkOwnRoles: icaguard's roles have the boundary that ica.yaml asks for, and Lambda takes the functions' for functions of
// this account only.
func checkOwnRoles(t *testing.T, a app) {
	for _, parsed := range a.templates {
		for id, role := range parsed.ofType("AWS::IAM::Role") {
			name := role["RoleName"].(string)
			if !strings.HasPrefix(name, "icaguard-") {
				continue
			}
			if got, _ := role["PermissionsBoundary"].(string); got != a.baseline.GuardBoundary {
				t.Errorf("role %s has boundary %q, want %q", id, got, a.baseline.GuardBoundary)
			}
			trust := text(role["AssumeRolePolicyDocument"])
			if !strings.Contains(trust, `"aws:SourceAccount":"`+a.baseline.Account+`"`) {
				t.Errorf("role %s trusts a service, for whomever it acts: %s", id, trust)
			}
		}
	}
}

// call is one request, as a Deny of ours may see it; from is the function that it comes from, "" for any other place.
type call struct{ action, arn, from string }

// checkStolen: to others than its function a role is worth only what Lambda itself does with it; nothing that the function
// is allowed is denied to it.
func checkStolen(t *testing.T, a app) {
	at := func(service, resource string) string { return a.baseline.ARN(service, a.baseline.HomeRegion, resource) }
	logs := []string{"logs:CreateLogStream", "logs:PutLogEvents"}
	byLambda := map[string][]string{
		guard.RemediateFunction: append(logs, "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"), // the mapping
		guard.ValidateFunction:  append(logs, "sqs:SendMessage"),                                                   // what failed
	}
	for _, role := range functionRoles() {
		denied := func(c call) bool {
			return slices.ContainsFunc(statementsOf(t, a, role), func(s map[string]any) bool {
				here := text(s["Condition"]) == `{"ArnNotEquals":{"lambda:SourceFunctionArn":"`+c.from+`"}}`
				elsewhere := s["Condition"] == nil || strings.HasPrefix(text(s["Condition"]), `{"ArnNotEquals":{`) && !here
				return s["Effect"] == "Deny" && denies(s, c.action, c.arn) && elsewhere
			})
		}
		function := at("lambda", "function:"+role)
		for _, s := range statementsOf(t, a, role) {
			for _, action := range texts(s["Action"]) {
				for _, arn := range texts(s["Resource"]) {
					if s["Effect"] != "Allow" {
						continue
					}
					lambdas := slices.Contains(byLambda[role], action) &&
						(action != "sqs:SendMessage" || arn == at("sqs", "icaguard-dead-letters"))
					for _, from := range []string{"", at("lambda", "function:another")} {
						if lambdas == denied(call{action, arn, from}) {
							t.Errorf("%s on %s as %s, called from %q: Lambda's own call %v", action, arn, role, from, lambdas)
						}
					}
					if denied(call{action, arn, function}) {
						t.Errorf("%s is denied %s on %s", role, action, arn)
					}
				}
			}
		}
		if denied(call{action: "kms:Decrypt", arn: at("kms", "key/aws-lambda")}) {
			t.Errorf("Lambda cannot decrypt the environment of %s", role)
		}
	}
}

// checkDenied: what bounds the guard is out of the guard's reach, whatever else remediate is allowed.
func checkDenied(t *testing.T, a app) {
	var denied []map[string]any
	for _, s := range statementsOf(t, a, guard.RemediateFunction) {
		if s["Effect"] == "Deny" && s["Condition"] == nil {
			denied = append(denied, s)
		}
	}
	iam := func(resource string) string { return a.baseline.ARN("iam", "", resource) }
	for action, arns := range map[string][]string{
		"iam:PutRolePolicy": {
			iam("role/icaguard-remediate"), iam("role/icaguard-validate"),
			iam("role/icaguard-relay-us-east-1"),
		},
		"iam:AttachRolePolicy":       {iam("role/icaguard-remediate")},
		"iam:UpdateAssumeRolePolicy": {iam("role/icaguard-validate")},
		"iam:PassRole":               {iam("role/icaguard-remediate")},
		"iam:CreatePolicyVersion":    {iam("policy/icaguard-boundary-ICA.Europe"), iam("policy/icaguard-remediate-1")},
		"iam:DeletePolicy":           {iam("policy/icaguard-boundary-Illumina_ICA_Role")},
		"cloudtrail:StopLogging":     {a.baseline.ARN("cloudtrail", "us-east-1", "trail/any")},
		"cloudtrail:DeleteTrail":     {a.baseline.ARN("cloudtrail", "us-east-1", "trail/any")},
	} {
		for _, arn := range arns {
			if !slices.ContainsFunc(denied, func(s map[string]any) bool { return denies(s, action, arn) }) {
				t.Errorf("remediate is not denied %s on %s", action, arn)
			}
		}
	}
	for _, s := range a.baseline.Storages {
		boundary := slices.ContainsFunc(
			denied, func(d map[string]any) bool { return denies(d, "iam:DeleteRolePermissionsBoundary", s.Role.ARN) },
		)
		if boundary != s.Role.Boundary.Ours {
			t.Errorf("role %s: denied to take the boundary off: %v, our boundary: %v", s.Role.Name, boundary, s.Role.Boundary.Ours)
		}
		for _, action := range []string{"iam:UpdateRole", "iam:AttachRolePolicy", "iam:GetRole"} {
			if slices.ContainsFunc(denied, func(d map[string]any) bool { return denies(d, action, s.Role.ARN) }) {
				t.Errorf("remediate is denied %s on ICA's role %s", action, s.Role.Name)
			}
		}
	}
}

// denies reads a statement of ours: wildcards stand at the end only.
func denies(s map[string]any, action, arn string) bool {
	matches := func(value any, name string) bool {
		return slices.ContainsFunc(texts(value), func(pattern string) bool {
			prefix, open := strings.CutSuffix(pattern, "*")
			return pattern == name || open && strings.HasPrefix(name, prefix)
		})
	}
	hit := matches(s["Action"], action) || s["NotAction"] != nil && !matches(s["NotAction"], action)
	return hit && matches(s["Resource"], arn)
}
