package settings

import (
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

// roleTrust is who may assume the role, and the prefixes by which ICA proves that it is this lab's ICA.
type roleTrust struct {
	Document      document
	Prefixes      []icaconfig.Secret
	PrefixProblem string // with one of them; then the others are not used either
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

// prefixEvents are triggers for the parameters that hold the prefixes; a call may delete many at once.
func prefixEvents() []guard.Trigger {
	return []guard.Trigger{
		{Source: "aws.ssm", Events: []string{"PutParameter", "DeleteParameter"}, Parameter: "name", Names: prefixParameters},
		{Source: "aws.ssm", Events: []string{"DeleteParameters"}, Parameter: "names", Names: prefixParameters},
	}
}

// prefixParameters are those of the role; a literal prefix has none.
func prefixParameters(s icaconfig.Storage) []string {
	var names []string
	for _, prefix := range s.Role.Prefixes {
		if prefix.Parameter != "" {
			names = append(names, prefix.Parameter)
		}
	}
	return names
}

func readRoleTrust(ctx context.Context, c guard.Clients, s icaconfig.Storage) (roleTrust, error) {
	role, err := ourRole(ctx, c, s)
	if err != nil {
		return roleTrust{}, err
	}
	got := roleTrust{Document: newDocument(role.AssumeRolePolicyDocument)}
	got.Prefixes, err = sessionNamePrefixes(ctx, c, s)
	if errors.Is(err, errPrefix) {
		got.PrefixProblem, err = err.Error(), nil
	}
	return got, err
}

// compareRoleTrust says all that is wrong: neither a Deny of others nor a prefix that cannot be used, which keep the policy
// from being written, keep it from being read. Written without one of several prefixes, it would shut out whoever shows that
// one.
func compareRoleTrust(s icaconfig.Storage, got roleTrust) guard.Comparison {
	want := trustPolicy(s, got.Prefixes)
	c := guard.Comparison{Alerts: foreignDenies(want, got.Document)}
	if got.PrefixProblem != "" {
		c = c.And(guard.Alert(got.PrefixProblem, "put the RoleSessionName prefix that ICA showed into that parameter, as a "+
			"String; nothing is written until then"))
	}
	if len(c.Alerts) > 0 {
		return c.And(openTrust(s, got))
	}
	c.Notes = severalPrefixes(s)
	return c.And(diffTrust(s, want, got.Document))
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
	if admitsICA(s, got.Prefixes, present) {
		return guard.Comparison{}
	}
	var c guard.Comparison
	for i, statement := range present.Statements() {
		if statement.IsDeny() || admitsICA(s, got.Prefixes, policy.New(statement)) {
			continue
		}
		place := policy.Place{Number: i + 1, Sid: statement.Sid}
		c = c.And(guard.Alert("the trust policy's "+place.String()+" "+faultOfTrust(s, got.Prefixes, statement), byHand))
	}
	if len(c.Alerts) == 0 {
		return guard.Alert("the trust policy is not the one that ICA needs", byHand)
	}
	return c
}

// admitsICA says that the Allow statements are those that ICA needs, with our prefixes or, where these are not known, with
// any.
func admitsICA(s icaconfig.Storage, prefixes []icaconfig.Secret, present policy.Document) bool {
	admits := policy.New(slices.DeleteFunc(present.Statements(), policy.Statement.IsDeny)...)
	if len(prefixes) == 0 {
		for _, statement := range admits.Statements() {
			for _, value := range statement.ConditionValues(sessionNameKey) {
				prefixes = append(prefixes, icaconfig.Secret(strings.TrimSuffix(value, "-*")))
			}
		}
	}
	unusable := func(prefix icaconfig.Secret) bool { return icaconfig.CheckPrefix(prefix.Reveal()) != nil }
	return len(prefixes) > 0 && !slices.ContainsFunc(prefixes, unusable) &&
		len(diffTrust(s, trustPolicy(s, prefixes), document(admits.JSON())).Diffs) == 0
}

const sessionNameKey = "sts:RoleSessionName"

// faultOfTrust says the worst of an Allow statement that is not ICA's.
func faultOfTrust(s icaconfig.Storage, prefixes []icaconfig.Secret, statement policy.Statement) string {
	switch {
	case len(statement.Principal) != 1 || !slices.Equal(statement.Principal["Federated"], policy.Values{s.Provider.ARN}):
		return "lets in others than ICA: they could take the role and read the bucket"
	case !bindsSessionName(statement):
		return "has no condition on " + sessionNameKey + " that binds it to this lab: every ICA tenant of the region could take the " +
			"role"
	case len(prefixes) == 0:
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

// trustPolicy is the wanted one; without prefixes one that lets nobody in, to compare with.
func trustPolicy(s icaconfig.Storage, prefixes []icaconfig.Secret) policy.Document {
	if len(prefixes) == 0 {
		prefixes = []icaconfig.Secret{"unknown"}
	}
	texts := make([]string, len(prefixes))
	for i, prefix := range prefixes {
		texts[i] = prefix.Reveal()
	}
	return s.TrustPolicy(texts...)
}

// severalPrefixes notes how to see which of several prefixes is still used: that of a replaced credential is to go.
func severalPrefixes(s icaconfig.Storage) []guard.Finding {
	if len(s.Role.Prefixes) < 2 {
		return nil
	}
	note := guard.Finding{
		What: fmt.Sprintf("%d RoleSessionName prefixes let ICA take the role", len(s.Role.Prefixes)),
		Remediation: "if one is that of a replaced credential, take it out of role.sessionNamePrefix in ica.yaml and deploy, once it " +
			"was not used for a week while the new one was",
	}
	parameters := prefixParameters(s)
	if len(parameters) > 0 {
		note.Remediation += "; this shows when ICA last used each, and not the prefix: " + lastUse(s, parameters)
	}
	if len(parameters) < len(s.Role.Prefixes) {
		note.Remediation += "; to see it of a prefix that stands in ica.yaml itself, keep that one in a parameter"
	}
	return []guard.Finding{note}
}

// lastUse is a command that prints when a session was last begun under the prefix of each parameter. CloudTrail has the
// call in the AWS region of the endpoint that ICA used, or, for the global endpoint, in us-east-1 (IAM User Guide,
// "Logging IAM and AWS STS API calls with AWS CloudTrail").
func lastUse(s icaconfig.Storage, parameters []string) string {
	regions := []string{s.Region.AWS}
	if s.Region.AWS != icaconfig.IAMRegion {
		regions = append(regions, icaconfig.IAMRegion)
	}
	return fmt.Sprintf(`for name in %s; do prefix=$(aws ssm get-parameter --region %s --name $name --query Parameter.Value --output text); `+
		`for region in %s; do echo $name $region $(aws cloudtrail lookup-events --region $region --max-items 1000 --output json `+
		`--lookup-attributes AttributeKey=EventName,AttributeValue=AssumeRoleWithWebIdentity `+
		`--query "Events[?contains(CloudTrailEvent, ':role%s%s\"') && contains(CloudTrailEvent, '$prefix-')] | [0].EventTime"); done; done`,
		strings.Join(parameters, " "), s.Home.HomeRegion, strings.Join(regions, " "), s.Role.Path, s.Role.Name)
}

func putRoleTrust(ctx context.Context, c guard.Clients, s icaconfig.Storage, got roleTrust) error {
	_, err := iamClient(c).UpdateAssumeRolePolicy(ctx, &iam.UpdateAssumeRolePolicyInput{
		RoleName: &s.Role.Name, PolicyDocument: aws.String(trustPolicy(s, got.Prefixes).JSON()),
	})
	if err != nil {
		return fmt.Errorf("update trust policy of role %s: %w", s.Role.Name, err)
	}
	return nil
}

// errPrefix says that there is no prefix to be used; the parameter's owner has to act.
var errPrefix = errors.New("the RoleSessionName prefix cannot be used")

// sessionNamePrefixes are all of the role, or the first error: of some it makes no use.
func sessionNamePrefixes(ctx context.Context, c guard.Clients, s icaconfig.Storage) ([]icaconfig.Secret, error) {
	var all []icaconfig.Secret
	for _, prefix := range s.Role.Prefixes {
		one, err := sessionNamePrefix(ctx, c, s, prefix)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(all, one) { // two parameters may hold the same
			all = append(all, one)
		}
	}
	return all, nil
}

// sessionNamePrefix is a literal prefix, or reads its parameter and checks it as a literal is checked at synth.
func sessionNamePrefix(
	ctx context.Context, c guard.Clients, s icaconfig.Storage, from icaconfig.SessionNamePrefix,
) (icaconfig.Secret, error) {
	if from.Parameter == "" {
		return from.Literal, nil
	}
	out, err := ssmClient(c, s).GetParameter(ctx, &ssm.GetParameterInput{Name: &from.Parameter})
	var missing *types.ParameterNotFound
	switch {
	case errors.As(err, &missing):
		return "", fmt.Errorf("%w: parameter %s does not exist", errPrefix, from.Parameter)
	case err != nil:
		return "", fmt.Errorf("get parameter %s: %w", from.Parameter, err)
	case out.Parameter == nil:
		return "", fmt.Errorf("get parameter %s: %w", from.Parameter, awserr.ErrBroken)
	case out.Parameter.Type != types.ParameterTypeString:
		return "", fmt.Errorf("%w: parameter %s is a %s, not a String", errPrefix, from.Parameter, out.Parameter.Type)
	}
	prefix := aws.ToString(out.Parameter.Value)
	if err := icaconfig.CheckPrefix(prefix); err != nil {
		return "", fmt.Errorf("%w: parameter %s: %w", errPrefix, from.Parameter, err)
	}
	return icaconfig.Secret(prefix), nil
}
