package localawstest

import (
	"path/filepath"
	"testing"
)

// Build builds one of the functions for this machine, with the tags of make build. The binary lives as long as the test.
func Build(t testing.TB, function string) string {
	t.Helper()
	DependOn(t, "functions/"+function)
	binary := filepath.Join(t.TempDir(), "bootstrap")
	Run(t, "go", "build", "-tags", "lambda.norpc", "-o", binary, module+"functions/"+function)
	return binary
}
