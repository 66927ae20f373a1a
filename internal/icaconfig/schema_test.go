package icaconfig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/icaguard/icaguard/internal/yamlspec/jsonschema"
)

// TestSchema keeps ica.schema.json at the top of the repository, where editors find it.
func TestSchema(t *testing.T) {
	golden(t, "../../ica.schema.json", schemaText())
	if regexp.MustCompile(`\\\\x\{|\(\?i\)`).Match(schemaText()) {
		t.Error("a pattern is none of ECMA-262")
	}
}

func TestSchemaHasEveryKey(t *testing.T) {
	root := readSchema(t)
	for _, k := range spec().Keys() {
		at := root
		for _, part := range strings.Split(strings.ReplaceAll(k.Path, "[]", ""), ".") {
			if at.Items != nil {
				at = at.Items
			}
			if at.AnyOf != nil {
				at = at.AnyOf[1]
			}
			if at = at.Properties[part]; at == nil {
				t.Fatalf("%s is not in the schema", k.Path)
			}
		}
		if !strings.HasPrefix(at.Description, k.Help) {
			t.Errorf("%s: description %q", k.Path, at.Description)
		}
		if at.Default != nil && fmt.Sprint(at.Default) != k.Default {
			t.Errorf("%s: default %v, want %s", k.Path, at.Default, k.Default)
		}
	}
}

// TestSchemaAgreesWithParse: what Parse takes the schema takes, and what the schema refuses Parse refuses too.
func TestSchemaAgreesWithParse(t *testing.T) {
	example, err := os.ReadFile("../../ica.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(example), "# yaml-language-server: $schema=./ica.schema.json\n") {
		t.Error("the example does not name its schema in its first line")
	}
	for name, text := range map[string]string{
		"example": string(example), "example, all keys": uncommented(string(example)),
		"plain": plain + second, "own": ownYAML(),
	} {
		if wrong := violations(readSchema(t), fromYAML(t, text), ""); len(wrong) > 0 {
			t.Errorf("%s: %s", name, strings.Join(wrong, "\n"))
		}
	}
	seen := 0
	for _, tc := range append(bad(), badExceptions()...) {
		var v any
		if yaml.Unmarshal([]byte(tc.text), &v) != nil || v == nil {
			continue
		}
		if len(violations(readSchema(t), v, "")) > 0 {
			seen++
		}
	}
	if seen < 60 {
		t.Errorf("the schema sees only %d of the bad files", seen)
	}
}

func schemaText() []byte {
	return jsonschema.Of(spec(), "ica.yaml", "What ICA needs in one AWS account; read by icaguard")
}

func readSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	var s jsonschema.Schema
	dec := json.NewDecoder(bytes.NewReader(schemaText()))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		t.Fatal(err)
	}
	return &s
}

func fromYAML(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// violations validates by the part of JSON Schema that ours uses.
func violations(s *jsonschema.Schema, v any, path string) []string {
	wrong := func(format string, args ...any) []string { return []string{path + ": " + fmt.Sprintf(format, args...)} }
	if s.AnyOf != nil {
		var all []string
		for _, one := range s.AnyOf {
			wrong := violations(one, v, path)
			if len(wrong) == 0 {
				return nil
			}
			all = append(all, wrong...)
		}
		return all
	}
	switch v := v.(type) {
	case map[string]any:
		if s.Type != "object" {
			return wrong("an object, want %s", s.Type)
		}
		return objectViolations(s, v, path)
	case []any:
		if s.Type != "array" || len(v) < s.MinItems || s.MaxItems > 0 && len(v) > s.MaxItems {
			return wrong("a list of %d, want %s of %d", len(v), s.Type, s.MinItems)
		}
		var all []string
		for i, item := range v {
			all = append(all, violations(s.Items, item, fmt.Sprintf("%s[%d]", path, i))...)
		}
		return all
	case bool:
		if s.Type != "boolean" {
			return wrong("true or false, want %s", s.Type)
		}
	case string:
		switch {
		case s.Type != "string":
			return wrong("text, want %s", s.Type)
		case len(s.Enum) > 0 && !slices.Contains(s.Enum, v),
			s.Pattern != "" && !matches(s.Pattern, v),
			s.Not != nil && matches(s.Not.Pattern, v):
			return wrong("%q does not match", v)
		}
	default:
		return wrong("%T", v)
	}
	return nil
}

func objectViolations(s *jsonschema.Schema, v map[string]any, path string) []string {
	var all []string
	for _, name := range s.Required {
		if _, ok := v[name]; !ok {
			all = append(all, path+": "+name+" is missing")
		}
	}
	if s.MaxProperties > 0 && len(v) > s.MaxProperties {
		all = append(all, path+": too many")
	}
	for name, value := range v {
		at := path + "." + name
		switch inner := s.Properties[name]; {
		case inner != nil:
			all = append(all, violations(inner, value, at)...)
		case s.PropertyNames == nil:
			all = append(all, at+": unknown")
		default:
			all = append(all, violations(s.PropertyNames, name, at)...)
		}
	}
	return all
}

func matches(pattern, text string) bool {
	return regexp.MustCompile(regexp.MustCompile(`\\u00([0-9a-f]{2})`).ReplaceAllString(pattern, `\x{$1}`)).MatchString(text)
}
