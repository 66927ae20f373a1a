package policy

import (
	"fmt"
	"strings"
	"testing"
)

const (
	account  = "123456789012"
	roleARN  = "arn:aws:iam::123456789012:role/Illumina_ICA_Role"
	roleID   = "AROAEXAMPLEROLEOFICA1"
	crossACC = "arn:aws:iam::079623148045:role/ica_use1_crossacct"
	provider = "oidc.eks.us-east-1.amazonaws.com/id/10FBA7EDEB5930CCFC300EF5AC3DB2FE"
	prefix   = "a1B2c3D4-secret"
)

func must(t testing.TB, text string) Document {
	t.Helper()
	d, err := Parse(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return d
}

// doc is a document of these statements.
func doc(t testing.TB, statements ...string) Document {
	t.Helper()
	return must(t, `{"Version":"2012-10-17","Statement":[`+strings.Join(statements, ",")+`]}`)
}

func statement(t testing.TB, text string) Statement {
	t.Helper()
	return doc(t, text).Statements()[0]
}

// permissionPolicy is Illumina's, for an unversioned bucket with a folder.
func permissionPolicy() string {
	return `{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Action": ["s3:PutBucketNotification", "s3:ListBucket", "s3:GetBucketNotification", "s3:GetBucketLocation"],
   "Resource": ["arn:aws:s3:::lab-prod-ica"]},
  {"Effect": "Allow", "Action": ["s3:PutObject", "s3:GetObject", "s3:RestoreObject", "s3:DeleteObject"],
   "Resource": ["arn:aws:s3:::lab-prod-ica/ica/*"]}
]}`
}

func trustPolicy() string {
	return `{"Version": "2012-10-17", "Statement": [{
  "Effect": "Allow",
  "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/` + provider + `"},
  "Action": "sts:AssumeRoleWithWebIdentity",
  "Condition": {
    "StringEquals": {"` + provider + `:aud": "sts.amazonaws.com"},
    "StringLike": {"` + provider + `:sub": "system:serviceaccount:use1:irsa-use1-gds*", "sts:RoleSessionName": "` + prefix + `-*"}}}]}`
}

func crossAccountCopy() string {
	return `{"Sid": "IcaCrossAccountCopy", "Effect": "Allow", "Principal": {"AWS": "` + crossACC + `"},
   "Action": ["s3:PutObject", "s3:DeleteObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload", "s3:GetObject"],
   "Resource": ["arn:aws:s3:::lab-prod-ica", "arn:aws:s3:::lab-prod-ica/*"]}`
}

func tlsOnly() string {
	return `{"Sid": "IcaTLSOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
   "Resource": ["arn:aws:s3:::lab-prod-ica", "arn:aws:s3:::lab-prod-ica/*"], "Condition": {"Bool": {"aws:SecureTransport": "false"}}}`
}

func keyPolicyRoot() string {
	return `{"Sid": "Enable IAM User Permissions", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "kms:*", "Resource": "*"}`
}

// documents are all of the above, for tests that hold for any document.
func documents() []string {
	return []string{
		permissionPolicy(), trustPolicy(),
		`{"Version":"2012-10-17","Id":"lab","Statement":[` + crossAccountCopy() + `,` + tlsOnly() + `]}`,
		`{"Version":"2008-10-17","Id":"key-default-1","Statement":` + keyPolicyRoot() + `}`,
	}
}

func TestDocumentsPrintMasked(t *testing.T) {
	d := must(t, trustPolicy())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		for _, value := range []any{d, d.Statements()[0], d.Statements(), &d, struct{ D Document }{d}} {
			if out := fmt.Sprintf(verb, value); strings.Contains(out, prefix) || strings.Contains(out, fmt.Sprintf("%x", prefix)) {
				t.Errorf("%s of %T shows the prefix: %s", verb, value, out)
			}
		}
	}
	if out := d.LogValue().String() + d.Statements()[0].LogValue().String(); strings.Contains(out, prefix) {
		t.Error("slog shows the prefix")
	}
}
