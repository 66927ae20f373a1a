package main

import (
	"bytes"
	"flag"
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/localaws/localawstest"
)

// Tests of all packages take -update; this one has no golden files.
var _ = flag.Bool("update", false, "rewrite golden files")

// TestDemo plays the demo, which fails by itself unless everything is read back as restored. What people see must show
// the way that an event of another region takes.
func TestDemo(t *testing.T) {
	localawstest.DependOn(t, "cdk", "functions/remediate", "functions/validate")
	t.Chdir("../..")
	var screen bytes.Buffer
	if err := run(t.Context(), &screen); err != nil {
		t.Fatalf("%v\n%s", err, screen.Bytes())
	}
	for _, text := range []string{
		"no differences",
		"rule icaguard-relay-s3 in eu-central-1 → home bus → rule icaguard-events-s3 → SQS icaguard-requests → Lambda: " +
			"DeleteBucketCors",
		"[icaguard] lab-eu: bucket-cors restored", "[icaguard] lab-eu: kms-key-state restored", "[icaguard] lab-prod: " +
			"role-session-duration restored",
	} {
		if !strings.Contains(screen.String(), text) {
			t.Errorf("the demo does not show %q:\n%s", text, screen.String())
		}
	}
}
