package icaconfig

import (
	"bytes"
	"encoding/json"
)

// Document is an IAM policy document. It marshals to the same bytes each time, members in the order of AWS's examples.
type Document struct {
	Version   string
	Statement []Statement
}

func document(statements ...Statement) Document { return Document{policyVersion, statements} }

// Statement is one statement of a Document; members that are empty are left out. Ours have none of the Not… members.
type Statement struct {
	Sid          string    `json:",omitempty"`
	Effect       string    // Allow or Deny
	Principal    Principal `json:",omitempty"`
	NotPrincipal Principal `json:",omitempty"`
	Action       Values    `json:",omitempty"`
	NotAction    Values    `json:",omitempty"`
	Resource     List      `json:",omitempty"`
	NotResource  List      `json:",omitempty"`
	Condition    Condition `json:",omitempty"`
}

// Condition is operator → key → values.
type Condition map[string]map[string]Values

// Values is a list of texts; a single one is written without a list, as AWS's console does.
type Values []string

// List is a list of texts that is written as one, whatever its length.
type List []string

// Principal is kind → names, for example AWS → ARN; Everyone is "*".
type Principal map[string]Values

// Everyone is the principal "*".
func Everyone() Principal { return Principal{"*": nil} }

// MarshalJSON writes one text without a list.
func (v Values) MarshalJSON() ([]byte, error) {
	if len(v) == 1 {
		return json.Marshal(v[0])
	}
	return json.Marshal([]string(v))
}

// UnmarshalJSON reads both forms.
func (v *Values) UnmarshalJSON(data []byte) error { return unmarshalTexts(data, (*[]string)(v)) }

// UnmarshalJSON reads both forms.
func (l *List) UnmarshalJSON(data []byte) error { return unmarshalTexts(data, (*[]string)(l)) }

// unmarshalTexts also reads numbers and truth values, which conditions may hold, as text.
func unmarshalTexts(data []byte, to *[]string) error {
	if !bytes.HasPrefix(data, []byte("[")) {
		data = []byte("[" + string(data) + "]")
	}
	var items []json.RawMessage
	if err := json.Unmarshal(data, &items); err != nil {
		return err
	}
	*to = make([]string, len(items))
	for i, item := range items {
		if item[0] != '"' {
			(*to)[i] = string(item)
		} else if err := json.Unmarshal(item, &(*to)[i]); err != nil {
			return err
		}
	}
	return nil
}

// MarshalJSON writes everyone as "*".
func (p Principal) MarshalJSON() ([]byte, error) {
	if _, everyone := p["*"]; everyone {
		return []byte(`"*"`), nil
	}
	return json.Marshal(map[string]Values(p))
}

// UnmarshalJSON reads both forms.
func (p *Principal) UnmarshalJSON(data []byte) error {
	if string(data) == `"*"` {
		*p = Everyone()
		return nil
	}
	return json.Unmarshal(data, (*map[string]Values)(p))
}
