package golden

import (
	"os"
	"path/filepath"
	"testing"
)

// Seeds are the contents of the files of some patterns, from which fuzz targets start. Each pattern has some.
func Seeds(t testing.TB, patterns ...string) [][]byte {
	t.Helper()
	var all [][]byte
	for _, pattern := range patterns {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: no file: %v", pattern, err)
		}
		for _, path := range paths {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, content)
		}
	}
	return all
}
