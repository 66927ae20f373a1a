package policy

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

const (
	labBucket = "arn:aws:s3:::lab-prod-ica"
	labKey    = "arn:aws:kms:eu-central-1:123456789012:key/k"
)

func bucketCaller(change func(*Caller)) Caller {
	c := ica()
	c.On, c.Region = labBucket, "eu-central-1"
	if change != nil {
		change(&c)
	}
	return c
}

func s3Calls() []Calls {
	return []Calls{
		{[]string{"s3:ListBucket", "s3:GetBucketLocation"}, []string{labBucket, "arn:aws:s3:::lab-test-ica"}},
		{[]string{"s3:PutObject", "s3:GetObject"}, []string{labBucket + "/ica/*", "arn:aws:s3:::lab-test-ica/*"}},
		{[]string{"kms:Decrypt", "kms:GenerateDataKey"}, []string{labKey}},
	}
}

// TestWhatIsKnownOfTheCaller: each field settles what it is about, and nothing where it is not given.
func TestWhatIsKnownOfTheCaller(t *testing.T) {
	organization := func(id string) func(*Caller) { return func(c *Caller) { c.Organization = id } }
	function := func(c *Caller) { c.Function = true }
	tags := func(c *Caller) { c.Tags = map[string]string{"Owner": "Genomics"} }
	key := func(c *Caller) { c.On, c.KMSViaS3, c.Buckets = labKey, true, []string{labBucket} }
	other := func(c *Caller) {
		c.RoleARN, c.RoleID, c.ResourceOrganization = crossACC, "", "o-lab"
	}
	provider := func(c *Caller) { c.Provider = "arn:aws:iam::123456789012:oidc-provider/host/id/1" }
	for _, c := range []struct {
		condition string
		who       func(*Caller)
		want      string
	}{
		{`{"StringNotEquals":{"aws:PrincipalOrgID":"o-lab"}}`, nil, "may"},
		{`{"StringNotEquals":{"aws:PrincipalOrgID":"o-lab"}}`, organization("o-lab"), "no"},
		{`{"StringNotEqualsIfExists":{"aws:PrincipalOrgID":["o-x","o-y"]}}`, organization("o-lab"), "certain"},
		{`{"ForAnyValue:StringNotLike":{"aws:PrincipalOrgPaths":"o-lab/*"}}`, organization("o-lab"), "no"},
		{`{"ForAllValues:StringNotLike":{"aws:PrincipalOrgPaths":"o-lab/r-1/ou-2/*"}}`, organization("o-lab"), "may"},
		{`{"StringNotLike":{"aws:PrincipalOrgPaths":"o-lab/*"}}`, organization("o-lab"), "may"},
		{`{"StringNotEquals":{"aws:ResourceOrgID":"o-lab"}}`, organization("o-lab"), "no"},
		{`{"StringNotEquals":{"aws:ResourceOrgID":"o-lab"}}`, other, "no"},
		{`{"StringNotEquals":{"aws:PrincipalOrgID":"o-lab"}}`, other, "may"},
		{`{"StringNotEquals":{"aws:PrincipalOrgID":"${aws:ResourceOrgID}"}}`, organization("o-lab"), "may"},

		{`{"StringNotEquals":{"aws:SourceVpce":"vpce-1"}}`, nil, "may"},
		{`{"StringNotEquals":{"aws:SourceVpce":["vpce-1","vpce-2"]}}`, function, "certain"},
		{`{"StringNotLike":{"aws:SourceVpc":["vpc-1","vpc-2*"]}}`, function, "certain"},
		{`{"StringNotLike":{"aws:SourceVpc":"vpc-*"}}`, function, "may"},
		{`{"StringLike":{"aws:SourceVpce":"vpce-*"}}`, function, "may"},
		{`{"StringNotLike":{"aws:SourceVpc":"*"}}`, function, "may"},
		{`{"StringEquals":{"aws:SourceVpce":"vpce-1"}}`, function, "no"},
		{`{"StringEqualsIfExists":{"aws:SourceVpce":"vpce-1"}}`, function, "may"},
		{`{"Null":{"aws:SourceVpce":"true"}}`, function, "may"},
		{`{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`, function, "may"},

		{`{"StringNotEquals":{"aws:SourceAccount":"123456789012"}}`, nil, "certain"},
		{`{"ArnLike":{"aws:SourceArn":"*"}}`, nil, "no"},
		{`{"ArnLikeIfExists":{"aws:SourceArn":"arn:aws:s3:::x"}}`, nil, "certain"},
		{`{"Null":{"aws:SourceOrgID":"true"}}`, nil, "certain"},
		{`{"ForAnyValue:StringEquals":{"aws:CalledVia":"athena.amazonaws.com"}}`, nil, "no"},
		{`{"ForAllValues:StringEquals":{"aws:CalledVia":"athena.amazonaws.com"}}`, nil, "certain"},
		{`{"Bool":{"aws:ViaAWSService":false}}`, nil, "certain"},
		{`{"NumericGreaterThan":{"aws:MultiFactorAuthAge":"3600"}}`, nil, "no"},
		{`{"NumericGreaterThanIfExists":{"aws:MultiFactorAuthAge":"3600"}}`, nil, "certain"},
		{`{"StringNotEquals":{"aws:RequestedRegion":["eu-central-1","us-east-1"]}}`, nil, "no"},
		{`{"StringNotLike":{"aws:RequestedRegion":"us-*"}}`, nil, "certain"},
		{`{"StringNotLike":{"aws:RequestedRegion":"us-*"}}`, func(c *Caller) { c.Region = "" }, "may"},
		{`{"StringNotEquals":{"s3:ResourceAccount":"123456789012"}}`, nil, "no"},
		{`{"StringNotEquals":{"s3:signatureversion":"AWS4-HMAC-SHA256"}}`, nil, "no"},
		{`{"StringNotEquals":{"s3:DataAccessPointAccount":"123456789012"}}`, nil, "certain"},
		{`{"Null":{"s3:x-amz-server-side-encryption-customer-algorithm":"false"}}`, nil, "no"},

		{`{"NumericLessThan":{"s3:TlsVersion":["1.2","1.1"]}}`, nil, "no"},
		{`{"NumericLessThan":{"s3:TlsVersion":"1.4"}}`, nil, "may"},
		{`{"NumericNotEquals":{"s3:TlsVersion":"1.1"}}`, nil, "certain"},
		{`{"NumericGreaterThanEquals":{"s3:TlsVersion":"1.2"}}`, nil, "certain"},
		{`{"NumericGreaterThan":{"s3:TlsVersion":"1.2"}}`, nil, "may"},
		{`{"NumericNotLessThan":{"s3:TlsVersion":"1.2"}}`, nil, "may"},
		{`{"StringNotEquals":{"s3:TlsVersion":["1.2","1.3"]}}`, nil, "may"},
		{`{"NumericLessThan":{"s3:TlsVersion":"new"}}`, nil, "may"},

		{`{"DateLessThan":{"aws:CurrentTime":"2025-12-31T23:59:59Z"}}`, nil, "no"},
		{`{"DateLessThan":{"aws:CurrentTime":"2100-01-01T00:00:00Z"}}`, nil, "may"},
		{`{"DateGreaterThan":{"aws:CurrentTime":"2020-06-01"}}`, nil, "certain"},
		{`{"DateGreaterThan":{"aws:CurrentTime":"2100-06-01"}}`, nil, "may"},
		{`{"DateLessThan":{"aws:EpochTime":"1577836800"}}`, nil, "no"},
		{`{"NumericLessThan":{"aws:EpochTime":"1577836800"}}`, nil, "no"},
		{`{"NumericLessThan":{"aws:CurrentTime":"1577836800"}}`, nil, "may"},
		{`{"DateLessThan":{"aws:CurrentTime":"2020"}}`, nil, "may"},
		{`{"DateLessThan":{"aws:TokenIssueTime":"2020-01-01T00:00:00Z"}}`, nil, "may"},

		{`{"StringNotEquals":{"aws:PrincipalTag/owner":"Genomics"}}`, nil, "may"},
		{`{"StringNotEquals":{"aws:PrincipalTag/owner":"Genomics"}}`, tags, "no"},
		{`{"StringNotEquals":{"aws:PrincipalTag/owner":"genomics"}}`, tags, "certain"},
		{`{"StringEquals":{"aws:PrincipalTag/team":"x"}}`, tags, "no"},
		{`{"Null":{"aws:PrincipalTag/team":"true"}}`, tags, "certain"},
		{`{"StringEquals":{"aws:FederatedProvider":"cognito-identity.amazonaws.com"}}`, nil, "may"},
		{`{"StringEquals":{"aws:FederatedProvider":"cognito-identity.amazonaws.com"}}`, provider, "no"},
		{`{"StringNotEquals":{"aws:FederatedProvider":"arn:aws:iam::123456789012:oidc-provider/host/id/1"}}`, provider, "may"},
		{`{"StringNotLike":{"aws:userid":"*:ica-*"}}`, nil, "may"},
		{`{"StringNotLike":{"aws:userid":"*:ica-*"}}`, func(c *Caller) { c.SessionName = "ica-*" }, "no"},

		{`{"StringNotEquals":{"kms:ViaService":"s3.eu-central-1.amazonaws.com"}}`, key, "no"},
		{`{"StringNotLike":{"kms:ViaService":"s3.us-*.amazonaws.com"}}`, key, "certain"},
		{`{"StringNotEquals":{"kms:ViaService":"s3.eu-central-1.amazonaws.com"}}`, func(c *Caller) { c.On = labKey }, "may"},
		{`{"StringNotEquals":{"kms:ViaService":"s3.eu-central-1.amazonaws.com"}}`, func(c *Caller) { c.On, c.Function = labKey, true }, "certain"},
		{`{"StringNotEquals":{"kms:CallerAccount":"123456789012"}}`, key, "no"},
		{`{"StringNotLike":{"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::lab-prod-ica*"}}`, key, "no"},
		{`{"StringNotLike":{"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::lab-prod-ica/*"}}`, key, "may"},
		{`{"StringNotLike":{"kms:EncryptionContext:aws:s3:arn":"arn:aws:s3:::payroll*"}}`, key, "certain"},
		{`{"StringNotEquals":{"aws:SourceAccount":"123456789012"}}`, key, "may"},
		{`{"Bool":{"aws:ViaAWSService":"false"}}`, key, "may"},
		{`{"NumericLessThan":{"s3:TlsVersion":"1.2"}}`, key, "may"},
	} {
		d := doc(t, `{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":`+c.condition+`}`)
		if got := answer(Denies(d, bucketCaller(c.who), s3Calls())); got != c.want {
			t.Errorf("%s: %s, want %s\n  %+v", c.condition, got, c.want, bucketCaller(c.who))
		}
	}
}

// TestOwnResourceOnly: a policy decides on the resource that it stands on.
func TestOwnResourceOnly(t *testing.T) {
	for _, c := range []struct{ statement, on, want string }{
		{`"Action":"s3:*","NotResource":["arn:aws:s3:::lab-prod-ica","arn:aws:s3:::lab-prod-ica/*"]`, labBucket, "no"},
		{`"Action":"s3:*","NotResource":["arn:aws:s3:::lab-prod-ica","arn:aws:s3:::lab-prod-ica/*"]`, "", "may"},
		{`"Action":"s3:*","NotResource":["arn:aws:s3:::lab-prod-ica","arn:aws:s3:::lab-prod-ica/*"]`, "arn:aws:s3:::lab-test-ica", "certain"},
		{`"Action":"*","NotResource":["arn:aws:s3:::lab-prod-ica","arn:aws:s3:::lab-prod-ica/ica/*"]`, labBucket, "no"},
		{`"Action":"*","Resource":"arn:aws:s3:::lab-test-ica"`, labBucket, "no"},
		{`"NotAction":"s3:*","Resource":"*"`, labBucket, "no"},
		{`"NotAction":"s3:*","Resource":"*"`, labKey, "certain"},
		{`"Action":"s3:*","Resource":"*"`, labKey, "no"},
		{`"Action":"kms:*","Resource":"arn:aws:kms:eu-central-1:123456789012:key/other"`, labKey, "no"},
		{`"Action":"s3:GetObject","Resource":"arn:aws:s3:::lab-prod-ica"`, labBucket, "no"},
	} {
		who := bucketCaller(func(caller *Caller) { caller.On = c.on })
		d := doc(t, `{"Effect":"Deny","Principal":"*",`+c.statement+`}`)
		if got := answer(Denies(d, who, s3Calls())); got != c.want {
			t.Errorf("%s on %q: %s, want %s", c.statement, c.on, got, c.want)
		}
	}
	// Calls are often each action on the bucket and its objects: those that do not exist are not denied.
	calls := []Calls{{[]string{"s3:PutObject"}, []string{labBucket, labBucket + "/*"}}}
	only := `{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::lab-prod-ica"}`
	if got := answer(Denies(doc(t, only), bucketCaller(nil), calls)); got != "no" {
		t.Errorf("s3:PutObject on a bucket: %s", got)
	}
	wide := []Calls{{[]string{"*"}, []string{"*"}}}
	for statement, want := range map[string]string{
		`{"Effect":"Deny","Principal":"*","NotAction":"s3:*","NotResource":["` + labBucket + `","` + labBucket + `/*"]}`: "no",
		`{"Effect":"Deny","Principal":"*","Action":"*","Resource":["` + labBucket + `","` + labBucket + `/*"]}`:          "certain",
	} {
		if got := answer(Denies(doc(t, statement), bucketCaller(nil), wide)); got != want {
			t.Errorf("%s: %s, want %s", statement, got, want)
		}
	}
}

func TestNotPrincipal(t *testing.T) {
	const boundary = "arn:aws:iam::123456789012:policy/org-boundary"
	const session = "arn:aws:sts::123456789012:assumed-role/Illumina_ICA_Role/x-1"
	for _, c := range []struct{ not, boundary, want, why string }{
		{`"*"`, NoBoundary, "no", ""},
		{`{"AWS":"*"}`, NoBoundary, "no", ""},
		{`{"AWS":["*","x"]}`, "", "may", "if it has a permissions boundary"},
		{`"*"`, boundary, "certain", "it has " + boundary},
		{`{"AWS":"` + roleARN + `"}`, NoBoundary, "certain", "sessions"},
		{`{"AWS":["` + roleARN + `","` + session + `"]}`, NoBoundary, "may", "sessions that it names"},
		{`{"AWS":["` + roleARN + `","` + session + `"]}`, "", "may", "sessions that it names"},
		{`{"AWS":["` + roleARN + `","` + session + `"]}`, boundary, "certain", boundary},
		{`{"Service":"s3.amazonaws.com"}`, "", "certain", "sessions"},
		{`{"Federated":"host"}`, NoBoundary, "may", ""},
	} {
		who := bucketCaller(func(caller *Caller) { caller.Boundary = c.boundary })
		s := `{"Effect":"Deny","NotPrincipal":` + c.not + `,"Action":"s3:*","Resource":"*"}`
		hits := Denies(doc(t, s), who, s3Calls())
		if got := answer(hits); got != c.want || !strings.Contains(strings.Join(lines(hits), ""), c.why) {
			t.Errorf("%s, boundary %q: %s, want %s with %q: %v", c.not, c.boundary, got, c.want, c.why, hits)
		}
		if c.boundary == boundary && !strings.HasSuffix(hits[0].HowToExcept, "leave the permissions boundary where it is") {
			t.Errorf("%s: %s", c.not, hits[0].HowToExcept)
		}
	}
}

// TestEvidence: a call that passed shows that a Deny does not hit the account, if nothing else in it spares that call.
func TestEvidence(t *testing.T) {
	const guard = "arn:aws:iam::123456789012:role/icaguard-remediate"
	reader := bucketCaller(func(c *Caller) { c.RoleARN, c.RoleID, c.Function = guard, "", true })
	passed := Passed{reader, Calls{[]string{"s3:GetBucketPolicy"}, []string{labBucket}}}
	org := `"StringNotEqualsIfExists":{"aws:PrincipalOrgID":"o-lab"}`
	for _, c := range []struct{ name, parts, condition, want string }{
		{"nothing else", `"Action":"s3:*","Resource":"*"`, org, "no"},
		{"but AWS services", `"Action":"s3:*","Resource":"*"`, org + `,"BoolIfExists":{"aws:PrincipalIsAWSService":"false"}`, "no"},
		{"but another role", `"Action":"s3:*","Resource":"*"`, org + `,"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/Admin"}`, "no"},
		{"by paths", `"Action":"s3:*","Resource":"*"`, `"ForAllValues:StringNotLike":{"aws:PrincipalOrgPaths":"o-lab/r-1/*"}`, "no"},
		{"but the reader", `"Action":"s3:*","Resource":"*"`, org + `,"ArnNotLike":{"aws:PrincipalArn":"` + guard + `"}`, "may"},
		{"but an unknown key", `"Action":"s3:*","Resource":"*"`, org + `,"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}`, "may"},
		{"about other actions", `"Action":"s3:*Object","Resource":"*"`, org, "may"},
		{"about objects", `"Action":"s3:*","Resource":"arn:aws:s3:::lab-prod-ica/*"`, org, "may"},
		{"by a variable", `"Action":"s3:*","Resource":"*"`, `"StringNotEquals":{"aws:PrincipalOrgID":"${aws:PrincipalTag/org}"}`, "may"},
		{"no key of accounts", `"Action":"s3:*","Resource":"*"`, `"StringNotEquals":{"aws:SourceVpce":"vpce-1"}`, "may"},
	} {
		d := doc(t, `{"Effect":"Deny","Principal":{"AWS":"*"},`+c.parts+`,"Condition":{`+c.condition+`}}`)
		who := bucketCaller(func(caller *Caller) { caller.Passed = []Passed{passed} })
		if got := answer(Denies(d, who, s3Calls())); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		without := bucketCaller(nil)
		copying := bucketCaller(func(caller *Caller) { caller.RoleARN, caller.RoleID, caller.Passed = crossACC, "", []Passed{passed} })
		elsewhere := bucketCaller(func(caller *Caller) { caller.On, caller.Passed = "arn:aws:s3:::lab-test-ica", []Passed{passed} })
		for _, other := range []Caller{without, copying, elsewhere} {
			if got := answer(Denies(d, other, s3Calls())); c.name != "about objects" && got == "no" {
				t.Errorf("%s: no for %s on %s without evidence", c.name, other.RoleARN, other.On)
			}
		}
	}
}

// TestIdentityPolicies: the same questions about a role's own policies, as AWS and people write them.
func TestIdentityPolicies(t *testing.T) {
	who := ica()
	for _, c := range []struct{ name, statement, want string }{
		{"AWSDenyAll", `{"Sid":"DenyAll","Effect":"Deny","Action":["*"],"Resource":"*"}`, "certain"},
		{
			"AWSRevokeOlderSessions",
			`{"Effect":"Deny","Action":["*"],"Resource":["*"],"Condition":{"DateLessThan":{"aws:TokenIssueTime":"2026-05-01T00:00:00Z"}}}`, "may",
		},
		{"no S3", `{"Effect":"Deny","Action":"s3:*","Resource":"*"}`, "certain"},
		{"not the key", `{"Effect":"Deny","Action":"kms:*","NotResource":"arn:aws:kms:eu-central-1:123456789012:key/k"}`, "no"},
		{"no IAM", `{"Effect":"Deny","Action":["iam:*","organizations:*"],"Resource":"*"}`, "no"},
		{"without TLS", `{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}`, "no"},
		{"another region", `{"Effect":"Deny","NotAction":"iam:*","Resource":"*","Condition":{"StringNotEquals":{"aws:RequestedRegion":"eu-central-1"}}}`, "may"},
		{"of one bucket", `{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::lab-test-ica/*"}`, "certain"},
		{"but two buckets", `{"Effect":"Deny","Action":"s3:*","NotResource":["arn:aws:s3:::lab-prod-ica*","arn:aws:s3:::lab-test-ica*"]}`, "no"},
		{"expired", `{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateLessThan":{"aws:CurrentTime":"2024-01-01T00:00:00Z"}}}`, "no"},
		{"as a service", `{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:ViaAWSService":"true"}}}`, "no"},
	} {
		if got := answer(Denies(doc(t, c.statement), who, s3Calls())); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestUploads: how uploads are encrypted is no matter of exceptions.
func TestUploads(t *testing.T) {
	d := doc(t, `{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"*",
	  "Condition":{"StringNotEquals":{"s3:x-amz-server-side-encryption-aws-kms-key-id":"`+labKey+`"}}}`)
	hits := Denies(d, bucketCaller(nil), s3Calls())
	if len(hits) != 1 || hits[0].Certain || !hits[0].Upload {
		t.Fatalf("%+v", hits)
	}
	how := hits[0].HowToExcept
	if !strings.Contains(how, "ICA's storage configuration") || !strings.Contains(how, labKey) ||
		strings.Contains(how, principalARN) {
		t.Error(how)
	}
}

// TestExcept: what is pasted is one valid statement that hits none of the roles any more.
func TestExcept(t *testing.T) {
	const own = "arn:aws:iam::123456789012:role/icaguard-"
	roles := []string{roleARN, own + "remediate", own + "validate"}
	const rest = `"Effect":"Deny","Action":"s3:*","Resource":["arn:aws:s3:::lab-prod-ica","arn:aws:s3:::lab-prod-ica/*"]`
	for _, c := range []struct{ statement, after string }{
		{
			`{"Sid":"Lock","Principal":"*",` + rest + `}`,
			`{"Sid":"Lock","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::lab-prod-ica",` +
				`"arn:aws:s3:::lab-prod-ica/*"],"Condition":{"ArnNotLike":{"aws:PrincipalArn":["` + strings.Join(roles, `","`) + `"]}}}`,
		},
		{`{"Principal":"*",` + rest + `,"Condition":{}}`, ""},
		{`{"Principal":"*",` + rest + `,"Condition":{"ArnNotLike":{"AWS:PRINCIPALARN":"arn:aws:iam::123456789012:role/Admin"}}}`, ""},
		{`{"Principal":"*",` + rest + `,"Condition":{"StringNotEqualsIfExists":{"aws:PrincipalArn":"` + roles[1] + `"}}}`, ""},
		{`{"Principal":"*",` + rest + `,"Condition":{"ArnNotLike":{"aws:SourceArn":"arn:aws:s3:::x"},"ArnNotEquals":{"aws:PrincipalArn":"x"}}}`, ""},
		{`{"Principal":"*",` + rest + `,"Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/*"}}}`, ""},
		{`{"NotPrincipal":{"AWS":["arn:aws:iam::123456789012:role/Admin","123456789012"]},` + rest + `}`, ""},
		{`{"NotPrincipal":{"AWS":"` + roles[0] + `"},` + rest + `,"Condition":{"StringNotEquals":{"aws:SourceVpce":"vpce-1"}}}`, ""},
	} {
		before := statement(t, c.statement)
		text := before.JSON()
		fixed, ok := Except(before, roles...)
		if !ok || before.JSON() != text {
			t.Errorf("%s: %v, %s", c.statement, ok, before.JSON())
			continue
		}
		d := doc(t, fixed.JSON()) // strict: no key stands twice
		if c.after != "" && fixed.JSON() != c.after {
			t.Errorf("%s\nwant\n%s", fixed.JSON(), c.after)
		}
		for _, role := range roles {
			who := Caller{RoleARN: role, On: labBucket, Boundary: "arn:aws:iam::123456789012:policy/b"}
			if hits := Denies(d, who, s3Calls()); len(hits) > 0 {
				t.Errorf("%s still hits: %v", fixed.JSON(), hits)
			}
		}
	}
	for _, not := range []string{`{"Service":"s3.amazonaws.com"}`, `{"AWS":"arn:aws:sts::123456789012:assumed-role/a/b"}`, `"*"`} {
		if s, ok := Except(statement(t, `{"NotPrincipal":`+not+`,`+rest+`}`), roles...); ok {
			t.Errorf("%s: %s", not, s.JSON())
		}
	}
}

// TestAllows: asked action by action, over all statements, with what is known of the caller.
func TestAllows(t *testing.T) {
	const use = `"Action":["kms:Encrypt","kms:Decrypt","kms:GenerateDataKey*"],"Resource":"*"`
	calls := []Calls{{[]string{"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"}, []string{labKey}}}
	role := bucketCaller(func(c *Caller) { c.On, c.KMSViaS3 = labKey, true })
	copying := bucketCaller(func(c *Caller) { c.On, c.KMSViaS3, c.RoleARN, c.RoleID = labKey, true, crossACC, "" })
	aws := func(account, service string) string {
		return `{"Effect":"Allow","Principal":{"AWS":"*"},` + use +
			`,"Condition":{"StringEquals":{"kms:CallerAccount":"` + account + `","kms:ViaService":"` + service + `"}}}`
	}
	const root = `"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"}`
	for _, c := range []struct {
		name       string
		statements []string
		role, copy bool
	}{
		{"root", []string{keyPolicyRoot()}, true, false},
		{"root in two", []string{`{` + root + `,"Action":["kms:Describe*","kms:Encrypt"],"Resource":"*"}`, `{` + root + `,"Action":["kms:Decrypt","kms:GenerateDataKey*"],"Resource":"*"}`}, true, false},
		{"root, one missing", []string{`{` + root + `,"Action":["kms:Decrypt","kms:GenerateDataKey*"],"Resource":"*"}`}, false, false},
		{"through S3, as AWS writes it", []string{aws(account, "s3.eu-central-1.amazonaws.com")}, true, false},
		{"through S3 of another region", []string{aws(account, "s3.us-east-1.amazonaws.com")}, false, false},
		{"through EC2", []string{aws(account, "ec2.eu-central-1.amazonaws.com")}, false, false},
		{"of another account", []string{aws("079623148045", "s3.eu-central-1.amazonaws.com")}, false, true},
		{"an empty condition", []string{`{` + root + `,` + use + `,"Condition":{}}`}, true, false},
		{"an unknown condition", []string{`{` + root + `,` + use + `,"Condition":{"Bool":{"aws:x":"true"}}}`}, false, false},
		{"all but", []string{`{` + root + `,"NotAction":"kms:PutKeyPolicy","Resource":"*"}`}, true, false},
		{"not others", []string{`{"Effect":"Allow","NotPrincipal":{"AWS":"x"},` + use + `}`}, false, false},
		{"none", []string{`{"Effect":"Deny","Principal":"*",` + use + `}`}, false, false},
	} {
		if got := Allows(doc(t, c.statements...), role, calls); got != c.role {
			t.Errorf("%s: role %v", c.name, got)
		}
		if got := Allows(doc(t, c.statements...), copying, calls); got != c.copy {
			t.Errorf("%s: copying role %v", c.name, got)
		}
	}
	if Allows(doc(t, keyPolicyRoot()), role, nil) {
		t.Error("no calls are allowed")
	}
}

// TestCoversTogether: several statements grant what one does.
func TestCoversTogether(t *testing.T) {
	const who = `"Effect":"Allow","Principal":{"AWS":"` + crossACC + `"},`
	read := `{` + who + `"Action":["s3:GetObject","s3:GetObject*Tagging","s3:ListBucket","s3:ListMultipartUploadParts"],"Resource":["arn:aws:s3:::lab-prod-ica","arn:aws:s3:::lab-prod-ica/*"]}`
	write := `{` + who + `"Action":["s3:PutObject","s3:DeleteObject","s3:AbortMultipartUpload"],"Resource":"arn:aws:s3:::lab-prod-ica/*"}`
	objects := strings.Replace(crossAccountCopy(), `"arn:aws:s3:::lab-prod-ica", `, "", 1)
	half := func(resource string) string {
		return `{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"s3:*","Resource":"` + resource +
			`","Condition":{"BoolIfExists":{"aws:SecureTransport":"False"}}}`
	}
	for _, c := range []struct {
		name string
		have Document
		need string
		want bool
	}{
		{"read and write apart", doc(t, read, write), crossAccountCopy(), true},
		{"only read", doc(t, read), crossAccountCopy(), false},
		{"objects alone", doc(t, objects), crossAccountCopy(), true},
		{"a bucket action too", doc(t, objects), strings.Replace(crossAccountCopy(), `"s3:PutObject"`, `"s3:PutObject","s3:ListBucket"`, 1), false},
		{"an empty condition", doc(t, strings.Replace(crossAccountCopy(), "{", `{"Condition":{},`, 1)), crossAccountCopy(), true},
		{"a condition", doc(t, read, strings.Replace(write, "{", `{"Condition":{"Bool":{"aws:x":"true"}},`, 1)), crossAccountCopy(), false},
		{"TLS to AWS *", doc(t, strings.Replace(tlsOnly(), `"Principal": "*"`, `"Principal": {"AWS": ["*"]}`, 1)), tlsOnly(), true},
		{"TLS in capitals", doc(t, strings.Replace(tlsOnly(), `"false"`, `"FALSE"`, 1)), tlsOnly(), true},
		{"TLS if exists", doc(t, strings.Replace(tlsOnly(), `"Bool"`, `"BoolIfExists"`, 1)), tlsOnly(), true},
		{"TLS twice", doc(t, strings.Replace(tlsOnly(), `"false"`, `["false",false]`, 1)), tlsOnly(), true},
		{"TLS in halves", doc(t, half("arn:aws:s3:::lab-prod-ica"), half("arn:aws:s3:::lab-prod-ica/*")), tlsOnly(), true},
		{"TLS of objects only", doc(t, half("arn:aws:s3:::lab-prod-ica/*")), tlsOnly(), false},
		{"TLS wanted", doc(t, strings.Replace(tlsOnly(), `"false"`, `"true"`, 1)), tlsOnly(), false},
		{"TLS and more", doc(t, strings.Replace(tlsOnly(), `"Condition": {`, `"Condition": {"StringEquals":{"aws:x":"y"},`, 1)), tlsOnly(), false},
		{"TLS to one", doc(t, strings.Replace(tlsOnly(), `"Principal": "*"`, `"Principal": {"AWS": "123456789012"}`, 1)), tlsOnly(), false},
	} {
		if got := c.have.Covers(statement(t, c.need)); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestDiffOfJoinedStatements: what is told is what differs, not how it is spread.
func TestDiffOfJoinedStatements(t *testing.T) {
	on := func(actions, resources string) string {
		return `{"Effect":"Allow","Action":[` + actions + `],"Resource":[` + resources + `]}`
	}
	const list, objects = `"s3:ListBucket","s3:GetBucketLocation"`, `"s3:GetObject","s3:PutObject"`
	want := doc(t, on(list, `"arn:aws:s3:::a"`), on(objects, `"arn:aws:s3:::a/*"`), on(list, `"arn:aws:s3:::b"`), on(objects, `"arn:aws:s3:::b/*"`))
	joined := on(list, `"arn:aws:s3:::a","arn:aws:s3:::b"`)
	for _, c := range []struct {
		got  Document
		says string
	}{
		{doc(t, joined, on(objects, `"arn:aws:s3:::b/*","arn:aws:s3:::a/*"`)), ""},
		{doc(t, joined, on(objects, `"arn:aws:s3:::a/*"`), on(`"s3:PutObject"`, `"arn:aws:s3:::b/*"`), on(`"S3:getobject"`, `"arn:aws:s3:::b/*"`)), ""},
		{
			doc(t, joined, on(objects+`,"s3:DeleteObjectTagging"`, `"arn:aws:s3:::a/*","arn:aws:s3:::b/*"`)),
			"statement 2: Action on arn:aws:s3:::a/*, arn:aws:s3:::b/* s3:DeleteObjectTagging not expected",
		},
		{
			doc(t, joined, on(`"s3:GetObject"`, `"arn:aws:s3:::a/*","arn:aws:s3:::b/*"`)),
			"Action on arn:aws:s3:::a/* s3:PutObject missing\nAction on arn:aws:s3:::b/* s3:PutObject missing",
		},
		{
			doc(t, joined, on(objects, `"arn:aws:s3:::a/*","arn:aws:s3:::b/*","arn:aws:s3:::c/*"`)),
			"statement 2: Action on arn:aws:s3:::c/* s3:GetObject not expected\n" +
				"statement 2: Action on arn:aws:s3:::c/* s3:PutObject not expected",
		},
		{
			doc(t, joined, on(objects, `"arn:aws:s3:::a/*","arn:aws:s3:::b/*"`), `{"Effect":"Deny","Action":"*","Resource":"*"}`),
			"statement 3: statement Deny * on * not expected",
		},
	} {
		checkPair(t, want, c.got)
		if says := strings.Join(lines(Diff(want, c.got)), "\n"); says != c.says {
			t.Errorf("%s\nsays\n%s\nwant\n%s", c.got.JSON(), says, c.says)
		}
	}
}

// TestDocumentsAtTheirLimits: AWS takes 20 KB in a bucket policy and 32 KB in a key's. A product of all that stands in such
// a document would end neither in time nor in memory.
func TestDocumentsAtTheirLimits(t *testing.T) {
	numbered := func(form string, bytes int) string {
		var all []string
		for n := 0; len(all)*(len(form)+2) < bytes; n++ {
			all = append(all, strings.ReplaceAll(form, "%d", fmt.Sprintf("%03d", n)))
		}
		return strings.Join(all, ",")
	}
	deny := `{"Effect":"Deny","Principal":"*","Action":"s3:Get*","Resource":"arn:aws:s3:::lab-prod-ica/%d*"}`
	texts := []string{
		numbered(deny, 20000),
		`{"Effect":"Allow","Principal":{"AWS":[` + numbered(`"123456789%d"`, 10000) + `]},"Action":[` + numbered(`"s3:a%d*"`, 11000) + `],"Resource":[` + numbered(`"arn:aws:s3:::lab/%d*"`, 11000) + `]}`,
		`{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::lab-prod-ica/` + strings.Repeat("*a", 9000) + `"}`,
		`{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{"StringNotLike":{"aws:PrincipalArn":[` + numbered(`"arn:aws:iam::*:role/*%d*"`, 30000) + `]}}}`,
	}
	for i, text := range texts {
		d := doc(t, text)
		for _, other := range texts {
			Diff(doc(t, other), d)
		}
		Denies(d, bucketCaller(nil), s3Calls())
		if _, _, err := Merge(d, doc(t, crossAccountCopy(), tlsOnly()).Statements()); err != nil {
			t.Error(i, err)
		}
		if data, err := json.Marshal(d); err != nil || len(data) < 15000 {
			t.Error(i, len(data), err)
		}
	}
}
