package localawstest

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/localaws"
)

const module = "github.com/icaguard/icaguard/"

// Synthesise runs the CDK app over an ica.yaml that needs no other file.
func Synthesise(t testing.TB, config string) localaws.Templates {
	t.Helper()
	DependOn(t, "cdk")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	templates, err := localaws.Synthesise(t.Context(), config, self)
	if err != nil {
		t.Fatal(err)
	}
	return templates
}

// DependOn makes go test run a test again when a source of these packages or of what they import has changed. It caches
// the results of a test that reads the same files as before, and does not see what a compiler reads on the test's behalf.
func DependOn(t testing.TB, packages ...string) {
	t.Helper()
	const sources = `{{if .Module}}{{if .Module.Main}}{{$dir := .Dir}}{{range .GoFiles}}{{$dir}}/{{.}}{{"\n"}}{{end}}{{end}}{{end}}`
	for _, p := range packages {
		for file := range strings.Lines(Run(t, "go", "list", "-deps", "-f", sources, module+p)) {
			if _, err := os.Stat(strings.TrimSpace(file)); err != nil && strings.TrimSpace(file) != "" {
				t.Fatal(err)
			}
		}
	}
}

// Run runs a command that has to succeed, and answers what it printed.
func Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, output)
	}
	return string(output)
}
