package settings

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// keyState is whether the key can be used.
type keyState struct {
	State       types.KeyState // "": the key does not exist
	Dies        string         // day (UTC) on which a scheduled deletion is done, "" if none is
	Expires     string         // day (UTC) on which imported key material is deleted, "" if never
	Store       string         // id of the custom key store that keeps the key, "" if none does
	RotationOff bool           // automatic rotation is possible and off
	Unreadable  bool           // it is another account's, and that does not let us read it
}

func kmsKeyState() guard.Setting {
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:    "kms-key-state",
			Title: "The KMS keys of the bucket, the previous ones too, are enabled",
			Effect: "all reads and writes of objects that are encrypted with it: KMS.DisabledException, KMSInvalidStateException; once " +
				"the key is deleted, the data is lost",
			Remediation: enableCommand,
			On:          guard.OnKey,
			Triggers: []guard.Trigger{
				keyEvents("DisableKey", "EnableKey", "ScheduleKeyDeletion", "CancelKeyDeletion", "DisableKeyRotation",
					"DeleteImportedKeyMaterial", "DeleteExpiredKeyMaterial", "ImportKeyMaterial"),
				// It names the store, and makes all keys in it unusable.
				{Source: "aws.kms", Events: []string{"DisconnectCustomKeyStore"}, Parameter: "customKeyStoreId", AnyResource: true},
			},
			Reads: guard.Actions(guard.OnKey, "kms:DescribeKey", "kms:GetKeyRotationStatus"),
		},
		Writes: guard.OnlyIf(restoresKey, guard.Actions(guard.OnKey, "kms:CancelKeyDeletion", "kms:EnableKey")),
	}, guard.Spec[keyState]{Read: readKeyState, Compare: compareKeyState, Put: putKeyState})
}

func enableCommand(s icaconfig.Storage) string {
	return fmt.Sprintf(
		"aws kms cancel-key-deletion --region %[1]s --key-id %[2]s (if it is pending deletion), then aws kms enable-key --region "+
			"%[1]s --key-id %[2]s",
		regionOfARN(s.Key.ARN, s.Region.AWS),
		s.Key.ARN,
	)
}

// keyEvents is a trigger for the key. Callers name it by id or ARN; when AWS deletes it, it is named as a resource only.
func keyEvents(names ...string) guard.Trigger {
	return guard.Trigger{
		Source:    "aws.kms",
		Events:    append(names, "DeleteKey"),
		Parameter: "keyId",
		Names: func(s icaconfig.Storage) []string {
			_, id, _ := strings.Cut(s.Key.ARN, ":key/")
			return []string{s.Key.ARN, id}
		},
	}
}

// accountOf is the account that is guarded.
func accountOf(s icaconfig.Storage) string { return accountOfARN(s.Role.ARN) }

func accountOfARN(text string) string {
	parsed, err := arn.Parse(text)
	if err != nil {
		return ""
	}
	return parsed.AccountID
}

// foreignKey tells a key of another account. Nobody can enable it, cancel its deletion or read its policy from here
// (https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-modifying-external-accounts.html).
func foreignKey(s icaconfig.Storage) bool { return accountOfARN(guard.OnKey.ARN(s)) != accountOf(s) }

// restoresKey says that the key is the guard's to restore.
func restoresKey(s icaconfig.Storage) bool { return s.Key != nil && s.Key.Restore && !foreignKey(s) }

func readKeyState(ctx context.Context, c guard.Clients, s icaconfig.Storage) (keyState, error) {
	out, err := kmsClient(c, s).DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &s.Key.ARN})
	switch class := awserr.Classify(err); {
	case err == nil:
	case class == awserr.Gone:
		return keyState{}, nil
	case class == awserr.Denied && foreignKey(s):
		return keyState{Unreadable: true}, nil
	default:
		return keyState{}, fmt.Errorf("describe key %s: %w", s.Key.ARN, err)
	}
	key, err := element(out.KeyMetadata, "describe key "+s.Key.ARN)
	if err != nil {
		return keyState{}, err
	}
	got := keyState{
		State: key.KeyState, Dies: day(key.DeletionDate), Expires: day(key.ValidTo), Store: aws.ToString(key.CustomKeyStoreId),
	}
	if rotates(key) {
		status, err := kmsClient(c, s).GetKeyRotationStatus(ctx, &kms.GetKeyRotationStatusInput{KeyId: &s.Key.ARN})
		if err != nil {
			return got, fmt.Errorf("get rotation status of key %s: %w", s.Key.ARN, err)
		}
		got.RotationOff = !status.KeyRotationEnabled
	}
	return got, nil
}

// day is the date in UTC, "" for no date.
func day(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

// rotates tells whether KMS could rotate the key by itself: other keys answer UnsupportedOperationException, and what
// somebody else's key does is not ours to tell (https://docs.aws.amazon.com/kms/latest/developerguide/rotate-keys.html).
func rotates(key *types.KeyMetadata) bool {
	return key.KeyState == types.KeyStateEnabled && key.Origin == types.OriginTypeAwsKms &&
		key.KeySpec == types.KeySpecSymmetricDefault &&
		key.KeyManager == types.KeyManagerTypeCustomer
}

func compareKeyState(s icaconfig.Storage, got keyState) guard.Comparison {
	v := compareOwnKeyState(s, got)
	if foreignKey(s) {
		return v.And(
			guard.Alert(
				fmt.Sprintf(
					"key %s belongs to account %s: its events do not arrive here, so a change of it is found only by the scheduled audit",
					s.Key.ARN, accountOfARN(s.Key.ARN),
				),
				"use a key of account "+accountOf(s)+", or let that account watch the key",
			),
		)
	}
	return v
}

func compareOwnKeyState(s icaconfig.Storage, got keyState) guard.Comparison {
	switch {
	case got.Unreadable:
		return guard.Comparison{}
	case got.State == "":
		return guard.Alert("key "+s.Key.ARN+" does not exist: what was encrypted with it can never be read again", afterLoss(s))
	case got.State == types.KeyStateEnabled, got.State == types.KeyStateUpdating: // both can be used
		if s.Key.Previous() { // nothing new is encrypted with it, so nothing is gained by rotating it
			return expiryReport(s, got)
		}
		return rotationReport(got).And(expiryReport(s, got))
	}
	state := string(got.State)
	if s.Key.Previous() {
		state += ", and objects that were encrypted with it before cannot be read"
	}
	if got.Dies != "" {
		state += ", the key and all data under it die on " + got.Dies
	}
	if canBeEnabled(got.State) && restoresKey(s) {
		return guard.Comparison{Diffs: []guard.Diff{{Path: "KeyState", Expected: string(types.KeyStateEnabled), Found: state}}}
	}
	return guard.Alert("key "+s.Key.ARN+" is "+state, keyRemediation(s, got))
}

// keyRemediation follows the key's state
// (https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html).
func keyRemediation(s icaconfig.Storage, got keyState) string {
	switch {
	case foreignKey(s):
		return "ask account " + accountOfARN(s.Key.ARN) + ", now: it alone can make the key usable again"
	case got.State == types.KeyStatePendingImport:
		return importAgain(s)
	case got.State == types.KeyStateUnavailable:
		return fmt.Sprintf("see why custom key store %s cannot be reached, then: aws kms connect-custom-key-store --region %s "+
			"--custom-key-store-id %[1]s", cmp.Or(got.Store, "ID"), regionOfARN(s.Key.ARN, s.Region.AWS))
	case got.State == types.KeyStatePendingReplicaDeletion:
		return enableCommand(s)
	case !canBeEnabled(got.State):
		return "read the key in the KMS console: this state is not ended by enabling it"
	}
	return enableCommand(s) + ifRestored(s)
}

// ifRestored says what ica.yaml can let icaguard do; a previous key is never its own to restore.
func ifRestored(s icaconfig.Storage) string {
	if s.Key.Previous() {
		return ""
	}
	return "; with kms: {restore: true} in ica.yaml icaguard does so"
}

func afterLoss(s icaconfig.Storage) string {
	if s.Key.Previous() {
		return "restore from a copy what was encrypted with it, take the key out of kms.previousKeys in ica.yaml, and deploy"
	}
	return "restore the data from a copy under another key, name that key in bucket.kmsKeyArn of ica.yaml, and deploy"
}

// importAgain: KMS takes the same material only; with any other what was encrypted could not be read
// (https://docs.aws.amazon.com/kms/latest/developerguide/importing-keys-import-key-material.html).
func importAgain(s icaconfig.Storage) string {
	return fmt.Sprintf("import the same key material again: aws kms get-parameters-for-import, then aws kms import-key-material, "+
		"both with --region %s --key-id %s", regionOfARN(s.Key.ARN, s.Region.AWS), s.Key.ARN)
}

func canBeEnabled(state types.KeyState) bool {
	return state == types.KeyStateDisabled || state == types.KeyStatePendingDeletion
}

// expiryReport warns of the day on which KMS deletes imported key material by itself.
func expiryReport(s icaconfig.Storage, got keyState) guard.Comparison {
	if got.Expires == "" {
		return guard.Comparison{}
	}
	return guard.Note("the imported material of key "+s.Key.ARN+" expires on "+got.Expires+": from then on the key cannot be used",
		"before that day, "+importAgain(s)+", without an expiry or with a later one")
}

func rotationReport(got keyState) guard.Comparison {
	if !got.RotationOff {
		return guard.Comparison{}
	}
	return guard.Note(
		"automatic rotation of the key is off; ICA works without it", "if your rules ask for it: aws kms enable-key-rotation",
	)
}

// putKeyState ends in the state Enabled: a key whose deletion was cancelled is disabled
// (https://docs.aws.amazon.com/kms/latest/APIReference/API_CancelKeyDeletion.html).
func putKeyState(ctx context.Context, c guard.Clients, s icaconfig.Storage, got keyState) error {
	if got.State == types.KeyStatePendingDeletion {
		if _, err := kmsClient(c, s).CancelKeyDeletion(ctx, &kms.CancelKeyDeletionInput{KeyId: &s.Key.ARN}); err != nil {
			return fmt.Errorf("cancel deletion of key %s: %w", s.Key.ARN, err)
		}
	}
	if _, err := kmsClient(c, s).EnableKey(ctx, &kms.EnableKeyInput{KeyId: &s.Key.ARN}); err != nil {
		return fmt.Errorf("enable key %s: %w", s.Key.ARN, err)
	}
	return nil
}
