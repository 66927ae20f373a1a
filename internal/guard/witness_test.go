package guard

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// TestWitness: each event wrote the parts that its parameters name; "ab" is read.
func TestWitness(t *testing.T) {
	spec := Spec[string]{
		Witness: func(e Event, _ string) (string, bool) { return string(e.Parameters), e.Parameters != "unreadable" },
		Missing: func(_ icaconfig.Storage, from, in string) []string {
			return slices.DeleteFunc(strings.Split(from, ""), func(part string) bool { return strings.Contains(in, part) })
		},
	}
	for name, c := range map[string]struct {
		events           []string // "SECOND PARTS", in the order of their times
		agrees, disputed bool
	}{
		"no event":                           {nil, true, false},
		"agrees":                             {[]string{"1 ab"}, true, false},
		"does not":                           {[]string{"1 abc"}, false, false},
		"an older one does not":              {[]string{"1 abc", "2 ab"}, true, false},
		"only an older one does":             {[]string{"1 ab", "2 a"}, false, false},
		"the last of one second does":        {[]string{"1 abc", "1 ab"}, true, true},
		"the first of one second does":       {[]string{"1 ab", "1 abc"}, true, true},
		"one between others does":            {[]string{"1 a", "1 ab", "1 abc"}, true, true},
		"none of one second does":            {[]string{"1 a", "1 abc"}, false, false},
		"twice the same":                     {[]string{"1 ab", "1 ab"}, true, false},
		"beside what cannot be read":         {[]string{"1 ab", "1 unreadable"}, true, false},
		"beside what does not say its parts": {[]string{"1 ab", "1 "}, true, false},
	} {
		var events []Event
		for _, text := range c.events {
			second, parts, _ := strings.Cut(text, " ")
			events = append(events, Event{Time: time.Unix(int64(second[0]), 0), Parameters: Parameters(parts)})
		}
		if got := witness(spec, icaconfig.Storage{}, "ab", events); got.agrees() != c.agrees || got.disputed != c.disputed {
			t.Errorf("%s: agrees %v, disputed %v: %+v", name, got.agrees(), got.disputed, got)
		}
	}
}
