package settings

import (
	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// bucketEvents is a trigger for the bucket. Events that create or delete it concern every setting on it.
func bucketEvents(names ...string) guard.Trigger {
	return guard.Trigger{
		Source:    "aws.s3",
		Events:    append(names, "CreateBucket", "DeleteBucket"),
		Parameter: "bucketName",
		Names:     func(s icaconfig.Storage) []string { return []string{s.Bucket.Name} },
	}
}

// roleEvents is a trigger for the role. IAM events name a role by its name alone, without path or ARN.
func roleEvents(names ...string) guard.Trigger {
	return guard.Trigger{
		Source:    "aws.iam",
		Events:    append(names, "CreateRole", "DeleteRole"),
		Parameter: "roleName",
		Names:     func(s icaconfig.Storage) []string { return []string{s.Role.Name} },
	}
}
