package icaconfig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestSecretIsNeverPrinted(t *testing.T) {
	f := mustParse(t, strings.Replace(plain, "ssm:/ica/lab-prod/session-name-prefix", testPrefix, 1))
	b := mustBaseline(t, f)
	if b.Storages[0].Role.Prefixes[0].Literal.Reveal() != testPrefix {
		t.Fatal("the prefix is lost")
	}
	var out bytes.Buffer
	for _, v := range []any{
		b, &b, f, *f, b.Roles, *b.Roles[0], b.Storages[0], b.Storages[0].Role.Prefixes[0],
		b.Storages[0].Role.Prefixes[0].Literal,
	} {
		// go vet refuses %w and %p, which no method can mask
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		asJSON, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		asYAML, err := yaml.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(append(asJSON, asYAML...))
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
	}
	for _, form := range []string{testPrefix, fmt.Sprintf("%x", testPrefix), fmt.Sprintf("%X", testPrefix)} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the prefix is printed as %s", form)
		}
	}
	if !strings.Contains(out.String(), masked) {
		t.Error("nothing is masked: does the test look at the prefix at all?")
	}
}

func TestCheckPrefix(t *testing.T) {
	for prefix, want := range map[string]string{
		testPrefix:                            "",
		strings.Repeat("a", 8):                "",
		strings.Repeat("a", 62):               "",
		"a_+=,.@-Z9":                          "",
		"":                                    "too short",
		"*":                                   "wildcard",
		"abcdefgh*":                           "wildcard",
		"abcd?fgh":                            "wildcard",
		strings.Repeat("a", 7):                "too short",
		strings.Repeat("a", 63):               "too long",
		testPrefix + "\n":                     "line break",
		testPrefix + " ":                      "a space",
		"${aws:username}":                     "does not allow",
		"präfix-von-ica":                      "does not allow",
		"{{resolve:ssm:/ica/prefix-of-test}}": "does not allow",
	} {
		err := CheckPrefix(prefix)
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", prefix, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: got %v, want …%s…", prefix, err, want)
		case err != nil && prefix != "" && prefix != "*" && strings.Contains(err.Error(), prefix):
			t.Errorf("%q stands in its own error", prefix)
		}
	}
}
