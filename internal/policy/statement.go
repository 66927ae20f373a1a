package policy

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
)

// Statement is one statement of a Document, as plain data. An element that is not there is nil; of an element and its
// Not… form at most one is there. All that has a meaning to AWS can be said in it, so that a statement means the same
// after it was written and read.
type Statement struct {
	Sid          string    `json:",omitempty"`
	Effect       string    // Allow or Deny
	Principal    Principal `json:",omitempty"`
	NotPrincipal Principal `json:",omitempty"`
	Action       Values    `json:",omitempty"`
	NotAction    Values    `json:",omitempty"`
	Resource     []string  `json:",omitempty"`
	NotResource  []string  `json:",omitempty"`
	Condition    Condition `json:",omitzero"` // empty, which AWS's console writes, is written as it was read
}

const (
	allow = "Allow"
	deny  = "Deny"
)

// Condition is operator → key → values.
type Condition map[string]map[string]Values

// Principal is kind → names, for example AWS → ARN. The kind * without names is everyone.
type Principal map[string]Values

// Values is a list of texts; a single one is written without a list, as AWS's console does.
type Values []string

// Everyone is the principal "*", which S3 tells from {"AWS": "*"} (S3: Principals).
func Everyone() Principal { return Principal{"*": nil} }

// IsDeny says that the statement's effect is Deny.
func (s Statement) IsDeny() bool { return s.Effect == deny }

// Values are those under an operator and a key. Condition keys ignore case (IAM: Condition).
func (c Condition) Values(operator, key string) Values {
	for k, values := range c[operator] {
		if lower(k) == lower(key) {
			return values
		}
	}
	return nil
}

// JSON is the statement as ours are written: the same bytes each time, elements in the order of AWS's examples. It
// shows session name prefixes: use Mask for people.
func (s Statement) JSON() string { return encoded(s) }

// UnmarshalJSON reads a statement as strictly as Parse does.
func (s *Statement) UnmarshalJSON(data []byte) error { return s.read(data) }

// MarshalJSON writes one text without a list.
func (v Values) MarshalJSON() ([]byte, error) {
	if len(v) == 1 {
		return []byte(encoded(v[0])), nil
	}
	return []byte(encoded([]string(v))), nil
}

// MarshalJSON writes everyone as "*".
func (p Principal) MarshalJSON() ([]byte, error) {
	if names, ok := p["*"]; ok && len(names) == 0 {
		return []byte(`"*"`), nil
	}
	return []byte(encoded(map[string]Values(p))), nil
}

// encoded is the JSON of text and of lists and maps of it, which always encode.
func encoded(plain any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(plain)
	return strings.TrimSuffix(b.String(), "\n")
}

// Format prints the statement masked, whatever the verb.
func (s Statement) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Mask(s.JSON())) }

// LogValue masks the statement for slog.
func (s Statement) LogValue() slog.Value { return slog.StringValue(Mask(s.JSON())) }

// list is Action or NotAction, Resource or NotResource. It is absent if it has no values.
type list struct {
	not    bool
	values []string
}

func (s Statement) actions() list { return listOf(s.Action, s.NotAction) }

func (s Statement) resources() list { return listOf(s.Resource, s.NotResource) }

func listOf(plain, not []string) list {
	if len(not) > 0 {
		return list{true, not}
	}
	return list{false, plain}
}

// principals is Principal or NotPrincipal, absent if it has no names.
type principals struct {
	not   bool
	names []principal
}

// principal is one name under a kind (AWS, Federated, Service, CanonicalUser); "Principal": "*" has the kind "".
type principal struct{ kind, name string }

func (p principal) everyone() bool { return p.name == "*" && (p.kind == "" || p.kind == "AWS") }

func (s Statement) principals() principals {
	if len(s.NotPrincipal) > 0 {
		return principals{true, s.NotPrincipal.names()}
	}
	return principals{false, s.Principal.names()}
}

// names are in the order of their kinds, so that texts about them are the same each time.
func (p Principal) names() []principal {
	var all []principal
	for _, kind := range slices.Sorted(maps.Keys(p)) {
		if kind == "*" && len(p[kind]) == 0 {
			all = append(all, principal{"", "*"})
		}
		for _, name := range p[kind] {
			all = append(all, principal{kind, name})
		}
	}
	return all
}

// condition is one key under one operator with its values. An operator without keys is one with no key; an empty Condition
// is none, as nothing has to be true (IAM: Condition; KMS's console writes it).
type condition struct {
	operator, key string
	values        []string
}

// conditions are in the order of their operators and keys.
func (s Statement) conditions() []condition {
	var all []condition
	for _, operator := range slices.Sorted(maps.Keys(s.Condition)) {
		keys := s.Condition[operator]
		if len(keys) == 0 {
			all = append(all, condition{operator: operator})
		}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			all = append(all, condition{operator, key, keys[key]})
		}
	}
	return all
}
