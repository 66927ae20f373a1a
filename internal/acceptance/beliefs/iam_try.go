package beliefs

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/icaguard/icaguard/internal/acceptance/evidence"
	"github.com/icaguard/icaguard/internal/awserr"
)

// harmless is a policy that gives nothing that anybody would miss.
func harmless(n int) *string {
	return document(map[string]any{
		"Sid": fmt.Sprint("S", n), "Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*",
	})
}

func describeOrganization(ctx context.Context, l *lab) (evidence.Answer, error) {
	_, err := organizations.NewFromConfig(l.home()).DescribeOrganization(ctx, &organizations.DescribeOrganizationInput{})
	switch {
	case err == nil:
		return confirmed("it answers"), nil
	case awserr.IsAbsent(err):
		return notSeen("the account is in no organization, which is said: %s", code(err)), nil
	case denied(err):
		return refuted("%s", awserr.Brief(err)), nil
	}
	return evidence.Answer{}, err
}

// attachmentCount attaches a policy to two roles.
func attachmentCount(ctx context.Context, l *lab) (evidence.Answer, error) {
	policy, err := l.managedPolicy(ctx, harmless(1))
	if err != nil {
		return evidence.Answer{}, err
	}
	for _, suffix := range []string{"-1", "-2"} {
		role, err := l.role(ctx, suffix, nil)
		if err != nil {
			return evidence.Answer{}, err
		}
		if err := l.attach(ctx, role, policy); err != nil {
			return evidence.Answer{}, err
		}
	}
	var count int32
	right, err := l.until(ctx, 30*time.Second, func() (bool, error) {
		out, err := l.iam().GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: policy})
		if err == nil {
			count = aws.ToInt32(out.Policy.AttachmentCount)
		}
		return count == 2, err
	})
	return holds(right, "two roles have the policy, AttachmentCount is %d", count), err
}

// versionLimit creates versions until IAM refuses one.
func versionLimit(ctx context.Context, l *lab) (evidence.Answer, error) {
	policy, err := l.managedPolicy(ctx, harmless(1))
	if err != nil {
		return evidence.Answer{}, err
	}
	for n := 2; n <= 6; n++ {
		out, err := l.iam().CreatePolicyVersion(
			ctx, &iam.CreatePolicyVersionInput{PolicyArn: policy, PolicyDocument: harmless(n)},
		)
		if err != nil {
			return holds(n == 6 && awserr.IsLimit(err), "version %d is answered with %s", n, code(err)), nil
		}
		l.later(func(ctx context.Context) error {
			return failed(l.iam().DeletePolicyVersion(
				ctx, &iam.DeletePolicyVersionInput{PolicyArn: policy, VersionId: out.PolicyVersion.VersionId},
			))
		})
	}
	return refuted("it has six versions"), nil
}

// roleState is what UpdateRole writes.
type roleState struct {
	description string
	seconds     int32
}

// updateRole sends one of the two, waits until it shows, and answers both.
func (l *lab) updateRole(ctx context.Context, in *iam.UpdateRoleInput) (state roleState, err error) {
	if _, err := l.iam().UpdateRole(ctx, in); err != nil {
		return state, err
	}
	_, err = l.until(ctx, 30*time.Second, func() (bool, error) {
		out, err := l.iam().GetRole(ctx, &iam.GetRoleInput{RoleName: in.RoleName})
		if err != nil {
			return false, err
		}
		state = roleState{aws.ToString(out.Role.Description), aws.ToInt32(out.Role.MaxSessionDuration)}
		return (in.Description == nil || state.description == *in.Description) &&
			(in.MaxSessionDuration == nil || state.seconds == *in.MaxSessionDuration), nil
	})
	return state, err
}

// updateRoleBy sends both, then only what rest has.
func (l *lab) updateRoleBy(ctx context.Context, rest iam.UpdateRoleInput) (roleState, error) {
	role, err := l.role(ctx, "", nil)
	if err != nil {
		return roleState{}, err
	}
	if _, err := l.updateRole(ctx, &iam.UpdateRoleInput{
		RoleName: role, Description: aws.String("before"), MaxSessionDuration: aws.Int32(43200),
	}); err != nil {
		return roleState{}, err
	}
	rest.RoleName = role
	return l.updateRole(ctx, &rest)
}

func updateRoleDuration(ctx context.Context, l *lab) (evidence.Answer, error) {
	got, err := l.updateRoleBy(ctx, iam.UpdateRoleInput{Description: aws.String("after")})
	return holds(got.seconds == 3600, "12 hours before, %d s after UpdateRole with a description alone", got.seconds), err
}

func updateRoleDescription(ctx context.Context, l *lab) (evidence.Answer, error) {
	got, err := l.updateRoleBy(ctx, iam.UpdateRoleInput{MaxSessionDuration: aws.Int32(7200)})
	if err != nil || got.description != "before" {
		return refuted("the description is %q after UpdateRole with a duration alone", got.description), err
	}
	duration, err := l.updateRole(ctx, &iam.UpdateRoleInput{RoleName: l.named(""), Description: aws.String("after")})
	return holds(duration.seconds == 3600, "a duration alone keeps the description; a description alone leaves %d s",
		duration.seconds), err
}

// iamReads reads a role's description after each write.
func iamReads(ctx context.Context, l *lab) (evidence.Answer, error) {
	role, err := l.role(ctx, "", nil)
	if err != nil {
		return evidence.Answer{}, err
	}
	rounds, err := l.readings(ctx, func(n int) error {
		return failed(l.iam().UpdateRole(ctx, &iam.UpdateRoleInput{
			RoleName: role, Description: aws.String(fmt.Sprint(n)), MaxSessionDuration: aws.Int32(3600),
		}))
	}, func(n int) (bool, error) {
		out, err := l.iam().GetRole(ctx, &iam.GetRoleInput{RoleName: role})
		return err == nil && aws.ToString(out.Role.Description) == fmt.Sprint(n), err
	})
	return shownBy(rounds, 15*time.Second), err
}

// boundaryKey gives a role three calls on another role, if that has a boundary, and answers which of them it may make:
// AttachRolePolicy, of which it is documented, once it may or a minute has passed, and then the other two.
func boundaryKey(ctx context.Context, l *lab) (attach, trust, update error, err error) {
	boundary, err := l.managedPolicy(ctx, harmless(1))
	if err != nil {
		return nil, nil, nil, err
	}
	target, err := l.role(ctx, "-target", nil)
	if err != nil {
		return nil, nil, nil, err
	}
	if _, err := l.iam().PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{
		RoleName: target, PermissionsBoundary: boundary,
	}); err != nil {
		return nil, nil, nil, err
	}
	caller, err := l.role(ctx, "-caller", document(map[string]any{
		"Effect": "Allow", "Action": []string{"iam:AttachRolePolicy", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole"},
		"Resource":  l.roleARN(target),
		"Condition": map[string]any{"StringEquals": map[string]*string{"iam:PermissionsBoundary": boundary}},
	}))
	if err != nil {
		return nil, nil, nil, err
	}
	session, err := l.session(ctx, caller)
	if err != nil {
		return nil, nil, nil, err
	}
	client := iam.NewFromConfig(session)
	l.later(func(ctx context.Context) error {
		return failed(l.iam().DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: target, PolicyArn: boundary}))
	})
	_, err = l.until(ctx, time.Minute, func() (bool, error) {
		attach = failed(client.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: target, PolicyArn: boundary}))
		return attach == nil, nil
	})
	nobody := document(map[string]any{
		"Effect": "Deny", "Action": "sts:AssumeRole", "Principal": map[string]string{"AWS": l.Account},
	})
	trust = failed(client.UpdateAssumeRolePolicy(
		ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: target, PolicyDocument: nobody},
	))
	update = failed(client.UpdateRole(ctx, &iam.UpdateRoleInput{
		RoleName: target, Description: aws.String("changed"), MaxSessionDuration: aws.Int32(3600),
	}))
	return attach, trust, update, err
}

func attachBoundaryKey(ctx context.Context, l *lab) (evidence.Answer, error) {
	attach, _, _, err := boundaryKey(ctx, l)
	return holds(attach == nil, "AttachRolePolicy is allowed under a condition on the role's boundary: %s", allowed(attach)), err
}

func trustBoundaryKey(ctx context.Context, l *lab) (evidence.Answer, error) {
	attach, trust, update, err := boundaryKey(ctx, l)
	if err == nil && attach != nil {
		err = fmt.Errorf("not even AttachRolePolicy is allowed: %w", attach)
	}
	return holds(trust == nil && update == nil,
		"under a condition on the role's boundary, UpdateAssumeRolePolicy: %s; UpdateRole: %s", allowed(trust), allowed(update)), err
}

func allowed(err error) string {
	if err == nil {
		return "allowed"
	}
	return awserr.Brief(err)
}

// invalidPrincipalText names a role that is not there in a bucket's, a key's and a trust policy.
func invalidPrincipalText(ctx context.Context, l *lab) (evidence.Answer, error) {
	bucket, err := l.bucket(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	role, err := l.role(ctx, "", nil)
	if err != nil {
		return evidence.Answer{}, err
	}
	key, err := l.key(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	nobody := map[string]string{"AWS": l.roleARN(l.named("-nobody"))}
	refusals := []error{
		l.putPolicy(ctx, bucket, document(map[string]any{
			"Effect": "Allow", "Principal": nobody, "Action": "s3:GetBucketLogging",
			"Resource": fmt.Sprintf("arn:%s:s3:::%s", l.Partition, *bucket),
		})),
		l.putKeyPolicy(ctx, l.kms(), key, l.keyPolicy(1, map[string]any{
			"Effect": "Allow", "Principal": nobody, "Action": "kms:Decrypt", "Resource": "*",
		})),
		failed(l.iam().UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: role, PolicyDocument: document(
			map[string]any{"Effect": "Allow", "Principal": nobody, "Action": "sts:AssumeRole"},
		)})),
	}
	for _, err := range refusals {
		if err == nil {
			return refuted("a principal that is not there is taken"), nil
		}
		if awserr.Classify(err) != awserr.Transient {
			return refuted("the message is: %s", awserr.Brief(err)), nil
		}
	}
	return confirmed("the messages are: %s; %s; %s", awserr.Brief(refusals[0]), awserr.Brief(refusals[1]),
		awserr.Brief(refusals[2])), nil
}

// clientIDs adds and removes client ids of a provider, each twice.
func clientIDs(ctx context.Context, l *lab) (evidence.Answer, error) {
	out, err := l.iam().CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String("https://" + l.Scratch + ".example.org"), ClientIDList: []string{"one"},
		ThumbprintList: []string{strings.Repeat("0123456789", 4)},
	})
	if err != nil {
		return evidence.Answer{}, err
	}
	arn := out.OpenIDConnectProviderArn
	l.later(func(ctx context.Context) error {
		return failed(l.iam().DeleteOpenIDConnectProvider(
			ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn},
		))
	})
	for range 2 {
		err = errors.Join(err, failed(l.iam().AddClientIDToOpenIDConnectProvider(
			ctx, &iam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, ClientID: aws.String("two")},
		)))
	}
	for range 2 {
		err = errors.Join(err, failed(l.iam().RemoveClientIDFromOpenIDConnectProvider(
			ctx, &iam.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, ClientID: aws.String("one")},
		)))
	}
	if err != nil {
		return refuted("adding or removing twice: %v", err), nil
	}
	var left []string
	right, err := l.until(ctx, 30*time.Second, func() (bool, error) {
		got, err := l.iam().GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn})
		if err == nil {
			left = got.ClientIDList
		}
		return len(left) == 1 && left[0] == "two", err
	})
	return holds(right, "one there, two added twice, one removed twice: %v is left", left), err
}

func policyVersionEncoding(ctx context.Context, l *lab) (evidence.Answer, error) {
	policy, err := l.managedPolicy(ctx, harmless(1))
	if err != nil {
		return evidence.Answer{}, err
	}
	out, err := l.iam().GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: policy, VersionId: aws.String("v1")})
	if err != nil {
		return evidence.Answer{}, err
	}
	got := aws.ToString(out.PolicyVersion.Document)
	decoded, err := url.QueryUnescape(got)
	return holds(err == nil && decoded == *harmless(1) && got != decoded, "GetPolicyVersion answers %s", got), nil
}

// deletedPrincipals deletes a role that a bucket policy and a trust policy name.
func deletedPrincipals(ctx context.Context, l *lab) (evidence.Answer, error) {
	bucket, err := l.bucket(ctx)
	if err != nil {
		return evidence.Answer{}, err
	}
	named, err := l.role(ctx, "-named", nil)
	if err != nil {
		return evidence.Answer{}, err
	}
	put := func() error {
		return l.putPolicy(ctx, bucket, document(map[string]any{
			"Effect": "Deny", "Principal": map[string]string{"AWS": l.roleARN(named)}, "Action": "s3:GetBucketLogging",
			"Resource": fmt.Sprintf("arn:%s:s3:::%s", l.Partition, *bucket),
		}))
	}
	var last error
	written, err := l.until(ctx, time.Minute, func() (bool, error) { last = put(); return last == nil, nil })
	if err == nil && !written {
		err = last
	}
	if err != nil {
		return evidence.Answer{}, err
	}
	if _, err := l.iam().DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: named}); err != nil {
		return evidence.Answer{}, err
	}
	var policy string
	renamed, err := l.until(ctx, time.Minute, func() (bool, error) {
		policy, err = l.bucketPolicy(ctx, bucket)
		return strings.Contains(policy, "AROA") && !strings.Contains(policy, *named), err
	})
	return holds(renamed, "a minute after the role was deleted at most, the policy is %s", policy), err
}

// accessDeniedCode makes a call with a role that may do nothing.
func accessDeniedCode(ctx context.Context, l *lab) (evidence.Answer, error) {
	role, err := l.role(ctx, "", nil)
	if err != nil {
		return evidence.Answer{}, err
	}
	session, err := l.session(ctx, role)
	if err != nil {
		return evidence.Answer{}, err
	}
	_, err = iam.NewFromConfig(session).GetRole(ctx, &iam.GetRoleInput{RoleName: role})
	if err == nil {
		return notSeen("a role without policies may read itself here"), nil
	}
	return holds(awserr.Classify(err) == awserr.Denied, "IAM answers %s", awserr.Brief(err)), nil
}

func simulation(ctx context.Context, l *lab) (evidence.Answer, error) {
	_, err := l.iam().SimulateCustomPolicy(ctx, &iam.SimulateCustomPolicyInput{
		PolicyInputList: []string{*harmless(1)}, ActionNames: []string{"sts:GetCallerIdentity"},
	})
	if code(err) == "NotImplemented" { // the local AWS
		return evidence.Answer{}, err
	}
	return holds(err == nil, "SimulateCustomPolicy: %s", allowed(err)), nil
}

// badToken assumes the storage's role with a token that nobody signed.
func badToken(ctx context.Context, l *lab) (evidence.Answer, error) {
	_, err := sts.NewFromConfig(l.home()).AssumeRoleWithWebIdentity(ctx, &sts.AssumeRoleWithWebIdentityInput{
		RoleArn: &l.Storage.Role.ARN, RoleSessionName: aws.String("acceptance"), WebIdentityToken: aws.String("not-a-token"),
	})
	if code(err) == "NotImplemented" { // the local AWS
		return evidence.Answer{}, err
	}
	return holds(err != nil, "a token that nobody signed is answered with error %s", code(err)), nil
}

// rolePath asks for roles at a path, and for one that is not there, with rights on some of their ARNs.
func rolePath(ctx context.Context, l *lab) (evidence.Answer, error) {
	const path = "/acceptance/"
	for _, suffix := range []string{"-at", "-off"} {
		name := l.named(suffix)
		if _, err := l.iam().CreateRole(ctx, &iam.CreateRoleInput{
			RoleName: name, Path: aws.String(path), AssumeRolePolicyDocument: l.accountTrust(),
		}); err != nil {
			return evidence.Answer{}, err
		}
		l.later(func(ctx context.Context) error {
			return failed(l.iam().DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name}))
		})
	}
	caller, err := l.role(ctx, "-caller", document(map[string]any{"Effect": "Allow", "Action": "iam:GetRole", "Resource": []string{
		l.roleARN(aws.String("acceptance/" + *l.named("-at"))), l.roleARN(l.named("-off")), l.roleARN(l.named("-no")),
	}}))
	if err != nil {
		return evidence.Answer{}, err
	}
	session, err := l.session(ctx, caller)
	if err != nil {
		return evidence.Answer{}, err
	}
	get := func(name *string) error {
		return failed(iam.NewFromConfig(session).GetRole(ctx, &iam.GetRoleInput{RoleName: name}))
	}
	var at error
	_, err = l.until(ctx, time.Minute, func() (bool, error) { at = get(l.named("-at")); return at == nil, nil })
	if err != nil || get(caller) == nil {
		return notSeen("a role may read here what its policy does not allow"), err
	}
	off, no := get(l.named("-off")), get(l.named("-no"))
	return holds(at == nil && denied(off) && code(no) == "NoSuchEntity",
		"allowed on the ARN with the path: %s; on the one without it: %s; on that of no role: %s", allowed(at), allowed(off),
		allowed(no)), nil
}
