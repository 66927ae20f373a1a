package localawstest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Build builds one of the functions for this machine, with the tags of make build. The binary lives as long as the test.
func Build(t testing.TB, function string) string {
	t.Helper()
	DependOn(t, "functions/"+function)
	binary := filepath.Join(t.TempDir(), "bootstrap")
	run(t, "go", "build", "-tags", "lambda.norpc", "-o", binary, module+"functions/"+function)
	return binary
}

const module = "github.com/icaguard/icaguard/"

// DependOn makes go test run a test again when a source of these packages or of what they import has changed. It caches
// the results of a test that reads the same files as before, and does not see what a compiler reads on the test's behalf.
func DependOn(t testing.TB, packages ...string) {
	t.Helper()
	const sources = `{{if .Module}}{{if .Module.Main}}{{$dir := .Dir}}{{range .GoFiles}}{{$dir}}/{{.}}{{"\n"}}{{end}}{{end}}{{end}}`
	for _, p := range packages {
		for file := range strings.Lines(run(t, "go", "list", "-deps", "-f", sources, module+p)) {
			if _, err := os.Stat(strings.TrimSpace(file)); err != nil && strings.TrimSpace(file) != "" {
				t.Fatal(err)
			}
		}
	}
}

// run runs a command that has to succeed, and answers what it printed.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, output)
	}
	return string(output)
}
