package settings

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// roleIdentity is whether the role is there, where, and with which tags.
type roleIdentity struct {
	Exists bool
	ARN    string // with the path
	Tags   map[string]string
}

func role() guard.Setting {
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:     "role",
			Title:  "The IAM role that ICA assumes exists, at its path and with our tags",
			Effect: `the storage configuration: "GetTemporaryCredentialsAsync Failed with STS error"`,
			Remediation: func(s icaconfig.Storage) string {
				return fmt.Sprintf(
					"create role %s at path %s as icaguard render trust-policy says, or deploy again", s.Role.Name, s.Role.Path,
				)
			},
			On:       guard.OnRole,
			Triggers: append([]guard.Trigger{roleEvents("TagRole", "UntagRole")}, prefixEvents()...), // a role is created with its trust
			Reads:    guard.Actions(guard.OnRoleAnyPath, "iam:GetRole"),
		},
		Writes: slices.Concat(
			guard.WithCondition(withBoundary, guard.Actions(guard.OnRole, "iam:CreateRole")),
			guard.OnlyIf(created, guard.WithCondition(ourTags, guard.Actions(guard.OnRole, "iam:TagRole"))),
			guard.Actions(guard.OnParameter, "ssm:GetParameter"),
		),
	}, guard.Spec[roleIdentity]{Read: readRoleIdentity, Compare: compareRoleIdentity, Put: putRole})
}

func readRoleIdentity(ctx context.Context, c guard.Clients, s icaconfig.Storage) (roleIdentity, error) {
	role, err := roleOfName(ctx, c, s)
	if awserr.Classify(err) == awserr.Gone {
		return roleIdentity{}, nil
	}
	if err != nil {
		return roleIdentity{}, err
	}
	tags := map[string]string{}
	for _, tag := range role.Tags {
		tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	return roleIdentity{Exists: true, ARN: aws.ToString(role.Arn), Tags: tags}, nil
}

func compareRoleIdentity(s icaconfig.Storage, got roleIdentity) guard.Comparison {
	switch {
	case !got.Exists:
		return guard.Comparison{Diffs: []guard.Diff{{Path: "role " + s.Role.Name, Expected: "exists", Found: "does not exist"}}}
	case got.ARN != s.Role.ARN:
		return guard.Alert(
			fmt.Sprintf("role %s stands at %s, ica.yaml says %s: icaguard does not touch it", s.Role.Name, got.ARN, s.Role.ARN),
			"delete or rename that role, or correct role.path in ica.yaml",
		)
	}
	var v guard.Comparison
	for _, key := range slices.Sorted(maps.Keys(wantTags(s))) {
		if want := wantTags(s)[key]; got.Tags[key] != want {
			v.Diffs = append(v.Diffs, guard.Diff{Path: "tag " + key, Expected: want, Found: got.Tags[key]})
		}
	}
	return v.And(perimeterTags(s, got))
}

// perimeterTags tells of tags by which an organisation's policies choose whom they bind: AWS's data perimeter examples
// begin them so (https://github.com/aws-samples/data-perimeter-policy-examples). Those policies cannot be read from here.
func perimeterTags(s icaconfig.Storage, got roleIdentity) guard.Comparison {
	var v guard.Comparison
	for _, key := range slices.Sorted(maps.Keys(got.Tags)) {
		if len(key) < len("dp:") || !strings.EqualFold(key[:len("dp:")], "dp:") {
			continue
		}
		v = v.And(guard.Note(
			fmt.Sprintf("role %s has the tag %s=%s, at which policies of an organisation may look that cannot be seen from here: they "+
				"may keep ICA out", s.Role.Name, key, got.Tags[key]),
			"if ICA is refused, ask who keeps the organisation's SCPs and RCPs what this tag does; ICA calls from Illumina's network"))
	}
	return v
}

// wantTags are our tags on roles that we create; an adopted role keeps the lab's own.
func wantTags(s icaconfig.Storage) map[string]string {
	if s.Role.Existing {
		return nil
	}
	return s.Role.Tags
}

// created roles carry our tags.
func created(s icaconfig.Storage) bool { return !s.Role.Existing }

// ourTags lets the guard put our tags and no others: a lab's policies may give rights to whoever has a certain tag. Keys
// may have any letters, policy documents have those of Latin-1 (IAM API, CreatePolicy); with others there is no condition.
func ourTags(s icaconfig.Storage) policy.Condition {
	keys := slices.Sorted(maps.Keys(s.Role.Tags))
	if strings.ContainsFunc(strings.Join(keys, ""), func(r rune) bool { return r > unicode.MaxLatin1 }) {
		return nil
	}
	return policy.Condition{"ForAllValues:StringEquals": {"aws:TagKeys": keys}}
}

func putRole(ctx context.Context, c guard.Clients, s icaconfig.Storage, got roleIdentity) error {
	if !got.Exists {
		return createRole(ctx, c, s)
	}
	_, err := iamClient(c).TagRole(ctx, &iam.TagRoleInput{RoleName: &s.Role.Name, Tags: iamTags(wantTags(s))})
	if err != nil {
		return fmt.Errorf("tag role %s: %w", s.Role.Name, err)
	}
	return nil
}

// createRole makes the role complete in one call, with its boundary, so that it is never there without one.
func createRole(ctx context.Context, c guard.Clients, s icaconfig.Storage) error {
	prefixes, err := sessionNamePrefixes(ctx, c, s)
	if err != nil {
		return err
	}
	_, err = iamClient(c).CreateRole(ctx, &iam.CreateRoleInput{
		RoleName:                 &s.Role.Name,
		Path:                     &s.Role.Path,
		Description:              optional(s.Role.Description),
		AssumeRolePolicyDocument: aws.String(trustPolicy(s, prefixes).JSON()),
		MaxSessionDuration:       &s.Role.MaxSessionDuration,
		PermissionsBoundary:      optional(s.Role.Boundary.ARN),
		Tags:                     iamTags(wantTags(s)),
	})
	if err != nil {
		return fmt.Errorf("create role %s: %w", s.Role.Name, err)
	}
	return nil
}

func iamTags(tags map[string]string) []types.Tag {
	var out []types.Tag
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, types.Tag{Key: &key, Value: aws.String(tags[key])})
	}
	return out
}

// optional is nil for "": AWS refuses empty values where it means "none".
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// ourRole reads the role for the settings on it.
func ourRole(ctx context.Context, c guard.Clients, s icaconfig.Storage) (*types.Role, error) {
	role, err := roleOfName(ctx, c, s)
	if err != nil {
		return nil, err
	}
	if aws.ToString(role.Arn) != s.Role.ARN {
		return nil, fmt.Errorf("get role %s: %w: %s", s.Role.Name, guard.ErrOtherPath, aws.ToString(role.Arn))
	}
	return role, nil
}

// roleOfName reads the role that bears our name, wherever it stands.
func roleOfName(ctx context.Context, c guard.Clients, s icaconfig.Storage) (*types.Role, error) {
	return guard.ReadOnce(c, "GetRole "+s.Role.Name, func() (*types.Role, error) {
		out, err := iamClient(c).GetRole(ctx, &iam.GetRoleInput{RoleName: &s.Role.Name})
		if err != nil {
			return nil, fmt.Errorf("get role %s: %w", s.Role.Name, err)
		}
		return element(out.Role, "get role "+s.Role.Name)
	})
}
