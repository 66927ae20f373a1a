package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/icaguard/icaguard/internal/acceptance/beliefs"
	"github.com/icaguard/icaguard/internal/acceptance/evidence"
)

// Report is what a run is filed as; the Markdown beside it says the same.
type Report struct {
	Run      string    `json:"run"`
	Version  string    `json:"version"`
	Local    bool      `json:"local,omitempty"` // no AWS was behind it
	Account  string    `json:"account"`
	Caller   string    `json:"caller"`
	Home     string    `json:"homeRegion"`
	Region   string    `json:"bucketRegion"`
	Begun    time.Time `json:"begun"`
	Ended    time.Time `json:"ended"`
	Passed   bool      `json:"passed"`
	Tests    []Test    `json:"tests"`
	Left     []string  `json:"left"`
	Delays   []Delay   `json:"eventDelays"`
	Messages []message `json:"messages"`
	Samples  []string  `json:"samples"`
	// Beliefs are as package beliefs writes them.
	Beliefs json.RawMessage `json:"beliefs,omitempty"`
}

// Delay is how long events of a service took from the call to the program's queue. CloudTrail's times have whole seconds.
type Delay struct {
	Source string  `json:"source"`
	Count  int     `json:"count"`
	Median float64 `json:"medianSeconds"`
	Most   float64 `json:"mostSeconds"`
}

// removalTest is about what is left.
func removalTest(left []string, began time.Time) Test {
	t := Test{Name: removal, What: "remove all that the run created, and look for it", Expected: "nothing is left", Began: began}
	if len(left) > 0 {
		t.Verdict, t.Observed = Failed, "left: "+strings.Join(left, "; ")
		return t
	}
	return t.passed("nothing is left", 0)
}

// report writes what was seen. An interrupted run has one too.
func (r *runner) report(left []string) error {
	var messages []message
	var events []evidence.Raw
	var unheard error
	if r.ears != nil {
		messages, events, unheard = r.ears.all()
	}
	samples, err := r.writeSamples(events)
	if err != nil {
		return err
	}
	answers, err := beliefs.JSON(r.answers)
	if err != nil {
		return err
	}
	rep := Report{
		Run: r.run.ID, Version: r.Version, Local: r.site.Local, Account: r.run.Account, Caller: r.caller, Home: r.run.Home,
		Region: r.run.Region, Begun: r.run.Begun, Ended: time.Now().UTC().Truncate(time.Second), Passed: r.verdict(left) == nil,
		Tests: r.tests, Left: left, Delays: delays(events), Messages: messages, Samples: samples, Beliefs: answers,
	}
	data, err := json.MarshalIndent(rep, "", "  ")
	if err != nil {
		return fmt.Errorf("acceptance: report: %w", err)
	}
	text := r.markdown(rep)
	if unheard != nil {
		text += fmt.Sprintf("\nThe last failure of reading the program's own queues: %v\n", unheard)
	}
	for name, content := range map[string][]byte{"report.json": append(data, '\n'), "report.md": []byte(text)} {
		content = []byte(r.run.discreet(string(content)))
		if err := os.WriteFile(filepath.Join(r.Folder, name), content, 0o600); err != nil {
			return fmt.Errorf("acceptance: report: %w", err)
		}
	}
	r.say("report: %s", filepath.Join(r.Folder, "report.md"))
	return nil
}

func delays(events []evidence.Raw) []Delay {
	bySource := map[string][]float64{}
	for _, raw := range events {
		d := detailOf(raw)
		bySource[d.EventSource] = append(bySource[d.EventSource], raw.Received.Sub(d.EventTime).Seconds())
	}
	var all []Delay
	for source, seconds := range bySource {
		slices.Sort(seconds)
		all = append(all, Delay{source, len(seconds), round(seconds[len(seconds)/2]), round(seconds[len(seconds)-1])})
	}
	slices.SortFunc(all, func(a, b Delay) int { return strings.Compare(a.Source, b.Source) })
	return all
}

func round(seconds float64) float64 { return float64(int(seconds*10)) / 10 }

// markdown is the report as a lab files it.
func (r *runner) markdown(rep Report) string {
	var b strings.Builder
	verdict := "FAILED"
	if rep.Passed {
		verdict = "PASSED"
	}
	fmt.Fprintf(&b, "# Acceptance test of icaguard: %s\n\n", verdict)
	if rep.Local {
		b.WriteString("**Played on a local AWS: it proves nothing about AWS.**\n\n")
	}
	fmt.Fprintf(&b, `| | |
|---|---|
| Run | %s, %s to %s (UTC) |
| Version of icaguard | %s, %s |
| AWS account | %s |
| Run by | %s |
| Regions | icaguard in %s, bucket and key in %s (ICA region %s) |
| Deployed | stacks icaguard-storage-%s, icaguard-guard and, away from us-east-1, icaguard-relay |

## Tests

"Seconds" is the time from the change until it read as before, or until people were told, CloudTrail's delay included.

| test | what was done | expected | observed | verdict | began (UTC) | seconds |
|---|---|---|---|---|---|---|
`, rep.Run, rep.Begun.Format(time.DateTime), rep.Ended.Format(time.DateTime), rep.Version, runtime.Version(), rep.Account,
		rep.Caller, rep.Home, rep.Region, r.run.ICARegion, rep.Region)
	for _, t := range rep.Tests {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %.1f |\n", t.Name, cell(t.What), cell(t.Expected), cell(t.Observed),
			t.Verdict, t.Began.UTC().Format(time.TimeOnly), t.Seconds)
	}
	b.WriteString("\n## How long events took\n\nFrom the call to the program's own queue.\n\n")
	b.WriteString("| service | events | median, s | longest, s |\n|---|---|---|---|\n")
	for _, d := range rep.Delays {
		fmt.Fprintf(&b, "| %s | %d | %.1f | %.1f |\n", d.Source, d.Count, d.Median, d.Most)
	}
	if len(r.answers) > 0 {
		b.WriteString("\n## What icaguard believes of AWS\n\n" + beliefs.Markdown(r.answers))
	}
	b.WriteString("\n" + notProven(r.run.Key))
	return b.String()
}

// cell keeps a text within one cell of a table.
func cell(text string) string {
	const longest = 400
	text = strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", "\\|")
	if runes := []rune(text); len(runes) > longest {
		text = string(runes[:longest]) + " …"
	}
	return text
}

func notProven(key string) string {
	left := ""
	if key != "" {
		left = fmt.Sprintf("- Deleted by AWS %d days after the run: KMS key %s.\n", keyWindow, key)
	}
	return left + `
## Not tried, and why

- ICA itself: its role was taken by this account, not with a token of ICA's.
- That ICA's notification is put back: its target is in Illumina's account, and S3 takes no target that does not exist.
- Organizations: service control and resource control policies cannot be seen from an account.
- Mails: a subscriber's address has to be confirmed by a person; a queue was subscribed instead.
- An upgrade of an installation that is in use: see docs/deploy.md, "Life cycle".

## Signatures

| | name | date | signature |
|---|---|---|---|
| Carried out by | | | |
| Reviewed by | | | |
| Approved by | | | |
`
}
