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
	Document document
	RoleID   string
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
			Reads:    append(guard.Actions(guard.OnKey, "kms:GetKeyPolicy"), guard.Actions(guard.OnRole, "iam:GetRole")...),
		},
		Writes: guard.OnlyIf(restoresKey, guard.Actions(guard.OnKey, "kms:PutKeyPolicy")),
	}, guard.Spec[keyPolicyState]{Read: readKeyPolicy, Compare: compareKeyPolicy, Put: putKeyPolicy, Merges: true})
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
	got.RoleID, err = roleID(ctx, c, s, got.Document)
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

// wantKeyPolicy needs a statement for ICA's roles only where the account's IAM policies do not decide, or where one of
// ours stands, which then has to be right.
func wantKeyPolicy(s icaconfig.Storage, got keyPolicyState) sharedPolicy {
	ours := s.KeyStatements()
	if !iamDecides(s, got.Document) {
		ours = append(ours, s.KeyRoleStatements()...)
	}
	account := accountOfARN(s.Key.ARN)
	var callers []caller
	add := func(name string, uses []policy.Statement) {
		for _, use := range uses {
			for _, role := range use.Principal["AWS"] {
				who := policy.Caller{RoleARN: role, ResourceAccount: account}
				if role == s.Role.ARN {
					who.RoleID = got.RoleID
				}
				callers = append(callers, caller{
					who: name, Caller: who, calls: []policy.Calls{{Actions: use.Action, Resources: []string{s.Key.ARN}}},
				})
			}
		}
	}
	add("ICA's role", s.KeyRoleStatements())
	add("ICA's copies between accounts", s.KeyStatements())
	return sharedPolicy{ours: ours, limit: maxKeyPolicy, callers: append(callers, ownCallers(s, guard.OnKey, account)...)}
}

// iamDecides says that the policy holds, without conditions, the statement for the account's root that hands the
// decision to IAM (https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html), and nothing under
// the names of our own statements.
func iamDecides(s icaconfig.Storage, got document) bool {
	present, err := parseShared(got)
	if err != nil {
		return false
	}
	all := present.Statements()
	return !slices.ContainsFunc(s.KeyRoleStatements(), func(root policy.Statement) bool {
		root.Principal = policy.Principal{"AWS": {accountOf(s)}}
		return !slices.ContainsFunc(all, func(have policy.Statement) bool { return policy.Covers(have, root) }) ||
			slices.ContainsFunc(all, func(have policy.Statement) bool { return have.Sid == root.Sid })
	})
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
