// Package awserr says what AWS's errors mean for somebody who guards a configuration.
//
// Invariant: no other package compares an AWS error code or message.
package awserr

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// Class says what an AWS error means for the check of a setting.
type Class int

const (
	// Final errors stay as they are however often the call is repeated: a malformed request, an unknown code.
	Final Class = iota
	// Transient errors pass: throttling, 5xx, time-outs, a connection that broke.
	Transient
	// Denied names no explicit deny. IAM may still be spreading a change for up to two minutes, so it is worth another check.
	Denied
	// ExplicitDeny names a policy that forbids the call (SCP, permissions boundary, resource policy). Nobody's to undo.
	ExplicitDeny
	// Gone means that the bucket, role or policy itself does not exist.
	Gone
)

// String names the class as it appears in logs.
func (c Class) String() string {
	return [...]string{"final", "transient", "denied", "explicit-deny", "gone"}[c]
}

// Classify sorts any error of an SDK call. Errors that are not AWS's (a broken connection, a deadline) are Transient,
// because the call may never have arrived.
func Classify(err error) Class {
	if errors.As(err, new(passing)) {
		return Transient
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return classifyTransport(err)
	}
	switch api.ErrorCode() {
	case "NoSuchBucket", "NoSuchEntity", "NoSuchEntityException", "NotFoundException",
		// The services in which the guard itself lives: SQS (by its two protocols), SNS, CloudTrail, all others.
		"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", "NotFound", "TrailNotFoundException",
		"ResourceNotFoundException":
		return Gone
	case "AccessDenied", "AccessDeniedException", "AllAccessDisabled", "UnauthorizedOperation", "Forbidden",
		"AuthorizationError", "AuthorizationErrorException": // SNS
		return classifyDenial(api)
	case "ServiceUnavailable", "InternalError", "ServiceFailure", "ServiceFailureException", "RequestTimeout", "SlowDown",
		// IAM answers a write that meets another write on the same entity with this; it asks to try again.
		"ConcurrentModification", "EntityTemporarilyUnmodifiable", "OperationAborted", "DeleteConflict",
		// A read said "gone" and the creation says "is there": the read was stale, or another invocation was first.
		"EntityAlreadyExists",
		// Somebody changed the key between the read and the write: the next check sees what it is now.
		"KMSInvalidStateException":
		return Transient
	case "MalformedPolicy", "MalformedPolicyDocument", "MalformedPolicyDocumentException":
		return classifyMalformed(api)
	}
	return classifyStatus(err)
}

// classifyMalformed: a principal that was just created is not known everywhere yet
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_general.html, "eventual consistency").
func classifyMalformed(api smithy.APIError) Class {
	if strings.Contains(strings.ToLower(api.ErrorMessage()), "invalid principal") {
		return Transient
	}
	return Final
}

func classifyDenial(api smithy.APIError) Class {
	if strings.Contains(api.ErrorMessage(), "explicit deny") {
		return ExplicitDeny
	}
	return Denied
}

// classifyStatus decides by throttle code and HTTP status, as the SDK's own retryer does.
func classifyStatus(err error) Class {
	throttled := retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}
	if throttled.IsErrorThrottle(err).Bool() {
		return Transient
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) {
		switch status := response.HTTPStatusCode(); {
		case status >= http.StatusInternalServerError:
			return Transient
		case status == http.StatusForbidden:
			return Denied
		}
	}
	return Final
}

// passing marks an error that passes by itself, whatever AWS's code for it says elsewhere.
type passing struct{ error }

func (p passing) Unwrap() error { return p.error }

// Passing marks an error as one that passes by itself: nothing was done, and the next attempt may find it over.
func Passing(err error) error { return passing{err} }

// MayHaveArrived reports whether the call may have been done although it failed: its answer may be lost.
func MayHaveArrived(err error) bool {
	return Classify(err) == Transient && !errors.As(err, new(passing))
}

// Brief is the error without what differs from one answer to the next, such as request ids: for what is compared or
// reported again.
func Brief(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return err.Error()
	}
	return api.ErrorCode() + ": " + api.ErrorMessage()
}

// IsLimit reports whether the call would have gone past one of IAM's quotas
// (https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicyVersion.html).
func IsLimit(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && (api.ErrorCode() == "LimitExceeded" || api.ErrorCode() == "LimitExceededException")
}

// ErrBroken is for an answer that cannot be AWS's and that the SDK does not check itself, such as S3's bare policy text.
var ErrBroken = errors.New("the answer is broken")

// classifyTransport sorts what is not an answer of AWS's: no connection, a time-out, a body that does not parse. The call
// may or may not have arrived, and the next one may well succeed.
func classifyTransport(err error) Class {
	var operation *smithy.OperationError
	if errors.As(err, &operation) || errors.Is(err, ErrBroken) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, context.Canceled) {
		return Transient
	}
	return Final
}

// IsElsewhere reports whether S3 says that the bucket is in another region than the one that was asked
// (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
func IsElsewhere(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && slices.Contains([]string{
		"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "TemporaryRedirect",
	}, api.ErrorCode())
}

// IsAbsent reports whether the error only says that the resource carries no such sub-configuration. These codes are
// untyped in SDK v2 (https://github.com/aws/aws-sdk-go-v2/issues/1110), hence the match by code.
func IsAbsent(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode() {
	case "NoSuchCORSConfiguration", "NoSuchBucketPolicy", "NoSuchPublicAccessBlockConfiguration", "OwnershipControlsNotFoundError",
		"ServerSideEncryptionConfigurationNotFoundError", "NoSuchLifecycleConfiguration", "ObjectLockConfigurationNotFoundError",
		"AWSOrganizationsNotInUseException",
		"PolicyNotFoundException": // DynamoDB
		return true
	}
	return false
}

// IsNoStack reports whether CloudFormation says that there is no stack of that name. It has no code of its own for that
// (https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html).
func IsNoStack(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "ValidationError" && strings.HasSuffix(api.ErrorMessage(), "does not exist")
}

// IsTargetRefused reports whether S3 refused a notification configuration because a queue, topic or function in it is
// gone or does not let S3 in. It does not say which (https://repost.aws/knowledge-center/unable-validate-destination-s3).
func IsTargetRefused(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "InvalidArgument" &&
		strings.Contains(api.ErrorMessage(), "Unable to validate the following destination configurations")
}
