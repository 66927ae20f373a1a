package main_test

import (
	"flag"
	"path/filepath"
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/labtest"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/localaws/localawstest"
	"github.com/icaguard/icaguard/internal/report"
	"github.com/icaguard/icaguard/internal/wiring"
)

// Tests of all packages take -update; this one has no golden files.
var _ = flag.Bool("update", false, "rewrite golden files")

// world is a lab and the function that audits it.
type world struct {
	*labtest.Lab
	t      *testing.T
	config localaws.FunctionConfig
}

// TestValidate runs the real binary behind the Lambda runtime API.
func TestValidate(t *testing.T) {
	local, binary := localawstest.Start(t), labtest.Build(t, "validate")
	for name, test := range map[string]func(*world){
		"clean": testClean, "drift": testDrift, "not readable": testNotReadable, "gone": testGone,
		"configuration missing": testConfigMissing, "json": testJSON,
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{Lab: labtest.New(t, local, "lab-"+strings.ReplaceAll(name, " ", "-"), icaconfig.Enforce), t: t}
			w.config = w.Function(guard.ValidateFunction, binary)
			test(w)
		})
	}
}

// audit invokes the function, which has to answer this exit code after reads alone, with an outcome for each setting.
func (w *world) audit(exitCode int) map[string]guard.Outcome {
	w.t.Helper()
	var got report.Report
	labtest.Invoke(w.t, labtest.Start(w.t, w.config), `{}`, &got)
	if got.ExitCode != exitCode {
		w.t.Errorf("exit code %d, want %d: %+v", got.ExitCode, exitCode, got)
	}
	labtest.ExpectReads(w.t, w.Calls())
	outcomes := map[string]guard.Outcome{}
	for _, o := range got.Outcomes {
		outcomes[o.Setting] = o
	}
	for _, setting := range guard.Settings() {
		if o, ok := outcomes[setting.ID]; setting.On.ARN(w.Storage) != "" && (!ok || o.Resource != setting.On.ARN(w.Storage)) {
			w.t.Errorf("no outcome of %s", setting.ID)
		}
	}
	return outcomes
}

func testClean(w *world) {
	for _, o := range w.audit(0) {
		if o.Status != guard.Clean && o.Status != guard.Reported || len(o.Diffs) != 0 || o.ToDo != "" {
			w.t.Errorf("want nothing to do: %+v", o)
		}
	}
}

func testDrift(w *world) {
	w.Break()
	got := w.audit(1)
	for setting, want := range map[string]guard.Diff{
		"bucket-cors":           {Path: "CORS for https://ica.illumina.com", Want: "a rule that allows", Got: "none"},
		"role-session-duration": {Path: "MaxSessionDuration", Want: "43200 s", Got: "3600 s"},
	} {
		o := got[setting]
		if o.Status != guard.Drifted || len(o.Diffs) == 0 || o.Breaks == "" || !strings.Contains(o.ToDo, "icaguard look --all") {
			w.t.Fatalf("a drift must say what differs, what breaks and what to do: %+v", o)
		}
		if d := o.Diffs[0]; !strings.Contains(d.Path, want.Path) || !strings.Contains(d.Want, want.Want) || d.Got != want.Got {
			w.t.Errorf("difference %+v, want %+v", d, want)
		}
	}
	w.ExpectBroken()
}

func testNotReadable(w *world) {
	w.Inject(localaws.Fault{Operation: "GetBucketCors", Kind: localaws.Denied})
	o := w.audit(2)["bucket-cors"]
	if o.Status != guard.Unknown || !strings.Contains(o.Problem, "is not authorized to perform: s3:GetBucketCORS") ||
		!strings.Contains(o.ToDo, "icaguard lacks a permission") {
		w.t.Errorf("want unknown, why, and what to do: %+v", o)
	}
}

func testGone(w *world) {
	w.DeleteRole()
	got := w.audit(1)
	if o := got["role"]; o.Status != guard.Drifted || o.Diffs[0].Got != "does not exist" {
		w.t.Errorf("want the role missing: %+v", o)
	}
	if o := got["role-session-duration"]; o.Status != guard.Unknown || o.ToldBy != "role" {
		w.t.Errorf("want unknown, told by the role's own setting: %+v", o)
	}
}

func testConfigMissing(w *world) {
	w.config.Env[wiring.EnvConfig] = filepath.Join(w.t.TempDir(), "ica.yaml")
	function := labtest.Start(w.t, w.config)
	for range 2 {
		labtest.ExpectFailure(w.t, function, `{}`, "config: read: open "+w.config.Env[wiring.EnvConfig], "copy ica.example.yaml there")
	}
}

// testJSON reads the JSON by its names, which people's scripts use.
func testJSON(w *world) {
	var got struct {
		ExitCode *int             `json:"exitCode"`
		Outcomes []map[string]any `json:"outcomes"`
	}
	labtest.Invoke(w.t, labtest.Start(w.t, w.config), `{}`, &got)
	if got.ExitCode == nil || len(got.Outcomes) == 0 || got.Outcomes[0]["setting"] != guard.Settings()[0].ID {
		w.t.Errorf("report %+v", got)
	}
}
