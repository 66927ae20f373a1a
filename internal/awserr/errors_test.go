package awserr

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/aws/smithy-go"
)

func TestClassify(t *testing.T) {
	api := func(code, message string) error {
		return fmt.Errorf(
			"read: %w",
			&smithy.OperationError{ServiceID: "IAM", Err: &smithy.GenericAPIError{Code: code, Message: message}},
		)
	}
	for _, c := range []struct {
		name string
		err  error
		want Class
	}{
		{"bucket gone", api("NoSuchBucket", ""), Gone},
		{"role gone", api("NoSuchEntity", ""), Gone},
		{
			"denied by nothing in particular", api("AccessDenied", "because no identity-based policy allows the iam:GetRole action"),
			Denied,
		},
		{"denied by an SCP", api("AccessDenied", "with an explicit deny in a service control policy"), ExplicitDeny},
		{"throttled", api("Throttling", "Rate exceeded"), Transient},
		{"slow down", api("SlowDown", ""), Transient},
		{"a stale read said gone", api("EntityAlreadyExists", ""), Transient},
		{"a principal not spread yet", api("MalformedPolicy", "Invalid principal in policy"), Transient},
		{"our own fault", api("MalformedPolicy", "Missing required field"), Final},
		{"quota", api("LimitExceeded", ""), Final},
		{"no answer", fmt.Errorf("read: %w", &smithy.OperationError{ServiceID: "S3", Err: errors.New("connection reset")}), Transient},
		{"no time left", context.DeadlineExceeded, Transient},
		{"not of AWS at all", errors.New("broken"), Final},
	} {
		if got := Classify(c.err); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
