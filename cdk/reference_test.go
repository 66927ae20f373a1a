package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// reference is the part of AWS's Service Authorization Reference that our statements need, as it was recorded.
type reference struct {
	Session map[string]any // keys of the credentials, which any request may carry
	Actions map[string]struct {
		Resources []struct {
			Type       string
			Required   bool
			Conditions []string
		}
		Conditions []string
	}
	Resources map[string]struct {
		ARN        string
		Conditions []string
	}
}

func loadReference(t *testing.T) reference {
	t.Helper()
	var r reference
	readJSON(t, "testdata/service-reference.json", &r)
	return r
}

// checkReference holds every statement of ours to the reference: its actions exist, are made on such resources and know
// its condition keys.
func checkReference(t *testing.T, a app) {
	r := loadReference(t)
	for _, s := range a.baseline.Storages {
		for _, ours := range slices.Concat(s.BucketStatements(true), s.KeyStatements(), s.KeyRoleStatements()) {
			// Without resources: bucket and objects stand together, as Illumina prints it.
			condition := plain(ours).(map[string]any)["Condition"]
			for _, wrong := range r.wrong(claim{effect: ours.Effect, actions: ours.Action, keys: keysOf(condition)}) {
				t.Errorf("%s: %s: %s", s.Name, wrong, ours.JSON())
			}
		}
	}
	for stack, parsed := range a.templates {
		for id, resource := range parsed.Resources {
			for _, document := range documentsOf(resource) {
				for _, s := range statementsIn(document) {
					for _, wrong := range r.wrong(claim{
						effect: s["Effect"].(string), actions: texts(s["Action"]), not: texts(s["NotAction"]),
						resources: parsed.arns(s["Resource"]), keys: keysOf(s["Condition"]), federated: federatedOf(s["Principal"]),
					}) {
						t.Errorf("%s in %s: %s: %s", id, stack, wrong, text(s))
					}
				}
			}
		}
	}
}

// claim is what the reference can judge of one.
type claim struct {
	effect                        string
	actions, not, resources, keys []string
	federated                     string // the host of the identity provider that it trusts
}

// wrong is what the reference says against the statement.
func (r reference) wrong(s claim) []string {
	var all []string
	for _, pattern := range slices.Concat(s.actions, s.not) {
		matching := r.actions(pattern)
		if len(matching) == 0 {
			all = append(all, pattern+" is not in the recorded reference, testdata/service-reference.json")
			continue
		}
		if slices.Contains(s.not, pattern) {
			continue // all but these: on what and under which keys says nothing of them
		}
		for _, arn := range s.resources {
			if !slices.ContainsFunc(matching, func(action string) bool { return r.takes(action, arn, s.effect == "Deny") }) {
				all = append(all, pattern+" is not made on "+arn)
			}
		}
		for _, key := range s.keys {
			if !slices.ContainsFunc(matching, func(action string) bool { return r.knows(action, key, s.federated) }) {
				all = append(all, pattern+" does not know the condition key "+key)
			}
		}
	}
	for _, key := range s.keys {
		if len(s.not) > 0 && !r.global(key) {
			all = append(all, "not every action knows the condition key "+key)
		}
	}
	return all
}

func (r reference) actions(pattern string) []string {
	whole := regexp.MustCompile("^(?i)" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$")
	return slices.DeleteFunc(slices.Sorted(maps.Keys(r.Actions)), func(name string) bool { return !whole.MatchString(name) })
}

// takes says whether the action is made on such a resource. "*" is right where the action takes none or may go without,
// and in a Deny.
func (r reference) takes(action, arn string, denied bool) bool {
	service, _, _ := strings.Cut(action, ":")
	required := false
	for _, on := range r.Actions[action].Resources {
		required = required || on.Required
		form := variable.ReplaceAllStringFunc(r.Resources[service+"/"+on.Type].ARN, func(name string) string {
			if slashes.MatchString(name) {
				return anything
			}
			return noSlash
		})
		if arn != "*" && overlap(arn, form) {
			return true
		}
	}
	return arn == "*" && (denied || !required)
}

// knows says whether requests of the action carry the key. Those of tags are global and yet not carried by all.
func (r reference) knows(action, key, federated string) bool {
	service, _, _ := strings.Cut(action, ":")
	listed := slices.Clone(r.Actions[action].Conditions)
	for _, on := range r.Actions[action].Resources {
		listed = slices.Concat(listed, on.Conditions, r.Resources[service+"/"+on.Type].Conditions)
	}
	if slices.ContainsFunc(listed, func(name string) bool { return overlap(key, variable.ReplaceAllString(name, anything)) }) {
		return true
	}
	claim, ofToken := strings.CutPrefix(key, federated+":")
	return r.global(key) || federated != "" && ofToken && (claim == "aud" || claim == "sub")
}

func (r reference) global(key string) bool {
	_, ofSession := r.Session[key]
	tags := strings.HasPrefix(key, "aws:RequestTag/") || strings.HasPrefix(key, "aws:ResourceTag/") || key == "aws:TagKeys"
	return ofSession || strings.HasPrefix(key, "aws:") && !tags
}

// slashes are the variables whose values may have slashes.
var slashes = regexp.MustCompile(`Path|Object|Parameter|LogGroup|OidcProvider`)

var variable = regexp.MustCompile(`\$\{[^}]+\}|<[^>]+>`)

// Stand for a variable of the reference: any text of one part of an ARN, without or with slashes.
const noSlash, anything = "\x01", "\x02"

// overlap says whether some text fits both an ARN of ours, whose * is any text, and a form of the reference.
func overlap(ours, form string) bool {
	switch {
	case ours == "" && form == "":
		return true
	case strings.HasPrefix(ours, "*"):
		return overlap(ours[1:], form) || form != "" && overlap(ours, form[1:])
	case form == "":
		return false
	case form[:1] == noSlash || form[:1] == anything:
		fits := ours != "" && ours[0] != ':' && (ours[0] != '/' || form[:1] == anything)
		return overlap(ours, form[1:]) || fits && overlap(ours[1:], form)
	}
	return ours != "" && ours[0] == form[0] && overlap(ours[1:], form[1:])
}

// arns are the ARNs of a value; what refers to a resource of the template becomes one of its kind.
func (t template) arns(value any) []string {
	list, isList := value.([]any)
	if !isList {
		list = []any{value}
	}
	var all []string
	for _, item := range list {
		if item != nil {
			all = append(all, t.arn(item))
		}
	}
	return all
}

func (t template) arn(value any) string {
	function, isFunction := value.(map[string]any)
	if !isFunction {
		return value.(string)
	}
	if id, refers := function["Ref"].(string); refers {
		return t.arnOf(id)
	}
	if of, refers := function["Fn::GetAtt"].([]any); refers {
		return t.arnOf(of[0].(string))
	}
	if join, joins := function["Fn::Join"].([]any); joins {
		return strings.Join(t.arns(join[1]), "")
	}
	return "what " + text(value) + " gives"
}

func (t template) arnOf(id string) string {
	form, known := map[string]string{
		"AWS::SQS::Queue": "arn:aws:sqs:us-east-1:123456789012:queue", "AWS::SNS::Topic": "arn:aws:sns:us-east-1:123456789012:topic",
		"AWS::S3::Bucket": "arn:aws:s3:::bucket", "AWS::DynamoDB::Table": "arn:aws:dynamodb:us-east-1:123456789012:table/table",
	}[t.Resources[id].Type]
	if !known {
		return "the ARN of " + id
	}
	return form
}

func keysOf(condition any) []string {
	operators, _ := condition.(map[string]any)
	var all []string
	for _, operator := range slices.Sorted(maps.Keys(operators)) {
		all = append(all, slices.Sorted(maps.Keys(operators[operator].(map[string]any)))...)
	}
	return all
}

// federatedOf is the host of the OIDC provider that a trust policy names.
func federatedOf(principal any) string {
	kinds, _ := principal.(map[string]any)
	arn, _ := kinds["Federated"].(string)
	_, host, _ := strings.Cut(arn, ":oidc-provider/")
	return host
}

// TestReferenceFinds holds the judgement to what it has to refuse.
func TestReferenceFinds(t *testing.T) {
	r := loadReference(t)
	const role, bucket = "arn:aws:iam::123456789012:role/labs/ica", "arn:aws:s3:::lab-ica"
	for _, c := range []struct {
		claim
		want string
	}{
		{claim{actions: []string{"s3:PutBucketCors"}, resources: []string{bucket}}, ""}, // IAM ignores case
		{claim{actions: []string{"s3:ListObjectVersions"}, resources: []string{bucket}}, "not in the recorded reference"},
		{claim{effect: "Deny", actions: []string{"cloudtrail:Undo*"}, resources: []string{"*"}}, "not in the recorded reference"},
		{claim{effect: "Deny", actions: []string{"cloudtrail:Stop*"}, resources: []string{"*"}}, ""},
		{claim{actions: []string{"cloudtrail:StopLogging"}, resources: []string{"*"}}, "is not made on *"},
		{claim{actions: []string{"cloudtrail:DescribeTrails"}, resources: []string{"*"}}, ""},
		{claim{actions: []string{"s3:PutObject"}, resources: []string{bucket}}, "is not made on " + bucket},
		{claim{actions: []string{"s3:PutObject"}, resources: []string{bucket + "/ica/*"}}, ""},
		{claim{actions: []string{"s3:PutBucketPolicy"}, resources: []string{bucket + "/*"}}, "is not made on"},
		{claim{actions: []string{"iam:UpdateRole"}, resources: []string{role}}, ""},
		{claim{actions: []string{"iam:CreatePolicyVersion"}, resources: []string{role}}, "is not made on"},
		{claim{actions: []string{"iam:CreatePolicyVersion"}, keys: []string{"iam:PermissionsBoundary"}}, "does not know"},
		{claim{actions: []string{"iam:AttachRolePolicy"}, keys: []string{"iam:PermissionsBoundary", "iam:PolicyARN"}}, ""},
		{claim{actions: []string{"iam:AttachRolePolicy"}, keys: []string{"aws:TagKeys"}}, "does not know"},
		{claim{actions: []string{"iam:TagRole"}, keys: []string{"aws:RequestTag/owner", "aws:TagKeys", "aws:SourceIp"}}, ""},
		{claim{actions: []string{"sts:AssumeRole"}, keys: []string{"id.example:sub"}}, "does not know"},
		{claim{actions: []string{"sts:AssumeRoleWithWebIdentity"}, keys: []string{"id.example:sub"}, federated: "id.example"}, ""},
		{
			claim{actions: []string{"sts:AssumeRoleWithWebIdentity"}, keys: []string{"other:sub"}, federated: "id.example"},
			"does not know",
		},
		{claim{effect: "Deny", not: []string{"iam:Get*"}, keys: []string{"lambda:SourceFunctionArn"}}, ""},
		{claim{effect: "Deny", not: []string{"iam:Get*"}, keys: []string{"iam:PolicyARN"}}, "not every action knows"},
	} {
		got := strings.Join(r.wrong(c.claim), "; ")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.claim, got, c.want)
		}
	}
}
