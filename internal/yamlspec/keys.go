package yamlspec

import (
	"reflect"
	"strings"
)

// Key is one key of the file, as the tags say.
type Key struct {
	Path     string // "servers[].disk.size"
	Type     string // "text", "true or false", "a list", "a mapping"
	Help     string
	Allowed  string // in words, "" where the type says it all
	Default  string // as YAML, or in words where it depends on other keys; "" if the key is required
	Adopted  string // the default beside `existing: true`, "" if it is the same
	Example  string // as YAML
	Required bool
}

// Keys lists every key that holds a value, in the order of the file.
func (s *Spec) Keys() []Key { return s.keysOf("", s.Of) }

func (s *Spec) keysOf(path string, t reflect.Type) []Key {
	var keys []Key
	for field := range t.Fields() {
		name := field.Tag.Get("yaml")
		if name == "" {
			continue
		}
		at := join(path, name)
		switch {
		case field.Type.Kind() == reflect.Struct:
			if word, ok := wordOf(field.Type); ok {
				keys = append(keys, s.wordKey(at, field, word))
			}
			keys = append(keys, s.keysOf(at, field.Type)...)
		case field.Type.Kind() == reflect.Slice && field.Type.Elem().Kind() == reflect.Struct:
			keys = append(keys, s.Key(at, field))
			keys = append(keys, s.keysOf(at+"[]", field.Type.Elem())...)
		default:
			keys = append(keys, s.Key(at, field))
		}
	}
	return keys
}

// mappingsOf lists the rows of the keys that hold other keys; faults need them, people read the keys inside.
func (s *Spec) mappingsOf(path string, t reflect.Type) []Key {
	var all []Key
	if _, ok := wordOf(t); !ok { // else it has a row in Keys
		all = []Key{{Path: path, Allowed: "the keys " + strings.Join(keyNames(t), ", "), Example: "{" + s.firstExample(t) + "}"}}
	}
	for field := range t.Fields() {
		at := join(path, field.Tag.Get("yaml"))
		switch {
		case field.Tag.Get("yaml") == "":
		case field.Type.Kind() == reflect.Struct:
			all = append(all, s.mappingsOf(at, field.Type)...)
		case field.Type.Kind() == reflect.Slice && field.Type.Elem().Kind() == reflect.Struct:
			all = append(all, s.mappingsOf(at+"[]", field.Type.Elem())...)
		}
	}
	return all
}

func (s *Spec) firstExample(t reflect.Type) string {
	k := s.Key("", t.Field(0))
	return t.Field(0).Tag.Get("yaml") + ": " + k.Example
}

// wordKey is the key of a mapping that a text may stand instead of.
func (s *Spec) wordKey(path string, field, word reflect.StructField) Key {
	k := s.Key(path, word)
	k.Type, k.Help = "text or a mapping", field.Tag.Get("help")
	k.Allowed += ", {" + s.firstExample(field.Type) + "}"
	return k
}

// Key is the key of a field that stands at path.
func (s *Spec) Key(path string, field reflect.StructField) Key {
	tag := field.Tag
	format := s.format(tag)
	k := Key{
		Path: path, Type: typeOf(field.Type.Kind(), tag), Help: tag.Get("help"), Adopted: tag.Get("adopted"),
		Required: tag.Get("required") != "", Allowed: strings.ReplaceAll(tag.Get("allowed"), "|", ", "), Example: tag.Get("example"),
	}
	if format.Noun != "" {
		k.Allowed = format.Allowed
	}
	if field.Type.Kind() == reflect.Bool {
		k.Allowed = "true, false"
	}
	if !k.Required {
		k.Default = defaultInWords(field)
	}
	if k.Example == "" {
		k.Example = exampleOf(field, format)
	}
	return k
}

func exampleOf(field reflect.StructField, format *Format) string {
	switch {
	case format.Example != "" && field.Type.Kind() == reflect.Slice && field.Tag.Get("several") == "":
		return "[" + format.Example + "]"
	case format.Example != "":
		return format.Example
	case field.Type.Kind() == reflect.Bool:
		return "true"
	}
	first, _, _ := strings.Cut(field.Tag.Get("allowed"), "|")
	return first
}

func defaultInWords(field reflect.StructField) string {
	if words := field.Tag.Get("derived"); words != "" {
		return words
	}
	if text := field.Tag.Get("default"); text != "" {
		return text
	}
	switch field.Type.Kind() {
	case reflect.Bool:
		return "false"
	case reflect.Slice:
		return "[]"
	case reflect.Map:
		return "{}"
	default:
		return `""`
	}
}

func typeOf(k reflect.Kind, tag reflect.StructTag) string {
	if most := tag.Get("several"); most != "" {
		return "text or a list of up to " + most
	}
	return typeName(k)
}

func typeName(k reflect.Kind) string {
	switch k {
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "a mapping"
	default:
		return "text"
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// parent cuts the last key or index off a path; the parent of a key of the file is "".
func parent(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}
