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
	policies map[string]policy.Document
	cors     map[string]CORSRule
}

// readDocument reads a policy document of the user's strictly: unknown keys, keys that stand twice and other versions are errors.
func readDocument(text []byte) (policy.Document, error) {
	doc, err := parseDocument(text)
	if err != nil {
		return policy.Document{}, err
	}
	return doc, checkVersion(doc.Version())
}

func parseDocument(text []byte) (policy.Document, error) {
	doc, err := policy.Parse(string(text))
	if err != nil {
		return policy.Document{}, errors.New(strings.TrimPrefix(err.Error(), "policy: parse: "))
	}
	return doc, nil
}

func checkVersion(version string) error {
	if version != policyVersion {
		return fmt.Errorf("its Version %q is not used here; write %q", version, policyVersion)
	}
	return nil
}

// readTrust also takes the older version that AWS's pages still print, where that means the same.
func readTrust(text []byte) (policy.Document, error) {
	doc, err := parseDocument(text)
	if err != nil {
		return policy.Document{}, err
	}
	return doc, checkVersion(doc.Plain().Version())
}

// readStatements also takes a plain list of statements, as people paste them.
func readStatements(text []byte) (policy.Document, error) {
	if list := bytes.TrimSpace(text); bytes.HasPrefix(list, []byte("[")) {
		text = slices.Concat([]byte(`{"Version":"`+policyVersion+`","Statement":`), list, []byte("}"))
	}
	return readDocument(text)
}

// readCORS reads a list of rules as S3's console takes them. It is one rule, as ICA needs no other: rules of others
// stay on the bucket anyway.
func readCORS(text []byte) (CORSRule, error) {
	var rules []json.RawMessage
	if err := json.Unmarshal(text, &rules); err != nil {
		return CORSRule{}, fmt.Errorf("it is not a list in JSON, as S3's console takes CORS rules: %w", err)
	}
	if len(rules) != 1 {
		return CORSRule{}, fmt.Errorf(
			"it has %d rules; give one, that of ICA, and leave the lab's own on the bucket, where they are kept", len(rules),
		)
	}
	if _, err := policy.Object(
		rules[0], "ID", "AllowedHeaders", "AllowedMethods", "AllowedOrigins", "ExposeHeaders", "MaxAgeSeconds",
	); err != nil {
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
		own.Trust = filled(doc, s.placeholders(o))
	}
	if doc, ok := f.files.policies[s.Documents.CrossAccountStatements]; ok {
		own.CrossAccount = filled(doc, s.placeholders(o)).Statements()
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
func (f *File) ownPermissions(sharing []*StorageSpec, o Owner) policy.Document {
	doc, ok := f.files.policies[sharing[0].Documents.PermissionPolicy]
	if !ok {
		return policy.Document{}
	}
	var all []policy.Statement
	seen := map[string]bool{}
	for i, s := range sharing {
		for _, statement := range filled(doc, s.placeholders(o)).Statements() {
			if seen[statement.JSON()] {
				continue
			}
			if statement.Sid != "" && i > 0 {
				statement.Sid += strconv.Itoa(i + 1) // IAM wants each Sid once
			}
			all, seen[statement.JSON()] = append(all, statement), true
		}
	}
	return policy.New(all...)
}

// withPrefixes puts the prefixes for PREFIX: a condition's value that holds it stands once for each.
func withPrefixes(doc policy.Document, prefixes []string) policy.Document {
	all := doc.Statements()
	for i, s := range all {
		all[i].Condition = policy.Condition{}
		for operator, keys := range s.Condition {
			all[i].Condition[operator] = map[string]policy.Values{}
			for key, values := range keys {
				var each policy.Values
				for _, prefix := range prefixes {
					for _, value := range fillAll(values, map[string]string{"PREFIX": prefix}) {
						each = appendNew(each, value)
					}
				}
				all[i].Condition[operator][key] = each
			}
		}
	}
	return policy.New(all...)
}

// placeholders are those of the storage. PREFIX is known only when the document is used.
func (s *StorageSpec) placeholders(o Owner) map[string]string {
	r := s.region()
	return map[string]string{
		"BUCKET": s.Bucket.Name, "FOLDER": s.Bucket.Folder, "ACCOUNT": o.account, "PARTITION": o.partition, "REGION": r.AWS,
		"PROVIDER": r.host(), "NS": r.Namespace, "KEY_ARN": s.Bucket.KMSKeyARN, "CROSSACCT": r.crossAccount(o.partition),
	}
}

// filled puts values for placeholders. Without a folder BUCKET/FOLDER/* is BUCKET/*; without a key what names KEY_ARN
// is left out.
func filled(doc policy.Document, values map[string]string) policy.Document {
	var all []policy.Statement
	for _, s := range doc.Statements() {
		s.Resource = slices.DeleteFunc(fillAll(s.Resource, values), func(r string) bool { return r == "" })
		s.NotResource = fillAll(s.NotResource, values)
		s.Principal = fillPrincipal(s.Principal, values)
		s.NotPrincipal = fillPrincipal(s.NotPrincipal, values)
		s.Condition = fillCondition(s.Condition, values)
		if s.Resource == nil || len(s.Resource) > 0 {
			all = append(all, s)
		}
	}
	return policy.New(all...)
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

func fillPrincipal(p policy.Principal, values map[string]string) policy.Principal {
	if p == nil {
		return nil
	}
	out := policy.Principal{}
	for kind, names := range p {
		out[kind] = fillAll(names, values)
	}
	return out
}

func fillCondition(c policy.Condition, values map[string]string) policy.Condition {
	if c == nil {
		return nil
	}
	out := policy.Condition{}
	for _, operator := range slices.Sorted(maps.Keys(c)) {
		out[operator] = map[string]policy.Values{}
		for key, list := range c[operator] {
			out[operator][fill(key, values)] = fillAll(list, values)
		}
	}
	return out
}
