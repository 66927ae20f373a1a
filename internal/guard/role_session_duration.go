package guard

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// roleSession is what UpdateRole writes. The description is carried along, never compared: it is the user's.
type roleSession struct {
	seconds     int32
	description *string
}

func roleSessionDuration() Setting {
	return define(Setting{
		ID:    "role-session-duration",
		Title: "Maximum session duration of the IAM role is 12 hours",
		Breaks: "the storage configuration goes offline: " +
			`"Invalid Role Session Duration Set Maximum session Duration to 12 hours."`,
		ByHand: func(s icaconfig.Storage) string {
			return fmt.Sprintf("IAM console, role %s, Edit: set the maximum session duration to 12 hours", s.Role.Name)
		},
		On:       OnRole,
		Triggers: []Trigger{roleEvents("UpdateRole", "UpdateRoleDescription")},
		Reads:    []Action{{"iam:GetRole", OnRole}},
		Writes:   []Action{{"iam:UpdateRole", OnRole}},
	}, spec[roleSession]{
		want: func(s icaconfig.Storage) roleSession { return roleSession{seconds: s.Role.MaxSessionDuration} },
		read: readRoleSession,
		diff: diffRoleSession,
		put:  putRoleSession,
	})
}

func readRoleSession(ctx context.Context, c Clients, s icaconfig.Storage) (roleSession, error) {
	out, err := c.iam().GetRole(ctx, &iam.GetRoleInput{RoleName: &s.Role.Name})
	if err != nil {
		return roleSession{}, fmt.Errorf("get role %s: %w", s.Role.Name, err)
	}
	return roleSession{seconds: aws.ToInt32(out.Role.MaxSessionDuration), description: out.Role.Description}, nil
}

func diffRoleSession(want, got roleSession) []Diff {
	if got.seconds == want.seconds {
		return nil
	}
	return []Diff{{Path: "MaxSessionDuration", Want: seconds(want.seconds), Got: seconds(got.seconds)}}
}

func seconds(n int32) string { return strconv.Itoa(int(n)) + " s" }

// putRoleSession sends duration and present description together: UpdateRole resets an omitted duration to one hour
// (https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateRole.html), and an omitted description may be lost.
func putRoleSession(ctx context.Context, c Clients, s icaconfig.Storage, want, got roleSession) error {
	_, err := c.iam().UpdateRole(ctx, &iam.UpdateRoleInput{
		RoleName:           &s.Role.Name,
		MaxSessionDuration: &want.seconds,
		Description:        got.description,
	})
	if err != nil {
		return fmt.Errorf("update role %s: %w", s.Role.Name, err)
	}
	return nil
}
