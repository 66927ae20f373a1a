package testlab

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/ledger"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/policy"
)

// Prefix is the RoleSessionName prefix of every lab. No output of a test may hold it: tools/check-secrets.sh checks.
const Prefix = "prefix-that-must-not-be-printed"

// make puts everything in place as ICA needs it, in the order in which it depends on each other.
func (l *Lab) make() {
	l.t.Helper()
	l.must(ssm.NewFromConfig(l.Local.DirectConfig(Region)).PutParameter(l.t.Context(), &ssm.PutParameterInput{
		Name: &l.Storage.Role.Prefixes[0].Parameter, Type: ssmtypes.ParameterTypeString, Value: aws.String(Prefix),
	}))
	MakeLedger(l.t, l.Local)
	l.makeBucket()
	l.makeProvider()
	l.makeRole()
	l.PlayStacks("CREATE_COMPLETE")
}

// PlayStacks plays a status of all stacks of the lab for its guard, with the digest of its configuration.
func (l *Lab) PlayStacks(status string) {
	for _, stack := range l.Storage.Home.Stacks {
		l.Local.Recorder().PlayStack(stack.Name, localaws.StackState{
			Status: status, Outputs: map[string]string{icaconfig.DigestOutput: l.Storage.Home.Digest}, AccessKeyID: l.Key(),
		})
	}
}

func (l *Lab) makeBucket() {
	l.t.Helper()
	ctx, name := l.t.Context(), &l.Storage.Bucket.Name
	l.must(l.s3().CreateBucket(ctx, &s3.CreateBucketInput{Bucket: name}))
	l.PutCORS(l.NeededCORS())
	l.PutBucketPolicy()
}

// PutBucketPolicy puts the statements that ICA needs, and others behind them, as a stranger.
func (l *Lab) PutBucketPolicy(others ...policy.Statement) {
	l.t.Helper()
	document := l.text(map[string]any{"Version": "2012-10-17", "Statement": append(l.Storage.BucketStatements(false), others...)})
	l.must(l.s3().PutBucketPolicy(
		l.t.Context(), &s3.PutBucketPolicyInput{Bucket: &l.Storage.Bucket.Name, Policy: document},
	))
}

// Deny is a statement that keeps everybody from actions on the bucket's objects.
func (l *Lab) Deny(sid string, actions ...string) policy.Statement {
	return policy.Statement{
		Sid: sid, Effect: "Deny", Principal: policy.Everyone(), Action: actions, Resource: []string{l.Storage.Bucket.ARN + "/*"},
	}
}

// Except writes exceptions into the ica.yaml, in place of those that are there.
func (l *Lab) Except(lines ...string) {
	l.t.Helper()
	text, err := os.ReadFile(l.Config)
	l.must(text, err)
	_, rest, found := strings.Cut(string(text), "# end of exceptions\n")
	if !found {
		rest = string(text)
	}
	block := "exceptions:\n  " + strings.Join(lines, "\n  ") + "\n# end of exceptions\n"
	l.must(nil, os.WriteFile(l.Config, []byte(block+rest), 0o600)) //nolint:gosec // the lab's own folder
}

// makeProvider makes the provider that all labs of a local AWS share.
func (l *Lab) makeProvider() {
	l.t.Helper()
	_, err := l.IAM(Stranger).CreateOpenIDConnectProvider(l.t.Context(), &iam.CreateOpenIDConnectProviderInput{
		Url: &l.Storage.Provider.URL, ClientIDList: []string{l.Storage.Provider.Audience},
	})
	var exists *iamtypes.EntityAlreadyExistsException
	if !errors.As(err, &exists) {
		l.must(nil, err)
	}
}

func (l *Lab) makeRole() {
	l.t.Helper()
	ctx, role := l.t.Context(), l.Storage.Role
	l.makePolicy(role.Boundary.Name, role.BoundaryDocument())
	l.makePolicy(role.Policy.Name, role.PermissionPolicy(func(*icaconfig.Bucket) bool { return false }))
	var tags []iamtypes.Tag
	for _, key := range slices.Sorted(maps.Keys(role.Tags)) {
		tags = append(tags, iamtypes.Tag{Key: &key, Value: aws.String(role.Tags[key])})
	}
	l.must(l.IAM(Stranger).CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: &role.Name, MaxSessionDuration: aws.Int32(43200), Description: aws.String("for ICA"), Tags: tags,
		PermissionsBoundary: &role.Boundary.ARN, AssumeRolePolicyDocument: l.text(l.Storage.TrustPolicy(Prefix)),
	}))
	l.must(l.IAM(Stranger).AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &role.Name, PolicyArn: &role.Policy.ARN}))
}

func (l *Lab) makePolicy(name string, document policy.Document) {
	l.t.Helper()
	l.must(l.IAM(Stranger).CreatePolicy(l.t.Context(), &iam.CreatePolicyInput{PolicyName: &name, PolicyDocument: l.text(document)}))
}

func (l *Lab) text(document any) *string {
	l.t.Helper()
	data, err := json.Marshal(document)
	l.must(nil, err)
	return aws.String(string(data))
}

// MakeLedger makes the guard's table as the stack does, if it is not there yet.
func MakeLedger(t testing.TB, local *localaws.AWS) {
	t.Helper()
	_, err := dynamodb.NewFromConfig(local.DirectConfig(Region)).CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String(guard.LedgerTable), BillingMode: ddbtypes.BillingModePayPerRequest,
		KeySchema: []ddbtypes.KeySchemaElement{
			{AttributeName: aws.String(ledger.PartitionKey), KeyType: ddbtypes.KeyTypeHash},
			{AttributeName: aws.String(ledger.SortKey), KeyType: ddbtypes.KeyTypeRange},
		},
		AttributeDefinitions: []ddbtypes.AttributeDefinition{
			{AttributeName: aws.String(ledger.PartitionKey), AttributeType: ddbtypes.ScalarAttributeTypeS},
			{AttributeName: aws.String(ledger.SortKey), AttributeType: ddbtypes.ScalarAttributeTypeS},
		},
	})
	var exists *ddbtypes.ResourceInUseException
	if err != nil && !errors.As(err, &exists) {
		t.Fatal(err)
	}
}
