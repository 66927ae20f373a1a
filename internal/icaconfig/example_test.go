package icaconfig

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/icaguard/icaguard/internal/yamlspec"
)

// TestExample holds ica.example.yaml against the code: it is valid, and with every #key taken from its comment it means
// the same. So the defaults that it documents are the real ones, and no key is missing.
func TestExample(t *testing.T) {
	data, err := os.ReadFile("../../ica.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	short := mustParse(t, string(data))
	if w := short.Warnings(); len(w) > 0 {
		t.Errorf("warnings: %q", w)
	}
	full := mustParse(t, uncommented(string(data)))
	for _, k := range spec().Keys() {
		path := regexp.MustCompile(`\[\]`).ReplaceAllString(k.Path, "[0]")
		hasNoDefault := strings.HasPrefix(path, "exceptions[0].") || path == "storages[0].bucket.lifecycle.expected"
		if hasNoDefault && !strings.Contains(string(data), path[strings.LastIndex(path, ".")+1:]+":") ||
			!hasNoDefault && !full.src.Written(path) {
			t.Errorf("%s is not in the example", k.Path)
		}
	}
	full.Exceptions = nil // an empty list, as none
	short.read, full.read = time.Time{}, time.Time{}
	short.src, full.src, short.digest, full.digest = yamlspec.Source{}, yamlspec.Source{}, "", "" // the texts differ
	if !reflect.DeepEqual(short, full) {
		t.Errorf("a documented default is not the real one:\n%+v\n%+v", short, full)
	}
}

// uncommented takes every #key from its comment.
func uncommented(text string) string {
	return regexp.MustCompile(`(?m)^( *)#((?:  )?\w+:)`).ReplaceAllString(text, "$1$2")
}
