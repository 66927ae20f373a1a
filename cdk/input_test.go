package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestInputErrors(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "ica.yaml")
	example, err := os.ReadFile("../ica.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, config, string(example))
	dist := filepath.Join(dir, "dist")
	check := func(name, want string) {
		t.Helper()
		if _, err := loadInput(config, dist); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	t.Setenv("CDK_DEFAULT_ACCOUNT", "")
	check("no account", "which account?")
	t.Setenv("CDK_DEFAULT_ACCOUNT", "123456789012")
	check("not built", "make build CONFIG="+config)
	writeFile(t, filepath.Join(dist, "remediate", "ica.yaml"), "storages: []")
	check("built with another configuration", "were built with another configuration: make build CONFIG="+config)
	writeFile(t, filepath.Join(dist, "remediate", "ica.yaml"), string(example))
	check("no binary", "bootstrap")
	config = filepath.Join(dir, "missing.yaml")
	check("no configuration", "copy ica.example.yaml")
}
