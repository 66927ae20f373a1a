package localaws

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Envelope is an event as EventBridge delivers it.
type Envelope struct {
	Version    string    `json:"version"`
	ID         string    `json:"id"`
	DetailType string    `json:"detail-type"`
	Source     string    `json:"source"`
	Account    string    `json:"account"`
	Time       time.Time `json:"time"`
	Region     string    `json:"region"`
	Resources  []string  `json:"resources"`
	Detail     Record    `json:"detail"`
}

// Record is a CloudTrail record,
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
type Record struct {
	EventVersion        string         `json:"eventVersion"`
	UserIdentity        map[string]any `json:"userIdentity"`
	EventTime           time.Time      `json:"eventTime"`
	EventSource         string         `json:"eventSource"`
	EventName           string         `json:"eventName"`
	AWSRegion           string         `json:"awsRegion"`
	SourceIPAddress     string         `json:"sourceIPAddress"`
	UserAgent           string         `json:"userAgent"`
	ErrorCode           string         `json:"errorCode,omitempty"`
	ErrorMessage        string         `json:"errorMessage,omitempty"`
	RequestParameters   map[string]any `json:"requestParameters"`
	ResponseElements    map[string]any `json:"responseElements"`
	AdditionalEventData map[string]any `json:"additionalEventData,omitempty"`
	RequestID           string         `json:"requestID"`
	EventID             string         `json:"eventID"`
	ReadOnly            bool           `json:"readOnly"`
	Resources           []Resource     `json:"resources,omitempty"`
	EventType           string         `json:"eventType"`
	ManagementEvent     bool           `json:"managementEvent"`
	RecipientAccountID  string         `json:"recipientAccountId"`
	EventCategory       string         `json:"eventCategory"`
	TLSDetails          TLSDetails     `json:"tlsDetails"`
}

// Resource is what a record says about a resource that was touched.
type Resource struct {
	AccountID string `json:"accountId"`
	Type      string `json:"type"`
	ARN       string `json:"ARN"`
}

// TLSDetails is how the caller reached AWS.
type TLSDetails struct {
	TLSVersion               string `json:"tlsVersion"`
	CipherSuite              string `json:"cipherSuite"`
	ClientProvidedHostHeader string `json:"clientProvidedHostHeader"`
}

// Identity is who makes calls, as userIdentity in CloudTrail's records tells it.
type Identity struct{ account, role, name string } // role is empty for a user; name is the user's or the session's

// IAMUser is a person or program with an access key of its own.
func IAMUser(account, name string) Identity { return Identity{account: account, name: name} }

// AssumedRole is a session of a role. Name is a role's name or path and name.
func AssumedRole(account, role, session string) Identity {
	return Identity{account: account, role: role, name: session}
}

// ARN is the caller's ARN, as in AccessDenied messages.
func (i Identity) ARN() string {
	if i.role == "" {
		return fmt.Sprintf("arn:aws:iam::%s:user/%s", i.account, i.name)
	}
	return fmt.Sprintf("arn:aws:sts::%s:assumed-role/%s/%s", i.account, i.role[strings.LastIndex(i.role, "/")+1:], i.name)
}

// PrincipalARN is that of the user, or of the session's role: aws:PrincipalArn.
func (i Identity) PrincipalARN() string {
	if i.role == "" {
		return i.ARN()
	}
	return fmt.Sprintf("arn:aws:iam::%s:role/%s", i.account, strings.TrimPrefix(i.role, "/"))
}

func (i Identity) userIdentity(accessKeyID string, now time.Time) map[string]any {
	identity := map[string]any{"arn": i.ARN(), "accountId": i.account, "accessKeyId": accessKeyID}
	if i.role == "" {
		identity["type"] = "IAMUser"
		identity["principalId"] = uniqueID("AIDA", i.name)
		identity["userName"] = i.name
		return identity
	}
	roleID := uniqueID("AROA", i.role)
	identity["type"] = "AssumedRole"
	identity["principalId"] = roleID + ":" + i.name
	identity["sessionContext"] = map[string]any{
		"sessionIssuer": map[string]any{
			"type": "Role", "principalId": roleID, "accountId": i.account,
			"arn":      i.PrincipalARN(),
			"userName": i.role[strings.LastIndex(i.role, "/")+1:],
		},
		"webIdFederationData": map[string]any{},
		"attributes":          map[string]any{"creationDate": now.Format(time.RFC3339), "mfaAuthenticated": "false"},
	}
	return identity
}

// uniqueID is the same for the same name in every run, unlike AWS's.
func uniqueID(prefix, name string) string {
	sum := sha256.Sum256([]byte(name))
	return prefix + base32.StdEncoding.EncodeToString(sum[:])[:17]
}

// answer is what the caller is told.
type answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// withoutWebPage puts an error of AWS's in the place of what moto's web server says where moto has no such operation, or
// failed in it: without an error code, the event would tell that the call was done.
func (a answer) withoutWebPage(call request) answer {
	page := bytes.HasPrefix(a.Body, []byte("<!doctype html>"))
	switch {
	case a.Status == http.StatusNotImplemented:
		return refusal(call, "moto: "+cmp.Or(xmlText(a.Body, "Message"), string(a.Body)))
	case page && a.Status == http.StatusNotFound:
		return refusal(call, "moto has no such path.")
	case page:
		return serverError(call)
	default:
		return a
	}
}

// withRequestID gives moto's answer an id of its own: moto's are missing, or the same for every call. A failed call's id
// stands in an XML body too, where SDKs look first.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/get-request-ids.html
func (a answer) withRequestID(call request) answer {
	id := newRequestID(call.Service)
	a.Header.Set(requestIDHeader(call.Service), id)
	if a.Status >= http.StatusBadRequest {
		a.Body = regexp.MustCompile(`<RequestI[dD]>[^<]*`).ReplaceAll(a.Body, []byte("<RequestId>"+id))
		a.Header.Del("Content-Length")
	}
	return a
}

func requestIDHeader(service string) string {
	if service == "s3" {
		return "X-Amz-Request-Id"
	}
	return "X-Amzn-Requestid"
}

func newRequestID(service string) string {
	if service == "s3" {
		return rand.Text()[:16]
	}
	return newUUID()
}

// envelope is the event that AWS would send for a call that was answered so.
func envelope(call request, who Identity, got answer, now time.Time) Envelope {
	record := newRecord(call, who, got, now.UTC().Truncate(time.Second))
	return Envelope{
		Version: "0", ID: newUUID(), DetailType: "AWS API Call via CloudTrail",
		Source: "aws." + call.Service, Account: record.RecipientAccountID,
		Time: record.EventTime, Region: record.AWSRegion, Resources: []string{}, Detail: record,
	}
}

func newRecord(call request, who Identity, got answer, now time.Time) Record {
	record := Record{
		EventVersion: "1.10", UserIdentity: who.userIdentity(call.AccessKeyID, now), EventTime: now,
		EventSource: call.Service + ".amazonaws.com", EventName: call.EventName, AWSRegion: call.Region,
		SourceIPAddress: "127.0.0.1", UserAgent: call.UserAgent,
		RequestID: got.Header.Get(requestIDHeader(call.Service)), EventID: newUUID(), EventType: "AwsApiCall", ManagementEvent: true,
		RecipientAccountID: account, EventCategory: "Management",
		TLSDetails: TLSDetails{TLSVersion: "TLSv1.3", CipherSuite: "TLS_AES_128_GCM_SHA256"},
	}
	host := call.Service + ".amazonaws.com"
	switch call.Service {
	case "s3":
		describeS3(&record, call, got)
		host, _ = record.RequestParameters["Host"].(string)
	case "iam":
		record.AWSRegion = home // IAM is global: its events appear in us-east-1 only
		record.RequestParameters = queryParameters(call.Body)
		record.ResponseElements = queryResult(got)
	case "sns":
		record.RequestParameters = queryParameters(call.Body)
		record.ResponseElements = queryResult(got)
		host = call.Service + "." + call.Region + ".amazonaws.com"
	default:
		describeJSON(&record, call, got)
		host = call.Service + "." + call.Region + ".amazonaws.com"
	}
	record.TLSDetails.ClientProvidedHostHeader = host
	if got.Status >= http.StatusBadRequest {
		describeFailure(&record, call, got)
	}
	return record
}

// describeFailure adds what a failed call's record says. Denied calls of IAM and KMS lose their parameters, those of S3
// keep them.
func describeFailure(record *Record, call request, got answer) {
	record.ErrorCode, record.ErrorMessage = errorOf(got)
	record.ResponseElements = nil
	if call.Service == "s3" {
		return
	}
	if strings.HasPrefix(record.ErrorCode, "AccessDenied") {
		record.RequestParameters = nil
		return
	}
	// Recorded for IAM: the answer says NoSuchEntity, the record NoSuchEntityException.
	if call.Service == "iam" && !strings.HasSuffix(record.ErrorCode, "Exception") {
		record.ErrorCode += "Exception"
	}
}

// errorOf finds code and message in an error answer, in XML or JSON.
func errorOf(got answer) (code, message string) {
	if bytes.HasPrefix(bytes.TrimSpace(got.Body), []byte("<")) {
		return xmlText(got.Body, "Code"), xmlText(got.Body, "Message")
	}
	var body struct {
		Type    string `json:"__type"`
		Message string `json:"message"` // or Message: Go matches both
	}
	_ = json.Unmarshal(got.Body, &body) // an answer that is not JSON has no code
	if body.Type == "" {
		body.Type = got.Header.Get("X-Amzn-Errortype")
	}
	return body.Type[strings.LastIndex(body.Type, "#")+1:], body.Message
}

func xmlText(body []byte, element string) string {
	found := regexp.MustCompile(`(?s)<` + element + `>(.*?)</` + element + `>`).FindSubmatch(body)
	if found == nil {
		return ""
	}
	var text string
	_ = xml.Unmarshal(fmt.Appendf(nil, "<t>%s</t>", found[1]), &text)
	return text
}

// --- S3

func describeS3(record *Record, call request, got answer) {
	record.UserAgent = "[" + call.UserAgent + "]"
	record.RequestParameters = s3Parameters(call)
	if call.EventName == "CreateBucket" {
		if configuration, ok := record.RequestParameters["CreateBucketConfiguration"].(map[string]any); ok {
			if region, ok := configuration["LocationConstraint"].(string); ok {
				record.AWSRegion = region
			}
		}
	} else if call.Bucket != "" {
		record.Resources = []Resource{{AccountID: account, Type: "AWS::S3::Bucket", ARN: "arn:aws:s3:::" + call.Bucket}}
	}
	if call.Bucket != "" {
		record.RequestParameters["bucketName"] = call.Bucket
		record.RequestParameters["Host"] = fmt.Sprintf("%s.s3.%s.amazonaws.com", call.Bucket, record.AWSRegion)
	} else { // the account's calls have a host only, written so
		record.RequestParameters["host"] = fmt.Sprintf("%s.s3-control.%s.amazonaws.com", account, record.AWSRegion)
	}
	record.AdditionalEventData = map[string]any{
		"SignatureVersion": "SigV4", "CipherSuite": "TLS_AES_128_GCM_SHA256", "AuthenticationMethod": "AuthHeader",
		"bytesTransferredIn": len(call.Body), "bytesTransferredOut": len(got.Body), "x-amz-id-2": rand.Text(),
	}
}

// s3Parameters has the sub-resources as in the query (most are an empty string), the headers that AWS records, and the
// body as an object.
func s3Parameters(call request) map[string]any {
	parameters := map[string]any{}
	for name, value := range call.SubResources {
		parameters[name] = value
	}
	for name := range call.Header {
		switch lower := strings.ToLower(name); {
		case strings.HasPrefix(lower, "x-amz-grant-"):
			parameters["accessControlList"] = map[string]any{lower: call.Header.Get(name)}
		case lower == "x-amz-acl", lower == "x-amz-object-ownership", lower == "x-amz-bucket-object-lock-enabled":
			parameters[lower] = call.Header.Get(name)
		}
	}
	if _, ok := call.SubResources["policy"]; ok {
		var policy map[string]any
		if json.Unmarshal(call.Body, &policy) == nil {
			parameters["bucketPolicy"] = policy
		}
		return parameters
	}
	if body, err := xmlObject(call.Body); err == nil {
		for name, value := range body {
			parameters[name] = value
		}
	}
	return parameters
}

// xmlObject turns XML into an object as CloudTrail does for S3: attributes are members, a list of one becomes its
// element, an empty element "", and text that looks like a number or a boolean becomes one.
func xmlObject(body []byte) (map[string]any, error) {
	decoder := xml.NewDecoder(bytes.NewReader(body))
	decoder.Strict = false
	for {
		token, err := decoder.RawToken() // raw: keeps xmlns and prefixes as they were written
		if err != nil {
			return nil, err
		}
		if start, ok := token.(xml.StartElement); ok {
			value, err := xmlValue(decoder, start)
			return map[string]any{xmlName(start.Name): value}, err
		}
	}
}

func xmlValue(decoder *xml.Decoder, start xml.StartElement) (any, error) {
	members := map[string]any{}
	for _, attribute := range start.Attr {
		members[xmlName(attribute.Name)] = attribute.Value
	}
	var text strings.Builder
	for {
		token, err := decoder.RawToken()
		if errors.Is(err, io.EOF) {
			return nil, io.ErrUnexpectedEOF
		} else if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.CharData:
			text.Write(token)
		case xml.StartElement:
			value, err := xmlValue(decoder, token)
			if err != nil {
				return nil, err
			}
			addMember(members, xmlName(token.Name), value)
		case xml.EndElement:
			if len(members) == 0 {
				return xmlScalar(strings.TrimSpace(text.String())), nil
			}
			return members, nil
		}
	}
}

func addMember(members map[string]any, name string, value any) {
	switch before := members[name].(type) {
	case nil:
		members[name] = value
	case []any:
		members[name] = append(before, value)
	default:
		members[name] = []any{before, value}
	}
}

func xmlName(name xml.Name) string {
	if name.Space == "" {
		return name.Local
	}
	return name.Space + ":" + name.Local
}

func xmlScalar(text string) any {
	if text == "true" || text == "false" {
		return text == "true"
	}
	if number, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(number, 10) == text {
		return number
	}
	return text
}

// --- IAM and SNS: the query protocol

// queryParameters turns Tags.member.1.Key=a into {"tags": [{"key": "a"}]}.
func queryParameters(body []byte) map[string]any {
	form, _ := url.ParseQuery(string(body)) // what does not parse has been refused before
	root := map[string]any{}
	for name, values := range form {
		if name == "Action" || name == "Version" {
			continue
		}
		node, path := root, strings.Split(name, ".")
		for _, step := range path[:len(path)-1] {
			child, ok := node[lowerFirst(step)].(map[string]any)
			if !ok {
				child = map[string]any{}
				node[lowerFirst(step)] = child
			}
			node = child
		}
		last := path[len(path)-1]
		node[lowerFirst(last)] = iamScalar(last, values[0])
	}
	parameters, _ := membersToLists(root).(map[string]any)
	return parameters
}

func membersToLists(node any) any {
	object, ok := node.(map[string]any)
	if !ok {
		return node
	}
	if members, ok := object["member"].(map[string]any); ok && len(object) == 1 {
		return orderedMembers(members)
	}
	if entries, ok := object["entry"].(map[string]any); ok && len(object) == 1 {
		return entriesToMap(entries)
	}
	for name, value := range object {
		object[name] = membersToLists(value)
	}
	return object
}

// entriesToMap turns the query protocol's maps, {"1": {"key": "a", "value": "b"}}, into {"a": "b"}.
func entriesToMap(entries map[string]any) map[string]any {
	object := map[string]any{}
	for _, entry := range entries {
		if entry, ok := entry.(map[string]any); ok {
			name, _ := entry["key"].(string)
			object[name] = entry["value"]
		}
	}
	return object
}

func orderedMembers(members map[string]any) []any {
	indices := make([]int, 0, len(members))
	for name := range members {
		if index, err := strconv.Atoi(name); err == nil {
			indices = append(indices, index)
		}
	}
	sort.Ints(indices)
	list := make([]any, 0, len(indices))
	for _, index := range indices {
		list = append(list, membersToLists(members[strconv.Itoa(index)]))
	}
	return list
}

// iamScalar gives a parameter or response element its type: the query protocol has text only.
func iamScalar(name, text string) any {
	switch {
	case strings.HasSuffix(name, "Duration") || strings.HasSuffix(name, "Count"):
		if number, err := strconv.Atoi(text); err == nil {
			return number
		}
	case name == "SetAsDefault" || regexp.MustCompile(`^Is[A-Z]|Required$`).MatchString(name):
		return text == "true"
	case strings.HasSuffix(name, "List") || name == "Tags":
		if text == "" {
			return []any{}
		}
	case strings.HasSuffix(name, "Date"):
		if date, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return date.UTC().Format("Jan 2, 2006 3:04:05 PM") // recorded so
		}
	}
	return text
}

// queryResult is what stands in <XxxResult> of an IAM answer, or nil when that is empty.
func queryResult(got answer) map[string]any {
	var response struct {
		Children []xmlNode `xml:",any"`
	}
	if xml.Unmarshal(got.Body, &response) != nil {
		return nil
	}
	for _, child := range response.Children {
		if strings.HasSuffix(child.XMLName.Local, "Result") {
			result, _ := child.value().(map[string]any)
			return result
		}
	}
	return nil
}

type xmlNode struct {
	XMLName  xml.Name
	Text     string    `xml:",chardata"`
	Children []xmlNode `xml:",any"`
}

func (n xmlNode) value() any {
	if len(n.Children) == 0 {
		return iamScalar(n.XMLName.Local, strings.TrimSpace(n.Text))
	}
	if n.Children[0].XMLName.Local == "member" {
		list := make([]any, 0, len(n.Children))
		for _, child := range n.Children {
			list = append(list, child.value())
		}
		return list
	}
	object := map[string]any{}
	for _, child := range n.Children {
		object[lowerFirst(child.XMLName.Local)] = child.value()
	}
	return object
}

// --- The other services: JSON

func describeJSON(record *Record, call request, got answer) {
	record.RequestParameters = jsonObject(call.Body)
	record.ResponseElements = jsonObject(got.Body)
	if call.Service == "lambda" {
		describeLambda(record, call)
	}
	if _, secret := record.RequestParameters["value"]; secret && call.Service == "ssm" {
		record.RequestParameters["value"] = "HIDDEN_DUE_TO_SECURITY_REASONS"
	}
	if call.Service == "kms" {
		record.Resources = keyResources(call.Region, record.RequestParameters, record.ResponseElements)
	}
}

// describeLambda adds what stands in the path, and leaves out what CloudTrail leaves out: code and environment.
// https://docs.aws.amazon.com/lambda/latest/dg/logging-using-cloudtrail.html
func describeLambda(record *Record, call request) {
	if record.RequestParameters == nil {
		record.RequestParameters = map[string]any{}
	}
	for name, value := range call.PathParameters {
		record.RequestParameters[lowerFirst(name)] = value // UUID becomes uUID, as recorded in answers
	}
	for _, object := range []map[string]any{record.RequestParameters, record.ResponseElements} {
		delete(object, "zipFile")
		delete(object, "environment")
		if code, ok := object["code"].(map[string]any); ok {
			delete(code, "zipFile")
		}
	}
}

func keyResources(region string, request, response map[string]any) []Resource {
	id, _ := request["keyId"].(string)
	if metadata, ok := response["keyMetadata"].(map[string]any); ok {
		id, _ = metadata["arn"].(string)
	}
	if id == "" || strings.HasPrefix(id, "alias/") {
		return nil
	}
	if !strings.HasPrefix(id, "arn:") {
		id = fmt.Sprintf("arn:aws:kms:%s:%s:key/%s", region, account, id)
	}
	return []Resource{{AccountID: account, Type: "AWS::KMS::Key", ARN: id}}
}

// jsonObject has the first letter of every name lowered; nil for a body that is no object, or an empty one.
func jsonObject(body []byte) map[string]any {
	var object map[string]any
	if json.Unmarshal(body, &object) != nil || len(object) == 0 {
		return nil
	}
	lowered, _ := lowerNames("", object).(map[string]any)
	return lowered
}

func lowerNames(name string, node any) any {
	switch node := node.(type) {
	case map[string]any:
		object := make(map[string]any, len(node))
		for member, value := range node {
			lowered := lowerFirst(member)
			if name == "Attributes" || strings.EqualFold(name, "tags") { // maps: their keys are data, no names of the API
				lowered = member
			}
			object[lowered] = lowerNames(member, value)
		}
		return object
	case []any:
		for i := range node {
			node[i] = lowerNames("", node[i])
		}
	case float64:
		if strings.HasSuffix(name, "Date") {
			seconds, fraction := math.Modf(node)
			return time.Unix(int64(seconds), int64(fraction*1e9)).UTC().Format("Jan 2, 2006, 3:04:05 PM")
		}
	}
	return node
}

func lowerFirst(name string) string {
	if name == "" {
		return name
	}
	return string(unicode.ToLower(rune(name[0]))) + name[1:]
}

func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, see its documentation
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
