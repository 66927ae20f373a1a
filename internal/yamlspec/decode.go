package yamlspec

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Decoder reads one file and collects its faults, those of the tags and, by Fault and Limit, those that only code can find.
type Decoder struct {
	Source
	Faults Faults

	spec *Spec
	rows map[string]Key // made when the first fault asks
}

// Decode fills the struct that into points to as far as the text can be read. Values with a fault are left empty.
func (s *Spec) Decode(name string, data []byte, into any) *Decoder {
	d := &Decoder{Source: Source{name: name, at: map[string]Position{}}, spec: s}
	if root := d.root(data); root != nil {
		d.structure("", root, reflect.ValueOf(into).Elem())
	}
	return d
}

// root reads the one YAML document of the text, nil if there is none to go on with.
func (d *Decoder) root(data []byte) *yaml.Node {
	if bad, p := unreadable(data); bad {
		d.add(
			Fault{
				Line:   p.Line,
				Column: p.Column,
				What:   "a character that is not UTF-8 text; save the file as UTF-8 without control characters",
			},
		)
		return nil
	}
	reader := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := reader.Decode(&doc); {
	case errors.Is(err, io.EOF), err == nil && isNull(doc.Content[0]):
		d.add(Fault{Line: 1, Column: 1, What: "the file is empty; " + d.spec.IfEmpty})
		return nil
	case err != nil:
		d.syntax(data, err)
		return nil
	}
	switch err := reader.Decode(&second); {
	case err == nil:
		d.add(
			Fault{
				Line:   second.Line,
				Column: max(second.Column, 1),
				What:   "a second YAML document (after ---) begins here; one file describes " + d.spec.Describes,
			},
		)
	case !errors.Is(err, io.EOF):
		d.syntax(data, err)
	}
	return doc.Content[0]
}

// What go.yaml.in/yaml says of a text that is not YAML.
var (
	lineOfYAML   = regexp.MustCompile(`(?s)^line (\d+): (.*)$`)
	anchorOfYAML = regexp.MustCompile(`(?s)^unknown anchor '(.*)' referenced$`)
)

// syntax reports what the YAML parser found. Its messages quote the text in one case, the name of an anchor, which
// could be a secret; there it does not say the line either.
func (d *Decoder) syntax(data []byte, err error) {
	f := Fault{Line: 1, Column: 1, What: strings.TrimPrefix(err.Error(), "yaml: ")}
	if m := lineOfYAML.FindStringSubmatch(f.What); m != nil {
		f.Line, _ = strconv.Atoi(m[1])
		f.What = m[2]
	}
	if m := anchorOfYAML.FindStringSubmatch(f.What); m != nil {
		p := placeOf(data, max(bytes.Index(data, []byte("*"+m[1])), 0))
		f.Line, f.Column, f.What = p.Line, p.Column, "a value begins with *, which YAML reads as an alias; write it in quotes"
	}
	f.What = "not YAML: " + f.What + " (look at indentation and quotes around this line)"
	d.add(f)
}

// unreadable finds the first character that YAML does not allow, whose place the parser does not tell.
func unreadable(data []byte) (bool, Position) {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		control := r < ' ' && !strings.ContainsRune("\t\n\r", r) || r >= 0x7f && r < 0xa0 && r != 0x85
		if control || r == utf8.RuneError && size == 1 {
			return true, placeOf(data, i)
		}
		i += size
	}
	return false, Position{}
}

func placeOf(data []byte, offset int) Position {
	before := data[:offset]
	return Position{
		Line:   bytes.Count(before, []byte("\n")) + 1,
		Column: utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1,
	}
}

// structure fills v from a mapping; n is nil where the mapping was left out and only defaults apply.
func (d *Decoder) structure(path string, n *yaml.Node, v reflect.Value) {
	given := map[string]*yaml.Node{}
	if word, ok := wordOf(v.Type()); ok && (n == nil || n.Kind == yaml.ScalarNode) {
		d.word(path, n, v, word)
		return
	}
	if n != nil && !isNull(n) {
		if n.Kind != yaml.MappingNode {
			d.wrongType(path, n, typeName(reflect.Struct))
			return
		}
		given = d.entries(path, n, keyNames(v.Type()))
	}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name := field.Tag.Get("yaml")
		if name == "" {
			continue
		}
		at := join(path, name)
		switch child, ok := given[name]; {
		case ok:
			d.value(at, child, v.Field(i), field.Tag)
		case field.Type.Kind() == reflect.Struct:
			d.structure(at, nil, v.Field(i))
		case field.Tag.Get("required") != "":
			d.Fault(at, "is missing")
		default:
			setText(v.Field(i), defaultOf(v, field))
		}
	}
}

// word fills in the text that stands instead of a mapping, or its default.
func (d *Decoder) word(path string, n *yaml.Node, v reflect.Value, field reflect.StructField) {
	target := v.FieldByIndex(field.Index)
	if n == nil || isNull(n) {
		setText(target, defaultOf(v, field))
		return
	}
	d.scalar(path, n, target, field.Tag)
}

// wordOf is the field for a text that may stand instead of a mapping, if one may.
func wordOf(t reflect.Type) (reflect.StructField, bool) {
	for field := range t.Fields() {
		if field.Tag.Get("instead") != "" {
			return field, true
		}
	}
	return reflect.StructField{}, false
}

// entries gives the known keys of a mapping and reports the others. A key with nothing behind it counts as left out.
// known is nil where every key is allowed.
func (d *Decoder) entries(path string, n *yaml.Node, known []string) map[string]*yaml.Node {
	given := map[string]*yaml.Node{}
	lines := map[string]int{}
	for pair := range slices.Chunk(n.Content, 2) {
		key, value := pair[0], pair[1]
		name := key.Value
		at := join(path, shown(name))
		switch line, twice := lines[name]; {
		case key.Kind != yaml.ScalarNode || key.Anchor != "":
			d.add(Fault{Key: path, Line: key.Line, Column: key.Column, What: "a key must be a plain word, without anchors and aliases"})
			continue
		case twice:
			d.add(
				Fault{
					Key:    at,
					Line:   key.Line,
					Column: key.Column,
					What:   fmt.Sprintf("stands here a second time, first in line %d; keep one", line),
				},
			)
			continue
		case known != nil && !slices.Contains(known, name):
			d.unknown(path, key, known)
		case known == nil || !isNull(value):
			given[name] = value
		}
		lines[name] = key.Line
	}
	return given
}

func (d *Decoder) unknown(path string, key *yaml.Node, known []string) {
	what := "unknown key"
	if near := closest(key.Value, known); near != "" {
		what += "; did you mean " + near + "?"
	} else if home := d.elsewhere(key.Value); home != "" {
		what += " here; it belongs to " + home + " (look at the indentation)"
	}
	d.add(Fault{
		Key: join(path, shown(key.Value)), Line: key.Line, Column: key.Column, What: what,
		Allowed: strings.Join(known, ", "),
	})
}

// elsewhere finds the only other place where a key of that name is known: wrong indentation is YAML's commonest mistake.
func (d *Decoder) elsewhere(name string) string {
	homes := map[string]bool{}
	for path := range d.keys() {
		for ; path != ""; path = parent(path) {
			if home, ok := strings.CutSuffix(path, "."+name); ok && name != "" {
				homes[home] = true
			}
		}
	}
	if len(homes) != 1 {
		return ""
	}
	return slices.Collect(maps.Keys(homes))[0]
}

// value fills the field with this tag from a node.
func (d *Decoder) value(path string, n *yaml.Node, target reflect.Value, tag reflect.StructTag) {
	d.at[path] = Position{n.Line, n.Column}
	if !d.plain(path, n) {
		return
	}
	switch target.Kind() {
	case reflect.Struct:
		d.structure(path, n, target)
	case reflect.Slice:
		d.list(path, n, target, tag)
	case reflect.Map:
		d.pairs(path, n, target)
	case reflect.Bool, reflect.String:
		d.scalar(path, n, target, tag)
	default:
		panic("yamlspec: no rule for fields of type " + target.Type().String()) // a mistake in the struct, found by any test
	}
}

// plain refuses anchors and aliases: a value must stand where it is used, or its line means nothing to who reads a fault.
func (d *Decoder) plain(path string, n *yaml.Node) bool {
	if n.Kind != yaml.AliasNode && n.Anchor == "" {
		return true
	}
	d.Fault(
		path, "YAML anchors (&) and aliases (*) are not used in this file; write the value out, in quotes if it begins with & or *",
	)
	return false
}

func (d *Decoder) list(path string, n *yaml.Node, target reflect.Value, tag reflect.StructTag) {
	several := tag.Get("several")
	switch most, _ := strconv.Atoi(several); {
	case several != "" && n.Kind == yaml.ScalarNode:
		target.Set(reflect.MakeSlice(target.Type(), 1, 1))
		d.scalar(path, n, target.Index(0), tag)
		return
	case n.Kind != yaml.SequenceNode:
		d.wrongType(path, n, typeOf(reflect.Slice, tag))
		return
	case several != "" && (len(n.Content) == 0 || len(n.Content) > most):
		d.Fault(path, fmt.Sprintf("has %d values, not 1 to %d", len(n.Content), most))
		return
	case len(n.Content) == 0 && target.Type().Elem().Kind() == reflect.String:
		return // no texts are the same as none written
	}
	target.Set(reflect.MakeSlice(target.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.at[at] = Position{item.Line, item.Column}
		switch {
		case !d.plain(at, item):
		case target.Type().Elem().Kind() == reflect.Struct:
			d.structure(at, item, target.Index(i))
		default:
			d.scalar(at, item, target.Index(i), `required:"true" `+tag)
		}
	}
}

func (d *Decoder) pairs(path string, n *yaml.Node, target reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.wrongType(path, n, typeName(reflect.Map))
		return
	}
	given := d.entries(path, n, nil)
	target.Set(reflect.MakeMapWithSize(target.Type(), len(given)))
	for name, item := range given {
		at := PairPath(path, name)
		d.at[at] = Position{item.Line, item.Column}
		text := reflect.New(target.Type().Elem()).Elem()
		if d.plain(at, item) && d.scalar(at, item, text, "") {
			target.SetMapIndex(reflect.ValueOf(name), text)
		}
	}
}

// scalar fills a text or a bool and says whether it could. Numbers are taken as the text that stands there, so that an account
// number without quotes keeps its leading zero.
func (d *Decoder) scalar(path string, n *yaml.Node, target reflect.Value, tag reflect.StructTag) bool {
	isBool := n.ShortTag() == "!!bool"
	if n.Kind != yaml.ScalarNode || isNull(n) || isBool != (target.Kind() == reflect.Bool) {
		d.wrongType(path, n, typeName(target.Kind()))
		return false
	}
	if isBool {
		return setText(target, strings.ToLower(n.Value))
	}
	if what := d.spec.mismatch(n.Value, tag); what != "" {
		d.Fault(path, what)
		return false
	}
	return setText(target, n.Value)
}

// mismatch says what is wrong with a text, "" if nothing is. An empty text is the same as none.
func (s *Spec) mismatch(text string, tag reflect.StructTag) string {
	if values := tag.Get("allowed"); values != "" {
		return notAmong(text, strings.Split(values, "|"))
	}
	f := s.format(tag)
	optional := tag.Get("required") == "" && tag.Get("default") == ""
	if f.Pattern == "" || text == "" && optional || f.Match(text) {
		return ""
	}
	return fmt.Sprintf("%s is not %s", Quoted(text), f.Noun)
}

// OneOf refuses a text that is none of the values, which only code knows. An empty one was refused before, or is left out.
func (d *Decoder) OneOf(path, text string, values []string) {
	if text == "" || d.Faulty(path) {
		return
	}
	if what := notAmong(text, values); what != "" {
		d.Limit(path, what, strings.Join(values, ", "), "")
	}
}

func notAmong(text string, values []string) string {
	if slices.Contains(values, text) {
		return ""
	}
	if near := closest(text, values); near != "" {
		return fmt.Sprintf("%s is not known; did you mean %s?", Quoted(text), near)
	}
	return Quoted(text) + " is not known"
}

func (d *Decoder) wrongType(path string, n *yaml.Node, want string) {
	what := "is " + kindOf(n) + ", not " + want
	if path == "" {
		what = "the file " + what
	}
	d.faultAt(path, Position{n.Line, n.Column}, what)
}

func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "empty"
	case n.ShortTag() == "!!bool":
		return "true or false (without quotes)"
	case n.ShortTag() == "!!int", n.ShortTag() == "!!float":
		return "a number"
	default:
		return "text"
	}
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// keyNames lists the keys of a struct in the order of its fields.
func keyNames(t reflect.Type) []string {
	var names []string
	for field := range t.Fields() {
		if name := field.Tag.Get("yaml"); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// defaultOf is the literal default of a field of the struct v; what is adopted may have another one.
func defaultOf(v reflect.Value, field reflect.StructField) string {
	text := field.Tag.Get("default")
	if existing := v.FieldByName("Existing"); existing.IsValid() && existing.Bool() {
		text = cmp.Or(field.Tag.Get("adopted"), text)
	}
	if field.Type.Kind() == reflect.Bool {
		return cmp.Or(text, "false")
	}
	return text
}

// setText puts a checked text into a text or bool; other kinds keep their empty value.
func setText(target reflect.Value, text string) bool {
	if target.Kind() == reflect.Bool {
		target.SetBool(text == "true")
	} else if target.Kind() == reflect.String {
		target.SetString(text)
	}
	return true
}
