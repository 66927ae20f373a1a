package settings

import (
	"fmt"

	"github.com/icaguard/icaguard/internal/awserr"
)

// element is the part of an answer that AWS always sends. A 200 without it is no answer: it passes, and says nothing
// about the resource.
func element[T any](part *T, what string) (*T, error) {
	if part == nil {
		return nil, fmt.Errorf("%s: %w", what, awserr.ErrBroken)
	}
	return part, nil
}
