package beliefs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/icaguard/icaguard/internal/golden"
	"github.com/icaguard/icaguard/internal/localaws"
)

const root = "../../.."

func TestDocument(t *testing.T) {
	golden.Check(t, *update, filepath.Join(root, "docs/beliefs.md"), Document())
}

// Whoever adds an emulation adds a belief, with its answer: emulation.py's list is the list of beliefs.
func TestEmulationsAreBeliefs(t *testing.T) {
	gaps, err := localaws.Gaps(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(gaps, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, *update, "emulations.json", string(text)+"\n")
	answers, ofRun := emulationAnswers(), emulationsOfRun()
	if len(answers)+len(ofRun) != len(gaps) {
		t.Errorf("%d answers for %d entries of emulation.py", len(answers)+len(ofRun), len(gaps))
	}
}

func TestBeliefsAreComplete(t *testing.T) {
	ids := map[string]bool{}
	grades := regexp.MustCompile(`^(doc|sample|inferred|contested|emulated)\b`)
	for _, b := range All() {
		if ids[b.ID] {
			t.Errorf("%s stands twice", b.ID)
		}
		ids[b.ID] = true
		if b.Fact == "" || b.Source == "" || b.RestsOn == "" || len(b.In) == 0 || !grades.MatchString(b.Grade) {
			t.Errorf("%s is not complete: %+v", b.ID, b)
		}
		if (b.Answer == nil) == (b.OfRun == nil) {
			t.Errorf("%s has no answer, or two", b.ID)
		}
		for _, file := range b.In {
			if _, err := os.Stat(filepath.Join(root, file)); err != nil {
				t.Errorf("%s: %v", b.ID, err)
			}
		}
	}
}

// Whoever adds a constructed sample adds a belief about its event: rows listen to it, and the beliefs are about what rows
// listen to.
func TestSamplesAreBeliefs(t *testing.T) {
	var named []string
	for _, b := range namesOfEvents() {
		constructed := func(file string) bool { return strings.HasPrefix(file, "events/aws.") }
		if b.Grade == "inferred" && !slices.ContainsFunc(b.In, constructed) {
			t.Errorf("%s is inferred and has no sample", b.ID)
		}
		named = append(named, b.In...)
	}
	files, err := filepath.Glob(filepath.Join(root, "events/*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	for _, file := range files {
		if name := "events/" + filepath.Base(file); !slices.Contains(named, name) {
			t.Errorf("no belief is about %s", name)
		}
	}
}

// An experiment's bucket is named after the run and the belief; S3 takes 63 letters.
func TestNamesFit(t *testing.T) {
	for _, b := range All() {
		if name := "ica-acceptance-abcd-b-" + b.ID; b.Answer != nil && len(name) > 55 { // IAM takes 64: "-caller"
			t.Errorf("%s has %d letters", name, len(name))
		}
	}
}

// Try makes as many experiments at a time as it may, and all of them.
func TestAtMost(t *testing.T) {
	var now, most, done atomic.Int32
	both := make(chan struct{})
	var todo []func()
	for range 5 {
		todo = append(todo, func() {
			if n := now.Add(1); n > 2 {
				t.Errorf("%d at a time", n)
			} else if n == 2 && most.Swap(2) < 2 {
				close(both)
			}
			<-both
			now.Add(-1)
			done.Add(1)
		})
	}
	if atMost(2, todo); done.Load() != 5 {
		t.Errorf("%d of 5", done.Load())
	}
}
