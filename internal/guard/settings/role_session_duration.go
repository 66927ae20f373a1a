package settings

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// roleSession is what UpdateRole writes. The description is carried along, never compared: it is the
// user's; only where there is none, as on a role recreated by hand, it is that of ica.yaml.
type roleSession struct {
	Seconds     int32
	Description string
}

func roleSessionDuration() guard.Setting {
	return guard.Define(guard.Setting{
		Row: guard.Row{
			ID:    "role-session-duration",
			Title: "Maximum session duration of the IAM role is 12 hours",
			Effect: "the storage configuration goes offline: " +
				`"Invalid Role Session Duration Set Maximum session Duration to 12 hours."`,
			Remediation: func(s icaconfig.Storage) string {
				return fmt.Sprintf("IAM console, role %s, Edit: set the maximum session duration to 12 hours", s.Role.Name)
			},
			On:       guard.OnRole,
			Triggers: []guard.Trigger{roleEvents("UpdateRole", "UpdateRoleDescription")},
			Reads:    guard.Actions(guard.OnRole, "iam:GetRole"),
		},
		Writes: guard.Actions(guard.OnRole, "iam:UpdateRole"),
	}, guard.Spec[roleSession]{Read: readRoleSession, Compare: compareRoleSession, Put: putRoleSession})
}

func readRoleSession(ctx context.Context, c guard.Clients, s icaconfig.Storage) (roleSession, error) {
	role, err := ourRole(ctx, c, s)
	if err != nil {
		return roleSession{}, err
	}
	return roleSession{Seconds: aws.ToInt32(role.MaxSessionDuration), Description: aws.ToString(role.Description)}, nil
}

func compareRoleSession(s icaconfig.Storage, got roleSession) guard.Comparison {
	if got.Seconds == s.Role.MaxSessionDuration {
		return guard.Comparison{}
	}
	return guard.Comparison{
		Diffs: []guard.Diff{{Path: "MaxSessionDuration", Expected: seconds(s.Role.MaxSessionDuration), Found: seconds(got.Seconds)}},
	}
}

func seconds(n int32) string { return strconv.Itoa(int(n)) + " s" }

// putRoleSession sends duration and present description together, which is right whatever UpdateRole does with what is
// left out: AWS's page says that an omitted duration becomes one hour
// (https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateRole.html), a report says that it stays.
func putRoleSession(ctx context.Context, c guard.Clients, s icaconfig.Storage, got roleSession) error {
	_, err := iamClient(c).UpdateRole(ctx, &iam.UpdateRoleInput{
		RoleName:           &s.Role.Name,
		MaxSessionDuration: &s.Role.MaxSessionDuration,
		Description:        optional(cmp.Or(got.Description, s.Role.Description)),
	})
	if err != nil {
		return fmt.Errorf("update role %s: %w", s.Role.Name, err)
	}
	return nil
}
