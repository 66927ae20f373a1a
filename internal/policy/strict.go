package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// member is a key of a JSON object with its value as it was read.
type member struct {
	key   string
	value json.RawMessage
}

// members reads a JSON object in its order. Keys that stand twice are an error: AWS may take another than encoding/json
// does.
func members(raw json.RawMessage) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return nil, fmt.Errorf("it is %s, not an object", kindOf(raw))
	}
	var all []member
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		m := member{key: fmt.Sprint(token)}
		if strings.ContainsRune(m.key, utf8.RuneError) {
			return nil, errors.New("a key has a character that is not Unicode")
		}
		if slices.ContainsFunc(all, func(o member) bool { return o.key == m.key }) {
			return nil, fmt.Errorf("key %.60q stands twice", m.key)
		}
		if err := dec.Decode(&m.value); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// Object reads a JSON object that may have only these keys, spelt so, each once. What is absent is nil. encoding/json
// alone takes keys that it does not know, or knows in another case, and of those that stand twice the last.
func Object(raw json.RawMessage, known ...string) (map[string]json.RawMessage, error) {
	raw = bytes.TrimSpace(raw)
	if !json.Valid(raw) {
		return nil, errors.New("it is not JSON")
	}
	all, err := members(raw)
	if err != nil {
		return nil, err
	}
	m := make(map[string]json.RawMessage, len(all))
	for _, one := range all {
		if !slices.Contains(known, one.key) {
			return nil, fmt.Errorf("key %.60q is unknown; known are %s", one.key, strings.Join(known, ", "))
		}
		m[one.key] = one.value
	}
	return m, nil
}

// items are the elements of a JSON list, or the one value that stands without a list.
func items(raw json.RawMessage) ([]json.RawMessage, error) {
	if raw[0] != '[' {
		return []json.RawMessage{raw}, nil
	}
	var all []json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errors.New("it is empty")
	}
	return all, nil
}

func values(raw json.RawMessage, one func(json.RawMessage) (string, error)) ([]string, error) {
	items, err := items(raw)
	if err != nil {
		return nil, err
	}
	all := make([]string, len(items))
	for i, item := range items {
		if all[i], err = one(item); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// str reads one JSON string. Half a surrogate pair is an error: encoding/json reads each as the same replacement
// character.
func str(raw json.RawMessage) (string, error) {
	if raw[0] != '"' {
		return "", fmt.Errorf("it is %s, not text", kindOf(raw))
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", err
	}
	if strings.ContainsRune(s, utf8.RuneError) {
		return "", errors.New("it has a character that is not Unicode")
	}
	return s, nil
}

// scalar reads text, a number or a truth value as text: quotation marks are optional for the latter two (IAM: Grammar).
func scalar(raw json.RawMessage) (string, error) {
	switch kindOf(raw) {
	case "a number", "true or false":
		return string(raw), nil
	}
	return str(raw)
}

func kindOf(raw json.RawMessage) string {
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "text"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	}
	return "a number"
}
