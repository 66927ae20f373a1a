package settings

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// inputs reads a file of testdata/inputs; its README has the verdicts.
func inputs(t *testing.T, name string, into any) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", "inputs", name))
	if err != nil {
		t.Fatal(err)
	}
	if into != nil {
		if err := json.Unmarshal(body, into); err != nil {
			t.Fatal(err)
		}
	}
	return body
}

// inputStorage is the storage that the inputs are about.
func inputStorage(t *testing.T, bucketLines string) icaconfig.Storage {
	t.Helper()
	file, err := icaconfig.Parse("ica.yaml", fmt.Appendf(nil, `
storages:
  - name: lab
    icaRegion: US
    bucket: {name: lab-ica-data, folder: byob-icav2%s}
    role: {sessionNamePrefix: "ssm:/p"}
`, bucketLines))
	if err != nil {
		t.Fatal(err)
	}
	owner, err := file.Owner("111122223333", "aws")
	if err != nil {
		t.Fatal(err)
	}
	return file.Baseline(owner).Storages[0]
}

// decision is what a comparison comes down to.
func decision(c guard.Comparison) string {
	switch {
	case len(c.Alerts) > 0:
		return "alert"
	case len(c.Diffs) > 0:
		return "drift"
	case len(c.Notes) > 0:
		return "note"
	}
	return "in sync"
}

func TestInputsOfTrustPolicies(t *testing.T) {
	s := inputStorage(t, "")
	var variants map[string]json.RawMessage
	inputs(t, "trust-policy-variants.json", &variants)
	verdicts := map[string]string{
		"built": "in sync", "a-all-stringlike": "in sync", "b-no-aud": "drift", "c-console-sid-lists": "in sync",
		"d-sub-exact-account": "note", "e-version-2008": "in sync", "f-tagsession": "drift",
		"g-sessionname-equals-no-wildcard": "drift",
	}
	if len(variants) != len(verdicts) {
		t.Errorf("%d variants, %d verdicts", len(variants), len(verdicts))
	}
	for name, body := range variants {
		got := decision(compareRoleTrust(s, trustWithPrefix(document(body))))
		if got != verdicts[name] {
			t.Errorf("%s: %s, want %s", name, got, verdicts[name])
		}
	}
}

// trustWithPrefix is a trust policy where the prefix is that of the inputs.
func trustWithPrefix(d document) roleTrust {
	return roleTrust{Document: d, Prefixes: []icaconfig.Secret{"EXAMPLEPREFIX"}}
}

// TestInputsAsOwnTrustPolicy: what a newer page of Illumina's prints is taken, written and found in sync.
func TestInputsAsOwnTrustPolicy(t *testing.T) {
	var variants map[string]json.RawMessage
	inputs(t, "trust-policy-variants.json", &variants)
	for name, body := range variants {
		dir := t.TempDir()
		own := strings.ReplaceAll(string(body), "EXAMPLEPREFIX", "PREFIX")
		if err := os.WriteFile(filepath.Join(dir, "trust.json"), []byte(own), 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := icaconfig.ParseIn(os.DirFS(dir), "ica.yaml", []byte(`
account: "111122223333"
storages:
  - name: lab
    icaRegion: US
    bucket: {name: lab-ica-data}
    role: {sessionNamePrefix: "ssm:/p"}
    documents: {trustPolicy: trust.json}
`), Exceptable())
		if refused := name == "g-sessionname-equals-no-wildcard"; refused != (err != nil) {
			t.Errorf("%s: refused %v: %v", name, err != nil, err)
		}
		if err != nil {
			if !strings.Contains(err.Error(), "can never match") {
				t.Errorf("%s: the reason is missing: %v", name, err)
			}
			continue
		}
		warned := strings.Contains(strings.Join(file.Warnings(), "\n"), "documents.trustPolicy")
		if want := name == "b-no-aud" || name == "d-sub-exact-account"; warned != want {
			t.Errorf("%s: warnings %q", name, file.Warnings())
		}
		owner, err := file.Owner("111122223333", "aws")
		if err != nil {
			t.Fatal(err)
		}
		s := file.Baseline(owner).Storages[0]
		if c := compareRoleTrust(s, trustWithPrefix(document(body))); decision(c) != "in sync" {
			t.Errorf("%s is not in sync with itself: %+v", name, c)
		}
	}
}

func TestInputsOfCORS(t *testing.T) {
	s := inputStorage(t, "")
	var configurations map[string]types.CORSConfiguration
	inputs(t, "cors-configurations.json", &configurations)
	for name, want := range map[string]string{
		"lab-four-origins-clean": "in sync", "lab-ui-only-not-for-ica": "drift",
		"foreign-wildcard-first-hides-expose-headers": "drift", "terraform-bucket-resource-emptied": "drift",
	} {
		configuration, ok := configurations[name]
		if c := compareCORS(s, configuration.CORSRules); !ok || decision(c) != want {
			t.Errorf("%s: %+v, want %s", name, c, want)
		}
	}
}

// TestInputsOfCORSAreRestored: ours comes first, once, and the lab's rules stay.
func TestInputsOfCORSAreRestored(t *testing.T) {
	var configurations map[string]types.CORSConfiguration
	inputs(t, "cors-configurations.json", &configurations)
	w := newEnv(t, newFixture(t), variant{})
	ours := wantCORS(w.storage)
	for name, configuration := range configurations {
		if len(configuration.CORSRules) == 0 { // S3 refuses to be told of no rules; Terraform then deletes the configuration
			w.deleteCORS()
		} else {
			w.putCORS(configuration.CORSRules...)
		}
		want, status := configuration.CORSRules, guard.InSync
		if name != "lab-four-origins-clean" {
			status = guard.Restored
			others := slices.DeleteFunc(slices.Clone(want), func(r types.CORSRule) bool { return sameRule(r, ours) })
			want = append([]types.CORSRule{ours}, others...)
		}
		expectStatus(t, w.reconcile("bucket-cors"), status)
		w.expectCORS(want...)
	}
}

func TestInputsOfEncryption(t *testing.T) {
	const key = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	var configurations map[string]types.ServerSideEncryptionConfiguration
	inputs(t, "encryption-configurations.json", &configurations)
	unnamed, named := inputStorage(t, ""), inputStorage(t, `, kmsKeyArn: "`+key+`"`)
	for name, want := range map[string]struct{ unnamed, named string }{
		"since-april-2026-default": {"in sync", "drift"}, "managed-key-by-alias": {"in sync", "drift"},
		"own-key-by-alias": {"alert", "drift"},
	} {
		configuration, ok := configurations[name]
		if got := decision(compareEncryption(unnamed, configuration.Rules)); !ok || got != want.unnamed {
			t.Errorf("%s where no key is named: %s, want %s", name, got, want.unnamed)
		}
		if got := decision(compareEncryption(named, configuration.Rules)); got != want.named {
			t.Errorf("%s where a key is named: %s, want %s", name, got, want.named)
		}
	}
}

// TestInputsOfEncryptionAreRestored: what the bucket refuses besides stays.
func TestInputsOfEncryptionAreRestored(t *testing.T) {
	var configurations map[string]types.ServerSideEncryptionConfiguration
	inputs(t, "encryption-configurations.json", &configurations)
	w := newEnv(t, newFixture(t), variant{key: true})
	for name, configuration := range configurations {
		w.must(w.s3.PutBucketEncryption(t.Context(), &s3.PutBucketEncryptionInput{
			Bucket: &w.storage.Bucket.Name, ServerSideEncryptionConfiguration: &configuration,
		}))
		expectStatus(t, w.reconcile("bucket-encryption"), guard.Restored)
		out, err := w.s3.GetBucketEncryption(t.Context(), &s3.GetBucketEncryptionInput{Bucket: &w.storage.Bucket.Name})
		w.must(out, err)
		got, refused := out.ServerSideEncryptionConfiguration.Rules[0], configuration.Rules[0].BlockedEncryptionTypes
		if aws.ToString(got.ApplyServerSideEncryptionByDefault.KMSMasterKeyID) != w.storage.Key.ARN ||
			got.BlockedEncryptionTypes == nil || !slices.Equal(got.BlockedEncryptionTypes.EncryptionType, refused.EncryptionType) {
			t.Errorf("%s: %+v, refused %v", name, got.ApplyServerSideEncryptionByDefault, got.BlockedEncryptionTypes)
		}
	}
}

func TestInputsOfEventsRoute(t *testing.T) {
	s := inputStorage(t, `, kmsKeyArn: "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"`)
	b := icaconfig.Baseline{Home: icaconfig.Home{Account: "111122223333"}, Storages: []icaconfig.Storage{s}}
	var ofBucket []string
	for _, setting := range All() {
		if setting.On == guard.OnBucket || setting.ID == "permission-policy" {
			ofBucket = append(ofBucket, setting.ID)
		}
	}
	for name, want := range map[string][]string{
		"event-kms-DeleteImportedKeyMaterial-2025.json":   {"kms-key-state"},
		"event-s3-CreateBucket-resources-empty-2025.json": ofBucket,
	} {
		event, err := cloudtrail.Parse(inputs(t, name, nil))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, request := range guard.Route(event, "", guard.RowsOf(All()), b) {
			got = append(got, request.Setting)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s leads to %v, want %v", name, got, want)
		}
	}
}
