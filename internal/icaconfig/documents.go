package icaconfig

import "encoding/json"

// Document is an IAM policy document. It marshals to the same bytes each time, members in the order of AWS's examples.
type Document struct {
	Version   string
	Statement []Statement
}

// Statement is one statement of a Document; members that are empty are left out.
type Statement struct {
	Sid       string            `json:",omitempty"`
	Effect    string            // Allow or Deny
	Principal map[string]string `json:",omitempty"` // kind, for example Federated → ARN
	Action    Actions
	Resource  []string                     `json:",omitempty"`
	Condition map[string]map[string]string `json:",omitempty"` // operator → key → value
}

// Actions is a list of IAM actions; a single one is written as a plain string, as AWS's console does in trust policies.
type Actions []string

// MarshalJSON writes one action as a string and several as a list.
func (a Actions) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

// UnmarshalJSON reads both forms.
func (a *Actions) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*a = Actions{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(a))
}

const policyVersion = "2012-10-17"

// CORSRule is one CORS rule of a bucket. The order of its lists has no meaning.
type CORSRule struct {
	AllowedHeaders, AllowedMethods, AllowedOrigins, ExposeHeaders []string
}

// CORS is the rule that ICA's browser uploads need. Source: Illumina, "IAM Role Method", section 1, to the word.
func CORS() CORSRule {
	return CORSRule{
		AllowedHeaders: []string{"*"},
		AllowedMethods: []string{"HEAD", "GET", "PUT", "POST", "DELETE"},
		AllowedOrigins: []string{"https://ica.illumina.com"},
		ExposeHeaders:  []string{"ETag", "x-amz-meta-custom-header"},
	}
}

// TrustPolicy is the role's trust policy for ICA's prefix (one that passed CheckPrefix, or a CloudFormation reference to it). The document
// shows the prefix: mask it before printing. Source: built from the fields that section 4 of the "IAM Role Method" page gives in words.
func (s Storage) TrustPolicy(prefix string) Document {
	ns := s.Region.Namespace
	return Document{Version: policyVersion, Statement: []Statement{{
		Effect:    "Allow",
		Principal: map[string]string{"Federated": s.Provider.ARN},
		Action:    Actions{"sts:AssumeRoleWithWebIdentity"},
		Condition: map[string]map[string]string{
			"StringEquals": {s.Provider.Host + ":aud": s.Provider.Audience},
			"StringLike": {
				s.Provider.Host + ":sub": "system:serviceaccount:" + ns + ":irsa-" + ns + "-gds*",
				"sts:RoleSessionName":    prefix + "-*",
			},
		},
	}}}
}

// permissionPolicy is what ICA may do with the buckets of one role, two statements for each. Source: Illumina's SSE-KMS page and labs in
// production, variant for unversioned buckets.
func permissionPolicy(buckets []Bucket) Document {
	doc := Document{Version: policyVersion}
	for _, b := range buckets {
		doc.Statement = append(doc.Statement,
			Statement{
				Effect:   "Allow",
				Action:   Actions{"s3:PutBucketNotification", "s3:ListBucket", "s3:GetBucketNotification", "s3:GetBucketLocation"},
				Resource: []string{b.ARN},
			},
			Statement{
				Effect:   "Allow",
				Action:   Actions{"s3:PutObject", "s3:GetObject", "s3:RestoreObject", "s3:DeleteObject"},
				Resource: []string{b.objects()},
			})
	}
	return doc
}

// objects is the ARN pattern of what ICA may touch in the bucket.
func (b Bucket) objects() string {
	if b.Folder == "" {
		return b.ARN + "/*"
	}
	return b.ARN + "/" + b.Folder + "/*"
}
