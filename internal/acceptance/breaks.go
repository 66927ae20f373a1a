package acceptance

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Expectation is what must come of a break.
type Expectation string

// What icaguard does: it restores; or it tells people, as it only watches; or icaguard validate shows it, as it may be on
// purpose.
const (
	Restored Expectation = "restored, and told as restored"
	Told     Expectation = "left as it is, and told as action-required"
	Noted    Expectation = "left as it is, and shown by icaguard validate"
)

// Break is one way of breaking one setting, as a person does it.
type Break struct {
	Setting string
	Way     string
	Event   string // CloudTrail's name of the call
	Expect  Expectation
	Do      func(context.Context, *lab) error
	// Undo puts back what icaguard does not, or should have: all that widens access has one.
	Undo func(context.Context, *lab) error
	// Read is the state of the setting, which must be the same in the end.
	Read func(context.Context, *lab) (any, error)
}

// Breaks has one row for every setting, in an order in which none disturbs the next: what lies on the role before the role
// itself, all on the bucket before the bucket itself.
func Breaks() []Break {
	return append(append(bucketBreaks(), keyBreaks()...), append(roleBreaks(), Break{
		Setting: "bucket", Way: "the bucket is emptied and deleted", Event: "DeleteBucket", Expect: Told,
		Do: deleteBucket, Undo: createBucket, Read: readBucket,
	})...)
}

func bucketBreaks() []Break { //nolint:funlen // a table
	return []Break{
		{
			"bucket-public-access", "the public access block is removed", "DeleteBucketPublicAccessBlock", Restored,
			func(ctx context.Context, l *lab) error {
				return second(l.s3().DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: l.bucket()}))
			}, blockPublicAccess, readPublicAccess,
		},
		{
			"bucket-ownership", "object ownership is set to ObjectWriter", "PutBucketOwnershipControls", Restored,
			func(ctx context.Context, l *lab) error {
				return l.putOwnership(ctx, "ObjectWriter")
			},
			func(ctx context.Context, l *lab) error { return l.putOwnership(ctx, "BucketOwnerEnforced") }, readOwnership,
		},
		{
			"bucket-encryption", "the default encryption is set to SSE-S3", "PutBucketEncryption", Restored,
			func(ctx context.Context, l *lab) error {
				return second(l.s3().PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
					Bucket: l.bucket(), ServerSideEncryptionConfiguration: &s3types.ServerSideEncryptionConfiguration{
						Rules: []s3types.ServerSideEncryptionRule{{
							ApplyServerSideEncryptionByDefault: &s3types.ServerSideEncryptionByDefault{SSEAlgorithm: "AES256"},
						}},
					},
				}))
			}, nil, readEncryption,
		},
		{
			"bucket-versioning", "versioning is suspended", "PutBucketVersioning", Restored,
			func(ctx context.Context, l *lab) error {
				return second(l.s3().PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
					Bucket: l.bucket(), VersioningConfiguration: &s3types.VersioningConfiguration{Status: "Suspended"},
				}))
			}, nil, readVersioning,
		},
		{
			"bucket-cors", "CORS is deleted", "DeleteBucketCors", Restored,
			func(ctx context.Context, l *lab) error {
				return second(l.s3().DeleteBucketCors(ctx, &s3.DeleteBucketCorsInput{Bucket: l.bucket()}))
			}, nil, readCORS,
		},
		{
			"bucket-lifecycle", "a rule that deletes ICA's files after a day is put", "PutBucketLifecycle", Noted, putLifecycle,
			func(ctx context.Context, l *lab) error {
				return second(l.s3().DeleteBucketLifecycle(ctx, &s3.DeleteBucketLifecycleInput{Bucket: l.bucket()}))
			}, readLifecycle,
		},
		{
			"bucket-object-lock", "a default retention of one day is put", "PutBucketObjectLockConfiguration", Told,
			func(ctx context.Context, l *lab) error {
				return l.putLock(ctx, &s3types.ObjectLockRule{DefaultRetention: &s3types.DefaultRetention{
					Days: aws.Int32(1), Mode: "GOVERNANCE",
				}})
			}, func(ctx context.Context, l *lab) error { return l.putLock(ctx, nil) }, readRetention,
		},
		{
			"bucket-request-payment", "requesters are to pay", "PutBucketRequestPayment", Told,
			func(ctx context.Context, l *lab) error { return l.putPayer(ctx, "Requester") },
			func(ctx context.Context, l *lab) error { return l.putPayer(ctx, "BucketOwner") }, readPayer,
		},
		{
			"bucket-policy", "the bucket policy is deleted", "DeleteBucketPolicy", Restored,
			func(ctx context.Context, l *lab) error {
				return second(l.s3().DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: l.bucket()}))
			}, nil, readBucketPolicy,
		},
		{
			"bucket-notification", "what ICA's role put is removed; it leads into this account, so it may be the lab's own",
			"PutBucketNotification", Noted, emptyNotifications, putNotification, readNotifications,
		},
	}
}

func blockPublicAccess(ctx context.Context, l *lab) error {
	return second(l.s3().PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
		Bucket: l.bucket(), PublicAccessBlockConfiguration: &s3types.PublicAccessBlockConfiguration{
			BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true), IgnorePublicAcls: aws.Bool(true),
			RestrictPublicBuckets: aws.Bool(true),
		},
	}))
}

func (l *lab) putOwnership(ctx context.Context, owner s3types.ObjectOwnership) error {
	return second(l.s3().PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{
		Bucket:            l.bucket(),
		OwnershipControls: &s3types.OwnershipControls{Rules: []s3types.OwnershipControlsRule{{ObjectOwnership: owner}}},
	}))
}

func keyBreaks() []Break {
	return []Break{
		{
			"kms-key-state", "the key is disabled", "DisableKey", Restored,
			func(ctx context.Context, l *lab) error {
				return second(l.kms().DisableKey(ctx, &kms.DisableKeyInput{KeyId: &l.storage.Key.ARN}))
			}, nil, readKeyState,
		},
		{
			"kms-key-policy", "all statements but that of the account are taken out of the key policy", "PutKeyPolicy", Restored,
			narrowKeyPolicy, nil, readKeyPolicy,
		},
	}
}

// narrowKeyPolicy takes out the statement for copies between accounts. ICA's own role needs none beside the account's.
func narrowKeyPolicy(ctx context.Context, l *lab) error {
	key, name := &l.storage.Key.ARN, aws.String("default")
	out, err := l.kms().GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: key, PolicyName: name})
	if err != nil {
		return err
	}
	var policy struct {
		Version   string
		ID        string `json:"Id,omitempty"`
		Statement []struct {
			Sid, Effect string `json:",omitempty"`
			Principal   struct{ AWS any }
			Action      any
			Resource    any
		}
	}
	if err := json.Unmarshal([]byte(aws.ToString(out.Policy)), &policy); err != nil {
		return err
	}
	all := policy.Statement
	policy.Statement = nil
	for _, s := range all {
		if s.Principal.AWS == l.root() {
			policy.Statement = append(policy.Statement, s)
		}
	}
	return second(l.kms().PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{KeyId: key, PolicyName: name, Policy: text(policy)}))
}

func roleBreaks() []Break { //nolint:funlen // a table
	return []Break{
		{
			"oidc-provider", "ICA's OIDC provider is deleted", "DeleteOpenIDConnectProvider", Restored,
			func(ctx context.Context, l *lab) error {
				return second(l.iam().DeleteOpenIDConnectProvider(
					ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: &l.storage.Provider.ARN},
				))
			}, nil, readProvider,
		},
		{
			"role-boundary", "the permissions boundary is removed", "DeleteRolePermissionsBoundary", Restored,
			func(ctx context.Context, l *lab) error {
				return second(l.iam().DeleteRolePermissionsBoundary(
					ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: l.role()},
				))
			},
			func(ctx context.Context, l *lab) error {
				return second(l.iam().PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{
					RoleName: l.role(), PermissionsBoundary: aws.String(l.run.boundary()),
				}))
			}, readBoundary,
		},
		openTrust(),
		{
			"role-session-duration", "the maximum session duration is set to one hour", "UpdateRole", Restored,
			func(ctx context.Context, l *lab) error {
				return second(l.iam().UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: l.role(), MaxSessionDuration: aws.Int32(3600)}))
			}, nil, readDuration,
		},
		{
			"permission-policy", "a version that only lists the bucket becomes the default", "CreatePolicyVersion", Restored,
			func(ctx context.Context, l *lab) error {
				return second(l.iam().CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{
					PolicyArn: &l.storage.Role.Policy.ARN, SetAsDefault: true, PolicyDocument: text(document(statement{
						"Effect": "Allow", "Action": "s3:ListBucket", "Resource": l.storage.Bucket.ARN,
					})),
				}))
			}, nil, readPermissions,
		},
		{
			"permission-policy-attached", "the permission policy is detached", "DetachRolePolicy", Restored, detach, nil, readAttached,
		},
		{
			"role-foreign-policies", "an inline policy that denies everything is put", "PutRolePolicy", Told,
			func(ctx context.Context, l *lab) error {
				return second(l.iam().PutRolePolicy(ctx, &iam.PutRolePolicyInput{
					RoleName: l.role(), PolicyName: aws.String("deny-all"),
					PolicyDocument: text(document(statement{"Effect": "Deny", "Action": "*", "Resource": "*"})),
				}))
			},
			func(ctx context.Context, l *lab) error {
				return second(l.iam().DeleteRolePolicy(
					ctx, &iam.DeleteRolePolicyInput{RoleName: l.role(), PolicyName: aws.String("deny-all")},
				))
			}, readInline,
		},
		{"role", "the role is deleted", "DeleteRole", Restored, deleteRole, nil, readRole},
	}
}

// openTrust keeps what was there.
func openTrust() Break {
	var before string
	return Break{
		"role-trust", "the trust policy is opened to this account, for who knows the run's secret", "UpdateAssumeRolePolicy", Restored,
		func(ctx context.Context, l *lab) (err error) {
			if before, err = l.trust(ctx); err != nil {
				return err
			}
			return l.putTrust(ctx, *text(document(l.trustAccount())))
		},
		func(ctx context.Context, l *lab) error {
			if before == "" { // it was not even read
				return nil
			}
			return l.putTrust(ctx, before)
		}, readTrust,
	}
}

// second is the error of a call whose answer does not matter.
func second(_ any, err error) error { return err }

func putLifecycle(ctx context.Context, l *lab) error {
	return second(l.s3().PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{
		Bucket: l.bucket(), LifecycleConfiguration: &s3types.BucketLifecycleConfiguration{Rules: []s3types.LifecycleRule{{
			ID: aws.String("acceptance"), Status: "Enabled", Filter: &s3types.LifecycleRuleFilter{Prefix: aws.String("")},
			Expiration: &s3types.LifecycleExpiration{Days: aws.Int32(1)},
		}}},
	}))
}

func (l *lab) putLock(ctx context.Context, rule *s3types.ObjectLockRule) error {
	return second(l.s3().PutObjectLockConfiguration(ctx, &s3.PutObjectLockConfigurationInput{
		Bucket: l.bucket(), ObjectLockConfiguration: &s3types.ObjectLockConfiguration{ObjectLockEnabled: "Enabled", Rule: rule},
	}))
}

func (l *lab) putPayer(ctx context.Context, payer s3types.Payer) error {
	return second(l.s3().PutBucketRequestPayment(ctx, &s3.PutBucketRequestPaymentInput{
		Bucket: l.bucket(), RequestPaymentConfiguration: &s3types.RequestPaymentConfiguration{Payer: payer},
	}))
}

var errNothingThere = errors.New("there is nothing to break: ICA's role did not put its notification")

func emptyNotifications(ctx context.Context, l *lab) error {
	there, err := readNotifications(ctx, l)
	if err != nil {
		return err
	}
	if len(there.([]string)) == 0 {
		return errNothingThere
	}
	return l.putNotifications(ctx, l.s3(), &s3types.NotificationConfiguration{})
}

func putNotification(ctx context.Context, l *lab) error {
	return l.putNotifications(ctx, l.s3(), l.notification())
}

// notification is what ICA's role puts in the test: for new files, to a queue of the run's.
func (l *lab) notification() *s3types.NotificationConfiguration {
	return &s3types.NotificationConfiguration{QueueConfigurations: []s3types.QueueConfiguration{{
		Id: aws.String("ica"), QueueArn: aws.String(l.run.queueARN(l.region(), l.run.files())),
		Events: []s3types.Event{"s3:ObjectCreated:*"},
	}}}
}

func (l *lab) putNotifications(ctx context.Context, client *s3.Client, all *s3types.NotificationConfiguration) error {
	return second(client.PutBucketNotificationConfiguration(
		ctx, &s3.PutBucketNotificationConfigurationInput{Bucket: l.bucket(), NotificationConfiguration: all},
	))
}

func detach(ctx context.Context, l *lab) error {
	return second(l.iam().DetachRolePolicy(
		ctx, &iam.DetachRolePolicyInput{RoleName: l.role(), PolicyArn: &l.storage.Role.Policy.ARN},
	))
}

// deleteRole is quicker than icaguard, or tries again: what is detached is attached again at once.
func deleteRole(ctx context.Context, l *lab) error {
	return l.until(ctx, func(ctx context.Context) error {
		if err := detach(ctx, l); err != nil && !isAbsent(err) {
			return err
		}
		return second(l.iam().DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: l.role()}))
	})
}

func deleteBucket(ctx context.Context, l *lab) error {
	if err := emptyBucket(ctx, l.s3(), l.run.bucket(), false); err != nil {
		return err
	}
	return second(l.s3().DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: l.bucket()}))
}

// createBucket tries again: the name of a bucket that was just deleted may take some time to be free.
func createBucket(ctx context.Context, l *lab) error {
	in := &s3.CreateBucketInput{Bucket: l.bucket()}
	if l.region() != "us-east-1" { // the one region that S3 takes no constraint for
		in.CreateBucketConfiguration = &s3types.CreateBucketConfiguration{
			LocationConstraint: s3types.BucketLocationConstraint(l.region()),
		}
	}
	return l.until(ctx, func(ctx context.Context) error {
		_, err := l.s3().CreateBucket(ctx, in)
		if errors.As(err, new(*s3types.BucketAlreadyOwnedByYou)) { // by a call whose answer was lost
			return nil
		}
		return err
	})
}

// until tries for as long as the program waits for anything.
func (l *lab) until(ctx context.Context, try func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, l.site.Patience)
	defer cancel()
	_, err := l.site.poll(ctx, func(ctx context.Context) (string, error) { return "", try(ctx) })
	return err
}
