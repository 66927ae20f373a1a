package beliefs

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/acceptance/evidence"
)

func TestRefutedFirst(t *testing.T) {
	named := func(id string, verdict evidence.Verdict) Answered {
		return Answered{
			Belief{ID: id, Fact: "a | b", Source: "a page", Grade: "doc", RestsOn: "a restore", In: []string{"internal/x.go"}},
			evidence.Answer{Verdict: verdict, Why: "seen"},
		}
	}
	answered := []Answered{
		named("a", evidence.NotTried), named("b", evidence.Confirmed), named("c", evidence.Refuted), named("d", evidence.NotSeen),
		named("e", evidence.Refuted),
	}
	lines := strings.Split(strings.TrimSpace(Markdown(answered)), "\n")[2:]
	want := `| **refuted** | c: a \| b | seen | a page [doc] | a restore (internal/x.go) |`
	if lines[0] != want {
		t.Errorf("first row\n%s\nwant\n%s", lines[0], want)
	}
	text, err := JSON(answered)
	if err != nil {
		t.Fatal(err)
	}
	var entries []struct{ ID, Verdict, Why, RestsOn string }
	if err := json.Unmarshal(text, &entries); err != nil {
		t.Fatal(err)
	}
	order := ""
	for i, entry := range entries {
		order += entry.ID
		if !strings.Contains(lines[i], entry.ID+": ") || entry.Verdict == "" || entry.Why != "seen" || entry.RestsOn != "a restore" {
			t.Errorf("entry %d is %+v, the row %s", i, entry, lines[i])
		}
	}
	if order != "cebda" {
		t.Errorf("the order is %s", order)
	}
	if counts := Counts(answered); counts[evidence.Refuted] != 2 || counts[evidence.NotSeen] != 1 {
		t.Errorf("counts %v", counts)
	}
}
