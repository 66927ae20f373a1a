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

// Told is how often people were told the same of a change: by the id of one of its events or, where an audit found it, by
// setting and resource alone. What an audit sums up counts where nothing else tells of it.
func (c Change) Told(mails []localawstest.Mail) int {
	told, summed := map[string]int{}, 0
	for _, m := range mails {
		status := m.MessageAttributes["status"].Value
		switch {
		case status == "summary":
			summed = max(summed, summarised(m.Message, c))
		case m.MessageAttributes["setting"].Value == c.Setting && strings.Contains(m.Message, c.Resource+"\n") && c.isIn(m.Message):
			told[status]++
		}
	}
	if len(told) == 0 {
		return summed
	}
	return slices.Max(slices.Collect(maps.Values(told)))
}

// isIn: what an audit found names no event.
func (c Change) isIn(text string) bool {
	return !strings.Contains(text, "\nevent ") ||
		slices.ContainsFunc(c.Events, func(id string) bool { return strings.Contains(text, id) })
}

// summarised is 1 where a summary's text about the setting stands under its table, as it does for what is not in sync.
func summarised(text string, c Change) int {
	for _, paragraph := range strings.Split(text, "\n\n") {
		if strings.Contains(paragraph, "resource  "+c.Resource+"\n") {
			return 1
		}
	}
	return 0
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
