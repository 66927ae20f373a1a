package acceptance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/guard"
)

// trustAccount lets who is in the run's account and knows the run's prefix take ICA's role.
func (l *lab) trustAccount() statement {
	return statement{
		"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": statement{"AWS": l.root()},
		"Condition": statement{"StringEquals": statement{"sts:ExternalId": l.run.Prefix}},
	}
}

func (l *lab) putTrust(ctx context.Context, trust string) error {
	return second(l.iam().UpdateAssumeRolePolicy(
		ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: l.role(), PolicyDocument: &trust},
	))
}

// testAccess takes ICA's role and does what ICA does. The role trusts ICA's tokens only, which nobody else can have: while
// icaguard is paused, it is made to trust the account.
func (r *runner) testAccess(ctx context.Context) Test {
	t := Test{
		Name: "access", What: "take ICA's role; put, read, list and delete a file in its folder; put a notification",
		Expected: "all of it is allowed, and nothing outside the folder", Began: time.Now(),
	}
	ica, err := r.session(ctx)
	if err == nil {
		err = r.useStorage(ctx, awsclient.S3(ica, r.lab.region()))
	}
	if err != nil {
		return t.failed(err)
	}
	observed := "all was allowed; a file outside the folder was refused"
	if r.site.Local {
		observed = "all was allowed; a local AWS refuses nothing"
	}
	return t.passed(observed, time.Since(t.Began))
}

// session is one of ICA's role; it lasts an hour, whatever becomes of the trust policy.
func (r *runner) session(ctx context.Context) (cfg aws.Config, err error) {
	cfg = r.site.Config(r.lab.region())
	before, err := r.lab.trust(ctx)
	if err != nil {
		return cfg, fmt.Errorf("read the trust policy: %w", err)
	}
	if out, err := r.icaguard(
		ctx, "pause", r.storage.Name, "--for", "30m", "--reason", "acceptance test takes ICA's role", "--setting", "role-trust",
	); err != nil {
		return cfg, fmt.Errorf("icaguard pause: %w: %s", err, out)
	}
	defer func() {
		restored := r.lab.putTrust(context.WithoutCancel(ctx), before)
		_, resumed := r.icaguard(ctx, "resume", r.storage.Name)
		err = errors.Join(err, restored, resumed)
	}()
	if err := r.lab.putTrust(ctx, *text(document(r.lab.trustAccount()))); err != nil {
		return cfg, fmt.Errorf("open the trust policy: %w", err)
	}
	name := r.run.Prefix + "-acceptance"
	var out *sts.AssumeRoleOutput
	err = r.lab.until(ctx, func(ctx context.Context) error {
		out, err = sts.NewFromConfig(cfg).AssumeRole(
			ctx, &sts.AssumeRoleInput{RoleArn: &r.storage.Role.ARN, RoleSessionName: &name, ExternalId: &r.run.Prefix},
		)
		return err
	})
	if err != nil {
		return cfg, fmt.Errorf("take ICA's role: %w", err)
	}
	key := aws.ToString(out.Credentials.AccessKeyId)
	cfg.Credentials = credentials.NewStaticCredentialsProvider(
		key, aws.ToString(out.Credentials.SecretAccessKey), aws.ToString(out.Credentials.SessionToken),
	)
	if r.site.Assumed != nil {
		r.site.Assumed(key, r.run.role(), name)
	}
	return cfg, nil
}

var errOutside = errors.New("a file of ICA's role outside its folder is not refused")

// useStorage does what ICA does with a storage, and leaves no version of its file behind. A permission that is new may take
// some time to work everywhere.
func (r *runner) useStorage(ctx context.Context, client *s3.Client) error {
	bucket, key := r.lab.bucket(), aws.String("ica/acceptance.txt")
	put := func(ctx context.Context, key *string) (*s3.PutObjectOutput, error) {
		return client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: strings.NewReader("acceptance")})
	}
	var file *s3.PutObjectOutput
	err := r.lab.until(ctx, func(ctx context.Context) (err error) { file, err = put(ctx, key); return err })
	if err != nil {
		return fmt.Errorf("as ICA: put a file: %w", err)
	}
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key})
	if err != nil {
		return fmt.Errorf("as ICA: read the file: %w", err)
	}
	body, err := io.ReadAll(out.Body)
	if err := errors.Join(err, out.Body.Close()); err != nil || string(body) != "acceptance" {
		return fmt.Errorf("as ICA: read the file: %q: %w", body, err)
	}
	list, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String("ica/")})
	if err != nil || len(list.Contents) != 1 {
		return fmt.Errorf("as ICA: list the folder, which has one file: %w", err)
	}
	marker, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key})
	if err != nil {
		return fmt.Errorf("as ICA: delete the file: %w", err)
	}
	for _, version := range []*string{marker.VersionId, file.VersionId} {
		_, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key, VersionId: version})
		if err != nil {
			return fmt.Errorf("as ICA: delete version %s of the file: %w", aws.ToString(version), err)
		}
	}
	if !r.site.Local {
		if err := second(put(ctx, aws.String("outside.txt"))); !isDenied(err) {
			return fmt.Errorf("%w: %w", errOutside, err)
		}
	}
	return r.notify(ctx, client)
}

// notify puts a notification as ICA does: read all, add one's own, write all. It is ICA's for icaguard if no check was on
// the way when it came, and once icaguard has heard the event.
func (r *runner) notify(ctx context.Context, client *s3.Client) error {
	_, err := makeQueue(ctx, r.lab, r.lab.region(), r.run.files(), "s3.amazonaws.com", r.storage.Bucket.ARN)
	if err != nil {
		return err
	}
	if err := r.lab.until(ctx, r.quiet); err != nil {
		return err
	}
	if _, err := client.GetBucketNotificationConfiguration(
		ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: r.lab.bucket()},
	); err != nil {
		return fmt.Errorf("as ICA: read the notifications: %w", err)
	}
	err = r.lab.until(ctx, func(ctx context.Context) error { // S3 tries the queue, whose policy is new
		return r.lab.putNotifications(ctx, client, r.lab.notification())
	})
	if err != nil {
		return fmt.Errorf("as ICA: put a notification: %w", err)
	}
	return r.lab.until(ctx, func(ctx context.Context) error {
		notes, err := r.notes(ctx, "bucket-notification")
		if err == nil && len(notes) > 0 {
			err = fmt.Errorf("%w: %s", errUnlearnt, notes[0])
		}
		return err
	})
}

var (
	errUnlearnt = errors.New("icaguard has not recorded ICA's notification")
	errBusy     = errors.New("messages are on icaguard's queue")
)

// quiet says whether icaguard has nothing to do but what is delayed.
func (r *runner) quiet(ctx context.Context) error {
	client := sqs.NewFromConfig(r.lab.home())
	url, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: aws.String(guard.RequestQueue)})
	if err != nil {
		return err
	}
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: url.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
	})
	if err != nil {
		return err
	}
	if out.Attributes["ApproximateNumberOfMessages"] != "0" || out.Attributes["ApproximateNumberOfMessagesNotVisible"] != "0" {
		return errBusy
	}
	return nil
}
