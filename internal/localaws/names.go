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

	Bucket, SubResource string // S3 only
	UserAgent           string
	Header              http.Header
	Body                []byte
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
	call.Action = call.Service + ":" + call.Operation
	if mutates(call.Service, call.Operation) {
		call.EventName = call.Operation
	}
}

// mutates tells whether a call of a recorded service is a management event that changes something.
func mutates(service, operation string) bool {
	reads := map[string]string{
		"iam": `^(Get|List|Simulate|Generate)`,
		// Cryptographic operations are management events too, but CloudTrail calls them read-only.
		"kms": `^(Get|List|Describe|Encrypt|Decrypt|ReEncrypt|Generate|Sign|Verify|Derive)`,
		"ssm": `^(Get|List|Describe)`,
	}
	pattern, recorded := reads[service]
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
