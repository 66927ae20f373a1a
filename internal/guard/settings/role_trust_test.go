package settings

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/icaguard/icaguard/internal/cloudtrail"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

func roleTrustCases() []testCase {
	const id = "role-trust"
	edit := func(name string, want guard.Status, old, replacement string) testCase {
		return testCase{setting: id, name: name, want: want, breakIt: func(w *env) {
			before := text(w.storage.TrustPolicy(secretPrefix))
			after := strings.ReplaceAll(before, old, replacement)
			if before == after {
				w.t.Fatalf("%q is not in the trust policy", old)
			}
			w.putTrust(after)
		}}
	}
	unusable := func(w *env, o guard.Outcome) {
		if len(o.Alerts) != 1 || len(w.requeued) != 0 {
			w.t.Errorf("alert %+v, again %v", o, w.requeued)
		}
		for _, call := range w.calls() {
			if call.Operation == "UpdateAssumeRolePolicy" {
				w.t.Error("a trust policy was written without a usable prefix")
			}
		}
	}
	const stranger = `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999999999999:root"},"Action":"sts:AssumeRole"}`
	anyTenant := func(s icaconfig.Storage) string {
		statement := s.TrustPolicy("x").Statements()[0]
		statement.Condition = policy.Condition{"StringLike": {"sts:RoleSessionName": {"*"}}}
		return statement.JSON()
	}
	open := func(name string, noParameter bool, want []string, edits ...string) testCase {
		return testCase{
			setting: id, name: name, want: guard.ActionRequired,
			breakIt: func(w *env) {
				after := strings.NewReplacer(edits...).Replace(text(w.storage.TrustPolicy(secretPrefix)))
				w.putTrust(strings.ReplaceAll(after, "ANY-TENANT", anyTenant(w.storage)))
				if noParameter {
					w.must(ssm.NewFromConfig(w.local.DirectConfig("us-east-1")).DeleteParameter(
						w.t.Context(), &ssm.DeleteParameterInput{Name: &w.storage.Role.Prefixes[0].Parameter},
					))
				}
			},
			check: func(w *env, o guard.Outcome) {
				if len(o.Alerts) != len(want) {
					w.t.Errorf("%d alerts, want %d: %+v", len(o.Alerts), len(want), o.Alerts)
				}
				expectTold(w.t, o, want...)
			},
		}
	}
	lookAlike := edit("other order and the account's number, same meaning", guard.InSync, `"Effect":"Allow",`, "")
	lookAlike.breakIt = func(w *env) {
		before := text(w.storage.TrustPolicy(secretPrefix))
		w.putTrust(
			strings.Replace(strings.Replace(before, `"Effect":"Allow",`, "", 1), `"Condition":`, `"Effect":"Allow","Condition":`, 1),
		)
	}
	lookAlike.check = func(*env, guard.Outcome) {}
	narrower := edit("fewer of ICA's service accounts", withNotes, "irsa-use1-gds*", "irsa-use1-gds")
	narrower.check = func(w *env, o guard.Outcome) { expectTold(w.t, o, "fewer of ICA's service accounts") }
	return []testCase{
		edit("audience gone", guard.Restored, `"StringEquals":{`, `"StringLike":{"sts:x":"y"},"ArnLike":{`),
		edit("sub in another namespace", guard.Restored, "serviceaccount:use1", "serviceaccount:euc1"),
		edit("prefix without -*", guard.Restored, secretPrefix+"-*", secretPrefix),
		edit("prefix *", guard.Restored, secretPrefix+"-*", "*"),
		edit("principal replaced", guard.Restored, "oidc-provider/oidc.eks.us-east-1", "oidc-provider/oidc.eks.eu-west-1"),
		edit("condition operator StringEqualsIgnoreCase", guard.Restored, "StringEquals", "StringEqualsIgnoreCase"),
		edit("second statement added", guard.Restored, `"Statement":[`,
			`"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999999999999:root"},"Action":"sts:AssumeRole"},`),
		lookAlike,
		{
			setting: id, name: "a Deny of others added, and the audience gone", want: guard.ActionRequired,
			breakIt: func(w *env) {
				w.putTrust(strings.Replace(text(w.storage.TrustPolicy(secretPrefix)), `"Statement":[{`,
					`"Statement":[{"Sid":"Incident","Effect":"Deny","Principal":"*","Action":"sts:AssumeRoleWithWebIdentity"},{`, 1))
			},
			check: func(w *env, o guard.Outcome) {
				if !strings.Contains(w.state()[id], "Incident") || !strings.Contains(o.Alerts[0].What, "Incident") {
					w.t.Errorf("an explicit Deny is never undone: %+v", o)
				}
			},
		},
		{
			setting: id, name: "prefix changed in the parameter", want: guard.Restored,
			breakIt: func(w *env) { w.putPrefix("another-prefix", types.ParameterTypeString) },
			check: func(w *env, _ guard.Outcome) {
				if !strings.Contains(w.state()[id], "another-prefix") {
					w.t.Error("the trust policy does not follow the parameter")
				}
			},
		},
		{
			setting: id, name: "parameter deleted", want: guard.ActionRequired, check: unusable,
			breakIt: func(w *env) {
				w.must(
					ssm.NewFromConfig(w.local.DirectConfig("us-east-1")).DeleteParameter(
						w.t.Context(), &ssm.DeleteParameterInput{Name: &w.storage.Role.Prefixes[0].Parameter},
					),
				)
			},
		},
		{
			setting: id, name: "parameter deleted, and every ICA tenant let in", want: guard.ActionRequired,
			breakIt: func(w *env) {
				open := strings.NewReplacer(`,"sts:RoleSessionName":"`+secretPrefix+`-*"`, "").Replace(
					text(w.storage.TrustPolicy(secretPrefix)),
				)
				w.putTrust(open)
				w.must(
					ssm.NewFromConfig(w.local.DirectConfig("us-east-1")).DeleteParameter(
						w.t.Context(), &ssm.DeleteParameterInput{Name: &w.storage.Role.Prefixes[0].Parameter},
					),
				)
			},
			check: func(w *env, o guard.Outcome) {
				if len(o.Alerts) != 2 || !strings.Contains(o.Alerts[1].What, "every ICA tenant of the region could take the role") {
					w.t.Errorf("want both obstacles: %+v", o.Alerts)
				}
			},
		},
		{
			setting: id, name: "parameter deleted, and the audience taken out", want: guard.ActionRequired,
			breakIt: func(w *env) {
				w.putTrust(strings.Replace(text(w.storage.TrustPolicy(secretPrefix)), ":aud\":\"sts.amazonaws.com\"", ":aud\":\"other\"", 1))
				w.must(
					ssm.NewFromConfig(w.local.DirectConfig("us-east-1")).DeleteParameter(
						w.t.Context(), &ssm.DeleteParameterInput{Name: &w.storage.Role.Prefixes[0].Parameter},
					),
				)
			},
			check: func(w *env, o guard.Outcome) {
				if len(o.Alerts) != 2 || !strings.Contains(o.Alerts[1].What, "not the one that ICA needs, whatever the prefix is") {
					w.t.Errorf("want both obstacles: %+v", o.Alerts)
				}
			},
		},
		open("a Deny of others added, and every ICA tenant let in", false, []string{"Incident", "statement 2 has no condition"},
			`"Statement":[{`, `"Statement":[{"Sid":"Incident","Effect":"Deny","Principal":"*","Action":"sts:TagSession"},{`,
			`,"sts:RoleSessionName":"`+secretPrefix+`-*"`, ""),
		open("a Deny of others added, and others let in", false, []string{"Incident", "statement 2 lets in others than ICA"},
			`"Statement":[{`, `"Statement":[{"Sid":"Incident","Effect":"Deny","Principal":"*","Action":"sts:TagSession"},`+stranger+`,{`),
		open("parameter deleted, and others let in", true, []string{"does not exist", "statement 1 lets in others than ICA"},
			`"Statement":[{`, `"Statement":[`+stranger+`,{`),
		open("parameter deleted, and any session name let in", true, []string{"does not exist", "every ICA tenant of the region"},
			secretPrefix+"-*", "*"),
		open("parameter deleted, and all that is open at once", true,
			[]string{"does not exist", "statement 1 lets in others", "statement 2 has no condition", "statement 3 is not the one that"},
			`"Statement":[{`, `"Statement":[`+stranger+`,ANY-TENANT,{`, "serviceaccount:use1", "serviceaccount:euc1"),
		narrower,
		{
			setting: id, name: "one of two prefixes taken out", variant: variant{second: true}, want: guard.Restored,
			breakIt: func(w *env) { w.putTrust(text(w.storage.TrustPolicy(secretPrefix))) },
		},
		{
			setting: id, name: "a third prefix beside two", variant: variant{second: true}, want: guard.Restored,
			breakIt: func(w *env) { w.putTrust(text(w.storage.TrustPolicy(secretPrefix, "somebody-elses", secondPrefix))) },
		},
		{
			setting: id, name: "one of two prefixes changed in its parameter", variant: variant{second: true}, want: guard.Restored,
			breakIt: func(w *env) { w.putParameter(w.storage.Role.Prefixes[1].Parameter, "another-prefix") },
			check: func(w *env, _ guard.Outcome) {
				if got := w.state()[id]; !strings.Contains(got, "another-prefix") || strings.Contains(got, secondPrefix) ||
					!strings.Contains(got, secretPrefix) {
					w.t.Error("the trust policy does not follow the parameter")
				}
			},
		},
		{
			setting: id, name: "the parameter of one of two prefixes deleted, and its prefix taken out", variant: variant{second: true},
			want: guard.ActionRequired, check: unusable,
			breakIt: func(w *env) {
				w.putTrust(text(w.storage.TrustPolicy(secretPrefix)))
				w.must(ssm.NewFromConfig(w.local.DirectConfig("us-east-1")).DeleteParameter(
					w.t.Context(), &ssm.DeleteParameterInput{Name: &w.storage.Role.Prefixes[1].Parameter},
				))
			},
		},
		{
			setting: id, name: "two prefixes, as it is", variant: variant{second: true}, want: withNotes, breakIt: func(*env) {},
			check: func(w *env, o guard.Outcome) {
				first, second := w.storage.Role.Prefixes[0].Parameter, w.storage.Role.Prefixes[1].Parameter
				expectTold(w.t, o, "2 RoleSessionName prefixes", "for name in "+first+" "+second+"; do", "AssumeRoleWithWebIdentity")
			},
		},
		{
			setting: id, name: "parameter holds *", want: guard.ActionRequired, check: unusable,
			breakIt: func(w *env) { w.putPrefix("*", types.ParameterTypeString) },
		},
		{
			setting: id, name: "parameter is a SecureString", want: guard.ActionRequired, check: unusable,
			breakIt: func(w *env) { w.putPrefix(secretPrefix, types.ParameterTypeSecureString) },
		},
	}
}

func (w *env) putTrust(document string) {
	w.t.Helper()
	w.must(
		w.iam.UpdateAssumeRolePolicy(
			w.t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: &w.storage.Role.Name, PolicyDocument: &document},
		),
	)
}

func (w *env) putPrefix(value string, kind types.ParameterType) {
	w.t.Helper()
	client := ssm.NewFromConfig(w.local.DirectConfig("us-east-1"))
	_, err := client.DeleteParameter(w.t.Context(), &ssm.DeleteParameterInput{Name: &w.storage.Role.Prefixes[0].Parameter})
	w.must(nil, err)
	w.must(client.PutParameter(w.t.Context(), &ssm.PutParameterInput{
		Name: &w.storage.Role.Prefixes[0].Parameter, Value: &value, Type: kind, Overwrite: aws.Bool(true),
	}))
}

// newEnvWithoutAWS is the storage of a configuration, for what is pure.
func newEnvWithoutAWS(t *testing.T, lines string) icaconfig.Storage {
	t.Helper()
	file, err := icaconfig.Parse(
		"ica.yaml",
		fmt.Appendf(nil, "storages:\n  - name: lab\n    icaRegion: US\n    bucket: {name: lab-ica, folder: ica}\n    %s\n", lines),
	)
	if err != nil {
		t.Fatal(err)
	}
	owner, err := file.Owner("123456789012", "aws")
	if err != nil {
		t.Fatal(err)
	}
	baseline := file.Baseline(owner)
	return baseline.Storages[0]
}

func TestUnparsableTrustIsDriftAndShowsNoPrefix(t *testing.T) {
	s := newEnvWithoutAWS(t, `role: {sessionNamePrefix: "ssm:/p"}`)
	for _, broken := range []string{
		"", "{", `{"Version":"2012-10-17","Statement":[],"Extra":1}`,
		`{"Condition":{"StringLike":{"sts:RoleSessionName":"` + secretPrefix + `-*"}}}`,
	} {
		v := compareRoleTrust(s, roleTrust{Document: document(broken), Prefixes: []icaconfig.Secret{secretPrefix}})
		if len(v.Diffs) == 0 || strings.Contains(fmt.Sprint(v), secretPrefix) {
			t.Errorf("%q: %d diffs; is the prefix shown?", broken, len(v.Diffs))
		}
	}
	changed := compareRoleTrust(s, roleTrust{
		Document: document(text(s.TrustPolicy("somebody-elses-prefix"))), Prefixes: []icaconfig.Secret{secretPrefix},
	})
	if len(changed.Diffs) == 0 || strings.Contains(fmt.Sprint(changed), "prefix-that") ||
		strings.Contains(fmt.Sprint(changed), "somebody-elses") {
		t.Errorf("%d diffs; is a prefix shown?", len(changed.Diffs))
	}
}

// TestADenyThatComesWhileTheGatesAreAskedStays: what is written over is read again first.
func TestADenyThatComesWhileTheGatesAreAskedStays(t *testing.T) {
	w := newEnv(t, newFixture(t), variant{})
	whole := text(w.storage.TrustPolicy(secretPrefix))
	w.putTrust(strings.Replace(whole, secretPrefix, "anothers-prefix", 1))
	w.engine.Gates = []guard.Gate{func(context.Context, guard.Target) (guard.Hold, error) {
		w.putTrust(strings.Replace(whole, `"Statement":[`,
			`"Statement":[{"Sid":"Incident","Effect":"Deny","Principal":"*","Action":"sts:AssumeRole"},`, 1))
		return guard.Hold{}, nil
	}}
	expectStatus(t, w.reconcile("role-trust"), guard.ActionRequired)
	if !strings.Contains(w.state()["role-trust"], "Incident") {
		t.Error("security's Deny was written over")
	}
}

// TestLastUse runs the command of the note in a shell, with an AWS CLI that shows how it is called.
func TestLastUse(t *testing.T) {
	s := newEnvWithoutAWS(t, `role: {name: "a+b=c,d.e@f", path: /ica/, sessionNamePrefix: ["ssm:/p/old", "ssm:/p/new"]}`)
	note := severalPrefixes(s)[0]
	_, command, _ := strings.Cut(note.Remediation, "and not the prefix: ")
	bin := t.TempDir()
	const aws = "#!/bin/sh\ncase $1 in ssm) echo the-prefix;; *) echo \"$3 $4 $*\";; esac\n"
	if err := os.WriteFile(filepath.Join(bin, "aws"), []byte(aws), 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
	cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, command, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	const query = `Events[?contains(CloudTrailEvent, ':role/ica/a+b=c,d.e@f"') && contains(CloudTrailEvent, 'the-prefix-')] | [0].EventTime`
	if len(lines) != 2 || !strings.HasPrefix(lines[0], "/p/old us-east-1 --region us-east-1") ||
		!strings.HasPrefix(lines[1], "/p/new us-east-1") || !strings.HasSuffix(lines[0], query) {
		t.Errorf("%s", out)
	}
}

// TestEventsOfEachPrefix: a change of any of the parameters asks for a check of the trust policy.
func TestEventsOfEachPrefix(t *testing.T) {
	s := newEnvWithoutAWS(t, `role: {sessionNamePrefix: ["ssm:/p/old", literal-prefix, "ssm:/p/new"]}`)
	b := icaconfig.Baseline{Home: s.Home, Storages: []icaconfig.Storage{s}}
	for parameter, want := range map[string]int{"/p/old": 1, "/p/new": 1, "/p/other": 0, "": 0} {
		event, err := cloudtrail.Parse(fmt.Appendf(nil, `{"eventSource":"ssm.amazonaws.com","eventName":"PutParameter",
			"recipientAccountId":"123456789012","requestParameters":{"name":%q}}`, parameter))
		if err != nil {
			t.Fatal(err)
		}
		if requests := guard.Route(event, "", guard.RowsOf([]guard.Setting{roleTrustPolicy()}), b); len(requests) != want {
			t.Errorf("%q: requests %+v", parameter, requests)
		}
	}
}
