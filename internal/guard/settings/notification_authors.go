package settings

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// authors is what icaguard has recorded of a bucket's notifications. ICA's entries are ICA's business: there is no
// document to compare with, so icaguard records what ICA's role wrote.
//
// An entry is whose write is the first that had it. A write is only believed where the event's own parameters are what
// is on the bucket: events come late, twice and in any order, and the next write may have come before ours was read.
type authors struct {
	ICA    []entry `json:"ica"`
	Others []entry `json:"others"` // of those that are on the bucket
	// Learnt is ICA's write that ICA's entries were learnt from last; zero: they were there before icaguard was.
	Learnt write `json:"learnt,omitzero"`
	// Removed is ICA's own write after which none of its entries is left. They stay recorded.
	Removed write `json:"removed,omitzero"`
	// Missed is ICA's last write after that which nothing was learnt from.
	Missed missedWrite `json:"missed,omitzero"`
}

// write is one event.
type write struct {
	EventID string    `json:"eventId"`
	Time    time.Time `json:"time"`
}

// missedWrite is a write of ICA's that nothing was learnt from.
type missedWrite struct {
	write
	Why  string   `json:"why"`
	Lost []string `json:"lost,omitempty"` // targets in other accounts that it had and nobody can restore; for people
}

// recordedNotifications names the authors in the ledger.
const recordedNotifications = "notifications"

// recordedAuthors knows nobody before the first check: then what leads to another account is taken for ICA's, as that
// is where ICA lives. A record that cannot be read counts as none.
func recordedAuthors(
	ctx context.Context, c guard.Clients, s icaconfig.Storage, present []entry,
) (a authors, known bool, err error) {
	foundHere := authors{ICA: leadingOut(present, c.Account), Others: stayingIn(present, c.Account)}
	if c.Store == nil {
		return foundHere, false, nil
	}
	value, err := c.Store.Get(ctx, s.Bucket.ARN, recordedNotifications)
	if err != nil {
		return authors{}, false, fmt.Errorf("get what ICA put on bucket %s: %w", s.Bucket.Name, err)
	}
	if known = json.Unmarshal([]byte(value), &a) == nil; !known {
		a = foundHere
	}
	return a, known, nil
}

// recordNotifications records whose the present entries are, as far as the events tell.
func recordNotifications(ctx context.Context, c guard.Clients, s icaconfig.Storage, events []guard.Event) error {
	present, err := readEntries(ctx, c, s)
	if err != nil {
		return err
	}
	before, known, err := recordedAuthors(ctx, c, s, present)
	if err != nil {
		return err
	}
	now := before.after(events, s.Role.ARN, present, c.Account, known)
	if known && reflect.DeepEqual(before, now) {
		return nil
	}
	text, err := json.Marshal(now)
	if err != nil {
		return fmt.Errorf("record what ICA put on bucket %s: %w", s.Bucket.Name, err)
	}
	return c.Store.Put(ctx, s.Bucket.ARN, recordedNotifications, string(text))
}

// after is who wrote what, once the events are heard.
func (a authors) after(events []guard.Event, ica string, present []entry, account string, known bool) authors {
	isNone := func(e guard.Event) bool { return !slices.Contains(notificationEvents(), e.Event) }
	writes := slices.DeleteFunc(slices.Clone(events), isNone)
	slices.SortStableFunc(writes, func(x, y guard.Event) int { return x.Time.Compare(y.Time) })
	byOthers := func(e guard.Event) bool { return e.Actor.Issuer != ica }
	if !known && slices.ContainsFunc(writes, byOthers) {
		a.ICA = nil // others have written since nobody knows when: what leads to another account is nobody's until ICA writes
		writes = slices.DeleteFunc(writes, byOthers)
	}
	for _, e := range writes {
		said := testimony{write: write{e.EventID, e.Time}, parameters: e.Parameters != ""}
		said.entries, said.readable = eventEntries(e)
		seen := said.readable && sameEntries(said.entries, present)
		switch {
		case byOthers(e):
			a = a.afterOthers(said, seen, present, account)
		case said.same(a.Learnt), !e.Time.IsZero() && e.Time.Before(a.Learnt.Time): // heard before, or written over since
		case seen && !e.Time.IsZero():
			a = a.learn(said, present, account)
		case e.Time.IsZero() || !e.Time.Equal(a.Learnt.Time):
			a = a.miss(said, present, account)
		}
	}
	return a.noticing(present, account)
}

// testimony is an event and what it says was written.
type testimony struct {
	write
	entries              []entry
	parameters, readable bool
}

func (w write) same(other write) bool {
	return w.EventID == other.EventID && w.Time.Equal(other.Time) && !w.Time.IsZero()
}

// learn takes over what ICA's role wrote. ICA reads, adds its own and writes all: what others had there stays theirs.
func (a authors) learn(said testimony, present []entry, account string) authors {
	ica := a.dated(lackingIn(a.Others, present), said.Time)
	switch {
	case len(ica) > 0:
		a.ICA, a.Removed = ica, write{}
	case len(a.ICA) > 0:
		a.Removed = said.write
	case len(leadingOut(present, account)) > 0:
		return a.miss(said, present, account)
	}
	a.Others, a.Learnt, a.Missed = common(a.Others, present), said.write, missedWrite{}
	return a
}

// miss remembers a write of ICA's that nothing is learnt from. Entries in it that lead to another account are not
// others' who wrote them later: when ICA writes them again, they are ICA's.
func (a authors) miss(said testimony, present []entry, account string) authors {
	if said.same(a.Missed.write) || said.Time.Before(a.Missed.Time) {
		return a
	}
	missed := missedWrite{write: said.write, Why: said.whyMissed(present), Lost: a.Missed.Lost}
	if said.readable {
		lost := leadingOut(lackingIn(slices.Concat(present, a.ICA, a.Others), said.entries), account)
		missed.Lost = nil
		for _, e := range lost[:min(len(lost), mostTold)] {
			missed.Lost = append(missed.Lost, clipped(e.Target))
		}
	}
	a.Missed = missed
	a.Others = slices.DeleteFunc(slices.Clone(a.Others), func(o entry) bool {
		return o.Since.After(said.Time) && o.leadsOut(account) && slices.ContainsFunc(said.entries, o.equal)
	})
	return a
}

func (said testimony) whyMissed(present []entry) string {
	switch {
	case said.Time.IsZero():
		return "the event does not say when it was"
	case !said.parameters:
		return "the event came without what it wrote"
	case !said.readable:
		return "what the event says of it cannot be read"
	case sameEntries(said.entries, present):
		return "all that it wrote had been written by others before"
	}
	return "the bucket has other notifications by now"
}

// mostTold and longestTarget bound what is told of what an event says.
const (
	mostTold      = 10
	longestTarget = 256
)

func clipped(target string) string { return target[:min(len(target), longestTarget)] }

// afterOthers: what others' write had before ICA's first that had it is theirs, even if ICA's was heard first. But no
// late event takes the last entry from ICA that leads to another account: ICA's own first write may have been lost.
// What is on the bucket with their write and is not ICA's is theirs.
func (a authors) afterOthers(said testimony, seen bool, present []entry, account string) authors {
	theirs := func(e entry) bool {
		return !said.Time.IsZero() && e.Since.After(said.Time) && slices.ContainsFunc(said.entries, e.equal)
	}
	if rest := slices.DeleteFunc(slices.Clone(a.ICA), theirs); len(leadingOut(rest, account)) == 0 {
		certain := theirs
		theirs = func(e entry) bool { return certain(e) && !e.leadsOut(account) }
	}
	for _, e := range a.ICA {
		if theirs(e) {
			e.Since = said.Time
			a.Others = append(slices.Clip(a.Others), e)
		}
	}
	a.ICA = slices.DeleteFunc(slices.Clone(a.ICA), theirs)
	if !seen || said.Time.Before(a.Learnt.Time) {
		return a
	}
	if len(lackingIn(present, a.ICA)) == 0 {
		a.Removed = write{} // people put them back
	}
	a.Others = a.dated(lackingIn(a.ICA, present), said.Time)
	return a
}

// noticing: what leads into our own account and is there without a write of ICA's that had it is others'.
func (a authors) noticing(present []entry, account string) authors {
	a.Others = slices.Concat(a.Others, lackingIn(slices.Concat(a.ICA, a.Others), stayingIn(present, account)))
	return a
}

// dated are the entries with the time since when they are known, or this time.
func (a authors) dated(entries []entry, now time.Time) []entry {
	known := slices.Concat(a.ICA, a.Others)
	all := slices.Clone(entries)
	for i, e := range all {
		all[i].Since = now
		if at := slices.IndexFunc(known, e.equal); at >= 0 {
			all[i].Since = known[at].Since
		}
	}
	return all
}

// sameEntries compares what they do.
func sameEntries(a, b []entry) bool { return len(lackingIn(a, b)) == 0 && len(lackingIn(b, a)) == 0 }

// common are the entries of a that are in b too.
func common(a, b []entry) []entry {
	return slices.DeleteFunc(slices.Clone(a), func(e entry) bool { return !slices.ContainsFunc(b, e.equal) })
}

func targets(entries []entry) string {
	var all []string
	for _, e := range entries {
		all = append(all, e.Target)
	}
	return strings.Join(all, ", ")
}

// removed is about ICA's entries that ICA's role itself took away.
func (a authors) removed(missing []entry) guard.Comparison {
	var v guard.Comparison
	for _, e := range missing {
		found := guard.Finding{
			What: fmt.Sprintf("ICA's role itself removed its last notifications (event %s, %s), that to %s too: files that come into the "+
				"bucket, or go, do not show up in ICA", a.Removed.EventID, a.Removed.Time.UTC().Format(time.DateTime), e.Target),
			Remediation: "ask whoever manages the storage in ICA whether it was disconnected on purpose; if not, let ICA connect it " +
				"again. icaguard does not put back what ICA itself removed",
		}
		v.Alerts = append(v.Alerts, found.About(e.Target, e.String()))
	}
	return v
}

// missed is about a write of ICA's that nothing was learnt from: an alert where it had entries that are not there and
// cannot be restored.
func (a authors) missed(present []entry) guard.Comparison {
	if a.Missed.Time.IsZero() && a.Missed.EventID == "" {
		return guard.Comparison{}
	}
	what := fmt.Sprintf("what ICA's role wrote (event %s, %s) was not recorded: %s", a.Missed.EventID,
		a.Missed.Time.UTC().Format(time.DateTime), a.Missed.Why)
	const remediation = "if files do not show up in ICA, let ICA connect the storage again: icaguard records what it puts then"
	var lost []string
	for _, target := range a.Missed.Lost {
		if !slices.ContainsFunc(present, func(e entry) bool { return clipped(e.Target) == target }) {
			lost = append(lost, target)
		}
	}
	if len(lost) > 0 {
		return guard.Alert(what+". It had notifications to "+strings.Join(lost, ", ")+
			", which are not on the bucket and cannot be restored", remediation)
	}
	return guard.Note(what, remediation)
}
