package settings

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// restorable is a storage whose key the guard may restore.
func restorable() variant { return variant{key: true, storage: "kms: {restore: true}"} }

func kmsKeyStateCases() []testCase {
	const id = "kms-key-state"
	told := func(texts ...string) func(*env, guard.Outcome) {
		return func(w *env, o guard.Outcome) { expectTold(w.t, o, texts...) }
	}
	neverRestored := func(texts ...string) func(*env, guard.Outcome) {
		return func(w *env, o guard.Outcome) {
			if told(texts...)(w, o); strings.Contains(fmt.Sprint(o.Alerts), "restore: true") {
				w.t.Errorf("a previous key is not icaguard's to restore: %+v", o.Alerts)
			}
		}
	}
	ours, watched := restorable(), variant{key: true}
	return []testCase{
		{setting: id, name: "scheduled for deletion", variant: ours, want: guard.Restored, breakIt: (*env).scheduleKeyDeletion},
		{setting: id, name: "disabled", variant: ours, want: guard.Restored, breakIt: (*env).disableKey},
		{
			setting: id, name: "a deletion cancelled, the key not enabled", variant: ours, want: guard.Restored,
			breakIt: func(w *env) { w.scheduleKeyDeletion(); w.cancelKeyDeletion() },
		},
		{
			setting: id, name: "disabled, not ours to restore", variant: watched, want: guard.ActionRequired,
			breakIt: (*env).disableKey, check: told("is Disabled", "aws kms enable-key", "kms: {restore: true}"),
		},
		{
			setting: id, name: "scheduled for deletion, not ours to restore", variant: watched, want: guard.ActionRequired,
			breakIt: (*env).scheduleKeyDeletion, check: told("is PendingDeletion", "die on 20", "aws kms cancel-key-deletion"),
		},
		{
			setting: id, name: "a previous key disabled", variant: variant{previous: true}, want: guard.ActionRequired,
			breakIt: (*env).disableKey,
			check:   neverRestored("is Disabled", "encrypted with it before cannot be read", "aws kms enable-key"),
		},
		{
			setting: id, name: "a previous key scheduled for deletion", variant: variant{previous: true}, want: guard.ActionRequired,
			breakIt: (*env).scheduleKeyDeletion, check: neverRestored("is PendingDeletion", "die on 20", "aws kms cancel-key-deletion"),
		},
		{
			setting: id,
			name:    "rotation on",
			variant: ours,
			want:    guard.InSync,
			breakIt: (*env).enableKeyRotation,
			check:   func(*env, guard.Outcome) {},
		},
		{
			setting: id, name: "rotation disabled", variant: ours, want: withNotes,
			breakIt: func(w *env) { w.enableKeyRotation(); w.disableKeyRotation() }, check: told("automatic rotation"),
		},
		{
			setting: id, name: "gone", variant: ours, want: guard.ActionRequired, check: told("does not exist", "from a copy"),
			breakIt: func(w *env) {
				w.nameKey("arn:aws:kms:us-east-1:123456789012:key/00000000-0000-4000-8000-000000000000")
			},
			notShown: "its own deletion of the key, so another one is named",
		},
		{
			setting:  id,
			name:     "in another account",
			variant:  ours,
			want:     guard.ActionRequired,
			check:    told("account 210987654321", "do not arrive here"),
			breakIt:  func(w *env) { w.nameKey(strings.Replace(w.storage.Key.ARN, "123456789012", "210987654321", 1)) },
			notShown: "the other account",
		},
		{
			setting: id,
			name:    "in another account, disabled",
			variant: ours,
			want:    guard.ActionRequired,
			check:   told("is Disabled", "ask account 210987654321"),
			breakIt: func(w *env) {
				w.disableKey()
				w.nameKey(strings.Replace(w.storage.Key.ARN, "123456789012", "210987654321", 1))
			},
			notShown: "the other account",
		},
	}
}

func (w *env) scheduleKeyDeletion() {
	w.t.Helper()
	w.must(
		w.kms.ScheduleKeyDeletion(
			w.t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &w.storage.Key.ARN, PendingWindowInDays: aws.Int32(7)},
		),
	)
}

func (w *env) cancelKeyDeletion() {
	w.t.Helper()
	w.must(w.kms.CancelKeyDeletion(w.t.Context(), &kms.CancelKeyDeletionInput{KeyId: &w.storage.Key.ARN}))
}

func (w *env) disableKey() {
	w.t.Helper()
	w.must(w.kms.DisableKey(w.t.Context(), &kms.DisableKeyInput{KeyId: &w.storage.Key.ARN}))
}

func (w *env) enableKeyRotation() {
	w.t.Helper()
	w.must(w.kms.EnableKeyRotation(w.t.Context(), &kms.EnableKeyRotationInput{KeyId: &w.storage.Key.ARN}))
}

func (w *env) disableKeyRotation() {
	w.t.Helper()
	w.must(w.kms.DisableKeyRotation(w.t.Context(), &kms.DisableKeyRotationInput{KeyId: &w.storage.Key.ARN}))
}

// nameKey lets ica.yaml name another key from now on.
func (w *env) nameKey(arn string) {
	w.storage.Key.ARN = arn
	w.authorize()
}

// TestKeyStates has the states that the local AWS does not reach.
func TestKeyStates(t *testing.T) {
	s := storage("lab", "bucket", "r")
	s.Key = &icaconfig.Key{ARN: "arn:aws:kms:us-east-1:123456789012:key/k", Restore: true}
	for _, state := range new(types.KeyState).Values() {
		v := compareKeyState(s, keyState{State: state})
		diffs, alerts := 0, 1
		switch state {
		case types.KeyStateEnabled, types.KeyStateUpdating:
			alerts = 0
		case types.KeyStateDisabled, types.KeyStatePendingDeletion:
			diffs, alerts = 1, 0
		case types.KeyStateCreating, types.KeyStatePendingImport, types.KeyStatePendingReplicaDeletion, types.KeyStateUnavailable:
		}
		if len(v.Diffs) != diffs || len(v.Alerts) != alerts {
			t.Errorf("%s: %+v", state, v)
		}
	}
}

// TestUnusableKeyAdvice: what ends a state depends on the state.
func TestUnusableKeyAdvice(t *testing.T) {
	s := storage("lab", "bucket", "r")
	s.Key = &icaconfig.Key{ARN: "arn:aws:kms:us-east-1:123456789012:key/k", Restore: true}
	for _, c := range []struct {
		got    keyState
		advice string
	}{
		{keyState{State: types.KeyStatePendingImport}, "import the same key material again"},
		{
			keyState{State: types.KeyStateUnavailable, Store: "cks-1"},
			"connect-custom-key-store --region us-east-1 --custom-key-store-id cks-1",
		},
		{keyState{State: types.KeyStateCreating}, "KMS console"},
	} {
		v := compareKeyState(s, c.got)
		if len(v.Alerts) != 1 || !strings.Contains(v.Alerts[0].Remediation, c.advice) ||
			strings.Contains(v.Alerts[0].Remediation, "enable-key") {
			t.Errorf("%s: %+v", c.got.State, v)
		}
	}
	v := compareKeyState(s, keyState{State: types.KeyStateEnabled, Expires: "2027-01-31"})
	if len(v.Notes) != 1 || !strings.Contains(v.Notes[0].What, "expires on 2027-01-31") {
		t.Errorf("imported material that expires: %+v", v)
	}
}

// TestKeyOfAStranger: another account's key is told also where it cannot be checked, and nothing on it is ours to do.
func TestKeyOfAStranger(t *testing.T) {
	s := storage("lab", "bucket", "r")
	s.Key = &icaconfig.Key{ARN: "arn:aws:kms:us-east-1:210987654321:key/k", Restore: true}
	if v := compareKeyState(s, keyState{Unreadable: true}); len(v.Alerts) != 1 {
		t.Errorf("%+v", v)
	}
	for _, setting := range []guard.Setting{kmsKeyState(), kmsKeyPolicy()} {
		for _, action := range setting.Writes {
			if action.If(s) {
				t.Errorf("%s is asked for on a key of another account", action.Name)
			}
		}
	}
}

// TestEventsOfPreviousKeys: each key of a storage is heard, and asks for a check of itself alone.
func TestEventsOfPreviousKeys(t *testing.T) {
	keyOf := func(name string) *icaconfig.Key {
		return &icaconfig.Key{
			Shared: icaconfig.Shared{Storages: []string{"lab"}, Mode: icaconfig.Enforce},
			ARN:    "arn:aws:kms:us-east-1:123456789012:key/" + name,
		}
	}
	s := storage("lab", "b", "r")
	s.Key, s.OtherKeys = keyOf("present"), []*icaconfig.Key{keyOf("before"), keyOf("long-before")}
	b := icaconfig.Baseline{Home: icaconfig.Home{Account: "123456789012"}, Storages: []icaconfig.Storage{s}}
	for _, key := range s.Keys() {
		event := cloudtrail.Event{Source: "aws.kms", Name: "DisableKey", Account: "123456789012", Resources: []string{key.ARN}}
		requests := guard.Route(event, "", guard.RowsOf([]guard.Setting{kmsKeyState(), kmsKeyPolicy()}), b)
		if len(requests) != 1 || requests[0].Resource != key.ARN || requests[0].Setting != "kms-key-state" {
			t.Errorf("%s: requests %+v", key.ARN, requests)
		}
	}
	e := guard.Engine{Baseline: b, Settings: []guard.Setting{kmsKeyState()}}
	if n := e.Count([]guard.Request{{}}); n != 3 {
		t.Errorf("%d checks of three keys", n)
	}
	for _, statement := range guard.ReadStatements(guard.RowsOf([]guard.Setting{kmsKeyState()}), b.Storages) {
		if len(statement.Resource) != 3 {
			t.Errorf("%s", statement)
		}
	}
	if writes := guard.WriteStatements([]guard.Setting{kmsKeyState(), kmsKeyPolicy()}, b.Storages); len(writes) != 0 {
		t.Errorf("writes %s", writes)
	}
}

// TestKeyIsNamedByID: callers may name a key by its bare id.
func TestKeyIsNamedByID(t *testing.T) {
	event, err := cloudtrail.Parse(
		[]byte(`{"eventSource":"kms.amazonaws.com","eventName":"DisableKey","recipientAccountId":"123456789012",` +
			`"requestParameters":{"keyId":"1234abcd-12ab-34cd-56ef-1234567890ab"}}`),
	)
	if err != nil {
		t.Fatal(err)
	}
	b := icaconfig.Baseline{
		Home:     icaconfig.Home{Account: "123456789012"},
		Storages: []icaconfig.Storage{storage("lab", "b", "r"), storage("other", "o", "r")},
	}
	b.Storages[0].Key = &icaconfig.Key{ARN: "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"}
	requests := guard.Route(event, "", guard.RowsOf([]guard.Setting{kmsKeyState()}), b)
	if len(requests) != 1 || requests[0].Resource != b.Storages[0].Key.ARN {
		t.Errorf("requests %+v", requests)
	}
}
