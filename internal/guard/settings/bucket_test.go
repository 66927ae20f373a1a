package settings

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/localaws"
)

// The accounts of others.
const (
	strangersAccount = "999999999999"
	illuminasAccount = "111122223333"
)

func bucketCases() []testCase {
	const id = "bucket"
	alerted := func(words string) func(*env, guard.Outcome) {
		return func(w *env, o guard.Outcome) {
			if len(o.Alerts) != 1 || !strings.Contains(o.Alerts[0].What, words) || o.Remediation == "" {
				w.t.Errorf("want one alert that says %q, and what to do: %+v", words, o)
			}
			if slices.ContainsFunc(w.calls(), func(c localaws.Call) bool {
				return strings.HasPrefix(c.Operation, "Put") || strings.HasPrefix(c.Operation, "Create")
			}) {
				w.t.Errorf("the guard wrote: %v", w.calls())
			}
		}
	}
	return []testCase{
		{
			setting: id,
			name:    "created in another region",
			want:    guard.ActionRequired,
			check:   alerted("eu-central-1"),
			breakIt: func(w *env) {
				w.deleteBucket()
				w.must(w.s3.CreateBucket(w.t.Context(), &s3.CreateBucketInput{
					Bucket:                    &w.storage.Bucket.Name,
					CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: "eu-central-1"},
				}))
			},
		},
		{setting: id, name: "deleted", want: guard.ActionRequired, check: alerted("was deleted"), breakIt: (*env).deleteBucket},
		{
			setting: id,
			name:    "deleted and taken by a stranger",
			want:    guard.ActionRequired,
			check:   alerted("another account"),
			breakIt: func(w *env) {
				w.deleteBucket()
				w.takeBucket()
			},
		},
		{
			setting: id,
			name:    "deleted and recreated empty in time",
			want:    guard.InSync,
			breakIt: (*env).recreateBucket,
			check: func(w *env, _ guard.Outcome) {
				w.handle(guard.Request{})
				for _, o := range w.engine.Audit(w.t.Context()) {
					if o.Status != guard.InSync {
						w.t.Errorf("not restored: %+v", o)
					}
				}
				w.expectCORS(wantCORS(w.storage))
				w.expectEntries(icaEntry())
			},
		},
	}
}

// TestStrangersBucketIsLeftAlone lets a stranger take the name of a deleted bucket: nothing of the guard's may reach it.
func TestStrangersBucketIsLeftAlone(t *testing.T) {
	w := newEnv(t, newFixture(t), variant{bucket: "versioning: enabled"})
	w.deleteBucket()
	w.takeBucket()
	stranger := awsclient.S3(w.local.as(t, strangersAccount), "us-east-1")
	w.handle(guard.Request{})
	versioning, err := stranger.GetBucketVersioning(t.Context(), &s3.GetBucketVersioningInput{Bucket: &w.storage.Bucket.Name})
	w.must(versioning, err)
	if versioning.Status != "" {
		t.Errorf("versioning of a stranger's bucket is %s", versioning.Status)
	}
	if _, err := stranger.GetBucketCors(t.Context(), &s3.GetBucketCorsInput{Bucket: &w.storage.Bucket.Name}); !awserr.IsAbsent(err) {
		t.Errorf("a stranger's bucket has CORS rules: %v", err)
	}
	for _, call := range w.calls() {
		if call.Service == "s3" && call.Resource != "" && call.Status < 400 {
			t.Errorf("%s on a stranger's bucket was answered with %d", call.Operation, call.Status)
		}
	}
}

func (w *env) deleteBucket() {
	w.t.Helper()
	w.must(w.s3.DeleteBucket(w.t.Context(), &s3.DeleteBucketInput{Bucket: &w.storage.Bucket.Name}))
}

func (w *env) recreateBucket() {
	w.t.Helper()
	w.deleteBucket()
	w.must(w.s3.CreateBucket(w.t.Context(), &s3.CreateBucketInput{Bucket: &w.storage.Bucket.Name}))
}

// takeBucket creates the bucket in a stranger's account.
func (w *env) takeBucket() {
	w.t.Helper()
	stranger := awsclient.S3(w.local.as(w.t, strangersAccount), "us-east-1")
	w.must(stranger.CreateBucket(w.t.Context(), &s3.CreateBucketInput{Bucket: &w.storage.Bucket.Name}))
}

// as has credentials of another account.
func (s *fixture) as(t *testing.T, account string) aws.Config {
	t.Helper()
	cfg := s.DirectConfig("us-east-1")
	out, err := sts.NewFromConfig(cfg).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::" + account + ":role/theirs"), RoleSessionName: aws.String("stranger"),
	})
	if err != nil {
		t.Fatal(err)
	}
	c := out.Credentials
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
	return cfg
}
