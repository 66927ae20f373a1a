package icaconfig

import (
	"fmt"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/icaguard/icaguard/internal/yamlspec"
)

// Exceptable is a setting whose findings may be accepted. The table of settings stands in a package that this one may not
// know, so whoever loads a file hands it in.
type Exceptable struct {
	Setting string
	MustEnd string // what makes every exception of it need an end: "trust"; "": nothing
	OnKey   bool   // it is about the KMS key, which may be another account's
}

// Exception is a finding that ica.yaml accepts.
type Exception struct {
	ExceptionSpec
	Place string // "ica.yaml:12"
}

// ReasonToWrite stands in the line that icaguard validate prints, in place of the reason. It is refused as one.
const ReasonToWrite = "WRITE WHY"

// Line is the exception as it stands in the list of ica.yaml.
func (e ExceptionSpec) Line() string { return "- " + yamlspec.Flow(e) }

// CanMatch reports whether an exception can name it: Sids and rule ids may hold any character, and are anybody's choice.
func CanMatch(name string) bool { return utf8.ValidString(name) && formats["match"].Match(name) }

// Ended reports whether the last day is over.
func (e Exception) Ended(now time.Time) bool { return e.ended(now) }

func (e ExceptionSpec) ended(now time.Time) bool {
	last, err := time.Parse(time.DateOnly, e.Until)
	return err == nil && !now.Before(last.AddDate(0, 0, 1))
}

// LastUntil is the last day that an exception which must end may name.
func LastUntil(now time.Time) string { return now.UTC().AddDate(1, 0, 0).Format(time.DateOnly) }

var accountID = regexp.MustCompile(`(?:^|[^0-9])([0-9]{12})(?:$|[^0-9])`)

// Accounts are all that a text names. What only looks like an account counts too.
func Accounts(text string) []string {
	var all []string
	for at := accountID.FindStringSubmatchIndex(text); at != nil; at = accountID.FindStringSubmatchIndex(text) {
		all, text = appendNew(all, text[at[2]:at[3]]), text[at[3]:]
	}
	return all
}

// AnotherAccount is what a text makes an exception need an end for: the first account in it that is not our own; "": none.
func AnotherAccount(text, own string) string {
	for _, id := range Accounts(text) {
		if id != own {
			return "another account (" + id + ")"
		}
	}
	return ""
}

func (f *File) exceptions() []Exception {
	var all []Exception
	for i, e := range f.Exceptions {
		line := f.src.Where(fmt.Sprintf("exceptions[%d]", i)).Line
		all = append(all, Exception{ExceptionSpec: e, Place: fmt.Sprintf("%s:%d", f.src.Name(), line)})
	}
	return all
}

func exceptionAt(i int, key string) string { return fmt.Sprintf("exceptions[%d].%s", i, key) }

// checkExceptions refuses what would accept nothing, and what would accept for ever what must end.
func (d checker) checkExceptions(f *File, table []Exceptable) {
	if len(f.Exceptions) > 0 && table == nil {
		d.Fault("exceptions", "cannot be checked here, where the settings are not known")
		return
	}
	var storages, settings []string
	for _, s := range f.Storages {
		storages = append(storages, s.Name)
	}
	for _, row := range table {
		settings = append(settings, row.Setting)
	}
	seen := map[ExceptionSpec]int{}
	for i, e := range f.Exceptions {
		d.OneOf(exceptionAt(i, "storage"), e.Storage, storages)
		d.OneOf(exceptionAt(i, "setting"), e.Setting, settings)
		d.checkUntil(f, i, table)
		twin := ExceptionSpec{Storage: e.Storage, Setting: e.Setting, Match: e.Match, Digest: e.Digest}
		if first, ok := seen[twin]; ok && twin.Digest != "" {
			at := fmt.Sprintf("exceptions[%d]", i)
			d.Limit(at, "accepts the same as "+d.Line(fmt.Sprintf("exceptions[%d]", first))+"; keep one", "", "")
		} else {
			seen[twin] = i
		}
	}
}

// checkUntil: nothing about trust, public access or another account is accepted for ever. What of it only the account
// shows, a statement that names another account, the engine refuses.
func (d checker) checkUntil(f *File, i int, table []Exceptable) {
	e, path := f.Exceptions[i], exceptionAt(i, "until")
	if _, err := time.Parse(time.DateOnly, e.Until); e.Until != "" && err != nil {
		d.Fault(path, yamlspec.Quoted(e.Until)+" is not a day of the calendar")
	}
	about := f.mustEnd(e, table)
	if about == "" || d.Faulty(path) {
		return
	}
	const allowed = "a day as YYYY-MM-DD, within a year"
	if e.Until == "" {
		d.Limit(path, "is missing: nothing about "+about+" is accepted for ever", allowed, "")
	} else if e.Until > LastUntil(f.read) {
		d.Limit(path, "is more than a year away, and this is about "+about, allowed, "")
	}
}

// mustEnd says what makes an exception need an end, "" if nothing does.
func (f *File) mustEnd(e ExceptionSpec, table []Exceptable) string {
	at := slices.IndexFunc(table, func(row Exceptable) bool { return row.Setting == e.Setting })
	if at < 0 {
		return ""
	}
	if table[at].MustEnd != "" || f.Account == "" {
		return table[at].MustEnd
	}
	names := e.Match
	for _, s := range f.Storages {
		if s.Name == e.Storage && table[at].OnKey {
			names += " " + s.Bucket.KMSKeyARN
		}
	}
	return AnotherAccount(names, f.Account)
}
