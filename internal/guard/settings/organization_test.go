package settings

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/localaws"
)

// organization is the one that the account is in; ica.yaml names it from now on.
func (w *env) organization() string {
	w.t.Helper()
	client := organizations.NewFromConfig(w.local.DirectConfig("us-east-1"))
	_, err := client.CreateOrganization(w.t.Context(), &organizations.CreateOrganizationInput{})
	if err != nil && !errors.As(err, new(*types.AlreadyInOrganizationException)) {
		w.t.Fatal(err)
	}
	out, err := client.DescribeOrganization(w.t.Context(), &organizations.DescribeOrganizationInput{})
	w.must(out, err)
	w.nameOrganization(aws.ToString(out.Organization.Id))
	return aws.ToString(out.Organization.Id)
}

func (w *env) nameOrganization(id string) {
	w.t.Helper()
	w.engine.Baseline.Storages[0].Home.Organization = id
	w.authorize()
}

// membersOnly is the condition of a Deny that spares an organization.
func (w *env) membersOnly(id string) string {
	return `"StringNotEqualsIfExists":{"aws:PrincipalOrgID":"` + id + `"},"BoolIfExists":{"aws:PrincipalIsAWSService":"false"}`
}

// TestOrganization: what ica.yaml says is used unless AWS says otherwise, and what was not checked is said.
func TestOrganization(t *testing.T) {
	local := newFixture(t)
	w := newEnv(t, local, variant{})
	right := w.organization()
	home := func(id string) icaconfig.Home { return icaconfig.Home{Account: "123456789012", Organization: id} }
	stranger := guard.Clients{Config: local.as(t, strangersAccount)}
	for _, c := range []struct {
		name    string
		clients guard.Clients
		named   string
		fault   localaws.Kind
		id      string
		warning string
	}{
		{"none is named", w.engine.Clients, "", localaws.ExplicitDeny, "", ""},
		{"the right one", w.engine.Clients, right, "", right, ""},
		{"a wrong one", w.engine.Clients, "o-anotherone", "", "", "123456789012 is in organization " + right},
		{"the account is in none", stranger, right, "", "", "is in no organization"},
		{"it may not ask", w.engine.Clients, "o-anotherone", localaws.Denied, "o-anotherone", "was not checked: AccessDenied"},
		{"an SCP forbids to ask", w.engine.Clients, right, localaws.ExplicitDeny, right, "was not checked"},
		{"an answer without its element", w.engine.Clients, right, localaws.Empty, right, "was not checked"},
	} {
		remove := func() {}
		if c.fault != "" {
			remove = local.Recorder().Inject(localaws.Fault{Operation: "DescribeOrganization", AccessKeyID: w.key, Kind: c.fault})
		}
		id, warning := Organization(t.Context(), c.clients, home(c.named))
		remove()
		if id != c.id || !strings.Contains(warning, c.warning) || (c.warning == "") != (warning == "") {
			t.Errorf("%s: %q %q, want %q %q", c.name, id, warning, c.id, c.warning)
		}
	}
}

// TestEvidenceInsteadOfOrganization: where nobody says in which organization the account is, the guard's own read does.
func TestEvidenceInsteadOfOrganization(t *testing.T) {
	w := newEnv(t, newFixture(t), variant{bucket: "crossAccountCopy: true"})
	deny := w.denyAll(w.membersOnly("o-anyatallxx"))
	w.putBucketPolicy(policyText(deny, w.tlsOnly(), w.crossAccount(false)))
	o := w.reconcile("bucket-policy")
	expectStatus(t, o, guard.ActionRequired)
	expectTold(t, o, "ICA's role: statement 1 (Sid Lockdown) may deny")
	w.engine.Clients.RoleARN = "arn:aws:iam::123456789012:role/" + guard.ValidateFunction
	o = w.reconcile("bucket-policy")
	expectStatus(t, o, guard.ActionRequired) // Illumina's role is in an organization of its own
	if len(o.Alerts) != 1 || strings.Contains(o.Alerts[0].What, "ICA's role") ||
		!strings.HasPrefix(o.Alerts[0].What, "ICA's copies between accounts: statement 1 (Sid Lockdown) may deny") {
		t.Errorf("%+v", o.Alerts)
	}
}
