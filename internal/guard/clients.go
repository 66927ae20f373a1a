package guard

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Clients is what rows call AWS with. Each row makes the SDK client that it needs; they share the configuration's HTTP
// connections.
type Clients struct {
	Config aws.Config
	// Account is sent as ExpectedBucketOwner with every S3 call: a bucket deleted and taken by a stranger is never touched.
	Account string
	// RoleARN is the role whose credentials Config has; "" if that is not known, as on the command line.
	RoleARN string
	// Store keeps what a later check or a person may need. It is nil where there is none (the command line before a deploy).
	Store Store
	// pass holds what was read before in the same pass; nil: everything is read.
	pass *pass
}

// Store is what icaguard keeps between checks. An implementation connects when it is first used, so that a check that
// finds nothing costs nothing.
type Store interface {
	// Backup stores a value that a restore is about to replace, in the original, and answers its key.
	Backup(ctx context.Context, b Backup) (key string, err error)
	// BackedUp answers what was stored under a key for a setting of a resource; false if nothing was in the last day.
	BackedUp(ctx context.Context, resource, setting, key string) (b Backup, found bool, err error)
	// Put stores the latest value of something about a resource.
	Put(ctx context.Context, resource, what, value string) error
	// Get returns what was put, "" if nothing was.
	Get(ctx context.Context, resource, what string) (string, error)
}

// Backup is a value that a restore replaced, so that it can be undone, and what there is to tell of that restore.
type Backup struct {
	Resource, Setting string
	Value             string // JSON of the setting's state
	Diffs             []Diff
	Events            []Event
}
