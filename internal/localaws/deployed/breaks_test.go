package deployed_test

import (
	"context"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/report"
	"github.com/icaguard/icaguard/internal/testlab"
)

// breaks are one change by a stranger for every setting that restores something in the example, each with the event
// that has to bring the guard there.
func (w *env) breaks() map[string]func(context.Context) error {
	role, bucket := &w.Storage.Role.Name, &w.Storage.Bucket.Name
	iams := w.IAM(testlab.Stranger)
	s3s := awsclient.S3(w.local.Config(testlab.Region, testlab.Stranger), testlab.Region)
	return map[string]func(context.Context) error{
		"bucket-public-access": func(ctx context.Context) error {
			_, err := s3s.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: bucket})
			return err
		},
		"bucket-ownership": func(ctx context.Context) error {
			_, err := s3s.PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{
				Bucket:            bucket,
				OwnershipControls: &s3types.OwnershipControls{Rules: []s3types.OwnershipControlsRule{{ObjectOwnership: "ObjectWriter"}}},
			})
			return err
		},
		"bucket-cors": func(ctx context.Context) error {
			_, err := s3s.DeleteBucketCors(ctx, &s3.DeleteBucketCorsInput{Bucket: bucket})
			return err
		},
		"bucket-policy": func(ctx context.Context) error {
			_, err := s3s.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: bucket})
			return err
		},
		"oidc-provider": func(ctx context.Context) error {
			_, err := iams.DeleteOpenIDConnectProvider(
				ctx, &iam.DeleteOpenIDConnectProviderInput{OpenIDConnectProviderArn: &w.Storage.Provider.ARN},
			)
			return err
		},
		"role": func(ctx context.Context) error {
			_, err := iams.UntagRole(ctx, &iam.UntagRoleInput{RoleName: role, TagKeys: []string{"icaguard"}})
			return err
		},
		"role-boundary": func(ctx context.Context) error {
			_, err := iams.DeleteRolePermissionsBoundary(ctx, &iam.DeleteRolePermissionsBoundaryInput{RoleName: role})
			return err
		},
		"role-trust": func(ctx context.Context) error {
			wide := strings.Replace(*w.text(w.Storage.TrustPolicy(testlab.Prefix)), testlab.Prefix+"-*", "*", 1)
			_, err := iams.UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{RoleName: role, PolicyDocument: &wide})
			return err
		},
		"role-session-duration": func(ctx context.Context) error {
			_, err := iams.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: role, MaxSessionDuration: aws.Int32(3600)})
			return err
		},
		"permission-policy": func(ctx context.Context) error {
			_, err := iams.CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{
				PolicyArn: &w.Storage.Role.Policy.ARN, SetAsDefault: true,
				PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`),
			})
			return err
		},
		"permission-policy-attached": func(ctx context.Context) error {
			_, err := iams.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: role, PolicyArn: &w.Storage.Role.Policy.ARN})
			return err
		},
	}
}

// testEverySetting lets the event of each change go the whole way: rule, queue, function, restored, read back by validate.
func (w *env) testEverySetting() {
	ctx, cancel := context.WithTimeout(w.t.Context(), 3*time.Minute) // should it never end
	defer cancel()
	for setting, breakIt := range w.breaks() {
		w.must(breakIt(ctx))
		if !w.differs(setting) {
			w.t.Errorf("%s: the change broke nothing", setting)
		}
		_, err := localaws.Drain(ctx, w.poller)
		w.must(err)
		if w.differs(setting) {
			w.t.Errorf("%s: not restored by its event", setting)
		}
	}
	w.expectInSync()
}

// differs asks validate, as deployed, about one setting.
func (w *env) differs(setting string) bool {
	w.t.Helper()
	var audit report.Report
	testlab.Invoke(w.t, w.Validate, `{}`, &audit)
	for _, o := range audit.Outcomes {
		if o.Setting == setting {
			return o.Status != guard.InSync
		}
	}
	w.t.Fatalf("validate says nothing of %s", setting)
	return true
}
