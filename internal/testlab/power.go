package testlab

import (
	"testing"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

// synthesised is the name in what is synthesised that becomes a lab's.
const synthesised = "lab-synthesised"

// Synthesise makes the templates of a lab that New makes in mode enforce.
func Synthesise(t testing.TB) localaws.Templates {
	t.Helper()
	return localawstest.Synthesise(t, labText(synthesised, icaconfig.Enforce))
}

// Authorize lets a function of the lab do what the templates allow, and nothing else: the test fails with what was refused.
// The queues and the topic that the lab has in place of the deployed ones count as these.
func (l *Lab) Authorize(templates localaws.Templates, function, requests, deadLetters, topic string) {
	l.t.Helper()
	grants, err := templates.Grants(function, synthesised, l.Storage.Name)
	l.must(nil, err)
	own, err := templates.Grants(function, synthesised, l.Storage.Name, ":"+guard.RequestQueue+`"`, ":"+requests+`"`,
		":"+guard.DeadLetterQueue+`"`, ":"+deadLetters+`"`, ":"+guard.AlertTopic+`"`, ":"+topic+`"`)
	l.must(nil, err)
	grants.Identity, grants.Resource = append(grants.Identity, own.Identity...), append(grants.Resource, own.Resource...)
	grants.Function = l.Storage.Home.ARN("lambda", Region, "function:"+function)
	recorder := l.Local.Recorder()
	recorder.Identify(l.Key(), localaws.AssumedRole(l.Local.Account(), function, function))
	recorder.Authorize(l.Key(), grants)
	l.t.Cleanup(func() {
		for _, refusal := range recorder.TakeRefusals(l.Key()) {
			l.t.Error(refusal)
		}
	})
}
