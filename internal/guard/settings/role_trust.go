package settings

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// roleTrust is who may assume the role, and the prefix by which ICA proves that it is this lab's ICA.
type roleTrust struct {
	Document      document
	Prefix        icaconfig.Secret
	PrefixProblem string
}

func roleTrustPolicy() guard.Setting {
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:      "role-trust",
			MustEnd: "trust",
			Title:   "The role trusts this lab's ICA and nobody else",
			Effect: `the storage configuration: "Not authorized to perform sts:AssumeRoleWithWebIdentity"; ` +
				"or, where it was widened, others could read the bucket",
			Remediation: func(s icaconfig.Storage) string {
				return "put the trust policy: icaguard render trust-policy --storage " + s.Name
			},
			On:       guard.OnRole,
			Triggers: append([]guard.Trigger{roleEvents("UpdateAssumeRolePolicy")}, prefixEvents()...),
			Reads:    append(guard.Actions(guard.OnRole, "iam:GetRole"), guard.Actions(guard.OnParameter, "ssm:GetParameter")...),
		},
		Writes: guard.Actions(guard.OnRole, "iam:UpdateAssumeRolePolicy"),
	}, guard.Spec[roleTrust]{Read: readRoleTrust, Compare: compareRoleTrust, Put: putRoleTrust})
}

// prefixEvents are triggers for the parameter that holds the prefix; a call may delete many at once.
func prefixEvents() []guard.Trigger {
	parameter := func(s icaconfig.Storage) []string { return []string{s.Role.Prefix.Parameter} }
	return []guard.Trigger{
		{Source: "aws.ssm", Events: []string{"PutParameter", "DeleteParameter"}, Parameter: "name", Names: parameter},
		{Source: "aws.ssm", Events: []string{"DeleteParameters"}, Parameter: "names", Names: parameter},
	}
}

func readRoleTrust(ctx context.Context, c guard.Clients, s icaconfig.Storage) (roleTrust, error) {
	role, err := ourRole(ctx, c, s)
	if err != nil {
		return roleTrust{}, err
	}
	got := roleTrust{Document: newDocument(role.AssumeRolePolicyDocument)}
	got.Prefix, err = sessionNamePrefix(ctx, c, s)
	if errors.Is(err, errPrefix) {
		got.PrefixProblem, err = err.Error(), nil
	}
	return got, err
}

// compareRoleTrust says all that is wrong: a prefix that cannot be used keeps the policy from being written, not from being read.
func compareRoleTrust(s icaconfig.Storage, got roleTrust) guard.Comparison {
	want := s.TrustPolicy(cmp.Or(got.Prefix.Reveal(), "unknown"))
	c := guard.Comparison{Alerts: foreignDenies(want, got.Document, accountOf(s))}
	if got.PrefixProblem != "" {
		return c.And(guard.Alert(got.PrefixProblem, "put the RoleSessionName prefix that ICA showed into the parameter "+
			s.Role.Prefix.Parameter+", as a String; nothing is written until then")).And(openTrust(s, got.Document))
	}
	if len(c.Alerts) > 0 {
		return c.And(besidesDenies(want, got.Document))
	}
	c.Diffs = diffDocument(want, got.Document)
	return c
}

// openTrust alerts where the present policy is not bound to a prefix, or to other conditions of the wanted one. Its own
// prefix cannot be told right from wrong where ours is not known.
func openTrust(s icaconfig.Storage, got document) guard.Comparison {
	present, err := got.parse()
	if err != nil {
		return guard.Alert(
			"the trust policy does not parse: "+err.Error(), "put the trust policy: icaguard render trust-policy --storage "+s.Name,
		)
	}
	for _, statement := range present.Statements() {
		prefixes := statement.ConditionValues("sts:RoleSessionName")
		if !statement.IsDeny() && len(prefixes) == 0 {
			return guard.Alert(
				"the trust policy has no condition on sts:RoleSessionName: every ICA tenant of the region could take the role",
				"put the trust policy by hand, now: icaguard render trust-policy --storage "+s.Name,
			)
		}
		for _, prefix := range prefixes {
			literal := strings.TrimSuffix(prefix, "-*")
			if icaconfig.CheckPrefix(literal) == nil && len(diffDocument(s.TrustPolicy(literal), got)) == 0 {
				return guard.Comparison{}
			}
		}
	}
	return guard.Alert(
		"the trust policy is not the one that ICA needs, whatever the prefix is",
		"put the trust policy: icaguard render trust-policy --storage "+s.Name,
	)
}

func putRoleTrust(ctx context.Context, c guard.Clients, s icaconfig.Storage, got roleTrust) error {
	_, err := iamClient(c).UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{
		RoleName: &s.Role.Name, PolicyDocument: aws.String(s.TrustPolicy(got.Prefix.Reveal()).JSON()),
	})
	if err != nil {
		return fmt.Errorf("update trust policy of role %s: %w", s.Role.Name, err)
	}
	return nil
}

// errPrefix says that there is no prefix to be used; the parameter's owner has to act.
var errPrefix = errors.New("the RoleSessionName prefix cannot be used")

// sessionNamePrefix is the literal prefix, or reads its parameter and checks it as a literal is checked at synth.
func sessionNamePrefix(ctx context.Context, c guard.Clients, s icaconfig.Storage) (icaconfig.Secret, error) {
	if s.Role.Prefix.Parameter == "" {
		return s.Role.Prefix.Literal, nil
	}
	out, err := ssmClient(c, s).GetParameter(ctx, &ssm.GetParameterInput{Name: &s.Role.Prefix.Parameter})
	var missing *types.ParameterNotFound
	switch {
	case errors.As(err, &missing):
		return "", fmt.Errorf("%w: parameter %s does not exist", errPrefix, s.Role.Prefix.Parameter)
	case err != nil:
		return "", fmt.Errorf("get parameter %s: %w", s.Role.Prefix.Parameter, err)
	case out.Parameter == nil:
		return "", fmt.Errorf("get parameter %s: %w", s.Role.Prefix.Parameter, awserr.ErrBroken)
	case out.Parameter.Type != types.ParameterTypeString:
		return "", fmt.Errorf("%w: parameter %s is a %s, not a String", errPrefix, s.Role.Prefix.Parameter, out.Parameter.Type)
	}
	prefix := aws.ToString(out.Parameter.Value)
	if err := icaconfig.CheckPrefix(prefix); err != nil {
		return "", fmt.Errorf("%w: parameter %s: %w", errPrefix, s.Role.Prefix.Parameter, err)
	}
	return icaconfig.Secret(prefix), nil
}
