package settings

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// maxPolicyVersions is IAM's limit for one managed policy; ids are never reused.
const maxPolicyVersions = 5

// managedPolicy is the role's managed policy and what its wanted document depends on.
type managedPolicy struct {
	Versions []policyVersion // the default first; the others only where the default is not the wanted one
	Buckets  map[string]bucketState
	// UsedByOthers: a user, a group or another role has the policy attached, or it is somebody's boundary. It is asked of
	// adopted policies only.
	UsedByOthers bool
}

type policyVersion struct {
	ID       string
	Document document
}

// equals says that the version means what is wanted.
func (v policyVersion) equals(want policy.Document) bool {
	present, err := v.Document.parse()
	return err == nil && policy.Equal(want, present)
}

func permissionPolicy() guard.Setting {
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:    "permission-policy",
			Title: "The role's managed policy allows what ICA needs on the role's buckets, and nothing else",
			Effect: `"Access Forbidden … not authorized to perform s3:GetBucketLocation", or test files left behind ` +
				"and deleted objects that come back where a versioned bucket has the unversioned policy",
			Remediation: func(s icaconfig.Storage) string {
				return "put the policy's default version: icaguard render permission-policy --storage " + s.Name
			},
			On: guard.OnPolicy,
			Triggers: []guard.Trigger{
				policyEvents(policyVersionEvents()...), policyCreated(),
				bucketEvents("PutBucketVersioning"),
			},
			Reads: slices.Concat(
				guard.Actions(guard.OnPolicy, "iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListPolicyVersions"),
				guard.OnlyIf(adopted, guard.Actions(guard.OnRole, "iam:ListAttachedRolePolicies")),
				guard.Actions(guard.OnBucket, "s3:GetBucketVersioning"), guard.Actions(guard.OnAccount, "s3:ListAllMyBuckets")),
		},
		Writes: guard.Actions(
			guard.OnPolicy, "iam:CreatePolicy", "iam:CreatePolicyVersion", "iam:DeletePolicyVersion", "iam:SetDefaultPolicyVersion",
		),
	}, guard.Spec[managedPolicy]{Read: readPolicy, Compare: comparePolicy, Put: putPolicy})
}

// adopted says that the role and its policy were there before icaguard, so that others may have the policy too.
func adopted(s icaconfig.Storage) bool { return s.Role.Existing }

// policyEvents is a trigger for the managed policy, by ARN.
func policyEvents(names ...string) guard.Trigger {
	return guard.Trigger{
		Source: "aws.iam", Events: append(names, "DeletePolicy"), Parameter: "policyArn",
		Names: func(s icaconfig.Storage) []string { return []string{s.Role.Policy.ARN} },
	}
}

// policyCreated is a trigger for the managed policy's creation, which names it without an ARN.
func policyCreated() guard.Trigger {
	return guard.Trigger{
		Source: "aws.iam", Events: []string{"CreatePolicy"}, Parameter: "policyName",
		Names: func(s icaconfig.Storage) []string { return []string{s.Role.Policy.Name} },
	}
}

func readPolicy(ctx context.Context, c guard.Clients, s icaconfig.Storage) (managedPolicy, error) {
	var got managedPolicy
	var err error
	if got.Buckets, err = bucketStates(ctx, c, s); err != nil {
		return got, err
	}
	out, err := iamClient(c).GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: &s.Role.Policy.ARN})
	if awserr.Classify(err) == awserr.Gone {
		return got, nil
	}
	if err != nil {
		return got, fmt.Errorf("get policy %s: %w", s.Role.Policy.Name, err)
	}
	policy, err := element(out.Policy, "get policy "+s.Role.Policy.Name)
	if err != nil {
		return got, err
	}
	current, err := policyVersionOf(ctx, c, s, aws.ToString(policy.DefaultVersionId))
	if err != nil {
		return got, err
	}
	got.Versions = []policyVersion{current}
	if len(comparePolicy(s, got).Diffs) == 0 {
		return got, nil
	}
	if s.Role.Existing {
		if got.UsedByOthers, err = usedByOthers(ctx, c, s, policy); err != nil {
			return got, err
		}
	}
	others, err := otherVersions(ctx, c, s, current.ID)
	got.Versions = append(got.Versions, others...)
	return got, err
}

// usedByOthers: of those to whom the policy is attached, ICA's role is one only while it is attached to that.
func usedByOthers(ctx context.Context, c guard.Clients, s icaconfig.Storage, policy *iamtypes.Policy) (bool, error) {
	attached, err := attachedTo(ctx, c, s)
	if err != nil && awserr.Classify(err) != awserr.Gone {
		return false, err
	}
	uses := aws.ToInt32(policy.AttachmentCount) + aws.ToInt32(policy.PermissionsBoundaryUsageCount)
	if slices.Contains(attached, s.Role.Policy.ARN) {
		uses--
	}
	return uses > 0, nil
}

// bucketState is what the wanted policy depends on of one bucket.
type bucketState struct {
	Versioning types.BucketVersioningStatus
	Foreign    bool   // the name belongs to another account
	Unreadable string // why the versioning is not known
	Ours       bool   // and it is known to be ours all the same
}

// bucketStates reads all buckets that the policy covers. One that cannot be read never keeps the policy of the others
// from being restored.
func bucketStates(ctx context.Context, c guard.Clients, s icaconfig.Storage) (map[string]bucketState, error) {
	states := map[string]bucketState{}
	for _, bucket := range s.Role.Buckets {
		state, err := bucketStateOf(ctx, c, s.Region.AWS, bucket.Name)
		if err != nil {
			return nil, err
		}
		states[bucket.Name] = state
	}
	return states, nil
}

// bucketStateOf: a bucket that is gone counts as never versioned. What passes by itself is an error. Who may not read a
// bucket, or is sent to another region, has to know whether it is ours before anything is granted on it.
func bucketStateOf(ctx context.Context, c guard.Clients, region, bucket string) (bucketState, error) {
	got, err := versioningOf(ctx, c, region, bucket)
	switch class := awserr.Classify(err); {
	case err == nil:
		return bucketState{Versioning: got.Status}, nil
	case class == awserr.Gone:
		return bucketState{}, nil
	case class == awserr.Transient:
		return bucketState{}, err
	}
	state := bucketState{Unreadable: awserr.Brief(err)}
	own, listErr := ownsBucket(ctx, c, region, bucket)
	switch {
	case awserr.Classify(listErr) == awserr.Transient && listErr != nil:
		return bucketState{}, listErr
	case listErr == nil && !own:
		return bucketState{Foreign: true}, nil
	}
	state.Ours = listErr == nil
	return state, nil
}

func policyVersionOf(ctx context.Context, c guard.Clients, s icaconfig.Storage, id string) (policyVersion, error) {
	out, err := iamClient(c).GetPolicyVersion(ctx, &iam.GetPolicyVersionInput{PolicyArn: &s.Role.Policy.ARN, VersionId: &id})
	if err != nil {
		return policyVersion{}, fmt.Errorf("get version %s of policy %s: %w", id, s.Role.Policy.Name, err)
	}
	version, err := element(out.PolicyVersion, "get version "+id+" of policy "+s.Role.Policy.Name)
	if err != nil {
		return policyVersion{}, err
	}
	return policyVersion{ID: id, Document: newDocument(version.Document)}, nil
}

// otherVersions reads all versions but the default one, oldest first.
func otherVersions(ctx context.Context, c guard.Clients, s icaconfig.Storage, except string) ([]policyVersion, error) {
	out, err := iamClient(c).ListPolicyVersions(ctx, &iam.ListPolicyVersionsInput{PolicyArn: &s.Role.Policy.ARN})
	if err != nil {
		return nil, fmt.Errorf("list versions of policy %s: %w", s.Role.Policy.Name, err)
	}
	var versions []policyVersion
	for _, listed := range out.Versions {
		if aws.ToString(listed.VersionId) == except {
			continue
		}
		version, err := policyVersionOf(ctx, c, s, aws.ToString(listed.VersionId))
		if err != nil {
			return nil, err
		}
		versions = append(versions, version)
	}
	slices.SortFunc(versions, func(a, b policyVersion) int { return a.number() - b.number() })
	return versions, nil
}

// number of a version id: "v12" is the twelfth that was made.
func (v policyVersion) number() int {
	n, err := strconv.Atoi(strings.TrimPrefix(v.ID, "v"))
	if err != nil {
		return 0
	}
	return n
}

// wantPolicy is the document for the buckets as they are now. A stranger's bucket is left out, as ICA would write the lab's
// data into it; so is one of which nobody knows whose it is, unless the present policy names it. One that cannot be read
// keeps the variant that the present policy has for it, else gets the narrower one.
func wantPolicy(s icaconfig.Storage, got managedPolicy) policy.Document {
	role := *s.Role
	role.Buckets = slices.DeleteFunc(slices.Clone(role.Buckets), func(b *icaconfig.Bucket) bool {
		state := got.Buckets[b.Name]
		return state.Foreign || state.Unreadable != "" && !state.Ours && !got.names(b)
	})
	return role.PermissionPolicy(func(b *icaconfig.Bucket) bool {
		if got.Buckets[b.Name].Unreadable != "" {
			return b.Versioning == icaconfig.VersioningEnabled || got.grantsVersions(role, b)
		}
		return needsVersioned(b, got.Buckets[b.Name].Versioning)
	})
}

// present are the statements of the default version, without what does nothing for a role.
func (m managedPolicy) present() []policy.Statement {
	if len(m.Versions) == 0 {
		return nil
	}
	accepted, _ := withoutIdleActions(m.Versions[0].Document)
	parsed, err := accepted.parse()
	if err != nil {
		return nil
	}
	return parsed.Statements()
}

// names reports whether a statement of the present policy names the bucket.
func (m managedPolicy) names(b *icaconfig.Bucket) bool {
	return slices.ContainsFunc(m.present(), func(s policy.Statement) bool { return slices.Contains(s.Resource, b.ARN) })
}

// grantsVersions reports whether the present policy has the versioned variant for a bucket: for it and for its objects.
func (m managedPolicy) grantsVersions(role icaconfig.Role, b *icaconfig.Bucket) bool {
	role.Buckets = []*icaconfig.Bucket{b}
	needed := role.PermissionPolicy(func(*icaconfig.Bucket) bool { return true }).Statements()
	for _, need := range needed[:min(2, len(needed))] {
		if !slices.ContainsFunc(m.present(), func(have policy.Statement) bool { return policy.Same(have, need) }) {
			return false
		}
	}
	return true
}

// needsVersioned says which variant ICA needs. A suspended bucket still holds versions, so it needs the versioned one;
// under "never" an enabled bucket is an alert of bucket-versioning, and nothing is widened for it.
func needsVersioned(b *icaconfig.Bucket, status types.BucketVersioningStatus) bool {
	switch b.Versioning {
	case icaconfig.VersioningEnabled:
		return true
	case icaconfig.VersioningNever:
		return status == types.BucketVersioningStatusSuspended
	case icaconfig.VersioningAuto:
	}
	return status != ""
}

func comparePolicy(s icaconfig.Storage, got managedPolicy) guard.Comparison {
	c := got.notes(s)
	switch {
	case got.foreign() > 0 && len(s.Role.Own.Statements()) > 0:
		return c.And(guard.Alert("the policy of ica.yaml grants rights on a bucket that belongs to another account",
			"detach the permission policy from role "+s.Role.Name+", or take the bucket out of documents.permissionPolicy and deploy"))
	case len(wantPolicy(s, got).Statements()) == 0:
		return c.And(guard.Alert("no bucket of the policy is known to be of this account: no policy is right",
			"detach the permission policy from role "+s.Role.Name+" until the storages have other buckets"))
	case len(got.Versions) == 0:
		c.Diffs = []guard.Diff{{Path: "policy " + s.Role.Policy.Name, Expected: "exists", Found: "does not exist"}}
		return c
	}
	return c.And(compareDefault(s, got))
}

// compareDefault compares the default version.
func compareDefault(s icaconfig.Storage, got managedPolicy) guard.Comparison {
	current := got.Versions[0].Document
	var c guard.Comparison
	if s.Role.Existing {
		if accepted, extra := withoutIdleActions(current); len(extra) > 0 {
			current = accepted
			c = guard.Note("the policy also holds "+strings.Join(extra, ", ")+", which does nothing for a role",
				"nothing; remove it when convenient")
		}
	}
	want := wantPolicy(s, got)
	if c.Alerts = foreignDenies(want, current); len(c.Alerts) > 0 {
		return c.And(besidesDenies(want, current))
	}
	c.Diffs = diffDocument(want, current)
	if len(c.Diffs) == 0 || !s.Role.Existing || !got.UsedByOthers {
		return c
	}
	what := fmt.Sprintf("policy %s is not as ICA needs it (%s), but others have it too, who would lose what they have",
		s.Role.Policy.Name, c.Diffs[0].Path)
	c.Diffs = nil
	return c.And(guard.Alert(what, "give ICA's role a policy of its own: write another role.policyName into ica.yaml, "+
		"attach that one, detach this one"))
}

// foreign is how many of the buckets belong to another account.
func (m managedPolicy) foreign() int {
	n := 0
	for _, state := range m.Buckets {
		if state.Foreign {
			n++
		}
	}
	return n
}

// notes say where the policy does not follow a bucket.
func (m managedPolicy) notes(s icaconfig.Storage) guard.Comparison {
	var c guard.Comparison
	for _, b := range s.Role.Buckets {
		switch state := m.Buckets[b.Name]; {
		case state.Foreign:
			c = c.And(
				guard.Note("bucket "+b.Name+" belongs to another account: the policy grants nothing on it", "setting bucket says what to do"),
			)
		case state.Unreadable != "" && b.Versioning != icaconfig.VersioningEnabled:
			c = c.And(
				guard.Note("the versioning of bucket "+b.Name+" cannot be read, so the policy keeps the variant that it has for it: "+
					policy.Mask(state.Unreadable), "let icaguard's roles read the bucket's versioning"),
			)
		}
	}
	return c
}

// putPolicy sets a present equal version as default before it makes a new one, so that two invocations at once do not
// use up the versions.
func putPolicy(ctx context.Context, c guard.Clients, s icaconfig.Storage, got managedPolicy) error {
	want := wantPolicy(s, got)
	if len(got.Versions) == 0 {
		_, err := iamClient(c).CreatePolicy(
			ctx, &iam.CreatePolicyInput{PolicyName: &s.Role.Policy.Name, PolicyDocument: aws.String(want.JSON())},
		)
		return wrapPolicy("create", s, err)
	}
	others := got.Versions[1:]
	equal := slices.IndexFunc(others, func(v policyVersion) bool { return v.equals(want) })
	if equal >= 0 {
		_, err := iamClient(c).SetDefaultPolicyVersion(ctx, &iam.SetDefaultPolicyVersionInput{
			PolicyArn: &s.Role.Policy.ARN, VersionId: &others[equal].ID,
		})
		return wrapPolicy("set default version of", s, err)
	}
	if len(got.Versions) >= maxPolicyVersions {
		_, err := iamClient(c).DeletePolicyVersion(
			ctx, &iam.DeletePolicyVersionInput{PolicyArn: &s.Role.Policy.ARN, VersionId: &others[0].ID},
		)
		if err != nil && awserr.Classify(err) != awserr.Gone {
			return wrapPolicy("delete version "+others[0].ID+" of", s, err)
		}
	}
	_, err := iamClient(c).CreatePolicyVersion(ctx, &iam.CreatePolicyVersionInput{
		PolicyArn: &s.Role.Policy.ARN, PolicyDocument: aws.String(want.JSON()), SetAsDefault: true,
	})
	if awserr.IsLimit(err) {
		// There was room: another invocation has made a version since.
		err = awserr.Passing(err)
	}
	return wrapPolicy("create version of", s, err)
}

func wrapPolicy(act string, s icaconfig.Storage, err error) error {
	if err != nil {
		return fmt.Errorf("%s policy %s: %w", act, s.Role.Policy.Name, err)
	}
	return nil
}

// withoutIdleActions takes out of an adopted policy what Illumina's pages print and a role cannot use:
// s3:ListObjectVersions is no IAM action, and a role's session cannot call sts:GetFederationToken. Labs have both; to
// remove them would be a fight about nothing.
func withoutIdleActions(d document) (rest document, idle []string) {
	present, err := d.parse()
	if err != nil {
		return d, nil
	}
	kept, idle := present.WithoutActions("s3:ListObjectVersions", "sts:GetFederationToken")
	return document(kept.JSON()), idle
}
