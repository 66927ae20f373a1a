package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// subject is a resource of which something can be put again as it is.
type subject struct {
	resource string
	read     func(context.Context) (reading, error)
}

// reading is what a subject has now.
type reading struct {
	unfit string // why nothing can be put again; "" if it can
	state string // to compare
	// put puts again what was read, and answers the call's request id.
	put func(context.Context) (requestID string, err error)
}

// planned has one probe for each service and region in which the guard receives events of the storages' resources.
func (s session) planned(ctx context.Context) []probe {
	var probes []probe
	for _, kind := range []struct {
		service, call string
		subject       func(st icaconfig.Storage, region string) subject
	}{
		{"iam", "TagRole", s.roleSubject}, {"s3", "PutPublicAccessBlock", s.bucketSubject}, {"kms", "EnableKey", s.keySubject},
	} {
		for _, region := range self.AppearsIn("aws."+kind.service, s.baseline.Home) {
			p := probe{Service: kind.service, Region: region, Call: kind.call, Result: skipped}
			for _, st := range s.baseline.Storages {
				if p.Result == "" {
					break // one is enough
				}
				p.consider(ctx, kind.subject(st, region))
			}
			probes = append(probes, p)
		}
	}
	return probes
}

// consider takes the subject if it is fit, and else adds why it is not.
func (p *probe) consider(ctx context.Context, candidate subject) {
	if candidate.read == nil {
		return
	}
	switch got, err := candidate.read(ctx); {
	case err != nil:
		p.Result = failed
		p.add(err.Error())
	case got.unfit != "":
		p.add(got.unfit)
	default:
		p.Resource, p.subject, p.Result, p.Problem = candidate.resource, candidate, "", ""
	}
}

// requestID is what CloudTrail calls the call: requestID there, x-amz-request-id with S3.
func requestID(metadata middleware.Metadata) string {
	id, _ := awsmiddleware.GetRequestIDMetadata(metadata)
	return id
}

func (s session) roleSubject(st icaconfig.Storage, _ string) subject {
	client := iam.NewFromConfig(s.aws)
	return subject{"role " + st.Role.Name, func(ctx context.Context) (reading, error) {
		out, err := client.GetRole(ctx, &iam.GetRoleInput{RoleName: &st.Role.Name})
		switch {
		case awserr.Classify(err) == awserr.Gone:
			return reading{unfit: "role " + st.Role.Name + " does not exist"}, nil
		case err != nil:
			return reading{}, fmt.Errorf("get role %s: %w", st.Role.Name, err)
		case aws.ToString(out.Role.Arn) != st.Role.ARN:
			return reading{unfit: "role " + st.Role.Name + " stands at another path and is not ours"}, nil
		}
		return roleReading(client, st.Role.Name, out.Role.Tags), nil
	}}
}

// roleReading puts our marker again, or on a role that was adopted without it one of its own tags.
func roleReading(client *iam.Client, role string, present []iamtypes.Tag) reading {
	tags := map[string]string{}
	for _, tag := range present {
		tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	keys := slices.DeleteFunc(
		slices.Sorted(maps.Keys(tags)), func(key string) bool { return strings.HasPrefix(key, "aws:") },
	) // AWS's own
	if _, marked := tags[icaconfig.MarkerTag]; marked {
		keys = []string{icaconfig.MarkerTag}
	}
	if len(keys) == 0 {
		return reading{unfit: "role " + role + " has no tag that could be put again"}
	}
	tag := iamtypes.Tag{Key: &keys[0], Value: aws.String(tags[keys[0]])}
	return reading{state: stateOf(tags), put: func(ctx context.Context) (string, error) {
		out, err := client.TagRole(ctx, &iam.TagRoleInput{RoleName: &role, Tags: []iamtypes.Tag{tag}})
		if err != nil {
			return "", fmt.Errorf("tag role %s: %w", role, err)
		}
		return requestID(out.ResultMetadata), nil
	}}
}

func (s session) bucketSubject(st icaconfig.Storage, region string) subject {
	if st.Region.AWS != region {
		return subject{}
	}
	client, bucket, owner := awsclient.S3(s.aws, region), &st.Bucket.Name, &s.baseline.Account
	return subject{"bucket " + st.Bucket.Name, func(ctx context.Context) (reading, error) {
		out, err := client.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: bucket, ExpectedBucketOwner: owner})
		switch {
		case awserr.IsAbsent(err):
			return reading{unfit: "bucket " + *bucket + " has no public access block that could be put again"}, nil
		case awserr.Classify(err) == awserr.Gone:
			return reading{unfit: "bucket " + *bucket + " does not exist"}, nil
		case err != nil:
			return reading{}, fmt.Errorf("get the public access block of bucket %s, which may be another account's: %w", *bucket, err)
		}
		block := out.PublicAccessBlockConfiguration
		return reading{state: stateOf(block), put: func(ctx context.Context) (string, error) {
			out, err := client.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
				Bucket: bucket, ExpectedBucketOwner: owner, PublicAccessBlockConfiguration: block,
			})
			if err != nil {
				return "", fmt.Errorf("put the public access block of bucket %s: %w", *bucket, err)
			}
			return requestID(out.ResultMetadata), nil
		}}, nil
	}}
}

func (s session) keySubject(st icaconfig.Storage, region string) subject {
	if st.Key == nil {
		return subject{}
	}
	key, err := arn.Parse(st.Key.ARN)
	if err != nil || key.Region != region || key.AccountID != s.baseline.Account {
		return subject{} // its events do not appear here
	}
	client := kms.NewFromConfig(s.aws, func(o *kms.Options) { o.Region = region })
	return subject{"key " + st.Key.ARN, func(ctx context.Context) (reading, error) {
		out, err := client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &st.Key.ARN})
		switch {
		case awserr.Classify(err) == awserr.Gone:
			return reading{unfit: "key " + st.Key.ARN + " does not exist"}, nil
		case err != nil:
			return reading{}, fmt.Errorf("describe key %s: %w", st.Key.ARN, err)
		case out.KeyMetadata.KeyState != kmstypes.KeyStateEnabled:
			return reading{unfit: fmt.Sprintf("key %s is %s: enabling it would change it", st.Key.ARN, out.KeyMetadata.KeyState)}, nil
		case out.KeyMetadata.KeyManager == kmstypes.KeyManagerTypeAws:
			return reading{unfit: "key " + st.Key.ARN + " is managed by AWS, which lets nobody enable it"}, nil
		}
		return reading{state: string(out.KeyMetadata.KeyState), put: func(ctx context.Context) (string, error) {
			out, err := client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &st.Key.ARN})
			if err != nil {
				return "", fmt.Errorf("enable key %s: %w", st.Key.ARN, err)
			}
			return requestID(out.ResultMetadata), nil
		}}, nil
	}}
}

// stateOf is a state as text, equal for equal states.
func stateOf(v any) string {
	data, _ := json.Marshal(v) // strings and booleans always marshal
	return string(data)
}
