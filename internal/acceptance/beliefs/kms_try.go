package beliefs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/icaguard/icaguard/internal/acceptance/evidence"
	"github.com/icaguard/icaguard/internal/awserr"
)

// keyPolicy is the one that KMS gives a new key, with an n to tell it by.
func (l *lab) keyPolicy(n int, more ...map[string]any) *string {
	root := map[string]string{"AWS": fmt.Sprintf("arn:%s:iam::%s:root", l.Partition, l.Account)}
	return document(append([]map[string]any{
		{"Sid": fmt.Sprint("S", n), "Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"},
	}, more...)...)
}

func (l *lab) putKeyPolicy(ctx context.Context, client *kms.Client, key, policy *string) error {
	return failed(client.PutKeyPolicy(
		ctx, &kms.PutKeyPolicyInput{KeyId: key, PolicyName: aws.String("default"), Policy: policy},
	))
}

// lockoutBypassKey lets a role put a key's policy where the parameter is absent or false, and calls without it.
func lockoutBypassKey(ctx context.Context, l *lab) (evidence.Answer, error) {
	key, err := l.key(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	role, err := l.role(ctx, "", document(map[string]any{
		"Effect": "Allow", "Action": "kms:PutKeyPolicy", "Resource": key,
		"Condition": map[string]any{"BoolIfExists": map[string]string{"kms:BypassPolicyLockoutSafetyCheck": "false"}},
	}))
	if err != nil {
		return evidence.Answer{}, err
	}
	session, err := l.session(ctx, role)
	if err != nil {
		return evidence.Answer{}, err
	}
	// The root statement lets the account's policies decide, and the role may then change the policy again, which is what
	// KMS's own check asks for.
	put := func() error { return l.putKeyPolicy(ctx, kms.NewFromConfig(session), key, l.keyPolicy(2)) }
	var last error
	taken, err := l.until(ctx, time.Minute, func() (bool, error) { last = put(); return last == nil, nil })
	return holds(taken, "PutKeyPolicy without the parameter, under that condition: %s", allowed(last)), err
}

// lockout asks for a policy that nobody could change again, which must be refused.
func lockout(ctx context.Context, l *lab) (evidence.Answer, error) {
	key, err := l.key(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	role, err := l.role(ctx, "", nil)
	if err != nil {
		return evidence.Answer{}, err
	}
	var last error
	_, err = l.until(ctx, time.Minute, func() (bool, error) {
		last = l.putKeyPolicy(ctx, l.kms(), key, document(map[string]any{
			"Effect": "Allow", "Principal": map[string]string{"AWS": l.roleARN(role)}, "Action": "kms:Decrypt", "Resource": "*",
		}))
		return awserr.Classify(last) != awserr.Transient, nil // the role is not known everywhere at once
	})
	return refuses("a key policy that its writer could not change again", last, "MalformedPolicyDocumentException"), err
}

func malformedKeyPolicy(ctx context.Context, l *lab) (evidence.Answer, error) {
	key, err := l.key(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	nobody := l.keyPolicy(1, map[string]any{
		"Effect": "Allow", "Principal": map[string]string{"AWS": l.roleARN(l.named("-nobody"))}, "Action": "kms:Decrypt",
		"Resource": "*",
	})
	for _, text := range []string{"{", "{}", *nobody} {
		err := l.putKeyPolicy(ctx, l.kms(), key, &text)
		if a := refuses(text, err, "MalformedPolicyDocumentException"); a.Verdict != evidence.Confirmed {
			return a, nil
		}
	}
	return confirmed("what is no policy, or names a role that is not there, is MalformedPolicyDocumentException"), nil
}

func keyByARN(ctx context.Context, l *lab) (evidence.Answer, error) {
	key, err := l.key(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	_, disabled := l.kms().DisableKey(ctx, &kms.DisableKeyInput{KeyId: key})
	_, enabled := l.kms().EnableKey(ctx, &kms.EnableKeyInput{KeyId: key})
	err = errors.Join(disabled, enabled)
	return holds(err == nil, "DisableKey and EnableKey with the key's ARN: %s", allowed(err)), nil
}

func keyStates(ctx context.Context, l *lab) (evidence.Answer, error) {
	key, err := l.key(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	_, notPending := l.kms().CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: key})
	if _, err := l.kms().ScheduleKeyDeletion(
		ctx, &kms.ScheduleKeyDeletionInput{KeyId: key, PendingWindowInDays: aws.Int32(7)},
	); err != nil {
		return evidence.Answer{}, err
	}
	_, pending := l.kms().EnableKey(ctx, &kms.EnableKeyInput{KeyId: key})
	const refusal = "KMSInvalidStateException"
	return holds(code(notPending) == refusal && code(pending) == refusal,
		"cancelling what is not pending: %s; enabling what is pending: %s", code(notPending), code(pending)), nil
}

func cancelledKey(ctx context.Context, l *lab) (evidence.Answer, error) {
	key, err := l.key(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	_, schedule := l.kms().ScheduleKeyDeletion(
		ctx, &kms.ScheduleKeyDeletionInput{KeyId: key, PendingWindowInDays: aws.Int32(7)},
	)
	_, cancel := l.kms().CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: key})
	out, read := l.kms().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: key})
	if err := errors.Join(schedule, cancel, read); err != nil {
		return evidence.Answer{}, err
	}
	return holds(out.KeyMetadata.KeyState == "Disabled", "its state is %s", out.KeyMetadata.KeyState), nil
}
