package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMakeOfMacs: make before 3.82 does not know .SHELLFLAGS, so a command that fails within a recipe would not end it, and
// the functions of the build before would be deployed with the configuration of this one.
func TestMakeOfMacs(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for line := range strings.Lines(string(makefile)) {
		if !strings.HasPrefix(line, ".SHELLFLAGS") {
			kept = append(kept, line)
		}
	}
	dir := t.TempDir()
	old := filepath.Join(dir, "Makefile")
	if err := os.WriteFile(old, []byte(strings.Join(kept, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "make", "--no-print-directory", "-f", old, "build",
		"CONFIG=ica.example.yaml", "DIST="+filepath.Join(dir, "dist"), "GOARCH=none")
	cmd.Dir = "../.."
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "unsupported GOOS/GOARCH pair linux/none") {
		t.Errorf("a build that fails: %v\n%s", err, out)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "dist", "*")); err != nil || len(left) > 0 {
		t.Errorf("it went on and made %v (%v)", left, err)
	}
}
