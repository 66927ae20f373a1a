package icaconfig

import (
	"slices"
	"strings"

	"github.com/icaguard/icaguard/internal/policy"
)

const policyVersion = "2012-10-17"

// CORSRule is one CORS rule of a bucket, its members named as S3's console takes them. The order of its lists has no
// meaning. Ours has neither ID nor age.
type CORSRule struct {
	ID                                                            string `json:",omitempty"`
	AllowedHeaders, AllowedMethods, AllowedOrigins, ExposeHeaders []string
	MaxAgeSeconds                                                 int32 `json:",omitempty"`
}

// CORS is the rule that ICA's browser uploads need. Source: Illumina, "IAM Role Method", section 1, verbatim.
func CORS() CORSRule {
	return CORSRule{
		AllowedHeaders: []string{"*"},
		AllowedMethods: []string{"HEAD", "GET", "PUT", "POST", "DELETE"},
		AllowedOrigins: []string{"https://ica.illumina.com"},
		ExposeHeaders:  []string{"ETag", "x-amz-meta-custom-header"},
	}
}

// MatchesOrigin says that an origin which a CORS rule allows lets pages of the origin in. S3 takes one * in it, for any text
// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html, AllowedOrigins element).
func MatchesOrigin(allowed, origin string) bool {
	before, after, wildcard := strings.Cut(allowed, "*")
	if !wildcard {
		return allowed == origin
	}
	return len(origin) >= len(before)+len(after) && strings.HasPrefix(origin, before) && strings.HasSuffix(origin, after)
}

// TrustPolicy is the role's trust policy for ICA's prefix (one that passed CheckPrefix, or a CloudFormation reference
// to it). The document shows the prefix: mask it before printing.
func (s Storage) TrustPolicy(prefix string) policy.Document {
	if !s.Own.Trust.Empty() {
		return filled(s.Own.Trust, map[string]string{"PREFIX": prefix})
	}
	ns := s.Region.Namespace
	return policy.New(policy.Statement{
		Effect:    "Allow",
		Principal: policy.Principal{"Federated": {s.Provider.ARN}},
		Action:    policy.Values{"sts:AssumeRoleWithWebIdentity"},
		Condition: policy.Condition{
			"StringEquals": {s.Provider.Host + ":aud": {s.Provider.Audience}},
			"StringLike": {
				s.Provider.Host + ":sub": {"system:serviceaccount:" + ns + ":irsa-" + ns + "-gds*"},
				"sts:RoleSessionName":    {prefix + "-*"},
			},
		},
	})
}

// PermissionPolicy is what ICA may do with the buckets of the role: two statements for each, and one for all keys.
// versioned says which buckets are versioned or suspended. The user's own policy has no variants.
func (r *Role) PermissionPolicy(versioned func(*Bucket) bool) policy.Document {
	if !r.Own.Empty() {
		return r.Own
	}
	var statements []policy.Statement
	for _, b := range r.Buckets {
		statements = append(statements,
			policy.Statement{Effect: "Allow", Action: bucketActions(versioned(b)), Resource: []string{b.ARN}},
			policy.Statement{Effect: "Allow", Action: objectActions(versioned(b), b.ObjectTags), Resource: []string{b.objects()}})
	}
	return policy.New(append(statements, r.keyUse()...)...)
}

// keyUse is a statement of its own, so that S3's actions do not get the keys' ARNs; none where no bucket has a key.
func (r *Role) keyUse() []policy.Statement {
	var keys []string
	for _, b := range r.Buckets {
		if b.KMSKeyARN != "" {
			keys = appendNew(keys, b.KMSKeyARN)
		}
	}
	if keys == nil {
		return nil
	}
	return []policy.Statement{{Effect: "Allow", Action: keyActions(), Resource: keys}}
}

// BoundaryDocument is the permissions boundary of ours: the most that any variant of the permission policy permits on
// the role's buckets and keys, and what the user's own policy permits. So a change of versioning or tags needs no other
// boundary.
func (r *Role) BoundaryDocument() policy.Document {
	buckets := policy.Statement{Effect: "Allow", Action: bucketActions(true)}
	objects := policy.Statement{Effect: "Allow", Action: objectActions(true, true)}
	for _, b := range r.Buckets {
		buckets.Resource = append(buckets.Resource, b.ARN)
		objects.Resource = append(objects.Resource, b.objects())
	}
	allowed := slices.DeleteFunc(r.Own.Statements(), policy.Statement.IsDeny)
	return policy.New(slices.Concat([]policy.Statement{buckets, objects}, r.keyUse(), allowed)...)
}

// Sids of our statements in documents that others own too.
const (
	SidRequireTLS       = "IcaguardRequireTLS"
	SidCrossAccountCopy = "IcaCrossAccountCopy"
	SidRole             = "IcaRole"
)

// BucketStatements are ours in the bucket policy; ICA itself needs none. versioned: the bucket is versioned or suspended.
func (s Storage) BucketStatements(versioned bool) []policy.Statement {
	var ours []policy.Statement
	if s.Bucket.RequireTLS {
		ours = append(ours, s.Bucket.requireTLS())
	}
	switch {
	case !s.Bucket.CrossAccountCopy:
	case len(s.Own.CrossAccount) > 0:
		ours = append(ours, s.Own.CrossAccount...)
	default:
		ours = append(ours, s.crossAccountCopy(versioned))
	}
	return ours
}

// requireTLS is usual practice in AWS; ICA's calls use TLS anyway.
func (b *Bucket) requireTLS() policy.Statement {
	return policy.Statement{
		Sid:       SidRequireTLS,
		Effect:    "Deny",
		Principal: policy.Everyone(),
		Action:    policy.Values{"s3:*"},
		Resource:  []string{b.ARN, b.ARN + "/*"},
		Condition: policy.Condition{"Bool": {"aws:SecureTransport": {"false"}}},
	}
}

func (s Storage) crossAccountCopy(versioned bool) policy.Statement {
	actions := []string{"s3:PutObject", "s3:DeleteObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload", "s3:GetObject"}
	return policy.Statement{
		Sid: SidCrossAccountCopy, Effect: "Allow", Principal: policy.Principal{"AWS": {s.CrossAccount}},
		Action:   append(actions, versionAndTagActions(versioned, s.Bucket.ObjectTags)...),
		Resource: []string{s.Bucket.ARN, s.Bucket.ARN + "/*"},
	}
}

// KeyStatements are ours in the key policy, whatever else stands there: cross-account copy, if a storage with this key
// asks for it.
func (s Storage) KeyStatements() []policy.Statement {
	if s.Key == nil || !s.Key.CrossAccountCopy {
		return nil
	}
	return []policy.Statement{
		{
			Sid:       SidCrossAccountCopy,
			Effect:    "Allow",
			Principal: policy.Principal{"AWS": {s.CrossAccount}},
			Action:    keyActions(),
			Resource:  []string{"*"},
		},
	}
}

// KeyRoleStatement lets the roles use the key. It is for key policies that do not let the account's IAM policies decide
// (the usual root statement); where they do, it is not needed and not put. Without a key it names nobody.
func (s Storage) KeyRoleStatement() policy.Statement {
	var roles []string
	if s.Key != nil {
		roles = slices.Clone(s.Key.Roles)
	}
	return policy.Statement{
		Sid:       SidRole,
		Effect:    "Allow",
		Principal: policy.Principal{"AWS": roles},
		Action:    keyActions(),
		Resource:  []string{"*"},
	}
}

func bucketActions(versioned bool) []string {
	actions := []string{"s3:PutBucketNotification", "s3:ListBucket", "s3:GetBucketNotification", "s3:GetBucketLocation"}
	if versioned {
		// Illumina also prints s3:ListObjectVersions, which is no IAM action.
		actions = append(actions, "s3:ListBucketVersions", "s3:GetBucketVersioning")
	}
	return actions
}

func objectActions(versioned, tags bool) []string {
	actions := []string{"s3:PutObject", "s3:GetObject", "s3:RestoreObject", "s3:DeleteObject"}
	return append(actions, versionAndTagActions(versioned, tags)...)
}

func versionAndTagActions(versioned, tags bool) []string {
	var actions []string
	if versioned {
		actions = append(actions, "s3:GetObjectVersion", "s3:DeleteObjectVersion")
	}
	if tags {
		actions = append(actions, "s3:GetObjectTagging", "s3:PutObjectTagging")
	}
	if versioned && tags {
		actions = append(actions, "s3:GetObjectVersionTagging", "s3:PutObjectVersionTagging")
	}
	return actions
}

func keyActions() []string { return []string{"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"} }

// objects is the ARN pattern of what ICA may touch in the bucket.
func (b *Bucket) objects() string {
	if b.Folder == "" {
		return b.ARN + "/*"
	}
	return b.ARN + "/" + b.Folder + "/*"
}

// Source says how sure a document is.
type Source struct {
	Document string // cors, permission-policy, trust-policy, bucket-policy, key-policy, boundary
	// page: Illumina's "IAM Role Method"; illumina: another page of Illumina's help; lab: labs in production; derived: ours
	Sure string
	Why  string
}

// Sources lists our documents and where each comes from.
func Sources() []Source {
	return []Source{
		{"cors", "page", `verbatim, section 1 of "IAM Role Method"`},
		{
			"permission-policy",
			"illumina, lab",
			"Illumina's SSE-KMS page; the actions on versions' tags as labs in production have them",
		},
		{
			"trust-policy",
			"derived",
			`put together from the fields, the sub line and the "-*" that section 4 of "IAM Role Method" gives in words`,
		},
		{
			"bucket-policy",
			"page, lab",
			`cross-account copy is section 8 of "IAM Role Method" in words, the statement as labs in production have it; TLS only is AWS's usual practice`,
		},
		{"key-policy", "illumina", "Illumina's SSE-KMS page"},
		{"boundary", "derived", "all variants of the permission policy in one; Illumina asks for no boundary"},
	}
}
