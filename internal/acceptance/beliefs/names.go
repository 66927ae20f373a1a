package beliefs

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/icaguard/icaguard/events"
	"github.com/icaguard/icaguard/internal/acceptance/evidence"
	"github.com/icaguard/icaguard/internal/guard/self"
)

// heardEvent is an event that rows listen to, and by which request parameters it names its resource.
type heardEvent struct {
	source, event string
	parameters    []string
	rows          []string
}

// heard are the events of all rows, by source and name.
func heard() []heardEvent {
	found := map[string]*heardEvent{}
	for _, row := range self.AllRows() {
		for _, t := range row.Triggers {
			for _, event := range t.Events {
				key := t.Source + " " + event
				if found[key] == nil {
					found[key] = &heardEvent{source: t.Source, event: event}
				}
				h := found[key]
				h.rows = addNew(h.rows, row.ID)
				if t.Parameter != "" {
					h.parameters = addNew(h.parameters, t.Parameter)
				}
			}
		}
	}
	var all []heardEvent
	for _, key := range sortedKeys(found) {
		all = append(all, *found[key])
	}
	return all
}

func addNew(list []string, word string) []string {
	if slices.Contains(list, word) {
		return list
	}
	return append(list, word)
}

// sample is a file of events/.
type sample struct {
	file     string
	recorded bool
	record
}

func samples() []sample {
	var all []sample
	_ = fs.WalkDir(events.Samples, ".", func(file string, _ os.DirEntry, _ error) error {
		body, err := fs.ReadFile(events.Samples, file)
		if err == nil { // a directory is no file
			all = append(all, sample{file, path.Dir(file) == "recorded", parse(evidence.Raw{Body: json.RawMessage(body)})})
		}
		return nil
	})
	return all
}

// namesOfEvents has a belief for each event that a row listens to: that CloudTrail names it so, and the resource by one of
// these parameters.
func namesOfEvents() []Belief {
	files := samples()
	var rows []Belief
	for _, h := range heard() {
		ours := slices.DeleteFunc(slices.Clone(files), func(s sample) bool { return s.source() != h.source || s.name() != h.event })
		rows = append(rows, h.belief(ours))
	}
	return rows
}

func (h heardEvent) belief(samples []sample) Belief {
	b := Belief{
		ID:    strings.ReplaceAll(strings.TrimPrefix(h.source, "aws.")+"-"+h.event, " ", "-"),
		Grade: "inferred", Source: "a constructed event, after the shapes of recorded ones", OfRun: h.answer,
		Fact:    fmt.Sprintf("The event is named %s and has %s", h.event, h.naming()),
		RestsOn: strings.Join(h.rows, ", "),
	}
	for _, s := range samples {
		b.In = append(b.In, "events/"+s.file)
		if s.recorded {
			b.Grade, b.Source = "sample", "a recorded event"
		}
	}
	return b
}

func (h heardEvent) naming() string {
	if len(h.parameters) == 0 {
		return "nothing that a row asks for"
	}
	return "`" + strings.Join(h.parameters, "` or `") + "`, or the resource's ARN under `resources`"
}

// answer looks for the event. One that names its resource otherwise would lead to no check.
func (h heardEvent) answer(e evidence.Evidence) evidence.Answer {
	records := slices.DeleteFunc(seen(e, h.event), func(r record) bool { return r.source() != h.source })
	for _, r := range records {
		if !h.names(r) {
			return refuted("it has requestParameters %s and names no resource as believed", orNone(sortedKeys(r.Detail.RequestParameters)))
		}
	}
	if len(records) > 0 {
		return confirmed("seen %d times, in %s", len(records), strings.Join(regionsOf(records), ", "))
	}
	if other := h.otherSpelling(seen(e)); other != "" {
		return refuted("it is named %s", other)
	}
	return notSeen("no such event in this run")
}

func (h heardEvent) names(r record) bool {
	return len(h.parameters) == 0 || len(r.Detail.Resources) > 0 || slices.ContainsFunc(h.parameters, func(p string) bool {
		return r.lacks(p, "text") == "" || r.lacks(p, "a list") == ""
	})
}

// otherSpelling is an event that differs in case only, as IAM's actions differ from S3's events.
func (h heardEvent) otherSpelling(records []record) string {
	for _, r := range records {
		if r.source() == h.source && r.name() != h.event && strings.EqualFold(r.name(), h.event) {
			return r.Detail.EventName
		}
	}
	return ""
}

func regionsOf(records []record) []string {
	var regions []string
	for _, r := range records {
		regions = append(regions, r.Detail.AWSRegion)
	}
	slices.Sort(regions)
	return slices.Compact(regions)
}

// Sources are the EventBridge sources of the events that the beliefs are about.
func Sources() []string {
	var sources []string
	for _, h := range heard() {
		sources = append(sources, h.source)
	}
	slices.Sort(sources)
	return slices.Compact(sources)
}
