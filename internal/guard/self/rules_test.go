package self

import (
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/icaconfig"
)

// TestRules lists what listens where: each source where its events appear, once.
func TestRules(t *testing.T) {
	const home, away = "us-east-1", "eu-central-1"
	for name, c := range map[string]struct {
		home icaconfig.Home
		want string
	}{
		"one region": {
			icaconfig.Home{HomeRegion: home, StorageRegions: []string{home}},
			"us-east-1: cloudtrail dynamodb events iam lambda logs monitoring s3 sns sqs ssm stacks",
		},
		"a key elsewhere": {
			icaconfig.Home{
				HomeRegion: home, StorageRegions: []string{home, away}, KeyRegions: []string{away},
				Stacks: []icaconfig.Stack{{Region: away}},
			},
			"us-east-1: cloudtrail dynamodb events iam kms lambda logs monitoring s3 sns sqs ssm stacks, " +
				"eu-central-1: cloudtrail events kms s3 sqs stacks",
		},
		"IAM relayed": {
			icaconfig.Home{HomeRegion: away, StorageRegions: []string{away}, Stacks: []icaconfig.Stack{{Region: home}}},
			"eu-central-1: cloudtrail dynamodb events iam lambda logs monitoring s3 sns sqs ssm stacks, " +
				"us-east-1: cloudtrail events iam sqs stacks",
		},
		"IAM audited": {
			icaconfig.Home{HomeRegion: away, StorageRegions: []string{away}, AuditIAM: true},
			"eu-central-1: cloudtrail dynamodb events lambda logs monitoring s3 sns sqs ssm stacks",
		},
	} {
		var byRegion []string
		for _, region := range c.home.Regions() {
			names := region + ":"
			for _, rule := range Rules(AllRows(), c.home) {
				if rule.Region == region {
					names += " " + strings.TrimPrefix(strings.TrimPrefix(rule.Name, "icaguard-events-"), "icaguard-relay-")
				}
			}
			byRegion = append(byRegion, names)
		}
		if got := strings.Join(byRegion, ", "); got != c.want {
			t.Errorf("%s:\n%s, want\n%s", name, got, c.want)
		}
	}
}
