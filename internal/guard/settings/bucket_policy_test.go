package settings

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
)

const lockedOut = "that AWS then denies the guard, too (TestLockedOutOfTheBucket)"

// policyCase breaks a bucket policy: before is put by a stranger, after is expected once the guard checked.
type policyCase struct {
	name     string
	lines    string // of the bucket in ica.yaml
	want     guard.Status
	before   func(*env) string
	after    func(*env) string // nil: as before
	says     []string          // stands in what people are told
	notShown string
}

func (c policyCase) testCase() testCase {
	return testCase{
		setting: "bucket-policy", name: c.name, variant: variant{bucket: c.lines}, want: c.want, notShown: c.notShown,
		breakIt: func(w *env) { w.putBucketPolicy(c.before(w)) },
		check: func(w *env, o guard.Outcome) {
			want := c.after
			if want == nil {
				want = c.before
			}
			w.expectBucketPolicy(want(w))
			expectTold(w.t, o, c.says...)
		},
	}
}

func bucketPolicyCases() []testCase {
	all := []testCase{
		{setting: "bucket-policy", name: "deleted", want: guard.Restored, breakIt: (*env).deleteBucketPolicy},
		{
			setting: "bucket-policy",
			name:    "deleted, nothing of ours asked for",
			variant: variant{bucket: "requireTLS: false"},
			want:    guard.InSync,
			breakIt: func(w *env) { w.putBucketPolicy(policyText(w.foreignStatement())); w.deleteBucketPolicy() },
			check:   func(w *env, _ guard.Outcome) { w.expectBucketPolicy("") },
		},
		{
			setting: "bucket-policy", name: "versioning enabled", variant: variant{bucket: "crossAccountCopy: true"}, want: guard.Restored,
			breakIt: func(w *env) { w.setVersioning(types.BucketVersioningStatusEnabled) },
			check: func(w *env, _ guard.Outcome) {
				w.expectBucketPolicy(policyText(w.tlsOnly(), w.crossAccount(true)))
			},
		},
		{
			setting: "bucket-policy", name: "a foreign statement names a deleted principal", want: withNotes,
			breakIt: func(w *env) { w.putBucketPolicy(policyText(w.orphaned(), w.tlsOnly())); w.deleteLabRole() },
			check: func(w *env, o guard.Outcome) {
				expectTold(w.t, o, "statement 1 (Sid Orphan) names AROA", "put the ARN")
				if !strings.Contains(w.bucketPolicy(), `"Sid":"Orphan"`) {
					w.t.Error("a statement of others is gone")
				}
			},
		},
	}
	for _, c := range append(append(tlsCases(), crossAccountCases()...), denyCases()...) {
		all = append(all, c.testCase())
	}
	return all
}

func tlsCases() []policyCase {
	edited := func(replacements ...string) func(*env) string {
		return func(w *env) string {
			return policyText(w.foreignStatement(), strings.NewReplacer(replacements...).Replace(w.tlsOnly()), w.foreignStatement())
		}
	}
	const condition = `,"Condition":{"Bool":{"aws:SecureTransport":"false"}}`
	return []policyCase{
		{
			name: "replaced by others", want: guard.Restored,
			before: func(w *env) string { return policyText(w.foreignStatement()) },
			after:  func(w *env) string { return policyText(w.foreignStatement(), w.tlsOnly()) },
		},
		{name: "ours denies those who use TLS", want: guard.Restored, before: edited(`"false"`, `"true"`), after: edited()},
		{name: "ours without its condition", want: guard.Restored, before: edited(condition, ""), after: edited()},
		{
			name:   "ours for objects only",
			want:   guard.Restored,
			before: edited(`"Resource":["arn:aws:s3:::`, `"Resource":["arn:aws:s3:::x`),
			after:  edited(),
		},
		{
			name:   "ours allows",
			want:   guard.Restored,
			before: edited(`"Deny"`, `"Allow"`, `"*"`, `{"AWS":"210987654321"}`, condition, ""),
			after:  edited(),
		},
		{
			name: "ours twice", want: guard.Restored,
			before: func(w *env) string { return policyText(w.tlsOnly(), w.foreignStatement(), w.tlsOnly()) },
			after:  func(w *env) string { return policyText(w.tlsOnly(), w.foreignStatement()) },
		},
		{name: "a look-alike of ours, other order and spelling", want: guard.InSync, before: func(w *env) string {
			return policyText(`{"Sid":"IcaguardRequireTLS","Resource":["` + w.storage.Bucket.ARN + `/*","` + w.storage.Bucket.ARN + `"],` +
				`"Action":["S3:*"],"Principal":"*","Effect":"Deny","Condition":{"Bool":{"AWS:securetransport":[false]}}}`)
		}},
		{name: "a lab's own statement does what ours does", want: guard.InSync, before: func(w *env) string {
			return policyText(w.foreignStatement(), strings.Replace(w.tlsOnly(), `"Sid":"IcaguardRequireTLS",`, "", 1))
		}},
		{name: "ours to {AWS: *}, in capitals, if it exists, twice", want: guard.InSync, before: edited(
			`"Principal":"*"`, `"Principal":{"AWS":["*"]}`, `"Bool"`, `"BoolIfExists"`, `"false"`, `["False",false]`,
		)},
		{name: "a lab's own statements to {AWS: *}, in two halves", want: guard.InSync, before: func(w *env) string {
			half := func(sid, resource string) string {
				return `{"Sid":"` + sid + `","Effect":"Deny","Principal":{"AWS":"*"},"Action":"s3:*","Resource":"` + resource +
					`","Condition":{"BoolIfExists":{"aws:SecureTransport":false}}}`
			}
			return policyText(half("One", w.storage.Bucket.ARN), half("Two", w.storage.Bucket.ARN+"/*"))
		}},
		{name: "a foreign statement is added", want: guard.InSync, before: edited()},
		{
			name: "an old version and an Id", want: guard.Restored,
			before: func(w *env) string {
				return `{"Version":"2008-10-17","Id":"lab","Statement":[` + w.foreignStatement() + `]}`
			},
			after: func(w *env) string {
				return `{"Version":"2008-10-17","Id":"lab","Statement":[` + w.foreignStatement() + `,` + w.tlsOnly() + `]}`
			},
		},
		{
			name: "not to be read as a policy", want: guard.ActionRequired, before: func(w *env) string {
				return policyText(strings.Replace(w.foreignStatement(), `"Sid"`, `"Planet":"x","Sid"`, 1))
			},
			says: []string{"cannot be read", "Planet", "by hand"}, notShown: "that AWS refuses most such policies",
		},
		{
			name: "no room for ours", want: guard.ActionRequired, says: []string{"AWS takes 20480", "no longer needed"},
			before: func(w *env) string {
				return policyText(strings.Replace(w.foreignStatement(), "shared", "shared/"+strings.Repeat("x", maxBucketPolicy-400), 1))
			},
		},
		{
			name: "ours although not asked for", lines: "requireTLS: false", want: withNotes,
			before: func(w *env) string { return policyText(w.crossAccount(false)) }, says: []string{"does not ask for it"},
		},
	}
}

func crossAccountCases() []policyCase {
	const lines = "crossAccountCopy: true\n      requireTLS: false"
	edited := func(replacements ...string) func(*env) string {
		return func(w *env) string {
			return policyText(strings.NewReplacer(replacements...).Replace(w.crossAccount(false)), w.foreignStatement())
		}
	}
	const principal = "arn:aws:iam::079623148045:role/ica_use1_crossacct"
	return []policyCase{
		{
			name: "the cross-account statement is gone", lines: lines, want: guard.Restored,
			before: func(w *env) string { return policyText(w.foreignStatement()) },
			after:  func(w *env) string { return policyText(w.foreignStatement(), w.crossAccount(false)) },
		},
		{
			name:   "the cross-account principal turned into its id",
			lines:  lines,
			want:   guard.Restored,
			before: edited(principal, "AROAEXAMPLECROSSACCT1"),
			after:  edited(),
		},
		{
			name:   "the cross-account principal is another",
			lines:  lines,
			want:   guard.Restored,
			before: edited("use1", "euc1"),
			after:  edited(),
		},
		{name: "an action is missing", lines: lines, want: guard.Restored, before: edited(`"s3:DeleteObject",`, ""), after: edited()},
		{name: "ours is widened", lines: lines, want: guard.Restored, before: edited(`"s3:DeleteObject"`, `"s3:*"`), after: edited()},
		{
			name:   "ours names another bucket",
			lines:  lines,
			want:   guard.Restored,
			before: edited("arn:aws:s3:::", "arn:aws:s3:::x"),
			after:  edited(),
		},
		{
			name:   "ours has a condition",
			lines:  lines,
			want:   guard.Restored,
			before: edited(`"Effect"`, `"Condition":{"Bool":{"aws:SecureTransport":"false"}},"Effect"`),
			after:  edited(),
		},
		{
			name:   "a lab's own statement grants the same and more",
			lines:  lines,
			want:   guard.InSync,
			before: edited("IcaCrossAccountCopy", "Lab", `"s3:GetObject"`, `"s3:GetObject*"`),
		},
		{
			name: "a lab's own statement grants less", lines: lines, want: guard.Restored,
			before: edited("IcaCrossAccountCopy", "Lab", `"s3:DeleteObject",`, ""),
			after: func(w *env) string {
				return strings.TrimSuffix(
					edited("IcaCrossAccountCopy", "Lab", `"s3:DeleteObject",`, "")(w), "]}",
				) + "," + w.crossAccount(false) + "]}"
			},
		},
		{
			name:   "a Deny under our name",
			lines:  lines,
			want:   guard.ActionRequired,
			says:   []string{"is a Deny", "give it another Sid or delete it"},
			before: edited(`"Allow"`, `"Deny"`),
		},
		{
			name:  "a Deny shadows ours",
			lines: lines,
			want:  guard.ActionRequired,
			says:  []string{"ICA's copies between accounts: statement 2", `"ArnNotLike"`},
			before: func(w *env) string {
				return policyText(w.crossAccount(false), w.denyAll(`"StringNotEquals":{"aws:PrincipalAccount":"123456789012"}`))
			},
		},
	}
}

func denyCases() []policyCase {
	deny := func(conditions ...string) func(*env) string {
		return func(w *env) string {
			return policyText(w.denyAll(strings.Join(conditions, ",")), w.foreignStatement())
		}
	}
	withTLS := func(before func(*env) string) func(*env) string {
		return func(w *env) string { return strings.TrimSuffix(before(w), "]}") + "," + w.tlsOnly() + "]}" }
	}
	const guards = `"arn:aws:iam::123456789012:role/icaguard-*"`
	sparing := func(w *env) string {
		return policyText(w.denyAll(`"ArnNotLike":{"aws:PrincipalArn":["`+w.storage.Role.ARN+`",`+guards+`]}`), w.tlsOnly())
	}
	byID := func(id func(*env) string) func(*env) string {
		return func(w *env) string {
			return policyText(
				w.denyAll(`"ArnNotLike":{"aws:PrincipalArn":`+guards+`},"StringNotLike":{"aws:userId":["`+id(w)+`:*"]}`), w.tlsOnly(),
			)
		}
	}
	hitsAll := []string{
		"ICA's role: statement 1 (Sid Lockdown) denies",
		"icaguard-remediate: statement 1",
		"icaguard-validate: ",
		`add "ArnNotLike"`,
	}
	return []policyCase{
		{name: "replaced by a Deny without exception", want: guard.ActionRequired, before: deny(), says: hitsAll, notShown: lockedOut},
		{
			name:     "a Deny that spares only ICA's role",
			want:     guard.ActionRequired,
			says:     []string{"icaguard-remediate: statement 1"},
			notShown: lockedOut,
			before: func(w *env) string {
				return policyText(w.denyAll(`"ArnNotLike":{"aws:PrincipalArn":"`+w.storage.Role.ARN+`"}`), w.tlsOnly())
			},
		},
		{
			name:     "a Deny that spares by NotPrincipal",
			want:     guard.ActionRequired,
			says:     []string{"nobody can name a role's sessions in advance", `"Principal": "*"`},
			notShown: lockedOut,
			before: func(w *env) string {
				return policyText(
					strings.Replace(w.denyAll(""), `"Principal":"*"`, `"NotPrincipal":{"AWS":["`+w.storage.Role.ARN+`","123456789012"]}`, 1),
					w.tlsOnly(),
				)
			},
		},
		{name: "a Deny that spares ICA and the guard", want: guard.InSync, before: sparing},
		{name: "a Deny that spares ICA's role by its id", want: guard.InSync, before: byID((*env).roleID)},
		{
			name:   "a Deny that spares the id of a role that was deleted",
			want:   guard.ActionRequired,
			says:   []string{"ICA's role: statement 1", "AROAEXAMPLEDELETED00"},
			before: byID(func(*env) string { return "AROAEXAMPLEDELETED00" }),
		},
		{
			name:   "a Deny of a network, which may hit",
			want:   guard.ActionRequired,
			says:   []string{"ICA's role: statement 1 (Sid Lockdown) may deny", "aws:SourceVpce"},
			before: deny(`"StringNotEquals":{"aws:SourceVpce":"vpce-1"}`),
			after:  withTLS(deny(`"StringNotEquals":{"aws:SourceVpce":"vpce-1"}`)),
		},
		{
			name: "members of the organization only", want: guard.InSync, before: func(w *env) string {
				return policyText(w.denyAll(w.membersOnly(w.organization())), w.tlsOnly())
			},
		},
		{
			name: "members of the organization only, and ica.yaml names another", want: guard.ActionRequired,
			says: []string{"ICA's role: statement 1 (Sid Lockdown) may deny", "aws:PrincipalOrgID", "so that it reads {"},
			before: func(w *env) string {
				id := w.organization()
				w.nameOrganization("o-anotherone")
				return policyText(w.denyAll(w.membersOnly(id)), w.tlsOnly())
			},
		},
		{
			name: "a Deny about another folder", want: guard.InSync, before: func(w *env) string {
				return policyText(strings.NewReplacer(`"`+w.storage.Bucket.ARN+`",`, "", "/*", "/hr/*").Replace(w.denyAll("")), w.tlsOnly())
			},
		},
		{
			name: "a Deny of what ICA does not do", want: guard.InSync, before: func(w *env) string {
				return policyText(strings.Replace(w.denyAll(""), `"s3:*"`, `"s3:DeleteBucket"`, 1), w.tlsOnly())
			},
		},
	}
}

func policyText(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

// foreignStatement is a lab's own, spelt as nothing of ours is.
func (w *env) foreignStatement() string {
	return `{ "Sid":"Shared", "Effect" : "Allow","Principal":{"AWS":["arn:aws:iam::210987654321:root"]},"Action":["s3:getObject"], "Resource":"` +
		w.storage.Bucket.ARN + `/shared/*"}`
}

func (w *env) tlsOnly() string {
	s := w.storage
	bucket := *s.Bucket
	bucket.RequireTLS, bucket.CrossAccountCopy = true, false
	s.Bucket = &bucket
	return text(s.BucketStatements(false)[0])
}

func (w *env) crossAccount(versioned bool) string {
	s := w.storage
	bucket := *s.Bucket
	bucket.RequireTLS, bucket.CrossAccountCopy = false, true
	s.Bucket = &bucket
	return text(s.BucketStatements(versioned)[0])
}

// denyAll is a Deny of everything to everyone, or under the conditions only.
func (w *env) denyAll(conditions string) string {
	return lockdown("s3:*", `["`+w.storage.Bucket.ARN+`","`+w.storage.Bucket.ARN+`/*"]`, conditions)
}

func lockdown(action, resource, conditions string) string {
	if conditions != "" {
		conditions = `,"Condition":{` + conditions + `}`
	}
	return `{"Sid":"Lockdown","Effect":"Deny","Principal":"*","Action":"` + action + `","Resource":` + resource + conditions + `}`
}

// labRole is a role of the lab's own, whose ARN it returns.
func (w *env) labRole() string {
	w.t.Helper()
	out, err := w.iam.CreateRole(w.t.Context(), &iam.CreateRoleInput{
		RoleName: aws.String("Lab-" + w.storage.Name),
		AssumeRolePolicyDocument: aws.String(
			policyText(`{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`),
		),
	})
	w.must(out, err)
	return aws.ToString(out.Role.Arn)
}

func (w *env) deleteLabRole() {
	w.t.Helper()
	w.must(w.iam.DeleteRole(w.t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("Lab-" + w.storage.Name)}))
}

// orphaned is a foreign statement about a role that deleteLabRole deletes.
func (w *env) orphaned() string {
	return `{"Sid":"Orphan","Effect":"Allow","Principal":{"AWS":"` + w.labRole() + `"},"Action":"s3:GetObject","Resource":"` +
		w.storage.Bucket.ARN + `/*"}`
}

func (w *env) roleID() string {
	w.t.Helper()
	out, err := w.iam.GetRole(w.t.Context(), &iam.GetRoleInput{RoleName: &w.storage.Role.Name})
	w.must(out, err)
	return aws.ToString(out.Role.RoleId)
}

func (w *env) putBucketPolicy(text string) {
	w.t.Helper()
	w.must(w.s3.PutBucketPolicy(w.t.Context(), &s3.PutBucketPolicyInput{Bucket: &w.storage.Bucket.Name, Policy: &text}))
}

func (w *env) deleteBucketPolicy() {
	w.t.Helper()
	w.must(w.s3.DeleteBucketPolicy(w.t.Context(), &s3.DeleteBucketPolicyInput{Bucket: &w.storage.Bucket.Name}))
}

func (w *env) bucketPolicy() string {
	w.t.Helper()
	out, err := w.s3.GetBucketPolicy(w.t.Context(), &s3.GetBucketPolicyInput{Bucket: &w.storage.Bucket.Name})
	if awserr.IsAbsent(err) {
		return ""
	}
	w.must(out, err)
	return aws.ToString(out.Policy)
}

func (w *env) expectBucketPolicy(want string) {
	w.t.Helper()
	if got := w.bucketPolicy(); got != want {
		w.t.Errorf("bucket policy\n%s\nwant\n%s", got, want)
	}
}

// expectTold expects texts in what people are told that no restore restores, each with advice.
func expectTold(t *testing.T, o guard.Outcome, texts ...string) {
	t.Helper()
	var all []string
	for _, f := range append(o.Alerts, o.Notes...) {
		all = append(all, f.What+" → "+f.Remediation)
		if f.Remediation == "" {
			t.Errorf("without advice: %s", f.What)
		}
	}
	told := strings.Join(all, "\n")
	for _, text := range texts {
		if !strings.Contains(told, text) {
			t.Errorf("people are not told %q, only\n%s", text, told)
		}
	}
}

// TestOrphanInTheWay: AWS refuses to save a policy with a deleted principal in it, so ours cannot be restored.
func TestOrphanInTheWay(t *testing.T) {
	w := newEnv(t, newFixture(t), variant{})
	w.putBucketPolicy(policyText(w.orphaned()))
	w.deleteLabRole()
	broken := w.bucketPolicy()
	o := w.reconcile("bucket-policy")
	expectStatus(t, o, guard.RestoreFailed)
	expectTold(t, o, "statement 1 (Sid Orphan) names AROA", "by icaguard too")
	w.expectBucketPolicy(broken)
	if len(o.Alerts) != 1 || len(w.requeued) != 1 {
		t.Errorf(
			"%d alerts, %d requests, want 1 of each: a new principal is not known everywhere at once", len(o.Alerts), len(w.requeued),
		)
	}
}

// TestPublicStatementInTheWay: S3 saves no policy that makes the bucket public while its public access block is on.
func TestPublicStatementInTheWay(t *testing.T) {
	w := newEnv(t, newFixture(t), variant{})
	block := func(on bool) {
		w.must(w.s3.PutPublicAccessBlock(t.Context(), &s3.PutPublicAccessBlockInput{
			Bucket: &w.storage.Bucket.Name, PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{BlockPublicPolicy: &on},
		}))
	}
	block(false)
	public := policyText(
		`{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"` + w.storage.Bucket.ARN + `/public/*"}`,
	)
	w.putBucketPolicy(public)
	block(true)
	o := w.reconcile("bucket-policy")
	expectStatus(t, o, guard.RestoreFailed)
	if !strings.Contains(o.Problem, "makes the bucket public") {
		t.Errorf("problem %q", o.Problem)
	}
	w.expectBucketPolicy(public)
}

// TestLockedOutOfTheBucket: a policy that denies the guard to read it is told with the way back.
func TestLockedOutOfTheBucket(t *testing.T) {
	w := newEnv(t, newFixture(t), variant{})
	defer w.local.Recorder().Inject(localaws.Fault{Operation: "GetBucketPolicy", AccessKeyID: w.key, Kind: localaws.ExplicitDeny})()
	o := w.reconcile("bucket-policy")
	expectStatus(t, o, guard.ActionRequired)
	for _, way := range []string{"root user", "S3UnlockBucketPolicy"} {
		if !strings.Contains(o.Problem, way) {
			t.Errorf("%q does not tell of the %s", o.Problem, way)
		}
	}
}

// TestNoPutWithoutNeed: power is granted where it is used only.
func TestNoPutWithoutNeed(t *testing.T) {
	for want, bucket := range map[bool]*icaconfig.Bucket{false: {}, true: {RequireTLS: true}} {
		s := icaconfig.Storage{Bucket: bucket}
		if got := bucketPolicy().Writes[0].If(s); got != want {
			t.Errorf("%+v: s3:PutBucketPolicy %v, want %v", bucket, got, want)
		}
	}
}
