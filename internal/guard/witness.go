package guard

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// testimony is what the newest event that says which document was written says of it, against what was read. S3 and KMS
// have no conditional writes, and their configurations are read eventually consistent, so two equal reads can both be
// old. An event's word only makes icaguard wait or complain; what is written comes from what is read.
type testimony struct {
	event   Event
	missing []string // parts that it wrote and that are not read
	extra   []string // parts that are read and that it did not write
	// disputed: of the events in the same second one says so, and another one says otherwise.
	disputed bool
}

func (t testimony) agrees() bool { return len(t.missing) == 0 && len(t.extra) == 0 }

// witness asks the newest event with a word on it. Events are recorded with their seconds: of several in the last one
// any may have been the last, so one that agrees is enough in the end, and as long as another one does not there is doubt.
func witness[T any](sp Spec[T], st icaconfig.Storage, got T, events []Event) testimony {
	var newest testimony
	asked := false
	for _, e := range slices.Backward(events) {
		if sp.Witness == nil || e.Parameters == "" || e.Time.Before(newest.event.Time) {
			continue
		}
		said, ok := sp.Witness(e, got)
		if !ok {
			continue
		}
		t := testimony{event: e, missing: sp.Missing(st, said, got), extra: sp.Missing(st, got, said)}
		t.disputed = newest.disputed || asked && t.agrees() != newest.agrees()
		if !asked || t.agrees() {
			newest = t
		}
		newest.disputed, asked = t.disputed, true
	}
	return newest
}

var errContradicted = errors.New("the newest event says that another document was written than is read")

// err says what differs. It passes: the request that comes again carries no parameters, so it waits for nothing more. It
// reads 13 seconds later, after 8 of settling and 5 on the queue, when reads show the last write (docs/beliefs.md).
func (t testimony) err() error {
	return awserr.Passing(fmt.Errorf("%w: event %s: only written: %s; only read: %s", errContradicted, t.event.EventID,
		orNone(t.missing), orNone(t.extra)))
}

// lost is about parts of others that were written and are not there after a restore.
func (t testimony) lost() Comparison {
	if len(t.missing) == 0 {
		return Comparison{}
	}
	return Alert(
		"after the restore these parts of others are missing, which were written shortly before: "+strings.Join(t.missing, "; "),
		"put them back, or ask who removed them: they stand in the request parameters of event "+t.event.EventID+
			" (aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventId,AttributeValue="+t.event.EventID+")",
	)
}

func orNone(parts []string) string {
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, "; ")
}
