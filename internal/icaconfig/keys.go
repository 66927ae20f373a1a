package icaconfig

import (
	"reflect"
	"strings"
)

// FileKey is one key of ica.yaml, as the tags of File say.
type FileKey struct {
	Path     string // "storages[].bucket.name"
	Type     string // "text", "true or false", "a list", "a mapping"
	Help     string
	Allowed  string // in words, "" where the type says it all
	Default  string // as YAML, or in words where it depends on other keys; "" if the key is required
	Adopted  string // the default beside `existing: true`, "" if it is the same
	Example  string // as YAML
	Required bool
}

// Keys lists every key that holds a value, in the order of the file.
func Keys() []FileKey { return keysOf("", reflect.TypeFor[File]()) }

func keysOf(path string, t reflect.Type) []FileKey {
	var keys []FileKey
	for field := range t.Fields() {
		name := field.Tag.Get("yaml")
		if name == "" {
			continue
		}
		at := join(path, name)
		switch {
		case field.Type.Kind() == reflect.Struct:
			keys = append(keys, keysOf(at, field.Type)...)
		case field.Type.Kind() == reflect.Slice && field.Type.Elem().Kind() == reflect.Struct:
			keys = append(keys, newKey(at, field))
			keys = append(keys, keysOf(at+"[]", field.Type.Elem())...)
		default:
			keys = append(keys, newKey(at, field))
		}
	}
	return keys
}

// mappingsOf lists the rows of the keys that hold other keys; faults need them, people read the keys inside.
func mappingsOf(path string, t reflect.Type) []FileKey {
	all := []FileKey{{Path: path, Allowed: "the keys " + strings.Join(keyNames(t), ", "), Example: "{" + firstExample(t) + "}"}}
	for field := range t.Fields() {
		at := join(path, field.Tag.Get("yaml"))
		switch {
		case field.Tag.Get("yaml") == "":
		case field.Type.Kind() == reflect.Struct:
			all = append(all, mappingsOf(at, field.Type)...)
		case field.Type.Kind() == reflect.Slice && field.Type.Elem().Kind() == reflect.Struct:
			all = append(all, mappingsOf(at+"[]", field.Type.Elem())...)
		}
	}
	return all
}

func firstExample(t reflect.Type) string {
	k := newKey("", t.Field(0))
	return t.Field(0).Tag.Get("yaml") + ": " + k.Example
}

func newKey(path string, field reflect.StructField) FileKey {
	tag := field.Tag
	format := formats[tag.Get("format")]
	k := FileKey{
		Path: path, Type: typeName(field.Type.Kind()), Help: tag.Get("help"), Adopted: tag.Get("adopted"),
		Required: tag.Get("required") != "", Allowed: strings.ReplaceAll(tag.Get("allowed"), "|", ", "), Example: tag.Get("example"),
	}
	if format.noun != "" {
		k.Allowed = format.allowed
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

func exampleOf(field reflect.StructField, format format) string {
	switch {
	case format.example != "" && field.Type.Kind() == reflect.Slice:
		return "[" + format.example + "]"
	case format.example != "":
		return format.example
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
