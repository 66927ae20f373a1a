package icaconfig

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestFormatsMatchTheirExamples(t *testing.T) {
	for name, f := range formats {
		if f.Noun == "" {
			t.Errorf("%s has no noun", name)
		}
		if example := strings.Trim(f.Example, `"`); f.Pattern != "" && example != "" && !f.Match(example) {
			t.Errorf("%s: the example %s does not match", name, f.Example)
		}
	}
}

// TestTags finds misspelt tags: File is the only list of keys, so a wrong word there is a wrong rule.
func TestTags(t *testing.T) {
	known := "yaml help required default adopted derived allowed format example several instead"
	walkFields(reflect.TypeFor[File](), func(field reflect.StructField) {
		for _, tag := range strings.Fields(strings.ReplaceAll(stripQuoted(string(field.Tag)), ":", "")) {
			if !strings.Contains(" "+known+" ", " "+tag+" ") {
				t.Errorf("%s: tag %q is not known", field.Name, tag)
			}
		}
		if field.Tag.Get("help") == "" {
			t.Errorf("%s has no help", field.Name)
		}
		format, ok := formats[field.Tag.Get("format")]
		if field.Tag.Get("format") != "" && !ok {
			t.Errorf("%s: no format %q", field.Name, field.Tag.Get("format"))
		}
		if def := field.Tag.Get("default"); ok && def != "" && format.Pattern != "" && !format.Match(def) {
			t.Errorf("%s: default %q does not match its format", field.Name, def)
		}
	})
}

func walkFields(t reflect.Type, visit func(reflect.StructField)) {
	for field := range t.Fields() {
		if field.Tag.Get("yaml") == "" {
			continue
		}
		visit(field)
		inner := field.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			walkFields(inner, visit)
		}
	}
}

func stripQuoted(tag string) string {
	var b strings.Builder
	for i, part := range strings.Split(tag, `"`) {
		if i%2 == 0 {
			b.WriteString(part)
		}
	}
	return b.String()
}

func TestKeys(t *testing.T) {
	var b strings.Builder
	for _, k := range spec().Keys() {
		fmt.Fprintf(&b, "%s (%s)\n  help: %s\n  allowed: %s\n  default: %s\n  adopted: %s\n  example: %s\n  required: %t\n",
			k.Path, k.Type, k.Help, k.Allowed, k.Default, k.Adopted, k.Example, k.Required)
	}
	golden(t, "testdata/golden/keys.txt", []byte(strings.ReplaceAll(b.String(), ": \n", ":\n")))
}
