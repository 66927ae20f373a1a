package settings_test

import (
	"testing"

	"github.com/icaguard/icaguard/internal/guard/self"
	"github.com/icaguard/icaguard/internal/guard/settings"
	"github.com/icaguard/icaguard/internal/testlab"
)

func TestMain(m *testing.M) {
	settings.RunTests(m, settings.Deployment{MakeHome: testlab.MakeHome, Audit: `{"audit":"` + self.AuditEverything + `"}`})
}
