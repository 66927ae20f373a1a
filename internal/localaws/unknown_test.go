package localaws_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/s3control"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

// A call that no row of the names' tables has is refused before it does something else than on AWS.
func TestUnknownCallsAreRefused(t *testing.T) {
	b := newEnv(t)
	createBucket(t, b, "lab")
	for _, call := range b.unknownCalls() {
		t.Run(call.names, func(t *testing.T) {
			b.take()
			b.Recorder().ResetCalls()
			defer b.Recorder().Inject(localaws.Fault{Kind: localaws.Throttled})() // says nothing about a call that AWS would take
			err := call.do(t.Context())
			if wrong := wantCode(err, "NotImplemented"); wrong != nil {
				t.Fatal(wrong)
			}
			for _, part := range []string{call.names, "internal/localaws/names.go"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the message does not name %s: %v", part, err)
				}
			}
			equal(t, "events", len(b.take()), 0)
			calls := b.Recorder().Calls()
			if len(calls) != 1 || calls[0].Status != http.StatusNotImplemented || !strings.HasPrefix(calls[0].Operation, call.names) {
				t.Errorf("calls %+v", calls)
			}
		})
	}
	b.wantBuckets(t, "lab")
}

// unknownCall is a call that moto takes for another, or that nobody here has a name for.
type unknownCall struct {
	names string // what the refusal names
	do    func(context.Context) error
}

func (b *env) unknownCalls() []unknownCall {
	metrics := func(bucket string) func(context.Context) error {
		return func(ctx context.Context) error {
			return done(b.s3.PutBucketMetricsConfiguration(ctx, &s3.PutBucketMetricsConfigurationInput{
				Bucket: &bucket, Id: aws.String("all"), MetricsConfiguration: &s3types.MetricsConfiguration{Id: aws.String("all")},
			}))
		}
	}
	bucket, config := aws.String("lab"), b.Config("us-east-1", personKey)
	return []unknownCall{
		{"PUT bucket?id&metrics", metrics("lab")},
		{"PUT bucket?id&metrics", metrics("nowhere")},
		{"DELETE bucket?id&metrics", func(ctx context.Context) error { // moto: DeleteBucket
			return done(
				b.s3.DeleteBucketMetricsConfiguration(ctx, &s3.DeleteBucketMetricsConfigurationInput{Bucket: bucket, Id: aws.String("all")}),
			)
		}},
		{"GET bucket?analytics", func(ctx context.Context) error { // moto: ListObjects
			return done(
				b.s3.ListBucketAnalyticsConfigurations(ctx, &s3.ListBucketAnalyticsConfigurationsInput{Bucket: bucket}),
			)
		}},
		{"PUT object?encryption", func(ctx context.Context) error { // moto: PutObject
			return done(b.s3.UpdateObjectEncryption(ctx, &s3.UpdateObjectEncryptionInput{
				Bucket: bucket, Key: aws.String("key"), ObjectEncryption: &s3types.ObjectEncryptionMemberSSEKMS{
					Value: s3types.SSEKMSEncryption{KMSKeyArn: aws.String("arn:aws:kms:us-east-1:123456789012:key/1234")},
				},
			}))
		}},
		{"GET /v20180820/jobs", func(ctx context.Context) error {
			return done(
				awsclient.S3Control(config, "us-east-1").ListJobs(ctx, &s3control.ListJobsInput{AccountId: aws.String(b.Account())}),
			)
		}},
		{"GET /2018-10-31/layers", func(ctx context.Context) error {
			return done(lambda.NewFromConfig(config).ListLayers(ctx, &lambda.ListLayersInput{}))
		}},
	}
}

func (b *env) wantBuckets(t *testing.T, want ...string) {
	t.Helper()
	out, err := direct(b.AWS).ListBuckets(t.Context(), &s3.ListBucketsInput{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, bucket := range out.Buckets {
		got = append(got, aws.ToString(bucket.Name))
	}
	if !slices.Equal(got, want) {
		t.Errorf("buckets %v, want %v", got, want)
	}
}

// What no SDK sends: the forms that a catch-all would take for a known call.
func TestUnnamedRequestsAreRefused(t *testing.T) {
	b := newEnv(t)
	createBucket(t, b, "lab")
	b.take()
	for _, test := range []struct{ service, method, path, target string }{
		{"s3", http.MethodHead, "/lab?foo", ""},
		{"s3", http.MethodGet, "/lab?policy&foo", ""},
		{"s3", http.MethodDelete, "/lab?notification", ""},
		{"s3", http.MethodPost, "/lab", ""},
		{"s3", http.MethodGet, "/lab/key?attributes", ""},
		{"s3", http.MethodGet, "/lab/key?x-id=GetObjectLegalHold", ""},
		{"s3", http.MethodGet, "/?x-id=ListDirectoryBuckets", ""},
		{"s3", http.MethodPut, "/", ""},
		{"s3", http.MethodGet, "/v20180820/accesspoint/a/publicAccessBlock", ""},
		{"s3", http.MethodPost, "/v20180820/configuration/publicAccessBlock", ""},
		{"lambda", http.MethodPut, "/2015-03-31/functions/guard", ""},
		{"iam", http.MethodGet, "/?Action=CreateUser&UserName=a", ""},
		{"monitoring", http.MethodPost, "/api/operation/DescribeAlarms", ""},
		{"apigateway", http.MethodGet, "/restapis", ""},
		{"kinesis", http.MethodPost, "/", "Kinesis_20131202.CreateStream"}, // a service of which nobody said what is an event
		{"ssm", http.MethodPost, "/", "AmazonSSM."},
		{"", http.MethodPut, "/anonymous", ""},
	} {
		t.Run(test.service+" "+test.method+" "+test.path, func(t *testing.T) {
			status, body := b.send(t, test.service, test.method, test.path, test.target)
			equal(t, "status", status, http.StatusNotImplemented)
			if test.method != http.MethodHead && !strings.Contains(body, "names.go") {
				t.Errorf("body %s", body)
			}
		})
	}
	equal(t, "events", len(b.take()), 0)
	b.wantBuckets(t, "lab")
}

// send makes a call signed for a service, or for none, without any SDK.
func (b *env) send(t *testing.T, service, method, path, target string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, b.Recorder().URL()+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if target != "" {
		request.Header.Set("X-Amz-Target", target)
	}
	if service != "" {
		request.Header.Set(
			"Authorization",
			"AWS4-HMAC-SHA256 Credential="+personKey+"/20260101/us-east-1/"+service+"/aws4_request, SignedHeaders=host, Signature=0",
		)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

// Parameters are no sub-resources, wherever they stand.
func TestParametersAreNoSubResources(t *testing.T) {
	b := newEnv(t)
	createBucket(t, b, "lab")
	bucket, key := aws.String("lab"), aws.String("key")
	presigned, err := s3.NewPresignClient(b.s3).PresignGetObject(t.Context(), &s3.GetObjectInput{
		Bucket: bucket, Key: key, ResponseContentType: aws.String("text/plain"), VersionId: aws.String("null"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		operation string
		do        func(context.Context) error
	}{
		{"PutObject", func(ctx context.Context) error {
			return done(b.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("x")}))
		}},
		{"CopyObject", func(ctx context.Context) error {
			return done(b.s3.CopyObject(ctx, &s3.CopyObjectInput{
				Bucket: bucket, Key: aws.String("copy"),
				CopySource: aws.String("lab/key"),
			}))
		}},
		{"GetObject", func(ctx context.Context) error {
			request, err := http.NewRequestWithContext(ctx, presigned.Method, presigned.URL, http.NoBody)
			if err != nil {
				return err
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return err
			}
			return errors.Join(response.Body.Close(), wantStatus(response, http.StatusOK))
		}},
		{"ListObjectsV2", func(ctx context.Context) error {
			return done(b.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
				Bucket: bucket, Prefix: key, Delimiter: aws.String("/"), MaxKeys: aws.Int32(1), StartAfter: aws.String("a"),
				EncodingType: s3types.EncodingTypeUrl, FetchOwner: aws.Bool(true),
			}))
		}},
		{"ListBuckets", func(ctx context.Context) error {
			return done(b.s3.ListBuckets(ctx, &s3.ListBucketsInput{MaxBuckets: aws.Int32(10), Prefix: aws.String("l")}))
		}},
		{"ListBucketInventoryConfigurations", func(ctx context.Context) error {
			return done(b.s3.ListBucketInventoryConfigurations(ctx, &s3.ListBucketInventoryConfigurationsInput{Bucket: bucket}))
		}},
	} {
		b.Recorder().ResetCalls()
		if err := test.do(t.Context()); err != nil {
			t.Errorf("%s: %v", test.operation, err)
			continue
		}
		equal(t, "operation", b.Recorder().Calls()[0].Operation, test.operation)
	}
}

func wantStatus(response *http.Response, want int) error {
	if response.StatusCode != want {
		return errors.New(response.Status)
	}
	return nil
}

// Every operation that the SDK has is named as the SDK names it, or refused: none passes for another. And what is named,
// moto knows too.
func TestEveryOperationIsNamedOrRefused(t *testing.T) {
	b := newEnv(t)
	config := b.Config("us-east-1", personKey)
	config.RetryMaxAttempts, config.APIOptions = 1, append(config.APIOptions, unchecked)
	clients := map[string]any{
		"s3":        s3.NewFromConfig(config),
		"lambda":    lambda.NewFromConfig(config),
		"s3control": awsclient.S3Control(config, "us-east-1"),
	}
	for service, atLeast := range map[string]int{"s3": 50, "lambda": 24, "s3control": 3} {
		named := 0
		for _, operation := range operations(clients[service]) {
			createBucket(t, b, "lab") // the operation before may have deleted it
			b.Recorder().ResetCalls()
			err := callBlindly(t.Context(), clients[service], operation)
			calls := b.Recorder().Calls()
			if len(calls) == 0 {
				// The hosts of these are others': directory buckets', S3 Object Lambda's.
				if !slices.Contains([]string{"ListDirectoryBuckets", "WriteGetObjectResponse"}, operation) {
					t.Errorf("%s %s made no call: %v", service, operation, err)
				}
				continue
			}
			switch {
			case calls[0].Operation == operation && calls[0].Status != http.StatusNotImplemented:
				named++
			case calls[0].Status == http.StatusNotImplemented && calls[0].Operation != operation:
				if wrong := wantCode(err, "NotImplemented"); wrong != nil {
					t.Errorf("%s %s: %v", service, operation, wrong)
				}
			default:
				t.Errorf("%s %s is taken for %s: status %d, error %v", service, operation, calls[0].Operation, calls[0].Status, err)
			}
		}
		if named < atLeast {
			t.Errorf("%s: %d operations are named, want at least %d", service, named, atLeast)
		}
	}
}

// operations are the names of a client's operations.
func operations(client any) []string {
	var names []string
	for method := range reflect.TypeOf(client).Methods() {
		if method.Type.NumIn() == 4 && method.Type.IsVariadic() { // receiver, context, input, options
			names = append(names, method.Name)
		}
	}
	return names
}

// callBlindly calls an operation with something in every place that may stand in its address.
func callBlindly(ctx context.Context, client any, operation string) error {
	method := reflect.ValueOf(client).MethodByName(operation)
	input := reflect.New(method.Type().In(1).Elem())
	for i := range input.Elem().NumField() {
		if field := input.Elem().Type().Field(i); field.IsExported() {
			fill(input.Elem().Field(i).Addr().Interface(), field.Name)
		}
	}
	err, _ := method.Call([]reflect.Value{reflect.ValueOf(ctx), input})[1].Interface().(error)
	return err
}

func fill(field any, name string) {
	switch field := field.(type) {
	case **string:
		*field = aws.String(cmp.Or(map[string]string{
			"Bucket": "lab", "CopySource": "lab/key", "AccountId": "123456789012", "ExpectedBucketOwner": "123456789012",
		}[name], "x"))
	case **int32:
		*field = aws.Int32(1)
	case **int64:
		*field = aws.Int64(1)
	case *io.Reader:
		*field = strings.NewReader("x")
	}
}

// unchecked lets calls go that lack something: they are only to be named.
func unchecked(stack *middleware.Stack) error {
	_, _ = stack.Initialize.Remove("OperationInputValidation") // operations without required fields have none
	return nil
}

// moto's own failure is nothing that AWS did: what it lacks is no event, least of all one of success.
func TestWhatMotoLacksIsNoEvent(t *testing.T) {
	b := newEnv(t)
	config := b.Config("us-east-1", personKey)
	for service, do := range map[string]func(context.Context) error{
		"kms": func(ctx context.Context) error { // JSON
			return done(b.kms.DisconnectCustomKeyStore(ctx, &kms.DisconnectCustomKeyStoreInput{CustomKeyStoreId: aws.String("x")}))
		},
		"sns": func(ctx context.Context) error { // the query protocol
			return done(sns.NewFromConfig(config).CreateSMSSandboxPhoneNumber(ctx,
				&sns.CreateSMSSandboxPhoneNumberInput{PhoneNumber: aws.String("x")}))
		},
	} {
		t.Run(service, func(t *testing.T) {
			b.Recorder().ResetCalls()
			err := do(t.Context())
			if wrong := wantCode(err, "NotImplemented"); wrong != nil {
				t.Fatal(wrong)
			}
			var api smithy.APIError
			if errors.As(err, &api); !strings.Contains(api.ErrorMessage(), b.Recorder().Calls()[0].Operation) {
				t.Errorf("message %s", api.ErrorMessage())
			}
			equal(t, "events", len(b.take()), 0)
		})
	}
}

// Where moto fails in a call that it has, the call has failed, for its event too.
func TestWhatMotoFailsInHasFailed(t *testing.T) {
	local := localawstest.StartWith(t, localaws.Options{WithoutGaps: []string{"kms-key-arns"}}) // it fails on ARNs
	key, err := kms.NewFromConfig(local.DirectConfig("us-east-1")).CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	var events []localaws.Envelope
	local.Recorder().SetEmit(func(_ context.Context, event localaws.Envelope) error {
		events = append(events, event)
		return nil
	})
	config := local.Config("us-east-1", personKey)
	config.RetryMaxAttempts = 1
	_, err = kms.NewFromConfig(config).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: key.KeyMetadata.Arn})
	if wrong := wantCode(err, "InternalFailure"); wrong != nil {
		t.Error(wrong)
	}
	if len(events) != 1 || events[0].Detail.ErrorCode != "InternalFailure" {
		t.Errorf("events %+v", events)
	}
}

// The errors of S3 Control are wrapped, unlike S3's.
// https://smithy.io/2.0/aws/protocols/aws-restxml-protocol.html#operation-error-serialization
func TestFaultsOfS3Control(t *testing.T) {
	b := newEnv(t)
	defer b.Recorder().Inject(localaws.Fault{Kind: localaws.Denied})()
	_, err := awsclient.S3Control(b.Config("us-east-1", personKey), "us-east-1").
		GetPublicAccessBlock(t.Context(), &s3control.GetPublicAccessBlockInput{AccountId: aws.String(b.Account())})
	if wrong := wantCode(err, "AccessDenied"); wrong != nil {
		t.Error(wrong)
	}
}
