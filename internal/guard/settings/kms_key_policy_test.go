package settings

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
)

// keyPolicyCase is a policyCase for the key.
type keyPolicyCase struct {
	name, lines   string
	watched       bool // kms.restore is false
	want          guard.Status
	before, after func(*env) string
	says          []string
	notShown      string
}

func (c keyPolicyCase) testCase() testCase {
	v := restorable()
	if c.watched {
		v.storage = ""
	}
	v.bucket = c.lines
	return testCase{
		setting: "kms-key-policy", name: c.name, variant: v, want: c.want, notShown: c.notShown,
		breakIt: func(w *env) { w.putKeyPolicy(c.before(w)) },
		check: func(w *env, o guard.Outcome) {
			want := c.after
			if want == nil {
				want = c.before
			}
			w.expectKeyPolicy(want(w))
			expectTold(w.t, o, c.says...)
		},
	}
}

// A lab's own statements: the usual one for the account's root, and one for who administers the key.
const (
	rootStatement  = `{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"kms:*","Resource":"*"}`
	adminStatement = `{ "Sid":"Admins", "Effect":"Allow","Principal":{"AWS":"arn:aws:iam::210987654321:role/KeyAdmin"},"Action":["kms:*"],"Resource":"*"}`
)

func kmsKeyPolicyCases() []testCase {
	var all []testCase
	for _, c := range append(keyUseCases(), keyDenyCases()...) {
		all = append(all, c.testCase())
	}
	return append(all, []testCase{
		{
			setting: "kms-key-policy",
			name:    "our principal turned into the id of a role that was deleted and recreated",
			variant: restorable(),
			want:    guard.Restored,
			breakIt: func(w *env) {
				w.putKeyPolicy(policyText(adminStatement, w.roleStatement()))
				w.deleteRole()
				w.handle(guard.Request{Setting: "role"})
				if strings.Contains(w.keyPolicy(), w.storage.Role.ARN) {
					w.t.Error("the principal did not turn into its id")
				}
				w.requeued = nil
			},
			check: func(w *env, _ guard.Outcome) {
				if got := w.keyPolicy(); !strings.Contains(got, `"Sid":"Admins"`) || !strings.Contains(got, w.roleStatement()) {
					w.t.Errorf("key policy %s", got)
				}
			},
		},
		{
			setting: "kms-key-policy", name: "a foreign statement names a deleted principal", variant: restorable(), want: withNotes,
			breakIt: func(w *env) { w.putKeyPolicy(policyText(w.orphaned(), rootStatement)); w.deleteLabRole() },
			check:   func(w *env, o guard.Outcome) { expectTold(w.t, o, "statement 1 (Sid Orphan) names AROA") },
		},
		{
			setting: "kms-key-policy", name: "a previous key, without the root statement", variant: variant{previous: true},
			want: guard.ActionRequired, breakIt: func(w *env) { w.putKeyPolicy(policyText(adminStatement)) },
			check: func(w *env, o guard.Outcome) {
				expectTold(w.t, o, "not icaguard's to change", `"Sid":"IcaRoleDecrypt"`, `"Action":"kms:Decrypt"`)
				if said := fmt.Sprint(o.Alerts); strings.Contains(said, "kms:Encrypt") || strings.Contains(said, "restore: true") {
					w.t.Errorf("a previous key is for decrypting, and not icaguard's to restore: %s", said)
				}
			},
			notShown: "that AWS then denies the guard to read it",
		},
		{
			setting: "kms-key-policy", name: "a previous key that the account may only decrypt with", variant: variant{previous: true},
			want: guard.InSync, check: func(*env, guard.Outcome) {},
			breakIt: func(w *env) { w.putKeyPolicy(policyText(strings.Replace(rootStatement, "kms:*", "kms:Decrypt", 1))) },
		},
		{
			setting: "kms-key-policy", name: "a previous key with our statement from before", variant: variant{previous: true},
			want: guard.InSync, check: func(*env, guard.Outcome) {},
			breakIt: func(w *env) {
				before := w.storage
				before.Key = &icaconfig.Key{Roles: []string{w.storage.Role.ARN}}
				w.putKeyPolicy(policyText(adminStatement, text(before.KeyRoleStatements()[0])))
			},
		},
		{
			setting: "kms-key-policy", name: "a Deny of decrypting with a previous key", variant: variant{previous: true},
			want:    guard.ActionRequired,
			check:   func(w *env, o guard.Outcome) { expectTold(w.t, o, "ICA's role: statement 2 (Sid Lockdown)") },
			breakIt: func(w *env) { w.putKeyPolicy(policyText(rootStatement, lockdown("kms:Decrypt", `"*"`, ""))) },
		},
		{
			setting: "kms-key-policy", name: "a Deny of encrypting with a previous key", variant: variant{previous: true},
			want: guard.InSync, check: func(*env, guard.Outcome) {},
			breakIt: func(w *env) { w.putKeyPolicy(policyText(rootStatement, lockdown("kms:GenerateDataKey*", `"*"`, ""))) },
		},
		{
			setting: "kms-key-policy", name: "a key of another account", variant: restorable(), want: withNotes,
			breakIt:  func(w *env) { w.nameKey(strings.Replace(w.storage.Key.ARN, "123456789012", "210987654321", 1)) },
			check:    func(w *env, o guard.Outcome) { expectTold(w.t, o, "cannot be read from here", w.roleStatement()) },
			notShown: "the other account",
		},
	}...)
}

func keyUseCases() []keyPolicyCase {
	of := func(statements ...string) func(*env) string {
		return func(*env) string { return policyText(statements...) }
	}
	withRole := func(statements ...string) func(*env) string {
		return func(w *env) string { return policyText(append(statements, w.roleStatement())...) }
	}
	edited := func(replacements ...string) func(*env) string {
		return func(w *env) string {
			return policyText(strings.NewReplacer(replacements...).Replace(w.roleStatement()), adminStatement)
		}
	}
	conditional := strings.Replace(
		rootStatement, `"Effect"`, `"Condition":{"StringEquals":{"kms:ViaService":"ec2.us-east-1.amazonaws.com"}},"Effect"`, 1,
	)
	byAccountID := strings.Replace(rootStatement, "arn:aws:iam::123456789012:root", "123456789012", 1)
	const copies = "crossAccountCopy: true"
	const denied = "that AWS then denies the guard to read it"
	return []keyPolicyCase{
		{
			name:     "without the root statement",
			want:     guard.Restored,
			before:   of(adminStatement),
			after:    withRole(adminStatement),
			notShown: denied,
		},
		{
			name:     "the root statement has a condition",
			want:     guard.Restored,
			before:   of(conditional),
			after:    withRole(conditional),
			notShown: denied,
		},
		{
			name:     "the root statement is narrowed",
			want:     guard.Restored,
			before:   of(strings.Replace(rootStatement, "kms:*", "kms:Decrypt", 1)),
			after:    withRole(strings.Replace(rootStatement, "kms:*", "kms:Decrypt", 1)),
			notShown: denied,
		},
		{
			name:     "the root statement is another account's",
			want:     guard.Restored,
			before:   of(strings.Replace(rootStatement, "123456789012", "210987654321", 1)),
			after:    withRole(strings.Replace(rootStatement, "123456789012", "210987654321", 1)),
			notShown: denied,
		},
		{
			name: "the root statement in two", want: guard.InSync, before: of(
				strings.Replace(rootStatement, `"kms:*"`, `["kms:Describe*","kms:Put*","kms:Get*","kms:List*","kms:Decrypt"]`, 1),
				strings.NewReplacer(`"Enable`, `"Also enable`, `"kms:*"`, `["kms:Encrypt","kms:GenerateDataKey*"]`).Replace(rootStatement),
			),
		},
		{name: "the root statement with an empty condition", want: guard.InSync, before: of(
			strings.Replace(rootStatement, `"Effect"`, `"Condition":{},"Effect"`, 1),
		)},
		{name: "the root statement by account id", want: guard.InSync, before: of(byAccountID)},
		{name: "the role is named by a lab's own statement", want: guard.InSync, before: func(w *env) string {
			return policyText(
				adminStatement,
				strings.NewReplacer(
					`"Sid":"IcaRole"`, `"Sid":"Lab"`, `"kms:Encrypt"`, `"kms:Encrypt","kms:DescribeKey"`,
				).Replace(w.roleStatement()),
			)
		}},
		{name: "our statement lacks an action", want: guard.Restored, before: edited(`,"kms:GenerateDataKey"`, ""), after: edited()},
		{
			name: "our statement beside the root statement lacks an action", want: guard.Restored,
			before: func(w *env) string {
				return policyText(rootStatement, strings.Replace(w.roleStatement(), `,"kms:GenerateDataKey"`, "", 1))
			},
			after: withRole(rootStatement),
		},
		{name: "our statement is widened", want: guard.Restored, before: edited(`"kms:GenerateDataKey"`, `"kms:*"`), after: edited()},
		{
			name:   "our statement names another account",
			want:   guard.Restored,
			before: edited("123456789012", "210987654321"),
			after:  edited(),
		},
		{name: "a foreign statement is added", want: guard.InSync, before: of(rootStatement, adminStatement)},
		{
			name:   "the cross-account statement is missing",
			lines:  copies,
			want:   guard.Restored,
			before: of(adminStatement, rootStatement),
			after: func(w *env) string {
				return policyText(adminStatement, rootStatement, text(w.storage.KeyStatements()[0]))
			},
		},
		{
			name: "the cross-account statement lacks an action", lines: copies, want: guard.Restored,
			before: func(w *env) string {
				return policyText(strings.Replace(text(w.storage.KeyStatements()[0]), `,"kms:GenerateDataKey"`, "", 1), rootStatement)
			},
			after: func(w *env) string { return policyText(text(w.storage.KeyStatements()[0]), rootStatement) },
		},
		{
			name: "not ours to restore", watched: true, want: guard.ActionRequired, before: of(adminStatement),
			says: []string{"not icaguard's to change", `"Sid":"IcaRole"`, "kms: {restore: true}"}, notShown: denied,
		},
		{
			name:   "not to be read as a policy",
			want:   guard.ActionRequired,
			before: of(strings.Replace(rootStatement, `"Sid"`, `"Planet":"x","Sid"`, 1)),
			says:   []string{"Planet"},
		},
		{
			name: "no room for ours", want: guard.ActionRequired, says: []string{"AWS takes 32768"},
			before: of(strings.Replace(adminStatement, `"Admins"`, `"`+strings.Repeat("x", maxKeyPolicy-300)+`"`, 1)), notShown: denied,
		},
	}
}

func keyDenyCases() []keyPolicyCase {
	denyKey := func(conditions string) string { return lockdown("kms:*", `"*"`, conditions) }
	deny := func(conditions string) func(*env) string {
		return func(*env) string { return policyText(rootStatement, denyKey(conditions)) }
	}
	return []keyPolicyCase{
		{
			name: "a Deny hits everyone", want: guard.ActionRequired, before: deny(""), notShown: "that AWS then denies the guard, too",
			says: []string{"ICA's role: statement 2 (Sid Lockdown) denies", "icaguard-remediate: ", `"ArnNotLike"`},
		},
		{name: "a Deny spares ICA's role by its id", want: guard.InSync, before: func(w *env) string {
			return deny(
				`"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/icaguard-*"},"StringNotLike":{"aws:userId":"` +
					w.roleID() + `:*"}`,
			)(
				w,
			)
		}},
		{
			name: "a Deny hits copies between accounts", lines: "crossAccountCopy: true", want: guard.ActionRequired,
			before: func(w *env) string {
				return policyText(
					rootStatement, text(w.storage.KeyStatements()[0]), denyKey(`"StringNotEquals":{"aws:PrincipalAccount":"123456789012"}`),
				)
			},
			says: []string{"ICA's copies between accounts: statement 3"},
		},
		{name: "a Deny spares the organization", want: guard.InSync, before: func(w *env) string {
			return deny(w.membersOnly(w.organization()))(w)
		}},
		{name: "a Deny of deleting the key", want: guard.InSync, before: func(*env) string {
			return policyText(rootStatement, strings.Replace(denyKey(""), "kms:*", "kms:ScheduleKeyDeletion", 1))
		}},
	}
}

func (w *env) roleStatement() string { return text(w.storage.KeyRoleStatements()[0]) }

func (w *env) putKeyPolicy(text string) {
	w.t.Helper()
	w.must(
		w.kms.PutKeyPolicy(
			w.t.Context(), &kms.PutKeyPolicyInput{KeyId: &w.storage.Key.ARN, PolicyName: aws.String(keyPolicyName), Policy: &text},
		),
	)
}

func (w *env) keyPolicy() string {
	w.t.Helper()
	out, err := w.kms.GetKeyPolicy(
		w.t.Context(), &kms.GetKeyPolicyInput{KeyId: &w.storage.Key.ARN, PolicyName: aws.String(keyPolicyName)},
	)
	w.must(out, err)
	return aws.ToString(out.Policy)
}

func (w *env) expectKeyPolicy(want string) {
	w.t.Helper()
	if got := w.keyPolicy(); got != want {
		w.t.Errorf("key policy\n%s\nwant\n%s", got, want)
	}
}

// TestKeyPolicyDenied: KMS denies everyone whom the key policy does not name where it has no root statement.
func TestKeyPolicyDenied(t *testing.T) {
	w := newEnv(t, newFixture(t), restorable())
	defer w.local.Recorder().Inject(localaws.Fault{Operation: "GetKeyPolicy", AccessKeyID: w.key, Kind: localaws.Denied})()
	o := w.reconcile("kms-key-policy")
	expectStatus(t, o, guard.Unknown)
	if !strings.Contains(o.Problem, "no statement for the account's root") {
		t.Errorf("problem %q", o.Problem)
	}
}

// TestSharedKeyIsUsedByAllRoles: a Deny of any role that uses the key is told.
func TestSharedKeyIsUsedByAllRoles(t *testing.T) {
	const other = "arn:aws:iam::123456789012:role/Other"
	s := storage("lab", "bucket", "Role")
	s.Key = &icaconfig.Key{ARN: "arn:aws:kms:us-east-1:123456789012:key/k", Roles: []string{s.Role.ARN, other}}
	deny := `{"Effect":"Deny","Principal":{"AWS":"` + other + `"},"Action":"kms:Decrypt","Resource":"*"}`
	v := compareKeyPolicy(s, keyPolicyState{Document: document(policyText(rootStatement, deny))})
	if len(v.Alerts) != 1 || !strings.Contains(v.Alerts[0].What, other) {
		t.Errorf("%+v", v)
	}
}

// TestCopiesFromAPreviousKey: Illumina's role needs to decrypt, which the statement from before is enough for.
func TestCopiesFromAPreviousKey(t *testing.T) {
	s := storage("lab", "bucket", "Role")
	s.CrossAccount = "arn:aws:iam::079623148045:role/ica_use1_crossacct"
	s.Key = &icaconfig.Key{
		ARN: "arn:aws:kms:us-east-1:123456789012:key/k", Readers: []string{s.Role.ARN}, CrossAccountRead: true,
	}
	before := s
	before.Key = &icaconfig.Key{CrossAccountCopy: true}
	full := text(before.KeyStatements()[0])
	v := compareKeyPolicy(s, keyPolicyState{Document: document(policyText(rootStatement, full))})
	if len(v.Alerts)+len(v.Diffs)+len(v.Notes) > 0 {
		t.Errorf("the statement from before: %+v", v)
	}
	v = compareKeyPolicy(s, keyPolicyState{Document: document(policyText(rootStatement))})
	if len(v.Alerts) != 1 || !strings.Contains(v.Alerts[0].Remediation, `"Sid":"IcaCrossAccountDecrypt"`) {
		t.Errorf("no statement: %+v", v)
	}
}
