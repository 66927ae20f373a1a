package cloudtrail

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// longest is more than the longest ARN of IAM has: a path of 512 characters and a name of 64.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const longest = 700

// Plain is a text that others chose, such as the name of a session, as it may be shown: one line of at most 700
// characters, without control characters and without those that hide or reorder others.
func Plain(text string) string {
	var b strings.Builder
	count, gap := 0, false
	for _, r := range text {
		switch {
		case r == ' ' || !unicode.IsPrint(r):
			gap = count > 0
			continue
		case count >= longest || gap && count+1 >= longest:
			b.WriteString("…")
			return b.String()
		case gap:
			b.WriteByte(' ')
			count++
		}
		gap = false
		b.WriteRune(r)
		count++
	}
	return b.String()
}

// Line is a text that quotes what others chose, on one line of its own: nothing in it begins another line, and nothing
// hides or reorders what is around it. It is as long as the text is.
func Line(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != utf8.RuneError {
			return r
		}
		return ' '
	}, text)
}
