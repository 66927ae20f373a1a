package main

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

func TestRegions(t *testing.T) {
	d := newEnv(t, t.TempDir(), nil)
	d.golden("help-regions", "regions", "--help")
	d.golden("regions", "regions")
	a := d.run("regions", "--json")
	var rows []regionRow
	if err := json.Unmarshal([]byte(a.stdout), &rows); err != nil || a.code != 0 {
		t.Fatalf("%v:\n%s", err, a.transcript())
	}
	var got []icaconfig.Region
	for _, row := range rows {
		got = append(got, icaconfig.Region(row))
	}
	if diff := cmp.Diff(icaconfig.Regions(), got); diff != "" {
		t.Errorf("regions as JSON (-want +got):\n%s", diff)
	}
}
