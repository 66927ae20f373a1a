package perf

import (
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/testlab"
)

const (
	callsPerStorage       = 20 // each document that a setting compares, once
	callsPerForeignPolicy = 2  // a managed policy and its default version
	callsShared           = 2  // by all storages of a region: the provider, and the account's own public access block
)

// TestCallsPerSetting counts what one audit calls: IAM takes few requests a second, and each of them is somebody else's too.
func TestCallsPerSetting(t *testing.T) {
	binary := build(t, "functions/validate")
	t.Run("one storage", func(t *testing.T) {
		f := newFixture(t, 1)
		function := f.start(validate, binary, validateTimeout)
		expectAtMost(t, callsShared+callsPerStorage, f.audit(function))
		const foreign = 2
		f.attachForeignPolicies(foreign)
		expectAtMost(t, callsShared+callsPerStorage+foreign*callsPerForeignPolicy, f.audit(function))
	})
	t.Run("three storages", func(t *testing.T) {
		f := newFixture(t, 3)
		calls := f.audit(f.start(validate, binary, validateTimeout))
		expectAtMost(t, callsShared+3*callsPerStorage, calls)
		ofAccount := 0
		for _, call := range calls {
			if call.Action == "s3:GetAccountPublicAccessBlock" {
				ofAccount++
			}
		}
		if ofAccount != 1 {
			t.Errorf("the account's public access block is read %d times, want once", ofAccount)
		}
	})
}

func expectAtMost(t *testing.T, limit int, calls []localaws.Call) {
	t.Helper()
	own := ofStorages(calls)
	t.Logf("%d calls, and %d more about icaguard itself:\n%s", len(own), len(calls)-len(own), table(own))
	if len(own) > limit {
		t.Errorf("%d calls, want at most %d (callsPerStorage, where a setting reads a document that no other does)", len(own), limit)
	}
}

// attachForeignPolicies gives the role managed policies that are not ICA's and do no harm.
func (f *fixture) attachForeignPolicies(count int) {
	f.t.Helper()
	const harmless = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}]}`
	client := f.IAM(testlab.Stranger)
	for i := range count {
		policy, err := client.CreatePolicy(f.t.Context(), &iam.CreatePolicyInput{
			PolicyName: aws.String("foreign-" + strconv.Itoa(i+1)), PolicyDocument: aws.String(harmless),
		})
		f.must(err)
		_, err = client.AttachRolePolicy(f.t.Context(), &iam.AttachRolePolicyInput{
			RoleName: &f.Storage.Role.Name, PolicyArn: policy.Policy.Arn,
		})
		f.must(err)
	}
}
