package policy

import (
	"slices"
	"strings"
	"time"
)

// Caller is a role whose sessions make calls, signed and over TLS, to S3 directly and with the name of a bucket, not of
// an access point. What is not known of it stays zero, and then makes an answer less certain, never another.
type Caller struct {
	RoleARN         string // arn:aws:iam::ACCOUNT:role/path/name
	RoleID          string // AROA…
	ResourceAccount string // owner of the bucket or key, 12 digits

	// On is the ARN of the bucket or key whose policy is asked: that decides on its own resource only. "" for a document
	// that decides on all, as an identity policy does.
	On     string
	Region string // of On

	Organization         string // o-… of the role's account
	ResourceOrganization string // o-… of the resource's account; where that is the role's own, Organization is enough
	Boundary             string // the ARN of its permissions boundary; NoBoundary: it has none
	Tags                 map[string]string
	Provider             string // the ARN of the OIDC provider by which all its sessions come
	SessionName          string // what its session names look like, with wildcards

	// KMSViaS3: its calls to KMS are those that S3 makes for it, on objects of the buckets (ARNs; none: not known).
	KMSViaS3 bool
	Buckets  []string
	// Function: it is the role of a Lambda function outside of all VPCs of whoever writes policies, which calls every
	// service directly.
	Function bool

	Passed []Passed
}

// NoBoundary says that a role is known to have no permissions boundary.
const NoBoundary = "none"

// Passed is a call that AWS let through while the document was in force. A Deny that would certainly have hit it but for
// a key which has one value for all of an account did not hold for that account.
type Passed struct {
	Caller Caller
	Calls  Calls
}

// Calls are actions on resources: each of the actions on each of the resources. Resources are ARNs, with wildcards
// where many are meant.
type Calls struct{ Actions, Resources []string }

func (c Caller) account() string {
	if arn := arnParts(c.RoleARN); arn != nil {
		return arn[4]
	}
	return ""
}

// name is the role's name without its path, as its sessions' ARNs have it.
func (c Caller) name() string { return c.RoleARN[strings.LastIndexAny(c.RoleARN, "/:")+1:] }

// sessionsARN begins the ARNs of the role's sessions.
func (c Caller) sessionsARN() string {
	arn := arnParts(c.RoleARN)
	if arn == nil {
		return "arn:"
	}
	return "arn:" + arn[1] + ":sts::" + arn[4] + ":assumed-role/" + c.name() + "/"
}

func (c Caller) sessionName() string {
	if c.SessionName == "" {
		return "?*"
	}
	return c.SessionName
}

func (c Caller) resourceOrganization() string {
	if c.ResourceOrganization == "" && c.ResourceAccount == c.account() {
		return c.Organization
	}
	return c.ResourceOrganization
}

// fate is what is known about a condition key in the caller's requests: whether it is there, and the values that it can
// have then. The zero value says that nothing is known.
type fate struct {
	absent       comparison
	values       []pattern // it has a value that one of these matches
	number, date *float64  // or one that is at least this; dates in seconds since 1970
	multi        bool      // it is a list of values, so that operators without ForAnyValue or ForAllValues are not said to work
}

func (f fate) known() bool { return f.absent == yes || f.values != nil }

// is has one value; "" stands for one that is not known.
func is(value string) fate {
	if value == "" {
		return fate{}
	}
	return fate{values: []pattern{literal(value)}}
}

func like(patterns ...string) fate {
	var f fate
	for _, p := range patterns {
		f.values = append(f.values, wildcards(p))
	}
	return f
}

func atLeast(n float64) fate { return fate{values: []pattern{{anything}}, number: &n} }

// since is a time that has come: no request of today is older than this program.
func since(number bool) fate {
	written := float64(time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC).Unix())
	f := fate{values: []pattern{{anything}}, date: &written}
	if number {
		f.number = &written
	}
	return f
}

// key is a row of the table of condition keys: in which calls it is known, and what is known of it then.
type key struct {
	name string // in lower case, as condition keys ignore case (IAM: Condition)
	in   func(c Caller, service string) bool
	fate func(Caller) fate
}

// Which calls a row is about. service is the part of the action before the colon, "" where an action's is not known.
func inAll(Caller, string) bool { return true }

// inDirect: a role's own calls. Those to KMS may be S3's, made with the role's credentials (forward access sessions).
func inDirect(c Caller, service string) bool { return service == "s3" || c.Function }

func inS3(_ Caller, service string) bool { return service == "s3" }

func inKMS(_ Caller, service string) bool { return service == "kms" }

func inKMSByS3(c Caller, service string) bool { return service == "kms" && c.KMSViaS3 && !c.Function }

// inRegion: calls on the resource that the document stands on are made in its region.
func inRegion(c Caller, service string) bool {
	return c.On != "" && c.Region != "" && (service == "s3" || service == "kms")
}

func ofFunctions(c Caller, _ string) bool { return c.Function }

// keys is the table that every answer about conditions rests on; a key that is not in it may have any value or none.
// Sources: GLOBAL is IAM's page "AWS global condition context keys" (reference_policies_condition-keys.html), whose part
// "Availability" says when a key is there; VALUES the table "Principal key values" of IAM: Variables; S3 the page "Amazon
// S3 condition keys" of the Service Authorization Reference and S3: Condition keys; KMS: "AWS KMS condition keys".
func keys() []key { return slices.Concat(principalKeys(), requestKeys(), serviceKeys()) }

func absent(Caller) fate { return fate{absent: yes} }

func value(text string) func(Caller) fate { return func(Caller) fate { return is(text) } }

// principalKeys are about who calls.
func principalKeys() []key {
	return []key{
		// GLOBAL: in all signed requests; of a session it is the role's.
		{"aws:principalarn", inAll, func(c Caller) fate { return is(c.RoleARN) }},
		{"aws:principalaccount", inAll, func(c Caller) fate { return is(c.account()) }}, // GLOBAL: always
		{"aws:principaltype", inAll, value("AssumedRole")},                              // VALUES
		{"aws:principalisawsservice", inAll, value("false")},                            // GLOBAL: in all signed requests
		{"aws:username", inAll, absent},                                                 // GLOBAL: users only
		{"aws:userid", inAll, func(c Caller) fate { // VALUES: ROLE-ID:SESSION-NAME
			if c.RoleID == "" {
				return fate{}
			}
			return like(c.RoleID + ":" + c.sessionName())
		}},
		// GLOBAL: only if the principal is a member of an organization; the paths are a list, of which each begins with the id.
		{"aws:principalorgid", inAll, func(c Caller) fate { return is(c.Organization) }},
		{"aws:principalorgpaths", inAll, func(c Caller) fate {
			if c.Organization == "" {
				return fate{}
			}
			return fate{values: []pattern{wildcards(c.Organization + "/*")}, multi: true}
		}},
		// GLOBAL: of a session that came by an identity provider. Whether it is the ARN or the host is not said for OIDC.
		{"aws:federatedprovider", inAll, func(c Caller) fate {
			_, host, found := strings.Cut(c.Provider, ":oidc-provider/")
			if !found {
				return fate{}
			}
			return fate{values: []pattern{literal(c.Provider), literal(host)}}
		}},
		{"aws:multifactorauthage", inAll, absent},           // GLOBAL: only if the principal was authenticated with MFA
		{"aws:principalservicename", inDirect, absent},      // GLOBAL: only in calls of AWS service principals
		{"aws:principalservicenameslist", inDirect, absent}, // the same
		{"aws:sourceaccount", inDirect, absent},             // GLOBAL: only in calls made directly by a service principal
		{"aws:sourcearn", inDirect, absent},                 // the same
		{"aws:sourceorgid", inDirect, absent},               // the same
		{"aws:sourceorgpaths", inDirect, absent},            // the same
		{"aws:calledvia", inDirect, absent},                 // GLOBAL: not when the principal makes the call directly
		{"aws:calledviafirst", inDirect, absent},            // the same
		{"aws:calledvialast", inDirect, absent},             // the same
		{"aws:viaawsservice", inDirect, value("false")},     // GLOBAL: false when the principal makes the call directly
		{"kms:calleraccount", inKMS, func(c Caller) fate { // KMS: the account of the identity that calls, through S3 too
			return is(c.account())
		}},
	}
}

// requestKeys are about the request and the network.
func requestKeys() []key {
	// A function outside of VPCs has no endpoint that a policy of the account can name; Lambda's own network may have some.
	elsewhere := func(kind string) func(Caller) fate {
		return func(Caller) fate {
			return fate{absent: maybe, values: []pattern{literal(kind + "-(none of the account's)")}}
		}
	}
	return []key{
		{"aws:securetransport", inAll, value("true")}, // GLOBAL: always
		{"s3:tlsversion", inS3, func(Caller) fate { // "TLS 1.2 to become the minimum for all AWS API endpoints"
			return atLeast(1.2)
		}},
		{"aws:currenttime", inAll, func(Caller) fate { return since(false) }}, // GLOBAL: always
		{"aws:epochtime", inAll, func(Caller) fate { return since(true) }},    // GLOBAL: always, for numeric operators too
		{"aws:requestedregion", inRegion, func(c Caller) fate { return is(c.Region) }},
		{"aws:sourcevpce", ofFunctions, elsewhere("vpce")}, // GLOBAL: only if the requester uses a VPC endpoint
		{"aws:sourcevpc", ofFunctions, elsewhere("vpc")},   // the same
		{"aws:resourceaccount", inAll, func(c Caller) fate { return is(c.ResourceAccount) }},
		{"aws:resourceorgid", inAll, func(c Caller) fate { return is(c.resourceOrganization()) }},
	}
}

// serviceKeys are those of S3 and KMS.
func serviceKeys() []key {
	return []key{
		{"s3:resourceaccount", inS3, func(c Caller) fate { return is(c.ResourceAccount) }},
		{"s3:signatureversion", inS3, value("AWS4-HMAC-SHA256")}, // S3: Signature Version 4 authentication specific policy keys
		{"s3:dataaccesspointarn", inS3, absent},                  // S3: only in requests through an access point
		{"s3:dataaccesspointaccount", inS3, absent},              // the same
		{"s3:accesspointnetworkorigin", inS3, absent},            // the same
		// S3: the header of SSE-C, which ICA does not offer (Illumina: SSE-S3 and SSE-KMS).
		{"s3:x-amz-server-side-encryption-customer-algorithm", inS3, absent},
		{"kms:viaservice", inKMSByS3, func(c Caller) fate { // KMS: SERVICE.REGION.amazonaws.com
			if c.Region == "" {
				return like("s3.*.amazonaws.com")
			}
			return is("s3." + c.Region + ".amazonaws.com")
		}},
		{"kms:viaservice", ofFunctions, absent}, // KMS: only where a service makes the call for the principal
		{"kms:encryptioncontext:aws:s3:arn", inKMSByS3, func(c Caller) fate { // S3: "Using SSE-KMS", encryption context:
			var f fate
			for _, bucket := range c.Buckets { // the object's ARN, with a bucket key the bucket's
				f.values = append(f.values, literal(bucket), wildcards(bucket+"/*"))
			}
			return f
		}},
	}
}

// request is what is known of the caller's calls to one service.
type request struct {
	known map[string]fate
	tags  bool // all of the principal's tags are known
}

func (c Caller) request(service string) request {
	all := request{map[string]fate{}, c.Tags != nil}
	for _, k := range keys() {
		if f := k.fate(c); k.in(c, service) && f.known() {
			all.known[k.name] = f
		}
	}
	for tag, value := range c.Tags { // GLOBAL: one key for each tag; tag keys ignore case there
		all.known[principalTag+lower(tag)] = fate{values: []pattern{literal(value)}}
	}
	return all
}

const principalTag = "aws:principaltag/"

func (x request) of(key string) fate {
	f, ok := x.known[lower(key)]
	if !ok && x.tags && strings.HasPrefix(lower(key), principalTag) {
		return absent(Caller{})
	}
	return f
}

// forAccount are keys that have one value for all roles of an account, or for one resource.
func forAccount(key string) bool {
	return slices.Contains([]string{"aws:principalorgid", "aws:principalorgpaths", "aws:resourceorgid"}, lower(key))
}

// ofNetwork are keys that say where a call comes from.
func ofNetwork(key string) bool {
	return slices.Contains([]string{"aws:sourceip", "aws:vpcsourceip", "aws:sourcevpc", "aws:sourcevpce"}, lower(key))
}

// ofEncryption are headers of uploads that say how an object is encrypted.
func ofEncryption(key string) bool {
	return slices.Contains([]string{"s3:x-amz-server-side-encryption", "s3:x-amz-server-side-encryption-aws-kms-key-id"}, lower(key))
}
