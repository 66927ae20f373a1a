package icaconfig

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// textOf is an ica.yaml of so many tags and storages. Four storages share a role, twelve a region, and every second has
// a key with the next.
func textOf(tags, storages int) string {
	var text strings.Builder
	text.WriteString("account: \"123456789012\"\nhomeRegion: us-east-1\nalerts: {emails: [storage-oncall@example.org]}\n")
	if tags > 0 {
		text.WriteString("tags:\n")
	}
	for i := range tags {
		fmt.Fprintf(&text, "  tag-%02d: value %02d\n", i, i)
	}
	text.WriteString("storages:\n")
	for i := range storages {
		region := Regions()[i/12]
		fmt.Fprintf(&text, `  - name: lab-%02[1]d
    icaRegion: %[2]s
    bucket:
      name: lab-%02[1]d-ica
      folder: ica
      kmsKeyArn: arn:aws:kms:%[3]s:123456789012:key/%[4]d
    role:
      name: Role%02[5]d
      policyName: policy-%02[5]d
      sessionNamePrefix: ssm:/ica/lab-%02[5]d/session-name-prefix
`, i, region.ID, region.AWS, i/2, i/4)
	}
	return text.String()
}

// allocated counts what parsing and deriving allocate.
func allocated(t *testing.T, tags, storages int) (parsing, deriving float64) {
	t.Helper()
	text := []byte(textOf(tags, storages))
	f := mustParse(t, string(text))
	o, err := f.Owner(testAccount, "aws")
	if err != nil {
		t.Fatal(err)
	}
	parsing = testing.AllocsPerRun(5, func() {
		if _, err := ParseIn(nil, "ica.yaml", text, testTable()); err != nil {
			t.Fatal(err)
		}
	})
	return parsing, testing.AllocsPerRun(5, func() { f.Baseline(o) })
}

// TestLoadingIsCheap: the functions read and derive the file at each cold start, so nothing is compiled or derived
// twice. A storage has ten keys here, and YAML alone takes ten allocations for each.
func TestLoadingIsCheap(t *testing.T) {
	for _, size := range []struct{ tags, storages int }{{0, 1}, {48, 1}, {0, 12}, {0, 48}} {
		parsing, deriving := allocated(t, size.tags, size.storages)
		tags, storages := float64(size.tags), float64(size.storages)
		if most := 250 + 20*tags + 500*storages; parsing > most {
			t.Errorf("%d tags and %d storages: %v allocations to parse, want at most %v", size.tags, size.storages, parsing, most)
		}
		if most := 60 + tags + 60*storages; deriving > most {
			t.Errorf("%d tags and %d storages: %v allocations to derive, want at most %v", size.tags, size.storages, deriving, most)
		}
	}
}

// TestLoadingIsLinear: nothing is done once for each pair of storages. So 24 storages more cost twice what 12 more cost.
func TestLoadingIsLinear(t *testing.T) {
	few, fewDerived := allocated(t, 0, 12)
	more, moreDerived := allocated(t, 0, 24)
	many, manyDerived := allocated(t, 0, 48)
	for what, ratio := range map[string]float64{
		"to parse": (many - more) / (more - few), "to derive": (manyDerived - moreDerived) / (moreDerived - fewDerived),
	} {
		if ratio > 2.1 {
			t.Errorf("allocations %s: from 24 to 48 storages %.2f times as many come as from 12 to 24, want 2", what, ratio)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	for _, size := range []struct{ tags, storages int }{{0, 1}, {48, 1}, {0, 12}, {0, 48}} {
		path := filepath.Join(b.TempDir(), "ica.yaml")
		if err := os.WriteFile(path, []byte(textOf(size.tags, size.storages)), 0o600); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("%d tags/%d storages", size.tags, size.storages), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f, err := Load(path, testTable())
				if err != nil {
					b.Fatal(err)
				}
				o, err := f.Owner(testAccount, "aws")
				if err != nil {
					b.Fatal(err)
				}
				f.Baseline(o)
			}
		})
	}
}
