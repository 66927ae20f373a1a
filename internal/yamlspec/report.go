package yamlspec

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Position is a place in the file, both counted from 1.
type Position struct{ Line, Column int }

// Source says where each key of a file stands. It holds no values, so that printing it shows no secret.
type Source struct {
	name string
	at   map[string]Position // path → where its value stands, for keys that were written
}

// Name is what the file is called in messages.
func (s Source) Name() string { return s.name }

// Where is the place of a key's value, or of what it would stand in if it was left out.
func (s Source) Where(path string) Position {
	for ; path != ""; path = parent(path) {
		if p, ok := s.at[path]; ok {
			return p
		}
	}
	return Position{1, 1}
}

// Line is where the key stands, in words.
func (s Source) Line(path string) string { return fmt.Sprintf("line %d", s.Where(path).Line) }

// Written reports whether the key is in the file.
func (s Source) Written(path string) bool {
	_, ok := s.at[path]
	return ok
}

func (d *Decoder) add(f Fault) {
	f.File = d.name
	f.Line = max(f.Line, 1)
	d.Faults = append(d.Faults, f)
}

// Fault reports a key, with what its tags allow.
func (d *Decoder) Fault(path, what string) {
	d.faultAt(path, d.Where(path), what)
}

func (d *Decoder) faultAt(path string, p Position, what string) {
	k := d.key(path)
	f := Fault{Key: path, Line: p.Line, Column: p.Column, What: what, Allowed: k.Allowed}
	if k.Example != "" {
		f.Example = strings.TrimPrefix(k.Path[strings.LastIndex(k.Path, ".")+1:]+": ", ": ") + k.Example
	}
	d.add(f)
}

// keys has a row for each key of the file. A file without faults needs none.
func (d *Decoder) keys() map[string]Key {
	if d.rows == nil {
		d.rows = map[string]Key{}
		for _, k := range append(d.spec.Keys(), d.spec.mappingsOf("", d.spec.Of)...) {
			d.rows[k.Path] = k
		}
	}
	return d.rows
}

var index = regexp.MustCompile(`\[\d+\]`)

// key finds a path's row: "servers[2].name" is that of "servers[].name", "tags.owner" that of "tags".
func (d *Decoder) key(path string) Key {
	general := index.ReplaceAllString(path, "[]")
	for {
		if k, ok := d.keys()[general]; ok || general == "" {
			return k
		}
		general = parent(general)
	}
}

// Limit reports a key whose value is well formed but does not fit here; so what fits is not what its tags say.
func (d *Decoder) Limit(path, what, allowed, example string) {
	p := d.Where(path)
	d.add(Fault{Key: path, Line: p.Line, Column: p.Column, What: what, Allowed: allowed, Example: example})
}

// Faulty reports whether a key was refused already, so that one mistake gives one fault.
func (d *Decoder) Faulty(path string) bool {
	return slices.ContainsFunc(d.Faults, func(f Fault) bool { return f.Key == path })
}

// Err is all faults in the order of their lines, nil if there is none.
func (d *Decoder) Err() error {
	if len(d.Faults) == 0 {
		return nil
	}
	d.Faults.sort()
	return d.Faults
}
