package icaconfig

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// labs is an ica.yaml with a storage for each region of ICA, some of them with an adopted bucket ("EU existing").
func labs(head string, storages ...string) string {
	text := head + "storages:\n"
	for i, s := range storages {
		region, existing, _ := strings.Cut(s, " ")
		adopted := ""
		if existing != "" {
			adopted = ", existing: true"
		}
		text += fmt.Sprintf(
			"  - {name: lab-%d, icaRegion: %s, bucket: {name: lab-%d-bucket%s}, role: {name: Role%d, policyName: policy-%d, "+
				"sessionNamePrefix: \"ssm:/p\"}}\n",
			i,
			region,
			i,
			adopted,
			i,
			i,
		)
	}
	return text
}

func TestStacks(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"one region":       {labs("", "US"), []string{"icaguard-storage-us-east-1", "icaguard-guard"}},
		"adopted, at home": {labs("", "US existing"), []string{"icaguard-guard"}},
		"adopted, away from home": {labs("homeRegion: us-east-1\n", "EU existing"), []string{
			"icaguard-storage-eu-central-1",
			"icaguard-guard",
		}},
		"two regions": {labs("", "US", "EU", "EU"), []string{
			"icaguard-storage-us-east-1",
			"icaguard-storage-eu-central-1", "icaguard-guard",
		}},
		"home without storages": {labs("homeRegion: us-east-1\n", "EU"), []string{
			"icaguard-storage-eu-central-1",
			"icaguard-guard",
		}},
		"us-east-1 holds IAM's relay": {labs("", "EU"), []string{
			"icaguard-storage-eu-central-1", "icaguard-relay",
			"icaguard-guard",
		}},
		"us-east-1 forbidden": {labs("iamEvents: audit\n", "EU"), []string{
			"icaguard-storage-eu-central-1",
			"icaguard-guard",
		}},
		"adopted, with IAM's relay": {labs("", "EU existing"), []string{"icaguard-relay", "icaguard-guard"}},
		"a storage in IAM's own region": {
			labs("homeRegion: eu-central-1\n", "EU", "US existing"),
			[]string{"icaguard-storage-eu-central-1", "icaguard-storage-us-east-1", "icaguard-guard"},
		},
	} {
		b := mustBaseline(t, mustParse(t, c.text))
		var got []string
		for _, stack := range b.Stacks {
			got = append(got, stack.Name)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: stacks (-want +got):\n%s", name, diff)
		}
		if b.Regions()[0] != b.HomeRegion {
			t.Errorf("%s: regions %v do not begin at home, %s", name, b.Regions(), b.HomeRegion)
		}
		if diff := cmp.Diff(b.Home, b.Storages[len(b.Storages)-1].Home); diff != "" {
			t.Errorf("%s: a storage has another home (-file's +storage's):\n%s", name, diff)
		}
	}
}

func TestAuditOfIAMIsRefusedWhereIAMsEventsAppear(t *testing.T) {
	for text, want := range map[string]string{
		labs("iamEvents: audit\n", "EU", "US"):                  "audit has no use: storage lab-1 stands in us-east-1",
		labs("homeRegion: us-east-1\niamEvents: audit\n", "EU"): "audit has no use: the guard's home is us-east-1",
	} {
		if _, err := Parse("ica.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), "iamEvents: relay") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestDigest: every text that a deploy is made from changes it, and nothing else does.
func TestDigest(t *testing.T) {
	text := strings.Replace(
		plain, "storages:\n  - name: lab-prod\n", "storages:\n  - name: lab-prod\n    documents: {cors: cors.json}\n", 1,
	)
	cors := `[{"AllowedHeaders":["*"],"AllowedMethods":["HEAD","GET","PUT","POST","DELETE"],"AllowedOrigins":["https://ica.illumina.com"],"ExposeHeaders":["ETag","x-amz-meta-custom-header"]}]`
	digest := func(name, text, cors string) string {
		t.Helper()
		f, err := ParseIn(fstest.MapFS{"cors.json": {Data: []byte(cors)}}, name, []byte(text), testTable())
		if err != nil {
			t.Fatal(err)
		}
		return mustBaseline(t, f).Digest
	}
	first := digest("ica.yaml", text, cors)
	if len(first) != 16 || digest("labs/other.yaml", text, cors) != first {
		t.Errorf("digest %q: want 16 characters, whatever the file is called", first)
	}
	if digest("ica.yaml", text+"# changed\n", cors) == first || digest("ica.yaml", text, cors+"\n") == first {
		t.Error("another text has the same digest")
	}
}
