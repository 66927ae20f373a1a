package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// Parse reads a policy document: JSON, or URL-encoded JSON as IAM returns it (API_GetRole: RFC 3986). Whatever it does
// not know for
// certain is an error that says where: keys that are unknown or stand twice, wrong types, empty lists, no Version or
// another one than
// 2012-10-17 and 2008-10-17, data after the document, text that is not UTF-8. Errors name keys, Effect and Version, no
// other value.
func Parse(text string) (Document, error) {
	doc, err := parse(text)
	if err != nil {
		return Document{}, fmt.Errorf("policy: parse: %w", err)
	}
	return doc, nil
}

func parse(text string) (Document, error) {
	raw, err := decode(text)
	if err != nil {
		return Document{}, err
	}
	top, err := Object(raw, "Version", "Id", "Statement")
	if err != nil {
		return Document{}, err
	}
	var doc Document
	if doc.version, err = version(top["Version"]); err != nil {
		return Document{}, err
	}
	if doc.id = top["Id"]; doc.id != nil {
		if _, err := str(doc.id); err != nil {
			return Document{}, fmt.Errorf("in Id: %w", err)
		}
	}
	doc.statements, err = statements(top["Statement"])
	return doc, err
}

// decode gives the document's JSON, which is valid.
func decode(text string) ([]byte, error) {
	if !utf8.ValidString(text) {
		return nil, errors.New("it is not UTF-8")
	}
	if strings.HasPrefix(text, "%") {
		decoded, err := url.PathUnescape(text)
		if err != nil || !utf8.ValidString(decoded) {
			return nil, errors.New("it is neither JSON nor URL-encoded JSON")
		}
		text = decoded
	}
	var raw json.RawMessage
	err := json.Unmarshal([]byte(text), &raw)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return nil, fmt.Errorf("line %d: %w", 1+strings.Count(text[:min(int(syntax.Offset), len(text))], "\n"), err)
	}
	return raw, err
}

func version(raw json.RawMessage) (string, error) {
	if raw == nil {
		return "", errors.New(`no Version: AWS then assumes 2008-10-17; write "Version": "2012-10-17"`)
	}
	v, err := str(raw)
	if err != nil {
		return "", fmt.Errorf("in Version: %w", err)
	}
	if v != versionCurrent && v != versionOld {
		return "", fmt.Errorf("unknown Version %.20q: write %q", v, versionCurrent)
	}
	return v, nil
}

// statements reads a list of statements, or one that stands alone.
func statements(raw json.RawMessage) ([]entry, error) {
	if raw == nil {
		return nil, errors.New("no Statement")
	}
	items, err := items(raw)
	if err != nil {
		return nil, fmt.Errorf("in Statement: %w", err)
	}
	all := make([]entry, len(items))
	for i, item := range items {
		all[i].raw = string(item)
		if err := all[i].read(item); err != nil {
			return nil, fmt.Errorf("%v: %w", Place{i + 1, all[i].Sid}, err)
		}
	}
	return all, nil
}

// read sets the Sid first, so that errors can name it.
func (s *Statement) read(raw json.RawMessage) error {
	m, err := Object(
		raw, "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
	)
	if err != nil {
		return err
	}
	if m["Sid"] != nil {
		if s.Sid, err = str(m["Sid"]); err != nil {
			return fmt.Errorf("in Sid: %w", err)
		}
	}
	if s.Effect, err = effect(m["Effect"]); err != nil {
		return err
	}
	if s.Principal, s.NotPrincipal, err = either(m, "Principal", readPrincipal); err != nil {
		return err
	}
	if s.Action, s.NotAction, err = either(m, "Action", readTexts); err != nil {
		return err
	}
	if s.Action == nil && s.NotAction == nil {
		return errors.New("no Action and no NotAction")
	}
	if s.Resource, s.NotResource, err = either(m, "Resource", readTexts); err != nil {
		return err
	}
	if m["Condition"] != nil {
		s.Condition, err = readCondition(m["Condition"])
	}
	return err
}

func effect(raw json.RawMessage) (string, error) {
	if raw == nil {
		return "", errors.New("no Effect")
	}
	e, err := str(raw)
	if err != nil {
		return "", fmt.Errorf("in Effect: %w", err)
	}
	if e != allow && e != deny {
		return "", fmt.Errorf("unknown Effect %.20q: write Allow or Deny", e)
	}
	return e, nil
}

// either reads the element or its Not… form; both together are an error, and both may be absent.
func either[T any](
	m map[string]json.RawMessage, name string, read func(key string, raw json.RawMessage) (T, error),
) (plain, not T, err error) {
	switch {
	case m[name] != nil && m["Not"+name] != nil:
		err = fmt.Errorf("it has both %s and Not%s", name, name)
	case m["Not"+name] != nil:
		not, err = read("Not"+name, m["Not"+name])
	case m[name] != nil:
		plain, err = read(name, m[name])
	}
	return plain, not, err
}

func readTexts(key string, raw json.RawMessage) ([]string, error) {
	texts, err := values(raw, str)
	if err != nil {
		return nil, fmt.Errorf("in %s: %w", key, err)
	}
	return texts, nil
}

// readPrincipal accepts "*" or kinds with names, as AWS's grammar does; kinds that it does not know are kept as they
// are.
func readPrincipal(key string, raw json.RawMessage) (Principal, error) {
	if raw[0] == '"' {
		if name, err := str(raw); err != nil || name != "*" {
			return nil, fmt.Errorf(`in %s: it is text other than "*": write {"AWS": …}`, key)
		}
		return Everyone(), nil
	}
	kinds, err := members(raw)
	if err != nil {
		return nil, fmt.Errorf("in %s: %w", key, err)
	}
	p := Principal{}
	for _, kind := range kinds {
		if p[kind.key], err = readTexts(key+" "+kind.key, kind.value); err != nil {
			return nil, err
		}
	}
	if len(p) == 0 {
		return nil, fmt.Errorf("in %s: it is empty", key)
	}
	return p, nil
}

// readCondition reads operator → key → values.
func readCondition(raw json.RawMessage) (Condition, error) {
	operators, err := members(raw)
	if err != nil {
		return nil, fmt.Errorf("in Condition: %w", err)
	}
	c := Condition{}
	for _, operator := range operators {
		if c[operator.key], err = readConditionKeys(operator.value); err != nil {
			return nil, fmt.Errorf("in Condition %s: %w", operator.key, err)
		}
	}
	return c, nil
}

// readConditionKeys: keys that differ only in case are the same key (IAM: Condition), so they stand twice.
func readConditionKeys(raw json.RawMessage) (map[string]Values, error) {
	keys, err := members(raw)
	if err != nil {
		return nil, err
	}
	all := map[string]Values{}
	for _, key := range keys {
		for other := range all {
			if lower(other) == lower(key.key) {
				return nil, fmt.Errorf("key %s stands twice", key.key)
			}
		}
		if all[key.key], err = values(key.value, scalar); err != nil {
			return nil, fmt.Errorf("%s: %w", key.key, err)
		}
	}
	return all, nil
}
