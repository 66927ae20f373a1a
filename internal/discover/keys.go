package discover

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// DroppedKey is a KMS key that ICA may decrypt with and that a deploy would take from it.
type DroppedKey struct {
	Key    string // ARN
	Policy string // which allows it: an ARN, or the name of an inline policy
}

// DroppedKeys compares the live policies of a role, and its boundary if that is ours, with what ica.yaml makes of them.
// A role or policy that does not exist drops nothing. The error says what could not be read: then nobody knows.
func DroppedKeys(ctx context.Context, cfg aws.Config, role *icaconfig.Role) ([]DroppedKey, error) {
	l := &surveyor{cfg: cfg, iam: iam.NewFromConfig(cfg)}
	all, err := l.policies(ctx, role.Name)
	if err != nil {
		return nil, err
	}
	for _, arn := range ours(role) {
		if slices.ContainsFunc(all, func(p Policy) bool { return p.ARN == arn }) {
			continue
		}
		p := Policy{Name: arn, ARN: arn}
		if err := l.policy(ctx, role.Name, &p); err != nil {
			return nil, err
		}
		if p.Problem != unread {
			all = append(all, p)
		}
	}
	if len(l.found.Denied) > 0 {
		return nil, fmt.Errorf("discover: it is not known which KMS keys the policies of role %s name: AWS refuses %s", role.Name,
			joined(l.found.Denied))
	}
	return dropped(role, all)
}

func joined(denied []Denied) string {
	texts := make([]string, len(denied))
	for i, d := range denied {
		texts[i] = d.String()
	}
	return strings.Join(texts, ", ")
}

// ours are the policies that a deploy writes.
func ours(role *icaconfig.Role) []string {
	if role.Boundary.Ours {
		return []string{role.Policy.ARN, role.Boundary.ARN}
	}
	return []string{role.Policy.ARN}
}

func dropped(role *icaconfig.Role, live []Policy) ([]DroppedKey, error) {
	var all []DroppedKey
	for _, p := range live {
		if !changes(role, live, p) {
			continue
		}
		if p.Problem != "" {
			return nil, fmt.Errorf("discover: it is not known which KMS keys policy %s of role %s names: %s", p.Name, role.Name, p.Problem)
		}
		for _, key := range icaconfig.DroppedKeys(p.Document, role.Policy.Document) {
			if !slices.ContainsFunc(all, func(d DroppedKey) bool { return d.Key == key }) {
				all = append(all, DroppedKey{key, p.Name})
			}
		}
	}
	return all, nil
}

// changes says whether the deploy takes away what a live policy allows. It writes the policy and the boundary that are
// ours. Policies of others stay, but they allow nothing more where our boundary comes to the role or where role.strict
// removes them; and one of another name was ours where ica.yaml gives the policy a new name.
func changes(role *icaconfig.Role, live []Policy, p Policy) bool {
	there := func(arn string) bool { return slices.ContainsFunc(live, func(p Policy) bool { return p.ARN == arn }) }
	switch {
	case role.Boundary.Ours && p.ARN == role.Boundary.ARN:
		return true
	case role.Existing && role.Mode == icaconfig.Observe:
		return false
	case p.ARN == role.Policy.ARN:
		return true
	case role.Boundary.Ours && there(role.Boundary.ARN):
		return false // what policies of others allow beyond the boundary was never allowed
	}
	return role.Boundary.Ours || role.Strict || !role.Existing && !there(role.Policy.ARN)
}
