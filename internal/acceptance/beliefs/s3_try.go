package beliefs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/acceptance/evidence"
	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// bucketPolicy is the policy of a bucket that has one.
func (l *lab) bucketPolicy(ctx context.Context, bucket *string) (string, error) {
	var policy string
	_, err := l.until(ctx, 15*time.Second, func() (bool, error) {
		out, err := l.s3().GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: bucket})
		if err == nil {
			policy = aws.ToString(out.Policy)
		}
		if awserr.IsAbsent(err) { // it was put just before
			err = nil
		}
		return policy != "", err
	})
	return policy, err
}

// corsReads writes and reads a bucket's CORS rules.
func (l *lab) corsReads(ctx context.Context) ([][]reading, error) {
	bucket, err := l.bucket(ctx)
	if err != nil {
		return nil, err
	}
	return l.readings(ctx, func(n int) error {
		return failed(l.s3().PutBucketCors(ctx, &s3.PutBucketCorsInput{
			Bucket: bucket, CORSConfiguration: &types.CORSConfiguration{CORSRules: []types.CORSRule{
				{AllowedMethods: []string{"GET"}, AllowedOrigins: []string{fmt.Sprintf("https://%d.example.org", n)}},
			}},
		}))
	}, func(n int) (bool, error) {
		out, err := l.s3().GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: bucket})
		if awserr.IsAbsent(err) {
			return false, nil
		}
		return err == nil && out.CORSRules[0].AllowedOrigins[0] == fmt.Sprintf("https://%d.example.org", n), err
	})
}

// bucketAndKeyReads reads CORS rules of a bucket and the policy of a key after each write: about half a minute.
func bucketAndKeyReads(ctx context.Context, l *lab) (evidence.Answer, error) {
	rounds, err := l.corsReads(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	ofKey, err := l.keyPolicyReads(ctx)
	return shownBy(slices.Concat(rounds, ofKey), 13*time.Second), err
}

func (l *lab) keyPolicyReads(ctx context.Context) ([][]reading, error) {
	key, err := l.key(ctx)
	if err != nil {
		return nil, err
	}
	return l.readings(ctx, func(n int) error {
		return failed(l.kms().PutKeyPolicy(
			ctx, &kms.PutKeyPolicyInput{KeyId: key, PolicyName: aws.String("default"), Policy: l.keyPolicy(n)},
		))
	}, func(n int) (bool, error) {
		out, err := l.kms().GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: key, PolicyName: aws.String("default")})
		return err == nil && strings.Contains(aws.ToString(out.Policy), fmt.Sprintf(`"S%d"`, n)), err
	})
}

func equalReads(ctx context.Context, l *lab) (evidence.Answer, error) {
	rounds, err := l.corsReads(ctx)
	return notTwice(rounds, 2*time.Second), err
}

// documentsReadAlike reads a bucket's policy and a managed policy several times.
func documentsReadAlike(ctx context.Context, l *lab) (evidence.Answer, error) {
	bucket, err := l.bucket(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	if err := l.putPolicy(ctx, bucket, document(map[string]any{
		"Effect": "Deny", "Principal": "*",
		"Action":   []string{"s3:PutBucketWebsite", "s3:PutBucketLogging", "s3:PutMetricsConfiguration"},
		"Resource": fmt.Sprintf("arn:%s:s3:::%s", l.Partition, *bucket),
	})); err != nil {
		return evidence.Answer{}, err
	}
	policy, err := l.managedPolicy(ctx, harmless(1))
	if err != nil {
		return evidence.Answer{}, err
	}
	answers := map[string]bool{}
	_, err = l.until(ctx, 8*time.Second, func() (bool, error) {
		ofBucket, err := l.bucketPolicy(ctx, bucket)
		if err != nil {
			return false, err
		}
		version, err := l.iam().GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: policy, VersionId: aws.String("v1")})
		if err == nil {
			answers[ofBucket+aws.ToString(version.PolicyVersion.Document)] = true
		}
		return false, err
	})
	return holds(len(answers) == 1, "%d different answers to the same two reads", len(answers)), err
}

// notifying is a bucket and a queue that lets S3 send to it.
func (l *lab) notifying(ctx context.Context) (bucket *string, queueARN string, err error) {
	if bucket, err = l.bucket(ctx); err != nil {
		return nil, "", err
	}
	url, queueARN, err := l.queue(ctx, "", nil)
	if err != nil {
		return nil, "", err
	}
	return bucket, queueARN, l.setQueue(ctx, url, map[string]string{"Policy": *document(map[string]any{
		"Effect": "Allow", "Principal": map[string]string{"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage",
		"Resource": queueARN, "Condition": map[string]any{"StringEquals": map[string]string{"aws:SourceAccount": l.Account}},
	})})
}

// toQueue writes the name of its filter as the API's page has it.
func toQueue(arn, prefix string, events ...types.Event) types.QueueConfiguration {
	return types.QueueConfiguration{QueueArn: &arn, Events: events, Filter: &types.NotificationConfigurationFilter{
		Key: &types.S3KeyFilter{FilterRules: []types.FilterRule{{Name: types.FilterRuleNamePrefix, Value: &prefix}}},
	}}
}

func (l *lab) notify(ctx context.Context, bucket *string, n types.NotificationConfiguration) error {
	return failed(l.s3().PutBucketNotificationConfiguration(
		ctx, &s3.PutBucketNotificationConfigurationInput{Bucket: bucket, NotificationConfiguration: &n},
	))
}

func filterNames(ctx context.Context, l *lab) (evidence.Answer, error) {
	bucket, queue, err := l.notifying(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	if err := l.notify(ctx, bucket, types.NotificationConfiguration{QueueConfigurations: []types.QueueConfiguration{
		toQueue(queue, "a/", "s3:ObjectCreated:*"),
	}}); err != nil {
		return evidence.Answer{}, err
	}
	var got types.FilterRuleName
	there, err := l.until(ctx, 15*time.Second, func() (bool, error) {
		out, err := l.s3().GetBucketNotificationConfiguration(
			ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: bucket},
		)
		if err != nil || len(out.QueueConfigurations) == 0 {
			return false, err
		}
		got = out.QueueConfigurations[0].Filter.Key.FilterRules[0].Name
		return true, nil
	})
	if err == nil && !there {
		err = errors.New("the notification is not read back")
	}
	return holds(got == "Prefix", "written as prefix, answered as %s", got), err
}

func overlappingNotifications(ctx context.Context, l *lab) (evidence.Answer, error) {
	bucket, queue, err := l.notifying(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	return refuses("a second notification for the same keys", l.notify(ctx, bucket, types.NotificationConfiguration{
		QueueConfigurations: []types.QueueConfiguration{
			toQueue(queue, "a/", "s3:ObjectCreated:*"), toQueue(queue, "a/b/", "s3:ObjectCreated:Put"),
		},
	}), "InvalidArgument"), nil
}

func missingTarget(ctx context.Context, l *lab) (evidence.Answer, error) {
	bucket, err := l.bucket(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	err = l.notify(ctx, bucket, types.NotificationConfiguration{QueueConfigurations: []types.QueueConfiguration{
		toQueue(l.arn("sqs", *l.named("-nowhere")), "a/", "s3:ObjectCreated:*"),
	}})
	return holds(awserr.IsTargetRefused(err), "a queue that is not there is answered with %s", allowed(err)), nil
}

func eventBridgeKept(ctx context.Context, l *lab) (evidence.Answer, error) {
	bucket, err := l.bucket(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	if err := l.notify(ctx, bucket, types.NotificationConfiguration{
		EventBridgeConfiguration: &types.EventBridgeConfiguration{},
	}); err != nil {
		return evidence.Answer{}, err
	}
	there, err := l.until(ctx, 15*time.Second, func() (bool, error) {
		out, err := l.s3().GetBucketNotificationConfiguration(
			ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: bucket},
		)
		return err == nil && out.EventBridgeConfiguration != nil, err
	})
	return holds(there, "EventBridgeConfiguration was put, and is answered: %t", there), err
}

// encryptionStays writes an object, changes the bucket's default to KMS, and reads the object's head.
func encryptionStays(ctx context.Context, l *lab) (evidence.Answer, error) {
	bucket, err := l.bucket(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	key := aws.String("object")
	if _, err := l.s3().PutObject(
		ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("x")},
	); err != nil {
		return evidence.Answer{}, err
	}
	l.later(func(ctx context.Context) error {
		return failed(l.s3().DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key}))
	})
	if err := l.encrypt(ctx, bucket, types.ServerSideEncryptionRule{}); err != nil {
		return evidence.Answer{}, err
	}
	out, err := l.s3().GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key})
	if err != nil {
		return evidence.Answer{}, err
	}
	_, err = io.Copy(io.Discard, out.Body)
	return holds(out.ServerSideEncryption != types.ServerSideEncryptionAwsKms,
			"written before the default became aws:kms, the object has encryption %q", out.ServerSideEncryption),
		errors.Join(err, out.Body.Close())
}

// encrypt makes KMS the bucket's default, and what else the rule says.
func (l *lab) encrypt(ctx context.Context, bucket *string, rule types.ServerSideEncryptionRule) error {
	rule.ApplyServerSideEncryptionByDefault = &types.ServerSideEncryptionByDefault{
		SSEAlgorithm: types.ServerSideEncryptionAwsKms,
	}
	return failed(l.s3().PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
		Bucket: bucket, ServerSideEncryptionConfiguration: &types.ServerSideEncryptionConfiguration{
			Rules: []types.ServerSideEncryptionRule{rule},
		},
	}))
}

// absentCodes asks a new bucket for what it has not, once what a new bucket has is deleted.
func absentCodes(ctx context.Context, l *lab) (evidence.Answer, error) {
	b, err := l.bucket(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	c := l.s3()
	_, blockErr := c.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: b})
	_, ownershipErr := c.DeleteBucketOwnershipControls(ctx, &s3.DeleteBucketOwnershipControlsInput{Bucket: b})
	if err := errors.Join(blockErr, ownershipErr); err != nil {
		return evidence.Answer{}, err
	}
	reads := []func() error{
		func() error { return failed(c.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: b})) },
		func() error { return failed(c.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: b})) },
		func() error { return failed(c.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: b})) },
		func() error {
			return failed(c.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: b}))
		},
		func() error {
			return failed(c.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: b}))
		},
		func() error {
			return failed(c.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: b}))
		},
	}
	var codes []string
	for _, read := range reads {
		var last error
		absent, err := l.until(ctx, 15*time.Second, func() (bool, error) {
			last = read()
			return awserr.IsAbsent(last), nil
		})
		if err != nil || !absent {
			return refuted("a bucket without a configuration answers %s", allowed(last)), err
		}
		codes = append(codes, code(last))
	}
	return confirmed("%s", strings.Join(codes, ", ")), nil
}

func newBucket(ctx context.Context, l *lab) (evidence.Answer, error) {
	b, err := l.bucket(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	block, blockErr := l.s3().GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: b})
	owner, ownerErr := l.s3().GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: b})
	_, err = l.s3().DeleteBucketEncryption(ctx, &s3.DeleteBucketEncryptionInput{Bucket: b})
	encryption, readErr := l.s3().GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: b})
	if err := errors.Join(blockErr, ownerErr, err, readErr); err != nil {
		return refuted("of a new bucket: %s", awserr.Brief(errors.Join(blockErr, ownerErr, err, readErr))), nil
	}
	c, ownership := block.PublicAccessBlockConfiguration, owner.OwnershipControls.Rules[0].ObjectOwnership
	algorithm := encryption.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm
	blocks := aws.ToBool(c.BlockPublicAcls) && aws.ToBool(c.BlockPublicPolicy) && aws.ToBool(c.IgnorePublicAcls) &&
		aws.ToBool(c.RestrictPublicBuckets)
	return holds(blocks && ownership == types.ObjectOwnershipBucketOwnerEnforced && algorithm == types.ServerSideEncryptionAes256,
		"a new bucket blocks all public access: %t, %s, and after its encryption was deleted %s", blocks, ownership, algorithm), nil
}

func unknownSubResources(ctx context.Context, l *lab) (evidence.Answer, error) {
	b, err := l.bucket(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	_, err = l.s3().ListBucketMetricsConfigurations(ctx, &s3.ListBucketMetricsConfigurationsInput{Bucket: b})
	if code(err) == "NotImplemented" {
		return notSeen("501 NotImplemented, as only the local AWS says"), nil
	}
	return holds(err == nil, "GET ?metrics: %s", allowed(err)), nil
}

func requestPayment(ctx context.Context, l *lab) (evidence.Answer, error) {
	b, err := l.bucket(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	payer := func(want types.Payer) (got types.Payer, err error) {
		_, err = l.until(ctx, 15*time.Second, func() (bool, error) {
			out, err := l.s3().GetBucketRequestPayment(ctx, &s3.GetBucketRequestPaymentInput{Bucket: b})
			if err == nil {
				got = out.Payer
			}
			return got == want, err
		})
		return got, err
	}
	before, err := payer(types.PayerBucketOwner)
	if err != nil {
		return refuted("GetBucketRequestPayment: %s", awserr.Brief(err)), nil
	}
	if _, err := l.s3().PutBucketRequestPayment(ctx, &s3.PutBucketRequestPaymentInput{
		Bucket: b, RequestPaymentConfiguration: &types.RequestPaymentConfiguration{Payer: types.PayerRequester},
	}); err != nil {
		return evidence.Answer{}, err
	}
	after, err := payer(types.PayerRequester)
	return holds(before == types.PayerBucketOwner && after == types.PayerRequester,
		"a new bucket's requests pays %s; then it was told Requester, and answers %s", before, after), err
}

func (l *lab) tiering(ctx context.Context, b, id *string) error {
	return failed(l.s3().PutBucketIntelligentTieringConfiguration(ctx, &s3.PutBucketIntelligentTieringConfigurationInput{
		Bucket: b, Id: id, IntelligentTieringConfiguration: &types.IntelligentTieringConfiguration{
			Id: id, Status: types.IntelligentTieringStatusEnabled, Filter: &types.IntelligentTieringFilter{Prefix: aws.String("a/")},
			Tierings: []types.Tiering{{AccessTier: types.IntelligentTieringAccessTierArchiveAccess, Days: aws.Int32(90)}},
		},
	}))
}

func (l *lab) untier(ctx context.Context, b, id *string) error {
	return failed(l.s3().DeleteBucketIntelligentTieringConfiguration(
		ctx, &s3.DeleteBucketIntelligentTieringConfigurationInput{Bucket: b, Id: id},
	))
}

func tieringKept(ctx context.Context, l *lab) (evidence.Answer, error) {
	b, err := l.bucket(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	id := aws.String("one")
	if err := l.tiering(ctx, b, id); err != nil {
		return refuted("PutBucketIntelligentTieringConfiguration: %s", awserr.Brief(err)), nil
	}
	listed, err := l.until(ctx, 15*time.Second, func() (bool, error) {
		out, err := l.s3().ListBucketIntelligentTieringConfigurations(
			ctx, &s3.ListBucketIntelligentTieringConfigurationsInput{Bucket: b},
		)
		return err == nil && len(out.IntelligentTieringConfigurationList) == 1, err
	})
	if err != nil || !listed {
		return refuted("what was put is not listed"), err
	}
	if err := l.untier(ctx, b, id); err != nil {
		return evidence.Answer{}, err
	}
	var again error
	gone, err := l.until(ctx, 15*time.Second, func() (bool, error) {
		again = l.untier(ctx, b, id)
		return code(again) == "NoSuchConfiguration", nil
	})
	return holds(gone, "put, listed, deleted; deleted again: %s", allowed(again)), err
}

func blockedTypes(ctx context.Context, l *lab) (evidence.Answer, error) {
	b, err := l.bucket(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	if err := l.encrypt(ctx, b, types.ServerSideEncryptionRule{
		BucketKeyEnabled:       aws.Bool(true),
		BlockedEncryptionTypes: &types.BlockedEncryptionTypes{EncryptionType: []types.EncryptionType{types.EncryptionTypeSseC}},
	}); err != nil {
		return evidence.Answer{}, err
	}
	var got []types.EncryptionType
	right, err := l.until(ctx, 15*time.Second, func() (bool, error) {
		out, err := l.s3().GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: b})
		if err == nil {
			if blocked := out.ServerSideEncryptionConfiguration.Rules[0].BlockedEncryptionTypes; blocked != nil {
				got = blocked.EncryptionType
			}
		}
		return slices.Equal(got, []types.EncryptionType{types.EncryptionTypeSseC}), err
	})
	return holds(right, "SSE-C was put as refused; answered is %v", got), err
}

// The canned ACL of these two grants to S3's log delivery group, so that nothing is public for a moment.

func enforceOverACL(ctx context.Context, l *lab) (evidence.Answer, error) {
	b, err := l.bucketWith(ctx, types.ObjectOwnershipBucketOwnerPreferred)
	if err != nil {
		return evidence.Answer{}, err
	}
	if err := l.grantToLogs(ctx, b); err != nil {
		return evidence.Answer{}, err
	}
	return refuses("BucketOwnerEnforced over an ACL that grants to others", failed(l.s3().PutBucketOwnershipControls(
		ctx, &s3.PutBucketOwnershipControlsInput{Bucket: b, OwnershipControls: &types.OwnershipControls{
			Rules: []types.OwnershipControlsRule{{ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced}},
		}},
	)), "InvalidBucketAclWithObjectOwnership"), nil
}

func aclWhereEnforced(ctx context.Context, l *lab) (evidence.Answer, error) {
	b, err := l.bucketWith(ctx, types.ObjectOwnershipBucketOwnerEnforced)
	if err != nil {
		return evidence.Answer{}, err
	}
	return refuses("an ACL where BucketOwnerEnforced is set", l.grantToLogs(ctx, b), "AccessControlListNotSupported"), nil
}

func (l *lab) grantToLogs(ctx context.Context, b *string) error {
	return failed(l.s3().PutBucketAcl(ctx, &s3.PutBucketAclInput{Bucket: b, ACL: "log-delivery-write"}))
}

// publicPolicy puts a policy that would be public on a new bucket, which blocks that.
func publicPolicy(ctx context.Context, l *lab) (evidence.Answer, error) {
	b, err := l.bucket(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	if _, err := l.s3().PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
		Bucket: b, PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
			BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true), IgnorePublicAcls: aws.Bool(true),
			RestrictPublicBuckets: aws.Bool(true),
		},
	}); err != nil {
		return evidence.Answer{}, err
	}
	err = l.putPolicy(ctx, b, document(map[string]any{
		"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
		"Resource": fmt.Sprintf("arn:%s:s3:::%s/*", l.Partition, *b),
	}))
	return holds(denied(err), "a public policy where BlockPublicPolicy is on: %s", allowed(err)), nil
}

// policyConditions: a Deny of requests without TLS spares one with TLS, and in the local AWS, where there is none, all.
func policyConditions(ctx context.Context, l *lab) (evidence.Answer, error) {
	b, err := l.bucket(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	err = l.putPolicy(ctx, b, document(map[string]any{
		"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": fmt.Sprintf("arn:%s:s3:::%s/*", l.Partition, *b),
		"Condition": map[string]any{"Bool": map[string]string{"aws:SecureTransport": "false"}},
	}))
	if err != nil {
		return evidence.Answer{}, err
	}
	key := aws.String("file")
	put := failed(l.s3().PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: key, Body: strings.NewReader("")}))
	err = failed(l.s3().DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b, Key: key}))
	return holds(put == nil, "PutObject under a Deny of requests without TLS: %s", allowed(put)), err
}

func malformedPolicy(ctx context.Context, l *lab) (evidence.Answer, error) {
	b, err := l.bucket(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	for _, text := range []string{"{", `{"Version":"2012-10-17"}`, *document(map[string]any{
		"Effect": "Deny", "Principal": map[string]string{"AWS": l.roleARN(l.named("-nobody"))}, "Action": "s3:GetObject",
		"Resource": fmt.Sprintf("arn:%s:s3:::%s/*", l.Partition, *b),
	})} {
		if a := refuses(text, l.putPolicy(ctx, b, &text), "MalformedPolicy"); a.Verdict != evidence.Confirmed {
			return a, nil
		}
	}
	return confirmed("what is not JSON, has no Statement, or names a role that is not there is MalformedPolicy"), nil
}

func otherOwner(ctx context.Context, l *lab) (evidence.Answer, error) {
	b, err := l.bucket(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	_, err = l.s3().GetBucketVersioning(
		ctx, &s3.GetBucketVersioningInput{Bucket: b, ExpectedBucketOwner: aws.String("111122223333")},
	)
	return holds(denied(err), "another ExpectedBucketOwner: %s", allowed(err)), nil
}

// wrongRegion asks a region next to the bucket's.
func wrongRegion(ctx context.Context, l *lab) (evidence.Answer, error) {
	b, err := l.bucket(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	other := "us-east-1"
	if l.Storage.Home.HomeRegion == other {
		other = "us-west-2"
	}
	_, err = awsclient.S3(l.Config(other), other).GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: b})
	return holds(awserr.IsElsewhere(err), "asked in %s: %s", other, allowed(err)), nil
}

// lockLater puts no default retention, so that nothing is kept.
func lockLater(ctx context.Context, l *lab) (evidence.Answer, error) {
	b, err := l.bucket(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	if _, err := l.s3().PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: b, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	}); err != nil {
		return evidence.Answer{}, err
	}
	var last error
	taken, err := l.until(ctx, toShow, func() (bool, error) { // versioning may not be in force yet
		_, last = l.s3().PutObjectLockConfiguration(ctx, &s3.PutObjectLockConfigurationInput{
			Bucket: b, ObjectLockConfiguration: &types.ObjectLockConfiguration{ObjectLockEnabled: types.ObjectLockEnabledEnabled},
		})
		return last == nil, nil
	})
	return holds(taken, "PutObjectLockConfiguration on a bucket that was created without: %s", allowed(last)), err
}

func bypassWithoutLock(ctx context.Context, l *lab) (evidence.Answer, error) {
	b, err := l.bucket(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	key := aws.String("file")
	if _, err := l.s3().PutObject(ctx, &s3.PutObjectInput{Bucket: b, Key: key, Body: strings.NewReader("")}); err != nil {
		return evidence.Answer{}, err
	}
	l.later(func(ctx context.Context) error {
		return failed(l.s3().DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b, Key: key}))
	})
	_, err = l.s3().DeleteObject(
		ctx, &s3.DeleteObjectInput{Bucket: b, Key: key, BypassGovernanceRetention: aws.Bool(true)},
	)
	return holds(err != nil, "DeleteObject with the header: %s", allowed(err)), nil
}

// bucketNameAgain deletes a bucket and creates it again.
func bucketNameAgain(ctx context.Context, l *lab) (evidence.Answer, error) {
	b, err := l.bucket(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	if _, err := l.s3().DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: b}); err != nil {
		return evidence.Answer{}, err
	}
	deleted, again := time.Now(), error(nil)
	there, err := l.until(ctx, 5*time.Minute, func() (bool, error) {
		_, again = l.bucket(ctx)
		return again == nil, nil
	})
	return holds(there, "%s after its deletion: %s", time.Since(deleted).Round(time.Second), allowed(again)), err
}

// crossAccountRoles names each of Illumina's roles in a Deny of a read that none of them makes.
func crossAccountRoles(ctx context.Context, l *lab) (evidence.Answer, error) {
	b, err := l.bucket(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	account := strings.TrimSuffix(l.Storage.CrossAccount, l.Storage.Region.CrossAccountRole)
	var there, refused []string
	for _, region := range icaconfig.Regions() {
		if region.CrossAccountRole == "" {
			continue
		}
		err := l.putPolicy(ctx, b, document(map[string]any{
			"Effect": "Deny", "Principal": map[string]string{"AWS": account + region.CrossAccountRole},
			"Action": "s3:GetBucketLogging", "Resource": fmt.Sprintf("arn:%s:s3:::%s", l.Partition, *b),
		}))
		switch {
		case err == nil:
			there = append(there, region.ID)
		case code(err) == "MalformedPolicy":
			refused = append(refused, region.CrossAccountRole)
		default:
			return evidence.Answer{}, err
		}
	}
	return holds(len(refused) == 0, "taken as a principal in the regions %s; refused: %s", orNone(there), orNone(refused)), nil
}
