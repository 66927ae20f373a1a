// Package yamlspec reads a YAML file strictly into a struct. The tags of the struct's fields are the only list of keys;
// messages, schema and docs are made from them:
//
//	yaml      the key
//	help      one line for people
//	required  the key has no default
//	default   its default; without this tag the empty value
//	adopted   the default beside `existing: true`, where that is another one
//	derived   in words, where the default comes from if it depends on other keys
//	allowed   the values, separated by |
//	format    else the name of the Format that a text, each text of a list or each pair of a mapping has to match
//	several   of a list of texts: how many it may hold; one text may stand there without a list
//	example   an example value; else the one of the format
//	instead   on a text without the tag yaml: in place of the mapping a text may stand, which goes into this field
//
// No key and no value is silently ignored: each is a Fault with its line, what is allowed there and an example. Fields
// are texts, bools, structs, lists of texts or structs, and mappings of texts; those without the tag yaml are left
// alone.
package yamlspec

import "reflect"

// Spec is one kind of file.
type Spec struct {
	Of      reflect.Type // the struct
	Formats map[string]*Format

	// Of the messages about the file as a whole.
	Describes string // "one account": what one file is about
	IfEmpty   string // what to do with an empty file
}

// format is the row that the tag names, an empty one if it names none.
func (s *Spec) format(tag reflect.StructTag) *Format {
	if f := s.Formats[tag.Get("format")]; f != nil {
		return f
	}
	return &Format{}
}
