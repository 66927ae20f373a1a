package localaws

import (
	"cmp"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
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
	Unknown     bool   // no table has it; Operation then says what was asked

	Bucket, Key    string            // S3 only
	SubResources   map[string]string // S3 only: what the query says beside parameters
	S3Control      bool              // S3's calls on the account
	PathParameters map[string]string // Lambda only
	UserAgent      string
	Query          url.Values
	Header         http.Header
	Body           []byte
}

// resource is what the call names. Of several it is the first: AttachRolePolicy is a call on the role.
func (call request) resource() string {
	if call.Bucket != "" {
		return call.Bucket
	}
	form, _ := url.ParseQuery(string(call.Body))
	for _, parameter := range []string{"RoleName", "PolicyArn", "OpenIDConnectProviderArn"} {
		if name := form.Get(parameter); call.Service == "iam" && name != "" {
			return name
		}
	}
	object := jsonObject(call.Body)
	if names, ok := object["names"].([]any); ok && call.Service == "ssm" && len(names) > 0 {
		object["name"] = names[0]
	}
	name, _ := object[map[string]string{"ssm": "name", "kms": "keyId", "dynamodb": "tableName"}[call.Service]].(string)
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
	call := request{Query: r.URL.Query(), Header: r.Header, Body: body, UserAgent: r.UserAgent()}
	call.AccessKeyID, call.Region, call.Service = credentialScope(r)
	switch {
	case call.Service == "s3" && strings.HasPrefix(r.URL.Path, "/v20180820/"):
		call.S3Control = true
		call.findS3(r, s3ControlOperations(), r.URL.Path, r.URL.Path)
	case call.Service == "s3":
		identifyS3(&call, r)
	case call.Service == "lambda":
		identifyLambda(&call, r)
	case call.Service == "":
		call.refuse("unsigned " + r.Method + " " + r.URL.Path)
	default:
		identifyByProtocol(&call, r)
	}
	return call
}

// refuse marks a call that no table has. It must not reach moto, which takes some of them for another (PUT bucket?metrics
// for CreateBucket), nor become an event, whose name would be a guess.
func (call *request) refuse(asked string) {
	call.Unknown = true
	call.Operation, call.Action = asked, actionPrefix(call.Service)+":"+asked
}

// identifyByProtocol serves the services whose operation is named in the call: the query, JSON and CBOR protocols. Calls
// that name none, those of REST services, and services of which it is not known what is an event, are unknown.
func identifyByProtocol(call *request, r *http.Request) {
	target := r.Header.Get("X-Amz-Target")
	_, cbor, _ := strings.Cut(r.URL.Path, "/operation/")
	switch form, _ := url.ParseQuery(string(call.Body)); {
	case target != "":
		call.Operation = target[strings.LastIndex(target, ".")+1:]
	case r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor":
		call.Operation = cbor
	default:
		call.Operation = form.Get("Action")
	}
	event, known := mutates(call.Service, call.Operation)
	if call.Operation == "" || !known {
		call.refuse(strings.TrimSpace(call.Service + " " + r.Method + " " + r.URL.Path + " " + call.Operation))
		return
	}
	call.Action = actionPrefix(call.Service) + ":" + actionName(call.Service, call.Operation)
	if event {
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

// actionName is the action's: the operation's, but for SQS's batches, which have no actions of their own.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html
func actionName(service, operation string) string {
	aliases := map[string]string{
		"sqs SendMessageBatch":             "SendMessage",
		"sqs DeleteMessageBatch":           "DeleteMessage",
		"sqs ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
	}
	return cmp.Or(aliases[service+" "+operation], operation)
}

// mutates tells whether a call is a management event that changes something. Recorded are the services that the guard
// watches, and those that its own resources live in; of the others only those are known that it calls.
func mutates(service, operation string) (event, known bool) {
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
		// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/logging_cw_api_calls_cwl.html
		"logs": `^(Get|List|Describe|Filter|PutLogEvents|StartQuery|StopQuery|StartLiveTail|TestMetricFilter)`,
		// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/logging_cw_api_calls.html
		"monitoring": `^(Get|List|Describe|PutMetricData)`,
		// Not recorded: the guard listens to none of their calls.
		"cloudformation": ``, "organizations": ``, "sts": ``,
	}
	pattern, known := others[service]
	return known && !regexp.MustCompile(pattern).MatchString(operation), known
}

// identifyS3 finds a call's row by its method and by the sub-resources in its query.
func identifyS3(call *request, r *http.Request) {
	call.Bucket, call.Key = s3Address(r)
	call.SubResources = subResources(r)
	of, rows := "bucket", s3BucketOperations()
	switch {
	case call.Bucket == "":
		of, rows = "service", s3ServiceOperations()
	case call.Key != "":
		of, rows = "object", s3ObjectOperations()
	}
	names := strings.Join(slices.Sorted(maps.Keys(call.SubResources)), "&")
	call.findS3(r, rows, names, strings.TrimSuffix(of+"?"+names, "?"))
}

// findS3 names a call of S3 by its row, which all of its query has to fit: there is no row for what is left. Where the
// SDK says the operation too (x-id), it has to be that one.
func (call *request) findS3(r *http.Request, rows []s3Operation, sub, asked string) {
	id := r.URL.Query().Get("x-id")
	for _, row := range rows {
		if row.method == r.Method && row.sub == sub && (id == "" || id == row.operation) {
			call.Operation, call.Action, call.EventName = row.operation, "s3:"+row.action, row.event
			return
		}
	}
	if id != "" {
		asked += " x-id=" + id
	}
	call.refuse(r.Method + " " + asked)
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

// copySource is the one header that makes another operation of a call, so it counts as a sub-resource.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
const copySource = "x-amz-copy-source"

// subResources are the names in a query that say what the call is about, with their values: all but the parameters.
func subResources(r *http.Request) map[string]string {
	found := map[string]string{}
	for name, values := range r.URL.Query() {
		if !slices.Contains(ordinaryParameters(), name) && !strings.HasPrefix(name, "X-Amz-") { // a pre-signed URL's
			found[name] = values[0]
		}
	}
	if source := r.Header.Get(copySource); source != "" {
		found[copySource] = source
	}
	return found
}

// ordinaryParameters are the names in queries that change nothing about what a call is: how much of a list, which version.
// "URI Request Parameters" of each operation in
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
func ordinaryParameters() []string {
	return []string{
		"bucket-region", "continuation-token", "delimiter", "encoding-type", "fetch-owner", "key-marker", "marker", "max-buckets",
		"max-keys", "max-parts", "max-uploads", "part-number-marker", "partNumber", "prefix", "response-cache-control",
		"response-content-disposition", "response-content-encoding", "response-content-language", "response-content-type",
		"response-expires", "start-after", "upload-id-marker", "version-id-marker", "versionId", "x-id",
	}
}

// s3Operation is a row. sub is all sub-resources of the query, sorted and joined with "&".
type s3Operation struct{ method, sub, operation, action, event string }

// s3ServiceOperations is the table of calls on no bucket.
func s3ServiceOperations() []s3Operation {
	return []s3Operation{{http.MethodGet, "", "ListBuckets", "ListAllMyBuckets", ""}}
}

// s3ControlOperations is the table of calls on the account: its public access block. sub is the path. Its events have
// no bucketName.
func s3ControlOperations() []s3Operation {
	const block, put = "/v20180820/configuration/publicAccessBlock", "PutAccountPublicAccessBlock"
	return []s3Operation{
		{http.MethodGet, block, "GetPublicAccessBlock", "GetAccountPublicAccessBlock", ""},
		{http.MethodPut, block, "PutPublicAccessBlock", put, put},
		{http.MethodDelete, block, "DeletePublicAccessBlock", put, "DeleteAccountPublicAccessBlock"},
	}
}

// s3ObjectOperations is the table of calls on an object: data events, so none has an event name.
//
// Actions: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html; of a copy, what the
// destination needs.
func s3ObjectOperations() []s3Operation {
	const get, put, del, head, post = http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodHead, http.MethodPost
	return []s3Operation{
		{get, "", "GetObject", "GetObject", ""},
		{head, "", "HeadObject", "GetObject", ""},
		{put, "", "PutObject", "PutObject", ""},
		{put, copySource, "CopyObject", "PutObject", ""},
		{del, "", "DeleteObject", "DeleteObject", ""},
		{get, "tagging", "GetObjectTagging", "GetObjectTagging", ""},
		{put, "tagging", "PutObjectTagging", "PutObjectTagging", ""},
		{del, "tagging", "DeleteObjectTagging", "DeleteObjectTagging", ""},
		{get, "acl", "GetObjectAcl", "GetObjectAcl", ""},
		{put, "acl", "PutObjectAcl", "PutObjectAcl", ""},
		{post, "uploads", "CreateMultipartUpload", "PutObject", ""},
		{put, "uploadId", "UploadPart", "PutObject", ""},
		{put, "uploadId&" + copySource, "UploadPartCopy", "PutObject", ""},
		{get, "uploadId", "ListParts", "ListMultipartUploadParts", ""},
		{post, "uploadId", "CompleteMultipartUpload", "PutObject", ""},
		{del, "uploadId", "AbortMultipartUpload", "AbortMultipartUpload", ""},
	}
}

// s3BucketOperations is the table of calls on a bucket. Rows without event name are reads, or data events.
//
// Names: https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html and the service
// authorization reference. PutBucketObjectLockConfiguration and the inventory's are inferred from the rule.
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
		{get, "intelligent-tiering", "ListBucketIntelligentTieringConfigurations", "GetIntelligentTieringConfiguration", ""},
		{
			put, "id&intelligent-tiering", "PutBucketIntelligentTieringConfiguration", "PutIntelligentTieringConfiguration",
			"PutBucketIntelligentTieringConfiguration",
		},
		{
			del, "id&intelligent-tiering", "DeleteBucketIntelligentTieringConfiguration", "PutIntelligentTieringConfiguration",
			"DeleteBucketIntelligentTieringConfiguration",
		},
		{get, "inventory", "ListBucketInventoryConfigurations", "GetInventoryConfiguration", ""},
		{get, "id&inventory", "GetBucketInventoryConfiguration", "GetInventoryConfiguration", ""},
		{put, "id&inventory", "PutBucketInventoryConfiguration", "PutInventoryConfiguration", "PutBucketInventoryConfiguration"},
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
	path := strings.TrimSuffix(r.URL.Path, "/")
	for _, row := range lambdaOperations() {
		parameters, ok := pathParameters(row.path, path)
		if row.method == r.Method && ok {
			call.Operation, call.Action = row.operation, "lambda:"+row.operation
			call.EventName, call.PathParameters = row.event, parameters
			if row.operation == "Invoke" { // the one action that is not named like its operation
				call.Action = "lambda:InvokeFunction"
			}
			return
		}
	}
	call.refuse(r.Method + " " + r.URL.Path)
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
// Names: https://docs.aws.amazon.com/lambda/latest/dg/logging-using-cloudtrail.html. DeleteFunctionEventInvokeConfig and
// PutFunctionRecursionConfig are not on that list; their names are inferred from their siblings'.
func lambdaOperations() []lambdaOperation {
	const get, put, del, post = http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPost
	const function, mapping = "/2015-03-31/functions/{FunctionName}", "/2015-03-31/event-source-mappings"
	const recursion = "/2024-08-31/functions/{FunctionName}/recursion-config"
	const functionURL = "/2021-10-31/functions/{FunctionName}/url"
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
		{get, recursion, "GetFunctionRecursionConfig", ""},
		{put, recursion, "PutFunctionRecursionConfig", "PutFunctionRecursionConfig"},
		{get, functionURL, "GetFunctionUrlConfig", ""},
		{post, functionURL, "CreateFunctionUrlConfig", "CreateFunctionUrlConfig"},
		{put, functionURL, "UpdateFunctionUrlConfig", "UpdateFunctionUrlConfig"},
		{del, functionURL, "DeleteFunctionUrlConfig", "DeleteFunctionUrlConfig"},
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
