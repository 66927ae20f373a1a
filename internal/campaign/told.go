package campaign

import (
	"maps"
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

// Change is something that somebody changed.
type Change struct {
	Events            []string // ids of the events that reported it; none if they were dropped
	Setting, Resource string   // that it is about
}

// Told is how often people were told the same of a change by itself: by the id of one of its events or, where an audit found
// it, by setting and resource alone.
func (c Change) Told(mails []localawstest.Mail) int {
	told := map[string]int{"": 0}
	for _, m := range mails {
		if m.MessageAttributes["setting"].Value == c.Setting && strings.Contains(m.Message, c.Resource+"\n") && c.isIn(m.Message) {
			told[m.MessageAttributes["status"].Value]++
		}
	}
	return slices.Max(slices.Collect(maps.Values(told)))
}

// Summed reports whether the summary of an audit tells of it.
func (c Change) Summed(mails []localawstest.Mail) bool {
	return slices.ContainsFunc(mails, func(m localawstest.Mail) bool {
		return m.MessageAttributes["status"].Value == "summary" && summarised(m.Message, c)
	})
}

// isIn: what an audit found names no event.
func (c Change) isIn(text string) bool {
	return !strings.Contains(text, "\nevent ") ||
		slices.ContainsFunc(c.Events, func(id string) bool { return strings.Contains(text, id) })
}

// summarised: a summary's text about a setting stands under its table, as it does for what is not in sync.
func summarised(text string, c Change) bool {
	return slices.ContainsFunc(strings.Split(text, "\n\n"), func(paragraph string) bool {
		return strings.Contains(paragraph, "resource  "+c.Resource+"\n")
	})
}

// Restores and Alerts are how many messages tell so.
func Restores(mails []localawstest.Mail) int { return having(mails, "status", "restored") }

// Alerts are how many messages ask people for something.
func Alerts(mails []localawstest.Mail) int { return having(mails, "severity", "critical") }

func having(mails []localawstest.Mail, attribute, value string) int {
	return len(slices.DeleteFunc(slices.Clone(mails), func(m localawstest.Mail) bool {
		return m.MessageAttributes[attribute].Value != value
	}))
}

// Open reports whether the last that people were told of a setting asks them for something.
func Open(mails []localawstest.Mail, setting string) bool {
	open := false
	for _, m := range mails {
		if m.MessageAttributes["setting"].Value == setting {
			open = m.MessageAttributes["severity"].Value == "critical"
		}
	}
	return open
}
