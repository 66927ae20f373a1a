package icaconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/icaguard/icaguard/internal/policy"
)

// DocumentFiles lists the files that documents: names, without repetition. They stand beside ica.yaml and go wherever it goes.
func DocumentFiles(f *File) []string {
	var names []string
	for _, s := range f.Storages {
		for _, own := range ownKeys() {
			if name := own.file(s.Documents); name != "" {
				names = appendNew(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// userFiles are the user's own documents by the name of their file, read and parsed once.
type userFiles struct {
	texts    map[string][]byte
	policies map[string]Document
	cors     map[string]CORSRule
}

// readDocument reads a policy document of the user's strictly: unknown keys, keys that stand twice and other versions are errors.
func readDocument(text []byte) (Document, error) {
	parsed, err := policy.Parse(string(text))
	if err != nil {
		return Document{}, errors.New(strings.TrimPrefix(err.Error(), "policy: parse: "))
	}
	doc := document()
	for _, s := range parsed.Statements() {
		var statement Statement
		if err := json.Unmarshal([]byte(s.JSON()), &statement); err != nil {
			return Document{}, err
		}
		doc.Statement = append(doc.Statement, statement)
	}
	var head struct{ Version string }
	if err := json.Unmarshal(text, &head); err != nil || head.Version != policyVersion {
		return Document{}, fmt.Errorf("its Version %q is not used here; write %q", head.Version, policyVersion)
	}
	return doc, nil
}

// readStatements also takes a plain list of statements, as people paste them.
func readStatements(text []byte) (Document, error) {
	if list := bytes.TrimSpace(text); bytes.HasPrefix(list, []byte("[")) {
		text = slices.Concat([]byte(`{"Version":"`+policyVersion+`","Statement":`), list, []byte("}"))
	}
	return readDocument(text)
}

// readCORS reads a list of rules as S3's console takes them. It is one rule, as ICA needs no other: rules of others stay on the bucket anyway.
func readCORS(text []byte) (CORSRule, error) {
	var rules []json.RawMessage
	if err := json.Unmarshal(text, &rules); err != nil {
		return CORSRule{}, fmt.Errorf("it is not a list in JSON, as S3's console takes CORS rules: %w", err)
	}
	if len(rules) != 1 {
		return CORSRule{}, fmt.Errorf("it has %d rules; give one, that of ICA, and leave the lab's own on the bucket, where they are kept", len(rules))
	}
	if _, err := policy.Object(rules[0], "ID", "AllowedHeaders", "AllowedMethods", "AllowedOrigins", "ExposeHeaders", "MaxAgeSeconds"); err != nil {
		return CORSRule{}, fmt.Errorf("in the rule: %w", err)
	}
	var rule CORSRule
	err := json.Unmarshal(rules[0], &rule)
	return rule, err
}

// own fills in what is the storage's alone.
func (f *File) own(s *StorageSpec, o Owner) OwnDocuments {
	var own OwnDocuments
	if doc, ok := f.files.policies[s.Documents.TrustPolicy]; ok {
		own.Trust = doc.filled(s.placeholders(o))
	}
	if doc, ok := f.files.policies[s.Documents.CrossAccountStatements]; ok {
		own.CrossAccount = doc.filled(s.placeholders(o)).Statement
	}
	return own
}

func (f *File) cors(s *StorageSpec) CORSRule {
	if rule, ok := f.files.cors[s.Documents.CORS]; ok {
		return rule
	}
	return CORS()
}

// ownPermissions is the user's policy, once for each bucket of the role.
func (f *File) ownPermissions(sharing []*StorageSpec, o Owner) Document {
	doc, ok := f.files.policies[sharing[0].Documents.PermissionPolicy]
	if !ok {
		return Document{}
	}
	all, seen := document(), map[string]bool{}
	for i, s := range sharing {
		for _, statement := range doc.filled(s.placeholders(o)).Statement {
			if seen[statement.text()] {
				continue
			}
			if statement.Sid != "" && i > 0 {
				statement.Sid += strconv.Itoa(i + 1) // IAM wants each Sid once
			}
			all.Statement, seen[statement.text()] = append(all.Statement, statement), true
		}
	}
	return all
}

// text is equal for equal statements.
func (s Statement) text() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic("icaconfig: statement: " + err.Error()) // plain data always marshals
	}
	return string(text)
}

// placeholders are those of the storage. PREFIX is known only when the document is used.
func (s *StorageSpec) placeholders(o Owner) map[string]string {
	r := s.region()
	return map[string]string{
		"BUCKET": s.Bucket.Name, "FOLDER": s.Bucket.Folder, "ACCOUNT": o.account, "PARTITION": o.partition, "REGION": r.AWS,
		"PROVIDER": r.host(), "NS": r.Namespace, "KEY_ARN": s.Bucket.KMSKeyARN, "CROSSACCT": r.crossAccount(o.partition),
	}
}

// filled puts values for placeholders. Without a folder BUCKET/FOLDER/* is BUCKET/*; without a key what names KEY_ARN is left out.
func (d Document) filled(values map[string]string) Document {
	out := document()
	for _, s := range d.Statement {
		s.Resource = slices.DeleteFunc(fillAll(s.Resource, values), func(r string) bool { return r == "" })
		s.NotResource = fillAll(s.NotResource, values)
		s.Principal = fillPrincipal(s.Principal, values)
		s.NotPrincipal = fillPrincipal(s.NotPrincipal, values)
		s.Condition = fillCondition(s.Condition, values)
		out.Statement = append(out.Statement, s)
	}
	out.Statement = slices.DeleteFunc(out.Statement, func(s Statement) bool { return s.Resource != nil && len(s.Resource) == 0 })
	return out
}

// placeholder is what may be one: a word of letters and digits, or the only one with another character.
var placeholder = regexp.MustCompile(`KEY_ARN|[A-Za-z0-9]+`)

// fill replaces placeholders that stand as words: between other characters than letters and digits.
func fill(text string, values map[string]string) string {
	if folder, ok := values["FOLDER"]; ok && folder == "" {
		text = strings.ReplaceAll(text, "FOLDER/", "")
	}
	return placeholder.ReplaceAllStringFunc(text, func(word string) string {
		if value, ok := values[word]; ok {
			return value
		}
		return word
	})
}

func fillAll[T ~[]string](texts T, values map[string]string) T {
	var out T
	if texts != nil {
		out = T{}
	}
	for _, text := range texts {
		out = append(out, fill(text, values))
	}
	return out
}

func fillPrincipal(p Principal, values map[string]string) Principal {
	if p == nil {
		return nil
	}
	out := Principal{}
	for kind, names := range p {
		out[kind] = fillAll(names, values)
	}
	return out
}

func fillCondition(c Condition, values map[string]string) Condition {
	if c == nil {
		return nil
	}
	out := Condition{}
	for _, operator := range slices.Sorted(maps.Keys(c)) {
		out[operator] = map[string]Values{}
		for key, list := range c[operator] {
			out[operator][fill(key, values)] = fillAll(list, values)
		}
	}
	return out
}
