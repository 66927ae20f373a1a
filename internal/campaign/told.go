package campaign

import (
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

// Change is something that somebody changed.
type Change struct {
	Events            []string // ids of the events that reported it; none if they were dropped
	Setting, Resource string   // that it is about
}

// Told is how often people were told of a change: by the id of one of its events, or by setting and resource. What an
// audit sums up counts where nothing else tells of it.
func (c Change) Told(mails []localawstest.Mail) int {
	told, summed := 0, 0
	for _, m := range mails {
		switch {
		case m.MessageAttributes["status"].Value == "summary":
			summed += summarised(m.Message, c)
		case c.isIn(m):
			told++
		}
	}
	if told == 0 {
		return min(summed, 1)
	}
	return told
}

func (c Change) isIn(m localawstest.Mail) bool {
	return slices.ContainsFunc(c.Events, func(id string) bool { return strings.Contains(m.Message, id) }) ||
		m.MessageAttributes["setting"].Value == c.Setting && strings.Contains(m.Message, c.Resource)
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
