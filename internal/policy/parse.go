package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// Parse reads a policy document: JSON, or URL-encoded JSON as IAM returns it (API_GetRole: RFC 3986). Whatever it does not know for
// certain is an error that says where: keys that are unknown or stand twice, wrong types, empty lists, no Version or another one than
// 2012-10-17 and 2008-10-17, data after the document, text that is not UTF-8. Errors name keys, Effect and Version, no other value.
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
func statements(raw json.RawMessage) ([]Statement, error) {
	if raw == nil {
		return nil, errors.New("no Statement")
	}
	items, err := items(raw)
	if err != nil {
		return nil, fmt.Errorf("in Statement: %w", err)
	}
	all := make([]Statement, len(items))
	for i, item := range items {
		if err := all[i].read(item); err != nil {
			return nil, fmt.Errorf("%v: %w", Place{i + 1, all[i].sid}, err)
		}
	}
	return all, nil
}

// read sets the Sid first, so that errors can name it.
func (s *Statement) read(raw json.RawMessage) error {
	m, err := Object(raw, "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
	if err != nil {
		return err
	}
	s.raw = raw
	if m["Sid"] != nil {
		if s.sid, err = str(m["Sid"]); err != nil {
			return fmt.Errorf("in Sid: %w", err)
		}
	}
	if s.effect, err = effect(m["Effect"]); err != nil {
		return err
	}
	if s.principals, err = readPrincipals(m); err != nil {
		return err
	}
	if s.actions, err = readList(m, "Action"); err != nil {
		return err
	}
	if len(s.actions.values) == 0 {
		return errors.New("no Action and no NotAction")
	}
	if s.resources, err = readList(m, "Resource"); err != nil {
		return err
	}
	s.conditions, err = conditions(m["Condition"])
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

// either picks the element or its Not… form; both together are an error, and both may be absent.
func either(m map[string]json.RawMessage, name string) (raw json.RawMessage, key string, err error) {
	plain, not := m[name], m["Not"+name]
	switch {
	case plain != nil && not != nil:
		return nil, "", fmt.Errorf("it has both %s and Not%s", name, name)
	case not != nil:
		return not, "Not" + name, nil
	}
	return plain, name, nil
}

func readList(m map[string]json.RawMessage, name string) (list, error) {
	raw, key, err := either(m, name)
	if raw == nil || err != nil {
		return list{}, err
	}
	values, err := values(raw, str)
	if err != nil {
		return list{}, fmt.Errorf("in %s: %w", key, err)
	}
	return list{not: key != name, values: values}, nil
}

// readPrincipals accepts "*" or kinds with names, as AWS's grammar does; kinds that it does not know are kept as they are.
func readPrincipals(m map[string]json.RawMessage) (principals, error) {
	raw, key, err := either(m, "Principal")
	if raw == nil || err != nil {
		return principals{}, err
	}
	p := principals{not: key != "Principal"}
	if raw[0] == '"' {
		name, err := str(raw)
		if err != nil || name != "*" {
			return principals{}, fmt.Errorf(`in %s: it is text other than "*": write {"AWS": …}`, key)
		}
		p.names = []principal{{"", "*"}}
		return p, nil
	}
	kinds, err := members(raw)
	if err != nil {
		return principals{}, fmt.Errorf("in %s: %w", key, err)
	}
	for _, kind := range kinds {
		names, err := values(kind.value, str)
		if err != nil {
			return principals{}, fmt.Errorf("in %s %s: %w", key, kind.key, err)
		}
		for _, name := range names {
			p.names = append(p.names, principal{kind.key, name})
		}
	}
	if len(p.names) == 0 {
		return principals{}, fmt.Errorf("in %s: it is empty", key)
	}
	return p, nil
}

// conditions reads operator → key → values. Keys that differ only in case are the same key (IAM: Condition), so they stand twice.
func conditions(raw json.RawMessage) ([]condition, error) {
	if raw == nil {
		return nil, nil
	}
	operators, err := members(raw)
	if err != nil {
		return nil, fmt.Errorf("in Condition: %w", err)
	}
	if len(operators) == 0 {
		return []condition{{}}, nil
	}
	var all []condition
	for _, operator := range operators {
		under, err := conditionKeys(operator)
		if err != nil {
			return nil, fmt.Errorf("in Condition %s: %w", operator.key, err)
		}
		all = append(all, under...)
	}
	return all, nil
}

func conditionKeys(operator member) ([]condition, error) {
	keys, err := members(operator.value)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return []condition{{operator: operator.key}}, nil
	}
	var all []condition
	for _, key := range keys {
		if slices.ContainsFunc(all, func(c condition) bool { return lower(c.key) == lower(key.key) }) {
			return nil, fmt.Errorf("key %s stands twice", key.key)
		}
		values, err := values(key.value, scalar)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key.key, err)
		}
		all = append(all, condition{operator.key, key.key, values})
	}
	return all, nil
}
