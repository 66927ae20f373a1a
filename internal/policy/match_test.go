package policy

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		p, q             string
		covers, overlaps bool
	}{
		{"", "", true, true},
		{"*", "", true, true},
		{"?", "", false, false},
		{"*", "*", true, true},
		{"**", "*", true, true},
		{"*", "?a*", true, true},
		{"?", "*", false, true},
		{"a*", "*a", false, true},
		{"a*c", "abc", true, true},
		{"a*c", "a*c", true, true},
		{"a*c", "a*bc", true, true},
		{"a*c", "a*b", false, false},
		{"a?c", "a*c", false, true},
		{"a?c", "a?c", true, true},
		{"a?c", "aéc", true, true},
		{"s3:get*", "s3:getobject", true, true},
		{"s3:get*", "s3:g*", false, true},
		{"b/ica/*", "b/*", false, true},
		{"b/*", "b/ica/*", true, true},
		{"b/ica/*", "b/other/*", false, false},
		{"b", "b/*", false, false},
		{"*x*y*", "*x1y*", true, true},
		{"*x*y*", "*yx*", false, true},
	} {
		p, q := wildcards(c.p), wildcards(c.q)
		if p.covers(q) != c.covers || p.overlaps(q) != c.overlaps || q.overlaps(p) != c.overlaps {
			t.Errorf(
				"%q and %q: covers %v overlaps %v/%v, want %v %v", c.p, c.q, p.covers(q), p.overlaps(q), q.overlaps(p), c.covers,
				c.overlaps,
			)
		}
	}
}

// FuzzPatterns compares with regular expressions: what covers matches all that the other stands for, and text that both
// match overlaps.
func FuzzPatterns(f *testing.F) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 4))
		f.Add(random(r, "ab*?", 6), random(r, "ab*?", 6), random(r, "ab", 6), seed)
	}
	f.Fuzz(func(t *testing.T, p, q, text string, seed uint64) {
		if len(p)+len(q)+len(text) > 200 || !utf8.ValidString(p+"."+q+"."+text) {
			return
		}
		a, b := wildcards(p), wildcards(q)
		reA, reB := expression(p), expression(q)
		if reA.MatchString(text) != a.covers(literal(text)) || reA.MatchString(text) != a.overlaps(literal(text)) {
			t.Fatalf("%q on %q: regexp says %v", p, text, reA.MatchString(text))
		}
		if reA.MatchString(text) && reB.MatchString(text) && !a.overlaps(b) {
			t.Fatalf("%q and %q do not overlap, but both match %q", p, q, text)
		}
		r := rand.New(rand.NewPCG(seed, 5))
		for range 10 {
			if example := expand(r, q); a.covers(b) && !reA.MatchString(example) {
				t.Fatalf("%q covers %q, but not %q", p, q, example)
			}
		}
		if a.covers(b) && !a.overlaps(b) || a.overlaps(b) != b.overlaps(a) || !a.covers(a) {
			t.Fatalf("%q, %q: covers %v, overlaps %v %v", p, q, a.covers(b), a.overlaps(b), b.overlaps(a))
		}
	})
}

func random(r *rand.Rand, from string, most int) string {
	var b strings.Builder
	for range r.IntN(most + 1) {
		b.WriteByte(from[r.IntN(len(from))])
	}
	return b.String()
}

func expression(p string) *regexp.Regexp {
	return regexp.MustCompile(`(?s)^` + strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(p)) + `$`)
}

// expand makes text that the pattern stands for.
func expand(r *rand.Rand, p string) string {
	var b strings.Builder
	for _, c := range p {
		switch c {
		case '*':
			b.WriteString(random(r, "ab*?", 3))
		case '?':
			b.WriteString(random(r, "ab", 0) + "b")
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

func TestMatchResource(t *testing.T) {
	for _, c := range []struct {
		of, resource string
		want         comparison
	}{
		{"*", "arn:aws:s3:::lab/*", yes},
		{"arn:aws:s3:::lab/*", "arn:aws:s3:::lab/*", yes},
		{"arn:aws:s3:::*", "arn:aws:s3:::lab/*", yes},
		{"arn:*:s3:::lab*", "arn:aws:s3:::lab/a:b*", yes},
		{"arn:aws:s3:*:*:lab*", "arn:aws:s3:::lab", yes},
		{"arn:aws:s3:*", "arn:aws:s3:::lab", maybe},
		{"arn:aws:s3*lab/*", "arn:aws:s3:::lab/*", maybe},
		{"arn:aws:s3:::lab/secret/*", "arn:aws:s3:::lab/*", maybe},
		{"arn:aws:s3:::${aws:PrincipalTag/bucket}/*", "arn:aws:s3:::lab/*", maybe},
		{"arn:aws:s3:::lab/${unclosed", "arn:aws:s3:::lab/*", maybe},
		{"arn:aws:s3:::lab/????", "arn:aws:s3:::lab/${x}", maybe},
		{"arn:aws:s3:::lab", "arn:aws:s3:::lab/*", no},
		{"arn:aws:s3:::Lab/*", "arn:aws:s3:::lab/*", no},
		{"arn:aws:s3:::lab-2/*", "arn:aws:s3:::lab/*", no},
	} {
		if got := matchResource(c.of, c.resource); got != c.want {
			t.Errorf("%s on %s: %v, want %v", c.of, c.resource, got, c.want)
		}
	}
}
