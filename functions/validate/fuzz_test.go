package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/golden"
)

// FuzzAsk: an invocation is refused, or asks for one thing in words that stand in it. Nothing that is empty, misspelt or of
// another type means everything.
func FuzzAsk(f *testing.F) {
	for _, event := range golden.Seeds(f, filepath.Join("..", "..", "events", "aws.lambda.*.json")) {
		f.Add(event)
	}
	for _, payload := range []string{
		`{}`, `null`, `{"audit":"everything"}`, `{"storage":"lab","setting":"bucket-cors"}`, `{"reconcile":{}}`, `{"Storage":"lab"}`,
		`{"reconcile":{"storage":"lab"}}`, `{"reconcile":null}`, `{"reconcile":{"storage":null}}`, `{"setting":""}`, `{"detail-type":""}`,
		`{"storage":"lab","reconcile":{}}`, `{"audit":"iam","setting":"bucket-cors"}`, `{"audit":"everything","reconcile":{}}`,
		`{"detail-type":7,"reconcile":{}}`, `[]`, `"everything"`, `{"storage":{"storage":"lab"}}`, `{"storage":"lab"} {"audit":"iam"}`,
	} {
		f.Add([]byte(payload))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		if !json.Valid(payload) {
			return // Lambda takes no other
		}
		a, err := parseAsk(payload)
		if err != nil {
			if a != (ask{}) || !strings.HasPrefix(err.Error(), "parse the invocation: ") {
				t.Errorf("%+v beside %v", a, err)
			}
			return
		}
		if a.DetailType != "" {
			if a != (ask{DetailType: a.DetailType}) {
				t.Errorf("an event asks for more: %+v", a)
			}
			return
		}
		words := []string{a.Audit, a.Storage, a.Setting}
		if a.Reconcile != nil {
			words = append(words, a.Reconcile.Storage, a.Reconcile.Setting)
		}
		words = slices.DeleteFunc(words, func(word string) bool { return word == "" })
		if one := a == (ask{Audit: a.Audit}) || a == (ask{scope: a.scope}) || a == (ask{Reconcile: a.Reconcile}); !one {
			t.Errorf("more than one thing: %+v", a)
		}
		// What means everything holds no word at all.
		if given := texts(t, payload); len(words) == 0 && len(given) > 0 {
			t.Errorf("%q mean everything", given)
		}
	})
}

// texts are the values of a payload that are neither objects nor lists.
func texts(t *testing.T, payload []byte) []any {
	t.Helper()
	var all []any
	var walk func(any)
	walk = func(value any) {
		switch value := value.(type) {
		case map[string]any:
			for _, inner := range value {
				walk(inner)
			}
		case []any:
			for _, inner := range value {
				walk(inner)
			}
		default:
			all = append(all, value)
		}
	}
	var tree map[string]any
	if json.Unmarshal(payload, &tree) == nil {
		walk(tree)
	}
	return all
}
