package main

import (
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// unlinted are the checks of cfn-lint that are left out.
func unlinted() map[string]string {
	return map[string]string{
		"W3005": "a DependsOn beside a reference: CDK writes both, between a function and its role",
		"I1022": "Fn::Sub for Fn::Join: CDK writes the latter",
	}
}

// checkLint runs cfn-lint over every template, for the region in which it is deployed. It needs no network.
func checkLint(t *testing.T, apps map[string]app) {
	dir, byRegion := t.TempDir(), map[string][]string{}
	for name, a := range apps {
		for _, s := range a.baseline.Stacks {
			file := filepath.Join(dir, name+"-"+s.Name+".json")
			writeFile(t, file, a.texts[s.Name])
			byRegion[s.Region] = append(byRegion[s.Region], file)
		}
	}
	for region, files := range byRegion {
		args := []string{"--regions", region, "--include-checks", "I", "--non-zero-exit-code", "informational", "--format", "parseable"}
		for check := range unlinted() {
			args = append(args, "--ignore-checks", check)
		}
		out, err := exec.Command("../.venv/bin/cfn-lint", slices.Concat(args, []string{"--template"}, files)...).CombinedOutput()
		if err != nil {
			t.Errorf("cfn-lint in %s: %v\n%s", region, err, out)
		}
	}
}
