package settings

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
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
			ID:    "role-trust",
			Title: "The role trusts this lab's ICA and nobody else",
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

// compareRoleTrust says all that is wrong: neither a Deny of others nor a prefix that cannot be used, which keep the policy
// from being written, keep it from being read.
func compareRoleTrust(s icaconfig.Storage, got roleTrust) guard.Comparison {
	want := s.TrustPolicy(cmp.Or(got.Prefix.Reveal(), "unknown"))
	c := guard.Comparison{Alerts: foreignDenies(want, got.Document)}
	if got.PrefixProblem != "" {
		c = c.And(guard.Alert(got.PrefixProblem, "put the RoleSessionName prefix that ICA showed into the parameter "+
			s.Role.Prefix.Parameter+", as a String; nothing is written until then"))
	}
	if len(c.Alerts) > 0 {
		return c.And(openTrust(s, got))
	}
	return diffTrust(s, want, got.Document)
}

// diffTrust compares by meaning. A policy that admits only some of ICA's service accounts is left: nobody outside of ICA
// knows whether it calls from others.
func diffTrust(s icaconfig.Storage, want policy.Document, got document) guard.Comparison {
	present, err := got.parse()
	if err != nil {
		return guard.Comparison{Diffs: diffDocument(want, got)}
	}
	widened, narrower := policy.Narrowed(want.Plain(), present.Plain(), s.Provider.Host+":sub")
	c := guard.Comparison{Diffs: differences(policy.Diff(want.Plain(), widened))}
	if narrower > 0 {
		c = c.And(guard.Note(
			"the trust policy admits fewer of ICA's service accounts than Illumina asks for: its condition on "+s.Provider.Host+
				":sub is narrower",
			`if ICA shows "Not authorized to perform sts:AssumeRoleWithWebIdentity", put the trust policy: icaguard render trust-policy `+
				"--storage "+s.Name))
	}
	return c
}

// openTrust alerts of every statement that lets in others than this lab's ICA. The present policy's own prefix cannot be
// told right from wrong where ours is not known.
func openTrust(s icaconfig.Storage, got roleTrust) guard.Comparison {
	byHand := "put the trust policy by hand, now: icaguard render trust-policy --storage " + s.Name
	present, err := got.Document.parse()
	if err != nil {
		return guard.Alert("the trust policy does not parse: "+err.Error(), byHand)
	}
	if admitsICA(s, got.Prefix, present) {
		return guard.Comparison{}
	}
	var c guard.Comparison
	for i, statement := range present.Statements() {
		if statement.IsDeny() || admitsICA(s, got.Prefix, policy.New(statement)) {
			continue
		}
		place := policy.Place{Number: i + 1, Sid: statement.Sid}
		c = c.And(guard.Alert("the trust policy's "+place.String()+" "+faultOfTrust(s, got.Prefix, statement), byHand))
	}
	if len(c.Alerts) == 0 {
		return guard.Alert("the trust policy is not the one that ICA needs", byHand)
	}
	return c
}

// admitsICA says that the Allow statements are those that ICA needs, with our prefix or, where that is not known, with any.
func admitsICA(s icaconfig.Storage, prefix icaconfig.Secret, present policy.Document) bool {
	admits := policy.New(slices.DeleteFunc(present.Statements(), policy.Statement.IsDeny)...)
	prefixes := []string{prefix.Reveal()}
	if prefix == "" {
		prefixes = nil
		for _, statement := range admits.Statements() {
			for _, value := range statement.ConditionValues(sessionNameKey) {
				prefixes = append(prefixes, strings.TrimSuffix(value, "-*"))
			}
		}
	}
	return slices.ContainsFunc(prefixes, func(literal string) bool {
		return icaconfig.CheckPrefix(literal) == nil && len(diffTrust(s, s.TrustPolicy(literal), document(admits.JSON())).Diffs) == 0
	})
}

const sessionNameKey = "sts:RoleSessionName"

// faultOfTrust says the worst of an Allow statement that is not ICA's.
func faultOfTrust(s icaconfig.Storage, prefix icaconfig.Secret, statement policy.Statement) string {
	switch {
	case len(statement.Principal) != 1 || !slices.Equal(statement.Principal["Federated"], policy.Values{s.Provider.ARN}):
		return "lets in others than ICA: they could take the role and read the bucket"
	case !bindsSessionName(statement):
		return "has no condition on " + sessionNameKey + " that binds it to this lab: every ICA tenant of the region could take the " +
			"role"
	case prefix == "":
		return "is not the one that ICA needs, whatever the prefix is"
	}
	return "is not the one that ICA needs"
}

// bindsSessionName reports whether a condition asks for some text in the session's name; * alone asks for none.
func bindsSessionName(statement policy.Statement) bool {
	like := statement.Condition.Values("StringLike", sessionNameKey)
	bound := len(like) > 0 && !slices.ContainsFunc(like, func(value string) bool { return strings.Trim(value, "*?-") == "" })
	return bound || len(statement.Condition.Values("StringEquals", sessionNameKey)) > 0
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
