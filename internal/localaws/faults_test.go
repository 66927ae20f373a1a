package localaws_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/icaguard/icaguard/internal/localaws"
)

func TestFaults(t *testing.T) {
	b := newEnv(t)
	t.Run("reach the SDK as AWS writes them", b.faultsReachTheSDK)
	t.Run("without an answer", b.faultsWithoutAnAnswer)
	t.Run("hit whom they name", b.faultsHitWhomTheyName)
	t.Run("are retried away by the SDK", b.faultsAreRetriedAway)
	t.Run("slow", b.slowFault)
	t.Run("after the first calls", b.faultsSkip)
	t.Run("killed", b.killedFault)
	t.Run("stale", b.staleFault)
}

func (b *env) faultsSkip(t *testing.T) {
	b.clients(1)
	b.Recorder().Inject(localaws.Fault{Operation: "ListRoles", Kind: localaws.Denied, Skip: 2, Times: 1})
	for i := range 4 {
		if _, err := b.iam.ListRoles(t.Context(), &iam.ListRolesInput{}); (err != nil) != (i == 2) {
			t.Errorf("call %d: %v", i, err)
		}
	}
}

func (b *env) killedFault(t *testing.T) {
	b.clients(1)
	b.Recorder().ResetCalls()
	b.take()
	var killed, doneBefore atomic.Int32 // the recorder kills in a goroutine of its own
	b.Recorder().Inject(localaws.Fault{Operation: "CreateRole", Kind: localaws.Killed, Times: 1, Kill: func() {
		killed.Add(1)
		doneBefore.Store(int32(len(b.take())))
	}})
	if _, err := b.iam.CreateRole(
		t.Context(), &iam.CreateRoleInput{RoleName: aws.String("killed"), AssumeRolePolicyDocument: aws.String(trust)},
	); err == nil {
		t.Error("the caller heard an answer")
	}
	call := b.Recorder().Calls()[0]
	if killed.Load() != 1 || doneBefore.Load() != 1 || call.Fault != localaws.Killed || !call.Done || call.Status != 0 {
		t.Errorf("killed %d times, events before %d, call %+v", killed.Load(), doneBefore.Load(), call)
	}
}

// staleFault repeats the first answer of each read where AWS's own is another one by now, and no answer of a write.
func (b *env) staleFault(t *testing.T) {
	b.clients(1)
	name, other := aws.String("stale"), aws.String("other")
	put := func(description string) {
		t.Helper()
		if _, err := b.iam.UpdateRole(t.Context(), &iam.UpdateRoleInput{RoleName: name, Description: &description}); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(name *string, want string) {
		t.Helper()
		out, err := b.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: name})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, *name, aws.ToString(out.Role.Description), want)
	}
	for _, role := range []*string{name, other} {
		if _, err := b.iam.CreateRole(t.Context(), &iam.CreateRoleInput{
			RoleName: role, AssumeRolePolicyDocument: aws.String(trust), Description: aws.String("one"),
		}); err != nil {
			t.Fatal(err)
		}
	}
	defer b.Recorder().Inject(localaws.Fault{Service: "iam", Kind: localaws.Stale, Times: 2})()
	expect(name, "one")
	expect(name, "one") // is so
	b.Recorder().ResetCalls()
	put("two")
	expect(name, "one")
	expect(other, "one")
	expect(name, "one")
	expect(name, "two")
	struck := 0
	for _, call := range b.Recorder().Calls() {
		if call.Fault == localaws.Stale {
			struck++
		}
	}
	equal(t, "stale answers", struck, 2)
}

// clients makes clients that show a fault after so many attempts.
func (b *env) clients(attempts int) {
	config := b.Config("us-east-1", personKey)
	config.RetryMaxAttempts = attempts
	b.iam, b.s3, b.kms = iam.NewFromConfig(config), s3.NewFromConfig(config), kms.NewFromConfig(config)
}

func (b *env) faultsReachTheSDK(t *testing.T) {
	b.clients(1)
	ctx := t.Context()
	calls := map[string]func() error{
		"s3": func() error {
			_, err := b.s3.DeleteBucketCors(ctx, &s3.DeleteBucketCorsInput{Bucket: aws.String("lab")})
			return err
		},
		"iam": func() error {
			_, err := b.iam.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: aws.String("ica")})
			return err
		},
		"kms": func() error {
			_, err := b.kms.EnableKey(ctx, &kms.EnableKeyInput{KeyId: aws.String("1234")})
			return err
		},
	}
	const s3Denied = `User: arn:aws:iam::123456789012:user/pat is not authorized to perform: s3:PutBucketCORS on resource: "arn:aws:s3:::lab"`
	const iamDenied = "User: arn:aws:iam::123456789012:user/pat is not authorized to perform: iam:UpdateRole on resource: role ica"
	tests := []struct {
		service       string
		kind          localaws.Kind
		code, message string
		event         string // errorCode of the event; empty: none
	}{
		{
			"s3",
			localaws.Denied,
			"AccessDenied",
			s3Denied + " because no identity-based policy allows the s3:PutBucketCORS action",
			"AccessDenied",
		},
		{"s3", localaws.ExplicitDeny, "AccessDenied", s3Denied + " with an explicit deny in a service control policy", "AccessDenied"},
		{"s3", localaws.Throttled, "SlowDown", "Please reduce your request rate.", "SlowDown"},
		{"s3", localaws.ServerError, "InternalError", "We encountered an internal error. Please try again.", "InternalError"},
		{
			"iam",
			localaws.Denied,
			"AccessDenied",
			iamDenied + " because no identity-based policy allows the iam:UpdateRole action",
			"AccessDenied",
		},
		{
			"iam",
			localaws.ExplicitDeny,
			"AccessDenied",
			iamDenied + " with an explicit deny in a service control policy",
			"AccessDenied",
		},
		{"iam", localaws.Throttled, "Throttling", "Rate exceeded", "ThrottlingException"},
		{
			"iam",
			localaws.ServerError,
			"ServiceFailure",
			"The request processing has failed because of an unknown error, exception or failure.",
			"ServiceFailureException",
		},
		{
			"kms",
			localaws.Denied,
			"AccessDeniedException",
			"User: arn:aws:iam::123456789012:user/pat is not authorized to perform: kms:EnableKey on resource: " +
				"arn:aws:kms:us-east-1:123456789012:key/1234 because no identity-based policy allows the kms:EnableKey action",
			"AccessDeniedException",
		},
		{"kms", localaws.Throttled, "ThrottlingException", "Rate exceeded", "ThrottlingException"},
		{
			"kms",
			localaws.ServerError,
			"InternalFailure",
			"The request processing has failed because of an unknown error.",
			"InternalFailure",
		},
	}
	for _, test := range tests {
		t.Run(test.service+" "+string(test.kind), func(t *testing.T) {
			defer b.Recorder().Inject(localaws.Fault{Service: test.service, Kind: test.kind})()
			err := calls[test.service]()
			var api smithy.APIError
			if !errors.As(err, &api) {
				t.Fatalf("error %v", err)
			}
			equal(t, "code", api.ErrorCode(), test.code)
			equal(t, "message", api.ErrorMessage(), test.message)
			events := b.take()
			if len(events) != 1 {
				t.Fatalf("events %v", names(events))
			}
			equal(t, "event's code", events[0].Detail.ErrorCode, test.event)
			lost := test.service != "s3" && strings.HasPrefix(test.code, "AccessDenied")
			equal(t, "event without parameters", events[0].Detail.RequestParameters == nil, lost)
		})
	}
}

func (b *env) faultsWithoutAnAnswer(t *testing.T) {
	b.clients(1)
	create := func(name string) error {
		_, err := b.iam.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(trust)})
		return err
	}
	exists := func(name string) bool {
		_, err := b.iam.GetRole(t.Context(), &iam.GetRoleInput{RoleName: &name})
		return err == nil
	}
	for _, test := range []struct {
		kind localaws.Kind
		done bool
	}{{localaws.Cut, false}, {localaws.Malformed, false}, {localaws.Empty, false}, {localaws.Lost, true}} {
		name := string(test.kind)
		remove := b.Recorder().Inject(localaws.Fault{Operation: "CreateRole", Kind: test.kind})
		err := create(name)
		var api smithy.APIError
		if (err == nil) != (test.kind == localaws.Empty) || errors.As(err, &api) && test.kind != localaws.Malformed {
			t.Errorf("%s: error %v", name, err)
		}
		remove()
		remove()
		equal(t, name+": done", exists(name), test.done)
		equal(t, name+": events", len(b.take()) == 1, test.done)
	}
	if err := create("after"); err != nil {
		t.Errorf("a removed fault: %v", err)
	}
}

func (b *env) faultsHitWhomTheyName(t *testing.T) {
	list := func(key string) error {
		config := b.Config("us-east-1", key)
		config.RetryMaxAttempts = 1
		_, err := iam.NewFromConfig(config).ListRoles(t.Context(), &iam.ListRolesInput{})
		return err
	}
	b.Recorder().Inject(
		localaws.Fault{Service: "iam", Operation: "ListRoles", AccessKeyID: "AKIAGUARD00000000000", Kind: localaws.Denied, Times: 2},
	)
	for i, wantDenied := range []bool{true, true, false} {
		if err := list(personKey); err != nil {
			t.Errorf("another caller: %v", err)
		}
		if err := list("AKIAGUARD00000000000"); (err != nil) != wantDenied {
			t.Errorf("call %d: %v", i, err)
		}
	}
}

func (b *env) faultsAreRetriedAway(t *testing.T) {
	b.clients(2)
	b.Recorder().ResetCalls()
	b.Recorder().Inject(localaws.Fault{Operation: "ListRoles", Kind: localaws.Throttled, Times: 1})
	if _, err := b.iam.ListRoles(t.Context(), &iam.ListRolesInput{}); err != nil {
		t.Error(err)
	}
	var statuses []int
	for _, call := range b.Recorder().Calls() {
		statuses = append(statuses, call.Status)
	}
	if len(statuses) != 2 || statuses[0] != 400 || statuses[1] != 200 {
		t.Errorf("statuses %v", statuses)
	}
}

func (b *env) slowFault(t *testing.T) {
	b.Recorder().Inject(localaws.Fault{Operation: "ListRoles", Kind: localaws.Slow, Delay: 200 * time.Millisecond, Times: 1})
	began := time.Now()
	if _, err := b.iam.ListRoles(t.Context(), &iam.ListRolesInput{}); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("took %s", took)
	}
}

// Each service's error reaches its own SDK client with AWS's code, and throttling is what the SDK retries.
func TestFaultsInEveryProtocol(t *testing.T) {
	b := newEnv(t)
	config := b.Config("us-east-1", personKey)
	config.RetryMaxAttempts = 1
	ctx := t.Context()
	calls := map[string]func() error{
		"sns": func() error {
			return done(
				sns.NewFromConfig(config).GetTopicAttributes(
					ctx, &sns.GetTopicAttributesInput{TopicArn: aws.String("arn:aws:sns:us-east-1:123456789012:alerts")},
				),
			)
		},
		"cloudformation": func() error {
			return done(
				cloudformation.NewFromConfig(config).DescribeStacks(
					ctx, &cloudformation.DescribeStacksInput{StackName: aws.String("icaguard")},
				),
			)
		},
		"cloudtrail": func() error {
			return done(cloudtrail.NewFromConfig(config).GetTrailStatus(ctx, &cloudtrail.GetTrailStatusInput{Name: aws.String("trail")}))
		},
		"events": func() error {
			return done(eventbridge.NewFromConfig(config).DescribeRule(ctx, &eventbridge.DescribeRuleInput{Name: aws.String("guard")}))
		},
		"sqs": func() error {
			return done(sqs.NewFromConfig(config).GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: aws.String(queue)}))
		},
		"lambda": func() error {
			return done(
				lambda.NewFromConfig(config).GetFunctionConfiguration(
					ctx, &lambda.GetFunctionConfigurationInput{FunctionName: aws.String("guard")},
				),
			)
		},
		"dynamodb": func() error {
			return done(dynamodb.NewFromConfig(config).DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String("ledger")}))
		},
		"logs": func() error {
			return done(
				cloudwatchlogs.NewFromConfig(config).FilterLogEvents(
					ctx, &cloudwatchlogs.FilterLogEventsInput{LogGroupName: aws.String("/aws/lambda/guard")},
				),
			)
		},
	}
	for service, wanted := range map[string][4]string{ // denied, throttled, gone, server error
		"sns":            {"AuthorizationError", "Throttling", "NotFound", "InternalFailure"},
		"cloudformation": {"AccessDenied", "Throttling", "ValidationError", "InternalFailure"},
		"cloudtrail":     {"AccessDeniedException", "ThrottlingException", "TrailNotFoundException", "InternalFailure"},
		"events":         {"AccessDeniedException", "ThrottlingException", "ResourceNotFoundException", "InternalFailure"},
		"sqs":            {"AccessDenied", "Throttling", "AWS.SimpleQueueService.NonExistentQueue", "InternalFailure"},
		"lambda":         {"AccessDeniedException", "TooManyRequestsException", "ResourceNotFoundException", "InternalFailure"},
		"dynamodb":       {"AccessDeniedException", "ThrottlingException", "ResourceNotFoundException", "InternalFailure"},
		"logs":           {"AccessDeniedException", "ThrottlingException", "ResourceNotFoundException", "InternalFailure"},
	} {
		for i, kind := range []localaws.Kind{localaws.Denied, localaws.Throttled, localaws.Gone, localaws.ServerError} {
			t.Run(service+" "+string(kind), func(t *testing.T) {
				defer b.Recorder().Inject(localaws.Fault{Service: service, Kind: kind})()
				err := calls[service]()
				if wrong := wantCode(err, wanted[i]); wrong != nil {
					t.Fatal(wrong)
				}
				throttle := retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}
				equal(t, "throttled", throttle.IsErrorThrottle(err).Bool(), kind == localaws.Throttled)
				if kind == localaws.Denied && !strings.Contains(err.Error(), "is not authorized to perform: "+service+":") {
					t.Errorf("message %v", err)
				}
			})
		}
	}
}

// CloudWatch's clients speak CBOR; the project has none, so this is the wire.
func TestFaultsInCBOR(t *testing.T) {
	b := newEnv(t)
	defer b.Recorder().Inject(localaws.Fault{Service: "monitoring", Kind: localaws.Throttled})()
	status, header, body := callCloudWatch(t, b)
	equal(t, "status", status, http.StatusBadRequest)
	equal(t, "protocol", header.Get("Smithy-Protocol"), "rpc-v2-cbor")
	equal(t, "query error", header.Get("X-Amzn-Query-Error"), "Throttling;Sender")
	value, err := cbor.Decode(body)
	if err != nil {
		t.Fatal(err)
	}
	object, _ := value.(cbor.Map)
	equal(t, "type", object["__type"], cbor.Value(cbor.String("ThrottlingException")))
}
