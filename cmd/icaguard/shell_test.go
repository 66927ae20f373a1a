package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// withShell lets the env run what icaguard prints: a POSIX shell that finds an AWS CLI and icaguard itself.
func (d *env) withShell() *env {
	d.t.Helper()
	bin := d.t.TempDir()
	self, err := os.Executable()
	if err != nil {
		d.t.Fatal(err)
	}
	for name, program := range map[string]string{
		"icaguard": self,
		"aws":      absolute(d.t, "../../.venv/bin/python") + " " + absolute(d.t, "testdata/aws.py"),
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\nexec "+program+" \"$@\"\n"), 0o700); err != nil {
			d.t.Fatal(err)
		}
	}
	d.variables["PATH"] = bin + ":" + os.Getenv("PATH")
	return d
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	full, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return full
}

// sh runs a script, and says whether it succeeded and what it printed.
func (d *env) sh(script string, options ...string) (ok bool, output string) {
	d.t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(d.t.Context(), "sh", append(options, "-c", script)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = d.dir, &out, &out
	for name, value := range d.variables {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		d.t.Fatal(err)
	}
	return err == nil, out.String()
}

// mustSh runs a script that has to succeed.
func (d *env) mustSh(script string) {
	d.t.Helper()
	if ok, output := d.sh(script, "-e"); !ok {
		d.t.Fatalf("the shell fails:\n%s\n%s", script, output)
	}
}

// alternatives are the commands in a script's comments.
func alternatives(script string) string {
	var lines []string
	for _, match := range regexp.MustCompile(`(?m)^#   (.*)$`).FindAllStringSubmatch(script, -1) {
		lines = append(lines, match[1])
	}
	return strings.Join(lines, "\n")
}
