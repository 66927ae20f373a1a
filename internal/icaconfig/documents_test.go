package icaconfig

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
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

// storageIn is the storage of plain in an ICA region, also in those that Parse does not support yet.
func storageIn(t *testing.T, id string) Storage {
	t.Helper()
	d, f := decode("ica.yaml", []byte(strings.Replace(plain, "icaRegion: US", "icaRegion: "+id, 1)))
	if d.check(f); len(d.faults) > 0 {
		t.Fatal(d.faults)
	}
	return mustBaseline(t, f).Storages[0]
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
			golden(t, filepath.Join(dir, "names.json"), indented(t, names(s)))
			literal(t, "trust-policy.json", s, s.TrustPolicy("PREFIX"))
			literal(t, "permission-policy.json", s, s.Role.Policy.Document)
		})
	}
	if described != 9 {
		t.Errorf("%d regions are described in full, want 9", described)
	}
}

// names is what ICA, AWS and people call the parts of the storage.
func names(s Storage) map[string]string {
	return map[string]string{
		"region": s.Region.AWS, "namespace": s.Region.Namespace, "crossAccountRole": s.Region.CrossAccountRole, "doubt": s.Region.Doubt,
		"bucket": s.Bucket.ARN, "role": s.Role.ARN, "policy": s.Role.Policy.ARN,
		"provider": s.Provider.ARN, "providerURL": s.Provider.URL, "providerAudience": s.Provider.Audience,
	}
}

// literal compares a document, byte for byte but for white space, with the text that Illumina's pages give.
func literal(t *testing.T, file string, s Storage, got Document) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "documents", file))
	if err != nil {
		t.Fatal(err)
	}
	r := Regions()[indexOf(s.Region.ID)]
	filled := strings.NewReplacer(
		"PARTITION", "aws", "ACCOUNT", testAccount, "BUCKET", "lab-prod-ica", "FOLDER", "ica", "NS", r.Namespace,
		"PROVIDER", "oidc.eks."+r.AWS+".amazonaws.com/id/"+r.OIDCProviderID,
	).Replace(string(text))
	var want bytes.Buffer
	if err := json.Compact(&want, []byte(filled)); err != nil {
		t.Fatal(err)
	}
	have, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if want.String() != string(have) {
		t.Errorf("%s\ngot  %s\nwant %s", file, have, want.String())
	}
}

func indexOf(id string) int {
	for i, r := range Regions() {
		if r.ID == id {
			return i
		}
	}
	return -1
}

func TestDocumentReadsWhatItWrites(t *testing.T) {
	for _, doc := range []Document{storageIn(t, "US").TrustPolicy("PREFIX"), storageIn(t, "US").Role.Policy.Document} {
		data, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		var back Document
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(back, doc) {
			t.Errorf("got %+v, want %+v", back, doc)
		}
	}
}
