package policy

import (
	"strings"
	"testing"
)

func TestObject(t *testing.T) {
	m, err := Object([]byte(` { "A" : [1, "x"], "B":null } `), "A", "B", "C")
	if err != nil || string(m["A"]) != `[1, "x"]` || string(m["B"]) != "null" || m["C"] != nil {
		t.Errorf("%v %s", err, m)
	}
	for text, says := range map[string]string{
		"": "not JSON", `{"A":1`: "not JSON", `{"A":1} x`: "not JSON", "[]": "it is a list, not an object", "null": "it is null",
		`{"a":1}`: `key "a" is unknown; known are A, B`, `{"A":1,"\u0041":2}`: `key "A" stands twice`, `{"\ud800":1}`: "not Unicode",
	} {
		if _, err := Object([]byte(text), "A", "B"); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want an error with %q", text, err, says)
		}
	}
}
