package watch

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// guardRole is what is there of one of the guard's roles.
type guardRole struct {
	Name     string
	Exists   bool
	Boundary string // ARN of its permissions boundary
}

func readGuardRoles(ctx context.Context, c guard.Clients, s icaconfig.Storage) ([]guardRole, error) {
	var roles []guardRole
	for _, name := range self.Roles(s.Home) {
		role, err := readGuardRole(ctx, c, name)
		if err != nil {
			return nil, err
		}
		roles = append(roles, role)
	}
	return roles, nil
}

func readGuardRole(ctx context.Context, c guard.Clients, name string) (guardRole, error) {
	out, err := iam.NewFromConfig(c.Config).GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
	switch {
	case awserr.Classify(err) == awserr.Gone:
		return guardRole{Name: name}, nil
	case err != nil:
		return guardRole{}, fmt.Errorf("get role %s: %w", name, err)
	case out.Role == nil:
		return guardRole{}, fmt.Errorf("get role %s: %w", name, awserr.ErrBroken)
	}
	role := guardRole{Name: name, Exists: true}
	if out.Role.PermissionsBoundary != nil {
		role.Boundary = aws.ToString(out.Role.PermissionsBoundary.PermissionsBoundaryArn)
	}
	return role, nil
}

func compareGuardRoles(s icaconfig.Storage, roles []guardRole) guard.Comparison {
	var v guard.Comparison
	for _, role := range roles {
		v = v.And(compareGuardRole(s, role))
	}
	return v
}

func compareGuardRole(s icaconfig.Storage, role guardRole) guard.Comparison {
	want := s.Home.GuardBoundary
	switch {
	case !role.Exists:
		return guard.Alert("role "+role.Name+" of the guard does not exist", self.Redeploy(s))
	case role.Boundary == want:
		return guard.Comparison{}
	case want == "":
		return guard.Note(
			fmt.Sprintf("role %s of the guard has the permissions boundary %s, which ica.yaml does not name", role.Name, role.Boundary),
			"write it into guard.boundary in ica.yaml, so that its removal is noticed",
		)
	}
	return guard.Alert(
		fmt.Sprintf("role %s of the guard has the permissions boundary %q, expected %s", role.Name, role.Boundary, want),
		self.Redeploy(s),
	)
}
