package icaconfig

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
)

// Schema is the JSON Schema of ica.yaml (draft 2020-12), made from the tags of File, so that editors complete and check the file. It is a
// little stricter than Parse, which also takes numbers without quotes and keys with nothing behind them; what needs more than one key
// (sharing, names that may stand once) only Parse checks.
func Schema() []byte {
	root := schemaOf(reflect.TypeFor[File]())
	root.Schema = "https://json-schema.org/draft/2020-12/schema"
	root.Title = "ica.yaml"
	root.Description = "What ICA needs in one AWS account; read by icaguard"
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(root); err != nil {
		panic("icaconfig: schema: " + err.Error()) // plain data always marshals
	}
	return buf.Bytes()
}

// schema is the part of JSON Schema that ica.yaml needs.
type schema struct {
	Schema        string             `json:"$schema,omitempty"`
	Title         string             `json:"title,omitempty"`
	Description   string             `json:"description,omitempty"`
	Type          string             `json:"type,omitempty"`
	Enum          []string           `json:"enum,omitempty"`
	Pattern       string             `json:"pattern,omitempty"`
	Not           *schema            `json:"not,omitempty"`
	Default       any                `json:"default,omitempty"`
	Examples      []any              `json:"examples,omitempty"`
	MinItems      int                `json:"minItems,omitempty"`
	MaxProperties int                `json:"maxProperties,omitempty"`
	Items         *schema            `json:"items,omitempty"`
	PropertyNames *schema            `json:"propertyNames,omitempty"`
	Properties    map[string]*schema `json:"properties,omitempty"`
	Required      []string           `json:"required,omitempty"`
	Additional    any                `json:"additionalProperties,omitempty"` // false, or the schema of all values
}

func schemaOf(t reflect.Type) *schema {
	s := &schema{Type: "object", Properties: map[string]*schema{}, Additional: false}
	for field := range t.Fields() {
		name := field.Tag.Get("yaml")
		if name == "" {
			continue
		}
		s.Properties[name] = schemaOfField(field)
		if needed(field) {
			s.Required = append(s.Required, name)
		}
	}
	return s
}

// needed: also a mapping that holds a required key is required.
func needed(field reflect.StructField) bool {
	if field.Type.Kind() != reflect.Struct {
		return field.Tag.Get("required") != ""
	}
	for inner := range field.Type.Fields() {
		if needed(inner) {
			return true
		}
	}
	return false
}

func schemaOfField(field reflect.StructField) *schema {
	var s *schema
	switch field.Type.Kind() {
	case reflect.Struct:
		s = schemaOf(field.Type)
	case reflect.Slice:
		s = &schema{Type: "array", Items: schemaOfText(field.Tag, false)}
		if field.Type.Elem().Kind() == reflect.Struct {
			s.Items, s.MinItems = schemaOf(field.Type.Elem()), 1
		}
	case reflect.Map:
		s = &schema{
			Type: "object", MaxProperties: mostTags,
			PropertyNames: schemaOfText(`format:"tagKey"`, false), Additional: schemaOfText(`format:"tagValue"`, false),
		}
	case reflect.Bool:
		s = &schema{Type: "boolean", Default: field.Tag.Get("default") == "true"}
	default:
		optional := field.Tag.Get("required") == "" && field.Tag.Get("default") == ""
		s = schemaOfText(field.Tag, optional)
		if text := field.Tag.Get("default"); text != "" {
			s.Default = text
		}
	}
	s.Description = describe(field)
	return s
}

// schemaOfText is what a text must check like; an optional one may be empty.
func schemaOfText(tag reflect.StructTag, optional bool) *schema {
	s := &schema{Type: "string"}
	if values := tag.Get("allowed"); values != "" {
		s.Enum = strings.Split(values, "|")
		return s
	}
	name := tag.Get("format")
	f := formats[name]
	pattern := f.pattern
	switch name {
	case "prefix": // as checkPrefix says
		pattern = parameterScheme + formats["parameter"].pattern + `|[A-Za-z0-9_+=,.@-]{8,62}`
	case "icaRegion":
		s.Enum = regionIDs()
		return s
	}
	if pattern != "" {
		s.Pattern = forEditors("^(" + pattern + ")$")
	}
	if optional && pattern != "" {
		s.Pattern = forEditors("^(" + pattern + ")?$")
	}
	if f.refused != "" {
		s.Not = &schema{Pattern: forEditors(f.refused)}
	}
	if f.example != "" {
		s.Examples = []any{strings.Trim(f.example, `"`)}
	}
	return s
}

// character is a character by its number, as Go's regular expressions write it.
var character = regexp.MustCompile(`\\x\{([0-9a-f]{2})\}`)

// forEditors turns a regular expression of Go into one of ECMA-262, as JSON Schema wants it: they differ in how they write a character.
func forEditors(pattern string) string {
	return character.ReplaceAllString(pattern, `\u00$1`)
}

// describe is what an editor shows at the key.
func describe(field reflect.StructField) string {
	k := newKey("", field)
	text := k.Help
	if field.Type.Kind() == reflect.Struct || field.Type.Kind() == reflect.Slice && field.Type.Elem().Kind() == reflect.Struct {
		return text
	}
	if k.Allowed != "" && field.Type.Kind() != reflect.Bool {
		text += ". Allowed: " + k.Allowed
	}
	if field.Tag.Get("derived") != "" {
		text += ". Default: " + k.Default
	}
	if k.Adopted != "" {
		text += ". Default beside existing: true: " + k.Adopted
	}
	return text
}
