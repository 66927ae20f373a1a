package settings

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/policy"
)

// eventDocument decodes a document that CloudTrail made of S3's XML: a list of one is that one, an empty element an
// empty text, and a text that looks like a number or a boolean is one (recorded events). aliases are other names of
// elements. It is false for what has an element that is not known: such a document says less than what was written.
func eventDocument(raw json.RawMessage, aliases map[string]string, into any) bool {
	var tree any
	if json.Unmarshal(raw, &tree) != nil || tree == nil {
		return false
	}
	if tree == "" {
		return true
	}
	plain, err := json.Marshal(withoutNamespaces(tree, aliases))
	if err != nil {
		return false
	}
	decoder := json.NewDecoder(bytes.NewReader(plain))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into) == nil
}

// withoutNamespaces drops XML's own attributes, gives every element the name that it has today, and null to an empty
// one.
func withoutNamespaces(node any, aliases map[string]string) any {
	switch node := node.(type) {
	case map[string]any:
		plain := map[string]any{}
		for name, value := range node {
			if !strings.HasPrefix(name, "xmlns") {
				plain[cmp.Or(aliases[strings.ToLower(name)], name)] = withoutNamespaces(value, aliases)
			}
		}
		return plain
	case []any:
		for i := range node {
			node[i] = withoutNamespaces(node[i], aliases)
		}
	case string:
		if node == "" { // an empty element, of whatever type
			return nil
		}
	}
	return node
}

// many is a list, of which CloudTrail makes its one element where it has one.
type many[T any] []T

// UnmarshalJSON takes a list or its one element.
func (m *many[T]) UnmarshalJSON(data []byte) error {
	switch {
	case string(data) == "null":
		return nil
	case !bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")):
		data = slices.Concat([]byte("["), data, []byte("]"))
	}
	var all []T
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&all)
	*m = all
	return err
}

// word is a text, of which CloudTrail may make a number or a boolean.
type word string

var errNotAWord = errors.New("neither a text, a number nor a boolean")

// UnmarshalJSON takes all three.
func (w *word) UnmarshalJSON(data []byte) error {
	var text string
	switch {
	case json.Unmarshal(data, &text) == nil: // null too
		*w = word(text)
	case bytes.ContainsAny(data, "{["):
		return errNotAWord
	default:
		*w = word(data)
	}
	return nil
}

func texts[T ~string](words many[word]) []T {
	var all []T
	for _, w := range words {
		all = append(all, T(w))
	}
	return all
}

// eventPolicy is the policy that a parameter holds, as an object (S3) or as text (KMS).
func eventPolicy(e guard.Event, parameter string) (document, bool) {
	raw := e.Parameters.Fields()[parameter]
	written := document(raw)
	var text string
	if json.Unmarshal(raw, &text) == nil {
		written = document(text)
	}
	_, err := written.parse()
	return written, err == nil
}

// missingStatements names those of one policy that the other does not have.
func missingStatements(from, in []policy.Statement) []string {
	var names []string
	for i, s := range from {
		if !slices.ContainsFunc(in, func(other policy.Statement) bool { return policy.Same(s, other) }) {
			names = append(names, policy.Place{Number: i + 1, Sid: s.Sid}.String())
		}
	}
	return names
}
