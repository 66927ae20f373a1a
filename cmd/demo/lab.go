package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/deployed"
	"github.com/icaguard/icaguard/internal/report"
)

// lab is the laboratory whose account this is: it reads and changes things through the AWS SDK like anybody.
type lab struct {
	local *localaws.AWS
	prod  icaconfig.Storage // at home
	eu    icaconfig.Storage // in another region, with a KMS key
	home  string            // region
	inbox string            // URL of the queue that stands for the subscriber

	mu    sync.Mutex
	noted snapshot // the state right after the last change by somebody
}

const somebodysKey = "ASIASOMEBODY"

func newLab(local *localaws.AWS, b icaconfig.Baseline) *lab {
	local.Recorder().Identify(somebodysKey, somebody(local))
	return &lab{local: local, prod: b.Storages[0], eu: b.Storages[1], home: b.HomeRegion}
}

// as is the configuration of the clients of somebody in a region.
func (l *lab) as(region string) aws.Config { return l.local.Config(region, somebodysKey) }

// direct is that of clients that pass by the recorder: they set the stage and read the state.
func (l *lab) direct(region string) aws.Config { return l.local.DirectConfig(region) }

// somebody is who breaks things: a person at the console.
func somebody(local *localaws.AWS) localaws.Identity {
	return localaws.AssumedRole(local.Account(), "Admin", "console-session")
}

// subscribe lets a queue receive what an operator would receive by mail.
func (l *lab) subscribe(ctx context.Context, topic string) error {
	queue, err := sqs.NewFromConfig(l.direct(l.home)).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("subscriber")})
	if err != nil {
		return fmt.Errorf("subscribe: create queue: %w", err)
	}
	l.inbox = aws.ToString(queue.QueueUrl)
	_, err = sns.NewFromConfig(l.direct(l.home)).Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: &topic,
		Protocol: aws.String("sqs"),
		Endpoint: aws.String(fmt.Sprintf("arn:aws:sqs:%s:%s:subscriber", l.home, l.local.Account())),
	})
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", topic, err)
	}
	return nil
}

// reconcileAll does what `icaguard reconcile --all` does.
func (l *lab) reconcileAll(ctx context.Context, icaguard *deployed.Guard) error {
	result, err := icaguard.Validate.Invoke(ctx, []byte(`{"reconcile":{}}`))
	if err == nil && result.FunctionError != "" {
		err = fmt.Errorf("reconcile: %s %s: %w", result.FunctionError, result.Payload, errNotRestored)
	}
	return err
}

// change is one thing that somebody does to the ICA setup.
type change struct {
	title, setting, effect string
	do                     func(context.Context) error
}

func (l *lab) changes() []change {
	rows := map[string]guard.Setting{}
	for _, setting := range settings.All() {
		rows[setting.ID] = setting
	}
	duration, cors, key := rows["role-session-duration"], rows["bucket-cors"], rows["kms-key-state"]
	europe := l.eu.Region.AWS
	return []change{
		{
			title: "the session duration of " + l.prod.Role.Name + " goes back to 1 hour (aws iam update-role --max-session-duration " +
				"3600)",
			setting: duration.ID,
			effect:  duration.Effect,
			do: func(ctx context.Context) error {
				_, err := iam.NewFromConfig(l.as(l.home)).UpdateRole(
					ctx, &iam.UpdateRoleInput{RoleName: &l.prod.Role.Name, MaxSessionDuration: aws.Int32(3600)},
				)
				return err
			},
		},
		{
			title:   "the CORS of " + l.eu.Bucket.Name + " in " + europe + " is deleted (aws s3api delete-bucket-cors)",
			setting: cors.ID, effect: cors.Effect,
			do: func(ctx context.Context) error {
				_, err := awsclient.S3(l.as(europe), europe).DeleteBucketCors(ctx, &s3.DeleteBucketCorsInput{Bucket: &l.eu.Bucket.Name})
				return err
			},
		},
		{
			title:   "the KMS key of " + l.eu.Bucket.Name + " is disabled (aws kms disable-key)",
			setting: key.ID, effect: key.Effect,
			do: func(ctx context.Context) error {
				_, err := kms.NewFromConfig(l.as(europe)).DisableKey(ctx, &kms.DisableKeyInput{KeyId: &l.eu.Key.ARN})
				return err
			},
		},
	}
}

// snapshot is the state of the settings in words, by setting.
type snapshot map[string]string

// snapshot reads the state past the recorder, with no code of the guard's.
func (l *lab) snapshot(ctx context.Context) (snapshot, error) {
	role, err := iam.NewFromConfig(l.direct(l.home)).GetRole(ctx, &iam.GetRoleInput{RoleName: &l.prod.Role.Name})
	if err != nil {
		return nil, fmt.Errorf("read the role: %w", err)
	}
	europe := l.eu.Region.AWS
	key, err := kms.NewFromConfig(l.direct(europe)).DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &l.eu.Key.ARN})
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	state := snapshot{
		"role-session-duration": fmt.Sprintf("%d s", aws.ToInt32(role.Role.MaxSessionDuration)),
		"kms-key-state":         string(key.KeyMetadata.KeyState), "bucket-cors": "none",
	}
	cors, err := awsclient.S3(l.direct(europe), europe).GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: &l.eu.Bucket.Name})
	if awserr.IsAbsent(err) {
		return state, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read CORS: %w", err)
	}
	var rules []string
	for _, r := range cors.CORSRules {
		rules = append(rules, strings.Join(r.AllowedMethods, " ")+" for "+strings.Join(r.AllowedOrigins, " "))
	}
	state["bucket-cors"] = strings.Join(rules, "; ")
	return state, nil
}

// note keeps the state that somebody left behind, before icaguard receives the event and restores it.
func (l *lab) note(ctx context.Context, e localaws.Envelope) error {
	if e.Detail.UserIdentity["arn"] != somebody(l.local).ARN() {
		return nil
	}
	state, err := l.snapshot(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.noted = state
	return err
}

func (l *lab) broken() snapshot {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.noted
}

// awaitQuiet waits until the guard's queue holds nothing but delayed messages.
func (l *lab) awaitQuiet(ctx context.Context, queueURL string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client := sqs.NewFromConfig(l.direct(l.home))
	for {
		out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
			QueueUrl: &queueURL, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameAll},
		})
		if err != nil {
			return fmt.Errorf("wait for the guard's queue: %w", err)
		}
		if out.Attributes["ApproximateNumberOfMessages"] == "0" && out.Attributes["ApproximateNumberOfMessagesNotVisible"] == "0" {
			return nil
		}
		if err := guard.Sleep(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("wait for the guard's queue: %w", err)
		}
	}
}

var errNotRestored = errors.New("not restored")

// awaitState reads until the state is the wanted one.
func (l *lab) awaitState(ctx context.Context, want snapshot) (snapshot, error) {
	for deadline := time.Now().Add(patience); ; {
		state, err := l.snapshot(ctx)
		switch {
		case err != nil:
			return nil, err
		case maps.Equal(state, want):
			return state, nil
		case time.Now().After(deadline):
			return nil, fmt.Errorf("%w after %s: have %v, want %v", errNotRestored, patience, state, want)
		}
		if err := guard.Sleep(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// validate invokes the other function by hand, as `aws lambda invoke` does.
func (l *lab) validate(ctx context.Context, s *screen, icaguard *deployed.Guard) error {
	s.step("Ask %s for its audit", guard.ValidateFunction)
	result, err := icaguard.Validate.Invoke(ctx, []byte(`{}`))
	if err != nil {
		return err
	}
	var audit report.Report
	if err := json.Unmarshal(result.Payload, &audit); err != nil || result.FunctionError != "" {
		return fmt.Errorf("validate: %s %s: %w", result.FunctionError, result.Payload, err)
	}
	rest := slices.DeleteFunc(slices.Clone(audit.Outcomes), func(o guard.Outcome) bool { return o.Status == guard.InSync })
	s.line(
		"Lambda", "%d settings of 3 storages and of the guard itself: %d are in sync; of the others it reports:",
		len(audit.Outcomes), len(audit.Outcomes)-len(rest),
	)
	for _, o := range rest {
		for _, found := range append(o.Alerts, o.Notes...) {
			s.line("", "%s %s %s: %s", strings.Join(o.Storages, ", "), o.Setting, o.Status, found.What)
		}
	}
	if audit.ExitCode != 0 {
		return fmt.Errorf("%w: the audit's exit code is %d", errNotRestored, audit.ExitCode)
	}
	return nil
}

// showNotices prints the messages that the subscriber got: all that wait, and at least as many as are wanted.
func (l *lab) showNotices(ctx context.Context, s *screen, want int) error {
	client := sqs.NewFromConfig(l.direct(l.home))
	for got, deadline := 0, time.Now().Add(patience); ; {
		out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &l.inbox, MaxNumberOfMessages: 10})
		switch {
		case err != nil:
			return fmt.Errorf("read the subscriber's queue: %w", err)
		case len(out.Messages) == 0 && got >= want:
			return nil
		case len(out.Messages) == 0 && time.Now().After(deadline):
			return fmt.Errorf("the subscriber got %d of %d messages: %w", got, want, io.ErrUnexpectedEOF)
		}
		got += len(out.Messages)
		if err := l.showMessages(ctx, s, out.Messages); err != nil {
			return err
		}
	}
}

func (l *lab) showMessages(ctx context.Context, s *screen, messages []sqstypes.Message) error {
	for _, m := range messages {
		var notice struct{ Subject, Message string }
		if err := json.Unmarshal([]byte(aws.ToString(m.Body)), &notice); err != nil {
			return fmt.Errorf("read a notice: %w", err)
		}
		s.indented(notice.Subject + "\n\n" + notice.Message)
		s.print("\n")
		_, err := sqs.NewFromConfig(l.direct(l.home)).DeleteMessage(
			ctx, &sqs.DeleteMessageInput{QueueUrl: &l.inbox, ReceiptHandle: m.ReceiptHandle},
		)
		if err != nil {
			return fmt.Errorf("delete a read notice: %w", err)
		}
	}
	return nil
}
