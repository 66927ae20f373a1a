package policy

import (
	"encoding/hex"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
)

const (
	masked         = "***"
	sessionNameKey = "sts:rolesessionname"
	sessionName    = "rolesessionname" // also the key of CloudTrail's AssumeRoleWithWebIdentity, which has no "sts:"
	sourceIdentity = "sourceidentity"  // chosen by whoever assumes the role, like the session's name
	userIDKey      = "aws:userid"      // ROLE-ID:SESSION, in exceptions often *:SESSION
)

// Mask replaces every value under a key sts:RoleSessionName, in any case, by ***, and the session names in ARNs and ids
// of role sessions, which begin with the same prefix. All else of a JSON text stays byte for byte. Text within text (a
// policy in an event) is masked too. Of a text that is not JSON, all that follows such a key goes.
func Mask(text string) string {
	if json.Valid([]byte(text)) {
		return maskJSON(text)
	}
	if strings.HasPrefix(text, "%") { // URL-encoded, as IAM returns documents
		if decoded, err := url.PathUnescape(text); err == nil && decoded != text {
			return Mask(decoded)
		}
	}
	return maskText(text)
}

// maskJSON walks the tokens of valid JSON, copying all that stands between the values it masks.
func maskJSON(text string) string {
	dec := json.NewDecoder(strings.NewReader(text))
	var out strings.Builder
	done := 0
	replace := func(start, end int64, by string) {
		out.WriteString(text[done:start] + by)
		done = int(end)
	}
	for {
		before := dec.InputOffset()
		token, err := dec.Token()
		if err != nil {
			return out.String() + text[done:]
		}
		s, isString := token.(string)
		if !isString {
			continue
		}
		start, end := before+gap(text[before:]), dec.InputOffset()
		isKey := strings.HasPrefix(strings.TrimLeft(text[end:], " \t\r\n"), ":")
		if isKey && (strings.HasSuffix(lower(s), sessionName) || strings.HasSuffix(lower(s), sourceIdentity) || lower(s) == userIDKey) {
			var value json.RawMessage
			if err := dec.Decode(&value); err != nil {
				return out.String() + text[done:end] + ` "` + masked
			}
			replace(dec.InputOffset()-int64(len(value)), dec.InputOffset(), maskValue(lower(s), value))
		} else if safe := maskString(s); safe != s {
			replace(start, end, encoded(safe))
		}
	}
}

// What hides a session's name: a JSON text of aws:userid, characters that were escaped, and ARNs and ids of sessions.
var (
	userID  = regexp.MustCompile(`"([^":]*):(?:[^"\\]|\\.)*"`)
	escape  = regexp.MustCompile(`\\+u00[0-7][0-9a-fA-F]|%[0-7][0-9a-fA-F]`)
	session = regexp.MustCompile(`(assumed-role/[^/\s"]+/|AROA[A-Z0-9]+:)[\w+=,.@*?-]+`)
)

// maskValue masks the value under a key that tells a session. Of aws:userid the role's id, before the colon, stays.
func maskValue(key string, value json.RawMessage) string {
	if key != userIDKey {
		return encoded(masked)
	}
	return userID.ReplaceAllString(string(value), `"$1:`+masked+`"`)
}

// gap is the length of what can stand between two JSON tokens.
func gap(text string) int64 { return int64(len(text) - len(strings.TrimLeft(text, " \t\r\n,:"))) }

// maskString masks a string within JSON, which may itself hold a document.
func maskString(s string) string {
	if strings.Contains(lower(unescape(s)), sessionName) {
		return Mask(s)
	}
	return maskSessions(s)
}

// maskText cuts a text that is not JSON after the key, however the key is escaped.
func maskText(text string) string {
	plain := unescape(text)
	if i := strings.Index(lower(plain), sessionName); i >= 0 {
		return maskSessions(plain[:i+len(sessionName)]) + " " + masked
	}
	return maskSessions(text)
}

// unescape undoes JSON's and URLs' escapes of ASCII characters, as often as they were applied. Text that was escaped
// more often than anybody does is taken for the key alone, so that none of it is shown.
func unescape(text string) string {
	for range 8 {
		if !escape.MatchString(text) {
			return text
		}
		text = escape.ReplaceAllStringFunc(text, func(e string) string {
			c, _ := hex.DecodeString(e[len(e)-2:]) // two hexadecimal digits: cannot fail
			return string(c)
		})
	}
	return sessionName
}

// maskSessions masks session names: arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION and ROLE-ID:SESSION (aws:userid).
func maskSessions(s string) string {
	if !strings.Contains(s, "assumed-role/") && !strings.Contains(s, "AROA") {
		return s
	}
	return session.ReplaceAllStringFunc(s, func(found string) string {
		end := strings.LastIndexAny(found, "/:") + 1
		if found[end:] == "*" {
			return found
		}
		return found[:end] + masked
	})
}

// show is a value for people. The key is that of its condition, "" if it is none.
func show(key, value string) string {
	switch k := lower(key); {
	case strings.HasSuffix(k, sessionName), strings.HasSuffix(k, sourceIdentity):
		return masked
	case k == userIDKey:
		if id, session, found := strings.Cut(value, ":"); found && session != "*" {
			return id + ":" + masked
		}
	}
	return maskString(value)
}
