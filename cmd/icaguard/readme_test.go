package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

var update = flag.Bool("update", false, "rewrite golden files and the generated parts of README.md")

const readme = "../../README.md"

// TestREADME holds the generated parts of the README against the tables that they are made from.
func TestREADME(t *testing.T) {
	data, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	want := string(data)
	for name, text := range map[string]string{
		"settings": settingsTable(guard.RowsOf(settings.All())), "self checks": settingsTable(guard.RowsOf(self.All())),
		"documents": documentsTable(),
	} {
		want = between(t, want, name, text)
	}
	if want == string(data) {
		return
	}
	if !*update {
		t.Fatal("README.md is not what the tables say; run make update")
	}
	if err := os.WriteFile(readme, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
}

// between puts text between the markers <!-- name --> and <!-- /name -->.
func between(t *testing.T, page, name, text string) string {
	t.Helper()
	before, rest, found := strings.Cut(page, "<!-- "+name+" -->\n")
	_, after, closed := strings.Cut(rest, "<!-- /"+name+" -->")
	if !found || !closed {
		t.Fatalf("README.md has no part <!-- %s -->", name)
	}
	return before + "<!-- " + name + " -->\n" + text + "<!-- /" + name + " -->" + after
}

func settingsTable(rows []guard.Row) string {
	var b strings.Builder
	b.WriteString("| setting | what is guarded | effect of a break | events |\n|---|---|---|---|\n")
	for _, s := range rows {
		var events []string
		for _, trigger := range s.Triggers {
			events = append(events, trigger.Events...)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", s.ID, s.Title, s.Effect, strings.Join(events, ", "))
	}
	return b.String()
}

func documentsTable() string {
	var b strings.Builder
	b.WriteString("| document | from | |\n|---|---|---|\n")
	for _, source := range icaconfig.Sources() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", source.Document, source.Sure, source.Why)
	}
	return b.String()
}
