package localaws

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"
)

// Kind is what goes wrong.
type Kind string

// The kinds of faults. Except for Slow, Lost, Killed and Stale, the call never reaches moto.
const (
	Denied       Kind = "denied"        // no policy allows it: may be IAM still spreading a change
	ExplicitDeny Kind = "explicit deny" // a service control policy denies it: final
	Throttled    Kind = "throttled"     // too many calls
	ServerError  Kind = "server error"  // AWS is broken for a moment
	Slow         Kind = "slow"          // the answer is right and comes after Delay
	Cut          Kind = "cut"           // the connection breaks, nothing was done
	Lost         Kind = "lost"          // the connection breaks after the call was done
	Gone         Kind = "gone"          // the resource does not exist: it was deleted, or the read is stale
	Malformed    Kind = "malformed"     // 200 with a body that does not parse, nothing was done
	Empty        Kind = "empty"         // 200 without a body, nothing was done
	Stale        Kind = "stale"         // a read answers what it answered first since the fault was injected
	Killed       Kind = "killed"        // the caller is killed after the call was done, before it hears the answer
)

// Fault is what the recorder does to calls.
type Fault struct {
	// Service (signing name: s3, iam, sqs …) and Operation (the SDK's name) choose the calls; empty: any.
	Service, Operation string
	// AccessKeyID limits the fault to one caller; empty: all.
	AccessKeyID string
	Kind        Kind
	// Skip is how many calls it lets pass first.
	Skip int
	// Times is how many calls it hits (the SDK's own retries count); 0: all, until it is removed. Stale hits each read so
	// many times, and only where AWS's own answer is another one by now.
	Times int
	// Delay is how long a call waits before anything else happens, for every kind.
	Delay time.Duration
	// Kill ends the caller of a Killed call.
	Kill func()

	stale *staleReads
}

// staleReads are the answers that a Stale fault repeats, by what was asked.
type staleReads struct {
	mu   sync.Mutex
	read map[string]*staleRead
}

type staleRead struct {
	first   answer
	repeats int
}

// answer is the first one again, at most so many times (0: always), and whether it is another than AWS's own is now.
func (s *staleReads) answer(asked string, times int, read func() (answer, error)) (got answer, stale bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if got, err = read(); err != nil {
		return got, false, err
	}
	before, known := s.read[asked]
	if !known {
		before = &staleRead{first: got}
		s.read[asked] = before
	}
	if before.first.says() == got.says() || times > 0 && before.repeats == times {
		return got, false, nil
	}
	before.repeats++
	return answer{before.first.Status, before.first.Header.Clone(), before.first.Body}, true, nil
}

// says is what an answer says, without the id that every answer has in some protocols.
func (a answer) says() string {
	return strconv.Itoa(a.Status) + string(regexp.MustCompile(`<RequestI[dD]>[^<]*`).ReplaceAll(a.Body, nil))
}

// errCut makes the recorder break the connection to the caller.
var errCut = errors.New("connection cut by an injected fault")

func (f Fault) matches(call request) bool {
	if f.Kind == Stale && call.EventName != "" { // it writes
		return false
	}
	matches := func(wanted, got string) bool { return wanted == "" || wanted == got }
	return matches(f.Service, call.Service) && matches(f.Operation, call.Operation) && matches(f.AccessKeyID, call.AccessKeyID)
}

func (f Fault) wait(ctx context.Context) error {
	timer := time.NewTimer(f.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// replaces tells whether the fault answers in moto's place.
func (f Fault) replaces() bool {
	return f.Kind != Slow && f.Kind != Lost && f.Kind != Killed && f.Kind != Stale && f.Kind != ""
}

// answer is AWS's own for that fault, in the protocol of the call.
func (f Fault) answer(call request, who Identity) answer {
	switch f.Kind {
	case Denied:
		return denied(call, accessDenied(call, who)+" because no identity-based policy allows the "+call.Action+" action")
	case ExplicitDeny:
		return denied(call, accessDenied(call, who)+" with an explicit deny in a service control policy")
	case Throttled:
		return throttled(call)
	case ServerError:
		return serverError(call)
	case Gone:
		return gone(call)
	case Malformed:
		return answer{Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/xml"}}, Body: []byte("<Broken><answer")}
	case Empty:
		return answer{Status: http.StatusOK, Header: http.Header{}}
	case Slow, Cut, Lost, Killed, Stale: // moto answers, or nobody
	}
	return answer{}
}

// denied has the service's own code: SNS alone has one of its own.
// https://docs.aws.amazon.com/sns/latest/api/API_SetTopicAttributes.html
func denied(call request, message string) answer {
	if call.Service == "sns" {
		return errorAnswer(call, http.StatusForbidden, "AuthorizationError", message)
	}
	return errorAnswer(call, http.StatusForbidden, "AccessDenied", message)
}

func throttled(call request) answer {
	switch call.Service {
	case "s3":
		return errorAnswer(call, http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate.")
	case "lambda": // https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html
		return errorAnswer(call, http.StatusTooManyRequests, "TooManyRequests", "Rate exceeded")
	default:
		return errorAnswer(call, http.StatusBadRequest, "Throttling", "Rate exceeded")
	}
}

// gone is the service's own way to say that a resource does not exist, as in its API reference.
func gone(call request) answer {
	switch call.Service {
	case "s3":
		return errorAnswer(call, http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
	case "iam":
		return errorAnswer(call, http.StatusNotFound, "NoSuchEntity", "The entity cannot be found.")
	case "sns":
		return errorAnswer(call, http.StatusNotFound, "NotFound", "Topic does not exist")
	case "cloudformation":
		form, _ := url.ParseQuery(string(call.Body)) // it had an Action
		return noStack(call, form.Get("StackName"))
	case "ssm":
		return errorAnswer(call, http.StatusBadRequest, "ParameterNotFound", "")
	case "lambda":
		return errorAnswer(call, http.StatusNotFound, "ResourceNotFound", "Function not found")
	case "events", "dynamodb", "logs", "monitoring":
		return errorAnswer(call, http.StatusBadRequest, "ResourceNotFound", "It does not exist.")
	case "cloudtrail":
		return errorAnswer(call, http.StatusBadRequest, "TrailNotFound", "Unknown trail")
	case "sqs":
		return errorAnswer(
			call, http.StatusBadRequest, "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.",
		)
	default:
		return errorAnswer(call, http.StatusBadRequest, "NotFound", "It does not exist.") // KMS: NotFoundException
	}
}

func serverError(call request) answer {
	const status = http.StatusInternalServerError
	switch call.Service {
	case "s3":
		return errorAnswer(call, status, "InternalError", "We encountered an internal error. Please try again.")
	case "iam":
		return errorAnswer(call, status, "ServiceFailure",
			"The request processing has failed because of an unknown error, exception or failure.")
	default:
		return errorAnswer(call, status, "InternalFailure", "The request processing has failed because of an unknown error.")
	}
}

// accessDenied is the beginning of AWS's message, up to the reason.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
func accessDenied(call request, who Identity) string {
	return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s", who.ARN(), call.Action, resourceOf(call))
}

// resourceOf names the resource as the services' own messages do: S3 quotes an ARN, IAM says "role NAME".
func resourceOf(call request) string {
	switch call.Service {
	case "s3":
		if call.Bucket == "" {
			return `"*"`
		}
		return `"arn:aws:s3:::` + call.Bucket + `"`
	case "iam":
		form, _ := url.ParseQuery(string(call.Body))
		for _, named := range []struct{ parameter, kind string }{
			{"RoleName", "role "}, {"UserName", "user "}, {"PolicyArn", "policy "}, {"OpenIDConnectProviderArn", ""},
		} {
			if name := form.Get(named.parameter); name != "" {
				return named.kind + name
			}
		}
	case "kms":
		if resources := keyResources(call.Region, jsonObject(call.Body), nil); resources != nil {
			return resources[0].ARN
		}
	}
	return "*"
}

// refusal is the answer to a call that nobody here can answer as AWS does, with S3's code for what it does not do.
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
func refusal(call request, because string) answer {
	return errorAnswer(call, http.StatusNotImplemented, "NotImplemented", "The local AWS does not know "+call.Operation+". "+because)
}

// errorAnswer writes an error in the protocol that the call came in: S3's XML, the query protocol's XML (S3 Control's is
// the same), JSON or CBOR. code is the query protocol's.
func errorAnswer(call request, status int, code, message string) answer {
	id := newRequestID(call.Service)
	header := http.Header{requestIDHeader(call.Service): {id}}
	switch {
	case call.Service == "s3" && !call.S3Control:
		header.Set("Content-Type", "application/xml")
		return answer{status, header, fmt.Appendf(nil,
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>%s</Message><RequestId>%s</RequestId></Error>",
			code, escapeXML(message), id)}
	case call.S3Control, strings.HasPrefix(call.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		header.Set("Content-Type", "text/xml")
		return answer{status, header, fmt.Appendf(nil,
			"<ErrorResponse><Error><Type>%s</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>%s</RequestId></ErrorResponse>",
			whoseFault(status), code, escapeXML(message), id)}
	default:
		return typedError(call, answer{status, header, nil}, code, message)
	}
}

// typedError is an error of a service that speaks JSON or CBOR: its code is the name of a type. Services that spoke the
// query protocol before also tell the code that they had then, and SDKs prefer it.
// https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#aws-protocols-awsquerycompatible-trait
func typedError(call request, a answer, code, message string) answer {
	if call.Service == "sqs" || call.Service == "monitoring" {
		a.Header.Set("X-Amzn-Query-Error", code+";"+whoseFault(a.Status))
	}
	if a.Status < http.StatusInternalServerError {
		code = strings.TrimPrefix(code, "AWS.SimpleQueueService.") + "Exception"
		if call.Service != "lambda" { // which has REST's statuses
			a.Status = http.StatusBadRequest
		}
	}
	if call.Header.Get("Smithy-Protocol") == "rpc-v2-cbor" {
		a.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
		a.Header.Set("Content-Type", "application/cbor")
		a.Body = cbor.Encode(cbor.Map{"__type": cbor.String(code), "message": cbor.String(message)})
		return a
	}
	a.Header.Set("Content-Type", "application/x-amz-json-1.1")
	a.Header.Set("X-Amzn-Errortype", code)
	a.Body, _ = json.Marshal(map[string]string{"__type": code, "message": message}) // strings always marshal
	return a
}

func whoseFault(status int) string {
	if status >= http.StatusInternalServerError {
		return "Receiver"
	}
	return "Sender"
}

func escapeXML(text string) string {
	var escaped strings.Builder
	_ = xml.EscapeText(&escaped, []byte(text)) // a strings.Builder never fails
	return escaped.String()
}
