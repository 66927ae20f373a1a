package icaconfig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/policy"
)

func TestRegionsAreThoseOfIllumina(t *testing.T) {
	data, err := os.ReadFile("testdata/regions.json")
	if err != nil {
		t.Fatal(err)
	}
	var page struct{ Regions []Region } // encoding/json matches "oidcProviderID" and the rest without regard to case
	if err := json.Unmarshal(data, &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Regions) != 12 {
		t.Fatalf("testdata has %d regions, want 12", len(page.Regions))
	}
	if !reflect.DeepEqual(Regions(), page.Regions) {
		t.Errorf("got  %+v\nwant %+v", Regions(), page.Regions)
	}
}

// storageIn is the storage of plain in an ICA region.
func storageIn(t *testing.T, id string) Storage {
	t.Helper()
	return mustBaseline(t, mustParse(t, strings.Replace(plain, "icaRegion: US", "icaRegion: "+id, 1))).Storages[0]
}

// variant is one way in which documents differ.
type variant struct{ versioned, whole, tags, key bool }

func variants() []variant {
	var all []variant
	for i := range 16 {
		all = append(all, variant{i&1 > 0, i&2 > 0, i&4 > 0, i&8 > 0})
	}
	return all
}

func (v variant) String() string {
	words := []string{"unversioned", "folder", "no tags", "no key"}
	for i, on := range []bool{v.versioned, v.whole, v.tags, v.key} {
		if on {
			words[i] = []string{"versioned", "whole bucket", "tags", "key"}[i]
		}
	}
	return strings.Join(words, ", ")
}

// in is a storage of the variant that also copies across accounts.
func (v variant) in(t *testing.T, r Region) Storage {
	t.Helper()
	bucket := "      crossAccountCopy: true\n"
	if !v.whole {
		bucket += "      folder: ica\n"
	}
	if v.tags {
		bucket += "      objectTags: true\n"
	}
	if v.key {
		bucket += "      kmsKeyArn: " + keyIn(r.AWS) + "\n"
	}
	text := strings.NewReplacer("icaRegion: US", "icaRegion: "+r.ID, "      folder: ica\n", bucket).Replace(plain)
	return mustBaseline(t, mustParse(t, text)).Storages[0]
}

func keyIn(region string) string {
	return "arn:aws:kms:" + region + ":123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
}

func TestDocumentsOfAllDescribedRegions(t *testing.T) {
	described := 0
	for _, r := range Regions() {
		if !r.described() {
			continue
		}
		described++
		t.Run(r.ID, func(t *testing.T) {
			s := storageIn(t, r.ID)
			dir := filepath.Join("testdata", "golden", r.ID)
			golden(t, filepath.Join(dir, "cors.json"), indented(t, s.Bucket.CORS))
			golden(t, filepath.Join(dir, "trust-policy.json"), indented(t, s.TrustPolicy("PREFIX")))
			golden(t, filepath.Join(dir, "permission-policy.json"), indented(t, s.Role.Policy.Document))
			golden(t, filepath.Join(dir, "boundary.json"), indented(t, s.Role.BoundaryDocument()))
			golden(t, filepath.Join(dir, "names.json"), indented(t, names(s)))
			literal(t, "trust-policy.json", r, s.TrustPolicy("PREFIX"))
			literal(t, "permission-policy.json", r, s.Role.Policy.Document)
			literal(t, "cors.json", r, []CORSRule{s.Bucket.CORS})
			var lines strings.Builder
			for _, v := range variants() {
				s := v.in(t, r)
				permissions := s.Role.PermissionPolicy(func(*Bucket) bool { return v.versioned })
				same(t, "permission policy, "+v.String(), v.permissions(t, r), permissions)
				same(t, "cross-account copy, "+v.String(), v.crossAccount(t, r), s.BucketStatements(v.versioned)[1])
				fmt.Fprintf(
					&lines,
					"%v\n  permission-policy %s\n  bucket-policy     %s\n  key-policy        %s\n  key-policy, if IAM does not decide %s\n",
					v, compact(t, permissions), compact(t, s.BucketStatements(v.versioned)), compact(t, s.KeyStatements()),
					compact(t, s.KeyRoleStatements()),
				)
				withinBoundary(t, permissions, s.Role.BoundaryDocument())
			}
			golden(t, filepath.Join(dir, "variants.txt"), []byte(lines.String()))
		})
	}
	if described != 9 {
		t.Errorf("%d regions are described in full, want 9", described)
	}
}

// withinBoundary: whatever the policy permits, the boundary permits too, else the role could not do it.
func withinBoundary(t *testing.T, permissions, boundary policy.Document) {
	t.Helper()
	for _, s := range permissions.Statements() {
		for _, action := range s.Action {
			for _, resource := range s.Resource {
				if !slices.ContainsFunc(boundary.Statements(), func(b policy.Statement) bool {
					return slices.Contains(b.Action, action) && slices.Contains(b.Resource, resource)
				}) {
					t.Errorf("the boundary lacks %s on %s", action, resource)
				}
			}
		}
	}
}

// additions are the actions that variants have beyond the literal documents.
func additions(t *testing.T) map[string][]any {
	t.Helper()
	var all map[string][]any
	if err := json.Unmarshal(pageText(t, "additions.json"), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// with lists the additions of a document's part, for example "objects", that the variant has.
func (v variant) with(t *testing.T, part string) []any {
	t.Helper()
	a := additions(t)
	var all []any
	if v.versioned {
		all = append(all, a[part+", versioned"]...)
	}
	if v.tags {
		all = append(all, a[part+", tags"]...)
	}
	if v.versioned && v.tags {
		all = append(all, a[part+", versioned tags"]...)
	}
	return all
}

// permissions is the literal document with what the variant adds.
func (v variant) permissions(t *testing.T, r Region) any {
	t.Helper()
	text := string(pageText(t, "permission-policy.json"))
	if v.whole {
		text = strings.Replace(text, "/FOLDER", "", 1)
	}
	doc := decoded(t, filledIn(text, r)).(map[string]any)
	statements := doc["Statement"].([]any)
	for i, part := range []string{"bucket", "objects"} {
		s := statements[i].(map[string]any)
		s["Action"] = append(s["Action"].([]any), v.with(t, part)...)
	}
	if v.key {
		doc["Statement"] = append(
			statements, map[string]any{"Effect": "Allow", "Action": additions(t)["key"], "Resource": []any{keyIn(r.AWS)}},
		)
	}
	return doc
}

func (v variant) crossAccount(t *testing.T, r Region) any {
	t.Helper()
	s := decoded(t, filledIn(string(pageText(t, "cross-account-statement.json")), r)).(map[string]any)
	s["Action"] = append(s["Action"].([]any), v.with(t, "cross-account")...)
	return s
}

// names is what ICA, AWS and people call the parts of the storage.
func names(s Storage) map[string]string {
	return map[string]string{
		"region":           s.Region.AWS,
		"namespace":        s.Region.Namespace,
		"crossAccount":     s.CrossAccount,
		"doubt":            s.Region.Doubt,
		"bucket":           s.Bucket.ARN,
		"role":             s.Role.ARN,
		"policy":           s.Role.Policy.ARN,
		"boundary":         s.Role.Boundary.ARN,
		"prefix":           s.Role.Prefixes[0].ARN,
		"provider":         s.Provider.ARN,
		"providerURL":      s.Provider.URL,
		"providerAudience": s.Provider.Audience,
	}
}

func pageText(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "documents", file))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func filledIn(text string, r Region) string {
	return strings.NewReplacer(
		"CROSSACCT", "arn:aws:iam::079623148045:role/"+r.CrossAccountRole,
		"PARTITION", "aws", "ACCOUNT", testAccount, "BUCKET", "lab-prod-ica", "FOLDER", "ica", "NS", r.Namespace,
		"PROVIDER", "oidc.eks."+r.AWS+".amazonaws.com/id/"+r.OIDCProviderID,
	).Replace(text)
}

// literal compares a document, byte for byte but for white space, with the text that Illumina's pages give.
func literal(t *testing.T, file string, r Region, got any) {
	t.Helper()
	var want bytes.Buffer
	if err := json.Compact(&want, []byte(filledIn(string(pageText(t, file)), r))); err != nil {
		t.Fatal(err)
	}
	if have := compact(t, got); want.String() != have {
		t.Errorf("%s\ngot  %s\nwant %s", file, have, want.String())
	}
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if have := decoded(t, compact(t, got)); !reflect.DeepEqual(want, have) {
		t.Errorf("%s\ngot  %s\nwant %s", what, compact(t, have), compact(t, want))
	}
}

func compact(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func decoded(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestMatchesOrigin(t *testing.T) {
	const page = "https://ica.illumina.com"
	for allowed, want := range map[string]bool{
		page: true, "*": true, "https://*": true, "https://*.illumina.com": true, page + "*": true, "https://ica.*illumina.com": true,
		"": false, "http://*": false, "https://*.example.org": false, "https://ica": false, "HTTPS://ica.illumina.com": false,
		"https://ica.illumina.*.illumina.com": false, // what stands before and after the * does not overlap
	} {
		if MatchesOrigin(allowed, page) != want {
			t.Errorf("%q: %v, want %v", allowed, !want, want)
		}
	}
}

func TestDocumentReadsWhatItWrites(t *testing.T) {
	s := variant{true, true, true, true}.in(t, Regions()[0])
	for _, doc := range []policy.Document{
		s.TrustPolicy("PREFIX"), s.Role.Policy.Document, s.Role.BoundaryDocument(), policy.New(s.BucketStatements(true)...),
		policy.New(append(s.KeyStatements(), s.KeyRoleStatements()...)...),
	} {
		data, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		var back policy.Document
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back.Statements(), doc.Statements()) || back.Version() != doc.Version() || back.JSON() != doc.JSON() {
			t.Errorf("got %+v, want %+v", back, doc)
		}
	}
}
