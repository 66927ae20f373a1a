package guard

import (
	"cmp"
	"slices"
	"time"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// Excepted is a finding that ica.yaml accepts, why and until which day ("": for ever).
type Excepted struct {
	Finding
	Reason string `json:"reason"`
	Until  string `json:"until,omitempty"`
}

// excepting is what ica.yaml accepts of a row on a resource at a time.
type excepting struct {
	exceptions []icaconfig.Exception
	proposal   icaconfig.ExceptionSpec // what is the same for all findings of the row on the resource
	mustEnd    string
	own        string // account
	now        time.Time
}

// excepting takes from the file what it accepts of a target. Nothing of icaguard's own is ever accepted.
func (e *Engine) excepting(t Target) excepting {
	if t.Self() {
		return excepting{}
	}
	x := excepting{
		now: e.Now(), own: e.Baseline.Account, mustEnd: cmp.Or(t.MustEnd, icaconfig.AnotherAccount(t.Resource, e.Baseline.Account)),
		proposal: icaconfig.ExceptionSpec{Storage: t.Storages[0], Setting: t.ID, Reason: icaconfig.ReasonToWrite},
	}
	for _, one := range e.Baseline.Exceptions {
		if one.Setting == t.ID && slices.Contains(t.Storages, one.Storage) {
			x.exceptions = append(x.exceptions, one)
		}
	}
	return x
}

// apply takes what is accepted out of a comparison. A difference is never accepted: it is restored. What is left and can be
// accepted has a line for ica.yaml.
func (x excepting) apply(c Comparison) (left Comparison, accepted []Excepted, lines []string) {
	left.Diffs = c.Diffs
	keep := func(findings []Finding) (open []Finding) {
		for _, f := range findings {
			by, why := x.accepts(f)
			if by != nil {
				accepted = append(accepted, Excepted{Finding: f, Reason: by.Reason, Until: by.Until})
				continue
			}
			f.Exception = why
			open = append(open, f)
			if line := x.line(f); line != "" && !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
		return open
	}
	left.Alerts, left.Notes = keep(c.Alerts), keep(c.Notes)
	return left, accepted, lines
}

// accepts finds the exception that accepts a finding, or says why one that names it does not.
func (x excepting) accepts(f Finding) (by *icaconfig.Exception, why string) {
	about := cmp.Or(x.mustEnd, f.MustEnd, icaconfig.AnotherAccount(f.accounts, x.own))
	for _, one := range x.exceptions {
		switch {
		case f.Match == "" || one.Match != f.Match:
		case one.Digest != f.Digest:
			why = cmp.Or(why, "what the exception in "+one.Place+" accepts has changed since")
		case one.Ended(x.now):
			why = "the exception in " + one.Place + " ended on " + one.Until
		case one.Until == "" && about != "":
			why = "the exception in " + one.Place + " needs an end (until), as this is about " + about
		case one.Until > icaconfig.LastUntil(x.now) && about != "":
			why = "the exception in " + one.Place + " ends more than a year away, and this is about " + about
		default:
			return &one, ""
		}
	}
	return nil, why
}

// line is the exception to paste, "" where there can be none.
func (x excepting) line(f Finding) string {
	if x.proposal.Setting == "" || !icaconfig.CanMatch(f.Match) || f.Digest == "" {
		return ""
	}
	spec := x.proposal
	spec.Match, spec.Digest, spec.Until = f.Match, f.Digest, icaconfig.LastUntil(x.now)
	return spec.Line()
}

// Unmatched are the exceptions for which an audit found nothing: what they accept is gone, or was never there.
func (e *Engine) Unmatched(outcomes []Outcome) []icaconfig.Exception {
	return slices.DeleteFunc(slices.Clone(e.Baseline.Exceptions), func(x icaconfig.Exception) bool {
		concerns := func(setting string, storages []string) bool {
			return setting == x.Setting && slices.Contains(storages, x.Storage)
		}
		there := slices.ContainsFunc(e.targets(), func(j job) bool { return concerns(j.ID, j.Storages) })
		checked := slices.ContainsFunc(outcomes, func(o Outcome) bool { return concerns(o.Setting, o.Storages) && o.err == nil })
		matched := slices.ContainsFunc(outcomes, func(o Outcome) bool { return concerns(o.Setting, o.Storages) && o.names(x) })
		return there && (!checked || matched)
	})
}

// names reports whether an exception names a finding of the outcome: one that it accepts, or one that says why it does not.
func (o Outcome) names(x icaconfig.Exception) bool {
	return slices.ContainsFunc(o.Accepted, func(f Excepted) bool { return f.Match == x.Match && f.Digest == x.Digest }) ||
		slices.ContainsFunc(slices.Concat(o.Alerts, o.Notes), func(f Finding) bool {
			return f.Match == x.Match && f.Exception != ""
		})
}

// Exceptable are the settings of a table as the configuration needs to know them.
func Exceptable(table []Setting) []icaconfig.Exceptable {
	all := make([]icaconfig.Exceptable, len(table))
	for i, s := range table {
		all[i] = icaconfig.Exceptable{Setting: s.ID, MustEnd: s.MustEnd, OnKey: s.On == OnKey}
	}
	return all
}
