package icaconfig

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// textOf is an ica.yaml of so many tags and storages. Four storages share a role, twelve a region, and every second has a key with the
// next.
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
		if _, err := Parse("ica.yaml", text); err != nil {
			t.Fatal(err)
		}
	})
	return parsing, testing.AllocsPerRun(5, func() { f.Baseline(o) })
}

// TestWorkGrowsWithTheFile: the functions read and derive the file at each cold start, so nothing is compiled or derived twice, or once
// for each pair of storages. A storage has ten keys here, and YAML alone takes ten allocations for each.
func TestWorkGrowsWithTheFile(t *testing.T) {
	for _, size := range []struct{ tags, storages int }{{0, 1}, {48, 1}, {0, 12}, {0, 24}, {0, 48}} {
		parsing, deriving := allocated(t, size.tags, size.storages)
		tags, storages := float64(size.tags), float64(size.storages)
		if most := 250 + 20*tags + 420*storages; parsing > most {
			t.Errorf("%d tags and %d storages: %v allocations to parse, want at most %v", size.tags, size.storages, parsing, most)
		}
		if most := 60 + tags + 40*storages; deriving > most {
			t.Errorf("%d tags and %d storages: %v allocations to derive, want at most %v", size.tags, size.storages, deriving, most)
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
				f, err := Load(path)
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
