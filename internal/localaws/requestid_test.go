package localaws_test

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/middleware"

	"github.com/icaguard/icaguard/internal/localaws"
)

// Who made a call finds its event by the request id that the SDK tells.
func TestEventHasTheCallersRequestID(t *testing.T) {
	b := newEnv(t)
	createBucket(t, b, "probed")
	key, err := kms.NewFromConfig(b.DirectConfig("us-east-1")).CreateKey(t.Context(), &kms.CreateKeyInput{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := iam.NewFromConfig(b.DirectConfig("us-east-1")).CreateRole(t.Context(), &iam.CreateRoleInput{
		RoleName: aws.String("ica"), AssumeRolePolicyDocument: aws.String(trust),
	}); err != nil {
		t.Fatal(err)
	}
	for service, do := range b.identifiedCalls(key.KeyMetadata.KeyId) {
		t.Run(service, func(t *testing.T) {
			var ids []string
			for range 2 {
				b.take()
				metadata, err := do(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				id, _ := awsmiddleware.GetRequestIDMetadata(metadata)
				equal(t, "request id", b.take()[0].Detail.RequestID, id)
				ids = append(ids, id)
			}
			if ids[0] == "" || ids[0] == ids[1] {
				t.Errorf("ids of two calls: %v", ids)
			}
		})
	}
}

func (b *env) identifiedCalls(keyID *string) map[string]func(context.Context) (middleware.Metadata, error) {
	return map[string]func(context.Context) (middleware.Metadata, error){
		"s3": func(ctx context.Context) (middleware.Metadata, error) {
			out, err := b.s3.DeleteBucketCors(ctx, &s3.DeleteBucketCorsInput{Bucket: aws.String("probed")})
			if err != nil {
				return middleware.Metadata{}, err
			}
			return out.ResultMetadata, nil
		},
		"iam": func(ctx context.Context) (middleware.Metadata, error) {
			out, err := b.iam.TagRole(
				ctx,
				&iam.TagRoleInput{RoleName: aws.String("ica"), Tags: []iamtypes.Tag{{Key: aws.String("probe"), Value: aws.String("x")}}},
			)
			if err != nil {
				return middleware.Metadata{}, err
			}
			return out.ResultMetadata, nil
		},
		"kms": func(ctx context.Context) (middleware.Metadata, error) {
			out, err := b.kms.EnableKey(ctx, &kms.EnableKeyInput{KeyId: keyID})
			if err != nil {
				return middleware.Metadata{}, err
			}
			return out.ResultMetadata, nil
		},
		"sqs": func(ctx context.Context) (middleware.Metadata, error) {
			out, err := sqs.NewFromConfig(b.Config("us-east-1", personKey)).CreateQueue(
				ctx, &sqs.CreateQueueInput{QueueName: aws.String("guard")},
			)
			if err != nil {
				return middleware.Metadata{}, err
			}
			return out.ResultMetadata, nil
		},
	}
}

// A failed call's id stands in the body too; what a fault answers has one as well.
func TestEventOfAFailedCallHasItsRequestID(t *testing.T) {
	b := newEnv(t)
	b.clients(1)
	ctx := t.Context()
	calls := map[string]func() error{
		"s3": func() error {
			_, err := b.s3.DeleteBucketCors(ctx, &s3.DeleteBucketCorsInput{Bucket: aws.String("nowhere")})
			return err
		},
		"iam": func() error {
			_, err := b.iam.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("nobody")})
			return err
		},
		"kms": func() error {
			_, err := b.kms.EnableKey(ctx, &kms.EnableKeyInput{KeyId: aws.String("nothing")})
			return err
		},
	}
	for _, kind := range []localaws.Kind{"", localaws.Throttled} {
		for service, do := range calls {
			t.Run(service+" "+string(kind), func(t *testing.T) {
				if kind != "" {
					defer b.Recorder().Inject(localaws.Fault{Kind: kind})()
				}
				b.take()
				var failed *awshttp.ResponseError
				if err := do(); !errors.As(err, &failed) {
					t.Fatalf("error %v", err)
				}
				if got := b.take()[0].Detail.RequestID; got == "" || got != failed.RequestID {
					t.Errorf("request id %q, the caller's %q", got, failed.RequestID)
				}
			})
		}
	}
}
