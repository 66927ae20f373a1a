package deployed_test

import (
	"slices"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/deployed"
)

// testPower: the functions, and Lambda in their roles' names, did all that this test had them do with the policies that
// were deployed. Each action that they used is needed, and each that they have is used: here, by the tests of the tables, or as
// usedElsewhere says.
func (w *env) testPower() {
	w.t.Helper()
	rows := rowActions()
	for _, function := range []string{guard.RemediateFunction, guard.ValidateFunction} {
		recorder, used := w.local.Recorder(), map[string]bool{}
		for _, key := range []string{deployed.Key(function), deployed.KeyOfLambda(function)} {
			for _, refusal := range recorder.TakeRefusals(key) {
				w.t.Error(refusal)
			}
			for _, j := range recorder.Judged(key) {
				used[j.Action] = true
				if decision, err := j.Again(j.Action); err != nil || decision.Allowed {
					w.t.Errorf("%s: %s on %s is allowed without that action: %+v, %v", function, j.Action, j.Resource, decision, err)
				}
			}
		}
		grants, err := w.local.Grants(w.t.Context(), function)
		w.must(err)
		w.expectUsed(function, grants, func(action string) bool {
			return used[action] || slices.Contains(rows, action) || usedElsewhere()[action] != ""
		})
	}
}

func (w *env) expectUsed(function string, grants localaws.Grants, used func(action string) bool) {
	w.t.Helper()
	for _, s := range grants.Identity {
		for _, action := range s.Action {
			if !s.IsDeny() && !used(action) {
				w.t.Errorf("%s may %s on %v, and never did", function, action, s.Resource)
			}
		}
	}
}

// rowActions are those of the tables, which their own tests hold to be used.
func rowActions() (names []string) {
	add := func(actions []guard.Action) {
		for _, action := range actions {
			names = append(names, action.Name)
		}
	}
	for _, row := range self.AllRows() {
		add(row.Reads)
	}
	for _, setting := range settings.All() {
		add(setting.Writes)
	}
	return names
}

// usedElsewhere says of an action that is used in no test of this package which one does.
func usedElsewhere() map[string]string {
	return map[string]string{
		"dynamodb:DeleteItem":                "functions/remediate: notice cannot be sent",
		"cloudformation:DescribeStackEvents": "functions/validate: event about the guard",
		"cloudformation:DescribeStacks":      "functions/validate: event about the guard",
		"sns:Publish":                        "functions/validate: event about the guard",
	}
}
