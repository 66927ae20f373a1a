package yamlspec

import (
	"strconv"
	"strings"
)

// PairPath is the path of a pair in a mapping of any keys.
func PairPath(mapping, key string) string {
	if key != "" && !strings.ContainsFunc(key, notInWord) {
		return mapping + "." + key
	}
	return mapping + "." + Quoted(key)
}

// shown is the part of an unknown key that may be printed: in {password:abc} YAML takes the password for a part of the key.
func shown(key string) string {
	if end := strings.IndexFunc(key, notInWord); end >= 0 {
		return key[:end] + "…"
	}
	return key
}

// notInWord: what keys are not made of.
func notInWord(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
}

// Quoted is a value as a message shows it, on one line and not too long.
func Quoted(text string) string {
	if r := []rune(text); len(r) > 80 {
		text = string(r[:80]) + "…"
	}
	return strconv.Quote(text)
}

// closest finds the word that was probably meant, "" if none is near.
func closest(word string, known []string) string {
	best, least := "", 3
	for _, k := range known {
		if n := edits(strings.ToLower(word), strings.ToLower(k)); n < least && n < len(k)/2+1 {
			best, least = k, n
		}
	}
	return best
}

// edits counts the letters to insert, delete or replace between two words (Levenshtein).
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
