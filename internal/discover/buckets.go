package discover

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// buckets reads the buckets that the roles name. A bucket that is not in our own list is another account's, or nobody's.
func (l *surveyor) buckets(ctx context.Context) error {
	own, listed, err := ask(l, "s3:ListAllMyBuckets", "*", func() (names []string, err error) {
		pages := s3.NewListBucketsPaginator(awsclient.S3(l.cfg, l.cfg.Region), nil)
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			for _, b := range page.Buckets {
				names = append(names, aws.ToString(b.Name))
			}
		}
		return names, nil
	})
	if err != nil {
		return err
	}
	for _, role := range l.found.Roles {
		all, _ := role.uses()
		for _, u := range all {
			if _, done := l.found.Buckets[u.bucket]; done {
				continue
			}
			b := Bucket{Foreign: listed && !slices.Contains(own, u.bucket)}
			if !b.Foreign {
				if b, err = l.bucket(ctx, u.bucket); err != nil {
					return err
				}
			}
			l.found.Buckets[u.bucket] = b
		}
	}
	return nil
}

func (l *surveyor) bucket(ctx context.Context, name string) (Bucket, error) {
	place, ok, err := ask(l, "s3:GetBucketLocation", name, func() (string, error) {
		out, err := awsclient.S3(l.cfg, l.cfg.Region).GetBucketLocation(
			ctx, &s3.GetBucketLocationInput{Bucket: &name, ExpectedBucketOwner: &l.found.ID},
		)
		if err != nil {
			return "", err
		}
		return awsclient.RegionOfBucket(string(out.LocationConstraint)), nil
	})
	if err != nil || !ok {
		return Bucket{Unread: []string{"s3:GetBucketLocation"}}, err
	}
	b := bucketSurveyor{l, awsclient.S3(l.cfg, place), name, Bucket{Region: place}}
	for _, read := range []func(context.Context) (action string, ok bool, err error){
		b.versioning, b.encryption, b.cors,
		b.publicAccess, b.policy,
	} {
		action, ok, err := read(ctx)
		if err != nil {
			return Bucket{}, err
		}
		if !ok {
			b.got.Unread = append(b.got.Unread, action)
		}
	}
	return b.got, nil
}

// bucketSurveyor reads one bucket.
type bucketSurveyor struct {
	*surveyor
	s3   *s3.Client
	name string
	got  Bucket
}

// account is sent with every call: the bucket may belong to a stranger.
func (b *bucketSurveyor) account() *string { return &b.found.ID }

func (b *bucketSurveyor) versioning(ctx context.Context) (action string, ok bool, err error) {
	action = "s3:GetBucketVersioning"
	b.got.Versioning, ok, err = ask(b.surveyor, action, b.name, func() (string, error) {
		out, err := b.s3.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &b.name, ExpectedBucketOwner: b.account()})
		if err != nil {
			return "", err
		}
		return string(out.Status), nil
	})
	return action, ok, err
}

func (b *bucketSurveyor) encryption(ctx context.Context) (action string, ok bool, err error) {
	action = "s3:GetEncryptionConfiguration"
	rule, ok, err := ask(b.surveyor, action, b.name, func() (by struct{ algorithm, key string }, err error) {
		out, err := b.s3.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &b.name, ExpectedBucketOwner: b.account()})
		if err != nil {
			return by, err
		}
		for _, rule := range out.ServerSideEncryptionConfiguration.Rules {
			if s := rule.ApplyServerSideEncryptionByDefault; s != nil {
				by.algorithm, by.key = string(s.SSEAlgorithm), aws.ToString(s.KMSMasterKeyID)
			}
		}
		return by, nil
	})
	b.got.Algorithm = rule.algorithm
	if err != nil || !ok || rule.key == "" || strings.HasSuffix(rule.key, "alias/aws/s3") {
		return action, ok, err
	}
	if b.got.Key = rule.key; strings.HasPrefix(rule.key, "arn:") && strings.Contains(rule.key, ":key/") {
		return action, ok, nil
	}
	action = "kms:DescribeKey"
	b.got.Key, ok, err = b.keyARN(ctx, action, rule.key)
	return action, ok, err
}

// keyARN is the ARN of a key that the bucket names by its id or an alias.
func (b *bucketSurveyor) keyARN(ctx context.Context, action, key string) (arn string, ok bool, err error) {
	return ask(b.surveyor, action, key, func() (string, error) {
		client := kms.NewFromConfig(b.cfg, func(o *kms.Options) { o.Region = b.got.Region })
		out, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})
		if err != nil {
			return "", err
		}
		return aws.ToString(out.KeyMetadata.Arn), nil
	})
}

func (b *bucketSurveyor) cors(ctx context.Context) (action string, ok bool, err error) {
	action = "s3:GetBucketCORS"
	b.got.CORS, ok, err = ask(b.surveyor, action, b.name, func() (bool, error) {
		out, err := b.s3.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: &b.name, ExpectedBucketOwner: b.account()})
		if err != nil {
			return false, err
		}
		for _, rule := range out.CORSRules {
			if slices.ContainsFunc(rule.AllowedOrigins, icaOrigin) {
				return true, nil
			}
		}
		return false, nil
	})
	return action, ok, err
}

func (b *bucketSurveyor) publicAccess(ctx context.Context) (action string, ok bool, err error) {
	action = "s3:GetBucketPublicAccessBlock"
	blocked, ok, err := ask(b.surveyor, action, b.name, func() (bool, error) {
		out, err := b.s3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &b.name, ExpectedBucketOwner: b.account()})
		if err != nil {
			return false, err
		}
		is := out.PublicAccessBlockConfiguration
		return aws.ToBool(is.BlockPublicAcls) && aws.ToBool(is.BlockPublicPolicy) && aws.ToBool(is.IgnorePublicAcls) &&
			aws.ToBool(is.RestrictPublicBuckets), nil
	})
	b.got.PublicAccess = ok && !blocked
	return action, ok, err
}

func (b *bucketSurveyor) policy(ctx context.Context) (action string, ok bool, err error) {
	action = "s3:GetBucketPolicy"
	text, ok, err := ask(b.surveyor, action, b.name, func() (string, error) {
		out, err := b.s3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &b.name, ExpectedBucketOwner: b.account()})
		if err != nil {
			return "", err
		}
		return aws.ToString(out.Policy), nil
	})
	b.got.Principals = allowed(text)
	return action, ok, err
}

// allowed are the AWS principals that a bucket policy names in its Allow statements. What is not understood names nobody;
// validate says what is wrong with it.
func allowed(text string) []string {
	var doc struct{ Statement []policy.Statement }
	if json.Unmarshal([]byte(text), &doc) != nil {
		return nil
	}
	var all []string
	for _, s := range doc.Statement {
		if s.Effect == "Allow" {
			all = append(all, s.Principal["AWS"]...)
		}
	}
	return all
}

// icaOrigin reports whether an origin of a CORS rule lets ICA's pages in.
func icaOrigin(pattern string) bool {
	return icaconfig.MatchesOrigin(pattern, icaconfig.CORS().AllowedOrigins[0])
}
