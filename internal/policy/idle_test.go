package policy

import (
	"slices"
	"testing"
)

func TestWithoutActions(t *testing.T) {
	d, err := Parse(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":["s3:ListBucket","S3:ListObjectVersions"],"Resource":"arn:aws:s3:::b"},
		{"Effect":"Allow","Action":"sts:GetFederationToken","Resource":"*"},
		{"Effect":"Deny","Action":"sts:GetFederationToken","Resource":"*"},
		{"Effect":"Allow","NotAction":"sts:GetFederationToken","Resource":"*"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	want, err := Parse(`{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::b"},
		{"Effect":"Deny","Action":"sts:GetFederationToken","Resource":"*"},
		{"Effect":"Allow","NotAction":"sts:GetFederationToken","Resource":"*"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	rest, found := d.WithoutActions("s3:ListObjectVersions", "sts:GetFederationToken")
	if !Equal(want, rest) || !slices.Equal(found, []string{"S3:ListObjectVersions", "sts:GetFederationToken"}) {
		t.Errorf("rest %s, found %v", rest.JSON(), found)
	}
	again, err := Parse(rest.JSON())
	if err != nil || !Equal(again, rest) {
		t.Errorf("what is left does not read back: %v %s", err, rest.JSON())
	}
}
