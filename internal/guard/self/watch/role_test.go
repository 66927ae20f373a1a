package watch

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

func guardRoleCases() []selfCase {
	const id = "guard-role"
	const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"sts:AssumeRole"}]}`
	const all = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	remediate := aws.String(guard.RemediateFunction)
	alarm := func(event, name string, breakIt func(*selfEnv, *iam.Client)) selfCase {
		return selfCase{
			setting: id, name: name, want: guard.ActionRequired, says: event + " by arn:aws:iam::123456789012:user/AKIASTRANGER",
			breakIt: func(w *selfEnv) { breakIt(w, iam.NewFromConfig(w.stranger.Config)) },
		}
	}
	widen := func(policy string) func(*selfEnv, *iam.Client) {
		return func(w *selfEnv, c *iam.Client) {
			w.must(w.past().CreatePolicy(w.t.Context(), &iam.CreatePolicyInput{PolicyName: &policy, PolicyDocument: aws.String(all)}))
			w.must(c.CreatePolicyVersion(w.t.Context(), &iam.CreatePolicyVersionInput{
				PolicyArn: aws.String("arn:aws:iam::123456789012:policy/" + policy), PolicyDocument: aws.String(all), SetAsDefault: true,
			}))
		}
	}
	return []selfCase{
		{
			setting: id, name: "deleted", want: guard.ActionRequired, says: "role icaguard-relay-eu-central-1 of the guard does not exist",
			breakIt: func(w *selfEnv) {
				w.must(
					iam.NewFromConfig(w.stranger.Config).DeleteRole(
						w.t.Context(), &iam.DeleteRoleInput{RoleName: aws.String(guard.RelayRole + away)},
					),
				)
			},
		},
		{
			setting: id, name: "a boundary that ica.yaml does not name", want: withNotes, unreported: true,
			says: "permissions boundary arn:aws:iam::aws",
			breakIt: func(w *selfEnv) {
				w.must(w.past().PutRolePermissionsBoundary(w.t.Context(), &iam.PutRolePermissionsBoundaryInput{
					RoleName: remediate, PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/ReadOnlyAccess"),
				}))
			},
		},
		alarm("UpdateAssumeRolePolicy", "trusts somebody else", func(w *selfEnv, c *iam.Client) {
			w.must(
				c.UpdateAssumeRolePolicy(
					w.t.Context(), &iam.UpdateAssumeRolePolicyInput{RoleName: remediate, PolicyDocument: aws.String(trust)},
				),
			)
		}),
		alarm("PutRolePolicy", "may do more", func(w *selfEnv, c *iam.Client) {
			w.must(
				c.PutRolePolicy(
					w.t.Context(),
					&iam.PutRolePolicyInput{RoleName: remediate, PolicyName: aws.String("more"), PolicyDocument: aws.String(all)},
				),
			)
		}),
		alarm("AttachRolePolicy", "is an administrator", func(w *selfEnv, c *iam.Client) {
			w.must(
				c.AttachRolePolicy(
					w.t.Context(),
					&iam.AttachRolePolicyInput{RoleName: remediate, PolicyArn: aws.String("arn:aws:iam::aws:policy/AdministratorAccess")},
				),
			)
		}),
		alarm("DeleteRolePolicy", "may do less", func(w *selfEnv, c *iam.Client) {
			w.must(
				w.past().PutRolePolicy(
					w.t.Context(), &iam.PutRolePolicyInput{RoleName: remediate, PolicyName: remediate, PolicyDocument: aws.String(all)},
				),
			)
			w.must(c.DeleteRolePolicy(w.t.Context(), &iam.DeleteRolePolicyInput{RoleName: remediate, PolicyName: remediate}))
		}),
		alarm("CreatePolicyVersion", "the boundary of an ICA role widened", widen("icaguard-boundary-RoleEU")),
		alarm("CreatePolicyVersion", "a managed policy of the guard changed", widen(guard.FunctionPolicy(guard.RemediateFunction, 2))),
	}
}

// TestBoundaryOfGuardRoles: the organisation's boundary is expected on icaguard's own roles; one that ica.yaml does not name
// is told.
func TestBoundaryOfGuardRoles(t *testing.T) {
	const org = "arn:aws:iam::123456789012:policy/org"
	for _, c := range []struct {
		want, got     string
		alerts, notes int
	}{
		{"", "", 0, 0}, {org, org, 0, 0}, {org, "", 1, 0}, {org, org + "-other", 1, 0}, {"", org, 0, 1},
	} {
		s := icaconfig.Storage{Home: icaconfig.Home{GuardBoundary: c.want}}
		v := compareGuardRoles(s, []guardRole{{Name: guard.RemediateFunction, Exists: true, Boundary: c.got}})
		if len(v.Alerts) != c.alerts || len(v.Notes) != c.notes {
			t.Errorf("boundary %q, expected %q: %+v", c.got, c.want, v)
		}
	}
}

// past is a client that nothing hears.
func (w *selfEnv) past() *iam.Client { return iam.NewFromConfig(w.local.DirectConfig(inHome)) }
