package policy

import (
	"slices"
	"testing"
)

func TestLacks(t *testing.T) {
	who := Caller{RoleARN: "arn:aws:iam::123456789012:role/ica"}
	calls := []Calls{
		{[]string{"s3:GetObject", "s3:PutObject"}, []string{"arn:aws:s3:::lab/ica/*"}},
		{[]string{"s3:ListBucket"}, []string{"arn:aws:s3:::lab"}},
	}
	const onObjects = " arn:aws:s3:::lab/ica/*"
	for name, c := range map[string]struct {
		statements string
		never, may []string
	}{
		"all of it":       {`{"Effect":"Allow","Action":"s3:*","Resource":"*"}`, nil, nil},
		"piece by piece":  {`{"Effect":"Allow","Action":"s3:*object","Resource":"arn:aws:s3:::lab/*"},{"Effect":"Allow","Action":"s3:List*","Resource":"arn:aws:s3:::*"}`, nil, nil},
		"nothing":         {`{"Effect":"Allow","Action":"ec2:*","Resource":"*"}`, []string{"s3:GetObject" + onObjects, "s3:PutObject" + onObjects, "s3:ListBucket arn:aws:s3:::lab"}, nil},
		"only Denies":     {`{"Effect":"Deny","Action":"s3:*","Resource":"*"}`, []string{"s3:GetObject" + onObjects, "s3:PutObject" + onObjects, "s3:ListBucket arn:aws:s3:::lab"}, nil},
		"one action less": {`{"Effect":"Allow","NotAction":"s3:Put*","Resource":"*"}`, []string{"s3:PutObject" + onObjects}, nil},
		"some keys": {
			`{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::lab","arn:aws:s3:::lab/ica/runs/*"]}`,
			nil,
			[]string{"s3:GetObject" + onObjects, "s3:PutObject" + onObjects},
		},
		"under a condition that is met": {`{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}`, nil, nil},
		"under a condition that is not": {
			`{"Effect":"Allow","Action":"s3:*","Resource":"*"},{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}`,
			nil, nil,
		},
		"under one that nobody knows": {
			`{"Effect":"Allow","Action":"s3:Get*","Resource":"*","Condition":{"StringEquals":{"lab:Key":"x"}}},{"Effect":"Allow","Action":["s3:L*","s3:PutObject"],"Resource":"*"}`,
			nil,
			[]string{"s3:GetObject" + onObjects},
		},
	} {
		d, err := Parse(`{"Version":"2012-10-17","Statement":[` + c.statements + `]}`)
		if err != nil {
			t.Fatal(err)
		}
		var never, may []string
		for _, l := range Lacks(d, who, calls) {
			if l.Certain {
				never = append(never, l.Action+" "+l.Resource)
			} else {
				may = append(may, l.Action+" "+l.Resource)
			}
		}
		if !slices.Equal(never, c.never) || !slices.Equal(may, c.may) {
			t.Errorf("%s: never %q, may %q; want %q, %q", name, never, may, c.never, c.may)
		}
	}
}
