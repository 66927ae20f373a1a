package policy

import (
	"slices"
	"strings"
	"testing"
)

func TestWidens(t *testing.T) {
	within := []string{"arn:aws:s3:::lab-prod-ica", "arn:aws:s3:::lab-prod-ica/*"}
	for _, text := range []string{permissionPolicy(), trustPolicy(), `{"Version":"2012-10-17","Statement":[` + crossAccountCopy() +
		`,` + tlsOnly() + `]}`} {
		if found := Widens(must(t, text), within...); len(found) > 0 {
			t.Errorf("ours widens: %v", found)
		}
	}
	for _, c := range []struct{ name, old, by, says string }{
		{"everyone", `{"AWS": "` + crossACC + `"}`, `"*"`, "Principal *"},
		{"everyone with credentials", crossACC, "*", "Principal *"},
		{"any role", crossACC, "arn:aws:iam::079623148045:role/*", "role/*"},
		{"NotPrincipal", `"Principal"`, `"NotPrincipal"`, "NotPrincipal"},
		{"all actions", `"s3:GetObject"`, `"*"`, "Action *"},
		{"all of S3", `"s3:GetObject"`, `"s3:*"`, "Action s3:*"},
		{"some actions", `"s3:GetObject"`, `"s3:Put*"`, "Action s3:Put*"},
		{"NotAction", `"Action"`, `"NotAction"`, "NotAction"},
		{"all resources", `"arn:aws:s3:::lab-prod-ica/*"`, `"*"`, "Resource *"},
		{"another bucket", `"arn:aws:s3:::lab-prod-ica/*"`, `"arn:aws:s3:::lab-prod/*"`, "Resource arn:aws:s3:::lab-prod/*"},
		{
			"buckets that begin alike", `"arn:aws:s3:::lab-prod-ica/*"`, `"arn:aws:s3:::lab-prod-ica*"`,
			"Resource arn:aws:s3:::lab-prod-ica*",
		},
		{"a variable", `"arn:aws:s3:::lab-prod-ica/*"`, `"arn:aws:s3:::lab-prod-ica/${aws:x}"`, "${aws:x}"},
		{"NotResource", `"Resource"`, `"NotResource"`, "NotResource"},
	} {
		text := strings.Replace(crossAccountCopy(), c.old, c.by, 1)
		found := Widens(doc(t, tlsOnly(), text), within...)
		if len(found) != 1 || !strings.Contains(found[0].String(), c.says) ||
			!strings.HasPrefix(found[0].String(), "statement 2 (Sid IcaCrossAccountCopy): ") {
			t.Errorf("%s: %v", c.name, found)
		}
		if denied := strings.Replace(text, "Allow", "Deny", 1); len(Widens(doc(t, denied), within...)) > 0 {
			t.Errorf("%s: a Deny widens nothing", c.name)
		}
	}
	if found := Widens(doc(t, strings.Replace(keyPolicyRoot(), "kms:*", "kms:Decrypt", 1)), "*"); len(found) > 0 {
		t.Errorf("a key policy's Resource *: %v", found)
	}
}

func TestGrants(t *testing.T) {
	d := must(t, permissionPolicy())
	for resource, want := range map[string]bool{
		"arn:aws:s3:::lab-prod-ica": true, "arn:aws:s3:::lab-prod-ica/*": true, "arn:aws:s3:::lab-prod": false,
		"arn:aws:s3:::lab-prod-ica/hr/*": false,
	} {
		if Grants(d, resource) != want {
			t.Errorf("%s: want %v", resource, want)
		}
	}
	if Grants(doc(t, strings.Replace(crossAccountCopy(), "Allow", "Deny", 1)), "arn:aws:s3:::lab-prod-ica") {
		t.Error("a Deny grants")
	}
}

func TestAdministratorLike(t *testing.T) {
	for _, c := range []struct {
		name, statement string
		want            bool
	}{
		{"AdministratorAccess", `{"Effect":"Allow","Action":"*","Resource":"*"}`, true},
		{"IAMFullAccess", `{"Effect":"Allow","Action":["iam:*","organizations:DescribeAccount"],"Resource":"*"}`, true},
		{"PowerUserAccess", `{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"}`, true},
		{"PowerUserAccess's rest", `{"Effect":"Allow","Action":["iam:CreateServiceLinkedRole","iam:ListRoles"],"Resource":"*"}`, false},
		{"one that is enough", `{"Effect":"Allow","Action":"IAM:putrolepolicy","Resource":"*"}`, true},
		{"on all roles", `{"Effect":"Allow","Action":"iam:P*","Resource":"arn:aws:iam::123456789012:role/*"}`, true},
		{"on all policies", `{"Effect":"Allow","Action":"iam:CreatePolicyVersion","Resource":"arn:aws:iam::*:policy/*"}`, true},
		{"on all of IAM", `{"Effect":"Allow","Action":"*:*","Resource":"arn:aws:iam::*"}`, true},
		{"but one resource", `{"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::x"}`, true},
		{"on one role", `{"Effect":"Allow","Action":"iam:*","Resource":"arn:aws:iam::123456789012:role/x"}`, false},
		{"all of S3", `{"Effect":"Allow","Action":"s3:*","Resource":"*"}`, false},
		{"all on a bucket", `{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::lab/*"}`, false},
		{"a Deny", `{"Effect":"Deny","Action":"*","Resource":"*"}`, false},
	} {
		found := AdministratorLike(doc(t, tlsOnly(), c.statement))
		if (len(found) > 0) != c.want || c.want && found[0].Statement.Number != 2 {
			t.Errorf("%s: %v, want %v", c.name, found, c.want)
		}
	}
	if found := AdministratorLike(must(t, permissionPolicy())); len(found) > 0 {
		t.Errorf("ICA's policy: %v", found)
	}
}

func TestDeletedPrincipals(t *testing.T) {
	d := doc(
		t, crossAccountCopy(),
		strings.Replace(crossAccountCopy(), `"`+crossACC+`"`, `["AIDAGONE","`+roleARN+`","`+roleID+`","AROAX:session"]`, 1),
		`{"Sid":"Lost","Effect":"Deny","NotPrincipal":{"AWS":"AROALOST"},"Action":"s3:*","Resource":"*"}`,
	)
	got := DeletedPrincipals(d)
	want := []DeletedPrincipal{
		{
			Place{2, "IcaCrossAccountCopy"},
			"AIDAGONE",
			false,
		},
		{Place{2, "IcaCrossAccountCopy"}, roleID, false},
		{Place{3, "Lost"}, "AROALOST", true},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
