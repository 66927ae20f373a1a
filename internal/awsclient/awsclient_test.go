package awsclient

import "testing"

func TestRegionOfBucket(t *testing.T) {
	for constraint, want := range map[string]string{"": "us-east-1", "EU": "eu-west-1", "eu-central-1": "eu-central-1"} {
		if got := RegionOfBucket(constraint); got != want {
			t.Errorf("%q: %s, want %s", constraint, got, want)
		}
	}
}
