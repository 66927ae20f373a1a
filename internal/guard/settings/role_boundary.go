package settings

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// boundaryState is the role's permissions boundary; that of others is read as well as named.
type boundaryState struct {
	ARN        string // "": none
	Document   document
	Unreadable string // why its content is not known
	Use        roleUse
}

func roleBoundary() guard.Setting {
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:     "role-boundary",
			Title:  "The role has the permissions boundary that ica.yaml asks for, and it permits what ICA needs",
			Effect: "the limit of what policies on the role could give it; a boundary that is not ours may keep ICA from the bucket",
			Remediation: func(s icaconfig.Storage) string {
				return fmt.Sprintf("IAM console, role %s: set the permissions boundary %s", s.Role.Name, s.Role.Boundary.ARN)
			},
			On: guard.OnRole,
			Triggers: []guard.Trigger{
				roleEvents("PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary"), demandedBoundaryEvents(),
			},
			Reads: slices.Concat(
				guard.Actions(guard.OnRole, "iam:GetRole"), guard.Actions(guard.OnPolicies, "iam:GetPolicy", "iam:GetPolicyVersion"),
				guard.Actions(guard.OnBucket, "s3:GetBucketVersioning")),
		},
		Writes: guard.OnlyIf(
			wantsBoundary, guard.WithCondition(withBoundary, guard.Actions(guard.OnRole, "iam:PutRolePermissionsBoundary")),
		),
	}, guard.Spec[boundaryState]{Read: readRoleBoundary, Compare: compareRoleBoundary, Put: putRoleBoundary})
}

// demandedBoundaryEvents is a trigger for the content of a boundary that an organisation demands. Ours is watched by the
// self check guard-role.
func demandedBoundaryEvents() guard.Trigger {
	return guard.Trigger{
		Source: "aws.iam", Events: policyVersionEvents(), Parameter: "policyArn",
		Names: func(s icaconfig.Storage) []string {
			if s.Role.Boundary.Ours {
				return nil
			}
			return []string{s.Role.Boundary.ARN}
		},
	}
}

// withBoundary lets the guard create the role, set its boundary and attach ICA's policy with the configured boundary
// only. The key is text: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html. That
// page does not list it for UpdateAssumeRolePolicy and UpdateRole, the Service Authorization Reference does; a condition
// there could deny our own restore, which closes access, and bounds little: CreatePolicyVersion knows no such key.
func withBoundary(s icaconfig.Storage) policy.Condition {
	if !wantsBoundary(s) {
		return nil
	}
	return policy.Condition{"StringEquals": {"iam:PermissionsBoundary": {s.Role.Boundary.ARN}}}
}

func wantsBoundary(s icaconfig.Storage) bool { return s.Role.Boundary.ARN != "" }

// readRoleBoundary reads the content too, unless it is ours. One that may not be read keeps nothing else from being
// compared.
func readRoleBoundary(ctx context.Context, c guard.Clients, s icaconfig.Storage) (boundaryState, error) {
	role, err := ourRole(ctx, c, s)
	if err != nil || role.PermissionsBoundary == nil {
		return boundaryState{}, err
	}
	got := boundaryState{ARN: aws.ToString(role.PermissionsBoundary.PermissionsBoundaryArn)}
	if s.Role.Boundary.Ours && got.ARN == s.Role.Boundary.ARN {
		return got, nil
	}
	got.Document, err = managedDocument(ctx, c, got.ARN)
	switch {
	case err == nil:
		got.Use, err = readRoleUse(ctx, c, s)
	case awserr.Classify(err) != awserr.Transient:
		got.Unreadable, err = awserr.Brief(err), nil
	}
	return got, err
}

// compareRoleBoundary puts back a boundary that was removed. Another one was set by somebody who may: that is a person's.
func compareRoleBoundary(s icaconfig.Storage, got boundaryState) guard.Comparison {
	want := s.Role.Boundary.ARN
	switch {
	case got.ARN == "" && want == "", got.ARN == want && s.Role.Boundary.Ours:
		return guard.Comparison{}
	case got.ARN == "":
		return guard.Comparison{Diffs: []guard.Diff{{Path: "PermissionsBoundary", Expected: want, Found: "none"}}}
	case got.ARN == want:
		return got.judge(s)
	case want == "":
		return guard.Comparison{Notes: []guard.Finding{got.finding(
			fmt.Sprintf("role %s has the permissions boundary %s, which ica.yaml does not name", s.Role.Name, got.ARN),
			"write it into role.boundary in ica.yaml, so that its removal and a change of its content are noticed",
		)}}.And(got.judge(s))
	}
	return guard.Comparison{Alerts: []guard.Finding{got.finding(
		fmt.Sprintf("role %s has the permissions boundary %s instead of %s", s.Role.Name, got.ARN, want),
		"ask who set it; if it is to stay, check that it allows what ICA needs and write it into role.boundary in ica.yaml",
	).As("instead of " + want)}}.And(got.judge(s))
}

// judge says what a boundary that is not ours takes from ICA: what it denies, and what it does not permit, as a role can
// do only what both its policies and its boundary allow
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html).
func (b boundaryState) judge(s icaconfig.Storage) guard.Comparison {
	if b.Unreadable != "" {
		return guard.Comparison{Notes: []guard.Finding{b.finding(
			"the content of "+b.String()+" cannot be read, so whether it permits what ICA needs is not checked: "+
				policy.Mask(b.Unreadable), "let icaguard's roles read it, or ask its owner").
			As("not read")}}
	}
	content, err := b.Document.parse()
	if err != nil {
		return guard.Comparison{Alerts: []guard.Finding{b.finding(
			b.String()+" does not parse, so nobody knows what it permits: "+err.Error(), b.remediation()).
			As("not a policy")}}
	}
	denied, mayDeny := b.Use.denials(s, content)
	lacked, mayLack := b.Use.lacks(s, content)
	var v guard.Comparison
	if texts := said(denied, "no statement permits ", lacked); texts != "" {
		v.Alerts = append(v.Alerts, b.finding(b.String()+" keeps ICA from "+served(s)+": "+texts, b.remediation()).
			As("denies "+served(s)))
	}
	if texts := said(mayDeny, "whether a statement permits it is not certain for ", mayLack); texts != "" {
		v.Notes = append(v.Notes, b.finding(b.String()+" may keep ICA from "+served(s)+": "+texts, b.remediation()).
			As("may deny "+served(s)))
	}
	return v
}

// said joins what Denies say with the calls that are lacking.
func said(denials []string, introduction string, lacks []string) string {
	texts := slices.Clone(denials)
	if len(lacks) > 0 {
		texts = append(texts, introduction+strings.Join(lacks, ", "))
	}
	return strings.Join(texts, "; ")
}

func (b boundaryState) String() string { return "the permissions boundary " + b.ARN }

func (b boundaryState) remediation() string {
	return "ask the owner of " + b.ARN + " to permit what icaguard render permission-policy prints, or name another boundary in " +
		"role.boundary of ica.yaml; icaguard never changes or replaces it"
}

func (b boundaryState) finding(what, remediation string) guard.Finding {
	return guard.Finding{What: what, Remediation: remediation}.About(b.ARN, string(b.Document))
}

func putRoleBoundary(ctx context.Context, c guard.Clients, s icaconfig.Storage, _ boundaryState) error {
	_, err := iamClient(c).PutRolePermissionsBoundary(ctx, &iam.PutRolePermissionsBoundaryInput{
		RoleName: &s.Role.Name, PermissionsBoundary: &s.Role.Boundary.ARN,
	})
	if err != nil {
		return fmt.Errorf("put boundary of role %s: %w", s.Role.Name, err)
	}
	return nil
}
