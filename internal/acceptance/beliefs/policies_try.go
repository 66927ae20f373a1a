package beliefs

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/icaguard/icaguard/internal/acceptance/evidence"
	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/awserr"
)

// denial is a statement of a bucket policy that denies one harmless read under a condition, and whether it should hit.
type denial struct {
	principal any    // "*" unless given
	condition string // JSON, "" for none; ACCOUNT and ROLE stand for the caller's
	denies    bool
}

func (d denial) String() string {
	principal, _ := json.Marshal(d.who()) // plain data
	return strings.TrimSpace("Principal " + string(principal) + " " + d.condition)
}

func (d denial) who() any {
	if d.principal == nil {
		return "*"
	}
	return d.principal
}

func (d denial) statement(action, bucketARN string, names *strings.Replacer) map[string]any {
	s := map[string]any{"Effect": "Deny", "Principal": d.who(), "Action": action, "Resource": bucketARN}
	if d.condition != "" {
		s["Condition"] = json.RawMessage(names.Replace(d.condition))
	}
	return s
}

// bucketRead is a read that nothing needs on a scratch bucket.
type bucketRead struct {
	action string
	call   func(context.Context, *s3.Client, *string) error
}

// bucketReads are as many as an experiment may have denials, and one more, which is denied to everybody: it shows when
// the policy is in force.
func bucketReads() []bucketRead {
	return []bucketRead{
		{"s3:GetBucketLogging", func(ctx context.Context, c *s3.Client, b *string) error {
			return failed(c.GetBucketLogging(ctx, &s3.GetBucketLoggingInput{Bucket: b}))
		}},
		{"s3:GetBucketTagging", func(ctx context.Context, c *s3.Client, b *string) error {
			return failed(c.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: b}))
		}},
		{"s3:GetBucketWebsite", func(ctx context.Context, c *s3.Client, b *string) error {
			return failed(c.GetBucketWebsite(ctx, &s3.GetBucketWebsiteInput{Bucket: b}))
		}},
		{"s3:GetBucketCORS", func(ctx context.Context, c *s3.Client, b *string) error {
			return failed(c.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: b}))
		}},
		{"s3:GetLifecycleConfiguration", func(ctx context.Context, c *s3.Client, b *string) error {
			return failed(c.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: b}))
		}},
		{"s3:GetReplicationConfiguration", func(ctx context.Context, c *s3.Client, b *string) error {
			return failed(c.GetBucketReplication(ctx, &s3.GetBucketReplicationInput{Bucket: b}))
		}},
	}
}

// denials asks which Denies of a bucket policy hit the program's own calls.
func denials(all ...denial) answer {
	return try(func(ctx context.Context, l *lab) (evidence.Answer, error) {
		return l.denials(ctx, l.home(), strings.NewReplacer("ACCOUNT", l.Account), all)
	})
}

// denialsToRole asks which of them hit a session of a role, which has the tag acceptance=yes.
func denialsToRole(all ...denial) answer {
	return try(func(ctx context.Context, l *lab) (evidence.Answer, error) {
		role, err := l.role(ctx, "", document(map[string]any{
			"Effect": "Allow", "Action": "s3:Get*", "Resource": fmt.Sprintf("arn:%s:s3:::%s", l.Partition, *l.named("")),
		}))
		if err != nil {
			return evidence.Answer{}, err
		}
		if _, err := l.iam().TagRole(ctx, &iam.TagRoleInput{
			RoleName: role, Tags: []iamtypes.Tag{{Key: aws.String("acceptance"), Value: aws.String("yes")}},
		}); err != nil {
			return evidence.Answer{}, err
		}
		session, err := l.session(ctx, role)
		if err != nil {
			return evidence.Answer{}, err
		}
		return l.denials(ctx, session, strings.NewReplacer("ACCOUNT", l.Account, "ROLE", l.roleARN(role)), all)
	})
}

func (l *lab) denials(
	ctx context.Context, caller aws.Config, names *strings.Replacer, all []denial,
) (evidence.Answer, error) {
	bucket, err := l.bucket(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	arn, reads := fmt.Sprintf("arn:%s:s3:::%s", l.Partition, *bucket), bucketReads()
	client := awsclient.S3(caller, l.Storage.Home.HomeRegion)
	hits := func(read bucketRead, want bool, most time.Duration) (bool, error) {
		return l.until(ctx, most, func() (bool, error) { return denied(read.call(ctx, client, bucket)) == want, nil })
	}
	if free, err := hits(reads[0], false, time.Minute); err != nil || !free {
		return notSeen("the caller may not read the bucket to begin with"), err
	}
	statements := []map[string]any{denial{}.statement(reads[0].action, arn, names)}
	for i, d := range all {
		statements = append(statements, d.statement(reads[i+1].action, arn, names))
	}
	if err := l.putPolicy(ctx, bucket, document(statements...)); err != nil {
		return evidence.Answer{}, err
	}
	if inForce, err := hits(reads[0], true, time.Minute); err != nil || !inForce {
		return notSeen("a Deny without a condition hits nothing here"), err
	}
	for i, d := range all {
		if asBelieved, err := hits(reads[i+1], d.denies, 15*time.Second); err != nil || !asBelieved {
			return refuted("a Deny of %s hits the caller: %t", d, !d.denies), err
		}
	}
	return confirmed("%d Denies hit the caller, or not, as believed", len(all)), nil
}

// explicitDenyText asks for the message that a bucket policy's Deny gives.
func explicitDenyText(ctx context.Context, l *lab) (evidence.Answer, error) {
	bucket, err := l.bucket(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	arn, read := fmt.Sprintf("arn:%s:s3:::%s", l.Partition, *bucket), bucketReads()[0]
	if err := l.putPolicy(ctx, bucket, document(denial{}.statement(read.action, arn, strings.NewReplacer()))); err != nil {
		return evidence.Answer{}, err
	}
	var last error
	hit, err := l.until(ctx, time.Minute, func() (bool, error) {
		last = read.call(ctx, l.s3(), bucket)
		return denied(last), nil
	})
	if err != nil || !hit {
		return notSeen("a Deny without a condition hits nothing here"), err
	}
	return holds(awserr.Classify(last) == awserr.ExplicitDeny, "the message is: %s", awserr.Brief(last)), nil
}

// oldTLS asks S3's endpoint for TLS 1.1.
func oldTLS(ctx context.Context, l *lab) (evidence.Answer, error) {
	if l.Local {
		return notSeen("the local AWS speaks no TLS"), nil
	}
	host := "s3." + l.Storage.Home.HomeRegion + ".amazonaws.com:443"
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: 10 * time.Second}, Config: &tls.Config{ //nolint:gosec // G402: the question
		MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11,
	}}
	connection, err := dialer.DialContext(ctx, "tcp", host)
	if err == nil {
		return refuted("%s speaks TLS 1.1", host), connection.Close()
	}
	if _, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", host); err != nil {
		return evidence.Answer{}, err
	}
	return confirmed("%s refuses TLS 1.1: %v", host, err), nil
}
