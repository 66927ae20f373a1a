package acceptance

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/acceptance/evidence"
)

const (
	exampleAccount = "123456789012"
	otherAccount   = "210987654321"
	exampleAddress = "192.0.2.1"
)

// writeSamples writes the first event of each name and kind of caller as a sample, redacted, and answers the files' names.
func (r *runner) writeSamples(events []evidence.Raw) ([]string, error) {
	folder := filepath.Join(r.Folder, "events")
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return nil, fmt.Errorf("acceptance: write samples: %w", err)
	}
	var names []string
	written := map[string]bool{}
	for _, raw := range events {
		name := sampleName(detailOf(raw))
		if written[name] {
			continue
		}
		text, err := r.redact(raw.Body)
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, name), text, 0o600)
		}
		if err != nil {
			return nil, fmt.Errorf("acceptance: write sample %s: %w", name, err)
		}
		written[name], names = true, append(names, name)
	}
	return names, nil
}

// sampleName is as in events/: source and name, then who called where that is not a person, and failed calls apart.
func sampleName(d detail) string {
	name := "aws." + strings.TrimSuffix(d.EventSource, ".amazonaws.com") + "." + d.EventName
	switch issuer := d.UserIdentity.SessionContext.SessionIssuer.UserName; {
	case strings.HasPrefix(issuer, "icaguard-"):
		name += ".icaguard"
	case strings.HasPrefix(issuer, "ica-acceptance-"):
		name += ".ica"
	case d.UserIdentity.InvokedBy != "":
		name += "." + strings.TrimSuffix(d.UserIdentity.InvokedBy, ".amazonaws.com")
	}
	if d.ErrorCode != "" {
		name += ".failed"
	}
	return regexp.MustCompile(`[^A-Za-z0-9._-]`).ReplaceAllString(name, "-") + ".json"
}

// redact takes out of an event who the account and its people are: account ids, access keys and tokens, unique ids,
// addresses, VPC endpoints, names of people and of their roles, and the session-name prefix. What the run itself is named
// stays, and so do request ids and Illumina's account, which its pages name.
func (r *runner) redact(body json.RawMessage) ([]byte, error) {
	var event any
	if err := json.Unmarshal(body, &event); err != nil {
		return nil, err
	}
	words := []string{r.run.Prefix, "PREFIX", r.run.Account, exampleAccount}
	for _, name := range people(event) {
		words = append(words, name, "somebody")
	}
	m := masker{strings.NewReplacer(words...), strings.Split(r.storage.CrossAccount+":::::", ":")[4]}
	return json.MarshalIndent(m.mask(event), "", "  ")
}

// people are the names in an event's identity that are neither icaguard's, nor CDK's, nor the run's; a longer one stands
// before those that it begins with. Whatever AWS adds to an identity is taken for a name.
func people(event any) []string {
	envelope, _ := event.(map[string]any)
	detail, _ := envelope["detail"].(map[string]any)
	var names []string
	for _, text := range textsOf(detail["userIdentity"]) {
		if strings.HasPrefix(text, "arn:") {
			_, text, _ = strings.Cut(text, "/") // after user, role or assumed-role
		}
		for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ':' || r == '/' }) {
			if len(part) > 2 && !isKnown(part) {
				names = append(names, part)
			}
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return slices.Compact(names)
}

// textsOf are the texts of an identity, but for those that name nobody.
func textsOf(value any) (texts []string) {
	switch v := value.(type) {
	case map[string]any:
		for key := range v {
			if !slices.Contains([]string{"type", "accountId", "invokedBy", "creationDate", "mfaAuthenticated"}, key) {
				texts = append(texts, textsOf(v[key])...)
			}
		}
	case []any:
		for i := range v {
			texts = append(texts, textsOf(v[i])...)
		}
	case string:
		texts = []string{v}
	}
	return texts
}

// isKnown says that a name tells nothing of the account's people: it is ours, or AWS gives it.
func isKnown(name string) bool {
	for _, prefix := range []string{"icaguard-", "ica-acceptance-", "cdk-hnb659fds-", "AWSCloudFormation", "acceptance-prefix-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return regexp.MustCompile(`^(root|aws-reserved|aws-service-role|icaguard|acceptance|true|false|\d+|[a-z]+(-[a-z]+)+-\d|`+
		`[a-z0-9.-]+\.amazonaws\.com)$`).MatchString(name) || uniqueID().MatchString(name)
}

// uniqueID has the kinds of ids that IAM gives, access keys among them:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
func uniqueID() *regexp.Regexp {
	return regexp.MustCompile(`\b(A(?:BIA|CCA|GPA|IDA|IPA|KIA|NPA|NVA|PKA|ROA|SCA|SIA))[A-Z0-9]{6,}\b`)
}

func email() *regexp.Regexp     { return regexp.MustCompile(`[\w.+-]+@[\w-]+(\.[\w-]+)+`) }
func address() *regexp.Regexp   { return regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}\b`) }
func accountID() *regexp.Regexp { return regexp.MustCompile(`\b\d{12}\b`) }
func endpoint() *regexp.Regexp  { return regexp.MustCompile(`\b(vpce?|eni|i)-[0-9a-f]{8,}\b`) }
func secret() *regexp.Regexp {
	return regexp.MustCompile(`(?i)^(sessionToken|secretAccessKey|password|secret.*|.*credentialId)$`)
}

// masker redacts texts.
type masker struct {
	words    *strings.Replacer
	illumina string // an account that Illumina's pages name
}

// mask redacts every text of a document, keys too.
func (m masker) mask(value any) any {
	switch v := value.(type) {
	case map[string]any:
		masked := map[string]any{}
		for key := range v {
			if masked[m.words.Replace(key)] = m.mask(v[key]); secret().MatchString(key) {
				masked[key] = "REDACTED"
			}
		}
		return masked
	case []any:
		for i := range v {
			v[i] = m.mask(v[i])
		}
		return v
	case string:
		return m.text(v)
	}
	return value
}

func (m masker) text(text string) string {
	if _, err := netip.ParseAddr(text); err == nil {
		return exampleAddress
	}
	text = uniqueID().ReplaceAllString(m.words.Replace(text), "${1}IOSFODNN7EXAMPLE")
	text = address().ReplaceAllString(email().ReplaceAllString(text, "somebody@example.org"), exampleAddress)
	text = endpoint().ReplaceAllString(text, "${1}-0123456789abcdef0")
	return accountID().ReplaceAllStringFunc(text, func(id string) string {
		if id == m.illumina || id == exampleAccount {
			return id
		}
		return otherAccount
	})
}
