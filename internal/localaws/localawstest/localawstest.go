// Package localawstest starts a local AWS for the length of a test. It is apart so that no other binary links testing.
package localawstest

import (
	"testing"

	"github.com/icaguard/icaguard/internal/localaws"
)

// Region is the AWS region of every lab.
const Region = "us-east-1"

// Start runs a local AWS until the test ends. The test fails if the recorder could not deliver an event.
func Start(t testing.TB) *localaws.AWS {
	t.Helper()
	return StartWith(t, localaws.Options{})
}

// StartWith is Start with options.
func StartWith(t testing.TB, options localaws.Options) *localaws.AWS {
	t.Helper()
	aws, err := localaws.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := aws.Close(); err != nil {
			t.Error(err)
		}
	})
	return aws
}
