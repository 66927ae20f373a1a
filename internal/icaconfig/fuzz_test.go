package icaconfig

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/policy"
	"github.com/icaguard/icaguard/internal/yamlspec"
)

// FuzzParse: a file is refused with a reason at a place for each fault, each on one line, or it describes storages whose
// documents AWS can be given.
func FuzzParse(f *testing.F) {
	for _, tc := range append(bad(), badExceptions()...) {
		f.Add([]byte(tc.text))
	}
	example, err := os.ReadFile("../../ica.example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{
		plain + second, sharing(), enforced(sharing()), excepting(),
		string(example), strings.ReplaceAll(string(example), "    #", "    "),
		edit("ssm:/ica/lab-prod/session-name-prefix", `["`+testPrefix+`", "ssm:/ica/other"]`),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := ParseIn(nil, "ica.yaml", data, testTable())
		if err == nil {
			checkDescribed(t, file)
			return
		}
		var faults yamlspec.Faults
		if !errors.As(err, &faults) || len(faults) == 0 || file != nil {
			t.Errorf("%T: %v", err, err)
		}
		for _, fault := range faults {
			if fault.Line < 1 || fault.Column < 1 || fault.What == "" || strings.Contains(fault.Error(), "\n") {
				t.Errorf("%#v", fault)
			}
		}
	})
}

func checkDescribed(t *testing.T, file *File) {
	t.Helper()
	owner, err := file.Owner(file.Account+testAccount[len(file.Account):], "aws")
	if err != nil {
		t.Fatalf("a file without faults has no owner: %v", err)
	}
	b := file.Baseline(owner)
	if len(b.Storages) != len(file.Storages) || len(b.Regions()) == 0 {
		t.Errorf("%d storages of %d, regions %v", len(b.Storages), len(file.Storages), b.Regions())
	}
	for _, warning := range file.Warnings() {
		if strings.Contains(warning, "\n") {
			t.Errorf("a warning of several lines: %q", warning)
		}
	}
	for _, s := range b.Storages {
		for _, versioned := range []bool{true, false} {
			checkDocument(t, s.Role.PermissionPolicy(func(*Bucket) bool { return versioned }))
			checkDocument(t, policy.New(s.BucketStatements(versioned)...))
		}
		checkDocument(t, s.TrustPolicy("Some-prefix"))
		checkDocument(t, s.Role.BoundaryDocument())
		checkDocument(t, policy.New(slices.Concat(s.KeyStatements(), s.KeyRoleStatements())...))
		if !slices.Contains(s.Bucket.Storages, s.Name) || !slices.Contains(s.Role.Storages, s.Name) {
			t.Errorf("%s shares what is not its own: %v, %v", s.Name, s.Bucket.Storages, s.Role.Storages)
		}
	}
}

// checkDocument: it is read back as it is, and its names hold no wildcard that the file's could have put there.
func checkDocument(t *testing.T, d policy.Document) {
	t.Helper()
	if d.Empty() {
		return
	}
	back, err := policy.Parse(d.JSON())
	if err != nil || !policy.Equal(d, back) {
		t.Errorf("%v: %v is read back as %v", err, d, back)
	}
	for _, s := range d.Statements() {
		for _, resource := range append(slices.Clone(s.Resource), s.Principal["AWS"]...) {
			if strings.ContainsAny(strings.TrimSuffix(resource, "*"), "*?$\n") {
				t.Errorf("more than one name: %q", resource)
			}
		}
	}
}

// FuzzExceptionLine: the line that icaguard validate prints for a finding is one line, and accepts that finding once it
// stands in the file and says why.
func FuzzExceptionLine(f *testing.F) {
	for _, match := range []string{
		"LabDeny", "arn:aws:iam::123456789012:policy/x", "a: b", "{x}", "- a", "#", "'", "yes", "null", "0x10", "1e3", " ",
		"a ", "ÿ", "~", "*a", "&a",
		"!!str a", "%", "@", "`", "2026-01-15", strings.Repeat("long ", 100), "\u2028", "\u00a0",
	} {
		f.Add(match)
	}
	f.Fuzz(func(t *testing.T, match string) {
		if !CanMatch(match) {
			return
		}
		want := ExceptionSpec{
			Storage: "lab-prod", Setting: "bucket-policy", Match: match, Digest: "0123456789e1", Reason: "ticket LAB-12",
		}
		line := want.Line()
		file, err := ParseIn(nil, "ica.yaml", []byte("exceptions:\n  "+line+"\n"+plain), testTable())
		if err != nil || len(file.Exceptions) != 1 || file.Exceptions[0] != want || strings.ContainsAny(line, "\n\r") {
			t.Errorf("%v: %s accepts something else than %q", err, line, match)
		}
	})
}
