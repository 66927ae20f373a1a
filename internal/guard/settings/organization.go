package settings

import (
	"context"
	"fmt"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// speaksOfOrganization finds the condition keys that an account's organization settles.
var speaksOfOrganization = regexp.MustCompile(`(?i)aws:(PrincipalOrg(ID|Paths)|ResourceOrgID)`)

// readsOrganization is allowed where ica.yaml names an organization.
func readsOrganization() []guard.Action {
	named := func(s icaconfig.Storage) bool { return s.Home.Organization != "" }
	return guard.OnlyIf(named, guard.Actions(guard.OnAccount, "organizations:DescribeOrganization"))
}

// organization is the one that ica.yaml names, as far as it is right, and what people should know about it.
type organization struct{ id, warning string }

// Organization is the organization that ica.yaml names, "" if it names none or a wrong one, and a warning where it is
// wrong or could not be checked. An account may ask for its own organization, if it is allowed to
// (https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeOrganization.html).
func Organization(ctx context.Context, c guard.Clients, h icaconfig.Home) (id, warning string) {
	if h.Organization == "" {
		return "", ""
	}
	answer, err := guard.ReadOnce(c, "DescribeOrganization", func() (organization, error) {
		out, err := organizations.NewFromConfig(c.Config).DescribeOrganization(ctx, &organizations.DescribeOrganizationInput{})
		found := ""
		if err == nil && out.Organization != nil {
			found = aws.ToString(out.Organization.Id)
		}
		switch {
		case awserr.IsAbsent(err):
			return organization{warning: wrongOrganization(h, "is in no organization")}, nil
		case err != nil || found == "":
			return organization{h.Organization, "organization " + h.Organization + " of ica.yaml was not checked: " +
				unchecked(err)}, nil
		case found != h.Organization:
			return organization{warning: wrongOrganization(h, "is in organization "+found)}, nil
		}
		return organization{id: found}, nil
	})
	if err != nil { // it never is
		return "", err.Error()
	}
	return answer.id, answer.warning
}

func wrongOrganization(h icaconfig.Home, fact string) string {
	return fmt.Sprintf("ica.yaml names organization %s, but account %s %s: policies are judged as if it named none; correct "+
		"organization", h.Organization, h.Account, fact)
}

func unchecked(err error) string {
	if err == nil {
		return awserr.ErrBroken.Error()
	}
	return awserr.Brief(err)
}
