package localaws_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

// gapChecks has, for each gap that emulation.py emulates, what AWS's documentation says: nil when that holds.
func gapChecks() map[string]func(context.Context, *localaws.AWS) error {
	return map[string]func(context.Context, *localaws.AWS) error{
		"cfn-oidc-provider":            checkOIDCProvider,
		"cfn-bucket-properties":        checkBucketProperties,
		"cfn-role-policies":            checkRolePolicies,
		"cfn-dynamic-references":       checkDynamicReferences,
		"cfn-subscription":             checkSubscription,
		"cfn-trail":                    checkTrail,
		"cfn-alarm-arn":                checkAlarmARN,
		"cfn-own-policies":             checkOwnPolicies,
		"sqs-policy-kept":              checkQueuePolicyKept,
		"lambda-recursion-config":      checkRecursionConfig,
		"s3-new-bucket-defaults":       checkBucketDefaults,
		"s3-unknown-sub-resources":     checkUnknownSubResources,
		"s3-request-payment":           checkRequestPayment,
		"s3-intelligent-tiering":       checkIntelligentTiering,
		"s3-expected-bucket-owner":     checkExpectedOwner,
		"s3-wrong-region":              checkWrongRegion,
		"s3-malformed-bucket-policy":   checkMalformedPolicy,
		"s3-block-public-policy":       checkPublicPolicy,
		"s3-policy-conditions":         checkPolicyConditions,
		"s3-acl-not-supported":         checkACL,
		"s3-encryption-fields":         checkEncryptionFields,
		"s3-mfa-delete":                checkMFADelete,
		"s3-notification-eventbridge":  checkEventBridge,
		"s3-notification-filter-names": checkFilterNames,
		"s3-notification-targets":      checkNotificationTargets,
		"s3-notification-overlap":      checkNotificationOverlap,
		"s3-ownership-acl":             checkOwnershipACL,
		"iam-update-role":              checkUpdateRole,
		"iam-oidc-client-ids":          checkClientIDs,
		"iam-policy-version-encoding":  checkPolicyVersion,
		"iam-deleted-principals":       checkDeletedPrincipals,
		"kms-malformed-key-policy":     checkMalformedKeyPolicy,
		"kms-key-arns":                 checkKeyARNs,
		"kms-key-states":               checkKeyStates,
		"events-delivered-envelope":    checkDeliveredEnvelope,
		"events-topic-target":          checkTopicTarget,
		"events-lambda-target":         checkLambdaTarget,
		"events-bus-target":            checkBusTarget,
		"events-scheduled-rules":       checkScheduledRule,
		"events-disabled-rules":        checkDisabledRule,
		"lambda-event-source-mapping":  checkEventSourceMapping,
		"sns-email-confirmation":       checkEmailConfirmation,
		"cloudtrail-default-selectors": checkDefaultSelectors,
	}
}

// Each emulation makes its check hold, and the check is worth something: without the emulation it does not.
func TestEmulatedGaps(t *testing.T) {
	list, err := localaws.Gaps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var emulated []string
	for _, gap := range list {
		if strings.HasPrefix(gap.By, "emulation.py") {
			emulated = append(emulated, gap.ID)
		}
	}
	with := localawstest.Start(t)
	without := localawstest.StartWith(t, localaws.Options{WithoutGaps: emulated})
	checks := gapChecks()
	for _, id := range emulated {
		t.Run(id, func(t *testing.T) {
			check, ok := checks[id]
			if !ok {
				t.Fatal("has no check")
			}
			if err := check(t.Context(), with); err != nil {
				t.Errorf("with the emulation: %v", err)
			}
			if err := check(t.Context(), without); err == nil {
				t.Error("the check holds without the emulation")
			}
		})
	}
	equal(t, "checks", len(checks), len(emulated))
}

func TestListOfGaps(t *testing.T) {
	list, err := localaws.Gaps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, gap := range list {
		if seen[gap.ID] {
			t.Errorf("%s stands twice", gap.ID)
		}
		seen[gap.ID] = true
		if gap.Moto == "" || gap.AWS == "" || !strings.HasPrefix(gap.Doc, "https://docs.aws.amazon.com/") {
			t.Errorf("%s is not complete: %+v", gap.ID, gap)
		}
		if gap.Emulated != (gap.By != "") {
			t.Errorf("%s: emulated %t by %q", gap.ID, gap.Emulated, gap.By)
		}
	}
}

func deploy(ctx context.Context, local *localaws.AWS, stack string, resources map[string]any) error {
	client := cloudformation.NewFromConfig(local.DirectConfig("us-east-1"))
	template, err := json.Marshal(map[string]any{"Resources": resources, "Outputs": map[string]any{}})
	if err != nil {
		return err
	}
	_, err = client.CreateStack(ctx, &cloudformation.CreateStackInput{StackName: &stack, TemplateBody: aws.String(string(template))})
	var exists *cfntypes.AlreadyExistsException
	if errors.As(err, &exists) {
		_, err = client.UpdateStack(
			ctx, &cloudformation.UpdateStackInput{StackName: &stack, TemplateBody: aws.String(string(template))},
		)
	}
	return err
}

func resource(kind string, properties map[string]any) map[string]any {
	return map[string]any{"Type": kind, "Properties": properties}
}

func checkOIDCProvider(ctx context.Context, local *localaws.AWS) error {
	const arn = "arn:aws:iam::123456789012:oidc-provider/ica.example/tenant"
	client := iam.NewFromConfig(local.DirectConfig("us-east-1"))
	stack := func(clientIDs ...string) map[string]any {
		return map[string]any{
			"Provider": resource("AWS::IAM::OIDCProvider", map[string]any{"Url": "https://ica.example/tenant", "ClientIdList": clientIDs}),
			"Ref": resource(
				"AWS::SSM::Parameter", map[string]any{"Name": "/ref", "Type": "String", "Value": map[string]any{"Ref": "Provider"}},
			),
			"Arn": resource(
				"AWS::SSM::Parameter",
				map[string]any{"Name": "/arn", "Type": "String", "Value": map[string]any{"Fn::GetAtt": []string{"Provider", "Arn"}}},
			),
		}
	}
	for _, clientIDs := range [][]string{{"sts.amazonaws.com"}, {"sts.amazonaws.com", "other"}} { // create, update
		if err := deploy(ctx, local, "oidc", stack(clientIDs...)); err != nil {
			return err
		}
		provider, err := client.GetOpenIDConnectProvider(
			ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(arn)},
		)
		if err != nil {
			return err
		}
		if !slices.Equal(provider.ClientIDList, clientIDs) {
			return fmt.Errorf("client ids %v, want %v", provider.ClientIDList, clientIDs)
		}
	}
	for _, name := range []string{"/ref", "/arn"} {
		if err := wantParameter(ctx, local, name, arn); err != nil {
			return err
		}
	}
	if _, err := cloudformation.NewFromConfig(local.DirectConfig("us-east-1")).DeleteStack(
		ctx, &cloudformation.DeleteStackInput{StackName: aws.String("oidc")},
	); err != nil {
		return err
	}
	if _, err := client.GetOpenIDConnectProvider(
		ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: aws.String(arn)},
	); err == nil {
		return errors.New("the provider outlived its stack")
	}
	return nil
}

func checkBucketProperties(ctx context.Context, local *localaws.AWS) error {
	client := direct(local)
	for _, seconds := range []int32{3000, 600} { // create, update
		if err := deploy(ctx, local, "bucket", map[string]any{"Bucket": resource("AWS::S3::Bucket", map[string]any{
			"BucketName": "from-stack",
			"CorsConfiguration": map[string]any{"CorsRules": []any{map[string]any{
				"AllowedMethods": []string{"GET", "PUT"}, "AllowedOrigins": []string{"*"}, "AllowedHeaders": []string{"*"},
				"ExposedHeaders": []string{"ETag"}, "MaxAge": seconds, "Id": "ica",
			}}},
			"PublicAccessBlockConfiguration": map[string]any{"BlockPublicAcls": true},
			"VersioningConfiguration":        map[string]any{"Status": "Enabled"},
			"OwnershipControls":              map[string]any{"Rules": []any{map[string]any{"ObjectOwnership": "BucketOwnerPreferred"}}},
		})}); err != nil {
			return err
		}
		cors, err := client.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: aws.String("from-stack")})
		if err != nil {
			return err
		}
		rule := cors.CORSRules[0]
		if aws.ToInt32(rule.MaxAgeSeconds) != seconds || aws.ToString(rule.ID) != "ica" || len(rule.AllowedMethods) != 2 ||
			len(rule.ExposeHeaders) != 1 {
			return fmt.Errorf("rule %+v", rule)
		}
	}
	block, err := client.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: aws.String("from-stack")})
	if err != nil {
		return err
	}
	if c := block.PublicAccessBlockConfiguration; !aws.ToBool(c.BlockPublicAcls) || aws.ToBool(c.BlockPublicPolicy) {
		return fmt.Errorf("public access block %+v", c)
	}
	versioning, err := client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: aws.String("from-stack")})
	if err != nil || versioning.Status != s3types.BucketVersioningStatusEnabled {
		return fmt.Errorf("versioning %v %w", versioning, err)
	}
	ownership, err := client.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: aws.String("from-stack")})
	if err != nil {
		return err
	}
	if rule := ownership.OwnershipControls.Rules[0].ObjectOwnership; rule != s3types.ObjectOwnershipBucketOwnerPreferred {
		return fmt.Errorf("ownership %s", rule)
	}
	return nil
}

func checkRolePolicies(ctx context.Context, local *localaws.AWS) error {
	const policy = "arn:aws:iam::aws:policy/ReadOnlyAccess"
	if err := deploy(ctx, local, "role", map[string]any{"Role": resource("AWS::IAM::Role", map[string]any{
		"RoleName": "role-from-stack", "ManagedPolicyArns": []string{policy},
		"AssumeRolePolicyDocument": map[string]any{"Version": "2012-10-17", "Statement": []any{}},
		"Policies": []any{map[string]any{"PolicyName": "inline", "PolicyDocument": map[string]any{
			"Version":   "2012-10-17",
			"Statement": []any{map[string]any{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}},
		}}},
	})}); err != nil {
		return err
	}
	out, err := iam.NewFromConfig(local.DirectConfig("us-east-1")).
		ListAttachedRolePolicies(ctx, &iam.ListAttachedRolePoliciesInput{RoleName: aws.String("role-from-stack")})
	if err != nil {
		return err
	}
	if len(out.AttachedPolicies) != 1 || aws.ToString(out.AttachedPolicies[0].PolicyArn) != policy {
		return fmt.Errorf("attached %v", out.AttachedPolicies)
	}
	grants, err := local.Grants(ctx, "role-from-stack")
	if err != nil {
		return err
	}
	if first := grants.Identity[0]; !slices.Equal(first.Action, []string{"s3:ListAllMyBuckets"}) {
		return fmt.Errorf("inline %s", first.JSON())
	}
	return nil
}

func checkDynamicReferences(ctx context.Context, local *localaws.AWS) error {
	client := ssm.NewFromConfig(local.DirectConfig("us-east-1"))
	for _, value := range []string{"first", "second"} {
		if _, err := client.PutParameter(ctx, &ssm.PutParameterInput{
			Name: aws.String("/ica/prefix"), Value: &value, Type: ssmtypes.ParameterTypeString, Overwrite: aws.Bool(true),
		}); err != nil {
			return err
		}
	}
	if err := deploy(ctx, local, "references", map[string]any{"Copy": resource("AWS::SSM::Parameter", map[string]any{
		"Name": "/copy", "Type": "String", "Value": "{{resolve:ssm:/ica/prefix}}-{{resolve:ssm:/ica/prefix:1}}",
	})}); err != nil {
		return err
	}
	copied, err := client.GetParameter(ctx, &ssm.GetParameterInput{Name: aws.String("/copy")})
	if err != nil {
		return err
	}
	if got := aws.ToString(copied.Parameter.Value); got != "second-first" {
		return fmt.Errorf("resolved to %q", got)
	}
	if err := deploy(ctx, local, "missing", map[string]any{"Copy": resource("AWS::SSM::Parameter", map[string]any{
		"Name": "/copy2", "Type": "String", "Value": "{{resolve:ssm:/no/such}}",
	})}); err == nil {
		return errors.New("a missing parameter was accepted")
	}
	return nil
}

func checkSubscription(ctx context.Context, local *localaws.AWS) error {
	if err := deploy(ctx, local, "topic", map[string]any{
		"Topic": resource("AWS::SNS::Topic", map[string]any{"TopicName": "alerts"}),
		"Mail": resource("AWS::SNS::Subscription", map[string]any{
			"TopicArn": map[string]any{"Ref": "Topic"}, "Protocol": "email", "Endpoint": "storage-oncall@example.org",
		}),
	}); err != nil {
		return err
	}
	subscriptions, err := sns.NewFromConfig(local.DirectConfig("us-east-1")).ListSubscriptions(ctx, &sns.ListSubscriptionsInput{})
	if err != nil {
		return err
	}
	if len(subscriptions.Subscriptions) != 1 ||
		aws.ToString(subscriptions.Subscriptions[0].Endpoint) != "storage-oncall@example.org" {
		return fmt.Errorf("subscriptions %v", subscriptions.Subscriptions)
	}
	return nil
}

func checkTrail(ctx context.Context, local *localaws.AWS) error {
	client := cloudtrail.NewFromConfig(local.DirectConfig("us-east-1"))
	for _, writes := range []string{"WriteOnly", "All"} { // create, update
		if err := deploy(ctx, local, "trail", map[string]any{
			"Bucket": resource("AWS::S3::Bucket", map[string]any{"BucketName": "trail-bucket"}),
			"Trail": resource("AWS::CloudTrail::Trail", map[string]any{
				"TrailName": "from-stack", "IsLogging": true, "IsMultiRegionTrail": true, "IncludeGlobalServiceEvents": true,
				"S3BucketName": map[string]any{"Ref": "Bucket"}, "EventSelectors": []any{map[string]any{"ReadWriteType": writes}},
			}),
			"Arn": resource(
				"AWS::SSM::Parameter",
				map[string]any{"Name": "/trail", "Type": "String", "Value": map[string]any{"Fn::GetAtt": []string{"Trail", "Arn"}}},
			),
		}); err != nil {
			return err
		}
		selectors, err := client.GetEventSelectors(ctx, &cloudtrail.GetEventSelectorsInput{TrailName: aws.String("from-stack")})
		if err != nil {
			return err
		}
		if got := selectors.EventSelectors[0].ReadWriteType; string(got) != writes {
			return fmt.Errorf("selects %s, want %s", got, writes)
		}
	}
	trails, err := client.DescribeTrails(ctx, &cloudtrail.DescribeTrailsInput{})
	if err != nil || len(trails.TrailList) != 1 || !aws.ToBool(trails.TrailList[0].IsMultiRegionTrail) {
		return fmt.Errorf("trails %+v %w", trails, err)
	}
	status, err := client.GetTrailStatus(ctx, &cloudtrail.GetTrailStatusInput{Name: aws.String("from-stack")})
	if err != nil || !aws.ToBool(status.IsLogging) {
		return fmt.Errorf("status %+v %w", status, err)
	}
	return wantParameter(ctx, local, "/trail", aws.ToString(trails.TrailList[0].TrailARN))
}

func checkAlarmARN(ctx context.Context, local *localaws.AWS) error {
	if err := deploy(ctx, local, "alarm", map[string]any{
		"Alarm": resource("AWS::CloudWatch::Alarm", map[string]any{"AlarmName": "dlq"}),
		"Ref": resource(
			"AWS::SSM::Parameter", map[string]any{"Name": "/alarm/ref", "Type": "String", "Value": map[string]any{"Ref": "Alarm"}},
		),
		"Arn": resource(
			"AWS::SSM::Parameter",
			map[string]any{"Name": "/alarm/arn", "Type": "String", "Value": map[string]any{"Fn::GetAtt": []string{"Alarm", "Arn"}}},
		),
	}); err != nil {
		return err
	}
	if err := wantParameter(ctx, local, "/alarm/ref", "dlq"); err != nil {
		return err
	}
	return wantParameter(ctx, local, "/alarm/arn", "arn:aws:cloudwatch:us-east-1:123456789012:alarm:dlq")
}

func wantParameter(ctx context.Context, local *localaws.AWS, name, value string) error {
	parameter, err := ssm.NewFromConfig(local.DirectConfig("us-east-1")).GetParameter(ctx, &ssm.GetParameterInput{Name: &name})
	if err != nil {
		return err
	}
	if got := aws.ToString(parameter.Parameter.Value); got != value {
		return fmt.Errorf("%s is %q, want %q", name, got, value)
	}
	return nil
}

func checkBucketDefaults(ctx context.Context, local *localaws.AWS) error {
	client, bucket := direct(local), aws.String("defaults")
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		return err
	}
	block, err := client.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: bucket})
	if err != nil {
		return err
	}
	if c := block.PublicAccessBlockConfiguration; !aws.ToBool(c.BlockPublicAcls) || !aws.ToBool(c.RestrictPublicBuckets) {
		return fmt.Errorf("public access block %+v", c)
	}
	if _, err := client.DeleteBucketEncryption(ctx, &s3.DeleteBucketEncryptionInput{Bucket: bucket}); err != nil {
		return err
	}
	encryption, err := client.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: bucket})
	if err != nil {
		return err
	}
	rule := encryption.ServerSideEncryptionConfiguration.Rules[0]
	if got := rule.ApplyServerSideEncryptionByDefault.SSEAlgorithm; got != s3types.ServerSideEncryptionAes256 {
		return fmt.Errorf("encryption %s", got)
	}
	ownership, err := client.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: bucket})
	if err != nil {
		return err
	}
	if rule := ownership.OwnershipControls.Rules[0].ObjectOwnership; rule != s3types.ObjectOwnershipBucketOwnerEnforced {
		return fmt.Errorf("ownership %s", rule)
	}
	return nil
}

// checkUnknownSubResources asks for what moto would do on the whole bucket instead.
func checkUnknownSubResources(ctx context.Context, local *localaws.AWS) error {
	client, bucket, id := direct(local), aws.String("measured"), aws.String("all")
	put := func() error {
		return done(client.PutBucketMetricsConfiguration(ctx, &s3.PutBucketMetricsConfigurationInput{
			Bucket: bucket, Id: id, MetricsConfiguration: &s3types.MetricsConfiguration{Id: id},
		}))
	}
	if err := wantCode(put(), "NotImplemented"); err != nil {
		return fmt.Errorf("a missing bucket: %w", err)
	}
	if _, err := client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: bucket}); err == nil {
		return errors.New("the bucket was created")
	}
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		return err
	}
	for _, do := range []func() error{
		put,
		func() error {
			return done(client.GetBucketMetricsConfiguration(ctx, &s3.GetBucketMetricsConfigurationInput{Bucket: bucket, Id: id}))
		},
		func() error {
			return done(client.DeleteBucketMetricsConfiguration(ctx, &s3.DeleteBucketMetricsConfigurationInput{Bucket: bucket, Id: id}))
		},
	} {
		if err := wantCode(do(), "NotImplemented"); err != nil {
			return err
		}
	}
	return done(client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: bucket}))
}

func checkIntelligentTiering(ctx context.Context, local *localaws.AWS) error {
	client, bucket := direct(local), aws.String("tiered")
	put := func(id string, days int32) error {
		return done(client.PutBucketIntelligentTieringConfiguration(ctx, &s3.PutBucketIntelligentTieringConfigurationInput{
			Bucket: bucket, Id: &id, IntelligentTieringConfiguration: &s3types.IntelligentTieringConfiguration{
				Id: &id, Status: s3types.IntelligentTieringStatusEnabled,
				Filter:   &s3types.IntelligentTieringFilter{Prefix: aws.String("ica/")},
				Tierings: []s3types.Tiering{{AccessTier: s3types.IntelligentTieringAccessTierArchiveAccess, Days: &days}},
			},
		}))
	}
	remove := func(id string) error {
		return done(client.DeleteBucketIntelligentTieringConfiguration(
			ctx, &s3.DeleteBucketIntelligentTieringConfigurationInput{Bucket: bucket, Id: &id},
		))
	}
	listed := func(want string) error {
		out, err := client.ListBucketIntelligentTieringConfigurations(
			ctx, &s3.ListBucketIntelligentTieringConfigurationsInput{Bucket: bucket},
		)
		if err != nil {
			return err
		}
		got := ""
		for _, c := range out.IntelligentTieringConfigurationList {
			got += fmt.Sprintf("%s %s %s %d; ", *c.Id, *c.Filter.Prefix, c.Tierings[0].AccessTier, *c.Tierings[0].Days)
		}
		if got != want {
			err = fmt.Errorf("configurations %q, want %q", got, want)
		}
		return err
	}
	if err := errors.Join(wantCode(put("a", 90), "NoSuchBucket"), wantCode(listed(""), "NoSuchBucket")); err != nil {
		return err
	}
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		return err
	}
	const a, b = "a ica/ ARCHIVE_ACCESS 120; ", "b ica/ ARCHIVE_ACCESS 90; "
	if err := errors.Join(listed(""), put("b", 90), put("a", 90), put("a", 120), listed(a+b)); err != nil {
		return err
	}
	return errors.Join(remove("b"), wantCode(remove("b"), "NoSuchConfiguration"), listed(a))
}

func checkRequestPayment(ctx context.Context, local *localaws.AWS) error {
	client, bucket := direct(local), aws.String("paid")
	put := func(payer s3types.Payer) error {
		return done(client.PutBucketRequestPayment(ctx, &s3.PutBucketRequestPaymentInput{
			Bucket: bucket, RequestPaymentConfiguration: &s3types.RequestPaymentConfiguration{Payer: payer},
		}))
	}
	payer := func(want s3types.Payer) error {
		out, err := client.GetBucketRequestPayment(ctx, &s3.GetBucketRequestPaymentInput{Bucket: bucket})
		if err == nil && out.Payer != want {
			err = fmt.Errorf("%q pays, want %q", out.Payer, want)
		}
		return err
	}
	for range 2 { // a bucket created again is a new one
		if err := errors.Join(wantCode(put(s3types.PayerRequester), "NoSuchBucket"), wantCode(payer(""), "NoSuchBucket")); err != nil {
			return err
		}
		if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
			return err
		}
		if err := errors.Join(payer(s3types.PayerBucketOwner), put(s3types.PayerRequester), payer(s3types.PayerRequester)); err != nil {
			return err
		}
		if err := errors.Join(wantCode(put("Nobody"), "MalformedXML"), payer(s3types.PayerRequester)); err != nil {
			return err
		}
		if err := errors.Join(put(s3types.PayerBucketOwner), payer(s3types.PayerBucketOwner), put(s3types.PayerRequester)); err != nil {
			return err
		}
		if _, err := client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket}); err != nil {
			return err
		}
	}
	return nil
}

func checkExpectedOwner(ctx context.Context, local *localaws.AWS) error {
	client, bucket := direct(local), aws.String("owned")
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		return err
	}
	if _, err := client.GetBucketVersioning(
		ctx, &s3.GetBucketVersioningInput{Bucket: bucket, ExpectedBucketOwner: aws.String(local.Account())},
	); err != nil {
		return fmt.Errorf("the right owner: %w", err)
	}
	_, err := client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: bucket, ExpectedBucketOwner: aws.String("111122223333"),
		VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled},
	})
	return wantCode(err, "AccessDenied")
}

func checkWrongRegion(ctx context.Context, local *localaws.AWS) error {
	bucket := aws.String("in-frankfurt")
	frankfurt := s3.NewFromConfig(local.DirectConfig("eu-central-1"), func(o *s3.Options) { o.UsePathStyle = true })
	if _, err := frankfurt.CreateBucket(ctx, &s3.CreateBucketInput{
		Bucket: bucket, CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: "eu-central-1"},
	}); err != nil {
		return err
	}
	if _, err := frankfurt.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: bucket}); err != nil {
		return err
	}
	client := direct(local)
	location, err := client.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: bucket})
	if err != nil || location.LocationConstraint != "eu-central-1" {
		return fmt.Errorf("location %v %w", location, err)
	}
	_, err = client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: bucket})
	return wantCode(err, "PermanentRedirect")
}

func checkMalformedPolicy(ctx context.Context, local *localaws.AWS) error {
	client, bucket := direct(local), aws.String("policies")
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		return err
	}
	put := func(document string) error {
		_, err := client.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: &document})
		return err
	}
	statement := func(principal string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":` + principal +
			`,"Action":"s3:GetObject","Resource":"arn:aws:s3:::policies/*"}}`
	}
	for _, principal := range []string{
		`{"AWS":"arn:aws:iam::123456789012:root"}`, `{"AWS":["123456789012","arn:aws:iam::111122223333:role/theirs"]}`,
		`{"Service":"cloudtrail.amazonaws.com"}`,
	} {
		if err := put(statement(principal)); err != nil {
			return fmt.Errorf("%s: %w", principal, err)
		}
	}
	for _, document := range []string{
		"[1]", "{", `{"Version":"2012-10-17"}`,
		statement(`{"AWS":"arn:aws:iam::123456789012:role/no-such"}`),
	} {
		if err := wantCode(put(document), "MalformedPolicy"); err != nil {
			return fmt.Errorf("%s: %w", document, err)
		}
	}
	return nil
}

func checkPublicPolicy(ctx context.Context, local *localaws.AWS) error {
	client, bucket := direct(local), aws.String("public")
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		return err
	}
	if _, err := client.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
		Bucket: bucket, PublicAccessBlockConfiguration: &s3types.PublicAccessBlockConfiguration{BlockPublicPolicy: aws.Bool(true)},
	}); err != nil {
		return err
	}
	_, err := client.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::public/*"}]}`,
	)})
	return wantCode(err, "AccessDenied")
}

func checkPolicyConditions(ctx context.Context, local *localaws.AWS) error {
	client, bucket := direct(local), aws.String("conditions")
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		return err
	}
	const deny = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::conditions/*"%s}]}`
	put := func(condition string) error {
		_, err := client.PutBucketPolicy(
			ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: aws.String(fmt.Sprintf(deny, condition))},
		)
		if err == nil {
			_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("a"), Body: strings.NewReader("a")})
		}
		return err
	}
	if err := put(`,"Condition":{"Bool":{"aws:SecureTransport":"false"}}`); err != nil {
		return err
	}
	if put("") == nil {
		return errors.New("a Deny without condition has no effect")
	}
	return nil
}

func checkACL(ctx context.Context, local *localaws.AWS) error {
	client, bucket := direct(local), aws.String("acls")
	if _, err := client.CreateBucket(
		ctx, &s3.CreateBucketInput{Bucket: bucket, ObjectOwnership: s3types.ObjectOwnershipBucketOwnerEnforced},
	); err != nil {
		return err
	}
	_, err := client.PutBucketAcl(ctx, &s3.PutBucketAclInput{Bucket: bucket, ACL: s3types.BucketCannedACLPublicRead})
	return wantCode(err, "AccessControlListNotSupported")
}

func checkOwnershipACL(ctx context.Context, local *localaws.AWS) error {
	client, bucket := direct(local), aws.String("granted")
	enforce := func() error {
		return putOwnership(ctx, client, bucket, s3types.ObjectOwnershipBucketOwnerEnforced)
	}
	if _, err := client.CreateBucket(
		ctx, &s3.CreateBucketInput{Bucket: bucket, ObjectOwnership: s3types.ObjectOwnershipObjectWriter},
	); err != nil {
		return err
	}
	if err := enforce(); err != nil {
		return fmt.Errorf("with the first ACL: %w", err)
	}
	if err := putOwnership(ctx, client, bucket, s3types.ObjectOwnershipObjectWriter); err != nil {
		return err
	}
	if _, err := client.PutBucketAcl(
		ctx, &s3.PutBucketAclInput{Bucket: bucket, ACL: s3types.BucketCannedACLAuthenticatedRead},
	); err != nil {
		return err
	}
	return wantCode(enforce(), "InvalidBucketAclWithObjectOwnership")
}

func putOwnership(ctx context.Context, client *s3.Client, bucket *string, ownership s3types.ObjectOwnership) error {
	_, err := client.PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{
		Bucket:            bucket,
		OwnershipControls: &s3types.OwnershipControls{Rules: []s3types.OwnershipControlsRule{{ObjectOwnership: ownership}}},
	})
	return err
}

func checkEncryptionFields(ctx context.Context, local *localaws.AWS) error {
	client, bucket := direct(local), aws.String("refusing")
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		return err
	}
	if _, err := client.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
		Bucket: bucket,
		ServerSideEncryptionConfiguration: &s3types.ServerSideEncryptionConfiguration{Rules: []s3types.ServerSideEncryptionRule{
			{
				ApplyServerSideEncryptionByDefault: &s3types.ServerSideEncryptionByDefault{SSEAlgorithm: s3types.ServerSideEncryptionAwsKms},
				BucketKeyEnabled:                   aws.Bool(true),
				BlockedEncryptionTypes: &s3types.BlockedEncryptionTypes{
					EncryptionType: []s3types.EncryptionType{s3types.EncryptionTypeSseC},
				},
			},
		}},
	}); err != nil {
		return err
	}
	out, err := client.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: bucket})
	if err != nil {
		return err
	}
	rule := out.ServerSideEncryptionConfiguration.Rules[0]
	if blocked := rule.BlockedEncryptionTypes; blocked == nil ||
		!slices.Equal(blocked.EncryptionType, []s3types.EncryptionType{s3types.EncryptionTypeSseC}) {
		return fmt.Errorf("blocked types %+v", blocked)
	}
	if rule.ApplyServerSideEncryptionByDefault.SSEAlgorithm != s3types.ServerSideEncryptionAwsKms ||
		!aws.ToBool(rule.BucketKeyEnabled) {
		return fmt.Errorf("rule %+v", rule)
	}
	return nil
}

func checkMFADelete(ctx context.Context, local *localaws.AWS) error {
	client, bucket := direct(local), aws.String("with-device")
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		return err
	}
	put := func(mfa *string, mfaDelete s3types.MFADelete) error {
		_, err := client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
			Bucket: bucket, MFA: mfa,
			VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled, MFADelete: mfaDelete},
		})
		return err
	}
	device := aws.String("arn:aws:iam::123456789012:mfa/root-account-mfa-device 123456")
	if err := put(nil, ""); err != nil {
		return err
	}
	if err := wantCode(put(nil, s3types.MFADeleteEnabled), "AccessDenied"); err != nil {
		return err
	}
	if err := put(device, s3types.MFADeleteEnabled); err != nil {
		return err
	}
	if out, err := client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: bucket}); err != nil ||
		out.MFADelete != s3types.MFADeleteStatusEnabled {
		return fmt.Errorf("versioning %+v %w", out, err)
	}
	if err := wantCode(put(nil, ""), "AccessDenied"); err != nil {
		return err
	}
	return put(device, s3types.MFADeleteDisabled)
}

func putNotifications(
	ctx context.Context,
	local *localaws.AWS,
	bucket string,
	unchecked bool,
	n s3types.NotificationConfiguration,
) error {
	client := direct(local)
	var exists *s3types.BucketAlreadyExists
	var owned *s3types.BucketAlreadyOwnedByYou
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket}); err != nil && !errors.As(err, &exists) &&
		!errors.As(err, &owned) {
		return err
	}
	_, err := client.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{
		Bucket: &bucket, NotificationConfiguration: &n, SkipDestinationValidation: &unchecked,
	})
	return err
}

func checkEventBridge(ctx context.Context, local *localaws.AWS) error {
	const bucket = "to-event-bridge"
	for _, n := range []s3types.NotificationConfiguration{{}, {EventBridgeConfiguration: &s3types.EventBridgeConfiguration{}}} {
		if err := putNotifications(ctx, local, bucket, false, n); err != nil {
			return err
		}
		out, err := direct(local).GetBucketNotificationConfiguration(
			ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: aws.String(bucket)},
		)
		if err != nil || (out.EventBridgeConfiguration == nil) != (n.EventBridgeConfiguration == nil) {
			return fmt.Errorf("notifications %+v %w", out, err)
		}
	}
	return nil
}

func checkFilterNames(ctx context.Context, local *localaws.AWS) error {
	const bucket = "filtered"
	queues := []s3types.QueueConfiguration{toQueue("x", "a/", "s3:ObjectCreated:*")}
	if err := putNotifications(
		ctx, local, bucket, true, s3types.NotificationConfiguration{QueueConfigurations: queues},
	); err != nil {
		return err
	}
	out, err := direct(local).GetBucketNotificationConfiguration(
		ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: aws.String(bucket)},
	)
	if err != nil {
		return err
	}
	if rule := out.QueueConfigurations[0].Filter.Key.FilterRules[0]; rule.Name != "Prefix" || aws.ToString(rule.Value) != "a/" {
		return fmt.Errorf("filter %s %q", rule.Name, aws.ToString(rule.Value))
	}
	return nil
}

// toQueue is a notification of new objects under a prefix.
func toQueue(name, prefix string, events ...s3types.Event) s3types.QueueConfiguration {
	return s3types.QueueConfiguration{
		QueueArn: aws.String("arn:aws:sqs:us-east-1:123456789012:" + name), Events: events,
		Filter: &s3types.NotificationConfigurationFilter{Key: &s3types.S3KeyFilter{
			FilterRules: []s3types.FilterRule{{Name: s3types.FilterRuleNamePrefix, Value: &prefix}},
		}},
	}
}

func checkNotificationTargets(ctx context.Context, local *localaws.AWS) error {
	const bucket = "telling"
	if _, err := sqs.NewFromConfig(local.DirectConfig("us-east-1")).CreateQueue(
		ctx, &sqs.CreateQueueInput{QueueName: aws.String("told")},
	); err != nil {
		return err
	}
	there := s3types.NotificationConfiguration{
		QueueConfigurations: []s3types.QueueConfiguration{toQueue("told", "a/", "s3:ObjectCreated:*")},
	}
	if err := putNotifications(ctx, local, bucket, false, there); err != nil {
		return err
	}
	gone := s3types.NotificationConfiguration{TopicConfigurations: []s3types.TopicConfiguration{{
		TopicArn: aws.String("arn:aws:sns:us-east-1:111122223333:gone"), Events: []s3types.Event{"s3:ObjectCreated:*"},
	}}}
	if err := putNotifications(ctx, local, bucket, true, gone); err != nil {
		return fmt.Errorf("unchecked: %w", err)
	}
	return wantCode(putNotifications(ctx, local, bucket, false, gone), "InvalidArgument")
}

func checkNotificationOverlap(ctx context.Context, local *localaws.AWS) error {
	const bucket = "ambiguous"
	put := func(queues ...s3types.QueueConfiguration) error {
		return putNotifications(ctx, local, bucket, true, s3types.NotificationConfiguration{QueueConfigurations: queues})
	}
	created := toQueue("one", "a/", "s3:ObjectCreated:*")
	for _, other := range []s3types.QueueConfiguration{
		toQueue("two", "b/", "s3:ObjectCreated:*"), toQueue("two", "a/b/", "s3:ObjectRemoved:Delete"),
	} {
		if err := put(created, other); err != nil {
			return err
		}
	}
	return wantCode(put(created, toQueue("two", "a/b/", "s3:ObjectCreated:Put")), "InvalidArgument")
}

func checkUpdateRole(ctx context.Context, local *localaws.AWS) error {
	client, role := iam.NewFromConfig(local.DirectConfig("us-east-1")), aws.String("updated")
	if _, err := client.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName:                 role,
		AssumeRolePolicyDocument: aws.String(trust),
		Description:              aws.String("ours"),
		MaxSessionDuration:       aws.Int32(7200),
	}); err != nil {
		return err
	}
	if _, err := client.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: role, MaxSessionDuration: aws.Int32(43200)}); err != nil {
		return err
	}
	if err := wantRole(ctx, client, role, "ours", 43200); err != nil {
		return err
	}
	if _, err := client.UpdateRole(ctx, &iam.UpdateRoleInput{RoleName: role, Description: aws.String("theirs")}); err != nil {
		return err
	}
	return wantRole(ctx, client, role, "theirs", 3600)
}

func wantRole(ctx context.Context, client *iam.Client, name *string, description string, duration int32) error {
	role, err := client.GetRole(ctx, &iam.GetRoleInput{RoleName: name})
	if err != nil {
		return err
	}
	if got := aws.ToString(role.Role.Description); got != description || aws.ToInt32(role.Role.MaxSessionDuration) != duration {
		return fmt.Errorf("role has %q, %d s", got, aws.ToInt32(role.Role.MaxSessionDuration))
	}
	return nil
}

func checkClientIDs(ctx context.Context, local *localaws.AWS) error {
	client := iam.NewFromConfig(local.DirectConfig("us-east-1"), func(o *iam.Options) { o.RetryMaxAttempts = 1 })
	provider, err := client.CreateOpenIDConnectProvider(ctx, &iam.CreateOpenIDConnectProviderInput{
		Url: aws.String("https://ids.example"), ClientIDList: []string{"one"},
	})
	if err != nil {
		return err
	}
	arn := provider.OpenIDConnectProviderArn
	for range 2 {
		if _, err := client.AddClientIDToOpenIDConnectProvider(
			ctx, &iam.AddClientIDToOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, ClientID: aws.String("two")},
		); err != nil {
			return err
		}
	}
	if _, err := client.RemoveClientIDFromOpenIDConnectProvider(
		ctx, &iam.RemoveClientIDFromOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn, ClientID: aws.String("one")},
	); err != nil {
		return err
	}
	got, err := client.GetOpenIDConnectProvider(ctx, &iam.GetOpenIDConnectProviderInput{OpenIDConnectProviderArn: arn})
	if err != nil {
		return err
	}
	if !slices.Equal(got.ClientIDList, []string{"two"}) {
		return fmt.Errorf("client ids %v", got.ClientIDList)
	}
	return nil
}

func checkPolicyVersion(ctx context.Context, local *localaws.AWS) error {
	client := iam.NewFromConfig(local.DirectConfig("us-east-1"))
	created, err := client.CreatePolicy(
		ctx, &iam.CreatePolicyInput{PolicyName: aws.String("encoded"), PolicyDocument: aws.String(policy)},
	)
	if err != nil {
		return err
	}
	version, err := client.GetPolicyVersion(
		ctx, &iam.GetPolicyVersionInput{PolicyArn: created.Policy.Arn, VersionId: aws.String("v1")},
	)
	if err != nil {
		return err
	}
	got := aws.ToString(version.PolicyVersion.Document)
	if decoded, err := url.QueryUnescape(got); err != nil || decoded != policy || got == policy {
		return fmt.Errorf("document %s", got)
	}
	return nil
}

// A role that is deleted leaves its unique id behind, which stays when the role comes back, and cannot be saved again.
func checkDeletedPrincipals(ctx context.Context, local *localaws.AWS) error {
	roles, buckets, bucket := iam.NewFromConfig(local.DirectConfig("us-east-1")), direct(local), aws.String("orphans")
	create := func() (*iam.CreateRoleOutput, error) {
		return roles.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("leaves"), AssumeRolePolicyDocument: aws.String(trust)})
	}
	role, err := create()
	if err != nil {
		return err
	}
	if _, err := buckets.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		return err
	}
	put := func(document string) error {
		_, err := buckets.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: bucket, Policy: &document})
		return err
	}
	arn := aws.ToString(role.Role.Arn)
	named := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","NotPrincipal":{"AWS":["` + arn +
		`","123456789012"]},"Action":"s3:GetObject","Resource":"` + arn + `"}]}`
	if err := put(named); err != nil {
		return err
	}
	if _, err := roles.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: aws.String("leaves")}); err != nil {
		return err
	}
	if _, err := create(); err != nil {
		return err
	}
	got, err := buckets.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: bucket})
	if err != nil {
		return err
	}
	if want := strings.Replace(named, arn, aws.ToString(role.Role.RoleId), 1); aws.ToString(got.Policy) != want {
		return fmt.Errorf("policy %s, want %s", aws.ToString(got.Policy), want)
	}
	return wantCode(put(aws.ToString(got.Policy)), "MalformedPolicy")
}

func checkMalformedKeyPolicy(ctx context.Context, local *localaws.AWS) error {
	client := kms.NewFromConfig(local.DirectConfig("us-east-1"))
	key, err := client.CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		return err
	}
	put := func(document string) error {
		_, err := client.PutKeyPolicy(
			ctx, &kms.PutKeyPolicyInput{KeyId: key.KeyMetadata.KeyId, PolicyName: aws.String("default"), Policy: &document},
		)
		return err
	}
	statement := func(principal string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":` + principal + `,"Action":"kms:*","Resource":"*"}}`
	}
	if err := put(statement(`{"AWS":"arn:aws:iam::123456789012:root"}`)); err != nil {
		return err
	}
	for _, document := range []string{"{", "{}", statement(`{"AWS":"arn:aws:iam::123456789012:role/no-such"}`)} {
		if err := wantCode(put(document), "MalformedPolicyDocumentException"); err != nil {
			return fmt.Errorf("%s: %w", document, err)
		}
	}
	return nil
}

func checkKeyARNs(ctx context.Context, local *localaws.AWS) error {
	client := kms.NewFromConfig(local.DirectConfig("us-east-1"), func(o *kms.Options) { o.RetryMaxAttempts = 1 })
	key, err := client.CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		return err
	}
	arn := key.KeyMetadata.Arn
	if _, err := client.DisableKey(ctx, &kms.DisableKeyInput{KeyId: arn}); err != nil {
		return err
	}
	if _, err := client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: arn}); err != nil {
		return err
	}
	if _, err := client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: arn}); err != nil {
		return err
	}
	_, err = client.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: arn})
	return err
}

func checkKeyStates(ctx context.Context, local *localaws.AWS) error {
	client := kms.NewFromConfig(local.DirectConfig("us-east-1"))
	key, err := client.CreateKey(ctx, &kms.CreateKeyInput{})
	if err != nil {
		return err
	}
	id := key.KeyMetadata.KeyId
	_, notPending := client.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: id})
	if _, err := client.ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: id}); err != nil {
		return err
	}
	_, pending := client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: id})
	for _, err := range []error{notPending, pending} {
		if err := wantCode(err, "KMSInvalidStateException"); err != nil {
			return err
		}
	}
	if _, err := client.CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: id}); err != nil {
		return err
	}
	_, err = client.EnableKey(ctx, &kms.EnableKeyInput{KeyId: id})
	return err
}

func checkDeliveredEnvelope(ctx context.Context, local *localaws.AWS) error {
	queue, err := queueBehindRule(ctx, local, "envelope", `{"source":["lab"]}`)
	if err != nil {
		return err
	}
	if err := putEvent(ctx, local, "lab"); err != nil {
		return err
	}
	received, err := sqs.NewFromConfig(local.DirectConfig("us-east-1")).ReceiveMessage(
		ctx, &sqs.ReceiveMessageInput{QueueUrl: &queue},
	)
	if err != nil || len(received.Messages) != 1 {
		return fmt.Errorf("received %v %w", received, err)
	}
	var event struct {
		Account string
		Detail  struct{ Text string }
	}
	if err := json.Unmarshal([]byte(aws.ToString(received.Messages[0].Body)), &event); err != nil {
		return err
	}
	if event.Account != local.Account() || event.Detail.Text != "<source>" {
		return fmt.Errorf("event %+v", event)
	}
	return nil
}

func checkLambdaTarget(ctx context.Context, local *localaws.AWS) error {
	err := ruleFor(
		ctx, local, "us-east-1", "invokes", `{"source":["function"]}`, "arn:aws:lambda:us-east-1:123456789012:function:invoked",
	)
	if err != nil {
		return err
	}
	return putEvent(ctx, local, "function")
}

func checkTopicTarget(ctx context.Context, local *localaws.AWS) error {
	config := local.DirectConfig("us-east-1")
	const queueARN, topicARN = "arn:aws:sqs:us-east-1:123456789012:subscriber", "arn:aws:sns:us-east-1:123456789012:published"
	queue, err := sqs.NewFromConfig(config).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("subscriber")})
	if err != nil {
		return err
	}
	topics := sns.NewFromConfig(config)
	if _, err := topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("published")}); err != nil {
		return err
	}
	if _, err := topics.Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: aws.String(topicARN), Protocol: aws.String("sqs"), Endpoint: aws.String(queueARN),
		Attributes: map[string]string{"RawMessageDelivery": "true"},
	}); err != nil {
		return err
	}
	if err := ruleFor(ctx, local, "us-east-1", "publishes", `{"source":["topic"]}`, topicARN); err != nil {
		return err
	}
	if err := putEvent(ctx, local, "topic"); err != nil {
		return err
	}
	event, err := receiveEvent(ctx, local, "us-east-1", aws.ToString(queue.QueueUrl))
	if err != nil {
		return err
	}
	if event.Source != "topic" || event.Account != local.Account() || event.Time.IsZero() {
		return fmt.Errorf("event %+v", event)
	}
	return nil
}

// A relay: what a rule sends to a bus of another region arrives there as it was.
func checkBusTarget(ctx context.Context, local *localaws.AWS) error {
	const bus = "arn:aws:events:us-east-1:123456789012:event-bus/default"
	near, err := sqs.NewFromConfig(local.DirectConfig("eu-central-1")).CreateQueue(
		ctx, &sqs.CreateQueueInput{QueueName: aws.String("near")},
	)
	if err != nil {
		return err
	}
	far, err := queueBehindRule(ctx, local, "far", `{"source":["aws.s3"],"account":["123456789012"],"region":["eu-central-1"]}`)
	if err != nil {
		return err
	}
	if err := ruleFor(ctx, local, "eu-central-1", "relay", `{"source":["aws.s3"],"detail":{"eventName":["CreateBucket"]}}`,
		bus, "arn:aws:sqs:eu-central-1:123456789012:near"); err != nil {
		return err
	}
	if _, err := s3.NewFromConfig(local.Config("eu-central-1", personKey)).CreateBucket(ctx, &s3.CreateBucketInput{
		Bucket:                    aws.String("relayed"),
		CreateBucketConfiguration: &s3types.CreateBucketConfiguration{LocationConstraint: "eu-central-1"},
	}); err != nil {
		return err
	}
	sent, err := receiveEvent(ctx, local, "eu-central-1", aws.ToString(near.QueueUrl))
	if err != nil {
		return err
	}
	got, err := receiveEvent(ctx, local, "us-east-1", far)
	if err != nil {
		return err
	}
	if got.Region != "eu-central-1" || got.Detail.EventID == "" || !reflect.DeepEqual(got, sent) {
		return fmt.Errorf("relayed %+v, was %+v", got, sent)
	}
	return nil
}

func checkScheduledRule(ctx context.Context, local *localaws.AWS) error {
	config := local.DirectConfig("us-east-1")
	queue, err := sqs.NewFromConfig(config).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("scheduled")})
	if err != nil {
		return err
	}
	bus := eventbridge.NewFromConfig(config)
	if _, err := bus.PutRule(
		ctx, &eventbridge.PutRuleInput{Name: aws.String("hourly"), ScheduleExpression: aws.String("rate(1 hour)")},
	); err != nil {
		return err
	}
	if _, err := bus.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: aws.String("hourly"), Targets: []ebtypes.Target{{
		Id: aws.String("queue"), Arn: aws.String("arn:aws:sqs:us-east-1:123456789012:scheduled"),
	}}}); err != nil {
		return err
	}
	if err := putEvent(ctx, local, "anything"); err != nil {
		return err
	}
	if event, err := receiveEvent(ctx, local, "us-east-1", aws.ToString(queue.QueueUrl)); err == nil {
		return fmt.Errorf("delivered %+v", event)
	}
	return nil
}

// receiveEvent takes the one event that a queue has.
func receiveEvent(ctx context.Context, local *localaws.AWS, region, queueURL string) (localaws.Envelope, error) {
	var event localaws.Envelope
	received, err := sqs.NewFromConfig(local.DirectConfig(region)).ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &queueURL})
	if err != nil || len(received.Messages) != 1 {
		return event, fmt.Errorf("received %v %w", received, err)
	}
	return event, json.Unmarshal([]byte(aws.ToString(received.Messages[0].Body)), &event)
}

// ruleFor makes a rule on a region's default bus.
func ruleFor(ctx context.Context, local *localaws.AWS, region, name, pattern string, targets ...string) error {
	bus := eventbridge.NewFromConfig(local.DirectConfig(region))
	if _, err := bus.PutRule(ctx, &eventbridge.PutRuleInput{Name: &name, EventPattern: &pattern}); err != nil {
		return err
	}
	var list []ebtypes.Target
	for i, arn := range targets {
		list = append(list, ebtypes.Target{Id: aws.String(fmt.Sprint(i)), Arn: &arn})
	}
	_, err := bus.PutTargets(ctx, &eventbridge.PutTargetsInput{Rule: &name, Targets: list})
	return err
}

// Two disabled rules: one for a queue, one for a bus behind which an enabled rule listens.
func checkDisabledRule(ctx context.Context, local *localaws.AWS) error {
	const pattern = `{"source":["unmatched"]}`
	near, err := queueBehindRule(ctx, local, "disabled", pattern)
	if err != nil {
		return err
	}
	if err := ruleFor(
		ctx, local, "us-east-1", "disabled-relay", pattern, "arn:aws:events:eu-central-1:123456789012:event-bus/default",
	); err != nil {
		return err
	}
	far, err := sqs.NewFromConfig(local.DirectConfig("eu-central-1")).CreateQueue(
		ctx, &sqs.CreateQueueInput{QueueName: aws.String("hears")},
	)
	if err != nil {
		return err
	}
	if err := ruleFor(ctx, local, "eu-central-1", "hears", pattern, "arn:aws:sqs:eu-central-1:123456789012:hears"); err != nil {
		return err
	}
	for _, name := range []string{"disabled", "disabled-relay"} {
		if _, err := eventbridge.NewFromConfig(local.DirectConfig("us-east-1")).DisableRule(
			ctx, &eventbridge.DisableRuleInput{Name: &name},
		); err != nil {
			return err
		}
	}
	if err := putEvent(ctx, local, "unmatched"); err != nil {
		return err
	}
	for region, queue := range map[string]string{"us-east-1": near, "eu-central-1": aws.ToString(far.QueueUrl)} {
		if event, err := receiveEvent(ctx, local, region, queue); err == nil {
			return fmt.Errorf("%s received %+v", region, event)
		}
	}
	return nil
}

func putEvent(ctx context.Context, local *localaws.AWS, source string) error {
	_, err := eventbridge.NewFromConfig(local.DirectConfig("us-east-1")).PutEvents(ctx, &eventbridge.PutEventsInput{
		Entries: []ebtypes.PutEventsRequestEntry{{
			Source: &source, DetailType: aws.String("test"), Detail: aws.String(`{"text":"<source>"}`),
		}},
	})
	return err
}

// A mapping must leave the queue's messages to the Poller.
func checkEventSourceMapping(ctx context.Context, local *localaws.AWS) error {
	config := local.DirectConfig("us-east-1")
	queues, functions := sqs.NewFromConfig(config), lambda.NewFromConfig(config)
	role, err := iam.NewFromConfig(config).CreateRole(
		ctx, &iam.CreateRoleInput{RoleName: aws.String("runs-it"), AssumeRolePolicyDocument: aws.String(trust)},
	)
	if err != nil {
		return err
	}
	queue, err := queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("mapped")})
	if err != nil {
		return err
	}
	if err := deploy(ctx, local, "mapping", map[string]any{
		"Function": resource("AWS::Lambda::Function", map[string]any{
			"FunctionName": "mapped", "Runtime": "provided.al2023", "Handler": "bootstrap", "Role": aws.ToString(role.Role.Arn),
			"Code": map[string]any{"ZipFile": "x"},
		}),
		"Mapping": resource("AWS::Lambda::EventSourceMapping", map[string]any{
			"FunctionName": map[string]any{"Ref": "Function"}, "EventSourceArn": "arn:aws:sqs:us-east-1:123456789012:mapped",
			"FunctionResponseTypes": []string{"ReportBatchItemFailures"},
		}),
	}); err != nil {
		return err
	}
	mappings, err := functions.ListEventSourceMappings(ctx, &lambda.ListEventSourceMappingsInput{})
	if err != nil || len(mappings.EventSourceMappings) != 1 {
		return fmt.Errorf("mappings %v %w", mappings, err)
	}
	if _, err := queues.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: queue.QueueUrl, MessageBody: aws.String("x")}); err != nil {
		return err
	}
	received, err := queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl:                    queue.QueueUrl,
		MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{sqstypes.MessageSystemAttributeNameAll},
	})
	if err != nil || len(received.Messages) != 1 {
		return fmt.Errorf("received %v %w", received, err)
	}
	if count := received.Messages[0].Attributes["ApproximateReceiveCount"]; count != "1" {
		return fmt.Errorf("received for the %s. time: moto took it before", count)
	}
	return nil
}

func checkEmailConfirmation(ctx context.Context, local *localaws.AWS) error {
	client, address := sns.NewFromConfig(local.DirectConfig("us-east-1")), aws.String("storage-oncall@example.org")
	topic, err := client.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("alerts")})
	if err != nil {
		return err
	}
	if _, err := client.Subscribe(
		ctx, &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("email"), Endpoint: address},
	); err != nil {
		return err
	}
	listed := func() (string, error) {
		out, err := client.ListSubscriptionsByTopic(ctx, &sns.ListSubscriptionsByTopicInput{TopicArn: topic.TopicArn})
		if err != nil || len(out.Subscriptions) != 1 || aws.ToString(out.Subscriptions[0].Endpoint) != *address {
			return "", fmt.Errorf("subscriptions %v %w", out, err)
		}
		return aws.ToString(out.Subscriptions[0].SubscriptionArn), nil
	}
	if got, err := listed(); err != nil || got != "PendingConfirmation" {
		return fmt.Errorf("subscribed as %q %w", got, err)
	}
	confirmed, err := client.ConfirmSubscription(ctx, &sns.ConfirmSubscriptionInput{TopicArn: topic.TopicArn, Token: address})
	if err != nil {
		return err
	}
	if got, err := listed(); err != nil || got != aws.ToString(confirmed.SubscriptionArn) {
		return fmt.Errorf("confirmed as %q %w", got, err)
	}
	_, err = client.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: confirmed.SubscriptionArn})
	return err
}

func checkDefaultSelectors(ctx context.Context, local *localaws.AWS) error {
	if _, err := direct(local).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("trail")}); err != nil {
		return err
	}
	client, name := cloudtrail.NewFromConfig(local.DirectConfig("us-east-1")), aws.String("trail")
	if _, err := client.CreateTrail(ctx, &cloudtrail.CreateTrailInput{Name: name, S3BucketName: name}); err != nil {
		return err
	}
	out, err := client.GetEventSelectors(ctx, &cloudtrail.GetEventSelectorsInput{TrailName: name})
	if err != nil {
		return err
	}
	if len(out.EventSelectors) != 1 || !aws.ToBool(out.EventSelectors[0].IncludeManagementEvents) ||
		out.EventSelectors[0].ReadWriteType != "All" {
		return fmt.Errorf("selectors %+v", out.EventSelectors)
	}
	return nil
}

// queueBehindRule makes a queue that gets what matches a pattern on the default bus.
func queueBehindRule(ctx context.Context, local *localaws.AWS, name, pattern string) (queueURL string, err error) {
	config := local.DirectConfig("us-east-1")
	queue, err := sqs.NewFromConfig(config).CreateQueue(ctx, &sqs.CreateQueueInput{
		QueueName: &name, Attributes: map[string]string{"VisibilityTimeout": "1"},
	})
	if err != nil {
		return "", err
	}
	err = ruleFor(ctx, local, "us-east-1", name, pattern, "arn:aws:sqs:us-east-1:"+local.Account()+":"+name)
	return aws.ToString(queue.QueueUrl), err
}

func direct(local *localaws.AWS) *s3.Client {
	return s3.NewFromConfig(local.DirectConfig("us-east-1"), func(o *s3.Options) { o.UsePathStyle = true })
}

func wantCode(err error, code string) error {
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != code {
		return fmt.Errorf("error %w, want %s", err, code)
	}
	return nil
}

// checkOwnPolicies creates what is a part of another resource.
func checkOwnPolicies(ctx context.Context, local *localaws.AWS) error {
	const role = "arn:aws:iam::123456789012:role/own"
	statement := map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*",
	}}}
	iams := iam.NewFromConfig(local.DirectConfig("us-east-1"))
	_, _ = iams.CreateRole(ctx, &iam.CreateRoleInput{RoleName: aws.String("own"), AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
	)})
	if err := deploy(ctx, local, "own", map[string]any{
		"Queue":       resource("AWS::SQS::Queue", map[string]any{"QueueName": "own"}),
		"QueuePolicy": resource("AWS::SQS::QueuePolicy", map[string]any{"Queues": []any{ref("Queue")}, "PolicyDocument": statement}),
		"Topic":       resource("AWS::SNS::Topic", map[string]any{"TopicName": "own"}),
		"TopicPolicy": resource("AWS::SNS::TopicPolicy", map[string]any{"Topics": []any{ref("Topic")}, "PolicyDocument": statement}),
		"Table": resource("AWS::DynamoDB::Table", map[string]any{
			"TableName": "own", "BillingMode": "PAY_PER_REQUEST", "ResourcePolicy": map[string]any{"PolicyDocument": statement},
			"KeySchema":                        []any{map[string]any{"AttributeName": "k", "KeyType": "HASH"}},
			"AttributeDefinitions":             []any{map[string]any{"AttributeName": "k", "AttributeType": "S"}},
			"PointInTimeRecoverySpecification": map[string]any{"PointInTimeRecoveryEnabled": true},
		}),
		"Function": resource("AWS::Lambda::Function", map[string]any{
			"FunctionName": "own", "Runtime": "python3.13", "Handler": "index.handler", "Role": role, "RecursiveLoop": "Allow",
			"Code": map[string]any{"ZipFile": "pass"},
		}),
		"Invoke": resource("AWS::Lambda::EventInvokeConfig", map[string]any{
			"FunctionName": ref("Function"), "Qualifier": "$LATEST", "MaximumRetryAttempts": 1,
		}),
	}); err != nil {
		return err
	}
	return wantOwnPolicies(ctx, local)
}

func ref(name string) map[string]any { return map[string]any{"Ref": name} }

func wantOwnPolicies(ctx context.Context, local *localaws.AWS) error {
	config, name := local.DirectConfig("us-east-1"), aws.String("own")
	queue, err := sqs.NewFromConfig(config).GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl:       aws.String("https://sqs.us-east-1.amazonaws.com/123456789012/own"),
		AttributeNames: []sqstypes.QueueAttributeName{"All"},
	})
	if err != nil || !strings.Contains(queue.Attributes["Policy"], "Deny") {
		return fmt.Errorf("queue %+v %w", queue, err)
	}
	topic, err := sns.NewFromConfig(config).GetTopicAttributes(
		ctx, &sns.GetTopicAttributesInput{TopicArn: aws.String("arn:aws:sns:us-east-1:123456789012:own")},
	)
	if err != nil || !strings.Contains(topic.Attributes["Policy"], "Deny") {
		return fmt.Errorf("topic %+v %w", topic, err)
	}
	tables := dynamodb.NewFromConfig(config)
	policy, err := tables.GetResourcePolicy(
		ctx, &dynamodb.GetResourcePolicyInput{ResourceArn: aws.String("arn:aws:dynamodb:us-east-1:123456789012:table/own")},
	)
	if err != nil || !strings.Contains(aws.ToString(policy.Policy), "Deny") {
		return fmt.Errorf("table's policy %+v %w", policy, err)
	}
	backups, err := tables.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: name})
	if err != nil || backups.ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus != "ENABLED" {
		return fmt.Errorf("table's backups %+v %w", backups, err)
	}
	functions := lambda.NewFromConfig(config)
	loops, err := functions.GetFunctionRecursionConfig(ctx, &lambda.GetFunctionRecursionConfigInput{FunctionName: name})
	if err != nil || loops.RecursiveLoop != "Allow" {
		return fmt.Errorf("function's loops %+v %w", loops, err)
	}
	retries, err := functions.GetFunctionEventInvokeConfig(ctx, &lambda.GetFunctionEventInvokeConfigInput{FunctionName: name})
	if err != nil || aws.ToInt32(retries.MaximumRetryAttempts) != 1 {
		return fmt.Errorf("function's retries %+v %w", retries, err)
	}
	return nil
}

func checkQueuePolicyKept(ctx context.Context, local *localaws.AWS) error {
	client := sqs.NewFromConfig(local.DirectConfig("us-east-1"))
	const text = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sqs:*","Resource":"*"}]}`
	queue, err := client.CreateQueue(ctx, &sqs.CreateQueueInput{
		QueueName: aws.String("kept"), Attributes: map[string]string{"Policy": text},
	})
	if err != nil {
		return err
	}
	if _, err := client.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{
		QueueUrl: queue.QueueUrl, Attributes: map[string]string{"VisibilityTimeout": "1"},
	}); err != nil {
		return err
	}
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: queue.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{"All"},
	})
	if err != nil || !strings.Contains(out.Attributes["Policy"], "Deny") {
		return fmt.Errorf("attributes %+v %w", out, err)
	}
	return nil
}

func checkRecursionConfig(ctx context.Context, local *localaws.AWS) error {
	client, name := lambda.NewFromConfig(local.DirectConfig("us-east-1")), aws.String("loops")
	if err := deploy(ctx, local, "loops", map[string]any{"Function": resource("AWS::Lambda::Function", map[string]any{
		"FunctionName": *name, "Runtime": "python3.13", "Handler": "index.handler", "Code": map[string]any{"ZipFile": "pass"},
		"Role": map[string]any{"Fn::GetAtt": []string{"Role", "Arn"}},
	}), "Role": resource("AWS::IAM::Role", map[string]any{"RoleName": "loops", "AssumeRolePolicyDocument": map[string]any{
		"Version": "2012-10-17", "Statement": []any{map[string]any{
			"Effect": "Allow", "Principal": map[string]any{"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole",
		}},
	}})}); err != nil {
		return err
	}
	for _, want := range []lambdatypes.RecursiveLoop{"Terminate", "Allow"} {
		if want != "Terminate" {
			if _, err := client.PutFunctionRecursionConfig(
				ctx, &lambda.PutFunctionRecursionConfigInput{FunctionName: name, RecursiveLoop: want},
			); err != nil {
				return err
			}
		}
		got, err := client.GetFunctionRecursionConfig(ctx, &lambda.GetFunctionRecursionConfigInput{FunctionName: name})
		if err != nil || got.RecursiveLoop != want {
			return fmt.Errorf("loops %+v, want %s %w", got, want, err)
		}
	}
	return nil
}
