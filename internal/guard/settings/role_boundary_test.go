package settings

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/localaws"
)

func roleBoundaryCases() []testCase {
	const id = "role-boundary"
	other := func(w *env) {
		w.must(w.iam.PutRolePermissionsBoundary(w.t.Context(), &iam.PutRolePermissionsBoundaryInput{
			RoleName: &w.storage.Role.Name, PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess"),
		}))
	}
	kept := func(w *env, _ guard.Outcome) {
		if got := w.state()[id]; !strings.Contains(got, `"arn:aws:iam::aws:policy/ReadOnlyAccess"`) {
			w.t.Errorf("another's boundary was touched: %s", got)
		}
	}
	demanded := variant{role: "boundary: arn:aws:iam::aws:policy/PowerUserAccess"}
	removed := func(w *env) {
		w.must(
			w.iam.DeleteRolePermissionsBoundary(w.t.Context(), &iam.DeleteRolePermissionsBoundaryInput{RoleName: &w.storage.Role.Name}),
		)
	}
	adopted := variant{role: "existing: true\n      boundary: icaguard", storage: "mode: enforce"}
	return []testCase{
		{setting: id, name: "removed", want: guard.Restored, breakIt: removed},
		{
			setting: id, name: "ours removed from an adopted role", want: guard.Restored, variant: adopted, breakIt: removed,
		},
		{
			setting: id, name: "another one set on an adopted role", want: guard.ActionRequired, variant: adopted,
			breakIt: other, check: kept,
		},
		{setting: id, name: "another one set, a security team's decision", want: guard.ActionRequired, breakIt: other, check: kept},
		{
			setting: id, name: "one set where none is asked for, and it keeps ICA out", want: guard.ActionRequired,
			variant: variant{role: "boundary: none"}, breakIt: other,
			check: func(w *env, o guard.Outcome) {
				kept(w, o)
				expectTold(w.t, o, "does not name", "keeps ICA from storage lab-", "s3:PutObject on arn:aws:s3:::lab-", "/ica/*")
			},
		},
		{
			setting: id, name: "one set where none is asked for, and it permits all", want: withNotes,
			variant: variant{role: "boundary: none"},
			breakIt: func(w *env) { w.demandBoundary(permitsAll); w.storage.Role.Boundary.ARN = "" },
			check:   func(w *env, o guard.Outcome) { expectTold(w.t, o, "does not name") },
		},
		{
			setting: id, name: "the one that the organisation demands permits all", want: guard.InSync, variant: demanded,
			breakIt: func(w *env) { w.demandBoundary(permitsAll) }, check: func(*env, guard.Outcome) {},
		},
		{
			setting: id, name: "the one that the organisation demands lacks an action", want: guard.ActionRequired, variant: demanded,
			breakIt: func(w *env) {
				w.demandBoundary(strings.Replace(permitsAll, `"Action":"*"`, `"NotAction":"s3:Restore*"`, 1))
			},
			check: func(w *env, o guard.Outcome) {
				expectTold(w.t, o, "no statement permits s3:RestoreObject on", "icaguard never changes")
				expectMatch(w.t, o, w.storage.Role.Boundary.ARN)
				if strings.Contains(text(o.Alerts), "GetObject") {
					w.t.Errorf("what is permitted is not lacking: %+v", o.Alerts)
				}
			},
		},
		{
			setting: id, name: "the one that the organisation demands denies ICA's calls", want: guard.ActionRequired, variant: demanded,
			breakIt: func(w *env) { w.demandBoundary(permitsBut(`"Effect":"Deny","Action":"s3:Put*","Resource":"*"`)) },
			check:   func(w *env, o guard.Outcome) { expectTold(w.t, o, "keeps ICA from storage lab-", "s3:PutObject") },
		},
		{
			setting: id, name: "the one that the organisation demands may deny ICA's calls", want: withNotes, variant: demanded,
			breakIt: func(w *env) {
				w.demandBoundary(permitsBut(
					`"Effect":"Deny","Action":"s3:Put*","Resource":"*","Condition":{"StringEquals":{"lab:Key":"x"}}`))
			},
			check: func(w *env, o guard.Outcome) { expectTold(w.t, o, "may keep ICA from storage lab-", "s3:PutObject") },
		},
		{
			setting: id, name: "the one that the organisation demands cannot be read", want: withNotes, variant: demanded,
			breakIt: func(w *env) {
				w.demandBoundary(permitsAll)
				w.local.Recorder().Inject(localaws.Fault{Operation: "GetPolicy", AccessKeyID: w.key, Kind: localaws.ExplicitDeny})
			},
			check: func(w *env, o guard.Outcome) { expectTold(w.t, o, "cannot be read", "is not checked") },
		},
	}
}

const permitsAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

// permitsBut is permitsAll with a second statement.
func permitsBut(statement string) string {
	return strings.Replace(permitsAll, "}]", "},{"+statement+"}]", 1)
}

// demandBoundary puts an organisation's boundary on the role and into ica.yaml.
func (w *env) demandBoundary(document string) {
	w.t.Helper()
	arn := w.createPolicy("organisation-"+w.storage.Role.Name, document)
	w.must(w.iam.PutRolePermissionsBoundary(
		w.t.Context(), &iam.PutRolePermissionsBoundaryInput{RoleName: &w.storage.Role.Name, PermissionsBoundary: &arn},
	))
	w.storage.Role.Boundary.ARN = arn
}

// createPolicy makes a managed policy, or gives the one of that name another content, and answers its ARN.
func (w *env) createPolicy(name, document string) string {
	w.t.Helper()
	arn := "arn:aws:iam::" + w.local.Account() + ":policy/" + name
	_, err := w.iam.CreatePolicyVersion(
		w.t.Context(), &iam.CreatePolicyVersionInput{PolicyArn: &arn, PolicyDocument: &document, SetAsDefault: true},
	)
	if awserr.Classify(err) == awserr.Gone {
		_, err = w.iam.CreatePolicy(w.t.Context(), &iam.CreatePolicyInput{PolicyName: &name, PolicyDocument: &document})
	}
	w.must(nil, err)
	return arn
}
