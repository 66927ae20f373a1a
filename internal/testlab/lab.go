// Package testlab is a laboratory in the local AWS, for tests: a bucket and a role as ICA needs them, a stranger who
// breaks them, and a reader who sees whether they are right again.
//
// Invariant: it changes and reads through the AWS SDK alone and uses no code of the guard, so it can prove the guard wrong.
package testlab

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/icaguard/icaguard/internal/awsclient"
	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

// Region is the AWS region of every lab.
const Region = localawstest.Region

// Stranger is the access key with which a lab is broken. The recorder shows its user under the same name.
const Stranger = "AKIASTRANGER"

// Lab is one storage and its clients.
type Lab struct {
	Local   *localaws.AWS
	Storage icaconfig.Storage
	Config  string // path of its ica.yaml

	t        testing.TB
	storages []icaconfig.Storage // of its ica.yaml
}

const config = `mode: %[2]s
alerts:
  emails: [storage-oncall@example.org]
storages:
  - name: %[1]s
    icaRegion: US
    bucket: {name: %[1]s-ica, folder: ica}
    role: {name: %[1]s-role, policyName: %[1]s-policy, sessionNamePrefix: "ssm:/ica/%[1]s/session-name-prefix"}
`

// New makes a lab with everything as ICA needs it. Its storage has the given name, its bucket NAME-ica, its role NAME-role.
func New(t testing.TB, local *localaws.AWS, name string, mode icaconfig.Mode) *Lab {
	t.Helper()
	return NewFrom(t, local, labText(name, mode))
}

// NewFrom makes the lab of the first storage of an ica.yaml, with everything as ICA needs it.
func NewFrom(t testing.TB, local *localaws.AWS, text string) *Lab {
	t.Helper()
	l := Configure(t, local, text)
	l.make()
	return l
}

func labText(name string, mode icaconfig.Mode) string { return fmt.Sprintf(config, name, mode) }

// Configure makes a lab of the first storage of an ica.yaml, and nothing in AWS.
func Configure(t testing.TB, local *localaws.AWS, text string) *Lab {
	t.Helper()
	l := &Lab{Local: local, Config: filepath.Join(t.TempDir(), "ica.yaml"), t: t}
	if err := os.WriteFile(l.Config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := icaconfig.Parse("ica.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	owner, err := file.Owner(local.Account(), "aws")
	if err != nil {
		t.Fatal(err)
	}
	l.storages = file.Baseline(owner).Storages
	l.Storage = l.storages[0]
	return l
}

// Sharing makes what the second storage of the ica.yaml has for itself: its bucket. It shares all else with the first.
func (l *Lab) Sharing() *Lab {
	l.t.Helper()
	second := *l
	second.Storage = l.storages[1]
	second.makeBucket()
	return &second
}

// IAM is a client for the user of an access key.
func (l *Lab) IAM(accessKeyID string) *iam.Client {
	return iam.NewFromConfig(l.Local.Config(Region, accessKeyID))
}

func (l *Lab) s3() *s3.Client { return awsclient.S3(l.Local.Config(Region, Stranger), Region) }

// must fails the test on an error of an SDK call whose answer does not matter.
func (l *Lab) must(_ any, err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// Break breaks both settings, as a stranger.
func (l *Lab) Break() {
	l.t.Helper()
	l.DeleteCORS()
	l.ShortenSession(Stranger)
}

// PutCORS replaces the bucket's CORS rules, as a stranger.
func (l *Lab) PutCORS(rules ...types.CORSRule) {
	l.t.Helper()
	l.must(l.s3().PutBucketCors(l.t.Context(), &s3.PutBucketCorsInput{
		Bucket: &l.Storage.Bucket.Name, CORSConfiguration: &types.CORSConfiguration{CORSRules: rules},
	}))
}

// DeleteCORS deletes the bucket's CORS configuration, as a stranger.
func (l *Lab) DeleteCORS() {
	l.t.Helper()
	l.must(l.s3().DeleteBucketCors(l.t.Context(), &s3.DeleteBucketCorsInput{Bucket: &l.Storage.Bucket.Name}))
}

// ShortenSession sets the role's session duration to one hour, as the user of an access key.
func (l *Lab) ShortenSession(accessKeyID string) {
	l.t.Helper()
	l.must(l.IAM(accessKeyID).UpdateRole(l.t.Context(), &iam.UpdateRoleInput{
		RoleName: &l.Storage.Role.Name, MaxSessionDuration: aws.Int32(3600), Description: aws.String("for ICA"),
	}))
}

// Rename changes the role's description and nothing that ICA needs, as a stranger.
func (l *Lab) Rename(description string) {
	l.t.Helper()
	l.must(l.IAM(Stranger).UpdateRole(l.t.Context(), &iam.UpdateRoleInput{
		RoleName: &l.Storage.Role.Name, MaxSessionDuration: aws.Int32(43200), Description: &description,
	}))
}

// DeleteRole deletes the role, as a stranger.
func (l *Lab) DeleteRole() {
	l.t.Helper()
	l.must(l.IAM(Stranger).DetachRolePolicy(l.t.Context(), &iam.DetachRolePolicyInput{
		RoleName: &l.Storage.Role.Name, PolicyArn: &l.Storage.Role.Policy.ARN,
	}))
	l.must(l.IAM(Stranger).DeleteRole(l.t.Context(), &iam.DeleteRoleInput{RoleName: &l.Storage.Role.Name}))
}

// NeededCORS is the rule that ICA needs on the bucket.
func (l *Lab) NeededCORS() types.CORSRule {
	rule := l.Storage.Bucket.CORS
	return types.CORSRule{
		AllowedHeaders: rule.AllowedHeaders, AllowedMethods: rule.AllowedMethods,
		AllowedOrigins: rule.AllowedOrigins, ExposeHeaders: rule.ExposeHeaders,
	}
}

// ExpectCORS compares the bucket's CORS rules; none is a bucket without CORS.
func (l *Lab) ExpectCORS(want ...types.CORSRule) {
	l.t.Helper()
	out, err := l.s3().GetBucketCors(l.t.Context(), &s3.GetBucketCorsInput{Bucket: &l.Storage.Bucket.Name})
	var got []types.CORSRule
	if !awserr.IsAbsent(err) {
		l.must(out, err)
		got = out.CORSRules
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(types.CORSRule{}), cmpopts.EquateEmpty()); diff != "" {
		l.t.Errorf("CORS rules of %s (-want +got):\n%s", l.Storage.Bucket.Name, diff)
	}
}

// ExpectSession compares the role's maximum session duration, in seconds.
func (l *Lab) ExpectSession(want int32) {
	l.t.Helper()
	out, err := l.IAM(Stranger).GetRole(l.t.Context(), &iam.GetRoleInput{RoleName: &l.Storage.Role.Name})
	l.must(out, err)
	if got := aws.ToInt32(out.Role.MaxSessionDuration); got != want {
		l.t.Errorf("role %s has a session duration of %d s, want %d s", l.Storage.Role.Name, got, want)
	}
}

// ExpectBroken fails the test if what Break broke is no longer broken.
func (l *Lab) ExpectBroken() {
	l.t.Helper()
	l.ExpectCORS()
	l.ExpectSession(3600)
}

// ExpectRestored fails the test unless both settings are as ICA needs them.
func (l *Lab) ExpectRestored() {
	l.t.Helper()
	l.ExpectCORS(l.NeededCORS())
	l.ExpectSession(43200)
}
