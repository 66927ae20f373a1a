package localaws

import (
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// request is what the recorder understands of a call before it is answered.
type request struct {
	Service     string // signing name: s3, iam, kms …
	Region      string // that the call was signed for
	AccessKeyID string
	Operation   string // the SDK's name of the operation
	Action      string // the IAM action that the operation needs
	EventName   string // CloudTrail's name; empty for reads and data events

	Bucket, SubResource string            // S3 only
	PathParameters      map[string]string // Lambda only
	UserAgent           string
	Header              http.Header
	Body                []byte
}

// resource is what the call names. Of several it is the first: AttachRolePolicy is a call on the role.
func (r request) resource() string {
	if r.Bucket != "" {
		return r.Bucket
	}
	form, _ := url.ParseQuery(string(r.Body))
	for _, parameter := range []string{"RoleName", "PolicyArn", "OpenIDConnectProviderArn"} {
		if name := form.Get(parameter); r.Service == "iam" && name != "" {
			return name
		}
	}
	object := jsonObject(r.Body)
	if names, ok := object["names"].([]any); ok && r.Service == "ssm" && len(names) > 0 {
		object["name"] = names[0]
	}
	name, _ := object[map[string]string{"ssm": "name", "kms": "keyId", "dynamodb": "tableName"}[r.Service]].(string)
	return name
}

// credentialScope finds access key, region and service in a Signature Version 4 header or pre-signed URL.
func credentialScope(r *http.Request) (key, region, service string) {
	pattern := regexp.MustCompile(`Credential=([^/,]+)/[^/]+/([^/]+)/([^/]+)/aws4_request`)
	scope := r.Header.Get("Authorization")
	if presigned := r.URL.Query().Get("X-Amz-Credential"); presigned != "" {
		scope = "Credential=" + presigned
	}
	if parts := pattern.FindStringSubmatch(scope); parts != nil {
		return parts[1], parts[2], parts[3]
	}
	return "", home, ""
}

// identify names a call. One act has three names: the SDK's, IAM's and CloudTrail's.
func identify(r *http.Request, body []byte) request {
	call := request{Header: r.Header, Body: body, UserAgent: r.UserAgent()}
	call.AccessKeyID, call.Region, call.Service = credentialScope(r)
	switch {
	case call.Service == "s3" && strings.HasPrefix(r.URL.Path, "/v20180820/"):
		identifyS3Control(&call, r)
	case call.Service == "s3":
		identifyS3(&call, r)
	case call.Service == "lambda":
		identifyLambda(&call, r)
	default:
		identifyByProtocol(&call, r)
	}
	return call
}

// identifyByProtocol serves the services whose operation is named in the call: the query, JSON and CBOR protocols.
// A REST service's call is named by method and path.
func identifyByProtocol(call *request, r *http.Request) {
	target := r.Header.Get("X-Amz-Target")
	_, cbor, isCBOR := strings.Cut(r.URL.Path, "/operation/")
	switch form, _ := url.ParseQuery(string(call.Body)); {
	case target != "":
		call.Operation = target[strings.LastIndex(target, ".")+1:]
	case isCBOR:
		call.Operation = cbor
	case form.Get("Action") != "":
		call.Operation = form.Get("Action")
	default:
		call.Operation = r.Method + " " + r.URL.Path
	}
	call.Action = actionPrefix(call.Service) + ":" + call.Operation
	if mutates(call.Service, call.Operation) {
		call.EventName = call.Operation
	}
}

// actionPrefix is what a service's IAM actions begin with: its signing name, but for CloudWatch.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html
func actionPrefix(service string) string {
	if service == "monitoring" {
		return "cloudwatch"
	}
	return service
}

// mutates tells whether a call of a recorded service is a management event that changes something. Recorded are the
// services that the guard watches, and those that its own resources live in.
func mutates(service, operation string) bool {
	others := map[string]string{ // reads, and calls on data
		"iam": `^(Get|List|Simulate|Generate)`,
		// Cryptographic operations are management events too, but CloudTrail calls them read-only.
		"kms": `^(Get|List|Describe|Encrypt|Decrypt|ReEncrypt|Generate|Sign|Verify|Derive)`,
		"ssm": `^(Get|List|Describe)`,
		// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cloudtrail.html
		"events": `^(Get|List|Describe|Test|PutEvents|PutPartnerEvents)`,
		// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-logging-using-cloudtrail.html
		"sqs": `^(Get|List|SendMessage|ReceiveMessage|DeleteMessage|ChangeMessageVisibility)`,
		// https://docs.aws.amazon.com/sns/latest/dg/sns-logging-using-cloudtrail.html
		"sns":        `^(Get|List|Check|Publish)`,
		"cloudtrail": `^(Get|List|Describe|Lookup)`,
		// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/logging-using-cloudtrail.html
		"dynamodb": `^(Get|List|Describe|Query|Scan|Batch|Transact|Execute|PutItem|UpdateItem|DeleteItem)`,
	}
	pattern, recorded := others[service]
	return recorded && !regexp.MustCompile(pattern).MatchString(operation)
}

func identifyS3(call *request, r *http.Request) {
	bucket, key := s3Address(r)
	call.Bucket = bucket
	query := r.URL.Query()
	switch {
	case bucket == "":
		call.Operation, call.Action = "ListBuckets", "s3:ListAllMyBuckets"
	case key != "":
		call.Operation = s3ObjectOperation(r, query)
		call.Action = s3ObjectAction(call.Operation)
	default:
		identifyS3Bucket(call, r.Method, query)
	}
}

// s3Address splits a call's address in the path style or in the virtual-host style (bucket.localhost:port).
func s3Address(r *http.Request) (bucket, key string) {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	path := strings.TrimPrefix(r.URL.Path, "/")
	if bucket, ok := strings.CutSuffix(host, ".localhost"); ok {
		return bucket, path
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

// s3ObjectOperation names a call on an object: a data event, so only the SDK's name matters.
func s3ObjectOperation(r *http.Request, query url.Values) string {
	if id := query.Get("x-id"); id != "" { // the Go SDK says it where method and path do not
		return id
	}
	switch {
	case query.Has("tagging"):
		return r.Method[:1] + strings.ToLower(r.Method[1:]) + "ObjectTagging"
	case query.Has("acl"):
		return r.Method[:1] + strings.ToLower(r.Method[1:]) + "ObjectAcl"
	default:
		return r.Method[:1] + strings.ToLower(r.Method[1:]) + "Object"
	}
}

func s3ObjectAction(operation string) string {
	if operation == "HeadObject" {
		return "s3:GetObject" // https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
	}
	return "s3:" + operation
}

// identifyS3Control serves the account's public access block. Its event has no bucketName.
func identifyS3Control(call *request, r *http.Request) {
	if !strings.HasSuffix(r.URL.Path, "/publicAccessBlock") {
		call.Operation = r.Method + " " + r.URL.Path
		call.Action = "s3:" + call.Operation
		return
	}
	switch r.Method {
	case http.MethodGet:
		call.Operation, call.Action = "GetPublicAccessBlock", "s3:GetAccountPublicAccessBlock"
	case http.MethodPut:
		call.Operation, call.EventName = "PutPublicAccessBlock", "PutAccountPublicAccessBlock"
		call.Action = "s3:PutAccountPublicAccessBlock"
	case http.MethodDelete:
		call.Operation, call.EventName = "DeletePublicAccessBlock", "DeleteAccountPublicAccessBlock"
		call.Action = "s3:PutAccountPublicAccessBlock"
	}
}

func identifyS3Bucket(call *request, method string, query url.Values) {
	for _, row := range s3BucketOperations() {
		if row.method == method && (row.sub == "" || query.Has(row.sub)) {
			call.Operation, call.Action, call.EventName = row.operation, "s3:"+row.action, row.event
			call.SubResource = row.sub
			return
		}
	}
	call.Operation = method + " bucket"
	call.Action = "s3:" + call.Operation
}

type s3Operation struct{ method, sub, operation, action, event string }

// s3BucketOperations is the table of calls on a bucket, in order: a row without sub-resource takes what is left.
// Rows without event name are reads, or data events.
//
// Names: https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html and the service
// authorization reference. PutBucketObjectLockConfiguration, the request payment's, and the inventory's are inferred from the rule.
func s3BucketOperations() []s3Operation { //nolint:funlen // a table
	const get, put, del, head, post = http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodHead, http.MethodPost
	return []s3Operation{
		{get, "cors", "GetBucketCors", "GetBucketCORS", ""},
		{put, "cors", "PutBucketCors", "PutBucketCORS", "PutBucketCors"},
		{del, "cors", "DeleteBucketCors", "PutBucketCORS", "DeleteBucketCors"},
		{get, "publicAccessBlock", "GetPublicAccessBlock", "GetBucketPublicAccessBlock", ""},
		{put, "publicAccessBlock", "PutPublicAccessBlock", "PutBucketPublicAccessBlock", "PutBucketPublicAccessBlock"},
		{del, "publicAccessBlock", "DeletePublicAccessBlock", "PutBucketPublicAccessBlock", "DeleteBucketPublicAccessBlock"},
		{get, "encryption", "GetBucketEncryption", "GetEncryptionConfiguration", ""},
		{put, "encryption", "PutBucketEncryption", "PutEncryptionConfiguration", "PutBucketEncryption"},
		{del, "encryption", "DeleteBucketEncryption", "PutEncryptionConfiguration", "DeleteBucketEncryption"},
		{get, "lifecycle", "GetBucketLifecycleConfiguration", "GetLifecycleConfiguration", ""},
		{put, "lifecycle", "PutBucketLifecycleConfiguration", "PutLifecycleConfiguration", "PutBucketLifecycle"},
		{del, "lifecycle", "DeleteBucketLifecycle", "PutLifecycleConfiguration", "DeleteBucketLifecycle"},
		{get, "notification", "GetBucketNotificationConfiguration", "GetBucketNotification", ""},
		{put, "notification", "PutBucketNotificationConfiguration", "PutBucketNotification", "PutBucketNotification"},
		{get, "object-lock", "GetObjectLockConfiguration", "GetBucketObjectLockConfiguration", ""},
		{put, "object-lock", "PutObjectLockConfiguration", "PutBucketObjectLockConfiguration", "PutBucketObjectLockConfiguration"},
		{get, "ownershipControls", "GetBucketOwnershipControls", "GetBucketOwnershipControls", ""},
		{put, "ownershipControls", "PutBucketOwnershipControls", "PutBucketOwnershipControls", "PutBucketOwnershipControls"},
		{del, "ownershipControls", "DeleteBucketOwnershipControls", "PutBucketOwnershipControls", "DeleteBucketOwnershipControls"},
		{get, "versioning", "GetBucketVersioning", "GetBucketVersioning", ""},
		{put, "versioning", "PutBucketVersioning", "PutBucketVersioning", "PutBucketVersioning"},
		{get, "policyStatus", "GetBucketPolicyStatus", "GetBucketPolicyStatus", ""},
		{get, "policy", "GetBucketPolicy", "GetBucketPolicy", ""},
		{put, "policy", "PutBucketPolicy", "PutBucketPolicy", "PutBucketPolicy"},
		{del, "policy", "DeleteBucketPolicy", "DeleteBucketPolicy", "DeleteBucketPolicy"},
		{get, "acl", "GetBucketAcl", "GetBucketAcl", ""},
		{put, "acl", "PutBucketAcl", "PutBucketAcl", "PutBucketAcl"},
		{get, "tagging", "GetBucketTagging", "GetBucketTagging", ""},
		{put, "tagging", "PutBucketTagging", "PutBucketTagging", "PutBucketTagging"},
		{del, "tagging", "DeleteBucketTagging", "PutBucketTagging", "DeleteBucketTagging"},
		{get, "logging", "GetBucketLogging", "GetBucketLogging", ""},
		{put, "logging", "PutBucketLogging", "PutBucketLogging", "PutBucketLogging"},
		{get, "website", "GetBucketWebsite", "GetBucketWebsite", ""},
		{put, "website", "PutBucketWebsite", "PutBucketWebsite", "PutBucketWebsite"},
		{del, "website", "DeleteBucketWebsite", "DeleteBucketWebsite", "DeleteBucketWebsite"},
		{get, "replication", "GetBucketReplication", "GetReplicationConfiguration", ""},
		{put, "replication", "PutBucketReplication", "PutReplicationConfiguration", "PutBucketReplication"},
		{del, "replication", "DeleteBucketReplication", "PutReplicationConfiguration", "DeleteBucketReplication"},
		{get, "requestPayment", "GetBucketRequestPayment", "GetBucketRequestPayment", ""},
		{put, "requestPayment", "PutBucketRequestPayment", "PutBucketRequestPayment", "PutBucketRequestPayment"},
		{get, "inventory", "ListBucketInventoryConfigurations", "GetInventoryConfiguration", ""},
		{put, "inventory", "PutBucketInventoryConfiguration", "PutInventoryConfiguration", "PutBucketInventoryConfiguration"},
		{get, "location", "GetBucketLocation", "GetBucketLocation", ""},
		{get, "versions", "ListObjectVersions", "ListBucketVersions", ""},
		{get, "uploads", "ListMultipartUploads", "ListBucketMultipartUploads", ""},
		{get, "list-type", "ListObjectsV2", "ListBucket", ""},
		{get, "", "ListObjects", "ListBucket", ""},
		{head, "", "HeadBucket", "ListBucket", ""},
		{post, "delete", "DeleteObjects", "DeleteObject", ""},
		{put, "", "CreateBucket", "CreateBucket", "CreateBucket"},
		{del, "", "DeleteBucket", "DeleteBucket", "DeleteBucket"},
	}
}

// identifyLambda names a call of Lambda, whose protocol has the operation in method and path only.
func identifyLambda(call *request, r *http.Request) {
	call.Operation = r.Method + " " + r.URL.Path
	path := strings.TrimSuffix(r.URL.Path, "/")
	for _, row := range lambdaOperations() {
		parameters, ok := pathParameters(row.path, path)
		if row.method == r.Method && ok {
			call.Operation, call.EventName, call.PathParameters = row.operation, row.event, parameters
			break
		}
	}
	call.Action = "lambda:" + call.Operation
	if call.Operation == "Invoke" { // the one action that is not named like its operation
		call.Action = "lambda:InvokeFunction"
	}
}

// pathParameters matches a path with a template like /functions/{FunctionName}, and answers what stands in its places.
func pathParameters(template, path string) (map[string]string, bool) {
	parts, wanted := strings.Split(path, "/"), strings.Split(template, "/")
	if len(parts) != len(wanted) {
		return nil, false
	}
	parameters := map[string]string{}
	for i, part := range wanted {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			parameters[strings.TrimSuffix(name, "}")] = parts[i]
		} else if part != parts[i] {
			return nil, false
		}
	}
	return parameters, true
}

type lambdaOperation struct{ method, path, operation, event string }

// lambdaOperations is the table of calls on functions and their event source mappings: layers, aliases and what else the
// guard has none of are left out. Rows without event name are reads, or data events.
//
// Names: https://docs.aws.amazon.com/lambda/latest/dg/logging-using-cloudtrail.html. DeleteFunctionEventInvokeConfig is
// not on that list; its name is inferred from its siblings'.
func lambdaOperations() []lambdaOperation {
	const get, put, del, post = http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPost
	const function, mapping = "/2015-03-31/functions/{FunctionName}", "/2015-03-31/event-source-mappings"
	const invokeConfig, tags = "/2019-09-25/functions/{FunctionName}/event-invoke-config", "/2017-03-31/tags/{Resource}"
	return []lambdaOperation{
		{get, "/2015-03-31/functions", "ListFunctions", ""},
		{post, "/2015-03-31/functions", "CreateFunction", "CreateFunction20150331"},
		{get, function, "GetFunction", ""},
		{del, function, "DeleteFunction", "DeleteFunction20150331"},
		{get, function + "/configuration", "GetFunctionConfiguration", ""},
		{put, function + "/configuration", "UpdateFunctionConfiguration", "UpdateFunctionConfiguration20150331v2"},
		{put, function + "/code", "UpdateFunctionCode", "UpdateFunctionCode20150331v2"},
		{get, function + "/versions", "ListVersionsByFunction", ""},
		{post, function + "/versions", "PublishVersion", "PublishVersion20150331"},
		{get, function + "/policy", "GetPolicy", ""},
		{post, function + "/policy", "AddPermission", "AddPermission20150331v2"},
		{del, function + "/policy/{StatementId}", "RemovePermission", "RemovePermission20150331v2"},
		{post, function + "/invocations", "Invoke", ""},
		{get, "/2019-09-30/functions/{FunctionName}/concurrency", "GetFunctionConcurrency", ""},
		{put, "/2017-10-31/functions/{FunctionName}/concurrency", "PutFunctionConcurrency", "PutFunctionConcurrency20171031"},
		{del, "/2017-10-31/functions/{FunctionName}/concurrency", "DeleteFunctionConcurrency", "DeleteFunctionConcurrency20171031"},
		{get, invokeConfig, "GetFunctionEventInvokeConfig", ""},
		{put, invokeConfig, "PutFunctionEventInvokeConfig", "PutFunctionEventInvokeConfig"},
		{post, invokeConfig, "UpdateFunctionEventInvokeConfig", "UpdateFunctionEventInvokeConfig"},
		{del, invokeConfig, "DeleteFunctionEventInvokeConfig", "DeleteFunctionEventInvokeConfig"},
		{get, mapping, "ListEventSourceMappings", ""},
		{post, mapping, "CreateEventSourceMapping", "CreateEventSourceMapping20150331"},
		{get, mapping + "/{UUID}", "GetEventSourceMapping", ""},
		{put, mapping + "/{UUID}", "UpdateEventSourceMapping", "UpdateEventSourceMapping20150331"},
		{del, mapping + "/{UUID}", "DeleteEventSourceMapping", "DeleteEventSourceMapping20150331"},
		{get, tags, "ListTags", ""},
		{post, tags, "TagResource", "TagResource20170331v2"},
		{del, tags, "UntagResource", "UntagResource20170331v2"},
	}
}
