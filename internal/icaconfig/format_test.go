package icaconfig

import (
	"regexp"
	"strings"
	"testing"
)

// TestFormatsAreTheirPatterns: the lengths that are checked by code are those of the pattern that editors get.
func TestFormatsAreTheirPatterns(t *testing.T) {
	texts := textsAroundLimits()
	for name, f := range formats {
		if f.Pattern == "" {
			continue
		}
		pattern, refused, taken := regexp.MustCompile(`^(?:`+f.Pattern+`)$`), regexp.MustCompile(f.Refused), 0
		for _, text := range append(texts, f.Example) {
			most := map[string]int{"parameter": 900}[name] // SSM counts the ARN too, which no pattern of a name can say
			want := (most == 0 || len(text) <= most) && pattern.MatchString(text) && (f.Refused == "" || !refused.MatchString(text))
			if f.Match(text) != want {
				t.Errorf("%s: %.80q of %d bytes: match %v, the pattern says %v", name, text, len(text), !want, want)
			}
			if want {
				taken++
			}
		}
		if taken == 0 {
			t.Errorf("%s: no text matches", name)
		}
	}
}

// textsAroundLimits are texts of the shapes that ica.yaml holds, at every length around which a limit lies.
func textsAroundLimits() []string {
	var all []string
	for _, around := range []int{1, 32, 64, 128, 256, 512, 900, 1000} {
		for n := max(0, around-4); n < around+4; n++ {
			for _, letter := range []string{"a", "A", "7", "é", "日", "-"} {
				run := strings.Repeat(letter, n)
				all = append(
					all, run, "a"+run+"a", "/"+run, "/"+run+"/", run+"@example.org", "x@"+run+".org", "x@example."+run, "x@a."+run+".org",
				)
			}
		}
	}
	return append(all, "abcd.json", "10FBA7EDEB5930CCFC300EF5AC3DB2FE", "icaguard", "123456789012")
}
