package settings_test

import (
	"testing"

	"github.com/icaguard/icaguard/internal/guard/settings"
)

// TestWhatIsNeverAcceptedForEver: trust, public access and whose account it is, as README says of exceptions.
func TestWhatIsNeverAcceptedForEver(t *testing.T) {
	want := map[string]string{
		"bucket": "the account of the bucket", "bucket-public-access": "public access",
		"bucket-ownership": "objects of other accounts", "oidc-provider": "trust", "role-trust": "trust",
	}
	for _, s := range settings.All() {
		if s.MustEnd != want[s.ID] {
			t.Errorf("%s: an exception must end as it is about %q, want %q", s.ID, s.MustEnd, want[s.ID])
		}
	}
}
