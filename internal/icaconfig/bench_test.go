package icaconfig

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// textOf is an ica.yaml with so many tags and storages.
func textOf(tags, storages int) string {
	var text strings.Builder
	text.WriteString("account: \"123456789012\"\nhomeRegion: us-east-1\nalerts: {emails: [storage-oncall@example.org]}\ntags:\n  owner: genomics\n")
	for i := range tags {
		fmt.Fprintf(&text, "  tag-%02d: value %02d\n", i, i)
	}
	text.WriteString("storages:\n")
	for i := range storages {
		fmt.Fprintf(&text, "  - name: lab-%02d\n    icaRegion: US\n    bucket:\n      name: lab-%02d-ica\n      folder: ica\n    role:\n      name: Role%02d\n      policyName: policy-%02d\n      sessionNamePrefix: ssm:/ica/lab-%02d/session-name-prefix\n", i, i, i, i, i)
	}
	return text.String()
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
