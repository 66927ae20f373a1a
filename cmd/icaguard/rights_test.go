package main

import (
	"os"
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/guard/self"
)

// TestDeployersRights: make deploy ends with icaguard validate --setting guard-topic, as whoever deploys.
func TestDeployersRights(t *testing.T) {
	page, err := os.ReadFile("../../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rights, _ := strings.Cut(string(page), "**The deployer needs**")
	rights, _, _ = strings.Cut(rights, "\n\n")
	for _, action := range self.Topic().Reads {
		if !strings.Contains(rights, "`"+action.Name+"`") {
			t.Errorf("docs/deploy.md does not say that the deployer needs %s", action.Name)
		}
	}
}
