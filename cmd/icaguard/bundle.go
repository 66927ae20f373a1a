package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/icaconfig"
)

// newBundle copies a configuration with its documents. It is hidden: the build calls it.
func newBundle() *cobra.Command {
	return &cobra.Command{
		Use:    "bundle FOLDER",
		Short:  "Copy the configuration and the documents that it names into a folder, as ica.yaml",
		Args:   cobra.ExactArgs(1),
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := cmd.Flags().GetString("config")
			if err != nil {
				return fmt.Errorf("flags: %w", err)
			}
			return bundle(config, args[0])
		},
	}
}

func bundle(config, folder string) error {
	file, err := icaconfig.Load(config, settings.Exceptable())
	if err != nil {
		return err
	}
	if err := copyFile(config, filepath.Join(folder, "ica.yaml")); err != nil {
		return err
	}
	for _, name := range icaconfig.DocumentFiles(file) {
		if err := copyFile(filepath.Join(filepath.Dir(config), name), filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	if err := os.WriteFile(to, data, 0o644); err != nil { //nolint:gosec // Lambda reads the file as another user
		return fmt.Errorf("bundle: %w", err)
	}
	return nil
}
