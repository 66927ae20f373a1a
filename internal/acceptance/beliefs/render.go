package beliefs

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/icaguard/icaguard/internal/acceptance/evidence"
)

// Document is docs/beliefs.md.
func Document() string {
	var b strings.Builder
	b.WriteString(`# What icaguard believes of AWS

Facts about AWS that the code rests on and that no test on one machine can prove. Grades: **doc** AWS's documentation
says so · **sample** seen in a recorded event · **inferred** follows from a rule, no recording was found · **contested**
two sources disagree · **emulated** the local AWS of the tests does so because we told it to.

This page is generated from ` + "`internal/acceptance/beliefs`" + `, where each of them also has its answer: what a run in an
account says about it.
`)
	for _, t := range themes() {
		fmt.Fprintf(&b, "\n## %s\n\n| Id | Belief | Source | Grade | What rests on it |\n|---|---|---|---|---|\n", t.title)
		for _, row := range t.rows {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", row.ID, cell(row.Fact), cell(row.Source), row.Grade,
				cell(row.RestsOn+where(row)))
		}
	}
	return b.String()
}

// cell is a text as a table takes it.
func cell(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "\n", " "), "|", `\|`)
}

// where names the files, unless the text does.
func where(b Belief) string {
	var files []string
	for _, file := range b.In {
		if !strings.Contains(b.RestsOn, file) {
			files = append(files, file)
		}
	}
	if len(files) == 0 {
		return ""
	}
	return " (" + strings.Join(files, ", ") + ")"
}

// Markdown is the answers as a table for a report, what is refuted first, with what in the code rests on it.
func Markdown(answered []Answered) string {
	var b strings.Builder
	b.WriteString("| Answer | Belief | Why | Source and grade | What rests on it |\n|---|---|---|---|---|\n")
	for _, a := range refutedFirst(answered) {
		verdict := string(a.Verdict)
		if a.Verdict == evidence.Refuted {
			verdict = "**" + verdict + "**"
		}
		fmt.Fprintf(&b, "| %s | %s: %s | %s | %s [%s] | %s |\n", verdict, a.ID, cell(a.Fact), cell(a.Why), cell(a.Source), a.Grade,
			cell(a.RestsOn+where(a.Belief)))
	}
	return b.String()
}

// JSON is the same for programs.
func JSON(answered []Answered) ([]byte, error) {
	type entry struct {
		ID      string   `json:"id"`
		Fact    string   `json:"fact"`
		Source  string   `json:"source"`
		Grade   string   `json:"grade"`
		RestsOn string   `json:"restsOn"`
		In      []string `json:"in"`
		evidence.Answer
	}
	var entries []entry
	for _, a := range refutedFirst(answered) {
		entries = append(entries, entry{a.ID, a.Fact, a.Source, a.Grade, a.RestsOn, a.In, a.Answer})
	}
	out, err := json.MarshalIndent(entries, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("beliefs: render: %w", err)
	}
	return out, nil
}

// Counts is how many answers there are of each verdict.
func Counts(answered []Answered) map[evidence.Verdict]int {
	counts := map[evidence.Verdict]int{}
	for _, a := range answered {
		counts[a.Verdict]++
	}
	return counts
}
