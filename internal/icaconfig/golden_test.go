package icaconfig

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "rewrite golden files")

const (
	testAccount = "123456789012"
	testPrefix  = "Xy12PrefixOfTest" // also the literal that no message may contain
)

// plain is a smallest file without warnings; the tests edit it.
const plain = `account: "123456789012"
alerts:
  emails: [storage-oncall@example.org]
storages:
  - name: lab-prod
    icaRegion: US
    bucket:
      name: lab-prod-ica
      folder: ica
    role:
      sessionNamePrefix: ssm:/ica/lab-prod/session-name-prefix
`

// second is another storage for plain, with a role of its own.
const second = `  - name: lab-test
    icaRegion: US
    bucket:
      name: lab-test-ica
      folder: ica
    role:
      name: Test_Role
      policyName: test-policy
      sessionNamePrefix: ssm:/ica/lab-test/session-name-prefix
`

func mustParse(t *testing.T, text string) *File {
	t.Helper()
	f, err := ParseIn(nil, "ica.yaml", []byte(text), testTable())
	if err != nil {
		t.Fatalf("Parse:\n%v", err)
	}
	return f
}

func mustBaseline(t *testing.T, f *File) Baseline {
	t.Helper()
	o, err := f.Owner(testAccount, "aws")
	if err != nil {
		t.Fatal(err)
	}
	return f.Baseline(o)
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (write it with -update)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; got:\n%s\nwant:\n%s", path, got, want)
	}
}

func indented(t *testing.T, v any) []byte {
	t.Helper()
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
