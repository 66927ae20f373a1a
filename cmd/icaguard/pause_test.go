package main

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/gates"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/testlab"
)

func TestPauseMisuse(t *testing.T) {
	d := newEnv(t, t.TempDir(), nil)
	d.golden("help-pause", "pause", "--help")
	d.golden("help-resume", "resume", "--help")
	d.expectFailure([]string{"pause"}, "accepts 1 arg(s), received 0")
	d.expectFailure([]string{"pause", "all"}, `required flag(s) "for", "reason" not set`)
	d.expectFailure([]string{"pause", "all", "--reason", "x"}, `required flag(s) "for" not set`)
	for _, length := range []string{"59s", "0s", "-2h", "168h1s"} {
		d.expectFailure(
			[]string{"pause", "all", "--reason", "x", "--for", length}, "--for ",
			"a pause needs another value: from 1m to 168h (7 days)",
		)
	}
	for _, reason := range []string{"", " \n", strings.Repeat("x", 501)} {
		d.expectFailure(
			[]string{"pause", "all", "--for", "1m", "--reason", reason}, "--reason: a pause needs another value: 1 to 500 characters",
		)
	}
	d.expectFailure([]string{"pause", "all", "--for", "1m", "--reason", "x", "--setting", "bucket", "--setting", "guard-trail"},
		`--setting "guard-trail": no such name: there are bucket, `)
	d.expectFailure([]string{"pause", "all", "--for", "168h", "--reason", "x"}, "config: read: open ica.yaml")
	d.expectFailure([]string{"resume", "all"}, "config: read: open ica.yaml")
}

// parameter is the value of the pause's parameter, "" if there is none.
func (a *account) parameter(t *testing.T, name string) string {
	t.Helper()
	out, err := ssm.NewFromConfig(a.DirectConfig(testlab.Region)).GetParameters(
		t.Context(), &ssm.GetParametersInput{Names: []string{guard.PauseParameters + name}},
	)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Parameters) == 0 {
		return ""
	}
	if out.Parameters[0].Type != types.ParameterTypeString {
		t.Errorf("the parameter is a %s", out.Parameters[0].Type)
	}
	return aws.ToString(out.Parameters[0].Value)
}

func testPause(t *testing.T, a *account) {
	d := newGuardedEnv(t, a, "deferred")
	unknown := `no such name: the configuration has deferred, all`
	d.expectFailure([]string{"pause", "deferredd", "--for", "2h", "--reason", "x"}, `pause "deferredd": `+unknown)
	d.expectFailure([]string{"resume", "deferredd"}, `resume "deferredd": `+unknown)

	began := time.Now()
	d.golden("pause", "pause", "deferred", "--for", "2h", "--reason", " moving  to another\tkey")
	p, err := gates.ParsePause("deferred", a.parameter(t, "deferred"))
	if err != nil || p.Reason != "moving to another key" || p.Until.Sub(began).Round(time.Minute) != 2*time.Hour ||
		p.Until.Location() != time.UTC {
		t.Errorf("%v, the parameter is %s", err, a.parameter(t, "deferred"))
	}
	d.Break()
	d.reconcile()
	d.ExpectBroken()
	if log := d.log.String(); !strings.Contains(log, `"status":"deferred","setting":"role-session-duration"`) ||
		!strings.Contains(log, "paused: deferred paused until") {
		t.Errorf("nothing was deferred:\n%s", log)
	}
	if r := d.run("replay", "--enforce", d.event("aws.iam.UpdateRole.json")); r.code != 1 ||
		!strings.Contains(r.stdout, "status    deferred\n") {
		t.Errorf("a pause defers who restores by hand, too:\n%s", r.transcript())
	}
	d.ExpectBroken()
	if v := d.run("validate", "--storage", "deferred"); v.code != 1 || !strings.Contains(v.stdout, "\npaused: "+p.String()+"\n") {
		t.Errorf("validate says nothing of the pause:\n%s", v.transcript())
	}

	d.golden("resume", "resume", "deferred")
	if got := a.parameter(t, "deferred"); got != "" {
		t.Errorf("the parameter is still there: %s", got)
	}
	d.letWork()
	d.ExpectRestored()
	d.golden("resume-nothing", "resume", "deferred")
}

func testPauseSetting(t *testing.T, a *account) {
	d := newGuardedEnv(t, a, "in-part")
	d.mustRun("pause", "in-part", "--for", "2h", "--reason", "all of it")
	d.golden(
		"pause-again", "pause", "in-part", "--for", "30m", "--reason", "trying other rules", "--setting", "bucket-cors",
		"--setting", "bucket-lifecycle",
	)
	d.Break()
	d.reconcile()
	d.ExpectCORS()
	d.ExpectSession(43200)
	d.mustRun("resume", "in-part")
	d.letWork()
	d.ExpectRestored()
}

func testPauseAll(t *testing.T, a *account) {
	d := newGuardedEnv(t, a, "one-of-all")
	d.mustRun("pause", "all", "--for", "168h", "--reason", "incident 42")
	d.mustRun("pause", "one-of-all", "--for", "1m", "--reason", "its own")
	d.Break()
	d.reconcile()
	d.ExpectBroken()
	d.golden("resume-still-paused", "resume", "one-of-all")
	d.letWork()
	d.ExpectBroken()
	d.golden("resume-all", "resume", "all")
	d.letWork()
	d.ExpectRestored()
}

// testResume meets what others left in the parameter, and calls that fail.
func testResume(t *testing.T, a *account) {
	d := newGuardedEnv(t, a, "resumed")
	put := func(value string) {
		t.Helper()
		d.must(ssm.NewFromConfig(a.DirectConfig(testlab.Region)).PutParameter(t.Context(), &ssm.PutParameterInput{
			Name: aws.String(guard.PauseParameters + "resumed"), Value: &value, Type: types.ParameterTypeString, Overwrite: aws.Bool(true),
		}))
	}
	put(`{"until":"2020-01-01T00:00:00Z","reason":"long ago"}`)
	d.golden("resume-over", "resume", "resumed")
	put(`for ever`)
	if v := d.run("validate", "--setting", "bucket-cors"); v.code != 0 ||
		!strings.Contains(v.stdout, "\nwarning: pause: parse /icaguard/pause/resumed: ") {
		t.Errorf("a pause that cannot be read is a warning:\n%s", v.transcript())
	}
	d.golden("pause-unreadable", "pause", "resumed", "--for", "2h", "--reason", "now with an end")
	for operation, text := range map[string]string{
		"GetParameters": "pause: get parameter /icaguard/pause/resumed: ", "DeleteParameter": "resume: delete parameter " +
			"/icaguard/pause/resumed: ",
	} {
		allow := d.Inject(localaws.Fault{Operation: operation, Kind: localaws.Denied})
		d.expectFailure([]string{"resume", "resumed"}, text, "AccessDenied")
		allow()
	}
	defer d.Inject(localaws.Fault{Operation: "SendMessageBatch", Kind: localaws.Denied})()
	if r := d.run("resume", "resumed"); r.code != 2 || !strings.Contains(r.stdout, "ended: resumed paused until") ||
		!strings.Contains(r.stderr, "resume: the pause is ended, but nobody was asked to check: invoke icaguard-validate in ") {
		t.Errorf("a pause that is ended is said to be, whatever comes after:\n%s", r.transcript())
	}
}

func testPauseShared(t *testing.T, local *localaws.AWS) {
	d := storageEnvOf(t, testlab.Configure(t, local, `storages:
  - {name: first, icaRegion: US, bucket: {name: first-ica, folder: ica}, role: {name: both, sessionNamePrefix: "ssm:/ica/both"}}
  - {name: second, icaRegion: US, bucket: {name: second-ica, folder: ica}, role: {name: both, sessionNamePrefix: "ssm:/ica/both"}}
  - {name: third, icaRegion: US, bucket: {name: third-ica, folder: ica}, role: {name: other, policyName: other, sessionNamePrefix: "ssm:/ica/both"}}
`))
	d.golden("pause-shared", "pause", "second", "--for", "2h", "--reason", "moving")
	d.golden("pause-shared-setting", "pause", "second", "--for", "2h", "--reason", "moving", "--setting", "role-trust")
	d.mustRun("pause", "second", "--for", "2h", "--reason", "moving", "--setting", "bucket")
	d.Inject(localaws.Fault{Operation: "PutParameter", Kind: localaws.Denied})
	d.expectFailure(
		[]string{"pause", "third", "--for", "2h", "--reason", "x"},
		"pause: put parameter /icaguard/pause/third: ",
		"AccessDenied",
	)
}
