package policy

import (
	"slices"
	"strings"
	"testing"
)

func ica() Caller { return Caller{RoleARN: roleARN, RoleID: roleID, ResourceAccount: account} }

// TestDenies has Denies on ICA's bucket as labs and AWS's guides write them. want: "" no hit, "hits", "may".
func TestDenies(t *testing.T) {
	const all = `"Effect":"Deny","Action":"s3:*","Resource":["arn:aws:s3:::lab-prod-ica","arn:aws:s3:::lab-prod-ica/*"]`
	calls := must(t, permissionPolicy()).Calls()
	everyone := func(condition string) string { return `{"Principal":"*",` + all + `,"Condition":` + condition + `}` }
	change := func(old, by string) string { return strings.Replace(`{"Principal":"*",`+all+`}`, old, by, 1) }
	to := func(principal string) string { return change(`"Principal":"*"`, principal) }
	const session = "arn:aws:sts::123456789012:assumed-role/Illumina_ICA_Role/" + prefix + "-1"
	for _, c := range []struct{ name, statement, want, why string }{
		{"everyone", to(`"Principal":"*"`), "hits", "its Principal is everyone"},
		{"everyone with credentials", to(`"Principal":{"AWS":"*"}`), "hits", "its Principal is everyone"},
		{"the role", to(`"Principal":{"AWS":["x","` + roleARN + `"]}`), "hits", "Principal " + roleARN},
		{"the role's unique id", to(`"Principal":{"AWS":"` + roleID + `"}`), "hits", "Principal AROA"},
		{"a deleted role", to(`"Principal":{"AWS":"AROAGONE"}`), "", ""},
		{"the account", to(`"Principal":{"AWS":"123456789012"}`), "hits", "the account's"},
		{"the account's root", to(`"Principal":{"AWS":"arn:aws:iam::123456789012:root"}`), "hits", "the account's"},
		{"another account", to(`"Principal":{"AWS":"arn:aws:iam::210987654321:root"}`), "", ""},
		{"another role", to(`"Principal":{"AWS":"` + roleARN + `2"}`), "", ""},
		{
			"a role whose name begins alike", to(`"Principal":{"AWS":"arn:aws:sts::123456789012:assumed-role/Illumina_ICA_Role2/x"}`),
			"", "",
		},
		{"a session", to(`"Principal":{"AWS":"` + session + `"}`), "may", "assumed-role/Illumina_ICA_Role/*** is a session of it"},
		{"a wildcard in a name", to(`"Principal":{"AWS":"arn:aws:iam::123456789012:role/*"}`), "may", "stands for it"},
		{"the provider", to(`"Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/x"}`), "may", "web identity"},
		{"a service", to(`"Principal":{"Service":"cloudtrail.amazonaws.com"}`), "", ""},
		{"an unknown kind", to(`"Principal":{"Planet":"x"}`), "may", "Planet x"},
		{"a canonical user", to(`"Principal":{"CanonicalUser":"79a5"}`), "may", "CanonicalUser 79a5"},
		{"NotPrincipal others", to(`"NotPrincipal":{"AWS":"x"}`), "hits", "NotPrincipal"},
		{
			"NotPrincipal with the role", to(`"NotPrincipal":{"AWS":["` + roleARN + `","123456789012"]}`), "hits",
			"nobody can name a role's sessions in advance",
		},
		{"no principal", change(`"Principal":"*",`, ""), "hits", "it is about s3:DeleteObject, s3:GetBucketLocation"},

		{"an action ICA needs", change("s3:*", "s3:deleteobject"), "hits", "it is about s3:DeleteObject"},
		{"actions ICA does not need", change("s3:*", "s3:PutBucketPolicy"), "", ""},
		{
			"NotAction with all but reads", change(`"Action":"s3:*"`, `"NotAction":["s3:Get*","s3:List*"]`), "hits",
			"s3:DeleteObject, s3:PutBucketNotification, s3:PutObject, s3:RestoreObject",
		},
		{"NotAction with all that ICA needs", change(`"Action":"s3:*"`, `"NotAction":["s3:*"]`), "", ""},
		{"another bucket", strings.ReplaceAll(to(`"Principal":"*"`), "lab-prod-ica", "lab-prod"), "", ""},
		{"the whole of S3", change(`["arn:aws:s3:::lab-prod-ica","arn:aws:s3:::lab-prod-ica/*"]`, `"*"`), "hits", ""},
		{"part of the folder", change(`"arn:aws:s3:::lab-prod-ica","arn:aws:s3:::lab-prod-ica/*"`,
			`"arn:aws:s3:::lab-prod-ica/ica/raw/*"`), "may", "some of the calls"},
		{
			"another folder", change(`"arn:aws:s3:::lab-prod-ica","arn:aws:s3:::lab-prod-ica/*"`, `"arn:aws:s3:::lab-prod-ica/hr/*"`),
			"", "",
		},
		{"only object actions, only the bucket", change(`"s3:*","Resource":["arn:aws:s3:::lab-prod-ica","arn:aws:s3:::lab-prod-ica/*"]`, `"s3:GetObject","Resource":"arn:aws:s3:::lab-prod-ica"`), "", ""},
		{"NotResource the bucket", change(`"Resource"`, `"NotResource"`), "", ""},
		{"NotResource another folder", change(`"Resource":["arn:aws:s3:::lab-prod-ica","arn:aws:s3:::lab-prod-ica/*"]`,
			`"NotResource":"arn:aws:s3:::lab-prod-ica/hr/*"`), "hits", ""},
		{"NotResource part of the folder", change(`"s3:*","Resource":["arn:aws:s3:::lab-prod-ica","arn:aws:s3:::lab-prod-ica/*"]`,
			`"s3:PutObject","NotResource":"arn:aws:s3:::lab-prod-ica/ica/out/*"`), "may", ""},

		{"TLS only", everyone(`{"Bool":{"aws:SecureTransport":"false"}}`), "", ""},
		{"TLS only, as AWS Config advises", everyone(`{"Bool":{"AWS:securetransport":false}}`), "", ""},
		{"TLS only, if the key exists", everyone(`{"BoolIfExists":{"aws:SecureTransport":"false"}}`), "", ""},
		{"TLS denied", everyone(`{"Bool":{"aws:SecureTransport":"true"}}`), "hits", "condition Bool aws:SecureTransport true is " +
			"true of it"},
		{"old TLS", everyone(`{"NumericLessThan":{"s3:TlsVersion":1.2}}`), "", ""},
		{"TLS before 1.3", everyone(`{"NumericLessThan":{"s3:TlsVersion":"1.3"}}`), "may", "s3:TlsVersion"},

		{
			"but the role", everyone(`{"ArnNotLike":{"aws:PrincipalArn":["arn:aws:iam::123456789012:role/Admin","` + roleARN + `"]}}`),
			"", "",
		},
		{"but the role, by equality", everyone(`{"ArnNotEquals":{"AWS:PRINCIPALARN":"` + roleARN + `"}}`), "", ""},
		{"but the role, as text", everyone(`{"StringNotEquals":{"aws:PrincipalArn":"` + roleARN + `"}}`), "", ""},
		{"but the role, as text, case ignored", everyone(`{"StringNotEqualsIgnoreCase":{"aws:PrincipalArn":"` +
			strings.ToUpper(roleARN) + `"}}`), "", ""},
		{"but the role, if the key exists", everyone(`{"StringNotLikeIfExists":{"aws:PrincipalArn":"arn:aws:iam::*:role/Illumina*"}}`), "", ""},
		{"but the role in other case", everyone(`{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/illumina_ica_role"}}`), "hits", "is true of it"},
		{"but another role", everyone(`{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/Admin"}}`), "hits", "ArnNotLike aws:PrincipalArn arn:aws:iam::123456789012:role/Admin is true of it"},
		{"but the role, wildcards taken literally", everyone(`{"StringNotEquals":{"aws:PrincipalArn":"arn:aws:iam::123456789012:role/*"}}`), "hits", "StringNotEquals"},
		{"but the sessions, by their ARNs", everyone(`{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:sts::123456789012:assumed-role/Illumina_ICA_Role/*"}}`), "hits", "is true of it"},
		{"but across the colons", everyone(`{"ArnNotLike":{"aws:PrincipalArn":"arn:*Illumina_ICA_Role"}}`), "may", ""},
		{"but across the colons, as text", everyone(`{"StringNotLike":{"aws:PrincipalArn":"arn:*Illumina_ICA_Role"}}`), "", ""},
		{"but a variable", everyone(`{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::${aws:ResourceAccount}:role/*"}}`), "may", "is not known"},
		{"but a variable, as text", everyone(`{"StringNotLike":{"aws:PrincipalArn":"arn:aws:iam::${aws:ResourceAccount}:role/*"}}`), "may", "is not known"},
		{"but a variable elsewhere", everyone(`{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::${aws:ResourceAccount}:user/*"}}`), "hits", ""},
		{"but the role and another condition", everyone(`{"ArnNotLike":{"aws:PrincipalArn":"` + roleARN + `"},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`), "", ""},
		{"aimed at the role", everyone(`{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/Illumina*"}}`), "hits", "ArnLike"},
		{"aimed at the role, as text", everyone(`{"StringEquals":{"aws:PrincipalArn":["x","` + roleARN + `"]}}`), "hits", "StringEquals"},
		{"aimed at users", everyone(`{"StringLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:user/*"}}`), "", ""},
		{"for any value", everyone(`{"ForAnyValue:ArnLike":{"aws:PrincipalArn":"arn:aws:iam::1:user/x"}}`), "", ""},
		{"for all values", everyone(`{"ForAllValues:StringNotLike":{"aws:PrincipalArn":"` + roleARN + `"}}`), "", ""},
		{"operator in other case", everyone(`{"arnnotlike":{"aws:PrincipalArn":"` + roleARN + `"}}`), "may", "arnnotlike"},

		{"but the role's id", everyone(`{"StringNotLike":{"aws:userId":["` + roleID + `:*","123456789012"]}}`), "", ""},
		{"but another role's id", everyone(`{"StringNotLike":{"aws:userId":["AROAOTHER:*","123456789012"]}}`), "hits", "AROAOTHER:*"},
		{"but one session", everyone(`{"StringNotLike":{"aws:userId":"` + roleID + `:` + prefix + `-1"}}`), "may", "aws:userId AROAEXAMPLEROLEOFICA1:***"},
		{"but the role's id, wildcard taken literally", everyone(`{"StringNotEquals":{"aws:userId":"` + roleID + `:*"}}`), "may", ""},
		{"but a user name, which a role has not", everyone(`{"StringNotEquals":{"aws:username":"ica"}}`), "hits", "aws:username"},
		{"a user name", everyone(`{"StringEquals":{"aws:username":"ica"}}`), "", ""},
		{"a user name, if the key exists", everyone(`{"StringEqualsIfExists":{"aws:username":"ica"}}`), "hits", ""},
		{"no user name", everyone(`{"Null":{"aws:username":"true"}}`), "hits", ""},
		{"a principal's ARN", everyone(`{"Null":{"aws:PrincipalArn":true}}`), "", ""},
		{"but the account", everyone(`{"StringNotEquals":{"aws:PrincipalAccount":"123456789012"}}`), "", ""},
		{"but another account", everyone(`{"StringNotEquals":{"aws:PrincipalAccount":["1","2"]}}`), "hits", ""},
		{"bucket of the account", everyone(`{"StringNotEquals":{"aws:ResourceAccount":"123456789012"}}`), "", ""},
		{"but AWS services", everyone(`{"BoolIfExists":{"aws:PrincipalIsAWSService":"false"},"StringNotEqualsIfExists":{"aws:PrincipalOrgID":"o-1"}}`), "may", "aws:PrincipalOrgID o-1"},
		{"but a network", everyone(`{"StringNotEquals":{"aws:SourceVpce":"vpce-1"}}`), "may", "aws:SourceVpce vpce-1"},
		{"unencrypted uploads", everyone(`{"StringNotEquals":{"s3:x-amz-server-side-encryption":"aws:kms"}}`), "may", "s3:x-amz-server-side-encryption"},
		{"another session name", everyone(`{"StringNotLike":{"sts:RoleSessionName":"` + prefix + `-*"}}`), "may", "sts:RoleSessionName ***"},
		{"an empty condition", everyone(`{}`), "hits", ""},
		{"an Allow", change(`Deny`, `Allow`), "", ""},
	} {
		d := doc(t, tlsOnly(), c.statement)
		hits := Denies(d, ica(), calls)
		got, text := "", ""
		if len(hits) > 0 {
			got, text = map[bool]string{true: "hits", false: "may"}[hits[0].Certain], hits[0].String()+hits[0].HowToExcept
		}
		if got != c.want || len(hits) > 1 || !strings.Contains(text, c.why) || strings.Contains(text, prefix) {
			t.Errorf("%s: %q, want %q with %q\n  %s\n  %s", c.name, got, c.want, c.why, c.statement, strings.Join(lines(hits), "\n  "))
		}
		if got != "" && (hits[0].Statement.Number != 2 || !strings.Contains(hits[0].HowToExcept, roleARN)) {
			t.Errorf("%s: %+v", c.name, hits[0])
		}
	}
}

// TestExceptionsWork follows HowToExcept on each kind of Deny: afterwards it no longer hits.
func TestExceptionsWork(t *testing.T) {
	const rest = `"Effect":"Deny","Action":"*","Resource":"*"`
	calls := []Calls{{[]string{"s3:PutBucketPolicy", "s3:GetBucketPolicy"}, []string{"arn:aws:s3:::lab-prod-ica"}}}
	guard := Caller{RoleARN: "arn:aws:iam::123456789012:role/icaguard/icaguard-remediate"}
	const arn = "arn:aws:iam::123456789012:role/icaguard/icaguard-remediate"
	for _, c := range []struct{ before, how, after string }{
		{
			`{"Sid":"Lock","Principal":"*",` + rest + `}`,
			`add "ArnNotLike": {"aws:PrincipalArn": "` + arn + `"} to its Condition`,
			`{"Sid":"Lock","Principal":"*",` + rest + `,"Condition":{"ArnNotLike":{"aws:PrincipalArn":"` + arn + `"}}}`,
		},
		{
			`{"Principal":"*",` + rest + `,"Condition":{"StringNotLike":{"aws:PrincipalARN":"x"}}}`,
			`add "` + arn + `" to the values of its condition StringNotLike aws:PrincipalARN`,
			`{"Principal":"*",` + rest + `,"Condition":{"StringNotLike":{"aws:PrincipalARN":["x","` + arn + `"]}}}`,
		},
		{
			`{"NotPrincipal":{"AWS":"` + arn + `"},` + rest + `}`,
			`replace NotPrincipal by "Principal": "*", and add "ArnNotLike": {"aws:PrincipalArn": "` + arn + `"} to its Condition besides the ARNs of all that it spares now`,
			`{"Principal":"*",` + rest + `,"Condition":{"ArnNotLike":{"aws:PrincipalArn":"` + arn + `"}}}`,
		},
	} {
		hits := Denies(doc(t, c.before), guard, calls)
		if len(hits) != 1 || !hits[0].Certain || hits[0].HowToExcept != c.how {
			t.Errorf("%s: %+v, want %s", c.before, hits, c.how)
		}
		if hits := Denies(doc(t, c.after), guard, calls); len(hits) > 0 {
			t.Errorf("%s: %v", c.after, hits)
		}
	}
}

func TestDeniesWithoutRoleID(t *testing.T) {
	who := Caller{RoleARN: roleARN}
	calls := []Calls{{[]string{"s3:GetObject"}, []string{"arn:aws:s3:::lab/*"}}}
	for _, s := range []string{
		`{"Effect":"Deny","Principal":{"AWS":"AROAGONE"},"Action":"*","Resource":"*"}`,
		`{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{"StringNotLike":{"aws:userid":"AROAOTHER:*"}}}`,
		`{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:ResourceAccount":"1"}}}`,
	} {
		if hits := Denies(doc(t, s), who, calls); len(hits) != 1 || hits[0].Certain {
			t.Errorf("%s: %v, want one that may hit", s, hits)
		}
	}
}

func TestCalls(t *testing.T) {
	d := doc(
		t, `{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::lab/*"}`,
		`{"Effect":"Deny","Action":"*","Resource":"*"}`, `{"Effect":"Allow","NotAction":"iam:*","NotResource":"arn:aws:s3:::x"}`,
	)
	got := d.Calls()
	if len(got) != 2 || !slices.Equal(got[0].Resources, []string{"arn:aws:s3:::lab/*"}) || got[1].Actions[0] != "*" ||
		got[1].Resources[0] != "*" {
		t.Errorf("%v", got)
	}
}
