package localaws_test

import (
	"context"
	"flag"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

// loopback sends every host name to a port of this machine, since resolvers differ on names under localhost.
func loopback(port string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
	}}}
}

func TestDirectCallsPassByTheRecorder(t *testing.T) {
	local := localawstest.Start(t)
	client := s3.NewFromConfig(local.DirectConfig("us-east-1"), func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("lab")}); err != nil {
		t.Fatal(err)
	}
	equal(t, "calls recorded", len(local.Recorder().Calls()), 0)
	recorded := s3.NewFromConfig(local.Config("us-east-1", personKey))
	if _, err := recorded.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: aws.String("lab")}); err != nil {
		t.Fatal(err)
	}
	equal(t, "calls recorded", len(local.Recorder().Calls()), 1)
}

func TestManagedPoliciesAreLoaded(t *testing.T) {
	local := localawstest.Start(t)
	client := iam.NewFromConfig(local.DirectConfig("us-east-1"))
	if _, err := client.GetPolicy(
		t.Context(), &iam.GetPolicyInput{PolicyArn: aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess")},
	); err != nil {
		t.Error(err)
	}
}

func TestResetEmptiesEverything(t *testing.T) {
	local := localawstest.Start(t)
	client := s3.NewFromConfig(local.Config("us-east-1", personKey))
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("lab")}); err != nil {
		t.Fatal(err)
	}
	local.Recorder().Inject(localaws.Fault{Kind: localaws.Denied})
	if err := local.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	equal(t, "calls recorded", len(local.Recorder().Calls()), 0)
	buckets, err := client.ListBuckets(t.Context(), &s3.ListBucketsInput{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "buckets", len(buckets.Buckets), 0)
}

func TestEndOfContextStopsMoto(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	local, err := localaws.Start(ctx, localaws.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_, port, _ := strings.Cut(strings.TrimPrefix(local.Endpoint(), "http://"), ":")
	eventually(t, "moto listens on", func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	if err := local.Close(); err != nil {
		t.Error(err)
	}
	if err := local.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	_, err := localaws.Start(t.Context(), localaws.Options{WithoutGaps: []string{"no-such-gap"}})
	if err == nil || !strings.Contains(err.Error(), "no-such-gap") {
		t.Errorf("error %v does not have the child's last words", err)
	}
	t.Chdir(t.TempDir())
	if _, err := localaws.Start(t.Context(), localaws.Options{}); err == nil || !strings.Contains(err.Error(), "go.mod") {
		t.Errorf("error %v outside a checkout", err)
	}
}

// Tests of all packages take -update; this one has no golden files.
var _ = flag.Bool("update", false, "rewrite golden files")
