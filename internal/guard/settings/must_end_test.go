package settings_test

import (
	"testing"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/guard/settings"
)

// TestMustEnd: nothing about trust, public access or the account of a bucket is accepted for ever.
func TestMustEnd(t *testing.T) {
	want := map[string]string{
		"role-trust": "trust", "oidc-provider": "trust", "bucket": "the account of the bucket",
		"bucket-public-access": "public access", "bucket-ownership": "objects of other accounts",
	}
	for _, row := range guard.Exceptable(settings.All()) {
		if row.MustEnd != want[row.Setting] {
			t.Errorf("an exception of %s must end because of %q, want %q", row.Setting, row.MustEnd, want[row.Setting])
		}
	}
}
