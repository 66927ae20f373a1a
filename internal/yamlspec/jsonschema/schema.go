// Package jsonschema makes the JSON Schema (draft 2020-12) of a file that yamlspec reads, so that editors complete and
// check it. It is a little stricter than yamlspec, which also takes numbers without quotes and keys with nothing behind
// them; what needs more than one key only code checks. The product does not link it: the schema is a file in the
// repository, which a test keeps.
package jsonschema

import (
	"bytes"
	"cmp"
	"encoding/json"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/icaguard/icaguard/internal/yamlspec"
)

// Of is the schema of a kind of file.
func Of(spec *yamlspec.Spec, title, description string) []byte {
	root := maker{spec}.structure(spec.Of)
	root.Schema = "https://json-schema.org/draft/2020-12/schema"
	root.Title = title
	root.Description = description
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(root); err != nil {
		panic("jsonschema: " + err.Error()) // plain data always marshals
	}
	return buf.Bytes()
}

type maker struct{ *yamlspec.Spec }

// Schema is the part of JSON Schema that such files need.
type Schema struct {
	Schema        string             `json:"$schema,omitempty"`
	Title         string             `json:"title,omitempty"`
	Description   string             `json:"description,omitempty"`
	Type          string             `json:"type,omitempty"`
	AnyOf         []*Schema          `json:"anyOf,omitempty"`
	Enum          []string           `json:"enum,omitempty"`
	Pattern       string             `json:"pattern,omitempty"`
	Not           *Schema            `json:"not,omitempty"`
	Default       any                `json:"default,omitempty"`
	Examples      []any              `json:"examples,omitempty"`
	MinItems      int                `json:"minItems,omitempty"`
	MaxProperties int                `json:"maxProperties,omitempty"`
	MaxItems      int                `json:"maxItems,omitempty"`
	UniqueItems   bool               `json:"uniqueItems,omitempty"`
	Items         *Schema            `json:"items,omitempty"`
	PropertyNames *Schema            `json:"propertyNames,omitempty"`
	Properties    map[string]*Schema `json:"properties,omitempty"`
	Required      []string           `json:"required,omitempty"`
	Additional    any                `json:"additionalProperties,omitempty"` // false, or the schema of all values
}

func (m maker) structure(t reflect.Type) *Schema {
	s := &Schema{Type: "object", Properties: map[string]*Schema{}, Additional: false}
	for field := range t.Fields() {
		name := field.Tag.Get("yaml")
		if name == "" {
			continue
		}
		s.Properties[name] = m.field(field)
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

func (m maker) field(field reflect.StructField) *Schema {
	var s *Schema
	switch field.Type.Kind() {
	case reflect.Struct:
		s = m.mapping(field.Type)
	case reflect.Slice:
		s = &Schema{Type: "array", Items: m.text(field.Tag, false)}
		if field.Type.Elem().Kind() == reflect.Struct {
			s.Items = m.structure(field.Type.Elem())
		}
		if field.Tag.Get("required") != "" {
			s.MinItems = 1
		}
		if most, err := strconv.Atoi(field.Tag.Get("several")); err == nil {
			s.MinItems, s.MaxItems, s.UniqueItems = 1, most, true
			s = &Schema{AnyOf: []*Schema{s.Items, s}}
		}
	case reflect.Map:
		s = m.pairs(m.Formats[field.Tag.Get("format")].Pairs)
	case reflect.Bool:
		s = &Schema{Type: "boolean", Default: field.Tag.Get("default") == "true"}
	default:
		optional := field.Tag.Get("required") == "" && field.Tag.Get("default") == ""
		s = m.text(field.Tag, optional)
		if text := field.Tag.Get("default"); text != "" {
			s.Default = text
		}
	}
	s.Description = m.describe(field)
	return s
}

// mapping is a mapping, or the text that may stand instead of it.
func (m maker) mapping(t reflect.Type) *Schema {
	for field := range t.Fields() {
		if field.Tag.Get("instead") != "" {
			word := m.text(field.Tag, false)
			word.Default = field.Tag.Get("default")
			return &Schema{AnyOf: []*Schema{word, m.structure(t)}}
		}
	}
	return m.structure(t)
}

func (m maker) pairs(p *yamlspec.Pairs) *Schema {
	return &Schema{
		Type:          "object",
		MaxProperties: p.Most,
		PropertyNames: ofFormat(m.Formats[p.Keys], false),
		Additional:    ofFormat(m.Formats[p.Values], false),
	}
}

// text is what a text must look like; an optional one may be empty.
func (m maker) text(tag reflect.StructTag, optional bool) *Schema {
	if values := tag.Get("allowed"); values != "" {
		return &Schema{Type: "string", Enum: strings.Split(values, "|")}
	}
	if f := m.Formats[tag.Get("format")]; f != nil {
		return ofFormat(f, optional)
	}
	return &Schema{Type: "string"}
}

func ofFormat(f *yamlspec.Format, optional bool) *Schema {
	if f.Values != nil {
		return &Schema{Type: "string", Enum: f.Values}
	}
	s := &Schema{Type: "string"}
	pattern := cmp.Or(f.Pattern, f.Editors)
	if pattern != "" {
		s.Pattern = forEditors("^(" + pattern + ")$")
	}
	if optional && pattern != "" {
		s.Pattern = forEditors("^(" + pattern + ")?$")
	}
	if f.Refused != "" {
		s.Not = &Schema{Pattern: forEditors(f.Refused)}
	}
	if f.Example != "" {
		s.Examples = []any{strings.Trim(f.Example, `"`)}
	}
	return s
}

// character is a character by its number, as Go's regular expressions write it.
var character = regexp.MustCompile(`\\x\{([0-9a-f]{2})\}`)

// forEditors turns a regular expression of Go into one of ECMA-262, as JSON Schema wants it: they differ in how they
// write a character.
func forEditors(pattern string) string {
	return character.ReplaceAllString(pattern, `\u00$1`)
}

// describe is what an editor shows at the key.
func (m maker) describe(field reflect.StructField) string {
	k := m.Key("", field)
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
