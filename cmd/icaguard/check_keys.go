package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/icaguard/icaguard/internal/discover"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// newCheckKeys refuses a deploy after which ICA could not read what it wrote. It is hidden: make runs it before each.
func newCheckKeys() *cobra.Command {
	return &cobra.Command{
		Use:    "check-keys",
		Short:  "Refuse a configuration that takes a KMS key from ICA's live policy, unless it says so",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := newSession(cmd)
			if err != nil {
				return err
			}
			return s.checkKeys(cmd.Context())
		},
	}
}

var errDropsKeys = errors.New(
	"a deploy would take KMS keys from ICA's policy, and ICA could read no object that is encrypted with them",
)

func (s session) checkKeys(ctx context.Context) error {
	var lines []string
	for _, role := range s.baseline.Roles {
		if role.DropsKeys {
			continue
		}
		keys, err := discover.DroppedKeys(ctx, s.aws, role)
		if err != nil {
			return fmt.Errorf("%w; use credentials that may read it, as a deploy that drops a key makes objects unreadable", err)
		}
		for _, key := range keys {
			lines = append(lines, dropsKey(role, key))
		}
	}
	if lines != nil {
		return fmt.Errorf("%w:\n%s", errDropsKeys, strings.Join(lines, "\n"))
	}
	return nil
}

func dropsKey(role *icaconfig.Role, key discover.DroppedKey) string {
	keep := "write into ica.yaml, at the storage whose bucket encrypted with it"
	if !role.Own.Empty() {
		keep = "allow kms:Decrypt on it in documents.permissionPolicy, and " + keep
	}
	return fmt.Sprintf(`%[1]s
  of storage %[2]s: policy %[3]s lets role %[4]s decrypt with it, and ica.yaml no longer does
  objects are encrypted with it: %[5]s
    kms: {previousKeys: ["%[1]s"]}
  no object is, not even an old version: for this one deploy, write
    kms: {dropPreviousKey: true}`, key.Key, strings.Join(role.Storages, ", "), key.Policy, role.Name, keep)
}
