package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
	"github.com/icaguard/icaguard/internal/policy"
	"github.com/icaguard/icaguard/internal/report"
)

// testExceptions accepts a Deny by the line that validate prints, as a person does, and sees when it is loud again.
func testExceptions(t *testing.T, local *localaws.AWS) {
	d := newStorageEnv(t, local, "excepting")
	d.PlayStacks("")
	deny := d.Deny("Lab: no, #never", "s3:PutObject") // a name that YAML would read otherwise
	d.PutBucketPolicy(deny)
	d.golden("validate-acceptable", "validate", "--setting", "bucket-policy")
	line := d.printedLine()

	d.Except(line)
	d.expectFailure([]string{"validate"}, `ica.yaml:2:`, `exceptions[0].reason: "WRITE WHY" is not a reason`)
	accepted := strings.Replace(line, icaconfig.ReasonToWrite, "ticket LAB-12", 1)
	accepted = regexp.MustCompile(`until: [^}]*`).ReplaceAllString(accepted, "until: 2099-12-31") // that the golden file stays
	d.Except(accepted)
	d.golden("validate-accepted", "validate", "--setting", "bucket-policy")
	d.expectOutcome(guard.Accepted, 0, 1, "")

	d.PutBucketPolicy(deny, d.Deny("Second", "s3:GetObject"))
	d.expectOutcome(guard.ActionRequired, 1, 1, "")
	d.PutBucketPolicy(d.Deny(deny.Sid, "s3:PutObject", "s3:GetObject"))
	d.expectOutcome(guard.ActionRequired, 1, 0, "has changed since")
	d.PutBucketPolicy(deny)
	d.Except(regexp.MustCompile(`until: [^}]*`).ReplaceAllString(accepted, "until: 2020-01-31"))
	d.expectOutcome(guard.ActionRequired, 1, 0, "ended on 2020-01-31")
	if out := d.run("validate"); !strings.Contains(out.stdout, "the exception has ended") {
		t.Errorf("no warning of the exception that has ended:\n%s", out.stdout)
	}

	abroad := d.Deny("Abroad", "s3:PutObject")
	abroad.Condition = policy.Condition{"StringNotEquals": {"aws:PrincipalAccount": {"210987654321"}}}
	d.PutBucketPolicy(abroad)
	for end, want := range map[string]guard.Status{"": guard.ActionRequired, ", until: " + tomorrow(): guard.Accepted} {
		d.Except(regexp.MustCompile(`reason: .*`).ReplaceAllString(d.printedLine(), "reason: ticket LAB-12"+end+"}"))
		out := d.run("validate", "--setting", "bucket-policy")
		told := strings.Contains(out.stdout, "needs an end (until), as this is about another account (210987654321)")
		if (out.code == 0) != (want == guard.Accepted) || told == (want == guard.Accepted) {
			t.Errorf("an exception about another account, end %q:\n%s", end, out.transcript())
		}
		d.Except("[]")
	}
	d.PutBucketPolicy()
	d.Except(accepted)
	d.golden("validate-unmatched", "validate", "--setting", "bucket-policy")
}

func tomorrow() string { return time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly) }

// printedLine is the only line to paste that validate prints.
func (d *storageEnv) printedLine() string {
	d.t.Helper()
	out := d.run("validate", "--setting", "bucket-policy")
	lines := regexp.MustCompile(`(?m)^  (- \{storage: .*\})$`).FindAllStringSubmatch(out.stdout, -1)
	if len(lines) != 1 {
		d.t.Fatalf("%d lines to paste, want one:\n%s", len(lines), out.transcript())
	}
	return lines[0][1]
}

// expectOutcome compares what validate says of the bucket policy as JSON.
func (d *storageEnv) expectOutcome(want guard.Status, code, accepted int, why string) {
	d.t.Helper()
	out := d.run("validate", "--json", "--setting", "bucket-policy")
	var r report.Report
	if err := json.Unmarshal([]byte(out.stdout), &r); err != nil {
		d.t.Fatalf("%v: %s", err, out.transcript())
	}
	o := r.Outcomes[0]
	if out.code != code || r.ExitCode != code || o.Status != want || len(o.Accepted) != accepted ||
		len(o.Alerts) == 0 != (code == 0) || len(o.Accept) != len(o.Alerts) ||
		why != "" && !strings.Contains(o.Alerts[0].Exception, why) {
		d.t.Errorf("want %s, exit %d, %d accepted, %q:\n%s", want, code, accepted, why, out.transcript())
	}
}
