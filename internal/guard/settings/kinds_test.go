package settings

import (
	"slices"
	"testing"

	"github.com/icaguard/icaguard/internal/guard"
)

// TestKindsOfFindings: an exception that accepts one finding about a policy or a statement hides no other about the same,
// unchanged, when more of what ICA does comes to be hit by it.
func TestKindsOfFindings(t *testing.T) {
	labs := labStorages(t, "US name: lab-ica-data, folder: byob-icav2", "US name: lab-more, folder: byob-icav2")
	one := labs[0]
	role, wider := *one.Role, one
	role.Storages = append(slices.Clone(role.Storages), "second")
	wider.Role = &role
	const denies = `{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}`
	const may = `{"Effect":"Deny","Action":"s3:PutObject","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/x":"y"}}}`
	const admin = `{"Effect":"Allow","Action":"*","Resource":"*"}`
	content := document(policyText(denies, may, admin))
	policyOf := foreignPolicies{Policies: []foreignPolicy{{ARN: "arn:aws:iam::aws:policy/Lab", Document: content}}}
	boundary := boundaryState{ARN: "arn:aws:iam::aws:policy/Lab", Document: content}
	demanding := one
	bounded := *one.Role
	bounded.Boundary.ARN, bounded.Boundary.Ours = "arn:aws:iam::111122223333:policy/demanded", false
	demanding.Role = &bounded
	const tagged = `{"Sid":"Tagged","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::lab-ica-data",` +
		`"arn:aws:s3:::lab-ica-data/*"],"Condition":{"StringEquals":{"aws:PrincipalTag/team":"lab"}}}`
	bucket := bucketPolicyState{Document: document(policyText(tagged))}
	surely := bucket
	surely.Role.Tags = map[string]string{"team": "lab"}
	for name, all := range map[string]guard.Comparison{
		"a policy of others": compareForeignPolicies(one, policyOf),
		"that keeps another storage out too": {Alerts: append(compareForeignPolicies(one, policyOf).Alerts[:1:1],
			compareForeignPolicies(wider, policyOf).Alerts[0])},
		"a boundary of others": compareRoleBoundary(one, boundary),
		"that is then not the one that is asked for": {Alerts: append(compareRoleBoundary(demanding, boundary).Alerts[:1:1],
			compareRoleBoundary(one, boundary).Notes...)},
		"a bucket policy's Deny that comes to hit surely": compareBucketPolicy(one, bucket).And(compareBucketPolicy(one, surely)),
	} {
		var seen []string
		for _, f := range slices.Concat(all.Alerts, all.Notes) {
			if f.Match == "" {
				continue
			}
			if slices.Contains(seen, f.Match+f.Digest) {
				t.Errorf("%s: what accepts another accepts this too: %s", name, f.What)
			}
			seen = append(seen, f.Match+f.Digest)
		}
		if len(seen) < 2 {
			t.Errorf("%s: %+v", name, all)
		}
	}
}
