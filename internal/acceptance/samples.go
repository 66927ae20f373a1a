package acceptance

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/icaguard/icaguard/internal/acceptance/evidence"
)

const (
	exampleAccount = "123456789012"
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

// redact takes out of an event who the account and its people are: account id, access keys, unique ids, addresses, names of
// people and of their roles, and the session-name prefix. What the run itself is named stays, and so do request ids.
func (r *runner) redact(body json.RawMessage) ([]byte, error) {
	var event any
	if err := json.Unmarshal(body, &event); err != nil {
		return nil, err
	}
	words := []string{r.run.Account, exampleAccount, r.run.Prefix, "PREFIX"}
	for _, name := range people(event) {
		words = append(words, name, "somebody")
	}
	// Longest match first is not needed: no word is a part of another but names, and those become the same word.
	masked := mask(event, strings.NewReplacer(words...))
	return json.MarshalIndent(masked, "", "  ")
}

// people are the names in an event's identity that are neither icaguard's, nor CDK's, nor the run's.
func people(event any) []string {
	var names []string
	add := func(name any) {
		text, _ := name.(string)
		for _, part := range strings.FieldsFunc(text, func(r rune) bool { return r == ':' || r == '/' }) {
			if len(part) > 2 && !isKnown(part) {
				names = append(names, part)
			}
		}
	}
	envelope, _ := event.(map[string]any)
	detail, _ := envelope["detail"].(map[string]any)
	identity, _ := detail["userIdentity"].(map[string]any)
	add(identity["userName"])
	add(identity["principalId"])
	if arn, ok := identity["arn"].(string); ok {
		_, name, _ := strings.Cut(arn, "/") // after user or assumed-role
		add(name)
	}
	session, _ := identity["sessionContext"].(map[string]any)
	issuer, _ := session["sessionIssuer"].(map[string]any)
	add(issuer["userName"])
	if arn, ok := issuer["arn"].(string); ok {
		_, path, _ := strings.Cut(arn, "/")
		add(path)
	}
	return names
}

// isKnown says that a name tells nothing of the account's people.
func isKnown(name string) bool {
	for _, prefix := range []string{"icaguard", "ica-acceptance-", "cdk-", "AWSCloudFormation", "aws-", "acceptance-prefix-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return uniqueID().MatchString(name) || name == "root" || regexp.MustCompile(`^\d+$`).MatchString(name)
}

func accessKey() *regexp.Regexp { return regexp.MustCompile(`\b(AKIA|ASIA)[A-Z0-9]{4,}\b`) }
func uniqueID() *regexp.Regexp {
	return regexp.MustCompile(`\b(AROA|AIDA|AGPA|ANPA|ANVA)[A-Z0-9]{8,}\b`)
}
func email() *regexp.Regexp { return regexp.MustCompile(`[\w.+-]+@[\w-]+(\.[\w-]+)+`) }

// mask redacts every text of a document, keys too.
func mask(value any, words *strings.Replacer) any {
	switch v := value.(type) {
	case map[string]any:
		masked := map[string]any{}
		for key := range v {
			masked[words.Replace(key)] = mask(v[key], words)
		}
		return masked
	case []any:
		for i := range v {
			v[i] = mask(v[i], words)
		}
		return v
	case string:
		return maskText(v, words)
	}
	return value
}

func maskText(text string, words *strings.Replacer) string {
	if _, err := netip.ParseAddr(text); err == nil {
		return exampleAddress
	}
	text = accessKey().ReplaceAllString(words.Replace(text), "${1}IOSFODNN7EXAMPLE")
	return email().ReplaceAllString(uniqueID().ReplaceAllString(text, "${1}IOSFODNN7EXAMPLE"), "somebody@example.org")
}
