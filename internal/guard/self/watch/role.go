package watch

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/icaguard/icaguard/internal/awserr"
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// readMissingRoles lists the roles that do not exist.
func readMissingRoles(ctx context.Context, c guard.Clients, s icaconfig.Storage) ([]string, error) {
	var missing []string
	for _, name := range self.Roles(s.Home) {
		_, err := iam.NewFromConfig(c.Config).GetRole(ctx, &iam.GetRoleInput{RoleName: &name})
		switch {
		case awserr.Classify(err) == awserr.Gone:
			missing = append(missing, name)
		case err != nil:
			return nil, fmt.Errorf("get role %s: %w", name, err)
		}
	}
	return missing, nil
}

func compareMissingRoles(s icaconfig.Storage, missing []string) guard.Comparison {
	var v guard.Comparison
	for _, name := range missing {
		v.Alerts = append(v.Alerts, guard.Finding{What: "role " + name + " of the guard does not exist", Remediation: self.Redeploy(s)})
	}
	return v
}
