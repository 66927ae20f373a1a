package settings

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/guard"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

// input is a document of testdata/inputs, whose README says what is right.
func input(t *testing.T, name string) document {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "inputs", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return document(data)
}

// labStorages are the storages of an ica.yaml in the account of the inputs.
func labStorages(t *testing.T, buckets ...string) []icaconfig.Storage {
	t.Helper()
	text := "organization: o-examplelab\nstorages:\n"
	for i, bucket := range buckets {
		text += fmt.Sprintf(`
  - name: lab-%d
    icaRegion: %s
    role: {existing: true, sessionNamePrefix: "ssm:/ica/prefix"}
    bucket: {existing: true, %s}
`, i, strings.Split(bucket, " ")[0], strings.SplitN(bucket, " ", 2)[1])
	}
	file, err := icaconfig.Parse("ica.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	owner, err := file.Owner("111122223333", "aws")
	if err != nil {
		t.Fatal(err)
	}
	all := file.Baseline(owner).Storages
	for i := range all { // what the guard may do is asked for too
		all[i].Mode, all[i].Bucket.Mode, all[i].Role.Mode = icaconfig.Enforce, icaconfig.Enforce, icaconfig.Enforce
	}
	return all
}

// verdicts are, for each statement that somebody is told of, whom it hits how: "1 ICA's role may", one a line, alerts first.
func verdicts(v guard.Comparison) string {
	var all []string
	for kind, findings := range map[string][]guard.Finding{"alert": v.Alerts, "note": v.Notes} {
		for _, f := range findings {
			for _, part := range strings.Split(f.What, "; ") {
				who, rest, found := strings.Cut(part, ": statement ")
				if !found {
					continue
				}
				how := "certain"
				if strings.Contains(rest, " may deny ") {
					how = "may"
				}
				all = append(all, kind+" "+rest[:1]+" "+who+" "+how)
			}
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

func TestInputsOfBucketPolicies(t *testing.T) {
	const plain = "US name: lab-ica-data, folder: byob-icav2, requireTLS: true"
	const copies = "AU name: lab-ica-data, folder: byob-icav2, crossAccountCopy: true"
	for _, c := range []struct {
		name, bucket, organization string
		says                       string
		diffs                      int
	}{
		{"bucket-policy-crossacct-split", copies, "", "", 0},
		{"bucket-policy-org-only", copies, "o-examplelab", "alert 1 ICA's copies between accounts may", 0},
		{
			"bucket-policy-org-only", copies, "",
			"alert 1 ICA's copies between accounts may\nalert 1 ICA's role may\nalert 1 icaguard-remediate may\n" +
				"alert 1 icaguard-validate may", 0,
		},
		{
			"bucket-policy-org-only", copies, "o-another1234",
			"alert 1 ICA's copies between accounts may\nalert 1 ICA's role certain\nalert 1 icaguard-remediate certain\n" +
				"alert 1 icaguard-validate certain", 0,
		},
		// The copying role's account is spared by both statements; it needs a statement of ours.
		{"bucket-policy-data-perimeter", copies, "o-examplelab", "note 2 icaguard-remediate may\nnote 2 icaguard-validate may", 1},
		{
			"bucket-policy-terraform-module-denies", plain, "",
			"alert 3 ICA's role may\nalert 4 ICA's role may\nalert 5 ICA's role may", 0,
		},
		{
			"bucket-policy-vpce-and-roles", plain, "",
			"alert 1 ICA's role may\nalert 1 icaguard-remediate certain\nalert 1 icaguard-validate certain\nalert 2 ICA's role may", 0,
		},
		{"bucket-policy-sourceaccount-lockout", plain, "", "alert 1 icaguard-remediate certain", 1},
	} {
		s := labStorages(t, c.bucket)[0]
		got := bucketPolicyState{Document: input(t, c.name), Organization: c.organization}
		got.Role.Tags = map[string]string{"owner": "genomics"}
		v := compareBucketPolicy(s, got)
		if says := verdicts(v); says != c.says {
			t.Errorf("%s, organization %q:\n%s\nwant\n%s", c.name, c.organization, says, c.says)
		}
		if len(v.Diffs) != c.diffs {
			t.Errorf("%s: %+v", c.name, v.Diffs)
		}
		for _, f := range slices.Concat(v.Alerts, v.Notes) {
			checkAdvice(t, c.name, f)
		}
	}
}

// checkAdvice: a finding about a statement names it for an exception, and ends with one statement that parses strictly.
func checkAdvice(t *testing.T, name string, f guard.Finding) {
	t.Helper()
	if f.Match == "" || len(f.Digest) != 12 {
		t.Errorf("%s: it cannot be accepted: %+v", name, f)
	}
	_, text, found := strings.Cut(f.Remediation, "so that it reads ")
	if !found {
		if !strings.Contains(f.Remediation, "ICA's storage configuration") || strings.Contains(f.Remediation, "aws:PrincipalArn") {
			t.Errorf("%s: %s", name, f.Remediation)
		}
		return
	}
	var raw json.RawMessage
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&raw); err != nil {
		t.Errorf("%s: %v in %s", name, err, f.Remediation)
	}
	if _, err := policy.Parse(`{"Version":"2012-10-17","Statement":` + string(raw) + `}`); err != nil {
		t.Errorf("%s: %v in %s", name, err, f.Remediation)
	}
	lockedOut := strings.Contains(f.What, " denies arn:aws:iam::111122223333:role/icaguard-")
	if lockedOut != strings.Contains(f.Remediation, "S3UnlockBucketPolicy") {
		t.Errorf("%s: locked out %v, the way back: %s", name, lockedOut, f.Remediation)
	}
}

// TestWayBack: what locks the guard out is an alert that says what to do before and after.
func TestWayBack(t *testing.T) {
	s := labStorages(t, "US name: lab-ica-data, folder: byob-icav2, requireTLS: true")[0]
	v := compareBucketPolicy(s, bucketPolicyState{Document: input(t, "bucket-policy-sourceaccount-lockout")})
	if len(v.Alerts) != 1 || v.Alerts[0].Match != "deny_sensitive_operations" ||
		!strings.Contains(v.Alerts[0].What, "s3:PutBucketPolicy") {
		t.Fatalf("%+v", v.Alerts)
	}
	for _, words := range []string{"before icaguard is locked out", "root user", "S3UnlockBucketPolicy", "role/icaguard-remediate"} {
		if !strings.Contains(v.Alerts[0].Remediation, words) {
			t.Errorf("%q is not in: %s", words, v.Alerts[0].Remediation)
		}
	}
}

// TestOneStatementOneFinding: whomever a Deny hits, people get one statement to paste, and one name to accept it by.
func TestOneStatementOneFinding(t *testing.T) {
	s := labStorages(t, "US name: lab-ica-data, folder: byob-icav2, crossAccountCopy: true")[0]
	const lock = `{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"s3:*","Resource":["arn:aws:s3:::lab-ica-data","arn:aws:s3:::lab-ica-data/*"]}`
	v := compareBucketPolicy(s, bucketPolicyState{Document: document(policyText(lock))})
	if len(v.Alerts) != 1 || len(v.Notes) != 0 {
		t.Fatalf("%+v", v)
	}
	f := v.Alerts[0]
	const after = `,"Condition":{"ArnNotLike":{"aws:PrincipalArn":["arn:aws:iam::111122223333:role/Illumina_ICA_Role",` +
		`"arn:aws:iam::079623148045:role/ica_use1_crossacct","arn:aws:iam::111122223333:role/icaguard-remediate",` +
		`"arn:aws:iam::111122223333:role/icaguard-validate"]}}}`
	if want := strings.TrimSuffix(lock, "}") + after; !strings.Contains(f.Remediation, "so that it reads "+want) {
		t.Errorf("%s\nwant\n%s", f.Remediation, want)
	}
	if f.Match == "" || f.Match != f.Digest { // it has no Sid
		t.Errorf("match %q, digest %q", f.Match, f.Digest)
	}
	other := compareBucketPolicy(s, bucketPolicyState{Document: document(policyText(strings.Replace(lock, "s3:*", "s3:Get*", 1)))})
	if other.Alerts[0].Digest == f.Digest {
		t.Error("another statement has the same digest")
	}
}

// TestInputOfKeyPolicy: the statement that AWS writes for calls through S3 is enough for ICA's role, not for Illumina's.
func TestInputOfKeyPolicy(t *testing.T) {
	const key = "kmsKeyArn: \"arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab\""
	for bucket, want := range map[string]int{
		"US name: lab-ica-data, folder: byob-icav2, " + key:                         0,
		"US name: lab-ica-data, folder: byob-icav2, crossAccountCopy: true, " + key: 1,
	} {
		s := labStorages(t, bucket)[0]
		s.Key.Restore = true
		v := compareKeyPolicy(s, keyPolicyState{Document: input(t, "key-policy-s3-viaservice")})
		if len(v.Diffs) != want || len(v.Alerts) > 0 {
			t.Errorf("%s: %+v", bucket, v)
		}
	}
}

// TestInputOfPermissionPolicy: three buckets in two statements mean the same as one statement for each.
func TestInputOfPermissionPolicy(t *testing.T) {
	const all = "-cache, versioning: enabled, objectTags: true"
	s := labStorages(t, "US name: pipeline-dev"+all, "US name: pipeline-stg"+all, "US name: pipeline-prod"+all)[0]
	joined := input(t, "permission-policy-three-buckets-joined")
	exact := document(strings.NewReplacer(`"s3:DeleteObjectTagging",`, "", `"s3:DeleteObjectVersionTagging",`, "").Replace(string(joined)))
	state := func(d document) managedPolicy {
		return managedPolicy{Versions: []policyVersion{{ID: "v1", Document: d}}, Buckets: map[string]bucketState{}}
	}
	if v := comparePolicy(s, state(exact)); len(v.Diffs)+len(v.Alerts) > 0 || len(v.Notes) != 1 ||
		!strings.Contains(v.Notes[0].What, "sts:GetFederationToken") {
		t.Errorf("%+v", v)
	}
	v := comparePolicy(s, state(joined))
	if len(v.Diffs) != 2 || len(v.Alerts) > 0 || len(v.Notes) != 1 {
		t.Fatalf("%+v", v)
	}
	for i, action := range []string{"s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"} {
		if d := v.Diffs[i]; d.Found != action || d.Expected != "nothing" || !strings.Contains(d.Path, "statement 2 Action on ") {
			t.Errorf("%+v", d)
		}
	}
}
