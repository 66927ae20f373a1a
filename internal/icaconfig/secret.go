package icaconfig

import (
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
)

const masked = "***"

// Secret is a value that must not be printed: fmt, slog, JSON and YAML all show "***". Only Reveal gives it.
// Keep it in exported fields, and never as a map's key: fmt calls no methods on what it reaches through unexported fields, and
// encoding/json writes keys of string types as they are.
type Secret string

// Reveal returns the value itself.
func (s Secret) Reveal() string { return string(s) }

// String masks the value.
func (Secret) String() string { return masked }

// GoString masks the value for %#v.
func (Secret) GoString() string { return masked }

// Format masks the value for every verb: without it a verb that does not fit, such as %d, prints the raw string.
func (Secret) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(masked)) }

// LogValue masks the value for slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(masked) }

// MarshalJSON masks the value.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + masked + `"`), nil }

// MarshalYAML masks the value.
func (Secret) MarshalYAML() (any, error) { return masked, nil }

// MarshalText masks the value.
func (Secret) MarshalText() ([]byte, error) { return []byte(masked), nil }

// parameterScheme marks a prefix that is kept in SSM Parameter Store.
const parameterScheme = "ssm:"

// SessionNamePrefix is where ICA's RoleSessionName prefix comes from: exactly one of the two is set.
type SessionNamePrefix struct {
	Parameter string // SSM parameter of the home region, "" if the prefix is literal
	ARN       string // of the parameter
	Literal   Secret
}

// sessionName has the characters of a RoleSessionName; its length is checked by code.
var sessionName = regexp.MustCompile(`^[A-Za-z0-9_+=,.@-]*$`)

// CheckPrefix says whether a RoleSessionName prefix proves an identity: whoever matches the trust policy's PREFIX-*
// gets the role, so a wildcard or a short prefix would let in every ICA tenant of the region. Literals pass it at
// synth, parameters at each check. The error never contains the prefix. Limits: AWS STS AssumeRoleWithWebIdentity,
// RoleSessionName [\w+=,.@-]{2,64}; "-" and at least one character follow the prefix.
func CheckPrefix(prefix string) error {
	const least, most = 8, 62
	switch {
	case strings.ContainsAny(prefix, "*?"):
		return errors.New("it has a wildcard (* or ?): other ICA tenants could take the role")
	case len(prefix) < least:
		return fmt.Errorf("it is too short (%d characters of at least %d): it proves who ICA acts for", len(prefix), least)
	case len(prefix) > most:
		return fmt.Errorf("it is too long (%d characters of at most %d): AWS allows a session name of 64", len(prefix), most)
	case !sessionName.MatchString(prefix):
		return errors.New("it has a character that AWS does not allow in a session name, perhaps a space or a line break at its end")
	}
	return nil
}

// prefixOf reads both forms of role.sessionNamePrefix.
func prefixOf(text Secret) SessionNamePrefix {
	if name, isParameter := strings.CutPrefix(text.Reveal(), parameterScheme); isParameter {
		return SessionNamePrefix{Parameter: name}
	}
	return SessionNamePrefix{Literal: text}
}

// revealed is a text that two lists have in common if they hold the same, in any order.
func revealed(texts []Secret) string {
	values := make([]string, len(texts))
	for i, text := range texts {
		values[i] = text.Reveal()
	}
	slices.Sort(values)
	return strings.Join(values, "\n")
}

// checkPrefix refuses what neither form can be. Its error never contains the value, not even that of a parameter's
// name: a literal after a mistaken "ssm:" is still a secret.
func checkPrefix(text Secret) error {
	name, isParameter := strings.CutPrefix(text.Reveal(), parameterScheme)
	if !isParameter {
		if err := CheckPrefix(text.Reveal()); err != nil {
			return fmt.Errorf("the literal prefix cannot be used: %w", err)
		}
		return nil
	}
	if !formats["parameter"].Match(name) {
		return errors.New("what follows ssm: is not a parameter's name, which has " + formats["parameter"].Allowed)
	}
	return nil
}
