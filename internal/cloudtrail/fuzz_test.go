package cloudtrail

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/icaguard/icaguard/internal/golden"
)

// FuzzParse: what is read of an event is plain and can be written as JSON, an event means the same in an envelope, and a
// session that came by a web identity is masked.
func FuzzParse(f *testing.F) {
	for _, event := range golden.Seeds(f, filepath.Join(eventsDir, "*.json"), filepath.Join(eventsDir, "recorded", "*.json")) {
		f.Add(event)
	}
	for _, time := range []string{"2026-01-15T09:12:33+24:00", "9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00+01:00"} {
		f.Add([]byte(`{"eventSource":"s3.amazonaws.com","eventName":"PutBucketCors","eventTime":"` + time + `"}`))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := ParseRecord(body)
		if outer, _ := Parse(body); err == nil && outer.Name == "" {
			t.Error("a record is none without its envelope")
		}
		if err != nil {
			if _, err := Parse(append(append([]byte(`{"detail":`), body...), '}')); err == nil {
				t.Error("an envelope makes an event of what is none")
			}
			e, err = Parse(body)
		}
		if err != nil {
			return
		}
		if e.Source == "" || e.Name == "" {
			t.Errorf("nobody knows what happened: %+v", e)
		}
		for _, text := range []string{
			e.ID, e.RequestID, e.Source, e.Name, e.Account, e.Region, e.ErrorCode, e.Actor.ARN, e.Actor.Issuer, e.Actor.From,
		} {
			checkPlain(t, text)
		}
		checkJSON(t, e.Time)
		checkJSON(t, e.Actor)
		checkJSON(t, e.Parameters)
	})
}

// checkJSON: what a message carries can be written and read again.
func checkJSON[T any](t *testing.T, value T) {
	t.Helper()
	var back T
	text, err := json.Marshal(value)
	if err == nil {
		err = json.Unmarshal(text, &back)
	}
	again, _ := json.Marshal(back)
	if err != nil || string(again) != string(text) {
		t.Errorf("%v: %v is written as %s and then as %s", err, value, text, again)
	}
}

func checkPlain(t *testing.T, text string) {
	t.Helper()
	hidden := func(r rune) bool { return !unicode.IsPrint(r) }
	if strings.ContainsFunc(text, hidden) || !utf8.ValidString(text) || utf8.RuneCountInString(text) > longest+1 {
		t.Errorf("not plain: %q", text)
	}
}

// FuzzPlain: a text is on one line, no longer than it may be, has all that can be seen of it in its order, and is not
// changed again.
func FuzzPlain(f *testing.F) {
	for _, text := range []string{"", "Zoë 研究", "a\u202eb\u2066c\n\x1b[2Jd", "\xff\xfe", strings.Repeat("x ", longest)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := Plain(text)
		checkPlain(t, got)
		if Plain(got) != got {
			t.Errorf("%q becomes %q and then %q", text, got, Plain(got))
		}
		seen := func(text string) string {
			return strings.Map(func(r rune) rune {
				if r == ' ' || !unicode.IsPrint(r) {
					return -1
				}
				return r
			}, text)
		}
		if shown, cut := strings.CutSuffix(got, "…"); !strings.HasPrefix(seen(text), seen(shown)) || !cut && seen(shown) != seen(text) {
			t.Errorf("%q becomes %q", text, got)
		}
	})
}

// FuzzStackEvent: a stack has a name without the ARN around it, and what people read of it is plain.
func FuzzStackEvent(f *testing.F) {
	for _, event := range golden.Seeds(f, filepath.Join(eventsDir, "stacks", "*.json")) {
		var envelope fields
		if err := json.Unmarshal(event, &envelope); err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(envelope["detail"]))
	}
	f.Fuzz(func(t *testing.T, detail []byte) {
		e, err := ParseStackEvent(detail)
		if err != nil {
			if !reflect.ValueOf(e).IsZero() || strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Errorf("%+v beside %q", e, err)
			}
			return
		}
		for _, text := range []string{e.Account, e.Region, e.Stack, e.Status} {
			checkPlain(t, text)
		}
		if strings.Contains(e.Stack, "/") || strings.Contains(e.Region, ":") {
			t.Errorf("%+v", e)
		}
	})
}
