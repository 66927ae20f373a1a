package guard

import "github.com/icaguard/icaguard/internal/icaconfig"

// GateStatements allow what the gates read: the state of our own stacks, and the pauses.
func GateStatements(b icaconfig.Baseline) []Statement {
	return nil
}
