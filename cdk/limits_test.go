package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestLimits finds how many storages of the largest kind fit, and that AWS takes what comes out for so many.
func TestLimits(t *testing.T) {
	b := configure(t, largest(60))
	err := checkLimits(b)
	if !errors.Is(err, errTooMany) {
		t.Fatalf("60 storages: %v", err)
	}
	most := len(b.Storages)
	for _, l := range limits() {
		fits := l.fitting(b)
		t.Logf("%s: %d storages fit, one needs %d", l.of, fits, l.need(configure(t, largest(1))))
		most = min(most, fits)
	}
	if most < 20 {
		t.Errorf("only %d storages of the largest kind fit", most)
	}
	t.Logf("%d storages of the largest kind fit", most)
	b.Storages = b.Storages[:most+1]
	if err := checkLimits(b); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("the first %d fit", most)) {
		t.Errorf("%d storages: %v", most+1, err)
	}
	a := synth(t, configure(t, largest(most)))
	checkPolicySizes(t, a)
	for stack, text := range a.texts {
		t.Logf("%s with %d storages: %d resources, %d bytes", stack, most, len(a.templates[stack].Resources), len(text))
	}
}

// TestTagsTooLongForAPolicy: the statement on tags names all keys, and no statement is cut within its condition.
func TestTagsTooLongForAPolicy(t *testing.T) {
	tags := "tags:\n"
	for i := range 49 {
		tags += fmt.Sprintf("  %s-%02d: x\n", strings.Repeat("k", 125), i)
	}
	err := checkLimits(configure(t, tags+largest(1)))
	if !errors.Is(err, errTooBig) || !strings.Contains(err.Error(), "shorter tags") {
		t.Errorf("49 tags of 128 characters: %v", err)
	}
	if err := checkLimits(configure(t, "tags: {owner: genomics}\n"+largest(1))); err != nil {
		t.Error(err)
	}
}

// checkPolicySizes holds the policies of every role of ours against IAM's quotas, as they stand in the templates.
func checkPolicySizes(t *testing.T, a app) {
	t.Helper()
	for stack, parsed := range a.templates {
		for id, role := range parsed.ofType("AWS::IAM::Role") {
			inline := 0
			for _, document := range documentsOf(resource{Properties: map[string]any{"Policies": role["Policies"]}}) {
				inline += len(text(document))
			}
			attached, _ := role["ManagedPolicyArns"].([]any)
			if inline > mostInline || len(attached) > mostAttached {
				t.Errorf("role %s in %s: %d characters inline, %d policies attached", id, stack, inline, len(attached))
			}
			if name := role["RoleName"].(string); strings.HasPrefix(name, "icaguard-") {
				t.Logf("role %s: %d characters inline, %d policies attached", name, inline, len(attached))
			}
		}
		for id, policy := range parsed.ofType("AWS::IAM::ManagedPolicy") {
			if size := len(text(policy["PolicyDocument"])); size > mostManaged {
				t.Errorf("policy %s in %s has %d characters", id, stack, size)
			}
		}
	}
}
