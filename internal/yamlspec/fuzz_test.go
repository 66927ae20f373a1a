package yamlspec

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// FuzzDecode: a file is refused with faults that stand in it, in their order, each with what is wrong on one line; or every
// text that it has is one that its format allows, and everything that was written has its place.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		"street: elm\nlabels: {a: b, c d: e}\nguests: [ann]\ngarden: {existing: true}\nrooms: [{name: hall}]\n",
		"street: elm\nowners: ann\n", "street: elm\nowners: [ann, bob, tom]\n", "street: &a elm\nguests: [*a]\n", "a: [\n", "- x",
		"", "#", "\x00", "\xff", "street: \"\\u2028\"", "\"\\u202e\\n\": x",
		"colour: \"\\u202e\\n\"\nstreet: elm\n", "labels: {\"\\n\\e\": 7}",
		"street: no\ncolour: blue\nlabels: {a: 1, b: 2, c: 3, d: 4}\n", "street: !!binary aGk=\n", "? [a]\n: b\n", "--- {}\n---\n{}",
		"street: elm\n<<: {colour: red}\n", "%YAML 9\n---\na: b\n", "street: elm\r\ncolour: red\r\n", "\ufeffstreet: elm\n",
		strings.Repeat("[", 20000),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var h house
		d := houses().Decode("house.yaml", data, &h)
		err := d.Err()
		if err == nil {
			street := houses().Formats["street"]
			for _, text := range append(append([]string{h.Street}, h.Guests...), h.Owners...) {
				if !street.Match(text) {
					t.Errorf("%q is no street", text)
				}
			}
			if h.Colour != "red" && h.Colour != "white" || len(h.Labels) > 3 || len(h.Owners) > 2 || !d.Written("street") {
				t.Errorf("%+v", h)
			}
			return
		}
		var faults Faults
		if !errors.As(err, &faults) || len(faults) == 0 {
			t.Fatalf("%T: %v", err, err)
		}
		lines := 1 + bytes.Count(data, []byte("\n")) + bytes.Count(data, []byte("\r"))
		last := 0
		for _, fault := range faults {
			if fault.Line < last || fault.Line < 1 || fault.Line > lines+1 || fault.Column < 1 || fault.What == "" {
				t.Errorf("of %d lines: %+v", lines, fault)
			}
			if last = fault.Line; strings.ContainsAny(fault.Error(), "\n\r\x1b\u202e\u2028") {
				t.Errorf("not one line: %q", fault.Error())
			}
		}
	})
}

// FuzzFlow: a text that is written on one line is read back as it is.
func FuzzFlow(f *testing.F) {
	for _, text := range []string{"", "a", "a: b", "#", "*", "\n", "\t", "null", "'", `"`, "\u0085", "\u2028", "\x7f", "0x1", "é", "\U0001f600"} {
		f.Add(text)
	}
	type note struct {
		Text string `yaml:"text"`
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ToValidUTF8(text, "") != text {
			return
		}
		var back note
		line := Flow(note{text})
		spec := &Spec{Of: reflect.TypeFor[note](), Describes: "a note", IfEmpty: "write one"}
		err := spec.Decode("note.yaml", []byte(line), &back).Err()
		if err != nil || back.Text != text || strings.ContainsAny(line, "\n\r") {
			t.Errorf("%v: %q is written as %q and read back as %q", err, text, line, back.Text)
		}
	})
}
