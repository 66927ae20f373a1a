package notify

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
)

// newNotice keeps SNS's limits: 100 characters for the subject of an e-mail and 262,144 bytes for the whole message.
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
func newNotice(subject, body string, filter map[string][]string) guard.Notice {
	const longest, cut = 250_000, "\n… cut: a mail holds no more. All of it: icaguard validate\n"
	if len(body) > longest {
		body = strings.ToValidUTF8(body[:longest], "") + cut
	}
	return guard.Notice{Subject: Subject(subject), Body: body, Filter: filter}
}

// NoticeFor writes the message to people about an outcome, with the severity that was decided.
func NoticeFor(o guard.Outcome, severity Severity) guard.Notice {
	subject := fmt.Sprintf("[icaguard] %s: %s %s", names(o.Storages), o.Setting, o.Status)
	return newNotice(subject, Text(o), map[string][]string{
		"severity": {string(severity)}, "status": {string(o.Status)}, "setting": {o.Setting}, Storage: o.Storages,
	})
}

// names are those of storages in a subject, which is short: the first, and how many share what it is about.
func names(storages []string) string {
	if len(storages) <= 2 {
		return strings.Join(storages, ", ")
	}
	return fmt.Sprintf("%s and %d more", storages[0], len(storages)-1)
}

// Subject keeps SNS's limit of 100 characters for e-mail subjects.
func Subject(s string) string {
	const limit = 100
	if len(s) > limit {
		return s[:limit]
	}
	return s
}

// Text is all that an outcome says, a line each.
func Text(o guard.Outcome) string {
	var b lines
	b.add("storage", strings.Join(o.Storages, ", "))
	b.add("resource", o.Resource)
	b.add("status", string(o.Status))
	for _, d := range o.Diffs {
		b.add("drift", d.Path+": expected "+d.Expected+", found "+d.Found)
	}
	for _, a := range o.Alerts {
		b.add("alert", a.What)
		b.addExcepted(a)
		b.add("", "do: "+a.Remediation)
	}
	for _, r := range o.Notes {
		b.add("note", joined(r.What, r.Remediation))
		b.addExcepted(r)
	}
	for _, a := range o.Accepted {
		b.add("accepted", a.What)
		b.add("", "because "+a.Reason+"; "+until(a.Until))
	}
	for _, c := range o.Events {
		b.add("event", c.String())
	}
	for _, line := range [][2]string{
		{"problem", o.Problem}, {"backup", o.BackupError}, {"gates", o.GateSkipped}, {"effect", o.Effect}, {"do", o.Remediation},
	} {
		if line[1] != "" {
			b.add(line[0], line[1])
		}
	}
	return o.Title + "\n\n" + b.String()
}

// lines are those of a message. What they quote, others chose: a value in a policy, the id of a rule, an error.
type lines struct{ strings.Builder }

func (b *lines) add(label, text string) { fmt.Fprintf(b, "%-9s %s\n", label, cloudtrail.Line(text)) }

// addExcepted says why an exception does not hold a finding back any more.
func (b *lines) addExcepted(f guard.Finding) {
	if f.Exception != "" {
		b.add("", "not accepted: "+f.Exception+"; icaguard validate prints the line that accepts it as it is now")
	}
}

func until(day string) string {
	if day == "" {
		return "without an end"
	}
	return "until " + day
}

func joined(what, remediation string) string {
	if remediation == "" {
		return what
	}
	return what + "; " + remediation
}

// Table prints outcomes for a terminal: a line each, and under it what differs and what to do.
func Table(w io.Writer, outcomes []guard.Outcome) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "STORAGE\tSETTING\tSTATUS\tRESOURCE")
	for _, o := range outcomes {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", strings.Join(o.Storages, ","), o.Setting, o.Status, o.Resource)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("notify: print table: %w", err)
	}
	for _, o := range outcomes {
		if o.Status != guard.InSync || len(o.Notes) > 0 {
			fmt.Fprintf(w, "\n%s", Text(o))
		}
	}
	fmt.Fprintf(w, "\n%s\n", guard.NotVisible)
	return nil
}
