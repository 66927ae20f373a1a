package localaws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// permission is one action on one resource that a call needs, with the condition keys that belong to it.
type permission struct {
	action, resource string
	keys             map[string][]string
}

var errNoResource = errors.New("it is not known which resource it is about: internal/localaws/permissions.go")

// permissions are all that a call needs, by the Service Authorization Reference
// (https://docs.aws.amazon.com/service-authorization/latest/reference/): none where AWS asks for none, several where it names
// several resources or does more than one thing.
func (r *Recorder) permissions(ctx context.Context, call request) ([]permission, error) {
	var all []permission
	var err error
	switch call.Service {
	case "s3":
		all = s3Permissions(call)
	case "iam":
		all, err = r.iamPermissions(ctx, call)
	case "sts":
		if call.Operation != "GetCallerIdentity" { // which needs none
			err = errNoResource
		}
		return nil, err
	case "kms":
		all, err = r.kmsPermissions(ctx, call)
	default:
		all, err = namedPermissions(call)
	}
	if err == nil && (len(all) == 0 || slices.ContainsFunc(all, func(p permission) bool { return p.resource == "" })) {
		err = errNoResource
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", call.Service, call.Operation, err)
	}
	return all, nil
}

// s3Permissions: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
func s3Permissions(call request) []permission {
	const bucketARN = "arn:aws:s3:::"
	on := "*"
	if call.Bucket != "" {
		on = bucketARN + call.Bucket
	}
	if call.Key != "" {
		on += "/" + call.Key
	}
	action := call.Action
	if call.Query.Has("versionId") && slices.Contains([]string{"s3:GetObject", "s3:DeleteObject"}, action) {
		action += "Version"
	}
	if call.Operation == "DeleteObjects" {
		on += "/*" // which keys stands in the body
	}
	all := []permission{{action: action, resource: on}}
	if source, err := url.PathUnescape(call.Header.Get(copySource)); err == nil && source != "" {
		all = append(all, permission{action: "s3:GetObject", resource: bucketARN + strings.TrimPrefix(source, "/")})
	}
	for header, needs := range map[string]string{
		"X-Amz-Tagging": "s3:PutObjectTagging", "X-Amz-Object-Ownership": "s3:PutBucketOwnershipControls",
		"X-Amz-Bucket-Object-Lock-Enabled": "s3:PutBucketObjectLockConfiguration",
	} {
		if call.Header.Get(header) != "" {
			all = append(all, permission{action: needs, resource: on})
		}
	}
	if acl := "s3:PutObjectAcl"; call.Header.Get("X-Amz-Acl") != "" && !strings.HasSuffix(call.Action, "Acl") {
		if call.Key == "" {
			acl = "s3:PutBucketAcl"
		}
		all = append(all, permission{action: acl, resource: on})
	}
	return all
}

// kmsPermissions: a key's ARN, also where the call names its id or an alias.
func (r *Recorder) kmsPermissions(ctx context.Context, call request) ([]permission, error) {
	parameters := jsonObject(call.Body)
	p := permission{action: call.Action, keys: map[string][]string{}}
	if bypass, ok := parameters["bypassPolicyLockoutSafetyCheck"].(bool); ok {
		p.keys["kms:BypassPolicyLockoutSafetyCheck"] = []string{fmt.Sprint(bypass)}
	}
	id, _ := parameters["keyId"].(string)
	switch {
	case slices.Contains([]string{"ListKeys", "ListAliases", "CreateKey"}, call.Operation):
		p.resource = "*"
	case strings.Contains(id, "alias/"):
		out, err := kms.NewFromConfig(r.setUp(call.Region)).DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
		if err != nil {
			return nil, fmt.Errorf("resolve %s: %w", id, err)
		}
		p.resource = aws.ToString(out.KeyMetadata.Arn)
	default:
		for _, key := range keyResources(call.Region, parameters, nil) {
			p.resource = key.ARN
		}
	}
	return []permission{p}, nil
}

// unnamed are the operations that AWS allows on "*" only.
func unnamed() []string {
	return []string{
		"iam ListRoles", "iam ListOpenIDConnectProviders", "iam ListPolicies", "lambda ListEventSourceMappings", "lambda ListFunctions",
		"cloudtrail DescribeTrails", "cloudtrail LookupEvents", "sqs ListQueues", "sns ListTopics",
		"organizations DescribeOrganization",
	}
}

// naming is how a service's calls name a resource: by one of these parameters, whose value is the name in this form of an
// ARN, or an ARN already.
type naming struct{ parameter, form string }

func namings() map[string][]naming {
	return map[string][]naming{
		"lambda":         {{"FunctionName", "function:%s"}, {"UUID", "event-source-mapping:%s"}, {"Resource", "%s"}},
		"sqs":            {{"queueUrl", "%s"}, {"queueName", "%s"}},
		"sns":            {{"topicArn", "%s"}},
		"dynamodb":       {{"tableName", "table/%s"}, {"resourceArn", "%s"}},
		"ssm":            {{"name", "parameter/%s"}, {"names", "parameter/%s"}},
		"events":         {{"rule", "rule/%s"}, {"name", "rule/%s"}},
		"cloudtrail":     {{"name", "trail/%s"}, {"trailName", "trail/%s"}},
		"cloudformation": {{"stackName", "stack/%s/*"}}, // a stack's ARN ends in an id that the name does not tell
		"logs":           {{"logGroupName", "log-group:%s:*"}, {"logGroupIdentifier", "log-group:%s:*"}},
	}
}

// namedPermissions serve the services whose calls name their resource in one parameter.
func namedPermissions(call request) ([]permission, error) {
	if slices.Contains(unnamed(), call.Service+" "+call.Operation) {
		return []permission{{action: call.Action, resource: "*"}}, nil
	}
	parameters := parametersOf(call)
	if _, bus := parameters["eventBusName"]; bus || parameters["indexName"] != nil {
		return nil, errNoResource
	}
	for _, n := range namings()[call.Service] {
		var all []permission
		for _, name := range values(parameters[n.parameter]) {
			all = append(all, permission{action: call.Action, resource: n.arn(call, name)})
		}
		if all != nil {
			return all, nil
		}
	}
	return nil, errNoResource
}

func (n naming) arn(call request, name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	switch qualifier := call.Query.Get("Qualifier"); {
	case call.Service == "sqs":
		name = name[strings.LastIndex(name, "/")+1:] // of a URL
	case call.Service == "ssm":
		name = strings.TrimPrefix(name, "/")
	case call.Service == "lambda" && qualifier != "":
		name += ":" + qualifier
	}
	return fmt.Sprintf("arn:aws:%s:%s:%s:"+n.form, call.Service, call.Region, account, name)
}

// parametersOf are a call's by their names in CloudTrail.
func parametersOf(call request) map[string]any {
	if call.Service == "lambda" {
		parameters := map[string]any{}
		for name, value := range call.PathParameters {
			parameters[name], _ = url.PathUnescape(value)
		}
		return parameters
	}
	if object := jsonObject(call.Body); object != nil {
		return object
	}
	return queryParameters(call.Body)
}

// values are the texts of a parameter that is one or a list.
func values(parameter any) []string {
	switch parameter := parameter.(type) {
	case string:
		return []string{parameter}
	case []any:
		var all []string
		for _, item := range parameter {
			all = append(all, values(item)...)
		}
		return all
	}
	return nil
}

// iamPermissions: IAM names roles without their path, which their ARN has.
func (r *Recorder) iamPermissions(ctx context.Context, call request) ([]permission, error) {
	if slices.Contains(unnamed(), "iam "+call.Operation) {
		return []permission{{action: call.Action, resource: "*"}}, nil
	}
	parameters := queryParameters(call.Body)
	text := func(name string) string { value, _ := parameters[name].(string); return value }
	p := permission{action: call.Action, keys: map[string][]string{}}
	if arn := text("policyArn"); arn != "" {
		p.resource, p.keys["iam:PolicyARN"] = arn, []string{arn}
	}
	if boundary := text("permissionsBoundary"); boundary != "" {
		p.keys["iam:PermissionsBoundary"] = []string{boundary}
	}
	role, path := text("roleName"), "/"+strings.TrimPrefix(text("path"), "/")
	switch {
	case call.Operation == "CreateRole":
		p.resource = iamARN("role" + path + role)
	case role != "":
		found, err := r.role(ctx, role, isBounded(call.Operation))
		if err != nil {
			return nil, err
		}
		p.resource = found.arn
		if found.boundary != "" && text("permissionsBoundary") == "" {
			p.keys["iam:PermissionsBoundary"] = []string{found.boundary}
		}
	case call.Operation == "CreatePolicy":
		p.resource = iamARN("policy" + path + text("policyName"))
	case call.Operation == "CreateOpenIDConnectProvider":
		p.resource = iamARN("oidc-provider/" + strings.TrimPrefix(text("url"), "https://"))
	default:
		p.resource = cmp.Or(p.resource, text("openIDConnectProviderArn"))
	}
	return withTags(p, parameters), nil
}

// isBounded: the boundary that a role has then is in the request's context. Whether it is for UpdateAssumeRolePolicy and
// UpdateRole AWS's pages do not say alike: there it is not known.
func isBounded(operation string) bool {
	return slices.Contains([]string{
		"AttachRolePolicy", "DetachRolePolicy", "PutRolePolicy", "DeleteRolePolicy", "DeleteRolePermissionsBoundary",
	}, operation)
}

// withTags adds what setting tags needs: an action of its own where something is created with them.
func withTags(p permission, parameters map[string]any) []permission {
	keys := map[string][]string{}
	tags, _ := parameters["tags"].([]any)
	for _, item := range tags {
		tag, _ := item.(map[string]any)
		key, _ := tag["key"].(string)
		keys["aws:TagKeys"] = append(keys["aws:TagKeys"], key)
		keys["aws:RequestTag/"+key] = values(tag["value"])
	}
	if removed := values(parameters["tagKeys"]); removed != nil {
		keys["aws:TagKeys"] = removed
	}
	maps.Copy(p.keys, keys)
	created, isNew := strings.CutPrefix(p.action, "iam:Create")
	if !isNew || len(keys) == 0 {
		return []permission{p}
	}
	return []permission{p, {action: "iam:Tag" + created, resource: p.resource, keys: keys}}
}

func iamARN(resource string) string { return "arn:aws:iam::" + account + ":" + resource }

// knownRole is what IAM's authorization knows of a role.
type knownRole struct{ arn, boundary string }

// role asks moto for a role's ARN, once while it stands, as its path does not change, and each time for its boundary. For a
// role that is not there AWS has only its name.
func (r *Recorder) role(ctx context.Context, name string, withBoundary bool) (knownRole, error) {
	r.mu.Lock()
	known, ok := r.roles[name]
	r.mu.Unlock()
	if ok && !withBoundary {
		return known, nil
	}
	out, err := iam.NewFromConfig(r.setUp(home)).GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
	var gone *iamtypes.NoSuchEntityException
	switch {
	case errors.As(err, &gone):
		return knownRole{arn: iamARN("role/" + name)}, nil
	case err != nil:
		return knownRole{}, fmt.Errorf("find role %s: %w", name, err)
	}
	known.arn = aws.ToString(out.Role.Arn)
	r.mu.Lock()
	r.roles[name] = known
	r.mu.Unlock()
	if boundary := out.Role.PermissionsBoundary; boundary != nil && withBoundary {
		known.boundary = aws.ToString(boundary.PermissionsBoundaryArn)
	}
	return known, nil
}
