package discover

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/icaguard/icaguard/internal/golden"
	"github.com/icaguard/icaguard/internal/icaconfig"
	"github.com/icaguard/icaguard/internal/policy"
)

var update = flag.Bool("update", false, "rewrite golden files")

const (
	us = "oidc.eks.us-east-1.amazonaws.com/id/10FBA7EDEB5930CCFC300EF5AC3DB2FE"
	ae = "oidc.eks.me-central-1.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
	in = "oidc.eks.ap-south-1.amazonaws.com/id/4C3E0D308DB6DA9625FF938C57DAB3B6"
)

func trust(host, namespace string) []Trust {
	return []Trust{{
		Host: host, Subject: "system:serviceaccount:" + namespace + ":irsa-" + namespace + "-gds*",
		Queries: []string{`Role.AssumeRolePolicyDocument.Statement[0].Condition."StringLike"."sts:RoleSessionName"`},
	}}
}

// managed is a policy that allows S3 on resources.
func managed(name string, resources ...string) Policy {
	return Policy{
		Name: name, ARN: "arn:aws:iam::123456789012:policy/" + name,
		Calls: []policy.Calls{{Actions: []string{"s3:GetObject", "s3:PutObjectTagging"}, Resources: resources}},
	}
}

func inUS() Bucket { return Bucket{Region: "us-east-1", Algorithm: "AES256", CORS: true} }

// doubtful is an account in which little is as it should be.
func doubtful() Account {
	key := "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	foreignKey := strings.Replace(key, "us-east-1", "eu-west-1", 1)
	role := func(name string, trust []Trust, policies ...Policy) Role {
		return Role{Name: name, Path: "/", SessionDuration: icaconfig.SessionDuration, Trust: trust, Policies: policies}
	}
	several := role(
		"Several", trust(us, "use1"), managed("several", "arn:aws:s3:::a.b", "arn:aws:s3:::a.b/one/*", "arn:aws:s3:::a.b/two/*"),
		managed("also", "arn:aws:s3:::a-b", "arn:aws:s3:::a-b/*", "arn:aws:s3:::a-b/folder/*", "arn:aws:s3:::a-b/dir*"),
	)
	several.Path, several.Description, several.Boundary = "/science/", "who: \"ICA\"\nsince: 2021",
		"arn:aws:iam::123456789012:policy/limits"
	several.Trust = append(several.Trust, Trust{Host: in, Subject: "*"})
	open := role(
		"Open", []Trust{{Host: us, Subject: "system:serviceaccount:use1:irsa-use1-gds*", Problem: "no prefix"}},
		managed("several", "arn:aws:s3:::all"),
	)
	open.SessionDuration = 3600
	unknown := role("Unknown", trust(strings.Replace(us, "10FB", "FFFF", 1), "use1"), managed("unknown", "arn:aws:s3:::unknown"))
	inline := role(
		"Inline", trust(in, "aps9"), Policy{Name: "inline", Calls: managed("", "arn:aws:s3:::mumbai/ica/*").Calls},
		Policy{Name: "odd", ARN: "arn:aws:iam::123456789012:policy/x/odd", Problem: "Version missing"},
	)
	changed := role("Changed", trust(us, "use1"), managed("changed", "arn:aws:s3:::changed/ica/*"), Policy{
		Name: "keys", Calls: []policy.Calls{{Actions: []string{"kms:Decrypt"}, Resources: []string{key, key + "0", foreignKey}}},
	})
	changed.Trust[0].Queries = []string{"Role.a[0]", "Role.a[1]", "Role.a[2]", "Role.a[3]"}
	return Account{
		ID: "123456789012", Providers: []string{us, ae, "oidc.eks.us-west-2.amazonaws.com/id/00"},
		Roles: []Role{
			several,
			open,
			unknown,
			inline,
			role("Emirates", trust(ae, "mec1"), managed("emirates", "arn:aws:s3:::"+strings.Repeat("long-name.", 6)+"x/ica/*")),
			role(
				"Keys", trust(us, "use1"),
				managed("keys", "arn:aws:s3:::keys", "arn:aws:s3:::keys/ica/*", "arn:aws:s3:::elsewhere", "arn:aws:s3:::strangers"),
			),
			changed,
			role("icaguard-boundary", trust(us, "use1"), managed("icaguard-boundary-x", "arn:aws:s3:::refused")),
			role("Oregon", trust("oidc.eks.us-west-2.amazonaws.com/id/00", "usw2"), managed("oregon", "arn:aws:s3:::oregon")),
			{Name: "Odd", Problem: notUnderstood},
		},
		Buckets: map[string]Bucket{
			"a.b": {
				Region:       "us-east-1",
				Versioning:   "Suspended",
				PublicAccess: true,
				Principals:   []string{"arn:aws:iam::079623148045:role/ica_use1_crossacct"},
			},
			"a-b":                                 inUS(),
			"changed":                             {Region: "us-east-1", Algorithm: "aws:kms", Key: key, CORS: true},
			"all":                                 inUS(),
			"unknown":                             inUS(),
			"refused":                             inUS(),
			"strangers":                           {Foreign: true},
			"mumbai":                              {Region: "ap-south-1", Algorithm: "aws:kms", CORS: true},
			strings.Repeat("long-name.", 6) + "x": {Unread: []string{"s3:GetBucketLocation"}},
			"keys": {
				Region:     "us-east-1",
				Versioning: "Enabled",
				Algorithm:  "aws:kms",
				Key:        key,
				CORS:       true,
			},
			"elsewhere": {
				Region:    "eu-west-1",
				Algorithm: "aws:kms",
				Key:       foreignKey,
				Unread:    []string{"s3:GetBucketCORS"},
			},
		},
	}
}

func TestDescribe(t *testing.T) {
	d, err := Describe(doubtful(), "")
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, *update, "testdata/doubtful.yaml", d.Text)
	file, err := icaconfig.Parse("ica.yaml", []byte(d.Text))
	if err != nil {
		t.Fatalf("the file does not load: %v", err)
	}
	if d.Doubts != strings.Count(d.Text, "# ? ") || len(d.Storages) != len(file.Storages) {
		t.Errorf("%d doubts, storages %v", d.Doubts, d.Storages)
	}
	for _, s := range file.Storages {
		if s.Mode != icaconfig.Observe || !s.Bucket.Existing || !s.Role.Existing || !s.OIDCProvider.Existing {
			t.Errorf("storage %s does not begin in mode observe, as all of it exists", s.Name)
		}
	}
}

func TestSlug(t *testing.T) {
	var names []string
	text := "storages:\n"
	for _, bucket := range []string{
		"all", "lab.data", "lab-data", "a-b-c", "0.1-x", strings.Repeat("a", 63), strings.Repeat("a", 62), strings.Repeat("a", 31) +
			"." + strings.Repeat("b", 31),
		strings.Repeat("a", 29) + ".-x" + strings.Repeat("b", 9), "lab.data-2", "lab-data.2",
	} {
		name := slug(bucket, names)
		if slices.Contains(names, name) {
			t.Errorf("%s: the name %s is taken", bucket, name)
		}
		names = append(names, name)
		text += fmt.Sprintf(
			"  - {name: %q, icaRegion: US, bucket: {name: bucket-%d}, role: {sessionNamePrefix: \"ssm:/x\"}}\n", name, len(names),
		)
	}
	if _, err := icaconfig.Parse("ica.yaml", []byte(text)); err != nil {
		t.Errorf("icaconfig refuses a name of %q:\n%v", names, err)
	}
}

// TestTrustsKeepThePrefix: whatever the document looks like, no text that is made of it holds the prefix.
func TestTrustsKeepThePrefix(t *testing.T) {
	const prefix = "Secret-prefix_1"
	statement := `{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::1:oidc-provider/` + us +
		`"},"Action":"sts:AssumeRoleWithWebIdentity","Condition":%s}`
	for condition, want := range map[string]string{
		`{"StringLike":{"sts:RoleSessionName":"` + prefix + `-*"}}`:                       "",
		`{"StringEquals":{"sts:rolesessionname":["` + prefix + `"]}}`:                     "does not end with -*",
		`{"StringLike":{"sts:RoleSessionName":["` + prefix + `-*","` + prefix + `2-*"]}}`: "",
		`{"StringLike":{"sts:RoleSessionName":"*"}}`:                                      "wildcard",
		`{"StringLike":{"sts:RoleSessionName":"` + prefix + `*"}}`:                        "wildcard",
		`{"StringLike":{"sts:RoleSessionName":[]}}`:                                       notUnderstood,
		`{"StringLike":{"sts:RoleSessionName":{"x":"` + prefix + `"}}}`:                   notUnderstood,
		`{"StringLike":{"` + us + `:sub":"x"}}`:                                           "asks for no session name",
		`"` + prefix + `"`:                                                                notUnderstood,
	} {
		document := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[`+statement+`]}`, condition)
		all, _, problem := trusts(document)
		for _, trust := range all {
			problem += trust.Problem
		}
		if !strings.Contains(problem, want) || want == "" && problem != "" {
			t.Errorf("%s: problem %q, want %q", condition, problem, want)
		}
		if shown := fmt.Sprintf("%+v %s", all, problem); strings.Contains(shown, prefix) {
			t.Errorf("%s: the prefix is shown: %s", condition, shown)
		}
	}
	for _, broken := range []string{"", "{", `{"Statement":"x"}`, `{"Statement":["x"]}`, `[]`} {
		if all, _, problem := trusts(broken); len(all) > 0 || problem == "" {
			t.Errorf("%q is understood: %+v", broken, all)
		}
	}
}

// TestTrustsOfTwoCredentials: two prefixes stand in one statement, or each in a statement of its own.
func TestTrustsOfTwoCredentials(t *testing.T) {
	statement := func(names string) string {
		return `{"Effect":"Allow","Action":"sts:AssumeRoleWithWebIdentity","Principal":{"Federated":"arn:aws:iam::123456789012:oidc-provider/` + us + `"},` +
			`"Condition":{"StringLike":{"` + us + `:sub":"x","sts:RoleSessionName":` + names + `}}}`
	}
	const at = `Role.AssumeRolePolicyDocument.Statement[%d].Condition."StringLike"."sts:RoleSessionName"%s`
	for text, want := range map[string][]string{
		statement(`["Old-prefix-*","New-prefix-*"]`):                    {fmt.Sprintf(at, 0, "[0]"), fmt.Sprintf(at, 0, "[1]")},
		statement(`["*","New-prefix-*"]`):                               {fmt.Sprintf(at, 0, "[1]")},
		statement(`"Old-prefix-*"`) + "," + statement(`"New-prefix-*"`): {fmt.Sprintf(at, 0, ""), fmt.Sprintf(at, 1, "")},
	} {
		all, prefixes, problem := trusts(`{"Version":"2012-10-17","Statement":[` + text + `]}`)
		if len(all) != 1 || !slices.Equal(all[0].Queries, want) || len(prefixes) != 2 || problem != "" {
			t.Errorf("%s: %+v, %q", text, all, problem)
		}
	}
}
