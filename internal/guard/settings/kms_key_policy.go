package settings

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

const (
	// maxKeyPolicy is KMS's limit in bytes (https://docs.aws.amazon.com/kms/latest/APIReference/API_PutKeyPolicy.html).
	maxKeyPolicy = 32 * 1024
	// keyPolicyName is the only name that a key's policy can have (same source).
	keyPolicyName = "default"
)

// keyPolicyState is the key's policy. It is "" for a key of another account, which cannot be read from here.
type keyPolicyState struct {
	Document     document
	Role         roleFacts
	Organization string
}

func kmsKeyPolicy() guard.Setting {
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:    "kms-key-policy",
			Title: "The key policy lets ICA's role use the KMS key, or decrypt with it where it is a previous one",
			Effect: "reads and writes of encrypted objects: AccessDenied for kms:Decrypt or kms:GenerateDataKey, 403 for users; " +
				"copies between projects where the cross-account statement is missing",
			Remediation: func(s icaconfig.Storage) string {
				how := "icaguard render key-policy --storage " + s.Name
				if s.Key.Previous() {
					how = toPaste(slices.Concat(s.KeyRoleStatements(), s.KeyStatements()))
				}
				return "add ICA's statements to the policy of key " + s.Key.ARN + ", keeping the others: " + how
			},
			On:       guard.OnKey,
			Triggers: []guard.Trigger{keyEvents("PutKeyPolicy"), roleEvents()},
			Reads: slices.Concat(
				guard.Actions(guard.OnKey, "kms:GetKeyPolicy"), guard.Actions(guard.OnRole, "iam:GetRole"), readsOrganization(),
			),
		},
		Writes: guard.OnlyIf(restoresKey, guard.WithCondition(withoutBypass, guard.Actions(guard.OnKey, "kms:PutKeyPolicy"))),
	}, guard.Spec[keyPolicyState]{
		Read: readKeyPolicy, Compare: compareKeyPolicy, Put: putKeyPolicy, Merges: true,
		Witness: witnessKeyPolicy,
		Missing: func(s icaconfig.Storage, from, in keyPolicyState) []string {
			return missingStatements(wantKeyPolicy(s, from).restored(from.Document), wantKeyPolicy(s, in).restored(in.Document))
		},
	})
}

func witnessKeyPolicy(e guard.Event, got keyPolicyState) (keyPolicyState, bool) {
	if e.Event != "PutKeyPolicy" {
		return got, false
	}
	var ok bool
	got.Document, ok = eventPolicy(e, "policy")
	return got, ok
}

// withoutBypass: AWS does not say whether the key is there when the parameter is not, as in our calls, hence IfExists.
// https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-bypass-policy-lockout-safety-check
func withoutBypass(icaconfig.Storage) policy.Condition {
	return policy.Condition{"BoolIfExists": {"kms:BypassPolicyLockoutSafetyCheck": {"false"}}}
}

func readKeyPolicy(ctx context.Context, c guard.Clients, s icaconfig.Storage) (keyPolicyState, error) {
	var got keyPolicyState
	if foreignKey(s) {
		return got, nil
	}
	out, err := kmsClient(c, s).GetKeyPolicy(ctx, &kms.GetKeyPolicyInput{KeyId: &s.Key.ARN, PolicyName: aws.String(keyPolicyName)})
	if err != nil {
		// https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html: IAM alone allows nothing on a key.
		return got, hint(
			fmt.Errorf("get policy of key %s: %w", s.Key.ARN, err),
			awserr.Denied,
			"KMS also answers so, to everyone, where the key policy has no statement for the account's root: then only those whom it "+
				"names can change it, else AWS Support",
		)
	}
	got.Document = document(aws.ToString(out.Policy))
	if speaksOfOrganization.MatchString(string(got.Document)) {
		got.Organization, _ = Organization(ctx, c, s.Home)
	}
	got.Role, err = factsOfRole(ctx, c, s, got.Document)
	return got, err
}

func compareKeyPolicy(s icaconfig.Storage, got keyPolicyState) guard.Comparison {
	if foreignKey(s) {
		return guard.Note("the policy of key "+s.Key.ARN+" cannot be read from here, as it belongs to account "+accountOfARN(s.Key.ARN),
			"let that account check that it holds "+toPaste(wantKeyPolicy(s, got).ours))
	}
	want := wantKeyPolicy(s, got)
	v := want.compare(got.Document)
	if len(v.Diffs) == 0 || restoresKey(s) {
		return v
	}
	missing := guard.Alert("the key policy lacks what ICA needs, and is not icaguard's to change: "+paths(v.Diffs),
		"put into the policy of key "+s.Key.ARN+", keeping all else: "+toPaste(want.ours)+ifRestored(s))
	v.Diffs = nil
	return missing.And(v)
}

// wantKeyPolicy needs a statement for ICA's roles only where the policy does not let them use the key already, or where
// one of ours stands, which then has to be right.
func wantKeyPolicy(s icaconfig.Storage, got keyPolicyState) sharedPolicy {
	about := asked{
		kind: guard.OnKey, on: s.Key.ARN, account: accountOfARN(s.Key.ARN), region: regionOfARN(s.Key.ARN, ""),
		organization: got.Organization,
	}
	ours := s.KeyStatements()
	var callers []caller
	for _, use := range ours {
		callers = append(callers, caller{who: "ICA's copies between accounts", Caller: about.copying(s), calls: callsOf(s, use)})
	}
	for _, use := range s.KeyRoleStatements() {
		roles := about.users(s, use, got.Role)
		if !keyIsOpen(got.Document, roles, use.Sid) {
			ours = append(ours, use)
		}
		callers = append(callers, roles...)
	}
	return sharedPolicy{
		ours: ours, limit: maxKeyPolicy, callers: append(callers, about.own(s)...),
		// https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
		wayBack: "a key whose policy locks everyone out can be managed again only with the help of AWS Support",
	}
}

// users are ICA's roles that a statement lets use the key, and for what.
func (a asked) users(s icaconfig.Storage, use policy.Statement, facts roleFacts) []caller {
	var roles []caller
	for _, role := range use.Principal["AWS"] {
		who := a.role(role)
		who.KMSViaS3 = true
		if role == s.Role.ARN {
			who = a.icaRole(s, facts)
		}
		roles = append(roles, caller{who: "ICA's role", Caller: who, calls: callsOf(s, use)})
	}
	return roles
}

func callsOf(s icaconfig.Storage, use policy.Statement) []policy.Calls {
	return []policy.Calls{{Actions: use.Action, Resources: []string{s.Key.ARN}}}
}

// keyIsOpen says that the policy lets the roles use the key, by the statement for the account's root that hands the
// decision to IAM (https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html) or by others, as that
// for calls through S3 which AWS writes itself; and that nothing stands in it under the name of our own statement.
func keyIsOpen(got document, roles []caller, sid string) bool {
	present, err := parseShared(got)
	return err == nil &&
		!slices.ContainsFunc(roles, func(c caller) bool { return !policy.Allows(present, c.Caller, c.calls) }) &&
		!slices.ContainsFunc(present.Statements(), func(have policy.Statement) bool { return have.Sid == sid })
}

// toPaste is statements as a person puts them into a policy.
func toPaste(ours []policy.Statement) string {
	texts := make([]string, len(ours))
	for i, s := range ours {
		texts[i] = s.JSON()
	}
	return strings.Join(texts, ", ")
}

func paths(diffs []guard.Diff) string {
	texts := make([]string, len(diffs))
	for i, d := range diffs {
		texts[i] = fmt.Sprintf("%s: expected %s, found %s", d.Path, d.Expected, d.Found)
	}
	return strings.Join(texts, "; ")
}

// putKeyPolicy never bypasses KMS's check that the caller could change the policy again.
func putKeyPolicy(ctx context.Context, c guard.Clients, s icaconfig.Storage, got keyPolicyState) error {
	merged, err := wantKeyPolicy(s, got).merged(got.Document)
	if err != nil {
		return err
	}
	_, err = kmsClient(c, s).PutKeyPolicy(ctx, &kms.PutKeyPolicyInput{
		KeyId: &s.Key.ARN, PolicyName: aws.String(keyPolicyName), Policy: &merged,
	})
	if err != nil {
		return fmt.Errorf("put policy on key %s: %w", s.Key.ARN, err)
	}
	return nil
}
