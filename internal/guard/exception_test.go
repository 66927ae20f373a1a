package guard

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// TestExcepting is the table of what exceptions do with findings. now is noon of 2027-02-28.
func TestExcepting(t *testing.T) {
	now := time.Date(2027, 2, 28, 12, 0, 0, 0, time.UTC)
	const own, other = "123456789012", "210987654321"
	deny := Finding{What: "a Deny"}.About("LabDeny", "content")
	abroad := Finding{What: "a Deny"}.About("LabDeny", "content of "+other)
	home := Finding{What: "a Deny"}.About("LabDeny", "content of "+own)
	public := deny
	public.MustEnd = "public access"
	nameless := Finding{What: "another"}
	second := Finding{What: "a second"}.About("Other", "content")
	with := func(digest, until string) []icaconfig.Exception {
		spec := icaconfig.ExceptionSpec{Storage: "b", Setting: "policy", Match: "LabDeny", Digest: digest, Reason: "why", Until: until}
		return []icaconfig.Exception{{ExceptionSpec: spec, Place: "ica.yaml:7"}}
	}
	changed := func(key func(*icaconfig.Exception)) []icaconfig.Exception {
		all := with(deny.Digest, "")
		key(&all[0])
		return all
	}
	applies := with(deny.Digest, "")
	elsewhere := changed(func(e *icaconfig.Exception) { e.Storage = "c" })
	unlike := changed(func(e *icaconfig.Exception) { e.Setting = "cors" })
	lower := changed(func(e *icaconfig.Exception) { e.Match = "labdeny" })
	unnamed := changed(func(e *icaconfig.Exception) { e.Match, e.Digest = "", "" })
	diff := []Diff{{Path: "x"}}
	const open = ActionRequired
	alerts := func(f ...Finding) Comparison { return Comparison{Alerts: f} }
	for name, c := range map[string]struct {
		exceptions []icaconfig.Exception
		found      Comparison
		mustEnd    string
		want       Status
		accepted   int
		why        string // of the finding that is left
	}{
		"no exception":                   {nil, alerts(deny), "", open, 0, ""},
		"an alert":                       {applies, alerts(deny), "", Accepted, 1, ""},
		"a note":                         {applies, Comparison{Notes: []Finding{deny}}, "", Accepted, 1, ""},
		"the last day":                   {with(deny.Digest, "2027-02-28"), alerts(deny), "", Accepted, 1, ""},
		"ended":                          {with(deny.Digest, "2027-02-27"), alerts(deny), "", open, 0, "ended on 2027-02-27"},
		"changed":                        {with("0a1b2c3d4e5f", ""), alerts(deny), "", open, 0, "changed"},
		"changed and ended":              {with("0a1b2c3d4e5f", "2020-01-01"), alerts(deny), "", open, 0, "changed"},
		"ended, and one that applies":    {append(with(deny.Digest, "2020-01-01"), applies...), alerts(deny), "", Accepted, 1, ""},
		"of another storage":             {elsewhere, alerts(deny), "", open, 0, ""},
		"of another setting":             {unlike, alerts(deny), "", open, 0, ""},
		"of another name":                {lower, alerts(deny), "", open, 0, ""},
		"a second finding":               {applies, alerts(deny, second), "", open, 1, ""},
		"a finding without a name":       {applies, alerts(nameless), "", open, 0, ""},
		"an exception without a name":    {unnamed, alerts(nameless), "", open, 0, ""},
		"a note besides":                 {applies, alerts(deny).And(Comparison{Notes: []Finding{nameless}}), "", Accepted, 1, ""},
		"a difference besides":           {applies, alerts(deny).And(Comparison{Diffs: diff}), "", Drifted, 1, ""},
		"trust without an end":           {applies, alerts(deny), "trust", open, 0, "needs an end (until)"},
		"trust with an end":              {with(deny.Digest, "2027-03-01"), alerts(deny), "trust", Accepted, 1, ""},
		"trust, a year from now":         {with(deny.Digest, "2028-02-28"), alerts(deny), "trust", Accepted, 1, ""},
		"trust, for ever by a far end":   {with(deny.Digest, "9999-12-31"), alerts(deny), "trust", open, 0, "more than a year away"},
		"another account, for ever":      {with(abroad.Digest, "2028-02-29"), alerts(abroad), "", open, 0, "more than a year away"},
		"another kind about the same":    {applies, alerts(deny, deny.As("worse")), "", open, 1, "changed"},
		"another kind, accepted":         {with(deny.As("worse").Digest, ""), alerts(deny.As("worse")), "", Accepted, 1, ""},
		"public access without an end":   {applies, alerts(public), "", open, 0, "public access"},
		"another account without an end": {with(abroad.Digest, ""), alerts(abroad), "", open, 0, other},
		"another account with an end":    {with(abroad.Digest, "2027-03-01"), alerts(abroad), "", Accepted, 1, ""},
		"the own account without an end": {with(home.Digest, ""), alerts(home), "", Accepted, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := storages("a shared", "b shared", "c own")
			b.Account, b.Exceptions = own, c.exceptions
			policy := on(OnRole, "policy", func(icaconfig.Storage) (Comparison, error) { return c.found, nil })
			policy.MustEnd = c.mustEnd
			e := newEngine(b, &posted{}, policy)
			e.Now = func() time.Time { return now }
			o := e.Audit(t.Context(), Request{Resource: "shared"})[0]
			if o.Status != c.want || len(o.Accepted) != c.accepted || len(o.Diffs) != len(c.found.Diffs) ||
				len(o.Alerts)+len(o.Notes)+len(o.Accepted) != len(c.found.Alerts)+len(c.found.Notes) {
				t.Errorf("%s, want %s: %+v", o.Status, c.want, o)
			}
			if o.Status == Accepted && (o.Accepted[0].Reason != "why" || ExitCode([]Outcome{o}) != 0 || o.Remediation != "") {
				t.Errorf("%+v", o)
			}
			why := ""
			for _, f := range slices.Concat(o.Alerts, o.Notes) {
				why += f.Exception
			}
			if !strings.Contains(why, c.why) || (why == "") != (c.why == "") || c.why != "" && !strings.Contains(why, "ica.yaml:7") {
				t.Errorf("says %q, want %q", why, c.why)
			}
		})
	}
}

// TestExceptionLines: a line for each thing that can be accepted and is not, once.
func TestExceptionLines(t *testing.T) {
	about := func(name, content string) Finding { return Finding{What: name + content}.About(name, content) }
	again := about("LabDeny", "x")
	again.What = "another sentence"
	for name, c := range map[string]struct {
		findings []Finding
		lines    int
	}{
		"one":                          {[]Finding{Finding{}.About("LabDeny", "content")}, 1},
		"two about one thing":          {[]Finding{about("LabDeny", "x"), again}, 1},
		"two of one name":              {[]Finding{Finding{}.About("LabDeny", "x"), Finding{}.About("LabDeny", "y")}, 2},
		"without a name":               {[]Finding{{What: "gone"}}, 0},
		"a statement without a Sid":    {[]Finding{Finding{}.About("", "content")}, 1},
		"a name that no line can hold": {[]Finding{about("Lab\nDeny", "x"), about(strings.Repeat("a", 600), "x")}, 0},
	} {
		b := storages("a shared", "b shared")
		e := newEngine(b, &posted{}, on(OnRole, "policy", func(icaconfig.Storage) (Comparison, error) {
			return Comparison{Alerts: c.findings}, nil
		}))
		lines := e.Audit(t.Context())[0].Accept
		if len(lines) != c.lines || c.lines > 0 && !strings.HasPrefix(lines[0], "- {storage: a, setting: policy, match: ") {
			t.Errorf("%s: %q", name, lines)
		}
	}
}

// TestUnmatched: an exception is left over when its setting was checked and nothing that it names was found.
func TestUnmatched(t *testing.T) {
	deny := Finding{What: "a Deny"}.About("LabDeny", "content")
	found := func(icaconfig.Storage) (Comparison, error) { return Comparison{Alerts: []Finding{deny}}, nil }
	broken := func(icaconfig.Storage) (Comparison, error) { return Comparison{}, errors.New("refused") }
	for name, c := range map[string]struct {
		check           func(icaconfig.Storage) (Comparison, error)
		setting, digest string
		asked           []Request
		unmatched       bool
	}{
		"matched":             {found, "policy", deny.Digest, nil, false},
		"changed":             {found, "policy", "0a1b2c3d4e5f", nil, false}, // the finding says so
		"gone":                {inSync, "policy", deny.Digest, nil, true},
		"not read":            {broken, "policy", deny.Digest, nil, false},
		"not asked for":       {inSync, "policy", deny.Digest, []Request{{Setting: "other"}}, false},
		"nothing to be about": {inSync, "key-policy", deny.Digest, nil, true},
	} {
		b := storages("a shared")
		b.Exceptions = []icaconfig.Exception{{ExceptionSpec: icaconfig.ExceptionSpec{
			Storage: "a", Setting: c.setting, Match: "LabDeny", Digest: c.digest,
		}}}
		e := newEngine(b, &posted{}, on(OnRole, "policy", c.check), on(OnRole, "other", inSync), on(OnKey, "key-policy", inSync))
		if left := e.Unmatched(e.Audit(t.Context(), c.asked...)); (len(left) == 1) != c.unmatched {
			t.Errorf("%s: left over %+v", name, left)
		}
	}
}

// TestNothingOfOursIsExcepted: an exception never accepts what is about icaguard itself.
func TestNothingOfOursIsExcepted(t *testing.T) {
	b := storages("a shared")
	b.Exceptions = []icaconfig.Exception{{ExceptionSpec: icaconfig.ExceptionSpec{Storage: SelfName, Setting: "guard-x"}}}
	e := newEngine(b, &posted{})
	x := e.excepting(Target{Row: Row{ID: "guard-x"}, Storages: []string{SelfName}})
	if len(x.exceptions) > 0 || x.line(Finding{}.About("a", "b")) != "" {
		t.Errorf("%+v", x)
	}
}
