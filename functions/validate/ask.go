package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/icaguard/icaguard/internal/guard/self"
)

// scope is a setting, or all, of a storage, or all.
type scope struct {
	Storage string `json:"storage"`
	Setting string `json:"setting"`
}

// ask is what an invocation may ask for. Nothing of it makes validate say or write anything but what it has read itself.
type ask struct {
	Audit string `json:"audit"` // a schedule's
	scope        // an audit by hand; empty: everything
	// Reconcile asks remediate to check, and to restore where it may.
	Reconcile *scope `json:"reconcile"`
	// DetailType is AWS's mark of an event.
	DetailType string `json:"-"`
}

var (
	errAsk = errors.New(`allowed: {} for an audit of everything, {"storage": …, "setting": …} for one of these, ` +
		`{"reconcile": {"storage": …, "setting": …}} to check and restore, where both may be left out`)
	errUnset = errors.New("is empty: leave it out where everything is meant")
	errAudit = fmt.Errorf(`audit: not one of %q, %q; leave it out for an audit by hand`, self.AuditEverything, self.AuditIAM)
)

// parseAsk refuses what it does not know: a misspelt key would otherwise mean everything.
func parseAsk(payload []byte) (ask, error) {
	var event struct {
		DetailType string `json:"detail-type"`
	}
	if json.Unmarshal(payload, &event) == nil && event.DetailType != "" {
		return ask{DetailType: event.DetailType}, nil
	}
	var a ask
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&a); err != nil {
		return ask{}, fmt.Errorf("parse the invocation: %w; %w", err, errAsk)
	}
	if name := unset(payload); name != "" {
		return ask{}, fmt.Errorf("parse the invocation: %s %w; %w", name, errUnset, errAsk)
	}
	asks := 0
	for _, given := range []bool{a.Audit != "", a.scope != scope{}, a.Reconcile != nil} {
		if given {
			asks++
		}
	}
	if asks > 1 {
		return ask{}, fmt.Errorf("parse the invocation: more than one thing at once; %w", errAsk)
	}
	return a, nil
}

// unset names a member that is null or empty, as a variable that nobody set makes one: it would mean everything.
func unset(payload []byte) string {
	var members map[string]json.RawMessage
	if json.Unmarshal(payload, &members) != nil {
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if value := string(members[name]); value == `null` || value == `""` {
			return name
		}
		if inner := unset(members[name]); inner != "" {
			return name + "." + inner
		}
	}
	return ""
}
