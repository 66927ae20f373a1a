package yamlspec

import (
	"regexp"
	"sync"
	"unicode/utf8"
)

// Format is what a text must look like. RE2 has no look-ahead, so what a pattern cannot leave out stands in Refused.
type Format struct {
	Noun    string // what the value is, for "… is not <noun>"
	Pattern string // the whole text must match; "" where code of the package that knows the key checks it
	Refused string // no part of the text may match; "" refuses nothing
	Allowed string // both, for people
	Example string
	// Fits holds the lengths of the pattern's long repetitions; nil where it has none.
	Fits func(text string) bool
	// Editors is the pattern that editors get where Pattern is empty; Values are what they offer instead of a pattern.
	Editors string
	Values  []string
	// Pairs is set where a mapping of any keys has the format.
	Pairs *Pairs

	once        sync.Once
	whole, part *regexp.Regexp // Pattern and Refused, compiled once, when the first text asks
}

// Pairs is what a mapping of any keys may hold: the names of the formats of keys and values, and how many there may be.
type Pairs struct {
	Keys, Values string
	Most         int
}

// longRepetition is a repetition whose end is left to Format.Fits: Go makes a copy of what is repeated for each time
// that it may be, so {1,256} of a class with all letters takes 5 ms and 10 MB to compile.
var longRepetition = regexp.MustCompile(`\{([0-9]+),([2-9][0-9]|[0-9]{3,})\}`)

func (f *Format) compile() {
	f.whole = regexp.MustCompile(`^(?:` + longRepetition.ReplaceAllString(f.Pattern, "{$1,}") + `)$`)
	f.part = regexp.MustCompile(f.Refused)
}

// Match reports whether the text has the format.
func (f *Format) Match(text string) bool {
	f.once.Do(f.compile)
	return (f.Fits == nil || f.Fits(text)) && f.whole.MatchString(text) && (f.Refused == "" || !f.part.MatchString(text))
}

// UpTo is Fits for patterns of which only the whole length, in characters, has an end.
func UpTo(most int) func(string) bool {
	return func(text string) bool { return utf8.RuneCountInString(text) <= most }
}
