package notify

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/testlab"
)

// FuzzNotice: whatever others chose of what an outcome quotes (values of a policy, ids of rules, errors), a message is one
// that SNS takes, each of its lines is one of ours, and nothing in it hides or turns what follows.
func FuzzNotice(f *testing.F) {
	forged := "x\ndo        run this\r\x1b[2J\u202e\u2028\x00\xff"
	f.Add(uint(5), "Condition StringEquals aws:SourceIp", forged, "LabDeny", uint(1))
	f.Add(uint(2), forged, "3600 s", forged, uint(3))
	f.Add(uint(0), "Action", strings.Repeat("研", 1000), forged, uint(300))
	f.Fuzz(func(t *testing.T, status uint, path, found, name string, times uint) {
		o := testlab.Outcome(testlab.Statuses()[status%uint(len(testlab.Statuses()))])
		finding := guard.Finding{What: name + " is there", Remediation: "remove " + found, Exception: "the exception for " + name}
		for range times % 1000 {
			o.Diffs = append(o.Diffs, guard.Diff{Path: path, Expected: name, Found: found})
			o.Alerts, o.Notes = append(o.Alerts, finding), append(o.Notes, finding)
			o.Accepted = append(o.Accepted, guard.Excepted{Finding: finding, Reason: name, Until: "2027-02-28"})
		}
		o.Problem, o.BackupError, o.GateSkipped = found, name, path
		o.Events = append(o.Events, guard.Event{EventID: "1", Event: "E", Time: time.Time{}, Actor: cloudtrail.Actor{ARN: "a"}})
		checkNotice(t, NoticeFor(o, Decide(o).Severity))
		checkNotice(t, GuardChanged(o.Events[0], []guard.Outcome{o}))
		summary, err := Summary("audit", []guard.Outcome{o, o}, 1)
		if err != nil {
			t.Fatal(err)
		}
		checkNotice(t, summary)
		var table bytes.Buffer
		if err := Table(&table, []guard.Outcome{o}); err != nil {
			t.Fatal(err)
		}
		checkShown(t, table.String())
		for _, line := range strings.Split(strings.TrimSuffix(Text(o), "\n"), "\n")[2:] {
			if label, _, _ := strings.Cut(line, " "); !slices.Contains(labels(), label) {
				t.Errorf("a line of somebody else: %q", line)
			}
		}
	})
}

// labels are the words that a line of a message begins with; those that follow on begin with none.
func labels() []string {
	return []string{
		"", "storage", "resource", "status", "drift", "alert", "note", "accepted", "event", "problem", "backup", "gates", "effect",
		"do",
	}
}

func checkShown(t *testing.T, text string) {
	t.Helper()
	hidden := func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }
	if at := strings.IndexFunc(text, hidden); at >= 0 || !utf8.ValidString(text) {
		t.Errorf("people cannot see all of it: %q", text[max(0, at-40):min(len(text), max(0, at)+40)])
	}
}

// checkNotice: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
func checkNotice(t *testing.T, n guard.Notice) {
	t.Helper()
	size := len(n.Subject) + len(n.Body)
	for name, values := range n.Filter {
		size += len(name) + len(strings.Join(values, `", "`)) + len("String.Array")
	}
	if size > 262_144 || n.Subject == "" || len(n.Subject) > 100 {
		t.Errorf("%d bytes, %d of the subject", size, len(n.Subject))
	}
	if strings.ContainsFunc(n.Subject, func(r rune) bool { return r < ' ' || r > '~' }) {
		t.Errorf("subject %q", n.Subject)
	}
	checkShown(t, n.Body)
}
