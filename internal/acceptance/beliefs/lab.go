package beliefs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/icaguard/icaguard/internal/acceptance/evidence"
	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/awserr"
)

// lab is what one experiment creates, all of it in the home region; it is removed at the experiment's end, the last first.
type lab struct {
	evidence.Evidence
	undo []func(context.Context) error
}

// experiment asks AWS. Its error means that it could not be done, and says nothing about the belief.
type experiment func(context.Context, *lab) (evidence.Answer, error)

// try makes an answer of an experiment.
func try(do experiment) answer {
	return func(ctx context.Context, e evidence.Evidence) evidence.Answer {
		l := &lab{Evidence: e}
		a, err := l.do(ctx, do)
		if err != nil {
			a = evidence.Answer{Verdict: evidence.NotTried, Why: "the experiment failed: " + err.Error()}
		}
		if err := l.remove(ctx); err != nil {
			a.Why += "; left behind, remove it by hand: " + err.Error()
		}
		return a
	}
}

// do recovers: what one experiment stumbles over must not end the others, nor leave behind what it created.
func (l *lab) do(ctx context.Context, do experiment) (a evidence.Answer, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return do(ctx, l)
}

// later names what removes something that was just created.
func (l *lab) later(remove func(context.Context) error) { l.undo = append(l.undo, remove) }

// remove is brief where the run was interrupted: whoever runs sweeps what is left.
func (l *lab) remove(ctx context.Context) error {
	most := 6 * time.Minute // for a stack
	if ctx.Err() != nil {
		most = 30 * time.Second
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
	defer cancel()
	var errs []error
	for _, undo := range slices.Backward(l.undo) {
		if err := undo(ctx); err != nil && awserr.Classify(err) != awserr.Gone {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// named is the name of one of several things that the experiment creates.
func (l *lab) named(suffix string) *string { return aws.String(l.Scratch + suffix) }

// home names the program in the calls' user agent: so events are known by it that name none of the run's resources.
func (l *lab) home() aws.Config {
	cfg := l.Config(l.Storage.Home.HomeRegion)
	cfg.AppID = "icaguard-acceptance"
	return cfg
}

func (l *lab) s3() *s3.Client              { return awsclient.S3(l.home(), l.Storage.Home.HomeRegion) }
func (l *lab) iam() *iam.Client            { return iam.NewFromConfig(l.home()) }
func (l *lab) kms() *kms.Client            { return kms.NewFromConfig(l.home()) }
func (l *lab) sqs() *sqs.Client            { return sqs.NewFromConfig(l.home()) }
func (l *lab) sns() *sns.Client            { return sns.NewFromConfig(l.home()) }
func (l *lab) bus() *eventbridge.Client    { return eventbridge.NewFromConfig(l.home()) }
func (l *lab) lambda() *lambda.Client      { return lambda.NewFromConfig(l.home()) }
func (l *lab) cfn() *cloudformation.Client { return cloudformation.NewFromConfig(l.home()) }

// until asks once a second until it is true, for as long as AWS may take; the local AWS changes at once.
func (l *lab) until(ctx context.Context, most time.Duration, ask func() (bool, error)) (bool, error) {
	between := time.Second
	if l.Local {
		most, between = min(most, between/4), between/20
	}
	for end := time.Now().Add(most); ; {
		if yes, err := ask(); yes || err != nil || time.Now().After(end) {
			return yes, err
		}
		select {
		case <-time.After(between):
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// failed makes the error of an experiment of an SDK call whose answer does not matter.
func failed(_ any, err error) error { return err }

func code(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return "none"
	}
	return api.ErrorCode()
}

// refuses is confirmed where AWS refuses with one of the codes.
func refuses(what string, err error, codes ...string) evidence.Answer {
	return holds(slices.Contains(codes, code(err)), "%s is answered with error %s", what, code(err))
}

func denied(err error) bool {
	class := awserr.Classify(err)
	return class == awserr.Denied || class == awserr.ExplicitDeny
}

// document is a policy of statements.
func document(statements ...map[string]any) *string {
	text, _ := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements}) // plain data
	return aws.String(string(text))
}

// toShow is the most that AWS may take to show what was created: it is not there for every call at once.
const toShow = time.Minute

// bucket creates one.
func (l *lab) bucket(ctx context.Context) (*string, error) {
	return l.bucketWith(ctx, "")
}

func (l *lab) bucketWith(ctx context.Context, ownership s3types.ObjectOwnership) (*string, error) {
	name, in := l.named(""), &s3.CreateBucketInput{ObjectOwnership: ownership}
	if region := l.Storage.Home.HomeRegion; region != "us-east-1" { // which is no location constraint
		in.CreateBucketConfiguration = &s3types.CreateBucketConfiguration{
			LocationConstraint: s3types.BucketLocationConstraint(region),
		}
	}
	in.Bucket = name
	if _, err := l.s3().CreateBucket(ctx, in); err != nil {
		return nil, err
	}
	l.later(func(ctx context.Context) error {
		return failed(l.s3().DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: name}))
	})
	return name, s3.NewBucketExistsWaiter(l.s3()).Wait(ctx, &s3.HeadBucketInput{Bucket: name}, toShow)
}

func (l *lab) putPolicy(ctx context.Context, bucket, policy *string) error {
	return failed(l.s3().PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: policy}))
}

// accountTrust lets the account assume a role.
func (l *lab) accountTrust() *string {
	return document(map[string]any{
		"Effect": "Allow", "Action": "sts:AssumeRole",
		"Principal": map[string]string{"AWS": fmt.Sprintf("arn:%s:iam::%s:root", l.Partition, l.Account)},
	})
}

// role creates one that the account may assume, with an inline policy unless that is nil.
func (l *lab) role(ctx context.Context, suffix string, policy *string) (*string, error) {
	name, client := l.named(suffix), l.iam()
	if _, err := client.CreateRole(
		ctx, &iam.CreateRoleInput{RoleName: name, AssumeRolePolicyDocument: l.accountTrust()},
	); err != nil {
		return nil, err
	}
	l.later(func(ctx context.Context) error {
		return failed(client.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name}))
	})
	shown := &iam.GetRoleInput{RoleName: name}
	if err := iam.NewRoleExistsWaiter(client).Wait(ctx, shown, toShow); err != nil || policy == nil {
		return name, err
	}
	l.later(func(ctx context.Context) error {
		return failed(client.DeleteRolePolicy(ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: name}))
	})
	return name, failed(client.PutRolePolicy(
		ctx, &iam.PutRolePolicyInput{RoleName: name, PolicyName: name, PolicyDocument: policy},
	))
}

func (l *lab) roleARN(name *string) string {
	return fmt.Sprintf("arn:%s:iam::%s:role/%s", l.Partition, l.Account, *name)
}

// session is what a role may call with, as soon as IAM lets it be assumed.
func (l *lab) session(ctx context.Context, role *string) (aws.Config, error) {
	cfg, client := l.home(), sts.NewFromConfig(l.home())
	var last error
	got, err := l.until(ctx, time.Minute, func() (bool, error) {
		out, err := client.AssumeRole(ctx, &sts.AssumeRoleInput{
			RoleArn: aws.String(l.roleARN(role)), RoleSessionName: aws.String("acceptance"),
		})
		if last = err; err != nil {
			return false, nil //nolint:nilerr // asked again: a new role is not known everywhere at once
		}
		c := out.Credentials
		cfg.Credentials = credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
		return true, nil
	})
	if err == nil && !got {
		err = fmt.Errorf("assume role %s: %w", *role, last)
	}
	return cfg, err
}

// managedPolicy creates a managed policy.
func (l *lab) managedPolicy(ctx context.Context, policy *string) (*string, error) {
	out, err := l.iam().CreatePolicy(ctx, &iam.CreatePolicyInput{PolicyName: l.named(""), PolicyDocument: policy})
	if err != nil {
		return nil, err
	}
	l.later(func(ctx context.Context) error {
		return failed(l.iam().DeletePolicy(ctx, &iam.DeletePolicyInput{PolicyArn: out.Policy.Arn}))
	})
	shown := &iam.GetPolicyInput{PolicyArn: out.Policy.Arn}
	return out.Policy.Arn, iam.NewPolicyExistsWaiter(l.iam()).Wait(ctx, shown, toShow)
}

// attach attaches a managed policy to a role.
func (l *lab) attach(ctx context.Context, role, policy *string) error {
	l.later(func(ctx context.Context) error {
		return failed(l.iam().DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: role, PolicyArn: policy}))
	})
	return failed(l.iam().AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: role, PolicyArn: policy}))
}

// key creates a KMS key. It is deleted after a week, and costs nothing while it waits for that.
func (l *lab) key(ctx context.Context) (arn *string, err error) {
	out, err := l.kms().CreateKey(ctx, &kms.CreateKeyInput{Description: l.named("")})
	if err != nil {
		return nil, err
	}
	arn = out.KeyMetadata.Arn
	l.later(func(ctx context.Context) error {
		err := failed(l.kms().ScheduleKeyDeletion(
			ctx, &kms.ScheduleKeyDeletionInput{KeyId: arn, PendingWindowInDays: aws.Int32(7)},
		))
		if code(err) == "KMSInvalidStateException" { // the experiment scheduled it already
			return nil
		}
		return err
	})
	return arn, nil
}

// queue creates one.
func (l *lab) queue(ctx context.Context, suffix string, attributes map[string]string) (url *string, arn string, err error) {
	out, err := l.sqs().CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: l.named(suffix), Attributes: attributes})
	if err != nil {
		return nil, "", err
	}
	l.later(func(ctx context.Context) error {
		return failed(l.sqs().DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: out.QueueUrl}))
	})
	return out.QueueUrl, l.arn("sqs", *l.named(suffix)), nil
}

func (l *lab) arn(service, resource string) string {
	return strings.Join([]string{"arn", l.Partition, service, l.Storage.Home.HomeRegion, l.Account, resource}, ":")
}

func (l *lab) setQueue(ctx context.Context, url *string, attributes map[string]string) error {
	return failed(l.sqs().SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: url, Attributes: attributes}))
}

// receive takes messages from a queue until there is one that counts.
func (l *lab) receive(ctx context.Context, url *string, most time.Duration) (messages []sqstypes.Message, err error) {
	_, err = l.until(ctx, most, func() (bool, error) {
		out, err := l.sqs().ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10})
		if err == nil {
			messages = out.Messages
		}
		return len(messages) > 0, err
	})
	return messages, err
}

// rule creates a rule on the home region's bus for events of a source of the experiment's own.
func (l *lab) rule(ctx context.Context, suffix string, state ebtypes.RuleState, target ebtypes.Target) error {
	name, bus := l.named(suffix), l.bus()
	pattern := fmt.Sprintf(`{"source":[%q]}`, l.Scratch)
	if _, err := bus.PutRule(ctx, &eventbridge.PutRuleInput{Name: name, EventPattern: &pattern, State: state}); err != nil {
		return err
	}
	l.later(func(ctx context.Context) error {
		return failed(bus.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: name}))
	})
	l.later(func(ctx context.Context) error {
		return failed(bus.RemoveTargets(ctx, &eventbridge.RemoveTargetsInput{Rule: name, Ids: []string{"target"}}))
	})
	target.Id = aws.String("target")
	return failed(bus.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: name, Targets: []ebtypes.Target{target}}))
}

// send puts an event of a source on the home region's bus, and answers the code with which it was refused.
func (l *lab) send(ctx context.Context, source string) (refused string, err error) {
	out, err := l.bus().PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{{
		Source: &source, DetailType: aws.String("acceptance"), Detail: aws.String(`{"text":"<source>"}`),
	}}})
	if err != nil {
		return "", err
	}
	if out.FailedEntryCount > 0 {
		refused = aws.ToString(out.Entries[0].ErrorCode)
	}
	return refused, nil
}

// sendMayBy is a statement that lets EventBridge send to a queue in the name of a rule of the experiment.
func (l *lab) sendMayBy(queue, suffix string) map[string]any {
	return map[string]any{
		"Effect": "Allow", "Principal": map[string]string{"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
		"Resource":  queue,
		"Condition": map[string]any{"ArnEquals": map[string]string{"aws:SourceArn": l.arn("events", "rule/"+*l.named(suffix))}},
	}
}
