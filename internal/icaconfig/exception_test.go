package icaconfig

import (
	"strings"
	"testing"
	"time"
)

// testTable is a table of settings: this package cannot know the real one.
func testTable() []Exceptable {
	return []Exceptable{
		{Setting: "bucket-policy"},
		{Setting: "role-trust", MustEnd: "trust"},
		{Setting: "kms-key-policy", OnKey: true},
		{Setting: "role-foreign-policies"},
	}
}

// excepting is plain with an exception of these keys in place of the right ones. An empty value leaves a key out.
func excepting(pairs ...string) string {
	line := "{storage: lab-prod, setting: bucket-policy, match: LabDeny, digest: 0a1b2c3d4e5f, reason: why not}"
	return "exceptions:\n  - " + strings.NewReplacer(pairs...).Replace(line) + "\n" + plain
}

func badExceptions() []struct{ name, text string } {
	trust := []string{"setting: bucket-policy", "setting: role-trust"}
	until := func(day string) []string { return append(trust, "why not}", "why not, until: "+day+"}") }
	other := "arn:aws:iam::210987654321:policy/x"
	return []struct{ name, text string }{
		{"exceptions: nothing written", "exceptions: [{}]\n" + plain},
		{"exceptions: a text", "exceptions: all\n" + plain},
		{"exceptions: a list of texts", "exceptions: [LabDeny]\n" + plain},
		{"exception: unknown key", excepting("match:", "sid:")},
		{"exception: unknown storage", excepting("lab-prod", "lab-prdo")},
		{"exception: unknown setting", excepting("bucket-policy", "bucket-polity")},
		{"exception: icaguard's own setting", excepting("bucket-policy", "guard-trail")},
		{"exception: match with a line break", excepting("LabDeny", `"Lab\nDeny"`)},
		{"exception: match that turns text around", excepting("LabDeny", `"Lab\u202eyneD"`)},
		{"exception: empty match", excepting("LabDeny", `""`)},
		{"exception: long match", excepting("LabDeny", strings.Repeat("a", 513))},
		{"exception: without a digest", excepting(" digest: 0a1b2c3d4e5f,", "")},
		{"exception: short digest", excepting("0a1b2c3d4e5f", "0a1b2c")},
		{"exception: without a reason", excepting(", reason: why not", "")},
		{"exception: empty reason", excepting("why not", `"   "`)},
		{"exception: the placeholder as reason", excepting("why not", ReasonToWrite)},
		{"exception: until in words", excepting(until("spring")...)},
		{"exception: until a day that is none", excepting(until("2027-02-30")...)},
		{"exception of trust without an end", excepting(trust...)},
		{"exception of trust for ever", excepting(until("9999-12-31")...)},
		{"exception of another account's policy without an end", excepting("LabDeny", other)},
		{
			"exception of another account's key without an end",
			strings.Replace(excepting("bucket-policy", "kms-key-policy"), "folder: ica", "kmsKeyArn: "+
				strings.Replace(keyIn("us-east-1"), "123456789012", "210987654321", 1), 1),
		},
		{
			"exception twice",
			strings.Replace(excepting(), "exceptions:\n", strings.TrimSuffix(excepting("why not", "another"), plain), 1),
		},
		{"exception with every key wrong", excepting(
			"lab-prod", "Lab", "bucket-policy", "Policy!", "LabDeny", `"\t"`, "0a1b2c3d4e5f", "zz", "why not}", "7, until: soon}",
		)},
		{"lifecycle: another key", edit("folder: ica", "lifecycle: {rules: [a]}")},
		{"lifecycle: a text as the list", edit("folder: ica", "lifecycle: {expected: tidy}")},
		{"lifecycle: an empty id", edit("folder: ica", `lifecycle: {expected: [""]}`)},
		{"lifecycle: a list", edit("folder: ica", "lifecycle: [tidy]")},
		{"lifecycle: true", edit("folder: ica", "lifecycle: true")},
	}
}

// TestExceptions: what is taken, and what comes of it.
func TestExceptions(t *testing.T) {
	trust := func(day string) string {
		return excepting("setting: bucket-policy", "setting: role-trust", "why not}", "why not, until: "+day+"}")
	}
	soon := time.Now().UTC().AddDate(0, 1, 0).Format(time.DateOnly)
	for name, text := range map[string]string{
		"plain":                    excepting(),
		"none":                     "exceptions: []\n" + plain,
		"with an end":              trust(soon),
		"the longest end":          trust(LastUntil(time.Now())),
		"a far end, not of trust":  excepting("why not}", "why not, until: 9999-12-31}"),
		"own policy":               excepting("LabDeny", "arn:aws:iam::123456789012:policy/x"),
		"digits that are a number": excepting("0a1b2c3d4e5f", "123456789012"),
	} {
		f := mustParse(t, text)
		got := mustBaseline(t, f).Exceptions
		want := strings.Count(text, "reason:")
		if len(got) != want || want > 0 && got[0].Place != "ica.yaml:2" || len(f.Warnings()) > 0 {
			t.Errorf("%s: %+v, warnings %q", name, got, f.Warnings())
		}
	}
	ended := mustParse(t, excepting("why not}", "why not, until: 2020-02-29}"))
	if w := ended.Warnings(); len(w) != 1 || !strings.HasPrefix(w[0], "ica.yaml:2: exceptions[0].until: the exception has ended") {
		t.Errorf("an exception that has ended: %q", w)
	}
	if _, err := Parse("ica.yaml", []byte(excepting())); err == nil || !strings.Contains(err.Error(), "ica.yaml:2:3: exceptions: ") {
		t.Errorf("a text that stands alone: %v", err)
	}
}

func TestExceptionEnds(t *testing.T) {
	e := Exception{ExceptionSpec: ExceptionSpec{Until: "2027-02-28"}}
	last := time.Date(2027, 2, 28, 23, 59, 59, 0, time.UTC)
	if e.Ended(last) || !e.Ended(last.Add(time.Second)) || (Exception{}).Ended(last) {
		t.Error("an exception ends with its last day, in UTC")
	}
}

// TestExceptionLine: whatever name somebody chose, the line is one line of YAML that says it, and is taken once the reason
// is written.
func TestExceptionLine(t *testing.T) {
	for _, match := range []string{
		"LabDeny", "true", "null", "~", "0x1F", "123456789012", "- a", "a: b", "a, b}", `"quoted"`, `it's`, "#x", "*a", "&a", "!x", "%", "@", "`",
		"{a: b}", "ends with space ", " begins", `back\slash`, "größe", "arn:aws:iam::aws:policy/SecurityAudit", strings.Repeat("a b ", 127),
	} {
		spec := ExceptionSpec{"true", "bucket-policy", match, "123456789012", ReasonToWrite, LastUntil(time.Now())}
		line := spec.Line()
		text := "exceptions:\n  " + strings.Replace(line, ReasonToWrite, "why", 1) + "\n" +
			strings.Replace(plain, "name: lab-prod\n", "name: \"true\"\n", 1)
		spec.Reason = "why"
		if strings.Contains(line, "\n") || !CanMatch(match) {
			t.Fatalf("%q: %s", match, line)
		}
		if got := mustParse(t, text).Exceptions; len(got) != 1 || got[0] != spec {
			t.Errorf("%s\nis read as %+v", line, got)
		}
	}
	for _, match := range []string{"", "a\nb", "a\x1b[2J", "a\u202eb", "a\u200bb", strings.Repeat("a", 513)} {
		if CanMatch(match) {
			t.Errorf("%q can be matched", match)
		}
	}
}

func TestAnotherAccount(t *testing.T) {
	const own, other = "123456789012", "210987654321"
	for text, want := range map[string]string{
		"": "", own: "", other: other, "x" + own + "," + own: "", own + ":" + other: other,
		other + "0": "", "0" + other: "",
		`{"AWS":"arn:aws:iam::` + other + `:root"}`: other,
	} {
		if want != "" {
			want = "another account (" + want + ")"
		}
		if got := AnotherAccount(text, own); got != want {
			t.Errorf("%q names %q, want %q", text, got, want)
		}
	}
}

func TestLifecycle(t *testing.T) {
	for _, c := range []struct {
		written        string
		named, another bool
	}{
		{"folder: ica", false, false},
		{"lifecycle: warn", false, false},
		{"lifecycle:", false, false},
		{"lifecycle: {}", false, false},
		{"lifecycle: {expected: []}", false, false},
		{"lifecycle: expected", true, true},
		{"lifecycle: {expected: [tidy]}", true, false},
	} {
		b := mustBaseline(t, mustParse(t, edit("folder: ica", c.written))).Buckets[0]
		if b.ExpectsRule("tidy") != c.named || b.ExpectsRule("other") != c.another || b.ExpectsRule("") != c.another {
			t.Errorf("%s: %+v", c.written, b)
		}
	}
}
