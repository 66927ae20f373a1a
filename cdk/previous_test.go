package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// TestPreviousKeysAndPrefixes: the templates let ICA decrypt with a key of before and no more, let the functions watch
// it and not write to it, and resolve every prefix, none of which they hold.
func TestPreviousKeysAndPrefixes(t *testing.T) {
	const key = "arn:aws:kms:us-east-1:123456789012:key/0f1e2d3c-4b5a-6978-8796-00000000000"
	const present, previous = key + "1", key + "2"
	a := synth(t, configure(t, replace(
		t, before,
		"name: lab-prod-ica, folder: ica}", "name: lab-prod-ica, folder: ica, kmsKeyArn: "+present+"}\n"+
			"    kms: {restore: true, previousKeys: ["+previous+"]}",
		`"ssm:/ica/lab-prod/prefix"`, `["ssm:/ica/lab-prod/old", "ssm:/ica/lab-prod/new"]`,
	)))
	template := a.texts["icaguard-guard"]
	for _, want := range []string{"{{resolve:ssm:/ica/lab-prod/old}}-*", "{{resolve:ssm:/ica/lab-prod/new}}-*"} {
		if strings.Count(template, want) != 1 {
			t.Errorf("the template resolves %q %d times", want, strings.Count(template, want))
		}
	}
	uses := 0
	for id, p := range a.home().ofType("AWS::IAM::ManagedPolicy") {
		name, _ := p["ManagedPolicyName"].(string)
		document := text(p["PolicyDocument"])
		if strings.HasPrefix(name, guard.RemediateFunction) || !strings.Contains(document, previous) {
			continue
		}
		uses++
		if !strings.Contains(document, `{"Action":"kms:Decrypt","Effect":"Allow","Resource":["`+previous+`"]}`) {
			t.Errorf("%s: %s", id, document)
		}
	}
	if uses != 2 {
		t.Errorf("%d policies name the previous key, want ICA's and its boundary", uses)
	}
	checkWatched(t, a.baseline, present, previous)
}

// checkWatched holds what the functions may do with the keys and the parameters.
func checkWatched(t *testing.T, b icaconfig.Baseline, present, previous string) {
	t.Helper()
	allowed := func(resource string) []string {
		var actions []string
		for _, s := range remediateStatements(b) {
			if s.Effect == "Allow" && slices.Contains(s.Resource, resource) {
				actions = append(actions, s.Action...)
			}
		}
		slices.Sort(actions)
		return slices.Compact(actions)
	}
	reads := []string{"kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus"}
	if got := allowed(previous); !slices.Equal(got, reads) {
		t.Errorf("remediate may %q with the previous key", got)
	}
	if got := allowed(present); len(got) <= len(reads) {
		t.Errorf("remediate may only %q with the present key", got)
	}
	for _, name := range []string{"old", "new"} {
		arn := "arn:aws:ssm:us-east-1:123456789012:parameter/ica/lab-prod/" + name
		if got := allowed(arn); !slices.Equal(got, []string{"ssm:GetParameter"}) {
			t.Errorf("remediate may %q with parameter %s", got, name)
		}
	}
}
